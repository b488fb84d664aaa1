//! Helpers of the kernels' tests.

use crate::Isa;

/// Runs `f` on a copy of `x` for every instruction set, asserts equal bits, and returns the result.
pub(crate) fn same_on_every_isa<T: Clone + Bits>(x: &[T], f: impl Fn(Isa, &mut [T])) -> Vec<T> {
    let mut expected = x.to_vec();
    f(Isa::Scalar, &mut expected);
    for isa in Isa::available() {
        let mut got = x.to_vec();
        f(isa, &mut got);
        for (i, (got, expected)) in got.iter().zip(&expected).enumerate() {
            assert_eq!(got.bits(), expected.bits(), "{isa:?} differs from scalar at {i}");
        }
    }
    expected
}

/// Values that can be compared bit for bit.
pub(crate) trait Bits {
    fn bits(&self) -> u32;
}

impl Bits for f32 {
    fn bits(&self) -> u32 {
        self.to_bits()
    }
}

impl Bits for u8 {
    fn bits(&self) -> u32 {
        u32::from(*self)
    }
}

/// A small pseudo-random generator (SplitMix64), the same everywhere.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Floats in -1 .. 1.
    pub(crate) fn floats(&mut self, len: usize) -> Vec<f32> {
        (0..len).map(|_| (self.next() >> 40) as f32 / (1u64 << 23) as f32 - 1.0).collect()
    }

    /// Bytes, the extremes often.
    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len)
            .map(|_| {
                let x = self.next();
                match x % 8 {
                    0 => 0,
                    1 => 255,
                    _ => (x >> 8) as u8,
                }
            })
            .collect()
    }

    /// Weights in -127 ..= 127, the extremes often.
    pub(crate) fn weights(&mut self, len: usize) -> Vec<i8> {
        self.bytes(len).into_iter().map(|x| (x as i8).max(-127)).collect()
    }
}
