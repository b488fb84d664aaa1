//! Plain values read in place.

#[cfg(target_endian = "big")]
compile_error!("packs are read in place, and their numbers are little-endian");

use crate::Bytes;
use std::marker::PhantomData;
use std::ops::Deref;

/// A slice of values inside shared bytes.
#[derive(Clone)]
pub(crate) struct Tensor<T> {
    bytes: Bytes,
    values: PhantomData<T>,
}

impl<T: bytemuck::Pod> Tensor<T> {
    /// Reads `bytes` as values; `None` if their start or length does not fit the type.
    pub(crate) fn new(bytes: Bytes) -> Option<Self> {
        bytes.as_slice_of::<T>()?;
        Some(Self { bytes, values: PhantomData })
    }

    /// Copies values into bytes of their own.
    pub(crate) fn from_values(values: &[T]) -> Self {
        Self { bytes: Bytes::copy_from(bytemuck::cast_slice(values)), values: PhantomData }
    }
}

impl<T: bytemuck::Pod> Deref for Tensor<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        bytemuck::cast_slice(&self.bytes)
    }
}
