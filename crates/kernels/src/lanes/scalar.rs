//! Sixteen floats as an array: what the vector versions must equal.

use super::{LANES, Lanes};
use std::array::from_fn;

/// Sixteen floats.
#[derive(Clone, Copy)]
pub(crate) struct F32x16([f32; LANES]);

impl F32x16 {
    fn zip(self, rhs: Self, f: impl Fn(f32, f32) -> f32) -> Self {
        Self(from_fn(|i| f(self.0[i], rhs.0[i])))
    }

    /// Folds upper onto lower halves until one lane is left.
    fn fold(self, f: impl Fn(f32, f32) -> f32) -> f32 {
        let mut lanes = self.0;
        let mut half = LANES / 2;
        while half > 0 {
            for i in 0..half {
                lanes[i] = f(lanes[i], lanes[i + half]);
            }
            half /= 2;
        }
        lanes[0]
    }
}

fn max(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

fn min(a: f32, b: f32) -> f32 {
    if a < b { a } else { b }
}

impl Lanes for F32x16 {
    type Proof = ();
    const BLOCKS: usize = 1;

    fn splat(_: (), x: f32) -> Self {
        Self([x; LANES])
    }
    fn load(_: (), from: &[f32; LANES]) -> Self {
        Self(*from)
    }
    fn from_i32(_: (), from: &[i32; LANES]) -> Self {
        Self(from.map(|x| x as f32))
    }
    fn from_i8(_: (), from: &[i8; LANES]) -> Self {
        Self(from.map(f32::from))
    }
    fn store(self, to: &mut [f32; LANES]) {
        *to = self.0;
    }
    fn store_u8(self, to: &mut [u8; LANES]) {
        *to = self.0.map(|x| x.round_ties_even() as u8);
    }
    fn store_i16(self, to: &mut [i16; LANES]) {
        *to = self.0.map(|x| x.round_ties_even() as i16);
    }
    fn add(self, rhs: Self) -> Self {
        self.zip(rhs, |a, b| a + b)
    }
    fn sub(self, rhs: Self) -> Self {
        self.zip(rhs, |a, b| a - b)
    }
    fn mul(self, rhs: Self) -> Self {
        self.zip(rhs, |a, b| a * b)
    }
    fn div(self, rhs: Self) -> Self {
        self.zip(rhs, |a, b| a / b)
    }
    // Sixteen calls on a processor without the instruction: written out wherever it is used, it was 0.1 MB.
    #[inline(never)]
    fn mul_add(self, rhs: Self, addend: Self) -> Self {
        Self(from_fn(|i| self.0[i].mul_add(rhs.0[i], addend.0[i])))
    }
    fn max(self, rhs: Self) -> Self {
        self.zip(rhs, max)
    }
    fn min(self, rhs: Self) -> Self {
        self.zip(rhs, min)
    }
    fn round(self) -> Self {
        Self(self.0.map(f32::round_ties_even))
    }
    fn scale_by_power_of_2(self, n: Self) -> Self {
        self.zip(n, |x, n| x * f32::from_bits(((n as i32 + 127) as u32) << 23))
    }
    fn sum(self) -> f32 {
        self.fold(|a, b| a + b)
    }
    fn largest(self) -> f32 {
        self.fold(max)
    }
    fn smallest(self) -> f32 {
        self.fold(min)
    }
}
