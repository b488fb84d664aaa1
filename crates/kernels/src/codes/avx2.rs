//! Products of bytes added in pairs in 16 bits: a pair is at most `2 · 15 · 128`, so eight of them fit.

use super::{BLOCK, CodeProducts, GROUP_BYTES};
use crate::isa::Avx2;
use crate::lanes::avx2::F32x16;
use std::arch::x86_64::*;

/// Groups whose sums of pairs still fit 16 bits.
const GROUPS: usize = 4;

impl CodeProducts for F32x16<Avx2> {
    #[inline(always)]
    fn block_products(_: Avx2, parts: &[[[i8; GROUP_BYTES]; 4]], codes: &[[u8; BLOCK * GROUP_BYTES]]) -> [i32; BLOCK] {
        let mut sums = [0; BLOCK];
        // SAFETY: the proof shows AVX2; loads and stores stay inside the 64 bytes of a group and of `sums`.
        unsafe {
            let (mask, ones) = (_mm256_set1_epi8(15), _mm256_set1_epi16(1));
            let mut wide = [[_mm256_setzero_si256(); 2]; 2];
            for (parts, codes) in parts.chunks(GROUPS).zip(codes.chunks(GROUPS)) {
                let mut narrow = [[_mm256_setzero_si256(); 2]; 2];
                for (parts, codes) in parts.iter().zip(codes) {
                    let parts = parts.map(|part| _mm256_set1_epi32(i32::from_le_bytes(part.map(|q| q as u8))));
                    for (half, narrow) in narrow.iter_mut().enumerate() {
                        let codes = _mm256_loadu_si256(codes[32 * half..].as_ptr().cast());
                        let low = _mm256_and_si256(codes, mask);
                        let high = _mm256_and_si256(_mm256_srli_epi16::<4>(codes), mask);
                        for (part, narrow) in narrow.iter_mut().enumerate() {
                            let pairs = _mm256_maddubs_epi16(low, parts[part]);
                            *narrow = _mm256_add_epi16(*narrow, pairs);
                            let pairs = _mm256_maddubs_epi16(high, parts[2 + part]);
                            *narrow = _mm256_add_epi16(*narrow, pairs);
                        }
                    }
                }
                for (wide, narrow) in wide.as_flattened_mut().iter_mut().zip(narrow.as_flattened()) {
                    *wide = _mm256_add_epi32(*wide, _mm256_madd_epi16(*narrow, ones));
                }
            }
            for (half, [high, low]) in wide.into_iter().enumerate() {
                let sum = _mm256_add_epi32(_mm256_slli_epi32::<7>(high), low);
                _mm256_storeu_si256(sums[8 * half..].as_mut_ptr().cast(), sum);
            }
        }
        sums
    }
}
