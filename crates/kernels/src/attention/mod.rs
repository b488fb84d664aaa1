//! Scaled dot-product attention over sequences that lie end to end.
//!
//! Vaswani et al., *Attention Is All You Need*, 2017: per sequence and head,
//! `softmax(q · kᵀ / √D) · v`.

mod int16;
mod pairs;

pub use int16::attention_i16;

use crate::lanes::{LANES, Lanes, for_every_isa};
use crate::linear_f32::{Epilogue, Product};
use crate::math::exp;
use crate::team::Places;
use crate::{Crew, Isa};
use std::cell::RefCell;

/// Rows of scores held at a time, so that they stay in the first cache levels.
const SCORE_ROWS: usize = 48;

thread_local! {
    /// Memory that a thread works in, kept between calls; it grows with the longest sequence.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

#[derive(Default)]
struct Scratch {
    keys: Vec<f32>,
    values: Vec<f32>,
    scores: Vec<f32>,
}

/// Bytes that a thread keeps for sequences of up to `tokens` tokens and heads of `head_dim`, in either precision.
pub fn attention_bytes(tokens: usize, head_dim: usize) -> usize {
    let (wide_tokens, wide_dim) = (tokens.next_multiple_of(LANES), head_dim.next_multiple_of(LANES));
    let floats = head_dim * wide_tokens + tokens * wide_dim + SCORE_ROWS * wide_tokens;
    int16::scratch_bytes(tokens, head_dim).max(size_of::<f32>() * floats)
}

/// Writes the attended values of every sequence to `out[T, H]`. The crew splits the heads.
///
/// `qkv[T, 3H]` holds each token's query, key and value side by side; each is `heads` parts of `D = H / heads`.
/// `lengths` are the tokens of each sequence, in order; a sequence attends to itself only. Softmax subtracts
/// the row's maximum first, and takes weights below e⁻⁸⁷ as that. For scores within ±30, outputs are within 3e-6 of
/// the formula, relative to the largest value. Inputs must be finite.
///
/// # Panics
/// If `heads` does not divide `H`, or the lengths do not fit.
pub fn attention(isa: Isa, crew: &Crew<'_>, qkv: &[f32], lengths: &[usize], heads: usize, out: &mut [f32]) {
    run_heads(crew, qkv, lengths, heads, out, |qkv, head, out| {
        SCRATCH.with_borrow_mut(|scratch| attend(isa, qkv, head, scratch, out));
    });
}

/// Calls `attend` with each sequence's part of `qkv` and each of its heads, whose places in the output are then
/// nobody else's.
fn run_heads(
    crew: &Crew<'_>,
    qkv: &[f32],
    lengths: &[usize],
    heads: usize,
    out: &mut [f32],
    attend: impl Fn(&[f32], Head, Places<'_, f32>) + Sync,
) {
    let sum = lengths.iter().try_fold(0usize, |sum, &length| sum.checked_add(length));
    let tokens = sum.expect("attention: more tokens than memory can hold");
    if tokens == 0 {
        return;
    }
    let hidden = out.len() / tokens;
    assert_eq!(out.len(), tokens * hidden, "attention: output is not whole rows");
    assert_eq!(qkv.len(), tokens * 3 * hidden, "attention: input of another shape");
    assert!(heads > 0 && hidden.is_multiple_of(heads), "attention: heads do not divide the hidden width");
    let head_dim = hidden / heads;
    let out = Places::new(out);
    crew.run(heads, |head| {
        let mut first = 0;
        for &length in lengths.iter().filter(|&&length| length > 0) {
            let qkv = &qkv[first * 3 * hidden..][..length * 3 * hidden];
            attend(qkv, Head { hidden, head_dim, head, first }, out);
            first += length;
        }
    });
}

/// Which head, of which sequence.
#[derive(Clone, Copy)]
struct Head {
    hidden: usize,
    head_dim: usize,
    head: usize,
    /// The sequence's first token.
    first: usize,
}

/// One head of one sequence, whose `qkv` these are.
fn attend(isa: Isa, qkv: &[f32], head: Head, scratch: &mut Scratch, out: Places<'_, f32>) {
    let Head { hidden, head_dim, head, first } = head;
    let row = 3 * hidden;
    let tokens = qkv.len() / row;
    let (wide_tokens, wide_dim) = (tokens.next_multiple_of(LANES), head_dim.next_multiple_of(LANES));
    let part = |token: usize, which: usize| &qkv[token * row + which * hidden + head * head_dim..][..head_dim];

    let Scratch { keys, values, scores } = scratch;
    keys.resize(head_dim * wide_tokens, 0.0); // [T/16][D][16]
    values.resize(tokens * wide_dim, 0.0); // [D/16][T][16]
    scores.resize(SCORE_ROWS * wide_tokens, 0.0); // [rows, T]
    // Scores are computed for whole blocks of keys, and the last ones not used.
    keys[(wide_tokens - LANES) * head_dim..].fill(0.0);
    for token in 0..tokens {
        let block = &mut keys[token / LANES * LANES * head_dim..];
        for (d, &key) in part(token, 1).iter().enumerate() {
            block[d * LANES + token % LANES] = key;
        }
        let mut blocks = values.chunks_exact_mut(tokens * LANES).map(|block| &mut block[token * LANES..][..LANES]);
        let (whole, rest) = part(token, 2).as_chunks::<LANES>();
        for (part, block) in whole.iter().zip(&mut blocks) {
            block.copy_from_slice(part);
        }
        if let Some(block) = blocks.next() {
            block[..rest.len()].copy_from_slice(rest);
        }
    }

    let scale = 1.0 / (head_dim as f32).sqrt();
    for start in (0..tokens).step_by(SCORE_ROWS) {
        let m = SCORE_ROWS.min(tokens - start);
        let by_keys = Product { m, n: wide_tokens, k: head_dim, a_stride: row, c_stride: wide_tokens, c_start: 0 };
        let queries = &qkv[start * row + head * head_dim..];
        // SAFETY: the scores are this thread's own.
        unsafe { by_keys.run(isa, queries, keys, &[], Epilogue::Store, Places::new(scores)) };
        softmax(isa, &mut scores[..m * wide_tokens], wide_tokens, tokens, scale);
        let c_start = (first + start) * hidden + head * head_dim;
        let by_values = Product { m, n: head_dim, k: tokens, a_stride: wide_tokens, c_stride: hidden, c_start };
        // SAFETY: the head's places are nobody else's, as `run_heads` says.
        unsafe { by_values.run(isa, scores, values, &[], Epilogue::Store, out) };
    }
}

for_every_isa! {
    fn softmax(scores: &mut [f32], stride: usize, width: usize, scale: f32) = softmax_generic;
}

/// The greatest float where a row of `width` has a value in its last lanes, and the least where it has none.
fn limits(width: usize) -> [f32; LANES] {
    let used = width - width.saturating_sub(1) / LANES * LANES;
    std::array::from_fn(|lane| if lane < used { f32::MAX } else { f32::MIN })
}

/// `softmax(scores · scale)` over the first `width` of each row of `stride`, which is whole lanes.
#[inline(always)]
fn softmax_generic<L: Lanes>(proof: L::Proof, scores: &mut [f32], stride: usize, width: usize, scale: f32) {
    let scale = L::splat(proof, scale);
    let limits = L::load(proof, &limits(width));
    for row in scores.chunks_exact_mut(stride) {
        let row = row.as_chunks_mut::<LANES>().0;
        let Some((last, whole)) = row.split_last_mut() else { return };
        let mut largest = L::load(proof, last).min(limits);
        largest.store(last);
        for x in whole.iter() {
            largest = L::load(proof, x).max(largest);
        }
        let largest = L::splat(proof, largest.largest());
        let mut sum = L::splat(proof, 0.0);
        for x in row.iter_mut() {
            let weight = exp(proof, L::load(proof, x).sub(largest).mul(scale));
            weight.store(x);
            sum = sum.add(weight);
        }
        // Past the width stand weights of e⁻⁸⁷; the largest score's own weight is 1, so they do not change the sum.
        let inverse = L::splat(proof, 1.0 / sum.sum());
        for x in row.iter_mut() {
            L::load(proof, x).mul(inverse).store(x);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Random, same_on_every_isa};

    fn plain(qkv: &[f32], hidden: usize, heads: usize) -> Vec<f64> {
        let (row, head_dim) = (3 * hidden, hidden / heads);
        let tokens = qkv.len() / row;
        let at = |token: usize, which: usize, i: usize| f64::from(qkv[token * row + which * hidden + i]);
        let mut out = vec![0.0; tokens * hidden];
        for head in 0..heads {
            let dims = head * head_dim..(head + 1) * head_dim;
            for t in 0..tokens {
                let score = |u: usize| dims.clone().map(|d| at(t, 0, d) * at(u, 1, d)).sum::<f64>();
                let weights: Vec<f64> = (0..tokens).map(|u| (score(u) / (head_dim as f64).sqrt()).exp()).collect();
                let sum: f64 = weights.iter().sum();
                for d in dims.clone() {
                    out[t * hidden + d] = (0..tokens).map(|u| weights[u] / sum * at(u, 2, d)).sum();
                }
            }
        }
        out
    }

    #[test]
    fn equals_the_formula_on_every_isa_and_sequences_do_not_mix() {
        check(attention, 3e-6);
    }

    #[test]
    fn so_does_that_of_16_bits() {
        check(attention_i16, 1e-3);
    }

    #[test]
    fn extremes_of_16_bits_do_not_overflow() {
        for (hidden, x) in [(2, 1e15), (32, 1.0), (64, -1.0), (64, 0.0), (128, 1e-38)] {
            let qkv = vec![x; 33 * 3 * hidden];
            let out = same_on_every_isa(&vec![0.0; 33 * hidden], |isa, out| {
                attention_i16(isa, &Crew::ALONE, &qkv, &[33], 1, out);
            });
            assert!(out.iter().all(|y| (y - x).abs() <= x.abs() * 1e-3 + 1e-30), "{hidden} wide, {x}: {}", out[0]);
        }
    }

    type Attention = fn(Isa, &Crew<'_>, &[f32], &[usize], usize, &mut [f32]);

    fn check(attention: Attention, bound: f64) {
        for (lengths, hidden, heads) in [
            (vec![1], 8, 2),
            (vec![3, 18], 9, 3),
            (vec![5, 1, 17], 24, 3),
            (vec![49, 16, 100], 64, 2),
            (vec![0, 3], 32, 1),
        ] {
            let tokens: usize = lengths.iter().sum();
            let qkv: Vec<f32> =
                Random::new(tokens as u64).floats(tokens * 3 * hidden).iter().map(|x| x * 3.0).collect();
            let out = same_on_every_isa(&vec![0.0; tokens * hidden], |isa, out| {
                attention(isa, &Crew::ALONE, &qkv, &lengths, heads, out);
            });
            let mut first = 0;
            for &length in &lengths {
                let part = &qkv[first * 3 * hidden..][..length * 3 * hidden];
                let mut alone = vec![0.0; length * hidden];
                attention(Isa::best(), &Crew::ALONE, part, &[length], heads, &mut alone);
                assert_eq!(alone, &out[first * hidden..][..length * hidden], "{lengths:?}: a sequence alone");
                for (got, exact) in alone.iter().zip(plain(part, hidden, heads)) {
                    assert!((f64::from(*got) - exact).abs() < bound, "{lengths:?}: {got}, not {exact}");
                }
                first += length;
            }
        }
    }
}
