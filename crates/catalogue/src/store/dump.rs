//! Everything that a store holds, row by row: what snapshots are made of, and what a check looks at.
//!
//! Books come first, then passages, then embeddings, each in the order of its number, so that what a row belongs to is
//! there before it. Which passages a worker has in hand is nobody's business elsewhere, and is left out.

use super::row::{BookRow, PassageRow};

/// A row of one of the tables.
pub(crate) enum DumpRow {
    /// A book and its number.
    Book(i64, BookRow),
    /// A passage.
    Passage(DumpedPassage),
    /// An embedding, whatever it is worth.
    Embedding(DumpedEmbedding),
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

/// Hands over rows, one at a time, until there are no more.
pub(crate) type NextRow<'a> = &'a mut dyn FnMut() -> Result<Option<DumpRow>, crate::Error>;

/// Takes rows, one at a time; the first error ends it.
pub(crate) type TakeRow<'a> = &'a mut dyn FnMut(DumpRow) -> Result<(), crate::Error>;
