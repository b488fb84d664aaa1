//! Codes of rows, and the proof that what they rule out is not among the best.
//!
//! A row `x` is split by the directions `B` of a [`Basis`]: `p = B·x` inside, and what is left, of which only the length
//! `t` is kept. The codes stand for `p̂ ≈ p`, and `r = ‖p - p̂‖` is kept too, as is `n = ‖x‖`. A query `q` is split the same
//! way: `a = B·q`, rounded to integers that stand for `â`, and a length `T` outside. Then
//!
//! ```text
//! q·x  =  a·p + (what is outside of both)
//!      =  â·p̂ + (a - â)·p̂ + a·(p - p̂) + (outside)
//!      ≤  â·p̂ + ‖a - â‖ · (n + r) + ‖a‖ · r + T · t                              by Cauchy and Schwarz
//! ```
//!
//! since `‖p̂‖ ≤ n + r`. That is exact arithmetic with orthonormal directions. What computers make of it is off by at most
//! `κ · ‖q‖ · n`, where `κ` ([`slack`]) covers how far `B` is from orthonormal, the roundings of `a` and `p`, those of the
//! bound itself, and those of the score that a scan of floats would give. Lengths are rounded up.
//!
//! So a row whose bound lies below the scores of `k` groups is not among the best `k`, whatever the data: data only
//! decides how many rows are left. They are compared exactly. The bound is computed twice, with the coarse half of the
//! codes for every row and with both halves for the rows that remain.
//!
//! Rows too long or too short for such sums (beyond [`LENGTHS`]) get an infinite bound: they are always compared.

use super::basis::{Basis, SAMPLE};
use super::rows::Rows;
use crate::Error;
use libellus_kernels::{
    BLOCK, BlockBounds, BoundWeights, CoarsePlane, CodeQuery, Isa, MAX_WIDTH, QUERY_LIMIT, code_products, dot_f32,
    encode_row, scan_codes,
};
use std::ops::{Range, RangeInclusive};

/// Lengths of rows and queries for which sums of 32-bit floats neither overflow nor vanish.
const LENGTHS: RangeInclusive<f64> = 1e-12..=1e12;
/// Blocks that are encoded at a time.
const BATCH: usize = 16;
/// What is taken for an error that cannot be told.
const UNKNOWN: f64 = f64::INFINITY;

/// The codes of a run of rows.
#[derive(Debug)]
pub(super) struct Codes {
    pub basis: Basis,
    /// `[R/16][M/8][16][4]`, see `libellus_kernels`.
    pub coarse: Vec<u8>,
    /// `[R][M/8][4]`.
    pub fine: Vec<u8>,
    /// For each block, steps, and of each row `r`, `t` and `n`.
    pub blocks: Vec<BlockBounds>,
    /// For each row, `r` of both halves of the codes together.
    pub fine_errors: Vec<u16>,
}

/// A query, ready to be compared with codes of one basis.
pub(super) struct Prepared {
    query: CodeQuery,
    /// What an integer of the query stands for.
    step: f64,
    /// The norms are `r`, `t` and `n`.
    weights: BoundWeights,
}

impl Codes {
    /// Makes the codes of `count` rows, on up to so many threads if it is worth it.
    pub fn of(rows: &Rows, dim: usize, count: usize, threads: usize) -> Result<Self, Error> {
        let basis = Basis::of(&sample(rows, dim, count)?, dim, dim.div_ceil(2).min(MAX_WIDTH));
        let (blocks, bytes) = (count.div_ceil(BLOCK), basis.width() / 2);
        let mut codes = Self {
            coarse: vec![0; blocks * BLOCK * bytes],
            fine: vec![0; blocks * BLOCK * bytes],
            blocks: vec![BlockBounds::default(); blocks],
            fine_errors: vec![0; blocks * BLOCK],
            basis,
        };
        let threads = threads.clamp(1, blocks / 1024 + 1);
        let share = blocks.div_ceil(threads).max(1);
        let basis = &codes.basis;
        let shares = codes.coarse.chunks_mut(share * BLOCK * bytes).zip(codes.fine.chunks_mut(share * BLOCK * bytes));
        let bounds = codes.blocks.chunks_mut(share).zip(codes.fine_errors.chunks_mut(share * BLOCK));
        std::thread::scope(|scope| {
            let mut workers = Vec::new();
            for (i, ((coarse, fine), (blocks, errors))) in shares.zip(bounds).enumerate() {
                let first = i * share * BLOCK;
                let range = first..(first + blocks.len() * BLOCK).min(count);
                let work = move || encode(rows, basis, range, coarse, fine, blocks, errors);
                // The last share is the caller's own.
                if (i + 1) * share * BLOCK < count {
                    workers.push(scope.spawn(work));
                } else {
                    work()?;
                }
            }
            workers
                .into_iter()
                .try_for_each(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        })?;
        Ok(codes)
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        let of_rows = self.coarse.len() + self.fine.len() + self.fine_errors.len() * size_of::<u16>();
        of_rows + self.blocks.len() * size_of::<BlockBounds>() + 2 * self.basis.vectors.len() * size_of::<f32>()
    }

    /// Takes a query apart, if its length is one that codes can be compared with.
    pub fn prepare(&self, query: &[f32]) -> Option<Prepared> {
        let basis = &self.basis;
        let length = norm(query);
        if !LENGTHS.contains(&length) {
            return None;
        }
        let mut inside = Vec::new();
        basis.project(query, &mut inside);
        let scaled: Vec<f64> = inside.iter().zip(&basis.widths).map(|(&a, &w)| f64::from(a) * f64::from(w)).collect();
        let largest = scaled.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
        let step = if largest > 0.0 { largest / f64::from(QUERY_LIMIT) } else { 1.0 };
        let integers: Vec<i16> = scaled.iter().map(|value| (value / step).round() as i16).collect();
        let rounding = integers.iter().zip(&scaled).zip(&basis.widths);
        let rounding = rounding.map(|((&q, value), &w)| ((f64::from(q) * step - value) / f64::from(w)).powi(2));
        let rounding = rounding.sum::<f64>().sqrt() * 1.001;
        let (norm_inside, slack) = (norm(&inside), slack(basis));
        let outside = outside(length, norm_inside, basis);
        let norms = [norm_inside * 1.001 + rounding, outside, rounding + slack * length];
        let norms = norms.map(|weight| (weight * 1.00001) as f32);
        let weights = BoundWeights { factor: (step * 8.0) as f32, norms };
        Some(Prepared { query: CodeQuery::new(&integers), step, weights })
    }

    /// The coarse products and bounds of the first of some blocks, as many as there is room for; the others come next.
    pub fn scan(&self, prepared: &Prepared, which: &[u32], products: &mut [[i32; BLOCK]], bounds: &mut [[f32; BLOCK]]) {
        let (query, weights) = (&prepared.query, prepared.weights);
        let plane = CoarsePlane { codes: &self.coarse, blocks: &self.blocks };
        scan_codes(Isa::best(), query, weights, plane, which, products, bounds);
    }

    /// The bounds of some rows by both halves of their codes, given their coarse products.
    pub fn refine(&self, prepared: &Prepared, rows: &[u32], products: &[i32]) -> Vec<f32> {
        let mut fine = vec![0; rows.len()];
        code_products(Isa::best(), &prepared.query, &self.fine, rows, &mut fine);
        let [r, t, n] = prepared.weights.norms.map(f64::from);
        let offset = f64::from(prepared.query.sum()) * 7.5;
        let bound = |((&row, &coarse), &fine): ((&u32, &i32), &i32)| {
            let row = row as usize;
            let (block, place) = (&self.blocks[row / BLOCK], row % BLOCK);
            let units = f64::from(coarse) * 8.0 + f64::from(fine) - offset;
            let product = widen(block.steps[place]) * prepared.step * units;
            let errors =
                r * widen(self.fine_errors[row]) + t * widen(block.norms[1][place]) + n * widen(block.norms[2][place]);
            (product + errors) as f32
        };
        rows.iter().zip(products).zip(&fine).map(bound).collect()
    }
}

/// Rows from all over, scaled to length 1.
fn sample(rows: &Rows, dim: usize, count: usize) -> Result<Vec<f32>, Error> {
    // Runs of a few, as a file is read in pages.
    let run = 16;
    let runs = (count / run).min(SAMPLE / run).max(1);
    let (mut sample, mut read) = (Vec::new(), Vec::new());
    for i in 0..runs {
        let first = (count as u64 * i as u64 / runs as u64) as usize;
        rows.read(dim, first..(first + run).min(count), &mut read)?;
        for row in read.chunks_exact(dim) {
            // Directions count: long rows would drown the others.
            let length = norm(row);
            if LENGTHS.contains(&length) {
                sample.extend(row.iter().map(|&x| (f64::from(x) / length) as f32));
            }
        }
    }
    Ok(sample)
}

fn encode(
    rows: &Rows,
    basis: &Basis,
    range: Range<usize>,
    coarse: &mut [u8],
    fine: &mut [u8],
    blocks: &mut [BlockBounds],
    fine_errors: &mut [u16],
) -> Result<(), Error> {
    let (isa, dim, width) = (Isa::best(), basis.dim, basis.width());
    let (mut batch, mut inside) = (Vec::new(), Vec::new());
    for first in range.clone().step_by(BATCH * BLOCK) {
        rows.read(dim, first..(first + BATCH * BLOCK).min(range.end), &mut batch)?;
        basis.project(&batch, &mut inside);
        for (i, (row, inside)) in batch.chunks_exact(dim).zip(inside.chunks_exact(width)).enumerate() {
            let at = first - range.start + i;
            let (block, place) = (at / BLOCK, at % BLOCK);
            let (bounds, fine_error) = (&mut blocks[block], &mut fine_errors[at]);
            let length = f64::from(dot_f32(isa, row, row)).sqrt() * 1.0001;
            if length > 0.0 && !LENGTHS.contains(&length) || length == 0.0 && row.iter().any(|x| *x != 0.0) {
                bounds.norms[0][place] = up(UNKNOWN);
                *fine_error = up(UNKNOWN);
                continue;
            }
            let block = &mut coarse[block * BLOCK * width / 2..][..BLOCK * width / 2];
            let fine = &mut fine[at * width / 2..][..width / 2];
            let errors = encode_row(isa, inside, &basis.widths, place, block, fine);
            let norm_inside = f64::from(dot_f32(isa, inside, inside)).sqrt();
            let [coarse_error, error] =
                [errors.coarse, errors.fine].map(|square| f64::from(square).sqrt() * 1.0001 + length * 1e-5);
            // A row that the widths do not suit may be worse off with codes than without.
            let (step, coarse_error, error) = if coarse_error <= length && error <= length {
                (errors.step, coarse_error, error)
            } else {
                (0, length, length)
            };
            bounds.steps[place] = step;
            let norms = [coarse_error, outside(length, norm_inside, basis), length];
            for (of_rows, norm) in bounds.norms.iter_mut().zip(norms) {
                of_rows[place] = up(norm);
            }
            *fine_error = up(error);
        }
    }
    Ok(())
}

/// A bound for the length outside of the directions, of a vector of which the length inside was computed.
///
/// `‖x‖² - ‖p‖²`, where `‖p‖` is off by at most [`rounding`] and the skew of the directions, in units of `‖x‖`.
fn outside(length: f64, inside: f64, basis: &Basis) -> f64 {
    let square = length * length;
    ((square - inside * inside).max(0.0) + square * (2.1 * rounding(basis) + 2.1 * basis.skew + 2e-5)).sqrt()
}

/// A bound for `‖p computed - p‖ / ‖x‖`: `M` products, each off by at most `(dim + 1) · 2⁻²⁴` of the lengths.
fn rounding(basis: &Basis) -> f64 {
    (basis.width() as f64).sqrt() * (basis.dim + 1) as f64 * f64::from(f32::EPSILON) / 2.0
}

/// `κ`: what roundings add to a bound, in units of `‖q‖ · ‖x‖`.
///
/// Twice [`rounding`], for `a` and for `p`; four times the skew, as `q·x` has two products across inside and outside that
/// vanish only for orthonormal directions, and one inside; a scan of floats is off by at most `dim · 2⁻²⁴`, taken twice;
/// and the bound itself by less than 20 roundings of at most four lengths.
fn slack(basis: &Basis) -> f64 {
    2.0 * rounding(basis) + 4.0 * basis.skew + basis.dim as f64 * f64::from(f32::EPSILON) + 1e-5
}

fn norm(vector: &[f32]) -> f64 {
    vector.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt()
}

/// The upper half of the least such float that is not below `x ≥ 0`.
fn up(x: f64) -> u16 {
    let bits = (x * (1.0 + 1e-6)) as f32;
    (bits.to_bits().saturating_add(0xffff).min(f32::INFINITY.to_bits()) >> 16) as u16
}

fn widen(half: u16) -> f64 {
    f64::from(f32::from_bits(u32::from(half) << 16))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_of_floats_are_rounded_up() {
        for x in [0.0, 1e-45, 1e-38, 0.1, 1.0, 1.00001, 3e38, 1e39, f64::INFINITY] {
            let rounded = widen(up(x));
            assert!(rounded >= x && (rounded <= x * 1.01 || !(1e-37..=3e38).contains(&x)), "{x}: {rounded}");
        }
    }

    #[test]
    fn no_score_exceeds_its_bounds() {
        let dim = 96;
        let mut state = 1_u32;
        let mut next = || {
            state = state.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        // Scales at the edges of what codes are made for, a direction that all share, and one row of zeros.
        let scales = [0.0, 1e-14, 1e-11, 1.0, 1.0, 1.0, 1e11, 1e14];
        let vectors: Vec<f32> = (0..40)
            .flat_map(|row| (0..dim).map(move |i| (row, i)))
            .map(|(row, i)| scales[row % 8] * (next() + if row % 3 == 0 { (i as f32).cos() } else { 0.0 }))
            .collect();
        let codes = Codes::of(&Rows::Memory(vectors.clone()), dim, 40, 1).expect("in memory");
        let mut tight = 0;
        for query in vectors.chunks_exact(dim) {
            let Some(prepared) = codes.prepare(query) else { continue };
            let blocks = codes.blocks.len();
            let (mut products, mut bounds) = (vec![[0; BLOCK]; blocks], vec![[0.0; BLOCK]; blocks]);
            let all: Vec<u32> = (0..blocks as u32).collect();
            codes.scan(&prepared, &all, &mut products, &mut bounds);
            for (row, vector) in vectors.chunks_exact(dim).enumerate() {
                let score = dot_f32(Isa::best(), query, vector);
                let (product, coarse) = (products[row / BLOCK][row % BLOCK], bounds[row / BLOCK][row % BLOCK]);
                let fine = codes.refine(&prepared, &[row as u32], &[product])[0];
                assert!(!(coarse < score || fine < score), "row {row}: {score} is above {coarse} or {fine}");
                let lengths = (norm(query) * norm(vector)) as f32;
                tight += usize::from(fine - score < 0.8 * lengths && coarse - score < 0.8 * lengths);
            }
        }
        assert!(tight > 500, "bounds that bound something: {tight}");
    }
}
