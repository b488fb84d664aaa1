//! Bytes widened to 16 bits, whose products are added in pairs to 32: exact, whatever the bytes.
//!
//! `maddubs` would multiply twice as many bytes at once, but saturates unless one side is made unsigned and the other
//! takes over its signs for every row anew; `sign` is slow on AMD's processors, so that is slower than half as many
//! products each (by a factor of 1.65 on Zen 3).

use super::{DotProducts, MAX_ROWS, PANEL, QUAD, Sums, quads};
use crate::isa::Avx2;
use crate::lanes::avx2::F32x16;
use std::arch::x86_64::*;

/// Groups of four bytes that are worked on at a time: the weights of a panel, 24 KB, stay in the first-level cache
/// beside the widened rows.
const BLOCK: usize = 96;
/// Outputs at a time: a register has two sums for each of four outputs, and 6 rows × 2 registers fit the 16 there are.
const OUTPUTS: usize = 8;

/// A block of each row of a tile, widened.
pub(super) struct Wide([[i16; BLOCK * QUAD]; MAX_ROWS]);

impl Default for Wide {
    fn default() -> Self {
        Self([[0; BLOCK * QUAD]; MAX_ROWS])
    }
}

impl DotProducts for F32x16<Avx2> {
    /// A pair is at most `2 · 255 · 127` in magnitude: 32 bits hold the sums as they are.
    const SHIFT: i32 = 0;
    type Scratch = Wide;

    #[inline(always)]
    fn dot_products<const ROWS: usize>(_: Avx2, x: &[u8], panel: &[i8], wide: &mut Wide, sums: &mut [Sums]) {
        let quads = quads::<ROWS>(x, panel);
        let wide = wide.0.first_chunk_mut::<ROWS>().expect("tiles are 1 to 6 rows high");
        for first in (0..quads).step_by(BLOCK) {
            let block = BLOCK.min(quads - first);
            for (x, wide) in x.chunks_exact(quads * QUAD).zip(wide.iter_mut()) {
                let x = &x[first * QUAD..][..block * QUAD];
                x.iter().zip(wide).for_each(|(&x, wide)| *wide = i16::from(x));
            }
            let weights = &panel[first * QUAD * PANEL..][..block * QUAD * PANEL];
            // SAFETY: the proof shows AVX2; `weights` are whole groups of four, at most as many as `wide` has.
            unsafe { block_products(wide, weights, first > 0, sums) };
        }
    }
}

/// The sums over the groups of four that `weights` holds, added to what is there or put in its place.
///
/// # Safety
/// The processor must have AVX2.
#[inline(always)]
unsafe fn block_products<const ROWS: usize>(
    x: &[[i16; BLOCK * QUAD]; ROWS],
    weights: &[i8],
    add: bool,
    sums: &mut [Sums],
) {
    let weights = weights.as_chunks::<{ QUAD * PANEL }>().0;
    let weights = &weights[..weights.len().min(BLOCK)];
    for output in (0..PANEL).step_by(OUTPUTS) {
        // SAFETY: the caller vouches for AVX2. Loads stay inside `weights`, as `output + 8 ≤ 64`, and inside `x`, whose
        // groups of four are 64 bits; stores inside `sums`. None asks for alignment.
        unsafe {
            let mut acc = [[_mm256_setzero_si256(); 2]; ROWS];
            for (quad, weights) in weights.iter().enumerate() {
                let low = _mm_loadu_si128(weights[output * QUAD..].as_ptr().cast());
                let high = _mm_loadu_si128(weights[(output + OUTPUTS / 2) * QUAD..].as_ptr().cast());
                let (low, high) = (_mm256_cvtepi8_epi16(low), _mm256_cvtepi8_epi16(high));
                for (acc, x) in acc.iter_mut().zip(x) {
                    let x = _mm256_set1_epi64x(x[quad * QUAD..].as_ptr().cast::<i64>().read_unaligned());
                    acc[0] = _mm256_add_epi32(acc[0], _mm256_madd_epi16(x, low));
                    acc[1] = _mm256_add_epi32(acc[1], _mm256_madd_epi16(x, high));
                }
            }
            for ([low, high], sums) in acc.iter().zip(sums.iter_mut()) {
                // `hadd` leaves outputs in the order 0 1 4 5 2 3 6 7.
                let whole = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_hadd_epi32(*low, *high));
                let sums: *mut __m256i = sums[output..output + OUTPUTS].as_mut_ptr().cast();
                let before = if add { _mm256_loadu_si256(sums) } else { _mm256_setzero_si256() };
                _mm256_storeu_si256(sums, _mm256_add_epi32(before, whole));
            }
        }
    }
}
