//! Layer normalisation.

use crate::lanes::{LANES, Lanes, for_every_isa};
use crate::quantize::quantize_row;
use crate::{Isa, QuantizedRows};

/// What a layer normalisation knows.
#[derive(Clone, Copy)]
pub struct LayerNorm<'a> {
    /// One factor per place, `[H]`.
    pub gamma: &'a [f32],
    /// One addend per place, `[H]`.
    pub beta: &'a [f32],
    /// Added to the variance.
    pub eps: f32,
}

impl LayerNorm<'_> {
    /// Normalises each row of `x[T, H]` in place: `(x - mean) / √(variance + eps) · gamma + beta`.
    ///
    /// The variance is the population's, in two passes, as PyTorch computes it. For inputs, gammas and betas
    /// within ±1 and widths up to 385, outputs are within 2e-6 of the formula. Ba, Kiros, Hinton:
    /// *Layer Normalization*, 2016.
    ///
    /// # Panics
    /// If gamma and beta differ in length, are empty, or `x` is not whole rows of that length.
    pub fn apply(&self, isa: Isa, x: &mut [f32]) {
        self.check(x);
        rows(isa, x, *self);
    }

    /// Normalises `x[T, H] + branch[T, H]` to `x`, and quantises the outcome, times `multiplier[H]`, to `out`:
    /// in one pass over memory what [`add_assign`](crate::add_assign), [`LayerNorm::apply`] and
    /// [`quantize_rows`](crate::quantize_rows) do, bit for bit.
    ///
    /// # Panics
    /// As [`LayerNorm::apply`], or if `branch` or `multiplier` do not fit.
    pub fn add_apply_quantize(
        &self,
        isa: Isa,
        x: &mut [f32],
        branch: &[f32],
        multiplier: &[f32],
        out: &mut QuantizedRows,
    ) {
        self.check(x);
        assert!(
            x.len() == branch.len() && multiplier.len() == self.gamma.len(),
            "LayerNorm: a branch or a multiplier of another shape"
        );
        out.resize(x.len() / multiplier.len(), multiplier.len());
        add_rows_quantize(isa, x, branch, *self, multiplier, out);
    }

    fn check(&self, x: &[f32]) {
        assert_eq!(self.gamma.len(), self.beta.len(), "LayerNorm: gamma and beta of different lengths");
        assert!(!self.gamma.is_empty() && x.len().is_multiple_of(self.gamma.len()), "LayerNorm: not whole rows");
    }
}

for_every_isa! {
    fn rows(x: &mut [f32], norm: LayerNorm<'_>) = rows_generic;
    fn add_rows_quantize(
        x: &mut [f32],
        branch: &[f32],
        norm: LayerNorm<'_>,
        multiplier: &[f32],
        out: &mut QuantizedRows,
    ) = add_rows_quantize_generic;
}

#[inline(always)]
fn rows_generic<L: Lanes>(proof: L::Proof, x: &mut [f32], norm: LayerNorm<'_>) {
    for row in x.chunks_exact_mut(norm.gamma.len()) {
        normalize_row::<L>(proof, row, norm);
    }
}

#[inline(always)]
fn add_rows_quantize_generic<L: Lanes>(
    proof: L::Proof,
    x: &mut [f32],
    branch: &[f32],
    norm: LayerNorm<'_>,
    multiplier: &[f32],
    out: &mut QuantizedRows,
) {
    let width = multiplier.len();
    for (t, (row, branch)) in x.chunks_exact_mut(width).zip(branch.chunks_exact(width)).enumerate() {
        for (x, branch) in row.iter_mut().zip(branch) {
            *x += branch;
        }
        normalize_row::<L>(proof, row, norm);
        quantize_row::<L>(proof, row, multiplier, t, out);
    }
}

#[inline(always)]
fn normalize_row<L: Lanes>(proof: L::Proof, row: &mut [f32], LayerNorm { gamma, beta, eps }: LayerNorm<'_>) {
    let width = row.len();
    let (body, tail) = row.as_chunks::<LANES>();
    let mut sum = L::splat(proof, 0.0);
    for x in body {
        sum = sum.add(L::load(proof, x));
    }
    sum = sum.add(L::load_partial(proof, tail, 0.0));
    let mean = sum.sum() / width as f32;
    let mean_lanes = L::splat(proof, mean);
    let mut squares = L::splat(proof, 0.0);
    for x in body {
        let centred = L::load(proof, x).sub(mean_lanes);
        squares = centred.mul_add(centred, squares);
    }
    let centred = L::load_partial(proof, tail, mean).sub(mean_lanes);
    squares = centred.mul_add(centred, squares);
    let scale = L::splat(proof, 1.0 / (squares.sum() / width as f32 + eps).sqrt());

    let (body, tail) = row.as_chunks_mut::<LANES>();
    let ((gamma, gamma_tail), (beta, beta_tail)) = (gamma.as_chunks::<LANES>(), beta.as_chunks::<LANES>());
    for ((x, gamma), beta) in body.iter_mut().zip(gamma).zip(beta) {
        let centred = L::load(proof, x).sub(mean_lanes).mul(scale);
        centred.mul_add(L::load(proof, gamma), L::load(proof, beta)).store(x);
    }
    if !tail.is_empty() {
        let centred = L::load_partial(proof, tail, 0.0).sub(mean_lanes).mul(scale);
        let (gamma, beta) = (L::load_partial(proof, gamma_tail, 0.0), L::load_partial(proof, beta_tail, 0.0));
        centred.mul_add(gamma, beta).store_partial(tail);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Random, same_on_every_isa};
    use crate::{add_assign, quantize_rows};

    #[test]
    fn equals_the_formula_on_every_isa() {
        for width in [1, 2, 15, 16, 17, 24, 32, 33, 384, 385] {
            let mut random = Random::new(width as u64);
            let (x, gamma, beta) = (random.floats(width * 3), random.floats(width), random.floats(width));
            let norm = LayerNorm { gamma: &gamma, beta: &beta, eps: 1e-12 };
            let y = same_on_every_isa(&x, |isa, y| norm.apply(isa, y));
            for (row, out) in x.chunks(width).zip(y.chunks(width)) {
                let mean = row.iter().map(|&x| f64::from(x)).sum::<f64>() / width as f64;
                let variance = row.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / width as f64;
                for i in 0..width {
                    let normal = (f64::from(row[i]) - mean) / (variance + 1e-12).sqrt();
                    let exact = normal * f64::from(gamma[i]) + f64::from(beta[i]);
                    assert!((f64::from(out[i]) - exact).abs() < 2e-6, "width {width}, place {i}: {} {exact}", out[i]);
                }
            }
        }
    }

    #[test]
    fn the_fused_form_equals_its_steps() {
        for width in [1, 15, 16, 17, 40, 384, 385] {
            let mut random = Random::new(width as u64);
            let (x, branch) = (random.floats(width * 3), random.floats(width * 3));
            let (gamma, beta, multiplier) = (random.floats(width), random.floats(width), random.floats(width));
            let norm = LayerNorm { gamma: &gamma, beta: &beta, eps: 1e-12 };
            for isa in Isa::available() {
                let (mut steps, mut fused) = (x.clone(), x.clone());
                let (mut expected, mut got) = (QuantizedRows::default(), QuantizedRows::default());
                add_assign(&mut steps, &branch);
                norm.apply(isa, &mut steps);
                quantize_rows(isa, &steps, &multiplier, &mut expected);
                norm.add_apply_quantize(isa, &mut fused, &branch, &multiplier, &mut got);
                assert_eq!(fused, steps, "{isa:?}, width {width}");
                for t in 0..3 {
                    assert_eq!(got.row(t), expected.row(t), "{isa:?}, width {width}, row {t}");
                    assert_eq!((got.scale(t), got.zero_point(t)), (expected.scale(t), expected.zero_point(t)));
                }
            }
        }
    }
}
