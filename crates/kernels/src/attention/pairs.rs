//! Products of pairs of 16-bit numbers, added to 32 bits: sixteen outputs at a time.

use crate::isa;
use crate::lanes::{LANES, Lanes};
#[cfg(target_arch = "aarch64")]
use std::arch::aarch64::*;
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;
#[cfg(target_arch = "aarch64")]
use std::array::from_fn;

/// Sixteen outputs' pairs, side by side.
pub(super) type PairRow = [[i16; 2]; LANES];

/// Sums of products of pairs, in each instruction set's own way. None may leave an `i32`, and no factor may be -32,768.
pub(super) trait Pairs: Lanes {
    /// Sixteen sums.
    type Sums: Copy;

    fn zero(proof: Self::Proof) -> Self::Sums;
    /// `sums[n] + a[0] · b[n][0] + a[1] · b[n][1]`, exact.
    fn add_products(proof: Self::Proof, sums: Self::Sums, a: [i16; 2], b: &PairRow) -> Self::Sums;
    fn store_sums(proof: Self::Proof, sums: Self::Sums, to: &mut [i32; LANES]);
}

impl Pairs for crate::lanes::scalar::F32x16 {
    type Sums = [i32; LANES];

    fn zero((): ()) -> Self::Sums {
        [0; LANES]
    }
    fn add_products((): (), mut sums: Self::Sums, a: [i16; 2], b: &PairRow) -> Self::Sums {
        for (sum, b) in sums.iter_mut().zip(b) {
            // What is left in lanes past the last output may wrap.
            *sum = sum.wrapping_add(i32::from(a[0]) * i32::from(b[0]) + i32::from(a[1]) * i32::from(b[1]));
        }
        sums
    }
    fn store_sums((): (), sums: Self::Sums, to: &mut [i32; LANES]) {
        *to = sums;
    }
}

/// A pair as one 32-bit lane, its first number at the lower address.
#[inline(always)]
fn lane(a: [i16; 2]) -> i32 {
    let ([a, b], [c, d]) = (a[0].to_ne_bytes(), a[1].to_ne_bytes());
    i32::from_ne_bytes([a, b, c, d])
}

#[cfg(target_arch = "x86_64")]
impl Pairs for crate::lanes::avx512::F32x16 {
    type Sums = __m512i;

    #[inline(always)]
    fn zero(_: isa::Avx512Vnni) -> __m512i {
        // SAFETY: the proof shows AVX-512 F.
        unsafe { _mm512_setzero_si512() }
    }
    #[inline(always)]
    fn add_products(_: isa::Avx512Vnni, sums: __m512i, a: [i16; 2], b: &PairRow) -> __m512i {
        // SAFETY: the proof shows AVX-512 VNNI; `b` is 64 bytes.
        unsafe { _mm512_dpwssd_epi32(sums, _mm512_set1_epi32(lane(a)), _mm512_loadu_si512(b.as_ptr().cast())) }
    }
    #[inline(always)]
    fn store_sums(_: isa::Avx512Vnni, sums: __m512i, to: &mut [i32; LANES]) {
        // SAFETY: the proof shows AVX-512 F; `to` is 64 bytes.
        unsafe { _mm512_storeu_si512(to.as_mut_ptr().cast(), sums) }
    }
}

/// The versions of 256 bits differ in one instruction.
#[cfg(target_arch = "x86_64")]
macro_rules! pairs_of_256_bits {
    ($proof:ident, $sums:ident, $a:ident, $b:ident => $add:expr) => {
        impl Pairs for crate::lanes::avx2::F32x16<isa::$proof> {
            type Sums = [__m256i; 2];

            #[inline(always)]
            fn zero(_: isa::$proof) -> [__m256i; 2] {
                // SAFETY: the proof shows AVX2.
                unsafe { [_mm256_setzero_si256(); 2] }
            }
            #[inline(always)]
            fn add_products(_: isa::$proof, sums: [__m256i; 2], a: [i16; 2], b: &PairRow) -> [__m256i; 2] {
                let at = b.as_ptr().cast::<__m256i>();
                // SAFETY: the proof shows the instructions; `b` is 64 bytes.
                unsafe {
                    let $a = _mm256_set1_epi32(lane(a));
                    let ($sums, $b) = (sums[0], _mm256_loadu_si256(at));
                    let low = $add;
                    let ($sums, $b) = (sums[1], _mm256_loadu_si256(at.add(1)));
                    [low, $add]
                }
            }
            #[inline(always)]
            fn store_sums(_: isa::$proof, sums: [__m256i; 2], to: &mut [i32; LANES]) {
                let at = to.as_mut_ptr().cast::<__m256i>();
                // SAFETY: the proof shows AVX2; `to` is 64 bytes.
                unsafe {
                    _mm256_storeu_si256(at, sums[0]);
                    _mm256_storeu_si256(at.add(1), sums[1]);
                }
            }
        }
    };
}
#[cfg(target_arch = "x86_64")]
pairs_of_256_bits!(Avx2, sums, a, b => _mm256_add_epi32(sums, _mm256_madd_epi16(a, b)));
#[cfg(target_arch = "x86_64")]
pairs_of_256_bits!(AvxVnni, sums, a, b => _mm256_dpwssd_avx_epi32(sums, a, b));

#[cfg(target_arch = "aarch64")]
impl<P: isa::NeonProof> Pairs for crate::lanes::neon::F32x16<P> {
    type Sums = [int32x4_t; 4];

    #[inline(always)]
    fn zero(_: P) -> Self::Sums {
        // SAFETY: the proof shows NEON.
        unsafe { [vdupq_n_s32(0); 4] }
    }
    #[inline(always)]
    fn add_products(_: P, sums: Self::Sums, a: [i16; 2], b: &PairRow) -> Self::Sums {
        // SAFETY: the proof shows NEON; `b` is 64 bytes.
        unsafe {
            let a = vreinterpretq_s16_s32(vdupq_n_s32(lane(a)));
            let b: [int16x8_t; 4] = from_fn(|j| vld1q_s16(b.as_ptr().cast::<i16>().add(8 * j)));
            let mut out = sums;
            for (sum, b) in out.iter_mut().zip(b) {
                let low = vmull_s16(vget_low_s16(a), vget_low_s16(b));
                *sum = vaddq_s32(*sum, vpaddq_s32(low, vmull_high_s16(a, b)));
            }
            out
        }
    }
    #[inline(always)]
    fn store_sums(_: P, sums: Self::Sums, to: &mut [i32; LANES]) {
        for (j, &sum) in sums.iter().enumerate() {
            // SAFETY: the proof shows NEON; `to` is 64 bytes.
            unsafe { vst1q_s32(to.as_mut_ptr().add(4 * j), sum) }
        }
    }
}
