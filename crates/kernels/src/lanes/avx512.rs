//! Sixteen floats in one 512-bit register.
// SAFETY (every block here): a value of this type, or the proof, exists only where AVX-512 F, BW, DQ and VL
// do; loads and stores are unaligned and stay inside the arrays they are given.
#![allow(clippy::undocumented_unsafe_blocks, reason = "one argument for all of them, stated above")]

use super::{LANES, Lanes};
use crate::isa::Avx512Vnni;
use std::arch::x86_64::*;

/// All sixteen lanes.
#[derive(Clone, Copy)]
pub(crate) struct F32x16(__m512);

const NEAREST: i32 = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;

/// Folds sixteen lanes to one, upper onto lower halves.
macro_rules! fold16 {
    ($x:expr, $op8:ident, $op4:ident, $op1:ident) => {{
        let x = $op8(_mm512_castps512_ps256($x), _mm512_extractf32x8_ps::<1>($x));
        let x = $op4(_mm256_castps256_ps128(x), _mm256_extractf128_ps::<1>(x));
        let x = $op4(x, _mm_movehl_ps(x, x));
        _mm_cvtss_f32($op1(x, _mm_shuffle_ps::<1>(x, x)))
    }};
}

impl Lanes for F32x16 {
    type Proof = Avx512Vnni;
    const BLOCKS: usize = 4;

    #[inline(always)]
    fn splat(_: Avx512Vnni, x: f32) -> Self {
        unsafe { Self(_mm512_set1_ps(x)) }
    }
    #[inline(always)]
    fn load(_: Avx512Vnni, from: &[f32; LANES]) -> Self {
        unsafe { Self(_mm512_loadu_ps(from.as_ptr())) }
    }
    #[inline(always)]
    fn from_i32(_: Avx512Vnni, from: &[i32; LANES]) -> Self {
        unsafe { Self(_mm512_cvtepi32_ps(_mm512_loadu_si512(from.as_ptr().cast()))) }
    }
    #[inline(always)]
    fn from_difference(_: Avx512Vnni, lhs: &[i32; LANES], factor: i32, rhs: &[i32; LANES]) -> Self {
        unsafe {
            let (lhs, rhs) = (_mm512_loadu_si512(lhs.as_ptr().cast()), _mm512_loadu_si512(rhs.as_ptr().cast()));
            Self(_mm512_cvtepi32_ps(_mm512_sub_epi32(lhs, _mm512_mullo_epi32(_mm512_set1_epi32(factor), rhs))))
        }
    }
    #[inline(always)]
    fn from_i8(_: Avx512Vnni, from: &[i8; LANES]) -> Self {
        unsafe { Self(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(from.as_ptr().cast())))) }
    }
    #[inline(always)]
    fn store(self, to: &mut [f32; LANES]) {
        unsafe { _mm512_storeu_ps(to.as_mut_ptr(), self.0) }
    }
    #[inline(always)]
    fn store_u8(self, to: &mut [u8; LANES]) {
        unsafe {
            _mm_storeu_si128(to.as_mut_ptr().cast(), _mm512_cvtusepi32_epi8(_mm512_cvtps_epi32(self.0)));
        }
    }
    #[inline(always)]
    fn store_i16(self, to: &mut [i16; LANES]) {
        unsafe {
            _mm256_storeu_si256(to.as_mut_ptr().cast(), _mm512_cvtsepi32_epi16(_mm512_cvtps_epi32(self.0)));
        }
    }
    #[inline(always)]
    fn add(self, rhs: Self) -> Self {
        unsafe { Self(_mm512_add_ps(self.0, rhs.0)) }
    }
    #[inline(always)]
    fn sub(self, rhs: Self) -> Self {
        unsafe { Self(_mm512_sub_ps(self.0, rhs.0)) }
    }
    #[inline(always)]
    fn mul(self, rhs: Self) -> Self {
        unsafe { Self(_mm512_mul_ps(self.0, rhs.0)) }
    }
    #[inline(always)]
    fn div(self, rhs: Self) -> Self {
        unsafe { Self(_mm512_div_ps(self.0, rhs.0)) }
    }
    #[inline(always)]
    fn mul_add(self, rhs: Self, addend: Self) -> Self {
        unsafe { Self(_mm512_fmadd_ps(self.0, rhs.0, addend.0)) }
    }
    #[inline(always)]
    fn max(self, rhs: Self) -> Self {
        unsafe { Self(_mm512_max_ps(self.0, rhs.0)) }
    }
    #[inline(always)]
    fn min(self, rhs: Self) -> Self {
        unsafe { Self(_mm512_min_ps(self.0, rhs.0)) }
    }
    #[inline(always)]
    fn round(self) -> Self {
        unsafe { Self(_mm512_roundscale_ps::<NEAREST>(self.0)) }
    }
    #[inline(always)]
    fn scale_by_power_of_2(self, n: Self) -> Self {
        unsafe { Self(_mm512_scalef_ps(self.0, n.0)) }
    }
    #[inline(always)]
    fn sum(self) -> f32 {
        unsafe { fold16!(self.0, _mm256_add_ps, _mm_add_ps, _mm_add_ss) }
    }
    #[inline(always)]
    fn largest(self) -> f32 {
        unsafe { fold16!(self.0, _mm256_max_ps, _mm_max_ps, _mm_max_ss) }
    }
    #[inline(always)]
    fn smallest(self) -> f32 {
        unsafe { fold16!(self.0, _mm256_min_ps, _mm_min_ps, _mm_min_ss) }
    }
}
