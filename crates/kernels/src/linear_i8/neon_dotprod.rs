//! Four bytes to 32 bits in one instruction, four outputs in a register.

use super::{DotProducts, PANEL, QUAD, Sums, quads, signed_quad};
use crate::isa::NeonDotprod;
use crate::lanes::neon::F32x16;
use std::arch::aarch64::*;
use std::arch::asm;
use std::array::from_fn;

impl DotProducts for F32x16<NeonDotprod> {
    /// `sdot` multiplies signed by signed bytes.
    const SHIFT: i32 = 128;
    type Scratch = ();

    #[inline(always)]
    fn dot_products<const ROWS: usize>(_: NeonDotprod, x: &[u8], panel: &[i8], (): &mut (), sums: &mut [Sums]) {
        let quads = quads::<ROWS>(x, panel);
        let (x, stride, panel) = (x.as_ptr(), quads * QUAD, panel.as_ptr());
        const BLOCK: usize = 4; // registers of 4 outputs: 6 × 4 sums fit the 32 registers
        for first in (0..PANEL).step_by(4 * BLOCK) {
            // SAFETY: the proof shows NEON and its dot products; `quads` checked the lengths that offsets stay inside
            // of; the stores stay inside `sums`: `first + 4 · BLOCK ≤ 64`.
            unsafe {
                let mut acc = [[vdupq_n_s32(0); BLOCK]; ROWS];
                for quad in 0..quads {
                    let w = panel.add((quad * PANEL + first) * QUAD);
                    let w: [int8x16_t; BLOCK] = from_fn(|j| vld1q_s8(w.add(16 * j)));
                    for (t, acc) in acc.iter_mut().enumerate() {
                        let x = vdupq_n_s32(signed_quad(x.add(t * stride + quad * QUAD)));
                        let x = vreinterpretq_s8_s32(x);
                        for (acc, &w) in acc.iter_mut().zip(&w) {
                            *acc = dot(*acc, w, x);
                        }
                    }
                }
                for (acc, sums) in acc.iter().zip(sums.iter_mut()) {
                    for (j, &acc) in acc.iter().enumerate() {
                        vst1q_s32(sums[first + 4 * j..].as_mut_ptr(), acc);
                    }
                }
            }
        }
    }
}

/// Adds the products of four bytes to each lane, in 32 bits; nothing saturates. Rust's own name for the
/// instruction, `vdotq_s32`, is not stable yet.
///
/// # Safety
/// The CPU must have the `dotprod` feature.
#[inline(always)]
unsafe fn dot(mut acc: int32x4_t, w: int8x16_t, x: int8x16_t) -> int32x4_t {
    // SAFETY: the CPU has the instruction, says the caller; it changes `acc` and nothing else.
    unsafe {
        asm!(
            "sdot {acc:v}.4s, {w:v}.16b, {x:v}.16b",
            acc = inout(vreg) acc,
            w = in(vreg) w,
            x = in(vreg) x,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    acc
}
