//! The model inside the executable: the standard pack, or with the feature `lite` the small one.

/// Bytes at an address that tensors may be read from.
#[repr(C, align(64))]
struct Aligned<T: ?Sized>(T);

#[cfg(not(feature = "lite"))]
static ALIGNED: &Aligned<[u8]> = &Aligned(*include_bytes!("../../../models/all-MiniLM-L6-v2.pack"));
#[cfg(feature = "lite")]
static ALIGNED: &Aligned<[u8]> = &Aligned(*include_bytes!("../../../models/all-MiniLM-L6-v2-lite.pack"));

/// The pack of all-MiniLM-L6-v2.
pub(crate) static PACK: &[u8] = &ALIGNED.0;
