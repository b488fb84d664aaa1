//! The vectors themselves, row after row, in memory or in a file.

use super::file::RowFile;
use crate::Error;
use std::ops::Range;

/// Rows of `dim` floats.
#[derive(Clone, Debug)]
pub(super) enum Rows {
    /// All of them, end to end.
    Memory(Vec<f32>),
    /// In an index file, which does not change.
    File(RowFile),
}

impl Rows {
    /// Puts the rows of a range, end to end, in place of what is in `out`.
    pub fn read(&self, dim: usize, range: Range<usize>, out: &mut Vec<f32>) -> Result<(), Error> {
        match self {
            Self::Memory(rows) => {
                out.clear();
                out.extend_from_slice(&rows[range.start * dim..range.end * dim]);
                Ok(())
            }
            Self::File(file) => file.read(dim, range, out),
        }
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Memory(rows) => rows.capacity() * size_of::<f32>(),
            Self::File(_) => 0,
        }
    }
}
