//! Scans of 4-bit codes: many rows against one query, with a bound for each row that its true product cannot exceed.
//!
//! A row of `M` values is `M` bytes, each cut in two: its upper half lies in a *coarse* plane, which is scanned from front
//! to back, its lower half in a *fine* one, which is looked up for the rows that remain. With `c` a byte, `s` the row's
//! step and `w[i]` a width per place,
//!
//! ```text
//! value[i] ≈ s · w[i] · (c[i] - 127.5)   ≈   s · w[i] · (16 · (c[i] >> 4) - 120)
//! ```
//!
//! The query is a row of 15-bit integers `q[i]`, so the sums are exact in 32 bits for `M ≤` [`MAX_WIDTH`].
//!
//! # Layout
//! Sixteen rows are a *block*. Codes are `[R/16][M/8][16][4]` in the coarse plane and `[R][M/8][4]` in the fine one: byte
//! `b` of group `g` has place `8g + b` in its lower half and `8g + 4 + b` in its upper one.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod avx_vnni;
mod encode;
#[cfg(target_arch = "aarch64")]
mod neon;
mod scalar;

pub use encode::{CodeErrors, encode_row};

use crate::Isa;
use crate::lanes::{LANES, Lanes, for_every_isa};
use crate::prefetch::prefetch;

/// Rows in a block.
pub const BLOCK: usize = LANES;
/// Widths are multiples of this.
pub const WIDTH_STEP: usize = 32;
/// Greatest width: `2 · 15 · 16,000 · MAX_WIDTH` still fits an `i32`.
pub const MAX_WIDTH: usize = 4096;
/// Greatest magnitude of a query's integers.
pub const QUERY_LIMIT: i16 = 16_000;
/// Places whose codes lie together.
const GROUP: usize = 8;
/// Bytes of a group's codes in one row.
const GROUP_BYTES: usize = GROUP / 2;
/// How many blocks, and rows, are asked for before they are read: the processor foresees no further than a page.
const BLOCKS_AHEAD: usize = 2;
const ROWS_AHEAD: usize = 8;
/// Parts in which memory is asked for.
const PARTS: usize = 4;

/// A query of 15-bit integers, taken apart as the kernels read it.
///
/// `q = 128 · high + low` with both of 8 bits, as products of bytes are what processors are good at.
pub struct CodeQuery {
    /// Of each group: high and low part for the lower halves of the codes, then the same for the upper halves.
    parts: Vec<[[i8; GROUP_BYTES]; 4]>,
    whole: Vec<[i16; GROUP]>,
    sum: i32,
}

/// What is known of the rows of a block, as the upper halves of 32-bit floats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BlockBounds {
    /// Of each row, the factor of its product.
    pub steps: [u16; BLOCK],
    /// Of each row, three numbers that are weighted by the query's.
    pub norms: [[u16; BLOCK]; 3],
}

/// Blocks of rows, as they are scanned.
#[derive(Clone, Copy, Debug)]
pub struct CoarsePlane<'a> {
    /// Their codes, `[R/16][M/8][16][4]`.
    pub codes: &'a [u8],
    /// What is known of each block.
    pub blocks: &'a [BlockBounds],
}

/// What products and norms are multiplied by.
#[derive(Clone, Copy, Debug)]
pub struct BoundWeights {
    /// Of the products, beside each row's step.
    pub factor: f32,
    /// Of a row's norms.
    pub norms: [f32; 3],
}

impl CodeQuery {
    /// Takes a query apart.
    ///
    /// # Panics
    /// If the width is not a multiple of [`WIDTH_STEP`] up to [`MAX_WIDTH`], or a number is beyond [`QUERY_LIMIT`].
    pub fn new(query: &[i16]) -> Self {
        assert!(query.len().is_multiple_of(WIDTH_STEP) && query.len() <= MAX_WIDTH, "CodeQuery: an odd width");
        assert!(query.iter().all(|q| q.unsigned_abs() <= QUERY_LIMIT as u16), "CodeQuery: a number too large");
        let whole = query.as_chunks::<GROUP>().0.to_vec();
        let high = |q: i16| (q + 64) >> 7;
        let part = |q: &[i16], f: &dyn Fn(i16) -> i16| std::array::from_fn(|i| f(q[i]) as i8);
        let low = |q: i16| q - (high(q) << 7);
        let parts = whole.iter().map(|q| {
            let (front, back) = q.split_at(GROUP_BYTES);
            [part(front, &high), part(front, &low), part(back, &high), part(back, &low)]
        });
        Self { parts: parts.collect(), sum: query.iter().map(|&q| i32::from(q)).sum(), whole }
    }

    /// Places of the query.
    pub fn width(&self) -> usize {
        self.whole.len() * GROUP
    }

    /// `Σ q[i]`.
    pub fn sum(&self) -> i32 {
        self.sum
    }
}

/// Scans some blocks of the coarse plane, the first of `which` as far as there is room for what is found of them; the others
/// are asked for in memory. For each row, with `h` its codes,
///
/// ```text
/// products = Σ (2 · h[i] - 15) · q[i]                                         exact
/// bounds   = step · (factor · products) + Σ weights.norms[j] · norms[j]             within 6 · 2⁻²⁴ of the magnitudes
/// ```
///
/// # Panics
/// If the lengths do not fit, or there is no such block.
pub fn scan_codes(
    isa: Isa,
    query: &CodeQuery,
    weights: BoundWeights,
    plane: CoarsePlane<'_>,
    which: &[u32],
    products: &mut [[i32; BLOCK]],
    bounds: &mut [[f32; BLOCK]],
) {
    let fits = plane.codes.len() == plane.blocks.len() * BLOCK * query.width() / 2;
    assert!(fits && products.len() <= which.len() && bounds.len() == products.len(), "scan_codes: lengths do not fit");
    scan_any(isa, query, weights, plane, which, products, bounds);
}

/// `Σ h[i] · q[i]` for some rows of the fine plane, exact.
///
/// # Panics
/// If there is no such row, or not as many products as rows.
pub fn code_products(isa: Isa, query: &CodeQuery, codes: &[u8], rows: &[u32], products: &mut [i32]) {
    assert_eq!(rows.len(), products.len(), "code_products: lengths do not fit");
    products_any(isa, query, codes, rows, products);
}

for_every_isa! {
    fn scan_any(
        query: &CodeQuery, weights: BoundWeights, plane: CoarsePlane<'_>, which: &[u32],
        products: &mut [[i32; BLOCK]], bounds: &mut [[f32; BLOCK]],
    ) = scan_generic;
    fn products_any(query: &CodeQuery, codes: &[u8], rows: &[u32], products: &mut [i32]) = products_generic;
}

/// Sums of products of codes and a query's parts, in each instruction set's own way.
trait CodeProducts: Lanes {
    /// `Σ h[i] · q[i]` of the rows of a block whose codes are `[M/8][16][4]`.
    fn block_products(
        proof: Self::Proof,
        parts: &[[[i8; GROUP_BYTES]; 4]],
        codes: &[[u8; BLOCK * GROUP_BYTES]],
    ) -> [i32; BLOCK];
}

#[inline(always)]
fn scan_generic<L: CodeProducts>(
    proof: L::Proof,
    query: &CodeQuery,
    weights: BoundWeights,
    plane: CoarsePlane<'_>,
    which: &[u32],
    products: &mut [[i32; BLOCK]],
    bounds: &mut [[f32; BLOCK]],
) {
    let CoarsePlane { codes, blocks } = plane;
    let (factor, norms) = (L::splat(proof, weights.factor), weights.norms.map(|weight| L::splat(proof, weight)));
    let bytes = query.width() / 2 * BLOCK;
    for (i, (products, bounds)) in products.iter_mut().zip(bounds).enumerate() {
        if let Some(&later) = which.get(i + BLOCKS_AHEAD) {
            fetch::<L>(codes, later as usize * bytes, bytes);
            blocks.get(later as usize).into_iter().for_each(fetch_bounds::<L>);
        }
        let at = which[i] as usize;
        let (of_block, block) = (&codes[at * bytes..][..bytes], &blocks[at]);
        let sums = L::block_products(proof, &query.parts, of_block.as_chunks().0);
        *products = sums.map(|sum| 2 * sum - 15 * query.sum);
        let product = L::from_i32(proof, products).mul(factor).mul(L::load(proof, &widen(&block.steps)));
        let [a, b, c] = std::array::from_fn(|j| L::load(proof, &widen(&block.norms[j])).mul(norms[j]));
        product.add(a.add(b).add(c)).store(bounds);
    }
}

/// Floats of which the upper halves are given.
#[inline(always)]
fn widen(halves: &[u16; BLOCK]) -> [f32; BLOCK] {
    halves.map(|half| f32::from_bits(u32::from(half) << 16))
}

#[inline(always)]
fn products_generic<L: Lanes>(_: L::Proof, query: &CodeQuery, codes: &[u8], rows: &[u32], products: &mut [i32]) {
    let bytes = query.width() / 2;
    for (i, (&row, product)) in rows.iter().zip(products).enumerate() {
        if let Some(&later) = rows.get(i + ROWS_AHEAD) {
            fetch::<L>(codes, later as usize * bytes, bytes);
        }
        let codes = &codes[row as usize * bytes..][..bytes];
        let mut sums = [0; GROUP];
        for (q, codes) in query.whole.iter().zip(codes.as_chunks::<GROUP_BYTES>().0) {
            for i in 0..GROUP_BYTES {
                sums[i] += i32::from(codes[i] & 15) * i32::from(q[i]);
                sums[i + GROUP_BYTES] += i32::from(codes[i] >> 4) * i32::from(q[i + GROUP_BYTES]);
            }
        }
        *product = sums.iter().sum();
    }
}

/// Asks for some bytes, as far as there are any.
#[inline(always)]
fn fetch<L: Lanes>(codes: &[u8], start: usize, len: usize) {
    let bytes = codes.get(start..(start + len).min(codes.len())).unwrap_or_default();
    (0..PARTS).for_each(|part| prefetch::<L, _>(bytes, part, PARTS));
}

/// Asks for what is known of a block.
#[inline(always)]
fn fetch_bounds<L: Lanes>(block: &BlockBounds) {
    (0..PARTS).for_each(|part| prefetch::<L, _>(&block.steps, part, PARTS));
    (0..PARTS).for_each(|part| prefetch::<L, _>(block.norms.as_flattened(), part, PARTS));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Random;

    fn query(random: &mut Random, width: usize) -> Vec<i16> {
        let number = |x: u64| match x % 8 {
            0 => QUERY_LIMIT,
            1 => -QUERY_LIMIT,
            _ => (x >> 8) as i16 % QUERY_LIMIT,
        };
        (0..width).map(|_| number(random.next())).collect()
    }

    #[test]
    fn every_isa_gives_the_exact_products_and_the_same_bounds() {
        for width in [32, 64, 96, 192, 384, MAX_WIDTH] {
            let mut random = Random::new(width as u64);
            let q = query(&mut random, width);
            let taken_apart = CodeQuery::new(&q);
            let count = 3;
            let codes = random.bytes(count * BLOCK * width / 2);
            let blocks: Vec<BlockBounds> = (0..count)
                .map(|_| {
                    let mut halves = || std::array::from_fn(|_| (random.floats(1)[0].abs().to_bits() >> 16) as u16);
                    BlockBounds { steps: halves(), norms: [halves(), halves(), halves()] }
                })
                .collect();
            let scan = |isa, which: &[u32], count| {
                let (mut products, mut bounds) = (vec![[0; BLOCK]; count], vec![[0.0; BLOCK]; count]);
                let weights = BoundWeights { factor: 1e-5, norms: [0.5, 2.0, 0.25] };
                let plane = CoarsePlane { codes: &codes, blocks: &blocks };
                scan_codes(isa, &taken_apart, weights, plane, which, &mut products, &mut bounds);
                (products, bounds)
            };
            let all = [0, 1, 2];
            let expected = scan(Isa::Scalar, &all, count);
            for row in 0..count * BLOCK {
                let mut sum = 0;
                for (place, &q) in q.iter().enumerate() {
                    let (group, within) = (place / GROUP, place % GROUP);
                    let byte = codes[((row / BLOCK * (width / GROUP) + group) * BLOCK + row % BLOCK) * GROUP_BYTES
                        + within % GROUP_BYTES];
                    let code = if within < GROUP_BYTES { byte & 15 } else { byte >> 4 };
                    sum += (2 * i64::from(code) - 15) * i64::from(q);
                }
                assert_eq!(i64::from(expected.0[row / BLOCK][row % BLOCK]), sum, "width {width}, row {row}");
            }
            for isa in Isa::available() {
                assert_eq!(scan(isa, &all, count), expected, "{isa:?}, width {width}");
                let some = (vec![expected.0[2], expected.0[0]], vec![expected.1[2], expected.1[0]]);
                assert_eq!(scan(isa, &[2, 0, 1], 2), some, "{isa:?}, width {width}");
            }
        }
    }

    #[test]
    fn rows_of_the_fine_plane_are_exact_too() {
        let mut random = Random::new(7);
        for width in [32, 192, MAX_WIDTH] {
            let (q, codes) = (query(&mut random, width), random.bytes(20 * width / 2));
            let rows: Vec<u32> = (0..20).rev().chain([7, 7]).collect();
            let expected: Vec<i32> = rows
                .iter()
                .map(|&row| {
                    let codes = &codes[row as usize * width / 2..];
                    let code = |i: usize| {
                        let byte = codes[i / GROUP * GROUP_BYTES + i % GROUP_BYTES];
                        i32::from(if i % GROUP < GROUP_BYTES { byte & 15 } else { byte >> 4 })
                    };
                    q.iter().enumerate().map(|(i, &q)| code(i) * i32::from(q)).sum()
                })
                .collect();
            for isa in Isa::available() {
                let mut products = vec![0; rows.len()];
                code_products(isa, &CodeQuery::new(&q), &codes, &rows, &mut products);
                assert_eq!(products, expected, "{isa:?}, width {width}");
            }
        }
    }

    #[test]
    #[should_panic(expected = "do not fit")]
    fn lengths_must_fit() {
        let blocks = [BlockBounds::default()];
        let query = CodeQuery::new(&[1; WIDTH_STEP]);
        let weights = BoundWeights { factor: 1.0, norms: [0.0; 3] };
        let plane = CoarsePlane { codes: &[0; 255], blocks: &blocks };
        scan_codes(Isa::best(), &query, weights, plane, &[0], &mut [[0; BLOCK]], &mut [[0.0; BLOCK]]);
    }
}
