//! Four products of bytes in one instruction, as in `avx512.rs`, for eight outputs in a register.

use super::{DotProducts, PANEL, QUAD, Sums, quads};
use crate::isa::AvxVnni;
use crate::lanes::avx2::F32x16;
use std::arch::x86_64::*;
use std::array::from_fn;

impl DotProducts for F32x16<AvxVnni> {
    const SHIFT: i32 = 0;
    type Scratch = ();

    /// `vpdpbusd` multiplies four unsigned by four signed bytes and adds them to an `i32`; nothing saturates.
    #[inline(always)]
    fn dot_products<const ROWS: usize>(_: AvxVnni, x: &[u8], panel: &[i8], (): &mut (), sums: &mut [Sums]) {
        let quads = quads::<ROWS>(x, panel);
        let (x, stride, panel) = (x.as_ptr(), quads * QUAD, panel.as_ptr());
        const BLOCK: usize = 2; // registers of 8 outputs: 6 × 2 sums fit the 16 registers
        for first in (0..PANEL).step_by(8 * BLOCK) {
            // SAFETY: the proof shows AVX-VNNI; `quads` checked the lengths that offsets stay inside of; the stores
            // stay inside `sums`: `first + 8 · BLOCK ≤ 64`.
            unsafe {
                let mut acc = [[_mm256_setzero_si256(); BLOCK]; ROWS];
                for quad in 0..quads {
                    let w = panel.add((quad * PANEL + first) * QUAD).cast::<__m256i>();
                    let w: [__m256i; BLOCK] = from_fn(|j| _mm256_loadu_si256(w.add(j)));
                    for (t, acc) in acc.iter_mut().enumerate() {
                        let x = x.add(t * stride + quad * QUAD).cast::<i32>().read_unaligned();
                        let x = _mm256_set1_epi32(x);
                        for (acc, &w) in acc.iter_mut().zip(&w) {
                            *acc = _mm256_dpbusd_avx_epi32(*acc, x, w);
                        }
                    }
                }
                for (acc, sums) in acc.iter().zip(sums.iter_mut()) {
                    for (j, &acc) in acc.iter().enumerate() {
                        _mm256_storeu_si256(sums[first + 8 * j..].as_mut_ptr().cast(), acc);
                    }
                }
            }
        }
    }
}
