//! The instruction set: found once, carried as a value that cannot be made without the check.

use std::sync::OnceLock;

/// Proof that this CPU has AVX2 and FMA: the field is private, so only [`Isa::available`] makes one.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Avx2(());

/// Proof that this CPU has AVX-VNNI, besides AVX2 and FMA.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AvxVnni(());

/// A proof that shows AVX2 and FMA, perhaps among others.
#[cfg(target_arch = "x86_64")]
pub(crate) trait Avx2Proof: Copy {}
#[cfg(target_arch = "x86_64")]
impl Avx2Proof for Avx2 {}
#[cfg(target_arch = "x86_64")]
impl Avx2Proof for AvxVnni {}

/// Proof that this CPU has AVX-512 F, BW, DQ, VL and VNNI, besides AVX2 and FMA, and perhaps AMX.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Avx512Vnni {
    amx: Option<Amx>,
}

#[cfg(target_arch = "x86_64")]
impl Avx512Vnni {
    /// The proof that there is AMX too, where that is to be used.
    pub(crate) fn amx(self) -> Option<Amx> {
        self.amx
    }
}

/// Proof that this CPU has tiles of bytes (AMX-TILE and AMX-INT8), and that the kernel lets this process use them.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amx(());

#[cfg(target_arch = "x86_64")]
impl Amx {
    /// Asks the processor, and then the kernel, which makes room for tiles where a thread's state is saved.
    #[cfg(target_os = "linux")]
    #[allow(unsafe_code, reason = "a system call")]
    fn available() -> Option<Self> {
        /// Bits of `edx` in leaf 7: AMX-TILE and AMX-INT8.
        const TILES_OF_BYTES: u32 = 1 << 24 | 1 << 25;
        /// `ARCH_REQ_XCOMP_PERM` and `XFEATURE_XTILEDATA` of Linux's `arch_prctl`.
        const REQUEST: (libc::c_ulong, libc::c_ulong) = (0x1023, 18);
        let leaf = std::arch::x86_64::__cpuid_count(7, 0);
        // SAFETY: the request takes no pointer; it changes what a saved state holds, and nothing else.
        let granted = leaf.edx & TILES_OF_BYTES == TILES_OF_BYTES
            && unsafe { libc::syscall(libc::SYS_arch_prctl, REQUEST.0, REQUEST.1) } == 0;
        granted.then_some(Self(()))
    }

    #[cfg(not(target_os = "linux"))]
    fn available() -> Option<Self> {
        None
    }
}

/// Proof that this CPU has NEON, as every 64-bit Arm server does.
#[cfg(target_arch = "aarch64")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neon(());

/// Proof that this CPU has NEON with 8-bit dot products (Armv8.2's `dotprod`).
#[cfg(target_arch = "aarch64")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NeonDotprod(());

/// Proof that this CPU has NEON with products of 8-bit matrices (Armv8.6's `i8mm`).
#[cfg(target_arch = "aarch64")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NeonI8mm(());

/// A proof that this CPU has NEON.
#[cfg(target_arch = "aarch64")]
pub(crate) trait NeonProof: Copy {}
#[cfg(target_arch = "aarch64")]
impl NeonProof for Neon {}
#[cfg(target_arch = "aarch64")]
impl NeonProof for NeonDotprod {}
#[cfg(target_arch = "aarch64")]
impl NeonProof for NeonI8mm {}

/// An instruction set that this CPU runs.
///
/// All of them give the same answers: integers are equal, and floats are equal bit for bit, because
/// every version performs the same IEEE operations in the same order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isa {
    /// Plain Rust: what the answer *is*. Right on any CPU; slow, above all where fused multiply-adds are
    /// computed by the C library.
    Scalar,
    /// 256-bit vectors.
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    /// 256-bit vectors with 8-bit dot products.
    #[cfg(target_arch = "x86_64")]
    AvxVnni(AvxVnni),
    /// 512-bit vectors with 8-bit dot products, and perhaps tiles.
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni(Avx512Vnni),
    /// 128-bit vectors of 64-bit Arm.
    #[cfg(target_arch = "aarch64")]
    Neon(Neon),
    /// The same with 8-bit dot products.
    #[cfg(target_arch = "aarch64")]
    NeonDotprod(NeonDotprod),
    /// The same with products of 8-bit matrices.
    #[cfg(target_arch = "aarch64")]
    NeonI8mm(NeonI8mm),
}

impl Isa {
    /// Every instruction set that this CPU runs, slowest first.
    pub fn available() -> Vec<Isa> {
        #[allow(unused_mut, reason = "nothing is added on other architectures")]
        let mut all = vec![Isa::Scalar];
        #[cfg(target_arch = "x86_64")]
        {
            let has_avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            if has_avx2 {
                all.push(Isa::Avx2(Avx2(())));
            }
            if has_avx2 && is_x86_feature_detected!("avxvnni") {
                all.push(Isa::AvxVnni(AvxVnni(())));
            }
            if has_avx2
                && is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512vnni")
            {
                all.push(Isa::Avx512Vnni(Avx512Vnni { amx: None }));
                let amx = Amx::available();
                all.extend(amx.map(|_| Isa::Avx512Vnni(Avx512Vnni { amx })));
            }
        }
        #[cfg(target_arch = "aarch64")]
        if std::arch::is_aarch64_feature_detected!("neon") {
            all.push(Isa::Neon(Neon(())));
            if std::arch::is_aarch64_feature_detected!("dotprod") {
                all.push(Isa::NeonDotprod(NeonDotprod(())));
            }
            if std::arch::is_aarch64_feature_detected!("i8mm") {
                all.push(Isa::NeonI8mm(NeonI8mm(())));
            }
        }
        all
    }

    /// The fastest instruction set of this CPU, found at the first call.
    ///
    /// The environment variable `LIBELLUS_ISA` (`scalar`, `avx2`, `avx-vnni`, `avx512-vnni`, `avx512-amx`, `neon`,
    /// `neon-dotprod`, `neon-i8mm`) asks for a slower one; a name that this CPU does not run is passed over.
    pub fn best() -> Isa {
        static BEST: OnceLock<Isa> = OnceLock::new();
        *BEST.get_or_init(|| {
            let all = Isa::available();
            let wanted = std::env::var("LIBELLUS_ISA").ok();
            let chosen = wanted.and_then(|name| all.iter().find(|isa| isa.name() == name));
            *chosen.unwrap_or(&all[all.len() - 1])
        })
    }

    /// Its name, for people and for `LIBELLUS_ISA`.
    pub fn name(self) -> &'static str {
        match self {
            Isa::Scalar => "scalar",
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2(_) => "avx2",
            #[cfg(target_arch = "x86_64")]
            Isa::AvxVnni(_) => "avx-vnni",
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512Vnni(Avx512Vnni { amx: None }) => "avx512-vnni",
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512Vnni(Avx512Vnni { amx: Some(_) }) => "avx512-amx",
            #[cfg(target_arch = "aarch64")]
            Isa::Neon(_) => "neon",
            #[cfg(target_arch = "aarch64")]
            Isa::NeonDotprod(_) => "neon-dotprod",
            #[cfg(target_arch = "aarch64")]
            Isa::NeonI8mm(_) => "neon-i8mm",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_rust_comes_first_and_the_best_is_available() {
        let all = Isa::available();
        assert_eq!(all[0], Isa::Scalar);
        assert!(all.contains(&Isa::best()), "{:?} is not among {all:?}", Isa::best());
        #[cfg(target_arch = "aarch64")]
        assert_eq!(all[1].name(), "neon");
        // Whoever knows the processor, real or emulated, makes sure that its best is found, and so tested.
        if let Ok(name) = std::env::var("LIBELLUS_TEST_BEST_ISA") {
            assert_eq!(all[all.len() - 1].name(), name);
        }
    }
}
