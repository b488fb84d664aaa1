//! Rows of floats to rows of bytes, each row with its own scale and zero point.

use crate::Isa;
use crate::lanes::{LANES, Lanes, for_every_isa};

/// Ranges below this are rounded up to it.
const SMALLEST_RANGE: f32 = 1e-30;

/// Rows of bytes: `value ≈ scale[t] · (byte - zero_point[t])`.
#[derive(Default)]
pub struct QuantizedRows {
    bytes: Vec<u8>,
    scales: Vec<f32>,
    zero_points: Vec<i32>,
    stride: usize,
    width: usize,
}

impl QuantizedRows {
    /// Makes room for `rows` rows of `width`; what they hold is undefined.
    pub(crate) fn resize(&mut self, rows: usize, width: usize) {
        (self.stride, self.width) = (width.next_multiple_of(4), width);
        self.bytes.resize(rows * self.stride, 0);
        self.scales.resize(rows, 0.0);
        self.zero_points.resize(rows, 0);
    }

    /// Rows, `T`.
    pub fn rows(&self) -> usize {
        self.scales.len()
    }
    /// Values in a row, `K`.
    pub fn width(&self) -> usize {
        self.width
    }
    /// Bytes from one row to the next: the width rounded up to a multiple of 4, filled with zeros.
    pub(crate) fn stride(&self) -> usize {
        self.stride
    }
    /// All rows.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
    /// Row `t`'s bytes.
    pub fn row(&self, t: usize) -> &[u8] {
        &self.bytes[t * self.stride..][..self.width]
    }
    /// Row `t`'s step.
    pub fn scale(&self, t: usize) -> f32 {
        self.scales[t]
    }
    /// Row `t`'s byte that stands for zero.
    pub fn zero_point(&self, t: usize) -> i32 {
        self.zero_points[t]
    }
}

/// Quantises each row of `x[T, K]`, times `multiplier[K]`, to bytes.
///
/// The row's range, widened to hold zero, is mapped to 0 ..= 255; the error of a value is at most 0.51 steps
/// of its row. Values must be finite.
///
/// # Panics
/// If `x` is not whole rows as wide as `multiplier`, or that is empty.
pub fn quantize_rows(isa: Isa, x: &[f32], multiplier: &[f32], out: &mut QuantizedRows) {
    let width = multiplier.len();
    assert!(width > 0 && x.len().is_multiple_of(width), "quantize_rows: not whole rows");
    out.resize(x.len() / width, width);
    quantize_all(isa, x, multiplier, out);
}

for_every_isa! {
    fn quantize_all(x: &[f32], multiplier: &[f32], out: &mut QuantizedRows) = quantize_all_generic;
}

#[inline(always)]
fn quantize_all_generic<L: Lanes>(proof: L::Proof, x: &[f32], multiplier: &[f32], out: &mut QuantizedRows) {
    for (t, row) in x.chunks_exact(multiplier.len()).enumerate() {
        quantize_row::<L>(proof, row, multiplier, t, out);
    }
}

/// Quantises `row · multiplier` to row `t`.
///
/// The last values that do not fill the lanes are kept apart, with zeros, which do not change the range: what could
/// be called inside a loop would spill the registers in it.
#[inline(always)]
pub(crate) fn quantize_row<L: Lanes>(
    proof: L::Proof,
    row: &[f32],
    multiplier: &[f32],
    t: usize,
    out: &mut QuantizedRows,
) {
    let zero = L::splat(proof, 0.0);
    let ((row, row_tail), (multiplier, multiplier_tail)) = (row.as_chunks(), multiplier.as_chunks());
    let tail = L::load_partial(proof, row_tail, 0.0).mul(L::load_partial(proof, multiplier_tail, 0.0));
    let (mut largest, mut smallest) = (tail.max(zero), tail.min(zero));
    for (x, m) in row.iter().zip(multiplier) {
        let x = L::load(proof, x).mul(L::load(proof, m));
        largest = x.max(largest);
        smallest = x.min(smallest);
    }
    let (largest, smallest) = (largest.largest(), smallest.smallest());
    // A row of next to nothing is taken as zeros: its steps must stay finite.
    let range = (largest - smallest).max(SMALLEST_RANGE);
    let steps = 255.0 / range;
    let zero_point = (-smallest * steps).round_ties_even();
    out.scales[t] = range / 255.0;
    out.zero_points[t] = zero_point as i32;

    let (steps, offset, top) = (L::splat(proof, steps), L::splat(proof, zero_point), L::splat(proof, 255.0));
    let (bytes, padding) = out.bytes[t * out.stride..][..out.stride].split_at_mut(out.width);
    padding.fill(0);
    let (bytes, bytes_tail) = bytes.as_chunks_mut();
    for ((x, m), bytes) in row.iter().zip(multiplier).zip(bytes) {
        let x = L::load(proof, x).mul(L::load(proof, m));
        x.mul(steps).round().add(offset).max(zero).min(top).store_u8(bytes);
    }
    if !bytes_tail.is_empty() {
        let mut all = [0; LANES];
        tail.mul(steps).round().add(offset).max(zero).min(top).store_u8(&mut all);
        bytes_tail.copy_from_slice(&all[..bytes_tail.len()]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Random;

    #[test]
    fn every_isa_equals_scalar_and_dequantises_to_within_a_step() {
        for width in (1..=65).chain([384, 385, 1536]) {
            let mut random = Random::new(width as u64);
            let mut x = random.floats(width * 4);
            x[..width].fill(0.0);
            for x in &mut x[width..2 * width] {
                *x = x.abs() + 3.0; // all on one side of zero
            }
            for x in &mut x[2 * width..3 * width] {
                *x *= 1e-37; // next to nothing
            }
            for multiplier in [vec![1.0; width], random.floats(width)] {
                let mut expected = QuantizedRows::default();
                quantize_rows(Isa::Scalar, &x, &multiplier, &mut expected);
                for isa in Isa::available() {
                    let mut got = QuantizedRows::default();
                    quantize_rows(isa, &x, &multiplier, &mut got);
                    assert_eq!(got.bytes, expected.bytes, "{isa:?}, width {width}");
                    assert_eq!(got.scales, expected.scales, "{isa:?}, width {width}");
                    assert_eq!(got.zero_points, expected.zero_points, "{isa:?}, width {width}");
                }
                for (t, row) in x.chunks(width).enumerate() {
                    for (i, &x) in row.iter().enumerate() {
                        let x = x * multiplier[i];
                        let back = expected.scale(t) * (i32::from(expected.row(t)[i]) - expected.zero_point(t)) as f32;
                        assert!((back - x).abs() <= expected.scale(t) * 0.51, "width {width}, row {t}, place {i}");
                    }
                }
            }
        }
    }
}
