//! Layer normalisation.

use crate::Isa;
use crate::lanes::{LANES, Lanes, for_every_isa};

/// Normalises each row of `x[T, H]` in place: `(x - mean) / √(variance + eps) · gamma + beta`.
///
/// The variance is the population's, in two passes, as PyTorch computes it. For inputs, gammas and betas
/// within ±1 and widths up to 385, outputs are within 2e-6 of the formula. Ba, Kiros, Hinton:
/// *Layer Normalization*, 2016.
///
/// # Panics
/// If `gamma` and `beta` differ in length, are empty, or `x` is not whole rows of that length.
pub fn layer_norm(isa: Isa, x: &mut [f32], gamma: &[f32], beta: &[f32], eps: f32) {
    assert_eq!(gamma.len(), beta.len(), "layer_norm: gamma and beta of different lengths");
    assert!(!gamma.is_empty() && x.len().is_multiple_of(gamma.len()), "layer_norm: not whole rows");
    rows(isa, x, gamma, beta, eps);
}

for_every_isa! {
    fn rows(x: &mut [f32], gamma: &[f32], beta: &[f32], eps: f32) = rows_generic;
}

#[inline(always)]
fn rows_generic<L: Lanes>(proof: L::Proof, x: &mut [f32], gamma: &[f32], beta: &[f32], eps: f32) {
    let width = gamma.len();
    for row in x.chunks_exact_mut(width) {
        let (body, tail) = row.as_chunks::<LANES>();
        let mut sum = L::splat(proof, 0.0);
        for x in body {
            sum = sum.add(L::load(proof, x));
        }
        if !tail.is_empty() {
            sum = sum.add(L::load_partial(proof, tail, 0.0));
        }
        let mean = sum.sum() / width as f32;
        let mean_lanes = L::splat(proof, mean);
        let mut squares = L::splat(proof, 0.0);
        for x in body {
            let centred = L::load(proof, x).sub(mean_lanes);
            squares = centred.mul_add(centred, squares);
        }
        if !tail.is_empty() {
            let centred = L::load_partial(proof, tail, mean).sub(mean_lanes);
            squares = centred.mul_add(centred, squares);
        }
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Random, same_on_every_isa};

    #[test]
    fn equals_the_formula_on_every_isa() {
        for width in [1, 2, 15, 16, 17, 24, 32, 33, 384, 385] {
            let mut random = Random::new(width as u64);
            let (x, gamma, beta) = (random.floats(width * 3), random.floats(width), random.floats(width));
            let y = same_on_every_isa(&x, |isa, y| layer_norm(isa, y, &gamma, &beta, 1e-12));
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
}
