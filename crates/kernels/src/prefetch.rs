//! Asking for memory before it is read.

use crate::lanes::Lanes;

/// Bytes that come to a cache together.
const LINE: usize = 64;
/// With as many parts or more it is worth while where data is read from front to back: with fewer, asking is as much work
/// as waiting.
const FEWEST_PARTS: usize = 4;

/// Asks for part `i` of `count` of `data` to be brought to the second-level cache. Does nothing on processors for which
/// stable Rust has no such instruction.
///
/// With narrow registers a panel is read in strips, which the processor does not foresee: then it is always asked for.
#[inline(always)]
pub(crate) fn prefetch<L: Lanes, T>(data: &[T], i: usize, count: usize) {
    if L::BLOCKS > 1 && count < FEWEST_PARTS {
        return;
    }
    let line = LINE / size_of::<T>();
    let share = data.len().div_ceil(count).next_multiple_of(line);
    for line in data.chunks(line).skip(i * share / line).take(share / line) {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: asking for memory that is there has no effect but on time.
        unsafe {
            std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T1 }>(line.as_ptr().cast());
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = line;
    }
}
