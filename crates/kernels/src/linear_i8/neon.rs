//! Products of bytes in 16 bits, added in pairs to 32, four outputs in two registers.

use super::{DotProducts, PANEL, QUAD, Sums, quads, signed_quad};
use crate::isa::Neon;
use crate::lanes::neon::F32x16;
use std::arch::aarch64::*;
use std::array::from_fn;

impl DotProducts for F32x16<Neon> {
    /// Bytes are made signed, so that `|x|` is at most 128.
    const SHIFT: i32 = 128;
    type Scratch = ();

    /// Two products of bytes are at most `2 · 128 · 127 = 32,512` in magnitude, so their sum fits an `i16`.
    #[inline(always)]
    fn dot_products<const ROWS: usize>(_: Neon, x: &[u8], panel: &[i8], (): &mut (), sums: &mut [Sums]) {
        let quads = quads::<ROWS>(x, panel);
        let (x, stride, panel) = (x.as_ptr(), quads * QUAD, panel.as_ptr());
        const BLOCK: usize = 2; // registers of 4 outputs: 6 × 2 × 2 sums fit the 32 registers
        for first in (0..PANEL).step_by(4 * BLOCK) {
            // SAFETY: the proof shows NEON; `quads` checked the lengths that offsets stay inside of; the stores
            // stay inside `sums`: `first + 4 · BLOCK ≤ 64`.
            unsafe {
                let weights = |quad: usize| -> [int8x16_t; BLOCK] {
                    from_fn(|j| vld1q_s8(panel.add((quad * PANEL + first + 4 * j) * QUAD)))
                };
                let bytes = |row: usize, quad: usize| {
                    vreinterpret_s8_s32(vdup_n_s32(signed_quad(x.add(row * stride + quad * QUAD))))
                };
                // Of each output the sums of its first and of its last two bytes, for outputs 0 and 1, and 2 and 3.
                let mut acc = [[[vdupq_n_s32(0); 2]; BLOCK]; ROWS];
                for quad in (0..quads - quads % 2).step_by(2) {
                    let (w, next_w) = (weights(quad), weights(quad + 1));
                    for (t, acc) in acc.iter_mut().enumerate() {
                        let (x, next_x) = (bytes(t, quad), bytes(t, quad + 1));
                        for (acc, (&w, &next_w)) in acc.iter_mut().zip(w.iter().zip(&next_w)) {
                            let low = vmlal_s8(vmull_s8(vget_low_s8(w), x), vget_low_s8(next_w), next_x);
                            let high = vmlal_s8(vmull_s8(vget_high_s8(w), x), vget_high_s8(next_w), next_x);
                            *acc = [vpadalq_s16(acc[0], low), vpadalq_s16(acc[1], high)];
                        }
                    }
                }
                if quads % 2 == 1 {
                    let w = weights(quads - 1);
                    for (t, acc) in acc.iter_mut().enumerate() {
                        let x = bytes(t, quads - 1);
                        for (acc, &w) in acc.iter_mut().zip(&w) {
                            let (low, high) = (vmull_s8(vget_low_s8(w), x), vmull_s8(vget_high_s8(w), x));
                            *acc = [vpadalq_s16(acc[0], low), vpadalq_s16(acc[1], high)];
                        }
                    }
                }
                for (acc, sums) in acc.iter().zip(sums.iter_mut()) {
                    for (j, acc) in acc.iter().enumerate() {
                        vst1q_s32(sums[first + 4 * j..].as_mut_ptr(), vpaddq_s32(acc[0], acc[1]));
                    }
                }
            }
        }
    }
}
