//! Products of small matrices of bytes: two rows by two outputs, eight bytes deep, in one instruction.

use super::{DotProducts, MAX_ROWS, PANEL, QUAD, Sums, quads};
use crate::isa::NeonI8mm;
use crate::lanes::neon::F32x16;
use std::arch::aarch64::*;
use std::arch::asm;

/// Outputs at a time: 3 pairs of rows × 8 pairs of outputs are 24 of the 32 registers.
const OUTPUTS: usize = 16;

impl DotProducts for F32x16<NeonI8mm> {
    /// `usmmla` multiplies unsigned by signed bytes.
    const SHIFT: i32 = 0;
    type Scratch = ();

    #[inline(always)]
    fn dot_products<const ROWS: usize>(_: NeonI8mm, x: &[u8], panel: &[i8], (): &mut (), sums: &mut [Sums]) {
        let quads = quads::<ROWS>(x, panel);
        let (x, stride, panel) = (x.as_ptr(), quads * QUAD, panel.as_ptr());
        let pairs = ROWS.div_ceil(2);
        for first in (0..PANEL).step_by(OUTPUTS) {
            // SAFETY: the proof shows NEON and its products of matrices; `quads` checked the lengths that offsets stay
            // inside of: the second of two groups of four is read only where there is one. The stores stay inside
            // `sums`: `first + 16 ≤ 64`.
            unsafe {
                // Of rows t, t + 1 and outputs n, n + 1: (t, n), (t, n + 1), (t + 1, n), (t + 1, n + 1).
                let mut acc = [[vdupq_n_s32(0); OUTPUTS / 2]; MAX_ROWS / 2];
                for quad in (0..quads).step_by(2) {
                    let both = quad + 1 < quads;
                    let mut rows = [vdupq_n_u8(0); MAX_ROWS / 2];
                    for (pair, rows) in rows.iter_mut().enumerate().take(pairs) {
                        // The last of an odd number of rows is its own neighbour, whose sums nobody reads.
                        let (row, next) = (2 * pair, (2 * pair + 1).min(ROWS - 1));
                        let bytes = |row: usize| {
                            let at = x.add(row * stride + quad * QUAD);
                            if both { vld1_u8(at) } else { vcreate_u8(at.cast::<u32>().read_unaligned().into()) }
                        };
                        *rows = vcombine_u8(bytes(row), bytes(next));
                    }
                    for four in (0..OUTPUTS).step_by(4) {
                        let at = panel.add((quad * PANEL + first + four) * QUAD);
                        let low = vreinterpretq_s32_s8(vld1q_s8(at));
                        let high =
                            if both { vreinterpretq_s32_s8(vld1q_s8(at.add(PANEL * QUAD))) } else { vdupq_n_s32(0) };
                        // Eight bytes of each of two outputs lie together.
                        let (w, next_w) = (vzip1q_s32(low, high), vzip2q_s32(low, high));
                        for (acc, &rows) in acc.iter_mut().zip(&rows).take(pairs) {
                            acc[four / 2] = product(acc[four / 2], rows, vreinterpretq_s8_s32(w));
                            acc[four / 2 + 1] = product(acc[four / 2 + 1], rows, vreinterpretq_s8_s32(next_w));
                        }
                    }
                }
                for (t, sums) in sums.iter_mut().enumerate().take(ROWS) {
                    for (j, &acc) in acc[t / 2].iter().enumerate() {
                        let of_row = if t % 2 == 0 { vget_low_s32(acc) } else { vget_high_s32(acc) };
                        vst1_s32(sums[first + 2 * j..].as_mut_ptr(), of_row);
                    }
                }
            }
        }
    }
}

/// Adds the product of two rows of eight unsigned bytes with two rows of eight signed ones to a matrix of 2 × 2, in 32
/// bits; nothing saturates. Rust's own name for the instruction, `vusmmlaq_s32`, is not stable yet.
///
/// # Safety
/// The CPU must have the `i8mm` feature.
#[inline(always)]
unsafe fn product(mut acc: int32x4_t, x: uint8x16_t, w: int8x16_t) -> int32x4_t {
    // SAFETY: the CPU has the instruction, says the caller; it changes `acc` and nothing else.
    unsafe {
        asm!(
            "usmmla {acc:v}.4s, {x:v}.16b, {w:v}.16b",
            acc = inout(vreg) acc,
            x = in(vreg) x,
            w = in(vreg) w,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    acc
}
