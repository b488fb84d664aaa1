//! Four products of bytes in one instruction, eight rows in a register.

use super::{BLOCK, CodeProducts, GROUP_BYTES};
use crate::isa::AvxVnni;
use crate::lanes::avx2::F32x16;
use std::arch::x86_64::*;

impl CodeProducts for F32x16<AvxVnni> {
    #[inline(always)]
    fn block_products(
        _: AvxVnni,
        parts: &[[[i8; GROUP_BYTES]; 4]],
        codes: &[[u8; BLOCK * GROUP_BYTES]],
    ) -> [i32; BLOCK] {
        let mut sums = [0; BLOCK];
        // SAFETY: the proof shows AVX-VNNI; loads and stores stay inside the 64 bytes of a group and of `sums`.
        unsafe {
            let mask = _mm256_set1_epi8(15);
            let mut wide = [[_mm256_setzero_si256(); 2]; 2];
            for (parts, codes) in parts.iter().zip(codes) {
                let parts = parts.map(|part| _mm256_set1_epi32(i32::from_le_bytes(part.map(|q| q as u8))));
                for (half, wide) in wide.iter_mut().enumerate() {
                    let codes = _mm256_loadu_si256(codes[32 * half..].as_ptr().cast());
                    let low = _mm256_and_si256(codes, mask);
                    let high = _mm256_and_si256(_mm256_srli_epi16::<4>(codes), mask);
                    for (part, wide) in wide.iter_mut().enumerate() {
                        *wide = _mm256_dpbusd_avx_epi32(*wide, low, parts[part]);
                        *wide = _mm256_dpbusd_avx_epi32(*wide, high, parts[2 + part]);
                    }
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
