//! Dot products of rows of floats.

use crate::Isa;
use crate::lanes::{LANES, Lanes, for_every_isa};
use crate::prefetch::prefetch;

/// Rows of lanes summed side by side, to keep the adders busy.
const CHAINS: usize = 4;

/// `Σ a[i] · b[i]`, in 32-bit floats: relative to `Σ |a[i] · b[i]|` the error is at most 5e-6 for
/// lengths up to 4,096 (70 roundings). The order of additions is the same on every instruction set.
///
/// # Panics
/// If the lengths differ.
pub fn dot_f32(isa: Isa, a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len(), "dot_f32: vectors of different lengths");
    dot_any(isa, a, b)
}

/// Rows that are asked for in memory before they are read.
const ROWS_AHEAD: usize = 4;
/// Parts in which a row is asked for.
const PARTS: usize = 4;

/// The dot products of `vector` with the rows of `matrix` that `which` names, each bit for bit what [`dot_f32`] gives. They
/// may lie all over: the next ones are on their way while one is read.
///
/// # Panics
/// If a row is not there, or there are not as many `products` as rows.
pub fn dot_rows(isa: Isa, vector: &[f32], matrix: &[f32], which: &[u32], products: &mut [f32]) {
    assert_eq!(which.len(), products.len(), "dot_rows: as many products as rows");
    rows_any(isa, vector, matrix, which, products);
}

for_every_isa! {
    fn dot_any(a: &[f32], b: &[f32]) -> f32 = dot_generic;
    fn rows_any(vector: &[f32], matrix: &[f32], which: &[u32], products: &mut [f32]) = rows_generic;
}

#[inline(always)]
fn rows_generic<L: Lanes>(proof: L::Proof, vector: &[f32], matrix: &[f32], which: &[u32], products: &mut [f32]) {
    let row = |row: u32| matrix[row as usize * vector.len()..].split_at(vector.len()).0;
    for (i, (&this, product)) in which.iter().zip(products).enumerate() {
        if let Some(&later) = which.get(i + ROWS_AHEAD) {
            (0..PARTS).for_each(|part| prefetch::<L, _>(row(later), part, PARTS));
        }
        *product = dot_generic::<L>(proof, vector, row(this));
    }
}

#[inline(always)]
fn dot_generic<L: Lanes>(proof: L::Proof, a: &[f32], b: &[f32]) -> f32 {
    let ((a, a_tail), (b, b_tail)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<CHAINS>(), b.as_chunks::<CHAINS>());
    let mut sums = [L::splat(proof, 0.0); CHAINS];
    for (a, b) in a.iter().zip(b) {
        for i in 0..CHAINS {
            sums[i] = L::load(proof, &a[i]).mul_add(L::load(proof, &b[i]), sums[i]);
        }
    }
    for (i, (a, b)) in a_rest.iter().zip(b_rest).enumerate() {
        sums[i] = L::load(proof, a).mul_add(L::load(proof, b), sums[i]);
    }
    if !a_tail.is_empty() {
        let (a, b) = (L::load_partial(proof, a_tail, 0.0), L::load_partial(proof, b_tail, 0.0));
        sums[CHAINS - 1] = a.mul_add(b, sums[CHAINS - 1]);
    }
    sums[0].add(sums[1]).add(sums[2].add(sums[3])).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Random;

    #[test]
    fn rows_are_multiplied_one_by_one() {
        let mut random = Random::new(3);
        for len in [1, 16, 100, 384] {
            let (vector, matrix) = (random.floats(len), random.floats(20 * len));
            let which: Vec<u32> = (0..20).rev().chain([7, 7]).collect();
            for isa in Isa::available() {
                let mut products = vec![0.0; which.len()];
                dot_rows(isa, &vector, &matrix, &which, &mut products);
                for (&row, product) in which.iter().zip(&products) {
                    let expected = dot_f32(Isa::Scalar, &vector, &matrix[row as usize * len..][..len]);
                    assert_eq!(product.to_bits(), expected.to_bits(), "{isa:?}, length {len}, row {row}");
                }
            }
        }
    }

    #[test]
    fn equals_the_scalar_version_and_is_close_to_f64() {
        for len in (0..=130).chain([384, 385, 4096]) {
            let mut random = Random::new(len as u64);
            let (a, b) = (random.floats(len), random.floats(len));
            let expected = dot_f32(Isa::Scalar, &a, &b);
            for isa in Isa::available() {
                assert_eq!(dot_f32(isa, &a, &b).to_bits(), expected.to_bits(), "{isa:?}, length {len}");
            }
            let products = || a.iter().zip(&b).map(|(&a, &b)| f64::from(a) * f64::from(b));
            let (exact, size) = (products().sum::<f64>(), products().map(f64::abs).sum::<f64>());
            assert!((f64::from(expected) - exact).abs() <= 1e-6 * size, "length {len}: {expected}, not {exact}");
        }
    }

    #[test]
    fn small_products_behind_large_ones_stay_within_the_bound() {
        let a: Vec<f32> = (0..4096).map(|i| if i < 64 { 1.0 } else { 5.9e-8 }).collect();
        let exact = 64.0 + 4032.0 * f64::from(5.9e-8f32);
        let got = f64::from(dot_f32(Isa::best(), &a, &vec![1.0; 4096]));
        assert!((got - exact).abs() <= 5e-6 * exact, "{got}, not {exact}");
    }

    #[test]
    #[should_panic(expected = "different lengths")]
    fn lengths_must_agree() {
        dot_f32(Isa::best(), &[1.0], &[]);
    }
}
