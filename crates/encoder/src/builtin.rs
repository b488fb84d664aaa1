//! The model inside the executable.

/// Bytes at an address that tensors may be read from.
#[repr(C, align(64))]
struct Aligned<T: ?Sized>(T);

static ALIGNED: &Aligned<[u8]> = &Aligned(*include_bytes!("../../../models/all-MiniLM-L6-v2.pack"));

/// The pack of all-MiniLM-L6-v2.
pub(crate) static PACK: &[u8] = &ALIGNED.0;
