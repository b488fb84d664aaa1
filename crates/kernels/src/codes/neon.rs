//! Products of bytes in 16 bits, or four of them in one instruction where there is one, four rows in a register.

use super::{BLOCK, CodeProducts, GROUP_BYTES};
use crate::isa::{Neon, NeonDotprod, NeonI8mm};
use crate::lanes::neon::F32x16;
use std::arch::aarch64::*;
use std::arch::asm;

/// Registers that hold a group of a block.
const QUARTERS: usize = 4;

/// # Safety
/// `add` must be sound on this CPU: it adds the products of four codes and four parts of the query to each lane.
#[inline(always)]
unsafe fn block_products(
    parts: &[[[i8; GROUP_BYTES]; 4]],
    codes: &[[u8; BLOCK * GROUP_BYTES]],
    add: impl Fn(int32x4_t, uint8x16_t, int8x16_t) -> int32x4_t,
) -> [i32; BLOCK] {
    let mut sums = [0; BLOCK];
    // SAFETY: every instruction set that calls this has NEON; loads and stores stay inside a group and `sums`.
    unsafe {
        let mask = vdupq_n_u8(15);
        let mut wide = [[vdupq_n_s32(0); 2]; QUARTERS];
        for (parts, codes) in parts.iter().zip(codes) {
            let parts = parts.map(|part| vreinterpretq_s8_s32(vdupq_n_s32(i32::from_le_bytes(part.map(|q| q as u8)))));
            for (quarter, wide) in wide.iter_mut().enumerate() {
                let codes = vld1q_u8(codes[16 * quarter..].as_ptr());
                let (low, high) = (vandq_u8(codes, mask), vshrq_n_u8::<4>(codes));
                for (part, wide) in wide.iter_mut().enumerate() {
                    *wide = add(add(*wide, low, parts[part]), high, parts[2 + part]);
                }
            }
        }
        for (quarter, [high, low]) in wide.into_iter().enumerate() {
            vst1q_s32(sums[4 * quarter..].as_mut_ptr(), vaddq_s32(vshlq_n_s32::<7>(high), low));
        }
    }
    sums
}

impl CodeProducts for F32x16<Neon> {
    #[inline(always)]
    fn block_products(_: Neon, parts: &[[[i8; GROUP_BYTES]; 4]], codes: &[[u8; BLOCK * GROUP_BYTES]]) -> [i32; BLOCK] {
        // SAFETY: the proof shows NEON. A product is at most 15 · 128, two of them fit 16 bits.
        unsafe {
            block_products(parts, codes, |sum, codes, part| {
                let codes = vreinterpretq_s8_u8(codes);
                let front = vmull_s8(vget_low_s8(codes), vget_low_s8(part));
                let back = vmull_high_s8(codes, part);
                vpadalq_s16(sum, vpaddq_s16(front, back))
            })
        }
    }
}

/// An instruction that multiplies four bytes by four and adds them to each lane, in 32 bits; nothing saturates. Rust's
/// own names for these are not stable yet.
macro_rules! with_instruction {
    ($proof:ty, $instruction:literal) => {
        impl CodeProducts for F32x16<$proof> {
            #[inline(always)]
            fn block_products(
                _: $proof,
                parts: &[[[i8; GROUP_BYTES]; 4]],
                codes: &[[u8; BLOCK * GROUP_BYTES]],
            ) -> [i32; BLOCK] {
                // SAFETY: the proof shows the instruction; it changes `sum` and nothing else. Codes are at most 15, so
                // that it does not matter whether they are taken as signed.
                unsafe {
                    block_products(parts, codes, |mut sum, codes, part| {
                        asm!(
                            concat!($instruction, " {sum:v}.4s, {codes:v}.16b, {part:v}.16b"),
                            sum = inout(vreg) sum,
                            codes = in(vreg) codes,
                            part = in(vreg) part,
                            options(pure, nomem, nostack, preserves_flags)
                        );
                        sum
                    })
                }
            }
        }
    };
}

with_instruction!(NeonDotprod, "sdot");
with_instruction!(NeonI8mm, "usdot");
