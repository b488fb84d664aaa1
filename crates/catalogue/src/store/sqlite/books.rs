//! Books and the passages cut from them.

use super::{BOOK_COLUMNS, BookRow, Changed, CutBook, PassageRow, WriteOutcome, Written};
use crate::Book;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use std::ops::ControlFlow;

pub(super) fn put(transaction: &Transaction<'_>, books: &[CutBook]) -> rusqlite::Result<(WriteOutcome, Changed)> {
    let mut outcome = WriteOutcome::default();
    let mut changed = false;
    for CutBook { book, passages, .. } in books {
        let (rowid, written) = put_book(transaction, book)?;
        outcome.count(written);
        // The passages of an unchanged book change too, if the model does.
        changed |= put_passages(transaction, rowid, passages)? | (written != Written::Unchanged);
    }
    Ok((outcome, Changed::from(changed)))
}

pub(super) fn delete(transaction: &Transaction<'_>, ids: &[&str]) -> rusqlite::Result<(u64, Changed)> {
    let mut deleted = 0;
    let mut delete = transaction.prepare_cached("DELETE FROM books WHERE id = ?1")?;
    for id in ids {
        deleted += delete.execute([id])? as u64;
    }
    Ok((deleted, Changed::from(deleted > 0)))
}

pub(super) fn by_id(connection: &Connection, id: &str) -> rusqlite::Result<Option<Book>> {
    let sql = format!("SELECT {BOOK_COLUMNS} FROM books WHERE id = ?1");
    connection.prepare_cached(&sql)?.query_row([id], |row| into_book(from_row(row, 0)?)).optional()
}

pub(super) fn rowid_of(connection: &Connection, id: &str) -> rusqlite::Result<Option<i64>> {
    let sql = "SELECT book_rowid FROM books WHERE id = ?1";
    connection.prepare_cached(sql)?.query_row([id], |row| row.get(0)).optional()
}

pub(super) fn by_rowid(connection: &Connection, rowids: &[i64]) -> rusqlite::Result<Vec<Option<Book>>> {
    let sql = format!("SELECT {BOOK_COLUMNS} FROM books WHERE book_rowid = ?1");
    let mut select = connection.prepare_cached(&sql)?;
    let mut book = |rowid: &i64| select.query_row([rowid], |row| into_book(from_row(row, 0)?)).optional();
    rowids.iter().map(&mut book).collect()
}

pub(super) fn passage_text(connection: &Connection, book_rowid: i64, ordinal: u32) -> rusqlite::Result<Option<String>> {
    connection
        .prepare_cached("SELECT iif(text = '', context, text) FROM passages WHERE book_rowid = ?1 AND ordinal = ?2")?
        .query_row(params![book_rowid, ordinal], |row| row.get(0))
        .optional()
}

pub(super) fn each(
    connection: &Connection,
    visit: &mut dyn FnMut(i64, Book) -> ControlFlow<()>,
) -> rusqlite::Result<()> {
    let mut select =
        connection.prepare(&format!("SELECT book_rowid, {BOOK_COLUMNS} FROM books ORDER BY book_rowid"))?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        if visit(row.get(0)?, into_book(from_row(row, 1)?)?).is_break() {
            break;
        }
    }
    Ok(())
}

pub(super) fn count(connection: &Connection) -> rusqlite::Result<u64> {
    let count = connection.prepare_cached("SELECT count(*) FROM books")?.query_row([], |row| row.get::<_, i64>(0));
    count.map(i64::cast_unsigned)
}

/// A part of the ids, by the index of ids, which is sorted anew: records lie wide apart, and it holds no more of them.
pub(super) fn ids(connection: &Connection, skipped: usize, most: usize) -> rusqlite::Result<Vec<String>> {
    let bounded = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    let mut select = connection.prepare("SELECT id FROM books ORDER BY +book_rowid LIMIT ?1 OFFSET ?2")?;
    select.query_map([bounded(most), bounded(skipped)], |row| row.get(0))?.collect()
}

/// The row ids of all books, by the smallest index that holds them.
pub(super) fn rowids(connection: &Connection) -> rusqlite::Result<Vec<i64>> {
    let mut select = connection.prepare("SELECT book_rowid FROM books ORDER BY +book_rowid")?;
    select.query_map([], |row| row.get(0))?.collect()
}

/// Adds the book, or updates the one with its id; returns its row id.
fn put_book(transaction: &Transaction<'_>, book: &BookRow) -> rusqlite::Result<(i64, Written)> {
    match stored(transaction, &book.id)? {
        Some((rowid, old)) if old == *book => Ok((rowid, Written::Unchanged)),
        Some((rowid, _)) => {
            let sql = "UPDATE books SET id = ?1, title = ?2, subtitle = ?3, authors = ?4, isbns = ?5, publisher = ?6, \
                       year = ?7, language = ?8, subjects = ?9, audience = ?10, description = ?11, extra = ?12 \
                       WHERE book_rowid = ?13";
            bind(book, |values| transaction.prepare_cached(sql)?.execute(&[values, &[&rowid]].concat()[..]))?;
            Ok((rowid, Written::Updated))
        }
        None => {
            let sql = format!(
                "INSERT INTO books ({BOOK_COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)"
            );
            bind(book, |values| transaction.prepare_cached(&sql)?.execute(values))?;
            Ok((transaction.last_insert_rowid(), Written::Added))
        }
    }
}

fn stored(connection: &Connection, id: &str) -> rusqlite::Result<Option<(i64, BookRow)>> {
    let sql = format!("SELECT book_rowid, {BOOK_COLUMNS} FROM books WHERE id = ?1");
    connection.prepare_cached(&sql)?.query_row([id], |row| Ok((row.get(0)?, from_row(row, 1)?))).optional()
}

/// Makes the book's passages these; one that did not change is not touched. Returns whether one did.
fn put_passages(transaction: &Transaction<'_>, book_rowid: i64, passages: &[PassageRow]) -> rusqlite::Result<bool> {
    let mut put = transaction.prepare_cached(
        "INSERT INTO passages (book_rowid, ordinal, context, text, text_hash) VALUES (?1, ?2, ?3, ?4, ?5) \
         ON CONFLICT (book_rowid, ordinal) DO UPDATE \
         SET context = excluded.context, text = excluded.text, text_hash = excluded.text_hash \
         WHERE text_hash <> excluded.text_hash OR text <> excluded.text OR context <> excluded.context",
    )?;
    let mut changed = 0;
    for passage in passages {
        let PassageRow { ordinal, context, text, text_hash } = passage;
        changed += put.execute(params![book_rowid, ordinal, context, text, text_hash])?;
    }
    changed += transaction
        .prepare_cached("DELETE FROM passages WHERE book_rowid = ?1 AND ordinal >= ?2")?
        .execute(params![book_rowid, passages.len() as i64])?;
    Ok(changed > 0)
}

pub(super) fn from_row(row: &Row<'_>, first: usize) -> rusqlite::Result<BookRow> {
    Ok(BookRow {
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

fn into_book(row: BookRow) -> rusqlite::Result<Book> {
    row.into_book()
        .map_err(|source| rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, source.into()))
}

/// Calls `execute` with the values in the order of [`BOOK_COLUMNS`].
pub(super) fn bind(
    book: &BookRow,
    execute: impl FnOnce(&[&dyn rusqlite::ToSql]) -> rusqlite::Result<usize>,
) -> rusqlite::Result<usize> {
    execute(&[
        &book.id,
        &book.title,
        &book.subtitle,
        &book.authors,
        &book.isbns,
        &book.publisher,
        &book.year,
        &book.language,
        &book.subjects,
        &book.audience,
        &book.description,
        &book.extra,
    ])
}
