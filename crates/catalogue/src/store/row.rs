//! A book and its passages as every store keeps them.
//!
//! Lists and the extra fields of a book are JSON. What is embedded of a passage is its `context` followed by its
//! `text`; the two are kept apart, for the whole would hold every description once more.

use crate::passage::has_whole_context;
use crate::{Book, Passage, PassageCutter, cut_passages};
use sha2::{Digest, Sha256};

/// A book to write, cut into passages.
pub(crate) struct CutBook {
    pub book: BookRow,
    pub passages: Vec<PassageRow>,
    /// Whether subjects or authors were left out of the passages, as there is no room for so many.
    pub is_shortened: bool,
}

impl CutBook {
    /// Cuts the book and writes its lists as JSON.
    pub fn new(book: &Book, cutter: &dyn PassageCutter) -> serde_json::Result<Self> {
        let passages = cut_passages(book, cutter);
        let is_shortened = passages.first().is_some_and(|first| !has_whole_context(book, first));
        let passages = passages.into_iter().map(PassageRow::new).collect();
        Ok(Self { book: BookRow::from_book(book)?, passages, is_shortened })
    }
}

/// A passage as the table holds it.
pub(crate) struct PassageRow {
    pub ordinal: u32,
    pub context: String,
    pub text: String,
    pub text_hash: [u8; 16],
}

impl PassageRow {
    fn new(passage: Passage) -> Self {
        let Passage { ordinal, text, embedding_text } = passage;
        let text_hash = text_hash(&embedding_text);
        let context = embedding_text.strip_suffix(&text).map(str::to_owned).unwrap_or(embedding_text);
        Self { ordinal, context, text, text_hash }
    }
}

/// What tells whether an embedding was made from this text: the first half of its SHA-256.
pub(crate) fn text_hash(embedding_text: &str) -> [u8; 16] {
    let digest = Sha256::digest(embedding_text.as_bytes());
    std::array::from_fn(|at| digest[at])
}

/// The columns of a book, in the order of [`BookRow`].
pub(super) const BOOK_COLUMNS: &str =
    "id, title, subtitle, authors, isbns, publisher, year, language, subjects, audience, description, extra";

/// A book as the table holds it.
#[derive(Clone, PartialEq)]
pub(crate) struct BookRow {
    pub id: String,
    pub title: String,
    pub subtitle: Option<String>,
    pub authors: String,
    pub isbns: String,
    pub publisher: Option<String>,
    pub year: Option<i32>,
    pub language: Option<String>,
    pub subjects: String,
    pub audience: Option<String>,
    pub description: Option<String>,
    pub extra: String,
}

impl BookRow {
    pub fn from_book(book: &Book) -> serde_json::Result<Self> {
        Ok(Self {
            id: book.id.clone(),
            title: book.title.clone(),
            subtitle: book.subtitle.clone(),
            authors: serde_json::to_string(&book.authors)?,
            isbns: serde_json::to_string(&book.isbns)?,
            publisher: book.publisher.clone(),
            year: book.year,
            language: book.language.clone(),
            subjects: serde_json::to_string(&book.subjects)?,
            audience: book.audience.clone(),
            description: book.description.clone(),
            extra: serde_json::to_string(&book.extra)?,
        })
    }

    pub fn into_book(self) -> serde_json::Result<Book> {
        Ok(Book {
            authors: serde_json::from_str(&self.authors)?,
            isbns: serde_json::from_str(&self.isbns)?,
            subjects: serde_json::from_str(&self.subjects)?,
            extra: serde_json::from_str(&self.extra)?,
            id: self.id,
            title: self.title,
            subtitle: self.subtitle,
            publisher: self.publisher,
            year: self.year,
            language: self.language,
            audience: self.audience,
            description: self.description,
        })
    }
}

/// What a write made of a book.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    Added,
    Updated,
    Unchanged,
}
