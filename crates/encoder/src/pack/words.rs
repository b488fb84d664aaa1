//! Rounds word embeddings to 4 bits.
//!
//! Half of a model of this size are the rows of its words, of which a text uses a few. Each row has a scale, each
//! group of [`GROUP`] values a multiplier of one byte, and each value one of sixteen levels ([`LEVELS`]) which lie
//! closer together near zero, as the values do. The multiplier is the one with the least squared error: to clip the
//! loudest value a little is better than to round all others coarsely.

use libellus_kernels::{GROUP, GROUP_BYTES, LEVELS};

/// Rows of 4-bit codes, laid out as [`libellus_kernels::RowI4`] has them.
#[derive(Default)]
pub(super) struct WordsI4 {
    pub codes: Vec<u8>,
    pub multipliers: Vec<u8>,
    pub scales: Vec<f32>,
}

/// The largest level and the largest multiplier.
const TOP_LEVEL: f32 = 127.0;
const TOP_MULTIPLIER: f32 = 255.0;

/// Rounds each row of `width`.
pub(super) fn quantize_words_i4(values: &[f32], width: usize) -> WordsI4 {
    let mut words = WordsI4::default();
    for row in values.chunks_exact(width) {
        let scale = largest(row) / (TOP_LEVEL * TOP_MULTIPLIER);
        words.scales.push(scale);
        for group in row.chunks(GROUP) {
            let multiplier = best_multiplier(group, scale);
            let mut codes = [0; GROUP_BYTES];
            for (i, &x) in group.iter().enumerate() {
                codes[i % GROUP_BYTES] |= nearest(x, scale * f32::from(multiplier)) << (i / GROUP_BYTES * 4);
            }
            words.multipliers.push(multiplier);
            words.codes.extend(codes);
        }
    }
    words
}

/// The multiplier of the least squared error, tried from the one that clips nothing down to half of it.
fn best_multiplier(group: &[f32], scale: f32) -> u8 {
    const TRIES: usize = 32;
    let unclipped = (largest(group) / (TOP_LEVEL * scale)).ceil().clamp(1.0, TOP_MULTIPLIER) as u8;
    let error = |multiplier: u8| {
        let step = scale * f32::from(multiplier);
        let square = |&x: &f32| (x - f32::from(LEVELS[usize::from(nearest(x, step))]) * step).powi(2);
        group.iter().map(square).sum::<f32>()
    };
    let tries = (unclipped.div_ceil(2)..=unclipped).rev().step_by(usize::from(unclipped).div_ceil(2 * TRIES));
    let (mut best, mut least) = (unclipped, f32::INFINITY);
    for multiplier in tries {
        let error = error(multiplier);
        if error < least {
            (best, least) = (multiplier, error);
        }
    }
    best
}

/// The code of the level nearest to `x / step`.
fn nearest(x: f32, step: f32) -> u8 {
    let x = x / step;
    // Between neighbours, the middle decides: as many middles as lie below `x`, so many levels do.
    LEVELS.windows(2).map(|pair| u8::from(x * 2.0 > f32::from(pair[0]) + f32::from(pair[1]))).sum()
}

/// The largest magnitude; never quite zero, so that it can be divided by.
fn largest(values: &[f32]) -> f32 {
    /// Small, but its 32,385th part is still a normal number.
    const SMALLEST: f32 = 1e-30;
    values.iter().fold(SMALLEST, |largest, x| largest.max(x.abs()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::Directory;
    use crate::model::WordEmbeddings;
    use crate::pack::{load, read};
    use libellus_kernels::{Isa, RowI4, dequantize_add_i4};
    use std::path::Path;

    /// Sums of waves: near to normally distributed, the same everywhere.
    fn example(len: usize) -> Vec<f32> {
        let wave = |i: usize, j: usize| ((i * 37 + j * 101) as f32 * 0.618 * (j as f32 + 1.3)).sin();
        (0..len).map(|i| (0..6).map(|j| wave(i, j)).sum()).collect()
    }

    fn dequantize(words: &WordsI4, width: usize) -> Vec<f32> {
        let groups = width.div_ceil(GROUP);
        let mut out = vec![0.0; words.scales.len() * width];
        for (i, out) in out.chunks_exact_mut(width).enumerate() {
            let row = RowI4 {
                codes: &words.codes[i * groups * GROUP_BYTES..][..groups * GROUP_BYTES],
                multipliers: &words.multipliers[i * groups..][..groups],
                scale: words.scales[i],
            };
            dequantize_add_i4(Isa::best(), row, &vec![0.0; width], out);
        }
        out
    }

    #[test]
    fn every_level_has_its_code() {
        for (code, &level) in LEVELS.iter().enumerate() {
            assert_eq!(usize::from(nearest(f32::from(level) * 0.25, 0.25)), code);
        }
        assert_eq!((nearest(-1e30, 0.25), nearest(1e30, 0.25)), (0, 15), "what lies outside is clipped");
    }

    #[test]
    fn what_is_read_back_is_near_whatever_the_width() {
        for width in [1, 16, 24, 32, 33, 80, 384] {
            let values = example(width * 40);
            let back = dequantize(&quantize_words_i4(&values, width), width);
            let signal: f32 = values.iter().map(|x| x * x).sum();
            let noise: f32 = values.iter().zip(&back).map(|(x, y)| (x - y) * (x - y)).sum();
            assert!(noise < signal / 150.0, "width {width}: noise {noise} of {signal}");
        }
    }

    #[test]
    fn the_words_of_the_lite_pack_are_made_again() {
        let Some(original) = std::env::var_os("LIBELLUS_TEST_MODEL_DIR") else {
            println!("skipped: set LIBELLUS_TEST_MODEL_DIR to the original model, or run `cargo xtask test`");
            return;
        };
        let dense = Directory::open(Path::new(&original)).expect("the original opens").dense;
        let made = quantize_words_i4(&dense.words, dense.config.hidden);
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/all-MiniLM-L6-v2-lite.pack");
        let pack = load(&path).and_then(|bytes| read(&path, &bytes)).expect("the pack is committed");
        let WordEmbeddings::I4 { codes, multipliers, scales } = pack.model.words else { panic!("not of 4 bits") };
        assert!(*codes == made.codes && *multipliers == made.multipliers && *scales == made.scales);
    }

    #[test]
    fn zeros_and_extremes_stay_finite() {
        let mut values = vec![0.0; 3 * 40];
        values[40] = 3e38;
        values[80] = 1e-38;
        let back = dequantize(&quantize_words_i4(&values, 40), 40);
        assert!(back.iter().all(|x| x.is_finite()));
        assert!(back[..40].iter().all(|x| x.abs() < 1e-29), "{:?}", &back[..40]);
        assert!((back[40] / 3e38 - 1.0).abs() < 1e-5, "{}", back[40]);
    }
}
