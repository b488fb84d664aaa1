//! Attention of 16-bit numbers: its two products are exact sums of integers, at twice the speed of floats.
//!
//! Of one sequence and head, the queries, the keys and the values are each mapped to integers by one step, and so are
//! the weights that the softmax makes of the scores. Sixteen bits lose less than a hundredth of what the 8-bit layers
//! around them lose.

use super::pairs::{PairRow, Pairs};
use super::{Head, limits, run_heads};
use crate::lanes::{LANES, Lanes, for_every_isa};
use crate::linear_f32::tiles;
use crate::math::exp2;
use crate::team::Places;
use crate::{Crew, Isa};
use std::array::from_fn;
use std::cell::RefCell;

/// The greatest weight and the greatest value. The weights of a row add up to this and at most half for each token, so
/// a sum of [`MAX_TOKENS`] products fits an `i32`.
const TOP: f32 = 32_767.0;
/// Tokens of the longest sequence.
const MAX_TOKENS: usize = 65_000;
/// A largest magnitude below this is rounded up to it, so that steps stay finite.
const SMALLEST: f32 = 1e-30;
/// Rows of scores held at a time, so that they stay in the first-level cache.
const SCORE_ROWS: usize = 24;
/// Rows in the tallest tile.
const MAX_ROWS: usize = 6;
/// Pairs in a [`PairRow`]'s worth of 16-bit numbers.
const PAIRS: usize = LANES / 2;

thread_local! {
    /// Memory that a thread works in, kept between calls; it grows with the longest sequence.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Rows are filled up to whole lanes.
#[derive(Default)]
struct Scratch {
    /// `[T, D/2]`
    queries: Vec<[[i16; 2]; PAIRS]>,
    /// `[D/2, T]`
    keys: Vec<PairRow>,
    /// `[T/2, D]`
    values: Vec<PairRow>,
    /// `[rows, T]`, and then the attended values, `[rows, D]`.
    sums: Vec<[i32; LANES]>,
    /// One row of scores, as floats.
    row: Vec<[f32; LANES]>,
    /// `[rows, T/2]`
    weights: Vec<[[i16; 2]; PAIRS]>,
}

/// As [`attention`](super::attention()), with integers of 16 bits in the products: for scores within ±30, outputs are
/// within 1e-3 of the formula, relative to the largest value. Every instruction set gives the same bits.
///
/// # Panics
/// As [`attention`](super::attention()), and if a sequence is longer than 65,000 tokens.
pub fn attention_i16(isa: Isa, crew: &Crew<'_>, qkv: &[f32], lengths: &[usize], heads: usize, out: &mut [f32]) {
    assert!(lengths.iter().all(|&length| length <= MAX_TOKENS), "attention: a sequence too long");
    run_heads(crew, qkv, lengths, heads, out, |qkv, head, out| {
        SCRATCH.with_borrow_mut(|scratch| attend(isa, qkv, head, scratch, out));
    });
}

/// Bytes that a thread keeps for sequences of up to `tokens` tokens and heads of `head_dim`.
pub(super) fn scratch_bytes(tokens: usize, head_dim: usize) -> usize {
    let (blocks, dim_blocks) = (tokens.div_ceil(LANES), head_dim.div_ceil(LANES));
    let (line, half) = (size_of::<PairRow>(), size_of::<PairRow>() / 2);
    let keys = dim_blocks * PAIRS * blocks * line;
    let values = tokens.div_ceil(2) * dim_blocks * line;
    let scores = SCORE_ROWS * (blocks.max(dim_blocks) * line + blocks * half) + blocks * line;
    tokens * dim_blocks * half + keys + values + scores
}

/// One head of one sequence, whose `qkv` these are.
fn attend(isa: Isa, qkv: &[f32], head: Head, scratch: &mut Scratch, out: Places<'_, f32>) {
    let tokens = qkv.len() / (3 * head.hidden);
    let (blocks, dim_blocks) = (tokens.div_ceil(LANES), head.head_dim.div_ceil(LANES));
    let steps = quantize(isa, qkv, head, scratch);
    let Scratch { queries, keys, values, sums, row, weights } = scratch;
    sums.resize(SCORE_ROWS * blocks.max(dim_blocks), [0; LANES]);
    row.resize(blocks, [0.0; LANES]);
    weights.resize(SCORE_ROWS * blocks, [[0; 2]; PAIRS]);

    // Weights are powers of 2 instead of e, which takes a step fewer for each.
    let scale = steps.scores / (head.head_dim as f32).sqrt() * std::f32::consts::LOG2_E;
    for start in (0..tokens).step_by(SCORE_ROWS) {
        let m = SCORE_ROWS.min(tokens - start);
        let queries = queries[start * dim_blocks..][..m * dim_blocks].as_flattened();
        product(isa, queries, (m, head.head_dim.div_ceil(2)), keys, &mut sums[..m * blocks]);
        softmax(isa, &sums[..m * blocks], tokens, scale, row, weights);
        let weights = weights[..m * blocks].as_flattened();
        product(isa, weights, (m, tokens.div_ceil(2)), values, &mut sums[..m * dim_blocks]);
        let head = Head { first: head.first + start, ..head };
        dequantize(isa, &sums[..m * dim_blocks], steps.values / TOP, head, out);
    }
}

/// What integers stand for.
struct Steps {
    /// A score, before it is divided by `√D`.
    scores: f32,
    /// A value.
    values: f32,
}

for_every_isa! {
    fn quantize(qkv: &[f32], head: Head, scratch: &mut Scratch) -> Steps = quantize_generic;
    fn product(a: &[[i16; 2]], shape: (usize, usize), b: &[PairRow], out: &mut [[i32; LANES]]) = product_generic;
    fn softmax(
        scores: &[[i32; LANES]],
        width: usize,
        scale: f32,
        row: &mut [[f32; LANES]],
        weights: &mut [[[i16; 2]; PAIRS]],
    ) = softmax_generic;
    fn dequantize(sums: &[[i32; LANES]], step: f32, head: Head, out: Places<'_, f32>) = dequantize_generic;
}

/// The queries, keys and values of one head, as integers in the order that the products read them in.
#[inline(always)]
fn quantize_generic<L: Lanes>(proof: L::Proof, qkv: &[f32], head: Head, scratch: &mut Scratch) -> Steps {
    let Head { hidden, head_dim, head, .. } = head;
    let tokens = qkv.chunks_exact(3 * hidden);
    let (blocks, dim_blocks) = (tokens.len().div_ceil(LANES), head_dim.div_ceil(LANES));
    let Scratch { queries, keys, values, .. } = scratch;
    queries.resize(tokens.len() * dim_blocks, [[0; 2]; PAIRS]);
    keys.resize(dim_blocks * PAIRS * blocks, [[0; 2]; LANES]);
    values.resize(tokens.len().div_ceil(2) * dim_blocks, [[0; 2]; LANES]);

    let zero = L::splat(proof, 0.0);
    let (mut largest, mut longest) = ([zero; 3], [0f32; 2]);
    for token in tokens.clone() {
        for (which, largest) in largest.iter_mut().enumerate() {
            let part = &token[which * hidden + head * head_dim..][..head_dim];
            let mut squares = zero;
            for part in part.chunks(LANES) {
                let x = load::<L>(proof, part);
                *largest = x.max(zero.sub(x)).max(*largest);
                squares = x.mul_add(x, squares);
            }
            if let Some(longest) = longest.get_mut(which) {
                *longest = longest.max(squares.sum());
            }
        }
    }
    let [query, key, value] = largest.map(|largest| TOP / largest.largest().max(SMALLEST));
    // By Cauchy and Schwarz, no sum of products of a query and a key, nor a part of it, leaves an `i32` if neither is
    // longer than √2³¹, rounding included.
    let longest_row = (i32::MAX as f32).sqrt() * (1.0 - 1e-4) - (head_dim as f32).sqrt();
    let fitting = |steps: f32, squares: f32| steps.min(longest_row / squares.sqrt().max(SMALLEST));
    let (query, key) = (fitting(query, longest[0]), fitting(key, longest[1]));

    let steps = [query, key, value].map(|steps| L::splat(proof, steps));
    for (t, token) in tokens.enumerate() {
        for j in 0..dim_blocks {
            let [query, key, value] = [0, 1, 2].map(|which| {
                let part = &token[which * hidden + head * head_dim..][..head_dim][j * LANES..];
                integers(proof, part, steps[which])
            });
            queries[t * dim_blocks + j] = pairs(&query);
            for (pair, key) in pairs(&key).into_iter().enumerate() {
                keys[(j * PAIRS + pair) * blocks + t / LANES][t % LANES] = key;
            }
            let values = &mut values[t / 2 * dim_blocks + j];
            if t % 2 == 0 {
                *values = value.map(|first| [first, 0]);
            } else {
                values.iter_mut().zip(value).for_each(|(pair, second)| pair[1] = second);
            }
        }
    }
    Steps { scores: 1.0 / (query * key), values: 1.0 / value }
}

/// Up to sixteen floats, and zeros after them.
#[inline(always)]
fn load<L: Lanes>(proof: L::Proof, from: &[f32]) -> L {
    match from.first_chunk() {
        Some(from) => L::load(proof, from),
        None => L::load_partial(proof, from, 0.0),
    }
}

/// Up to sixteen floats times `steps`, rounded; zeros after them.
#[inline(always)]
fn integers<L: Lanes>(proof: L::Proof, from: &[f32], steps: L) -> [i16; LANES] {
    let mut integers = [0; LANES];
    load::<L>(proof, from).mul(steps).store_i16(&mut integers);
    integers
}

#[inline(always)]
fn pairs(all: &[i16; LANES]) -> [[i16; 2]; PAIRS] {
    from_fn(|i| [all[2 * i], all[2 * i + 1]])
}

/// `out[m, n] = Σ a[m, k] · b[k, n]` over the first `depth` pairs `k`. Rows of `a` and of `out`, and lines of `b`, lie end
/// to end.
#[inline(always)]
fn product_generic<L: Pairs>(
    proof: L::Proof,
    a: &[[i16; 2]],
    (m, depth): (usize, usize),
    b: &[PairRow],
    out: &mut [[i32; LANES]],
) {
    let (a_stride, blocks) = (a.len() / m, out.len() / m);
    assert!(depth <= a_stride && depth * blocks <= b.len(), "attention: a product of other shapes");
    let mut column = 0;
    while column < blocks {
        let width = [4, 2].into_iter().find(|&width| width <= (blocks - column).min(L::BLOCKS)).unwrap_or(1);
        for (row, height) in tiles(m, MAX_ROWS) {
            let tile = Tile { a: &a[row * a_stride..], a_stride, depth, b: &b[column..], blocks };
            let out = &mut out[row * blocks + column..];
            macro_rules! tile {
                ($($rows:literal)*) => { match (height, width) {
                    // SAFETY: the shapes were checked above, and the tile lies inside of them.
                    $(($rows, 4) => unsafe { tile.product::<L, $rows, 4>(proof, out) },
                    // SAFETY: as above.
                    ($rows, 2) => unsafe { tile.product::<L, $rows, 2>(proof, out) },
                    // SAFETY: as above.
                    ($rows, _) => unsafe { tile.product::<L, $rows, 1>(proof, out) },)*
                    _ => unreachable!("tiles are 1 to 6 rows high"),
                }};
            }
            tile!(1 2 3 4 5 6);
        }
        column += width;
    }
}

/// A part of a product: from a row of `a` and a column of `b` on.
struct Tile<'a> {
    a: &'a [[i16; 2]],
    a_stride: usize,
    depth: usize,
    b: &'a [PairRow],
    blocks: usize,
}

impl Tile<'_> {
    /// # Safety
    /// `a` must hold `ROWS` rows, and `b` `depth` lines of which `WIDTH` blocks are left.
    #[inline(always)]
    unsafe fn product<L: Pairs, const ROWS: usize, const WIDTH: usize>(
        &self,
        proof: L::Proof,
        out: &mut [[i32; LANES]],
    ) {
        let (a, b) = (self.a.as_ptr(), self.b.as_ptr());
        let mut sums = [[L::zero(proof); WIDTH]; ROWS];
        for k in 0..self.depth {
            for (row, sums) in sums.iter_mut().enumerate() {
                // SAFETY: the caller says so.
                let a = unsafe { *a.add(row * self.a_stride + k) };
                for (j, sum) in sums.iter_mut().enumerate() {
                    // SAFETY: as above.
                    *sum = L::add_products(proof, *sum, a, unsafe { &*b.add(k * self.blocks + j) });
                }
            }
        }
        for (row, sums) in sums.into_iter().enumerate() {
            for (j, sums) in sums.into_iter().enumerate() {
                L::store_sums(proof, sums, &mut out[row * self.blocks + j]);
            }
        }
    }
}

/// `weights = TOP · softmax(scores)`, to the base of 2 and over the first `width` of each row, where `scale` is a score's
/// step.
#[inline(always)]
fn softmax_generic<L: Lanes>(
    proof: L::Proof,
    scores: &[[i32; LANES]],
    width: usize,
    scale: f32,
    row: &mut [[f32; LANES]],
    weights: &mut [[[i16; 2]; PAIRS]],
) {
    let (scale, lowest) = (L::splat(proof, scale), L::splat(proof, -126.0));
    let limits = L::load(proof, &limits(width));
    for (scores, weights) in scores.chunks_exact(row.len()).zip(weights.chunks_exact_mut(row.len())) {
        let (Some((last_score, scores)), Some((last, whole))) = (scores.split_last(), row.split_last_mut()) else {
            return;
        };
        let mut largest = L::from_i32(proof, last_score).min(limits);
        largest.store(last);
        for (score, x) in scores.iter().zip(whole) {
            let score = L::from_i32(proof, score);
            score.store(x);
            largest = score.max(largest);
        }
        let largest = L::splat(proof, largest.largest());
        let mut sum = L::splat(proof, 0.0);
        for x in row.iter_mut() {
            let weight = exp2(proof, L::load(proof, x).sub(largest).mul(scale).max(lowest));
            weight.store(x);
            sum = sum.add(weight);
        }
        // Past the width stand weights of 2⁻¹²⁶, which neither change the sum nor round to anything but 0.
        let steps = L::splat(proof, TOP / sum.sum());
        for (x, weights) in row.iter().zip(weights) {
            let mut integers = [0; LANES];
            L::load(proof, x).mul(steps).store_i16(&mut integers);
            *weights = pairs(&integers);
        }
    }
}

/// From sums to the head's places in rows `first ..` of the output.
#[inline(always)]
fn dequantize_generic<L: Lanes>(proof: L::Proof, sums: &[[i32; LANES]], step: f32, head: Head, out: Places<'_, f32>) {
    let Head { hidden, head_dim, head, first } = head;
    let step = L::splat(proof, step);
    for (t, sums) in sums.chunks_exact(head_dim.div_ceil(LANES)).enumerate() {
        // SAFETY: a head's outputs are written by whoever has that head, one row after the other.
        let out = unsafe { out.slice_mut((first + t) * hidden + head * head_dim, head_dim) };
        for (sums, out) in sums.iter().zip(out.chunks_mut(LANES)) {
            let attended = L::from_i32(proof, sums).mul(step);
            match out.first_chunk_mut() {
                Some(out) => attended.store(out),
                None => attended.store_partial(out),
            }
        }
    }
}
