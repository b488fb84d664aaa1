//! Four bytes to 32 bits in one instruction, sixteen outputs in a register.

#[cfg(target_os = "linux")]
use super::amx;
use super::{DotProducts, PANEL, QUAD, Sums, quads};
use crate::isa::Avx512Vnni;
use crate::lanes::avx512::F32x16;
use std::arch::x86_64::*;
use std::array::from_fn;

impl DotProducts for F32x16 {
    const SHIFT: i32 = 0;
    type Scratch = ();

    /// `vpdpbusd` multiplies four unsigned by four signed bytes and adds them to an `i32`; nothing saturates.
    #[inline(always)]
    fn dot_products<const ROWS: usize>(_: Avx512Vnni, x: &[u8], panel: &[i8], (): &mut (), sums: &mut [Sums]) {
        let quads = quads::<ROWS>(x, panel);
        let (x, stride, panel) = (x.as_ptr(), quads * QUAD, panel.as_ptr());
        const BLOCK: usize = PANEL / 16; // registers of 16 outputs: 6 × 4 sums fit the 32 registers
        // SAFETY: the proof shows AVX-512 VNNI; `quads` checked the lengths that offsets stay inside of, and
        // the stores stay inside `sums`.
        unsafe {
            let mut acc = [[_mm512_setzero_si512(); BLOCK]; ROWS];
            for quad in 0..quads {
                let w = panel.add(quad * PANEL * QUAD).cast::<__m512i>();
                let w: [__m512i; BLOCK] = from_fn(|j| _mm512_loadu_si512(w.add(j)));
                for (t, acc) in acc.iter_mut().enumerate() {
                    let x = x.add(t * stride + quad * QUAD).cast::<i32>().read_unaligned();
                    let x = _mm512_set1_epi32(x);
                    for (acc, &w) in acc.iter_mut().zip(&w) {
                        *acc = _mm512_dpbusd_epi32(*acc, x, w);
                    }
                }
            }
            for (acc, sums) in acc.iter().zip(sums.iter_mut()) {
                for (j, &acc) in acc.iter().enumerate() {
                    _mm512_storeu_si512(sums[16 * j..].as_mut_ptr().cast(), acc);
                }
            }
        }
    }

    #[cfg(target_os = "linux")]
    #[inline(always)]
    fn matrix_rows(proof: Avx512Vnni, stride: usize) -> usize {
        if proof.amx().is_some() && amx::fits(stride) { amx::MAX_ROWS } else { 0 }
    }

    #[cfg(target_os = "linux")]
    #[inline(always)]
    fn matrix_products(proof: Avx512Vnni, x: &[u8], panel: &[i8], sums: &mut [Sums]) {
        amx::dot_products(proof.amx().expect("without AMX there are no rows"), x, panel, sums);
    }
}
