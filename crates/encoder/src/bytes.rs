//! Bytes that a model is read from, in place: borrowed from the executable, or owned and aligned.
//!
//! Tensors are read as `i8`, `f32` and `u32` slices straight out of the pack, so the first byte must
//! be aligned for all of them (and for whole cache lines, which the kernels like).

use std::io;
use std::ops::{Deref, Range};
use std::sync::Arc;

/// The alignment of a pack and of every tensor in it, in bytes.
pub const ALIGNMENT: usize = 64;

/// One cache line; a vector of these is an aligned buffer in safe code.
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(64))]
struct Line([u8; ALIGNMENT]);

/// A buffer whose first byte is aligned to [`ALIGNMENT`].
struct Buffer {
    lines: Vec<Line>,
    len: usize,
}

impl Buffer {
    fn zeroed(len: usize) -> Self {
        Self { lines: vec![bytemuck::Zeroable::zeroed(); len.div_ceil(ALIGNMENT)], len }
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut bytemuck::cast_slice_mut(&mut self.lines)[..self.len]
    }
}

impl From<Buffer> for Bytes {
    fn from(buffer: Buffer) -> Self {
        Self { range: 0..buffer.len, source: Source::Owned(Arc::new(buffer)) }
    }
}

/// Immutable bytes, cheap to clone and to slice; the start of the whole is aligned to [`ALIGNMENT`].
#[derive(Clone)]
pub struct Bytes {
    source: Source,
    range: Range<usize>,
}

#[derive(Clone)]
enum Source {
    Static(&'static [u8]),
    Owned(Arc<Buffer>),
}

impl Bytes {
    /// Borrows bytes that live as long as the program.
    ///
    /// # Panics
    /// If the first byte is not aligned to [`ALIGNMENT`]: a mistake in how they were embedded.
    pub fn from_static(bytes: &'static [u8]) -> Self {
        assert_eq!(bytes.as_ptr().align_offset(ALIGNMENT), 0, "embedded bytes are not aligned");
        Self { range: 0..bytes.len(), source: Source::Static(bytes) }
    }

    /// Copies `bytes` into an aligned buffer.
    pub fn copy_from(bytes: &[u8]) -> Self {
        let mut buffer = Buffer::zeroed(bytes.len());
        buffer.bytes_mut().copy_from_slice(bytes);
        buffer.into()
    }

    /// Reads `len` bytes into an aligned buffer.
    ///
    /// # Errors
    /// If the reader fails, or ends before.
    pub fn read_from(reader: &mut impl io::Read, len: usize) -> io::Result<Self> {
        let mut buffer = Buffer::zeroed(len);
        reader.read_exact(buffer.bytes_mut())?;
        Ok(buffer.into())
    }

    /// The bytes `range` of these, sharing the same memory.
    ///
    /// Returns `None` when the range does not lie inside.
    pub fn slice(&self, range: Range<usize>) -> Option<Self> {
        if range.start > range.end || range.end > self.range.len() {
            return None;
        }
        let start = self.range.start;
        Some(Self { source: self.source.clone(), range: start + range.start..start + range.end })
    }

    /// These bytes as a slice of plain values.
    ///
    /// Returns `None` when start or length do not fit the type.
    pub fn as_slice_of<T: bytemuck::Pod>(&self) -> Option<&[T]> {
        bytemuck::try_cast_slice(self).ok()
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        let all = match &self.source {
            Source::Static(bytes) => bytes,
            Source::Owned(buffer) => &bytemuck::cast_slice(&buffer.lines)[..buffer.len],
        };
        &all[self.range.clone()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_share_and_stay_aligned() {
        let bytes = Bytes::copy_from(&(0..200).map(|i| i as u8).collect::<Vec<_>>());
        assert_eq!(bytes.as_ptr().align_offset(ALIGNMENT), 0);
        let part = bytes.slice(64..72).expect("inside");
        assert_eq!(&*part, &[64, 65, 66, 67, 68, 69, 70, 71]);
        assert_eq!(part.as_slice_of::<u32>().expect("aligned").len(), 2);
        assert!(bytes.slice(65..69).expect("inside").as_slice_of::<u32>().is_none(), "misaligned");
        assert!(bytes.slice(0..201).is_none() && part.slice(0..9).is_none(), "outside");
    }
}
