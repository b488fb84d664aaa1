//! Making codes of rows.

use super::{BLOCK, GROUP, GROUP_BYTES, WIDTH_STEP};
use crate::Isa;
use crate::lanes::{LANES, Lanes, for_every_isa};

/// Shares of a row's greatest magnitude that the codes may reach: the rest is cut off where that makes the error of all
/// smaller.
const REACHES: [f32; 4] = [1.0, 0.85, 0.7, 0.55];

/// How well codes stand for a row: `value ≈ step · width · (code - 127.5)`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CodeErrors {
    /// The row's step, the upper half of a float.
    pub step: u16,
    /// `Σ (value - coarse)²`, as computed in 32-bit floats.
    pub coarse: f32,
    /// `Σ (value - fine)²`.
    pub fine: f32,
}

/// Makes codes of `row[M]`, divided by `widths[M]`: the coarse ones as row `place` of a `block`, the fine ones in `fine`.
///
/// The step is the one that makes the sum of both errors' roots the least, of a few. Values must be finite.
///
/// # Panics
/// If the lengths do not fit, or `place` is not in a block.
pub fn encode_row(
    isa: Isa,
    row: &[f32],
    widths: &[f32],
    place: usize,
    block: &mut [u8],
    fine: &mut [u8],
) -> CodeErrors {
    let width = row.len();
    let fits = width.is_multiple_of(WIDTH_STEP) && width == widths.len() && width == fine.len() * 2;
    assert!(fits && block.len() == fine.len() * BLOCK && place < BLOCK, "encode_row: lengths do not fit");
    encode_any(isa, row, widths, place, block, fine)
}

for_every_isa! {
    fn encode_any(
        row: &[f32], widths: &[f32], place: usize, block: &mut [u8], fine: &mut [u8],
    ) -> CodeErrors = encode_generic;
}

#[inline(always)]
fn encode_generic<L: Lanes>(
    proof: L::Proof,
    row: &[f32],
    widths: &[f32],
    place: usize,
    block: &mut [u8],
    fine: &mut [u8],
) -> CodeErrors {
    let (row, widths) = (row.as_chunks().0, widths.as_chunks().0);
    let mut largest = L::splat(proof, 0.0);
    for (x, width) in row.iter().zip(widths) {
        let x = L::load(proof, x).div(L::load(proof, width));
        largest = x.max(x.mul(L::splat(proof, -1.0))).max(largest);
    }
    let largest = largest.largest();
    let mut best = CodeErrors { step: 0, coarse: f32::INFINITY, fine: f32::INFINITY };
    for reach in REACHES {
        let step = (largest * reach / 127.5).to_bits() >> 16;
        let errors = errors::<L>(proof, row, widths, step as u16);
        if errors.coarse.sqrt() + errors.fine.sqrt() < best.coarse.sqrt() + best.fine.sqrt() {
            best = errors;
        }
    }
    let steps = Steps::<L>::new(proof, best.step);
    let group_bytes = |byte: fn(u8) -> u8, codes: &[u8]| -> [u8; GROUP_BYTES] {
        std::array::from_fn(|i| byte(codes[i]) | byte(codes[i + GROUP_BYTES]) << 4)
    };
    for (i, (x, width)) in row.iter().zip(widths).enumerate() {
        let mut codes = [0; LANES];
        steps.codes(L::load(proof, x).div(L::load(proof, width))).store_u8(&mut codes);
        for (j, codes) in codes.chunks_exact(GROUP).enumerate() {
            let group = i * (LANES / GROUP) + j;
            fine[group * GROUP_BYTES..][..GROUP_BYTES].copy_from_slice(&group_bytes(|code| code & 15, codes));
            block[(group * BLOCK + place) * GROUP_BYTES..][..GROUP_BYTES]
                .copy_from_slice(&group_bytes(|code| code >> 4, codes));
        }
    }
    best
}

/// A row's step, ready to divide by.
#[derive(Clone, Copy)]
struct Steps<L> {
    step: L,
    inverse: L,
    middle: L,
    zero: L,
    top: L,
}

impl<L: Lanes> Steps<L> {
    #[inline(always)]
    fn new(proof: L::Proof, step: u16) -> Self {
        let step = f32::from_bits(u32::from(step) << 16);
        let inverse = if step > 0.0 { 1.0 / step } else { 0.0 };
        let [step, inverse, middle, zero, top] = [step, inverse, 127.5, 0.0, 255.0].map(|value| L::splat(proof, value));
        Self { step, inverse, middle, zero, top }
    }

    /// Codes of values that were divided by their widths, as floats.
    #[inline(always)]
    fn codes(&self, x: L) -> L {
        x.mul(self.inverse).add(self.middle).round().max(self.zero).min(self.top)
    }
}

#[inline(always)]
fn errors<L: Lanes>(proof: L::Proof, row: &[[f32; LANES]], widths: &[[f32; LANES]], step: u16) -> CodeErrors {
    let steps = Steps::<L>::new(proof, step);
    let [sixteenth, below_half, sixteen, low_middle] =
        [1.0 / 16.0, 15.0 / 32.0, 16.0, 120.0].map(|value| L::splat(proof, value));
    let (mut coarse_sum, mut fine_sum) = (steps.zero, steps.zero);
    for (x, width) in row.iter().zip(widths) {
        let (x, width) = (L::load(proof, x), L::load(proof, width));
        let code = steps.codes(x.div(width));
        let upper = code.mul(sixteenth).sub(below_half).round();
        let value = steps.step.mul(width);
        let coarse = x.sub(upper.mul(sixteen).sub(low_middle).mul(value));
        let fine = x.sub(code.sub(steps.middle).mul(value));
        coarse_sum = coarse.mul_add(coarse, coarse_sum);
        fine_sum = fine.mul_add(fine, fine_sum);
    }
    CodeErrors { step, coarse: coarse_sum.sum(), fine: fine_sum.sum() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Random;

    #[test]
    fn errors_are_those_of_the_codes_and_the_same_on_every_isa() {
        let mut random = Random::new(3);
        for width in [32, 96, 192] {
            let widths: Vec<f32> = random.floats(width).iter().map(|x| x.abs() + 0.1).collect();
            let ordinary = random.floats(width);
            let mut one_large = vec![0.0; width];
            one_large[width / 2] = 1e10;
            let small: Vec<f32> = ordinary.iter().map(|x| x * 1e-12).collect();
            for row in [ordinary, one_large, small, vec![0.0; width], vec![-3.0; width]] {
                let encode = |isa| {
                    let (mut block, mut fine) = (vec![0; width / 2 * BLOCK], vec![0; width / 2]);
                    let errors = encode_row(isa, &row, &widths, 5, &mut block, &mut fine);
                    (errors, block, fine)
                };
                let expected = encode(Isa::Scalar);
                for isa in Isa::available() {
                    assert_eq!(encode(isa), expected, "{isa:?}, width {width}");
                }
                let (errors, block, fine) = expected;
                let step = f64::from(f32::from_bits(u32::from(errors.step) << 16));
                let (mut coarse_error, mut fine_error) = (0.0, 0.0);
                for (i, &x) in row.iter().enumerate() {
                    let (group, within) = (i / GROUP, i % GROUP);
                    let half = |byte: u8| if within < GROUP_BYTES { byte & 15 } else { byte >> 4 };
                    let upper = half(block[(group * BLOCK + 5) * GROUP_BYTES + within % GROUP_BYTES]);
                    let lower = half(fine[group * GROUP_BYTES + within % GROUP_BYTES]);
                    let (coarse, code) = (f64::from(upper) * 16.0 - 120.0, f64::from(upper * 16 + lower) - 127.5);
                    coarse_error += (f64::from(x) - step * f64::from(widths[i]) * coarse).powi(2);
                    fine_error += (f64::from(x) - step * f64::from(widths[i]) * code).powi(2);
                }
                let square: f64 = row.iter().map(|&x| f64::from(x).powi(2)).sum();
                for (got, exact) in [(errors.coarse, coarse_error), (errors.fine, fine_error)] {
                    let (got, exact) = (f64::from(got).sqrt(), exact.sqrt());
                    assert!((got - exact).abs() <= 1e-5 * square.sqrt(), "width {width}: {got}, not {exact}");
                }
            }
        }
    }
}
