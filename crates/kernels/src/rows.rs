//! Small operations on one row.

use crate::Isa;
use crate::lanes::{LANES, Lanes, for_every_isa};

/// `out[i] = row[i] · scale + addend[i]`: a quantised table row, made floats again, plus another row.
///
/// # Panics
/// If the lengths differ.
pub fn dequantize_add(isa: Isa, row: &[i8], scale: f32, addend: &[f32], out: &mut [f32]) {
    assert!(row.len() == addend.len() && row.len() == out.len(), "dequantize_add: rows of different lengths");
    dequantize_add_any(isa, row, scale, addend, out);
}

/// Values of a 4-bit row that share a multiplier.
pub const GROUP: usize = 32;
/// Bytes that hold the codes of a group.
pub const GROUP_BYTES: usize = GROUP / 2;

/// What the sixteen codes of a 4-bit row stand for.
///
/// The levels that round normally distributed values with the least squared error (Max, *Quantizing for minimum
/// distortion*, 1960; its table for 16 levels), the largest made 127. Evenly spaced ones would lose more than 1 dB.
pub const LEVELS: [i8; 16] = [-127, -96, -75, -58, -44, -31, -18, -6, 6, 18, 31, 44, 58, 75, 96, 127];

/// A row of 4-bit codes: value `i` is `LEVELS[code i] · (scale · multipliers[i / GROUP])`.
///
/// Byte `j` of a group has the code of its value `j` in the lower half, and that of value `j + GROUP / 2` in the upper
/// half. The last group may be used in part. Every byte is a valid one.
#[derive(Clone, Copy)]
pub struct RowI4<'a> {
    /// [`GROUP_BYTES`] for each group.
    pub codes: &'a [u8],
    /// One for each group.
    pub multipliers: &'a [u8],
    /// The row's step.
    pub scale: f32,
}

/// `out[i] = row[i] + addend[i]`, for a row of 4-bit codes. A group's step is rounded once, and so is the result.
///
/// # Panics
/// If the lengths differ.
pub fn dequantize_add_i4(isa: Isa, row: RowI4<'_>, addend: &[f32], out: &mut [f32]) {
    let groups = out.len().div_ceil(GROUP);
    let fits = row.multipliers.len() == groups && row.codes.len() == groups * GROUP_BYTES;
    assert!(fits && addend.len() == out.len(), "dequantize_add_i4: rows of different lengths");
    dequantize_add_i4_any(isa, row, addend, out);
}

/// `sum[i] += x[i]`.
///
/// # Panics
/// If the lengths differ.
pub fn add_assign(sum: &mut [f32], x: &[f32]) {
    assert_eq!(sum.len(), x.len(), "add_assign: rows of different lengths");
    for (sum, x) in sum.iter_mut().zip(x) {
        *sum += x;
    }
}

/// `greatest[i] = max(greatest[i], x[i])`.
///
/// # Panics
/// If the lengths differ.
pub fn max_assign(greatest: &mut [f32], x: &[f32]) {
    assert_eq!(greatest.len(), x.len(), "max_assign: rows of different lengths");
    for (greatest, &x) in greatest.iter_mut().zip(x) {
        *greatest = greatest.max(x);
    }
}

/// Scales `x` to length 1: `x / max(‖x‖, 1e-12)`, as `torch.nn.functional.normalize` does.
pub fn normalize(isa: Isa, x: &mut [f32]) {
    let length = crate::dot_f32(isa, x, x).sqrt().max(1e-12);
    for x in x {
        *x /= length;
    }
}

for_every_isa! {
    fn dequantize_add_any(row: &[i8], scale: f32, addend: &[f32], out: &mut [f32]) = dequantize_add_generic;
    fn dequantize_add_i4_any(row: RowI4<'_>, addend: &[f32], out: &mut [f32]) = dequantize_add_i4_generic;
}

#[inline(always)]
fn dequantize_add_generic<L: Lanes>(proof: L::Proof, row: &[i8], scale: f32, addend: &[f32], out: &mut [f32]) {
    let ((row, row_tail), (addend, addend_tail)) = (row.as_chunks::<LANES>(), addend.as_chunks::<LANES>());
    let (out, out_tail) = out.as_chunks_mut::<LANES>();
    let scale_lanes = L::splat(proof, scale);
    for ((row, addend), out) in row.iter().zip(addend).zip(out) {
        L::from_i8(proof, row).mul_add(scale_lanes, L::load(proof, addend)).store(out);
    }
    for ((&row, &addend), out) in row_tail.iter().zip(addend_tail).zip(out_tail) {
        *out = f32::from(row).mul_add(scale, addend);
    }
}

#[inline(always)]
fn dequantize_add_i4_generic<L: Lanes>(proof: L::Proof, row: RowI4<'_>, addend: &[f32], out: &mut [f32]) {
    let (addend, out) = (addend.chunks(GROUP), out.chunks_mut(GROUP));
    let codes = row.codes.as_chunks::<GROUP_BYTES>().0.iter().zip(row.multipliers);
    for ((codes, &multiplier), (addend, out)) in codes.zip(addend.zip(out)) {
        let step = L::splat(proof, row.scale * f32::from(multiplier));
        let halves = addend.chunks(LANES).zip(out.chunks_mut(LANES));
        for (shift, (addend, out)) in [0, 4].into_iter().zip(halves) {
            let levels = L::from_i8(proof, &codes.map(|code| LEVELS[usize::from(code >> shift & 15)]));
            match (addend.first_chunk(), out.first_chunk_mut()) {
                (Some(addend), Some(out)) => levels.mul_add(step, L::load(proof, addend)).store(out),
                _ => levels.mul_add(step, L::load_partial(proof, addend, 0.0)).store_partial(out),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Random, same_on_every_isa};

    #[test]
    fn dequantize_add_i4_is_equal_on_every_isa() {
        for len in (0..=65usize).chain([384, 385]) {
            let mut random = Random::new(len as u64);
            let groups = len.div_ceil(GROUP);
            let (codes, multipliers) = (random.bytes(groups * GROUP_BYTES), random.bytes(groups));
            let row = RowI4 { codes: &codes, multipliers: &multipliers, scale: 3.7e-5 };
            let addend = random.floats(len);
            let out = same_on_every_isa(&addend.clone(), |isa, out| dequantize_add_i4(isa, row, &addend, out));
            for i in 0..len {
                let (group, place) = (i / GROUP, i % GROUP);
                let byte = codes[group * GROUP_BYTES + place % GROUP_BYTES];
                let code = if place < GROUP_BYTES { byte & 15 } else { byte >> 4 };
                let step = f64::from(row.scale) * f64::from(multipliers[group]);
                let exact = f64::from(LEVELS[usize::from(code)]) * step + f64::from(addend[i]);
                assert!((f64::from(out[i]) - exact).abs() < 1e-6, "length {len}, place {i}");
            }
        }
    }

    #[test]
    #[should_panic(expected = "different lengths")]
    fn a_4_bit_row_must_fit() {
        let row = RowI4 { codes: &[0; 16], multipliers: &[1; 2], scale: 1.0 };
        dequantize_add_i4(Isa::best(), row, &[0.0; 33], &mut [0.0; 33]);
    }

    #[test]
    fn dequantize_add_is_equal_on_every_isa() {
        for len in (0..=65).chain([384, 385]) {
            let mut random = Random::new(len as u64);
            let (row, addend) = (random.weights(len), random.floats(len));
            let out = same_on_every_isa(&addend, |isa, out| dequantize_add(isa, &row, 0.013, &addend, out));
            for i in 0..len {
                let exact = f64::from(row[i]) * f64::from(0.013f32) + f64::from(addend[i]);
                assert!((f64::from(out[i]) - exact).abs() < 1e-6, "length {len}, place {i}");
            }
        }
    }

    #[test]
    fn normalize_gives_length_one_and_leaves_zero_alone() {
        let mut x = Random::new(5).floats(385);
        normalize(Isa::best(), &mut x);
        let length: f64 = x.iter().map(|&x| f64::from(x).powi(2)).sum();
        assert!((length - 1.0).abs() < 1e-6, "{length}");
        let mut zero = vec![0.0; 20];
        normalize(Isa::best(), &mut zero);
        assert!(zero.iter().all(|&x| x == 0.0));
    }
}
