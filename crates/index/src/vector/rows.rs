//! The vectors themselves, row after row, in memory or in a file.

use super::file::RowFile;
use crate::Error;
use libellus_kernels::{Isa, dot_f32, dot_rows};
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

    /// The dot products of a vector with some rows.
    pub fn products(&self, vector: &[f32], which: &[u32]) -> Result<Vec<f32>, Error> {
        match self {
            Self::Memory(rows) => {
                let mut products = vec![0.0; which.len()];
                dot_rows(Isa::best(), vector, rows, which, &mut products);
                Ok(products)
            }
            Self::File(file) => {
                let mut row = Vec::new();
                let product = |&at: &u32| {
                    file.read(vector.len(), at as usize..at as usize + 1, &mut row)?;
                    Ok(dot_f32(Isa::best(), vector, &row))
                };
                which.iter().map(product).collect()
            }
        }
    }

    /// The dot product of a vector with each row of a range.
    pub fn each_product(
        &self,
        vector: &[f32],
        range: Range<usize>,
        mut visit: impl FnMut(usize, f32),
    ) -> Result<(), Error> {
        let dim = vector.len();
        let mut read = Vec::new();
        let rows = match self {
            Self::Memory(rows) => &rows[range.start * dim..range.end * dim],
            Self::File(file) => {
                file.read(dim, range.clone(), &mut read)?;
                &read
            }
        };
        range.zip(rows.chunks_exact(dim)).for_each(|(row, other)| visit(row, dot_f32(Isa::best(), vector, other)));
        Ok(())
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Memory(rows) => rows.capacity() * size_of::<f32>(),
            Self::File(_) => 0,
        }
    }
}
