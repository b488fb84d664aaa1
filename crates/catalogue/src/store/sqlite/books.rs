//! Books and the passages cut from them.

use super::{Catalogue, Changed, WriteOutcome};
use crate::{Book, Error, Passage, PassageCutter, cut_passages};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

/// The columns of a book, in the order of [`Columns`].
const COLUMNS: &str =
    "id, title, subtitle, authors, isbns, publisher, year, language, subjects, audience, description, extra";

impl Catalogue {
    /// Adds or updates books by id, cut into passages, in one transaction.
    ///
    /// A passage whose text did not change keeps its embedding.
    ///
    /// # Errors
    /// [`Error::OpenedReadOnly`], [`Error::Locked`], [`Error::DiskFull`], [`Error::ReadOnly`], [`Error::Corrupt`]:
    /// then none of `books` is written.
    pub fn put_books(&self, books: &[Book], cutter: &dyn PassageCutter) -> Result<WriteOutcome, Error> {
        // Before the transaction, which should hold other writers up for as short as possible.
        let passages: Vec<Vec<Passage>> = books.iter().map(|book| cut_passages(book, cutter)).collect();
        self.write("writing books", |transaction| {
            let mut outcome = WriteOutcome::default();
            let mut changed = false;
            for (book, passages) in books.iter().zip(&passages) {
                let (rowid, written) = put_book(transaction, book)?;
                match written {
                    Written::Added => outcome.added += 1,
                    Written::Updated => outcome.updated += 1,
                    Written::Unchanged => outcome.unchanged += 1,
                }
                // The passages of an unchanged book change too, if the model does.
                changed |= put_passages(transaction, rowid, passages)? | (written != Written::Unchanged);
            }
            Ok((outcome, Changed::from(changed)))
        })
    }

    /// Deletes books, with their passages and embeddings, in one transaction; returns how many were there.
    ///
    /// # Errors
    /// As [`Catalogue::put_books`]; then none is deleted.
    pub fn delete_books(&self, ids: &[&str]) -> Result<u64, Error> {
        self.write("deleting books", |transaction| {
            let mut deleted = 0;
            let mut delete = transaction.prepare_cached("DELETE FROM books WHERE id = ?1")?;
            for id in ids {
                deleted += delete.execute([id])? as u64;
            }
            Ok((deleted, Changed::from(deleted > 0)))
        })
    }

    /// The book with this id.
    ///
    /// # Errors
    /// As [`Catalogue::revision`].
    pub fn book(&self, id: &str) -> Result<Option<Book>, Error> {
        self.read("reading a book", |connection| {
            let sql = format!("SELECT {COLUMNS} FROM books WHERE id = ?1");
            connection.prepare_cached(&sql)?.query_row([id], |row| Columns::from_row(row, 0)?.into_book()).optional()
        })
    }

    /// Books by row id, in the order asked; a book deleted meanwhile is `None`.
    ///
    /// # Errors
    /// As [`Catalogue::revision`].
    pub fn books_by_rowid(&self, rowids: &[i64]) -> Result<Vec<Option<Book>>, Error> {
        self.read("reading books", |connection| {
            let sql = format!("SELECT {COLUMNS} FROM books WHERE book_rowid = ?1");
            let mut select = connection.prepare_cached(&sql)?;
            let mut book =
                |rowid: &i64| select.query_row([rowid], |row| Columns::from_row(row, 0)?.into_book()).optional();
            rowids.iter().map(&mut book).collect()
        })
    }

    /// The shown text of a passage: its piece of the description or, if the book has none, what was embedded instead.
    ///
    /// # Errors
    /// As [`Catalogue::revision`].
    pub fn passage_text(&self, book_rowid: i64, ordinal: u32) -> Result<Option<String>, Error> {
        self.read("reading a passage", |connection| {
            connection
                .prepare_cached(
                    "SELECT iif(text = '', context, text) FROM passages WHERE book_rowid = ?1 AND ordinal = ?2",
                )?
                .query_row(params![book_rowid, ordinal], |row| row.get(0))
                .optional()
        })
    }

    /// Calls `visit` with the row id and record of every book, in order of row ids.
    ///
    /// # Errors
    /// As [`Catalogue::revision`], and those of [`Catalogue::open`].
    pub fn each_book(&self, visit: &mut dyn FnMut(i64, Book)) -> Result<(), Error> {
        self.walk("reading books", |connection| {
            let mut select =
                connection.prepare(&format!("SELECT book_rowid, {COLUMNS} FROM books ORDER BY book_rowid"))?;
            let mut rows = select.query([])?;
            while let Some(row) = rows.next()? {
                visit(row.get(0)?, Columns::from_row(row, 1)?.into_book()?);
            }
            Ok(())
        })
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Written {
    Added,
    Updated,
    Unchanged,
}

/// Adds the book, or updates the one with its id; returns its row id.
fn put_book(transaction: &Transaction<'_>, book: &Book) -> rusqlite::Result<(i64, Written)> {
    let columns = Columns::from_book(book)?;
    match stored(transaction, &book.id)? {
        Some((rowid, old)) if old == columns => Ok((rowid, Written::Unchanged)),
        Some((rowid, _)) => {
            let sql = "UPDATE books SET id = ?1, title = ?2, subtitle = ?3, authors = ?4, isbns = ?5, publisher = ?6, \
                       year = ?7, language = ?8, subjects = ?9, audience = ?10, description = ?11, extra = ?12 \
                       WHERE book_rowid = ?13";
            columns.bind(|values| transaction.prepare_cached(sql)?.execute(&[values, &[&rowid]].concat()[..]))?;
            Ok((rowid, Written::Updated))
        }
        None => {
            let sql =
                format!("INSERT INTO books ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)");
            columns.bind(|values| transaction.prepare_cached(&sql)?.execute(values))?;
            Ok((transaction.last_insert_rowid(), Written::Added))
        }
    }
}

fn stored(connection: &Connection, id: &str) -> rusqlite::Result<Option<(i64, Columns)>> {
    let sql = format!("SELECT book_rowid, {COLUMNS} FROM books WHERE id = ?1");
    connection.prepare_cached(&sql)?.query_row([id], |row| Ok((row.get(0)?, Columns::from_row(row, 1)?))).optional()
}

/// Makes the book's passages these; one that did not change is not touched. Returns whether one did.
fn put_passages(transaction: &Transaction<'_>, book_rowid: i64, passages: &[Passage]) -> rusqlite::Result<bool> {
    let mut put = transaction.prepare_cached(
        "INSERT INTO passages (book_rowid, ordinal, context, text, text_hash) VALUES (?1, ?2, ?3, ?4, ?5) \
         ON CONFLICT (book_rowid, ordinal) DO UPDATE \
         SET context = excluded.context, text = excluded.text, text_hash = excluded.text_hash \
         WHERE text_hash <> excluded.text_hash OR text <> excluded.text",
    )?;
    let mut changed = 0;
    for passage in passages {
        let context = passage.embedding_text.strip_suffix(&passage.text).unwrap_or(&passage.embedding_text);
        let hash = text_hash(&passage.embedding_text);
        changed += put.execute(params![book_rowid, passage.ordinal, context, passage.text, hash])?;
    }
    changed += transaction
        .prepare_cached("DELETE FROM passages WHERE book_rowid = ?1 AND ordinal >= ?2")?
        .execute(params![book_rowid, passages.len() as i64])?;
    Ok(changed > 0)
}

/// What tells whether an embedding was made from this text: the first half of its SHA-256.
fn text_hash(embedding_text: &str) -> [u8; 16] {
    let digest = Sha256::digest(embedding_text.as_bytes());
    std::array::from_fn(|at| digest[at])
}

/// A book as the table holds it.
#[derive(PartialEq)]
struct Columns {
    id: String,
    title: String,
    subtitle: Option<String>,
    authors: String,
    isbns: String,
    publisher: Option<String>,
    year: Option<i32>,
    language: Option<String>,
    subjects: String,
    audience: Option<String>,
    description: Option<String>,
    extra: String,
}

impl Columns {
    fn from_book(book: &Book) -> rusqlite::Result<Self> {
        Ok(Self {
            id: book.id.clone(),
            title: book.title.clone(),
            subtitle: book.subtitle.clone(),
            authors: to_json(&book.authors)?,
            isbns: to_json(&book.isbns)?,
            publisher: book.publisher.clone(),
            year: book.year,
            language: book.language.clone(),
            subjects: to_json(&book.subjects)?,
            audience: book.audience.clone(),
            description: book.description.clone(),
            extra: to_json(&book.extra)?,
        })
    }

    fn from_row(row: &Row<'_>, first: usize) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(first)?,
            title: row.get(first + 1)?,
            subtitle: row.get(first + 2)?,
            authors: row.get(first + 3)?,
            isbns: row.get(first + 4)?,
            publisher: row.get(first + 5)?,
            year: row.get(first + 6)?,
            language: row.get(first + 7)?,
            subjects: row.get(first + 8)?,
            audience: row.get(first + 9)?,
            description: row.get(first + 10)?,
            extra: row.get(first + 11)?,
        })
    }

    fn into_book(self) -> rusqlite::Result<Book> {
        Ok(Book {
            authors: from_json(&self.authors)?,
            isbns: from_json(&self.isbns)?,
            subjects: from_json(&self.subjects)?,
            extra: from_json(&self.extra)?,
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

    /// Calls `execute` with the values in the order of [`COLUMNS`].
    fn bind(
        &self,
        execute: impl FnOnce(&[&dyn rusqlite::ToSql]) -> rusqlite::Result<usize>,
    ) -> rusqlite::Result<usize> {
        execute(&[
            &self.id,
            &self.title,
            &self.subtitle,
            &self.authors,
            &self.isbns,
            &self.publisher,
            &self.year,
            &self.language,
            &self.subjects,
            &self.audience,
            &self.description,
            &self.extra,
        ])
    }
}

fn to_json<T: Serialize>(value: &T) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|source| rusqlite::Error::ToSqlConversionFailure(source.into()))
}

fn from_json<T: DeserializeOwned>(json: &str) -> rusqlite::Result<T> {
    serde_json::from_str(json)
        .map_err(|source| rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, source.into()))
}
