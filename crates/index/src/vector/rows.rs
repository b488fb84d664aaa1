//! The vectors themselves, row after row, in memory or in a file.

use crate::Error;
use std::ops::Range;

/// Rows of `dim` floats.
#[derive(Clone, Debug)]
pub(super) enum Rows {
    /// All of them, end to end.
    Memory(Vec<f32>),
}

impl Rows {
    /// Puts the rows of a range, end to end, in place of what is in `out`.
    pub fn read(&self, dim: usize, range: Range<usize>, out: &mut Vec<f32>) -> Result<(), Error> {
        out.clear();
        match self {
            Self::Memory(rows) => out.extend_from_slice(&rows[range.start * dim..range.end * dim]),
        }
        Ok(())
    }
}
