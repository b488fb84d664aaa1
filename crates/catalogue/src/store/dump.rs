//! Everything that a store holds, row by row: what snapshots are made of, and what a check looks at.
//!
//! Books come first, then passages, then embeddings, each in the order of its number, so that what a row belongs to is
//! there before it; then what is known of the spaces that embeddings lie in. Which passages a worker has in hand is
//! nobody's business elsewhere, and is left out, as are rows that belong to nothing: no store would take them.

use super::role::ModelSpace;
use super::row::{BookRow, PassageRow};
use crate::Error;

/// A row of one of the tables.
pub(crate) enum DumpRow {
    /// A book and its number.
    Book(i64, BookRow),
    /// A passage.
    Passage(DumpedPassage),
    /// An embedding, whatever it is worth.
    Embedding(DumpedEmbedding),
    /// What a space is for, by the name of the role.
    Role(String, ModelSpace),
    /// What was measured of embeddings that another program made.
    Agreement(DumpedAgreement),
}

/// A passage with the numbers that the store knows it by.
pub(crate) struct DumpedPassage {
    pub id: i64,
    pub book_rowid: i64,
    pub passage: PassageRow,
}

/// An embedding as the store holds it.
pub(crate) struct DumpedEmbedding {
    pub passage_id: i64,
    pub space: String,
    pub precision: String,
    pub text_hash: [u8; 16],
    /// Little-endian floats, if nothing damaged them.
    pub vector: Vec<u8>,
}

/// What was measured of the embeddings of one space and precision.
pub(crate) struct DumpedAgreement {
    pub space: String,
    pub precision: String,
    /// An [`crate::adopt::Agreement`] in JSON, as it was written.
    pub measured: String,
}

/// The highest numbers that were in use where rows are put in.
#[derive(Clone, Copy)]
pub(super) struct InUse {
    pub book: i64,
    pub passage: i64,
}

impl InUse {
    /// The row with numbers behind those: none is used again while someone may still know it.
    pub fn behind(self, row: DumpRow) -> Result<DumpRow, Error> {
        let moved = match row {
            DumpRow::Book(rowid, book) => DumpRow::Book(add(rowid, self.book)?, book),
            DumpRow::Passage(DumpedPassage { id, book_rowid, passage }) => {
                let (id, book_rowid) = (add(id, self.passage)?, add(book_rowid, self.book)?);
                DumpRow::Passage(DumpedPassage { id, book_rowid, passage })
            }
            DumpRow::Embedding(embedding) => {
                let passage_id = add(embedding.passage_id, self.passage)?;
                DumpRow::Embedding(DumpedEmbedding { passage_id, ..embedding })
            }
            row @ (DumpRow::Role(..) | DumpRow::Agreement(_)) => row,
        };
        Ok(moved)
    }
}

fn add(number: i64, offset: i64) -> Result<i64, Error> {
    number.checked_add(offset).ok_or_else(|| unusable(format!("{number} is too high for the number of a row")))
}

/// A row that cannot be put in; [`crate::restore_snapshot`] adds the name of the file.
pub(super) fn unusable(reason: String) -> Error {
    Error::Snapshot { name: String::new(), reason }
}

/// Hands over rows, one at a time, until there are no more.
pub(crate) type NextRow<'a> = &'a mut dyn FnMut() -> Result<Option<DumpRow>, Error>;

/// Takes rows, one at a time; the first error ends it.
pub(crate) type TakeRow<'a> = &'a mut dyn FnMut(DumpRow) -> Result<(), Error>;
