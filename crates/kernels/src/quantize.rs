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

/// Quantises each row of `x[T, K]`, times `multiplier[K]` when there is one, to bytes.
///
/// The row's range, widened to hold zero, is mapped to 0 ..= 255; the error of a value is at most 0.51 steps
/// of its row. Values must be finite.
///
/// # Panics
/// If `x` is not whole rows of `width`, or `multiplier` is not one row.
pub fn quantize_rows(isa: Isa, x: &[f32], width: usize, multiplier: Option<&[f32]>, out: &mut QuantizedRows) {
    assert!(width > 0 && x.len().is_multiple_of(width), "quantize_rows: not whole rows");
    assert!(multiplier.is_none_or(|m| m.len() == width), "quantize_rows: multiplier of another width");
    let rows = x.len() / width;
    out.width = width;
    out.stride = width.next_multiple_of(4);
    out.bytes.resize(rows * out.stride, 0);
    out.scales.resize(rows, 0.0);
    out.zero_points.resize(rows, 0);
    for (t, row) in x.chunks_exact(width).enumerate() {
        let bytes = &mut out.bytes[t * out.stride..][..out.stride];
        let (bytes, padding) = bytes.split_at_mut(width);
        padding.fill(0);
        (out.scales[t], out.zero_points[t]) = match multiplier {
            None => quantize_plain(isa, row, bytes),
            Some(multiplier) => quantize_multiplied(isa, row, multiplier, bytes),
        };
    }
}

for_every_isa! {
    fn quantize_plain(row: &[f32], out: &mut [u8]) -> (f32, i32) = quantize_plain_generic;
    fn quantize_multiplied(row: &[f32], multiplier: &[f32], out: &mut [u8]) -> (f32, i32)
        = quantize_multiplied_generic;
}

#[inline(always)]
fn quantize_plain_generic<L: Lanes>(proof: L::Proof, row: &[f32], out: &mut [u8]) -> (f32, i32) {
    quantize_row::<L>(proof, out, |i, len| load::<L>(proof, row, i, len))
}

#[inline(always)]
fn quantize_multiplied_generic<L: Lanes>(
    proof: L::Proof,
    row: &[f32],
    multiplier: &[f32],
    out: &mut [u8],
) -> (f32, i32) {
    quantize_row::<L>(proof, out, |i, len| load::<L>(proof, row, i, len).mul(load::<L>(proof, multiplier, i, len)))
}

/// Sixteen values from place `i`, or the last `len < 16` of them and zeros.
#[inline(always)]
fn load<L: Lanes>(proof: L::Proof, row: &[f32], i: usize, len: usize) -> L {
    match row[i..i + len].first_chunk::<LANES>() {
        Some(chunk) => L::load(proof, chunk),
        None => L::load_partial(proof, &row[i..i + len], 0.0),
    }
}

/// `values(i, len)` loads the row's values from place `i`; zeros past the end do not change the range.
#[inline(always)]
fn quantize_row<L: Lanes>(proof: L::Proof, out: &mut [u8], values: impl Fn(usize, usize) -> L) -> (f32, i32) {
    let zero = L::splat(proof, 0.0);
    let (mut largest, mut smallest) = (zero, zero);
    let len = out.len();
    for i in (0..len).step_by(LANES) {
        let x = values(i, LANES.min(len - i));
        largest = x.max(largest);
        smallest = x.min(smallest);
    }
    let (largest, smallest) = (largest.largest(), smallest.smallest());
    // A row of next to nothing is taken as zeros: its steps must stay finite.
    let range = (largest - smallest).max(SMALLEST_RANGE);
    let steps = 255.0 / range;
    let zero_point = (-smallest * steps).round_ties_even();
    let (steps, offset, top) = (L::splat(proof, steps), L::splat(proof, zero_point), L::splat(proof, 255.0));
    for i in (0..len).step_by(LANES) {
        let x = values(i, LANES.min(len - i));
        let x = x.mul(steps).round().add(offset).max(zero).min(top);
        match out[i..].first_chunk_mut::<LANES>() {
            Some(chunk) => x.store_u8(chunk),
            None => {
                let mut all = [0; LANES];
                x.store_u8(&mut all);
                let tail = &mut out[i..];
                tail.copy_from_slice(&all[..tail.len()]);
            }
        }
    }
    (range / 255.0, zero_point as i32)
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
            let multiplier = random.floats(width);
            for multiplier in [None, Some(&multiplier[..])] {
                let mut expected = QuantizedRows::default();
                quantize_rows(Isa::Scalar, &x, width, multiplier, &mut expected);
                for isa in Isa::available() {
                    let mut got = QuantizedRows::default();
                    quantize_rows(isa, &x, width, multiplier, &mut got);
                    assert_eq!(got.bytes, expected.bytes, "{isa:?}, width {width}");
                    assert_eq!(got.scales, expected.scales, "{isa:?}, width {width}");
                    assert_eq!(got.zero_points, expected.zero_points, "{isa:?}, width {width}");
                }
                for (t, row) in x.chunks(width).enumerate() {
                    for (i, &x) in row.iter().enumerate() {
                        let x = x * multiplier.map_or(1.0, |m| m[i]);
                        let back = expected.scale(t) * (i32::from(expected.row(t)[i]) - expected.zero_point(t)) as f32;
                        assert!((back - x).abs() <= expected.scale(t) * 0.51, "width {width}, row {t}, place {i}");
                    }
                }
            }
        }
    }
}
