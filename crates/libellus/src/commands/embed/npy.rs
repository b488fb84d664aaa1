//! The `.npy` format, version 1.0, for one case: a little-endian float32 array of shape `(n, dim)`.
//!
//! Described in NumPy's `numpy.lib.format`: magic, version, header length, a Python dictionary padded
//! with spaces, then the numbers in C order.

/// Length of the header, always: a multiple of 64 that has room for any `n` and `dim`, so that it can
/// be written again in place when `n` is known.
pub const HEADER_BYTES: usize = 128;

/// The header of `n` vectors of `dim` floats.
pub fn header(n: u64, dim: usize) -> [u8; HEADER_BYTES] {
    const PREFIX: [u8; 10] = *b"\x93NUMPY\x01\x00\x76\x00"; // 0x76: the 118 bytes after these 10
    let dictionary = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({n}, {dim}), }}");
    let mut header = [b' '; HEADER_BYTES];
    header[..PREFIX.len()].copy_from_slice(&PREFIX);
    header[PREFIX.len()..PREFIX.len() + dictionary.len()].copy_from_slice(dictionary.as_bytes());
    header[HEADER_BYTES - 1] = b'\n';
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_have_room_for_the_largest_shape() {
        for (n, dim) in [(0, 384), (3, 1), (u64::MAX, usize::MAX)] {
            let header = header(n, dim);
            assert_eq!(usize::from(u16::from_le_bytes([header[8], header[9]])), HEADER_BYTES - 10);
            let text = std::str::from_utf8(&header[10..]).expect("ASCII");
            assert!(text.contains(&format!("'shape': ({n}, {dim}), }}")) && text.ends_with('\n'), "{text}");
        }
    }
}
