//! Sixteen floats in two 256-bit registers.
// SAFETY (every block here): a value of this type, or the proof, exists only where AVX2 and FMA do; loads
// and stores are unaligned and stay inside the arrays they are given.
#![allow(clippy::undocumented_unsafe_blocks, reason = "one argument for all of them, stated above")]

use super::{LANES, Lanes};
use crate::isa::Avx2Proof;
use std::arch::x86_64::*;
use std::marker::PhantomData;

/// Lanes 0 to 7, and 8 to 15; `P` is what shows that the registers are there.
#[derive(Clone, Copy)]
pub(crate) struct F32x16<P>(__m256, __m256, PhantomData<P>);

impl<P> F32x16<P> {
    #[inline(always)]
    fn new(low: __m256, high: __m256) -> Self {
        Self(low, high, PhantomData)
    }
}

/// An operation on the two halves of both operands. A macro and not a function that takes a closure: a closure does
/// not take part in `inline(always)`.
macro_rules! halves {
    ($op:ident, $a:expr, $b:expr) => {
        unsafe { Self::new($op($a.0, $b.0), $op($a.1, $b.1)) }
    };
}

/// Folds eight lanes to one, upper onto lower halves.
macro_rules! fold8 {
    ($x:expr, $op4:ident, $op1:ident) => {{
        let x = $op4(_mm256_castps256_ps128($x), _mm256_extractf128_ps::<1>($x));
        let x = $op4(x, _mm_movehl_ps(x, x));
        _mm_cvtss_f32($op1(x, _mm_shuffle_ps::<1>(x, x)))
    }};
}

impl<P: Avx2Proof> Lanes for F32x16<P> {
    type Proof = P;
    const BLOCKS: usize = 1;

    #[inline(always)]
    fn splat(_: P, x: f32) -> Self {
        let x = unsafe { _mm256_set1_ps(x) };
        Self::new(x, x)
    }
    #[inline(always)]
    fn load(_: P, from: &[f32; LANES]) -> Self {
        let at = from.as_ptr();
        unsafe { Self::new(_mm256_loadu_ps(at), _mm256_loadu_ps(at.add(8))) }
    }
    #[inline(always)]
    fn from_i32(_: P, from: &[i32; LANES]) -> Self {
        let at = from.as_ptr().cast::<__m256i>();
        unsafe {
            Self::new(_mm256_cvtepi32_ps(_mm256_loadu_si256(at)), _mm256_cvtepi32_ps(_mm256_loadu_si256(at.add(1))))
        }
    }
    #[inline(always)]
    fn from_difference(_: P, lhs: &[i32; LANES], factor: i32, rhs: &[i32; LANES]) -> Self {
        let (lhs, rhs) = (lhs.as_ptr().cast::<__m256i>(), rhs.as_ptr().cast::<__m256i>());
        macro_rules! half {
            ($i:literal) => {{
                let product = _mm256_mullo_epi32(_mm256_set1_epi32(factor), _mm256_loadu_si256(rhs.add($i)));
                _mm256_cvtepi32_ps(_mm256_sub_epi32(_mm256_loadu_si256(lhs.add($i)), product))
            }};
        }
        unsafe { Self::new(half!(0), half!(1)) }
    }
    #[inline(always)]
    fn from_i8(_: P, from: &[i8; LANES]) -> Self {
        unsafe {
            let bytes = _mm_loadu_si128(from.as_ptr().cast());
            Self::new(
                _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)),
                _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_unpackhi_epi64(bytes, bytes))),
            )
        }
    }
    #[inline(always)]
    fn store(self, to: &mut [f32; LANES]) {
        let at = to.as_mut_ptr();
        unsafe {
            _mm256_storeu_ps(at, self.0);
            _mm256_storeu_ps(at.add(8), self.1);
        }
    }
    #[inline(always)]
    fn store_u8(self, to: &mut [u8; LANES]) {
        unsafe {
            let (low, high) = (_mm256_cvtps_epi32(self.0), _mm256_cvtps_epi32(self.1));
            // Packing works within 128-bit halves; the permutation puts the lanes back in order.
            let words = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packus_epi32(low, high));
            let bytes = _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256::<1>(words));
            _mm_storeu_si128(to.as_mut_ptr().cast(), bytes);
        }
    }
    #[inline(always)]
    fn store_i16(self, to: &mut [i16; LANES]) {
        unsafe {
            let words = _mm256_packs_epi32(_mm256_cvtps_epi32(self.0), _mm256_cvtps_epi32(self.1));
            _mm256_storeu_si256(to.as_mut_ptr().cast(), _mm256_permute4x64_epi64::<0b11_01_10_00>(words));
        }
    }
    #[inline(always)]
    fn add(self, rhs: Self) -> Self {
        halves!(_mm256_add_ps, self, rhs)
    }
    #[inline(always)]
    fn sub(self, rhs: Self) -> Self {
        halves!(_mm256_sub_ps, self, rhs)
    }
    #[inline(always)]
    fn mul(self, rhs: Self) -> Self {
        halves!(_mm256_mul_ps, self, rhs)
    }
    #[inline(always)]
    fn div(self, rhs: Self) -> Self {
        halves!(_mm256_div_ps, self, rhs)
    }
    #[inline(always)]
    fn mul_add(self, rhs: Self, addend: Self) -> Self {
        unsafe { Self::new(_mm256_fmadd_ps(self.0, rhs.0, addend.0), _mm256_fmadd_ps(self.1, rhs.1, addend.1)) }
    }
    #[inline(always)]
    fn max(self, rhs: Self) -> Self {
        halves!(_mm256_max_ps, self, rhs)
    }
    #[inline(always)]
    fn min(self, rhs: Self) -> Self {
        halves!(_mm256_min_ps, self, rhs)
    }
    #[inline(always)]
    fn round(self) -> Self {
        const NEAREST: i32 = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
        unsafe { Self::new(_mm256_round_ps::<NEAREST>(self.0), _mm256_round_ps::<NEAREST>(self.1)) }
    }
    #[inline(always)]
    fn scale_by_power_of_2(self, n: Self) -> Self {
        macro_rules! half {
            ($x:expr, $n:expr) => {{
                let biased = _mm256_add_epi32(_mm256_cvtps_epi32($n), _mm256_set1_epi32(127));
                _mm256_mul_ps($x, _mm256_castsi256_ps(_mm256_slli_epi32::<23>(biased)))
            }};
        }
        unsafe { Self::new(half!(self.0, n.0), half!(self.1, n.1)) }
    }
    #[inline(always)]
    fn sum(self) -> f32 {
        unsafe { fold8!(_mm256_add_ps(self.0, self.1), _mm_add_ps, _mm_add_ss) }
    }
    #[inline(always)]
    fn largest(self) -> f32 {
        unsafe { fold8!(_mm256_max_ps(self.0, self.1), _mm_max_ps, _mm_max_ss) }
    }
    #[inline(always)]
    fn smallest(self) -> f32 {
        unsafe { fold8!(_mm256_min_ps(self.0, self.1), _mm_min_ps, _mm_min_ss) }
    }
}
