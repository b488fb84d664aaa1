//! Sixteen floats at a time, in whatever registers the CPU has.
//!
//! A float kernel is written once, over [`Lanes`], and compiled for every instruction set by
//! [`for_every_isa!`]. Each operation is exact IEEE arithmetic (one rounding), and the only operation
//! across lanes, [`Lanes::sum`], adds in a fixed tree: so all versions return the same bits.

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512;
#[cfg(target_arch = "aarch64")]
pub(crate) mod neon;
pub(crate) mod scalar;

/// How many floats a [`Lanes`] holds.
pub(crate) const LANES: usize = 16;

/// Sixteen `f32`. A value can only be made from a proof that the CPU has the instructions, so having
/// one is enough to operate on it.
pub(crate) trait Lanes: Copy {
    /// What shows that the instructions are there.
    type Proof: Copy;
    /// How many of these each of six rows of a product can sum up in registers.
    const BLOCKS: usize;

    fn splat(proof: Self::Proof, x: f32) -> Self;
    fn load(proof: Self::Proof, from: &[f32; LANES]) -> Self;
    /// Converts, rounding to nearest even.
    fn from_i32(proof: Self::Proof, from: &[i32; LANES]) -> Self;
    /// `lhs[i] - factor · rhs[i]`, which must fit an `i32`, rounded to nearest even.
    #[inline(always)]
    fn from_difference(proof: Self::Proof, lhs: &[i32; LANES], factor: i32, rhs: &[i32; LANES]) -> Self {
        Self::from_i32(proof, &std::array::from_fn(|i| lhs[i].wrapping_sub(factor.wrapping_mul(rhs[i]))))
    }
    fn from_i8(proof: Self::Proof, from: &[i8; LANES]) -> Self;
    fn store(self, to: &mut [f32; LANES]);
    /// Rounds to nearest even and stores as bytes; every lane must lie in 0 ..= 255.
    fn store_u8(self, to: &mut [u8; LANES]);
    /// Rounds to nearest even and stores as 16-bit numbers; every lane must lie in ±32,767.
    fn store_i16(self, to: &mut [i16; LANES]);

    fn add(self, rhs: Self) -> Self;
    fn sub(self, rhs: Self) -> Self;
    fn mul(self, rhs: Self) -> Self;
    fn div(self, rhs: Self) -> Self;
    /// `self · rhs + addend`, rounded once.
    fn mul_add(self, rhs: Self, addend: Self) -> Self;
    /// The greater; `rhs` if either is NaN.
    fn max(self, rhs: Self) -> Self;
    /// The smaller; `rhs` if either is NaN.
    fn min(self, rhs: Self) -> Self;
    /// To the nearest integer, halves to even.
    fn round(self) -> Self;
    /// `self · 2ⁿ` for integral `n` in -126 ..= 127, where the result is a normal number or zero.
    fn scale_by_power_of_2(self, n: Self) -> Self;
    /// The sum of all lanes: halves are added until one is left.
    fn sum(self) -> f32;
    fn largest(self) -> f32;
    fn smallest(self) -> f32;

    /// The first lanes from `from` (at most sixteen), the rest `fill`.
    #[inline(always)]
    fn load_partial(proof: Self::Proof, from: &[f32], fill: f32) -> Self {
        let mut all = [fill; LANES];
        all[..from.len()].copy_from_slice(from);
        Self::load(proof, &all)
    }

    /// Stores the first lanes to `to` (at most sixteen).
    #[inline(always)]
    fn store_partial(self, to: &mut [f32]) {
        let mut all = [0.0; LANES];
        self.store(&mut all);
        let len = to.len();
        to.copy_from_slice(&all[..len]);
    }
}

/// Defines a function that takes an `Isa` first and runs a generic one, compiled for it.
///
/// `for_every_isa! { fn name(x: &mut [f32], k: f32) -> f32 = generic }` calls
/// `generic::<L>(proof, x, k)` where `L: Lanes`.
macro_rules! for_every_isa {
    ($(fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)? = $generic:ident;)*) => {$(
        #[allow(clippy::too_many_arguments, reason = "a kernel's operands")]
        #[allow(unsafe_code, reason = "the dispatch")]
        fn $name(isa: $crate::Isa, $($arg: $ty),*) $(-> $ret)? {
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            #[allow(clippy::too_many_arguments, reason = "a kernel's operands")]
            fn avx2(proof: $crate::isa::Avx2, $($arg: $ty),*) $(-> $ret)? {
                $generic::<$crate::lanes::avx2::F32x16<$crate::isa::Avx2>>(proof, $($arg),*)
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma,avxvnni")]
            #[allow(clippy::too_many_arguments, reason = "a kernel's operands")]
            fn avx_vnni(proof: $crate::isa::AvxVnni, $($arg: $ty),*) $(-> $ret)? {
                $generic::<$crate::lanes::avx2::F32x16<$crate::isa::AvxVnni>>(proof, $($arg),*)
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma")]
            #[allow(clippy::too_many_arguments, reason = "a kernel's operands")]
            fn avx512(proof: $crate::isa::Avx512Vnni, $($arg: $ty),*) $(-> $ret)? {
                $generic::<$crate::lanes::avx512::F32x16>(proof, $($arg),*)
            }
            #[cfg(target_arch = "aarch64")]
            #[target_feature(enable = "neon")]
            #[allow(clippy::too_many_arguments, reason = "a kernel's operands")]
            fn neon(proof: $crate::isa::Neon, $($arg: $ty),*) $(-> $ret)? {
                $generic::<$crate::lanes::neon::F32x16<_>>(proof, $($arg),*)
            }
            #[cfg(target_arch = "aarch64")]
            #[target_feature(enable = "neon,dotprod")]
            #[allow(clippy::too_many_arguments, reason = "a kernel's operands")]
            fn neon_dotprod(proof: $crate::isa::NeonDotprod, $($arg: $ty),*) $(-> $ret)? {
                $generic::<$crate::lanes::neon::F32x16<_>>(proof, $($arg),*)
            }
            #[cfg(target_arch = "aarch64")]
            #[target_feature(enable = "neon,i8mm")]
            #[allow(clippy::too_many_arguments, reason = "a kernel's operands")]
            fn neon_i8mm(proof: $crate::isa::NeonI8mm, $($arg: $ty),*) $(-> $ret)? {
                $generic::<$crate::lanes::neon::F32x16<_>>(proof, $($arg),*)
            }
            match isa {
                $crate::Isa::Scalar => $generic::<$crate::lanes::scalar::F32x16>((), $($arg),*),
                // SAFETY: holding the proof shows that this CPU has the features.
                #[cfg(target_arch = "x86_64")]
                $crate::Isa::Avx2(proof) => unsafe { avx2(proof, $($arg),*) },
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                $crate::Isa::AvxVnni(proof) => unsafe { avx_vnni(proof, $($arg),*) },
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                $crate::Isa::Avx512Vnni(proof) => unsafe { avx512(proof, $($arg),*) },
                // SAFETY: as above.
                #[cfg(target_arch = "aarch64")]
                $crate::Isa::Neon(proof) => unsafe { neon(proof, $($arg),*) },
                // SAFETY: as above.
                #[cfg(target_arch = "aarch64")]
                $crate::Isa::NeonDotprod(proof) => unsafe { neon_dotprod(proof, $($arg),*) },
                // SAFETY: as above.
                #[cfg(target_arch = "aarch64")]
                $crate::Isa::NeonI8mm(proof) => unsafe { neon_i8mm(proof, $($arg),*) },
            }
        }
    )*};
}
pub(crate) use for_every_isa;
