//! Whole tiles in one instruction: up to sixteen rows of `x`, sixteen outputs, 64 bytes deep.
//!
//! Intel, *Architecture Instruction Set Extensions*, chapter on AMX. Packed weights are in a tile's order already: sixteen
//! quads of sixteen outputs, [`PANEL`]` · `[`QUAD`] bytes apart. Rust has no stable intrinsics for tiles, so they stand
//! in assembly; the compiler never uses tile registers itself. Nothing else in the process does either: how they
//! are configured is kept from call to call, which is worth 5 % of a short query.

use super::{PANEL, QUAD, Sums};
use crate::isa::Amx;
use std::arch::asm;
use std::cell::Cell;

/// Rows in a tile.
const TILE_ROWS: usize = 16;
/// Bytes in a row of a tile.
const TILE_BYTES: usize = 64;
/// Most rows of one call: two tiles of them, so that weights are read half as often.
pub(super) const MAX_ROWS: usize = 2 * TILE_ROWS;
/// Bytes of packed weights from one quad to the next, and of sums from one row to the next.
const STRIDE: usize = PANEL * QUAD;

/// Whether rows that are `stride` bytes apart are whole tiles.
pub(super) fn fits(stride: usize) -> bool {
    stride.is_multiple_of(TILE_BYTES)
}

/// `sums[t][n] = Σ x[t][k] · w[k, n]`, exact, for the rows of `x` and the 64 outputs of a panel.
///
/// # Panics
/// If `x` is not 1 to [`MAX_ROWS`] rows as deep as the panel, or those are not [whole tiles](fits).
#[inline(always)]
pub(super) fn dot_products(amx: Amx, x: &[u8], panel: &[i8], sums: &mut [Sums]) {
    let (depth, rows) = (panel.len() / PANEL, sums.len());
    assert!((1..=MAX_ROWS).contains(&rows) && depth > 0 && fits(depth), "dot_products: no tiles of this shape");
    assert!(x.len() == rows * depth && panel.len() == depth * PANEL, "dot_products: a tile that does not fit");
    configure(amx, rows);
    let (x, panel, sums) = (x.as_ptr(), panel.as_ptr(), sums.as_mut_ptr().cast::<i32>());
    let steps = depth / TILE_BYTES;
    // SAFETY: the proof shows AMX. Tiles 0 to 5 hold `rows` rows, or 16 and the rest, which `x` and `sums` have, as was
    // checked; weights are read in whole tiles, `depth` bytes of each output. Nothing else is written, and tile registers
    // are nobody else's.
    unsafe {
        if rows <= TILE_ROWS {
            asm!(
                "tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3",
                "2:",
                "tileloadd tmm4, [{x} + {depth}]",
                "tileloadd tmm6, [{w} + {stride}]",
                "tdpbusd tmm0, tmm4, tmm6",
                "tileloadd tmm7, [{w} + {stride} + 64]",
                "tdpbusd tmm1, tmm4, tmm7",
                "tileloadd tmm6, [{w} + {stride} + 128]",
                "tdpbusd tmm2, tmm4, tmm6",
                "tileloadd tmm7, [{w} + {stride} + 192]",
                "tdpbusd tmm3, tmm4, tmm7",
                "add {x}, 64",
                "add {w}, 4096",
                "dec {steps}",
                "jnz 2b",
                "tilestored [{sums} + {stride}], tmm0",
                "tilestored [{sums} + {stride} + 64], tmm1",
                "tilestored [{sums} + {stride} + 128], tmm2",
                "tilestored [{sums} + {stride} + 192], tmm3",
                x = inout(reg) x => _,
                w = inout(reg) panel => _,
                steps = inout(reg) steps => _,
                depth = in(reg) depth,
                stride = in(reg) STRIDE,
                sums = in(reg) sums,
                options(nostack),
            );
        } else {
            for half in [0, PANEL / 2] {
                asm!(
                    "tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3",
                    "2:",
                    "tileloadd tmm4, [{x} + {depth}]",
                    "tileloadd tmm6, [{w} + {stride}]",
                    "tdpbusd tmm0, tmm4, tmm6",
                    "tileloadd tmm7, [{w} + {stride} + 64]",
                    "tdpbusd tmm1, tmm4, tmm7",
                    "tileloadd tmm5, [{lower_x} + {depth}]",
                    "tdpbusd tmm2, tmm5, tmm6",
                    "tdpbusd tmm3, tmm5, tmm7",
                    "add {x}, 64",
                    "add {lower_x}, 64",
                    "add {w}, 4096",
                    "dec {steps}",
                    "jnz 2b",
                    "tilestored [{sums} + {stride}], tmm0",
                    "tilestored [{sums} + {stride} + 64], tmm1",
                    "tilestored [{lower_sums} + {stride}], tmm2",
                    "tilestored [{lower_sums} + {stride} + 64], tmm3",
                    x = inout(reg) x => _,
                    lower_x = inout(reg) x.add(TILE_ROWS * depth) => _,
                    w = inout(reg) panel.add(half * QUAD) => _,
                    steps = inout(reg) steps => _,
                    depth = in(reg) depth,
                    stride = in(reg) STRIDE,
                    sums = in(reg) sums.add(half),
                    lower_sums = in(reg) sums.add(TILE_ROWS * PANEL + half),
                    options(nostack),
                );
            }
        }
    }
}

/// What `ldtilecfg` reads: palette 1, and each tile's rows and bytes in a row.
#[repr(C, align(64))]
struct Configuration {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

/// Makes the thread's tiles fit `rows` rows of `x`: sums in tiles 0 to 3, `x` in 4 and 5, weights in 6 and 7.
#[inline(always)]
fn configure(_: Amx, rows: usize) {
    thread_local! {
        /// For how many rows the thread's tiles were configured last.
        static CONFIGURED: Cell<usize> = const { Cell::new(0) };
    }
    if CONFIGURED.get() == rows {
        return;
    }
    let (upper, lower) = (rows.min(TILE_ROWS) as u8, rows.saturating_sub(TILE_ROWS) as u8);
    let mut configuration =
        Configuration { palette: 1, start_row: 0, reserved: [0; 14], row_bytes: [0; 16], rows: [0; 16] };
    configuration.row_bytes[..8].fill(TILE_BYTES as u16);
    configuration.rows[..8].copy_from_slice(&match lower {
        0 => [upper, upper, upper, upper, upper, upper, TILE_ROWS as u8, TILE_ROWS as u8],
        _ => [upper, upper, lower, lower, upper, lower, TILE_ROWS as u8, TILE_ROWS as u8],
    });
    // SAFETY: the proof shows AMX, and the configuration is one that it takes: eight tiles of 1 to 16 rows of 64 bytes.
    unsafe { asm!("ldtilecfg [{}]", in(reg) &configuration, options(nostack, readonly)) };
    CONFIGURED.set(rows);
}
