//! Pairs of bytes to 16 bits, pairs of those to 32, eight outputs in a register.

use super::{DotProducts, PANEL, QUAD, Sums, quads};
use crate::isa::Avx2;
use crate::lanes::avx2::F32x16;
use std::arch::x86_64::*;
use std::array::from_fn;

impl DotProducts for F32x16<Avx2> {
    /// Bytes are made signed, so that `|x|` is at most 128.
    const SHIFT: i32 = 128;

    /// `maddubs` multiplies unsigned by signed bytes and adds pairs with saturation to `i16`. Given `|x|` and
    /// `w · sign(x)`, a pair is at most `2 · 128 · 127 = 32,512` in magnitude, so it never saturates.
    #[inline(always)]
    fn dot_products<const ROWS: usize>(_: Avx2, x: &[u8], panel: &[i8], sums: &mut Sums) {
        let quads = quads::<ROWS>(x, panel);
        let (x, stride, panel) = (x.as_ptr(), quads * QUAD, panel.as_ptr());
        const BLOCK: usize = 2; // registers of 8 outputs: 6 × 2 sums fit the 16 registers
        for first in (0..PANEL).step_by(8 * BLOCK) {
            // SAFETY: the proof shows AVX2; `quads` checked the lengths that offsets stay inside of; the stores
            // stay inside `sums`: `first + 8 · BLOCK ≤ 64`.
            unsafe {
                let (sign_bits, ones) = (_mm256_set1_epi8(i8::MIN), _mm256_set1_epi16(1));
                let mut acc = [[_mm256_setzero_si256(); BLOCK]; ROWS];
                for quad in 0..quads {
                    let w = panel.add((quad * PANEL + first) * QUAD).cast::<__m256i>();
                    let w: [__m256i; BLOCK] = from_fn(|j| _mm256_loadu_si256(w.add(j)));
                    for (t, acc) in acc.iter_mut().enumerate() {
                        let x = x.add(t * stride + quad * QUAD).cast::<i32>().read_unaligned();
                        let x = _mm256_xor_si256(_mm256_set1_epi32(x), sign_bits);
                        let magnitude = _mm256_abs_epi8(x);
                        for (acc, &w) in acc.iter_mut().zip(&w) {
                            let pairs = _mm256_maddubs_epi16(magnitude, _mm256_sign_epi8(w, x));
                            *acc = _mm256_add_epi32(*acc, _mm256_madd_epi16(pairs, ones));
                        }
                    }
                }
                for (acc, sums) in acc.iter().zip(sums.iter_mut()) {
                    for (j, &acc) in acc.iter().enumerate() {
                        _mm256_storeu_si256(sums[first + 8 * j..].as_mut_ptr().cast(), acc);
                    }
                }
            }
        }
    }
}
