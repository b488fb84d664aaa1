//! Sixteen floats in four 128-bit registers.
// SAFETY (every block here): a value of this type, or the proof, exists only where NEON does; loads and
// stores are unaligned and stay inside the arrays they are given.
#![allow(clippy::undocumented_unsafe_blocks, reason = "one argument for all of them, stated above")]

use super::{LANES, Lanes};
use crate::isa::NeonProof;
use std::arch::aarch64::*;
use std::array::from_fn;
use std::marker::PhantomData;

/// Lanes 0 to 3, 4 to 7, 8 to 11, and 12 to 15. The floats are the same with and without 8-bit dot products.
#[derive(Clone, Copy)]
pub(crate) struct F32x16<P>([float32x4_t; 4], PhantomData<P>);

impl<P: NeonProof> F32x16<P> {
    #[inline(always)]
    fn from_parts(part: impl Fn(usize) -> float32x4_t) -> Self {
        Self(from_fn(part), PhantomData)
    }

    #[inline(always)]
    fn map2(self, rhs: Self, f: impl Fn(float32x4_t, float32x4_t) -> float32x4_t) -> Self {
        Self::from_parts(|i| f(self.0[i], rhs.0[i]))
    }

    /// Folds sixteen lanes to one, upper onto lower halves.
    #[inline(always)]
    fn fold(
        self,
        f4: impl Fn(float32x4_t, float32x4_t) -> float32x4_t,
        f2: impl Fn(float32x2_t, float32x2_t) -> float32x2_t,
    ) -> f32 {
        unsafe {
            let x = f4(f4(self.0[0], self.0[2]), f4(self.0[1], self.0[3]));
            let x = f2(vget_low_f32(x), vget_high_f32(x));
            vget_lane_f32::<0>(f2(x, vdup_lane_f32::<1>(x)))
        }
    }
}

// The instructions for maximum and minimum treat NaN and the sign of zero in another way than `Lanes` asks for.

#[inline(always)]
fn max4(a: float32x4_t, b: float32x4_t) -> float32x4_t {
    unsafe { vbslq_f32(vcgtq_f32(a, b), a, b) }
}

#[inline(always)]
fn min4(a: float32x4_t, b: float32x4_t) -> float32x4_t {
    unsafe { vbslq_f32(vcltq_f32(a, b), a, b) }
}

#[inline(always)]
fn max2(a: float32x2_t, b: float32x2_t) -> float32x2_t {
    unsafe { vbsl_f32(vcgt_f32(a, b), a, b) }
}

#[inline(always)]
fn min2(a: float32x2_t, b: float32x2_t) -> float32x2_t {
    unsafe { vbsl_f32(vclt_f32(a, b), a, b) }
}

impl<P: NeonProof> Lanes for F32x16<P> {
    type Proof = P;
    const BLOCKS: usize = 1;

    #[inline(always)]
    fn splat(_: P, x: f32) -> Self {
        Self::from_parts(|_| unsafe { vdupq_n_f32(x) })
    }
    #[inline(always)]
    fn load(_: P, from: &[f32; LANES]) -> Self {
        Self::from_parts(|i| unsafe { vld1q_f32(from.as_ptr().add(4 * i)) })
    }
    #[inline(always)]
    fn from_i32(_: P, from: &[i32; LANES]) -> Self {
        Self::from_parts(|i| unsafe { vcvtq_f32_s32(vld1q_s32(from.as_ptr().add(4 * i))) })
    }
    #[inline(always)]
    fn from_i8(_: P, from: &[i8; LANES]) -> Self {
        unsafe {
            let bytes = vld1q_s8(from.as_ptr());
            let words = [vmovl_s8(vget_low_s8(bytes)), vmovl_s8(vget_high_s8(bytes))];
            Self::from_parts(|i| {
                let words = words[i / 2];
                let half = if i % 2 == 0 { vget_low_s16(words) } else { vget_high_s16(words) };
                vcvtq_f32_s32(vmovl_s16(half))
            })
        }
    }
    #[inline(always)]
    fn store(self, to: &mut [f32; LANES]) {
        for (i, &part) in self.0.iter().enumerate() {
            unsafe { vst1q_f32(to.as_mut_ptr().add(4 * i), part) }
        }
    }
    #[inline(always)]
    fn store_u8(self, to: &mut [u8; LANES]) {
        unsafe {
            let words = |i: usize| vqmovun_s32(vcvtnq_s32_f32(self.0[i]));
            let bytes = |i: usize| vqmovn_u16(vcombine_u16(words(i), words(i + 1)));
            vst1q_u8(to.as_mut_ptr(), vcombine_u8(bytes(0), bytes(2)));
        }
    }
    #[inline(always)]
    fn store_i16(self, to: &mut [i16; LANES]) {
        for (i, &part) in self.0.iter().enumerate() {
            unsafe { vst1_s16(to.as_mut_ptr().add(4 * i), vqmovn_s32(vcvtnq_s32_f32(part))) }
        }
    }
    #[inline(always)]
    fn add(self, rhs: Self) -> Self {
        self.map2(rhs, |a, b| unsafe { vaddq_f32(a, b) })
    }
    #[inline(always)]
    fn sub(self, rhs: Self) -> Self {
        self.map2(rhs, |a, b| unsafe { vsubq_f32(a, b) })
    }
    #[inline(always)]
    fn mul(self, rhs: Self) -> Self {
        self.map2(rhs, |a, b| unsafe { vmulq_f32(a, b) })
    }
    #[inline(always)]
    fn div(self, rhs: Self) -> Self {
        self.map2(rhs, |a, b| unsafe { vdivq_f32(a, b) })
    }
    #[inline(always)]
    fn mul_add(self, rhs: Self, addend: Self) -> Self {
        Self::from_parts(|i| unsafe { vfmaq_f32(addend.0[i], self.0[i], rhs.0[i]) })
    }
    #[inline(always)]
    fn max(self, rhs: Self) -> Self {
        self.map2(rhs, max4)
    }
    #[inline(always)]
    fn min(self, rhs: Self) -> Self {
        self.map2(rhs, min4)
    }
    #[inline(always)]
    fn round(self) -> Self {
        Self::from_parts(|i| unsafe { vrndnq_f32(self.0[i]) })
    }
    #[inline(always)]
    fn scale_by_power_of_2(self, n: Self) -> Self {
        self.map2(n, |x, n| unsafe {
            let biased = vaddq_s32(vcvtq_s32_f32(n), vdupq_n_s32(127));
            vmulq_f32(x, vreinterpretq_f32_s32(vshlq_n_s32::<23>(biased)))
        })
    }
    #[inline(always)]
    fn sum(self) -> f32 {
        self.fold(|a, b| unsafe { vaddq_f32(a, b) }, |a, b| unsafe { vadd_f32(a, b) })
    }
    #[inline(always)]
    fn largest(self) -> f32 {
        self.fold(max4, max2)
    }
    #[inline(always)]
    fn smallest(self) -> f32 {
        self.fold(min4, min2)
    }
}
