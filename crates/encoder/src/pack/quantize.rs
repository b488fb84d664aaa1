//! Rounds a layer's weights to 8 bits so that its *outputs* change least.
//!
//! 1. *Where the range goes.* Inputs are quantised a token at a time when the model runs, so one channel
//!    with outliers would cost all others their resolution. Each input channel `k` is therefore divided by
//!    `d[k]` and its weights are multiplied by it (Xiao et al., *SmoothQuant*, 2023). The division is part of
//!    the step that quantises the input and costs nothing. `d` starts at `√(largest input / largest weight)`
//!    and is then improved by gradient descent on the expected error ([`descend`]).
//! 2. *Which way to round.* Weights are rounded one input channel after another, and what each rounding adds
//!    to the outputs is taken off by the channels that are still to come (Frantar et al., *GPTQ*, 2023).
//!
//! Everything here is plain arithmetic in a fixed order, and the products come from the kernels, which give
//! the same bits on every CPU: so a pack is the same everywhere.

use crate::model::DenseLinear;
use libellus_kernels::{Activation, Crew, Isa, LinearF32, pack_f32};

/// A layer of bytes: `weight[n, k] · scales[n]` multiplies `input[k] · multiplier[k]`.
pub(super) struct QuantizedLinear {
    /// `[N, K]`.
    pub weight: Vec<i8>,
    /// `[N]`.
    pub scales: Vec<f32>,
    /// `[K]`.
    pub multiplier: Vec<f32>,
}

/// Quantises `linear` for inputs like `rows[T, K]`.
pub(super) fn quantize_linear(linear: &DenseLinear, rows: &[f32]) -> QuantizedLinear {
    let k = linear.k();
    let divisors = descend(&linear.weight, rows, first_divisors(&linear.weight, rows, k));
    let multiplier: Vec<f32> = divisors.iter().map(|d| 1.0 / d).collect();
    let weight = scale_columns(&linear.weight, &divisors);
    let scales = row_scales(&weight, k);
    let factor = inverse_factor(&scale_columns(rows, &multiplier), k);
    QuantizedLinear { weight: round_in_turn(&weight, &scales, &factor), scales, multiplier }
}

/// Rounds each row of `width` to the nearest -127 ..= 127 times its own scale.
pub(super) fn quantize_words(values: &[f32], width: usize) -> (Vec<i8>, Vec<f32>) {
    let scales = row_scales(values, width);
    let rows = values.chunks_exact(width).zip(&scales);
    (rows.flat_map(|(row, scale)| row.iter().map(move |x| round(x / scale))).collect(), scales)
}

fn round(x: f32) -> i8 {
    x.round_ties_even().clamp(-127.0, 127.0) as i8
}

/// The step of each row: its largest magnitude is 127 steps.
fn row_scales(values: &[f32], width: usize) -> Vec<f32> {
    let largest = |row: &[f32]| row.iter().fold(f32::MIN_POSITIVE, |largest, x| largest.max(x.abs()));
    values.chunks_exact(width).map(|row| largest(row) / 127.0).collect()
}

fn scale_columns(values: &[f32], factors: &[f32]) -> Vec<f32> {
    let rows = values.chunks_exact(factors.len());
    rows.flat_map(|row| row.iter().zip(factors).map(|(x, factor)| x * factor)).collect()
}

/// `√(largest input / largest weight)` of each channel, within 1/64 … 64; 1 for a channel that is always zero.
fn first_divisors(weight: &[f32], rows: &[f32], k: usize) -> Vec<f32> {
    let largest = |values: &[f32]| {
        let mut largest = vec![0f32; k];
        for row in values.chunks_exact(k) {
            largest.iter_mut().zip(row).for_each(|(largest, x)| *largest = largest.max(x.abs()));
        }
        largest
    };
    let divisor = |(input, weight): (f32, f32)| match input > 0.0 && weight > 0.0 {
        true => (input / weight).sqrt().clamp(1.0 / 64.0, 64.0),
        false => 1.0,
    };
    largest(rows).into_iter().zip(largest(weight)).map(divisor).collect()
}

/// Improves `divisors` by gradient descent.
///
/// With `a(t)` the range of token `t`'s divided inputs and `b(n)` the largest magnitude of output `n`'s
/// multiplied weights, a rounding step is `a(t) / 255` and `b(n) / 127`, and the expected squared error of
/// the outputs is in proportion to
///
/// ```text
/// mean a(t)² / 255² · Σ d[k]² Σ w[n, k]²   +   Σ b(n)² / 127² · Σ mean x[t, k]² / d[k]² · GPTQ_GAIN
/// ```
///
/// Only the two extremes of a token and the one of an output take part in a range, so the gradient is that
/// of a maximum: sparse and jumpy. Steps are therefore multiplicative, bounded, and shrink.
fn descend(weight: &[f32], rows: &[f32], mut divisors: Vec<f32>) -> Vec<f32> {
    /// What is left of the weights' error after [`round_in_turn`], about.
    const GPTQ_GAIN: f32 = 0.4;
    const ROUNDS: usize = 120;
    const MOST_ROWS: usize = 3000;
    let k = divisors.len();
    let sample: Vec<&[f32]> = rows.chunks_exact(k).step_by((rows.len() / k).div_ceil(MOST_ROWS).max(1)).collect();
    let mean_square = |values: &mut dyn Iterator<Item = &[f32]>| {
        let (mut sums, mut count) = (vec![0f32; k], 0);
        for row in values {
            sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += x * x);
            count += 1;
        }
        sums.into_iter().map(|sum| sum / count as f32).collect::<Vec<_>>()
    };
    let input_squares = mean_square(&mut sample.iter().copied()); // [K]
    let weight_squares = mean_square(&mut weight.chunks_exact(k)); // [K]
    let (mut best, mut least) = (divisors.clone(), f32::INFINITY);
    let mut smooth = vec![0f32; k];
    for round in 0..ROUNDS {
        let inverse: Vec<f32> = divisors.iter().map(|d| 1.0 / d).collect();
        let (a, a_shares) = mean_square_range(&sample, &inverse);
        let (b, b_shares) = mean_square_largest(weight, &divisors);
        let w: f32 = divisors.iter().zip(&weight_squares).map(|(d, w)| d * d * w).sum();
        let x: f32 = inverse.iter().zip(&input_squares).map(|(i, x)| i * i * x).sum();
        let (from_inputs, from_weights) = (a / 255.0 / 255.0 * w, GPTQ_GAIN * b / 127.0 / 127.0 * x);
        let error = from_inputs + from_weights;
        if error < least {
            least = error;
            best.clone_from(&divisors);
        }
        // Half the derivative of ln error by ln d[k]; the shares of each sum add up to 1.
        let pace = 0.5 * (1.0 - round as f32 / ROUNDS as f32);
        for i in 0..k {
            let w_share = divisors[i] * divisors[i] * weight_squares[i] / w.max(f32::MIN_POSITIVE);
            let x_share = inverse[i] * inverse[i] * input_squares[i] / x.max(f32::MIN_POSITIVE);
            let slope = from_inputs * (w_share - a_shares[i]) + from_weights * (b_shares[i] - x_share);
            smooth[i] = 0.8 * smooth[i] + 0.2 * slope / error.max(f32::MIN_POSITIVE) * k as f32;
            let step = (smooth[i] * pace).clamp(-0.1, 0.1);
            divisors[i] = (divisors[i] * (1.0 - step)).clamp(1.0 / 256.0, 256.0);
        }
    }
    best
}

/// The mean square of each row's range (zero included) after scaling, and every channel's share in it.
fn mean_square_range(rows: &[&[f32]], scales: &[f32]) -> (f32, Vec<f32>) {
    let (mut sum, mut shares) = (0f32, vec![0f32; scales.len()]);
    for row in rows {
        let ((mut low, mut low_at), (mut high, mut high_at)) = ((0f32, 0), (0f32, 0));
        for (i, (x, scale)) in row.iter().zip(scales).enumerate() {
            let x = x * scale;
            if x > high {
                (high, high_at) = (x, i);
            }
            if x < low {
                (low, low_at) = (x, i);
            }
        }
        let range = high - low;
        sum += range * range;
        shares[high_at] += range * high;
        shares[low_at] += range * -low;
    }
    shares.iter_mut().for_each(|share| *share /= sum.max(f32::MIN_POSITIVE));
    (sum / rows.len().max(1) as f32, shares)
}

/// The mean square of each row's largest magnitude after scaling, and every channel's share in it.
fn mean_square_largest(values: &[f32], scales: &[f32]) -> (f32, Vec<f32>) {
    let (mut sum, mut shares) = (0f32, vec![0f32; scales.len()]);
    for row in values.chunks_exact(scales.len()) {
        let (mut largest, mut at) = (0f32, 0);
        for (i, (x, scale)) in row.iter().zip(scales).enumerate() {
            let x = (x * scale).abs();
            if x > largest {
                (largest, at) = (x, i);
            }
        }
        sum += largest * largest;
        shares[at] += largest * largest;
    }
    shares.iter_mut().for_each(|share| *share /= sum.max(f32::MIN_POSITIVE));
    (sum / (values.len() / scales.len()) as f32, shares)
}

/// Rounds `weight[N, K]` channel by channel, spreading each error over the channels after it.
///
/// `factor` is [`inverse_factor`]'s: its row `j` says how an error in channel `j` is best made up for.
fn round_in_turn(weight: &[f32], scales: &[f32], factor: &[f64]) -> Vec<i8> {
    let k = weight.len() / scales.len();
    let mut rounded = Vec::with_capacity(weight.len());
    for (row, &scale) in weight.chunks_exact(k).zip(scales) {
        let mut row: Vec<f64> = row.iter().map(|&w| f64::from(w)).collect();
        let scale = f64::from(scale);
        for j in 0..k {
            let step = round((row[j] / scale) as f32);
            rounded.push(step);
            let factor = &factor[j * k..][..k];
            let error = (row[j] - f64::from(step) * scale) / factor[j];
            row[j + 1..].iter_mut().zip(&factor[j + 1..]).for_each(|(w, f)| *w -= error * f);
        }
    }
    rounded
}

/// The upper triangular `U` with `(XᵀX / T + damping)⁻¹ = UᵀU`, for `rows[T, K] = X`.
///
/// From the factorisation `R Rᵀ` with upper triangular `R`, whose inverse is `U`.
fn inverse_factor(rows: &[f32], k: usize) -> Vec<f64> {
    /// Of the mean of the diagonal: how far to trust the sample.
    const DAMPING: f64 = 0.02;
    let mut h = second_moments(rows, k);
    let damping = DAMPING * (0..k).map(|i| h[i * k + i]).sum::<f64>() / k as f64 + f64::MIN_POSITIVE;
    (0..k).for_each(|i| h[i * k + i] += damping);

    let mut r = vec![0f64; k * k];
    for j in (0..k).rev() {
        let row_j = r[j * k..][..k].to_vec();
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let pivot = (h[j * k + j] - dot(&row_j[j + 1..], &row_j[j + 1..])).max(damping * 1e-6).sqrt();
        for i in 0..j {
            let row_i = &mut r[i * k..][..k];
            row_i[j] = (h[i * k + j] - dot(&row_i[j + 1..], &row_j[j + 1..])) / pivot;
        }
        r[j * k + j] = pivot;
    }
    let mut u = vec![0f64; k * k];
    for i in (0..k).rev() {
        let (above, below) = u.split_at_mut((i + 1) * k);
        let row = &mut above[i * k..];
        for (m, below) in (i + 1..k).zip(below.chunks_exact(k)) {
            let factor = r[i * k + m];
            row[m..].iter_mut().zip(&below[m..]).for_each(|(x, b)| *x -= factor * b);
        }
        let pivot = r[i * k + i];
        row[i + 1..].iter_mut().for_each(|x| *x /= pivot);
        row[i] = 1.0 / pivot;
    }
    u
}

/// `XᵀX / T` of `rows[T, K] = X`.
fn second_moments(rows: &[f32], k: usize) -> Vec<f64> {
    let tokens = rows.len() / k;
    let mut columns = vec![0f32; rows.len()]; // Xᵀ, [K, T]
    for (t, row) in rows.chunks_exact(k).enumerate() {
        row.iter().enumerate().for_each(|(i, &x)| columns[i * tokens + t] = x);
    }
    // As a linear layer from T inputs to K outputs, whose weights are Xᵀ too.
    let (packed, bias) = (pack_f32(&columns, tokens, k), vec![0.0; k]);
    let mut products = vec![0f32; k * k];
    LinearF32 { packed: &packed, bias: &bias, k: tokens }.apply(
        Isa::best(),
        &Crew::ALONE,
        &columns,
        Activation::None,
        &mut products,
    );
    products.into_iter().map(|x| f64::from(x) / tokens as f64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Correlated inputs with one loud channel, and weights, by a fixed rule.
    fn example(tokens: usize, k: usize, n: usize) -> (Vec<f32>, DenseLinear) {
        let wave = |i: usize, j: usize| ((i * 37 + j * 101) as f32 * 0.618).sin();
        let input =
            |t: usize, i: usize| wave(t, 0) + 0.5 * wave(t, i + 1) + if i == 3 { 20.0 * wave(t, 7) } else { 0.0 };
        let rows = (0..tokens).flat_map(|t| (0..k).map(move |i| input(t, i))).collect();
        let weight = (0..n).flat_map(|j| (0..k).map(move |i| wave(j * 13 + 5, i * 3))).collect();
        (rows, DenseLinear { weight, bias: vec![0.0; n] })
    }

    #[test]
    fn the_factor_is_the_inverses() {
        let (rows, _) = example(60, 10, 1);
        let (h, u) = (second_moments(&rows, 10), inverse_factor(&rows, 10));
        let damping = 0.02 * (0..10).map(|i| h[i * 11]).sum::<f64>() / 10.0;
        for i in 0..10 {
            for j in 0..10 {
                // (H + damping) · UᵀU is the identity.
                let inverse = |m: usize| (0..10).map(|l| u[l * 10 + m] * u[l * 10 + j]).sum::<f64>();
                let product: f64 =
                    (0..10).map(|m| (h[i * 10 + m] + if i == m { damping } else { 0.0 }) * inverse(m)).sum();
                let expected = if i == j { 1.0 } else { 0.0 };
                assert!((product - expected).abs() < 1e-6, "{i}, {j}: {product}");
            }
        }
    }

    #[test]
    fn outputs_are_closer_than_with_plain_rounding() {
        let (k, n) = (24, 16);
        let (rows, linear) = example(400, k, n);
        let error = |weight: &[i8], scales: &[f32], multiplier: &[f32]| {
            let mut sum = 0.0;
            for row in rows.chunks_exact(k) {
                for j in 0..n {
                    let exact: f32 = (0..k).map(|i| row[i] * linear.weight[j * k + i]).sum();
                    let got: f32 =
                        (0..k).map(|i| row[i] * multiplier[i] * f32::from(weight[j * k + i]) * scales[j]).sum();
                    sum += (exact - got).powi(2);
                }
            }
            sum
        };
        let (plain, plain_scales) = quantize_words(&linear.weight, k);
        let ours = quantize_linear(&linear, &rows);
        let (plain, ours) =
            (error(&plain, &plain_scales, &vec![1.0; k]), error(&ours.weight, &ours.scales, &ours.multiplier));
        assert!(ours < plain / 2.0, "{ours}, not half of {plain}");
    }
}
