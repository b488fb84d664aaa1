//! What the answer is.

use super::{BLOCK, CodeProducts, GROUP_BYTES};
use crate::lanes::scalar::F32x16;

impl CodeProducts for F32x16 {
    fn block_products((): (), parts: &[[[i8; GROUP_BYTES]; 4]], codes: &[[u8; BLOCK * GROUP_BYTES]]) -> [i32; BLOCK] {
        let mut sums = [0; BLOCK];
        for (parts, codes) in parts.iter().zip(codes) {
            for (sum, codes) in sums.iter_mut().zip(codes.as_chunks::<GROUP_BYTES>().0) {
                for (i, &byte) in codes.iter().enumerate() {
                    let [low, high] = [byte & 15, byte >> 4].map(i32::from);
                    let q = parts.map(|part| i32::from(part[i]));
                    *sum += low * (128 * q[0] + q[1]) + high * (128 * q[2] + q[3]);
                }
            }
        }
        sums
    }
}
