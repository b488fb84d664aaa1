//! Scaled dot-product attention over sequences that lie end to end.
//!
//! Vaswani et al., *Attention Is All You Need*, 2017: per sequence and head,
//! `softmax(q · kᵀ / √D) · v`.

use crate::Isa;
use crate::lanes::{LANES, Lanes, for_every_isa};
use crate::linear_f32::Product;
use crate::math::exp2;
use std::f32::consts::LOG2_E;

/// Rows of scores held at a time, so that they stay in the first cache levels.
const SCORE_ROWS: usize = 48;

/// Memory that [`attention`] works in, kept between calls.
#[derive(Default)]
pub struct AttentionScratch {
    keys: Vec<f32>,
    values: Vec<f32>,
    scores: Vec<f32>,
    inverse_sums: Vec<f32>,
}

/// Writes the attended values of every sequence to `out[T, H]`.
///
/// `qkv[T, 3H]` holds each token's query, key and value side by side; each is `heads` parts of `D = H / heads`.
/// `lengths` are the tokens of each sequence, in order; a sequence attends to itself only. Softmax subtracts
/// the row's maximum first, and takes weights below 2⁻¹²⁶ as that. For scores within ±30, outputs are within 3e-6 of
/// the formula, relative to the largest value. Inputs must be finite.
///
/// # Panics
/// If `heads` does not divide `H`, or the lengths do not fit.
pub fn attention(
    isa: Isa,
    qkv: &[f32],
    lengths: &[usize],
    heads: usize,
    scratch: &mut AttentionScratch,
    out: &mut [f32],
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
    let mut first = 0;
    for &length in lengths {
        let qkv = &qkv[first * 3 * hidden..][..length * 3 * hidden];
        let out = &mut out[first * hidden..][..length * hidden];
        for head in 0..heads {
            attend(isa, qkv, hidden, hidden / heads, head, scratch, out);
        }
        first += length;
    }
}

/// One head of one sequence.
fn attend(
    isa: Isa,
    qkv: &[f32],
    hidden: usize,
    head_dim: usize,
    head: usize,
    scratch: &mut AttentionScratch,
    out: &mut [f32],
) {
    let row = 3 * hidden;
    let tokens = qkv.len() / row;
    let (wide_tokens, wide_dim) = (tokens.next_multiple_of(LANES), head_dim.next_multiple_of(LANES));
    let part = |token: usize, which: usize| &qkv[token * row + which * hidden + head * head_dim..][..head_dim];

    let AttentionScratch { keys, values, scores, inverse_sums } = scratch;
    keys.resize(head_dim * wide_tokens, 0.0); // [D, T]
    values.resize(tokens * wide_dim, 0.0); // [T, D]
    scores.resize(SCORE_ROWS * wide_tokens, 0.0); // [rows, T]
    inverse_sums.resize(SCORE_ROWS, 0.0);
    for token in 0..tokens {
        for (d, &key) in part(token, 1).iter().enumerate() {
            keys[d * wide_tokens + token] = key;
        }
        values[token * wide_dim..][..head_dim].copy_from_slice(part(token, 2));
    }

    let scale = 1.0 / (head_dim as f32).sqrt();
    for start in (0..tokens).step_by(SCORE_ROWS) {
        let rows = SCORE_ROWS.min(tokens - start);
        let by_keys =
            Product { m: rows, n: tokens, k: head_dim, a_stride: row, b_stride: wide_tokens, c_stride: wide_tokens };
        by_keys.run(isa, &qkv[start * row + head * head_dim..], keys, scores);
        exponentiate(isa, &mut scores[..rows * wide_tokens], wide_tokens, tokens, scale, inverse_sums);
        let by_values =
            Product { m: rows, n: head_dim, k: tokens, a_stride: wide_tokens, b_stride: wide_dim, c_stride: hidden };
        let out = &mut out[start * hidden + head * head_dim..];
        by_values.run(isa, scores, values, out);
        for (row, inverse) in out.chunks_mut(hidden).zip(&inverse_sums[..rows]) {
            row[..head_dim].iter_mut().for_each(|x| *x *= inverse);
        }
    }
}

for_every_isa! {
    fn exponentiate(scores: &mut [f32], stride: usize, width: usize, scale: f32, inverse_sums: &mut [f32])
        = exponentiate_generic;
}

/// `exp(scores · scale - the row's maximum)` over the first `width` of each row of `stride`, which is whole lanes,
/// and one over each row's sum: with it, a softmax. Dividing is left for later, when a row has become shorter.
#[inline(always)]
fn exponentiate_generic<L: Lanes>(
    proof: L::Proof,
    scores: &mut [f32],
    stride: usize,
    width: usize,
    scale: f32,
    inverse_sums: &mut [f32],
) {
    let (scale, floor) = (scale * LOG2_E, L::splat(proof, -126.0));
    for (row, inverse_sum) in scores.chunks_exact_mut(stride).zip(inverse_sums) {
        row[width..].fill(f32::MIN);
        let row = row.as_chunks_mut::<LANES>().0;
        let mut largest = L::splat(proof, f32::MIN);
        for x in row.iter() {
            largest = L::load(proof, x).max(largest);
        }
        // The rounding of the maximum is the same for the whole row, so it is gone after the division.
        let (scale, offset) = (L::splat(proof, scale), L::splat(proof, -largest.largest() * scale));
        let mut sum = L::splat(proof, 0.0);
        for x in row.iter_mut() {
            let weight = exp2(proof, L::load(proof, x).mul_add(scale, offset).max(floor));
            weight.store(x);
            sum = sum.add(weight);
        }
        // Past the width stand weights of 2⁻¹²⁶; the largest score's own weight is 1, so they do not change the sum.
        *inverse_sum = 1.0 / sum.sum();
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
        for (lengths, hidden, heads) in
            [(vec![1], 8, 2), (vec![5, 1, 17], 24, 3), (vec![49, 16, 100], 64, 2), (vec![0, 3], 32, 1)]
        {
            let tokens: usize = lengths.iter().sum();
            let qkv: Vec<f32> =
                Random::new(tokens as u64).floats(tokens * 3 * hidden).iter().map(|x| x * 3.0).collect();
            let out = same_on_every_isa(&vec![0.0; tokens * hidden], |isa, out| {
                attention(isa, &qkv, &lengths, heads, &mut AttentionScratch::default(), out);
            });
            let mut first = 0;
            for &length in &lengths {
                let part = &qkv[first * 3 * hidden..][..length * 3 * hidden];
                let mut alone = vec![0.0; length * hidden];
                attention(Isa::best(), part, &[length], heads, &mut AttentionScratch::default(), &mut alone);
                assert_eq!(alone, &out[first * hidden..][..length * hidden], "{lengths:?}: a sequence alone");
                for (got, exact) in alone.iter().zip(plain(part, hidden, heads)) {
                    assert!((f64::from(*got) - exact).abs() < 3e-6, "{lengths:?}: {got}, not {exact}");
                }
                first += length;
            }
        }
    }
}
