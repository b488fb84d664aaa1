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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Random, same_on_every_isa};

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
