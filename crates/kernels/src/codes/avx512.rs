//! Four products of bytes in one instruction, a block in a register.

use super::{BLOCK, CodeProducts, GROUP_BYTES};
use crate::isa::Avx512Vnni;
use crate::lanes::avx512::F32x16;
use std::arch::x86_64::*;

impl CodeProducts for F32x16 {
    #[inline(always)]
    fn block_products(
        _: Avx512Vnni,
        parts: &[[[i8; GROUP_BYTES]; 4]],
        codes: &[[u8; BLOCK * GROUP_BYTES]],
    ) -> [i32; BLOCK] {
        let mut sums = [0; BLOCK];
        // SAFETY: the proof shows AVX-512 VNNI; loads and stores are of the 64 bytes of a group and of `sums`.
        unsafe {
            let mask = _mm512_set1_epi8(15);
            let mut wide = [[_mm512_setzero_si512(); 2]; 2];
            for (parts, codes) in parts.iter().zip(codes) {
                let parts = parts.map(|part| _mm512_set1_epi32(i32::from_le_bytes(part.map(|q| q as u8))));
                let codes = _mm512_loadu_si512(codes.as_ptr().cast());
                let halves = [_mm512_and_si512(codes, mask), _mm512_and_si512(_mm512_srli_epi16::<4>(codes), mask)];
                for (half, wide) in wide.iter_mut().enumerate() {
                    wide[0] = _mm512_dpbusd_epi32(wide[0], halves[half], parts[2 * half]);
                    wide[1] = _mm512_dpbusd_epi32(wide[1], halves[half], parts[2 * half + 1]);
                }
            }
            let high = _mm512_add_epi32(wide[0][0], wide[1][0]);
            let low = _mm512_add_epi32(wide[0][1], wide[1][1]);
            let sum = _mm512_add_epi32(_mm512_slli_epi32::<7>(high), low);
            _mm512_storeu_si512(sums.as_mut_ptr().cast(), sum);
        }
        sums
    }
}
