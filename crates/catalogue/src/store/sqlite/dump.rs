//! Everything out of the file, and in again.

use super::books::{bind, from_row};
use super::{BOOK_COLUMNS, Changed, DatabaseFinding, PassageRow};
use crate::Error;
use crate::store::dump::{DumpRow, DumpedEmbedding, DumpedPassage, NextRow, TakeRow};
use rusqlite::{Connection, Row, Transaction, params};

/// Reads a row of one of the tables.
type ReadRow = fn(&Row<'_>) -> rusqlite::Result<DumpRow>;

/// Hands over every row as of one moment; what `take` fails with comes back inside.
pub(super) fn dump(connection: &Connection, take: TakeRow<'_>) -> rusqlite::Result<Result<(), Error>> {
    // One transaction sees one state, whatever others write meanwhile.
    let transaction = connection.unchecked_transaction()?;
    let books = format!("SELECT book_rowid, {BOOK_COLUMNS} FROM books ORDER BY book_rowid");
    let passages = "SELECT passage_id, book_rowid, ordinal, context, text, text_hash FROM passages \
                    ORDER BY book_rowid, ordinal";
    let embeddings = "SELECT passage_id, space, precision, text_hash, vector FROM embeddings \
                      ORDER BY passage_id, space";
    let tables: [(&str, ReadRow); 3] = [(&books, book), (passages, passage), (embeddings, embedding)];
    for (sql, read) in tables {
        let mut select = transaction.prepare(sql)?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            if let Err(error) = take(read(row)?) {
                return Ok(Err(error));
            }
        }
    }
    Ok(Ok(()))
}

fn book(row: &Row<'_>) -> rusqlite::Result<DumpRow> {
    Ok(DumpRow::Book(row.get(0)?, from_row(row, 1)?))
}

fn passage(row: &Row<'_>) -> rusqlite::Result<DumpRow> {
    let passage = PassageRow {
        ordinal: row.get(2)?,
        context: row.get(3)?,
        text: row.get(4)?,
        // One of another length is no hash of any text.
        text_hash: row.get_ref(5)?.as_blob()?.try_into().unwrap_or_default(),
    };
    Ok(DumpRow::Passage(DumpedPassage { id: row.get(0)?, book_rowid: row.get(1)?, passage }))
}

fn embedding(row: &Row<'_>) -> rusqlite::Result<DumpRow> {
    Ok(DumpRow::Embedding(DumpedEmbedding {
        passage_id: row.get(0)?,
        space: row.get(1)?,
        precision: row.get(2)?,
        text_hash: row.get_ref(3)?.as_blob()?.try_into().unwrap_or_default(),
        vector: row.get(4)?,
    }))
}

/// Puts rows in, behind what was there: numbers are not used again while someone may still know them.
pub(super) fn restore(transaction: &Transaction<'_>, next: NextRow<'_>) -> rusqlite::Result<Result<(), Error>> {
    let last = |sql: &str| transaction.query_row(sql, [], |row| row.get::<_, i64>(0));
    let book_offset = last("SELECT ifnull(max(book_rowid), 0) FROM books")?;
    let passage_offset = last("SELECT ifnull(max(passage_id), 0) FROM passages")?;
    transaction.execute("DELETE FROM books", [])?;
    let mut put_book = transaction.prepare(&format!(
        "INSERT INTO books ({BOOK_COLUMNS}, book_rowid) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)"
    ))?;
    let mut put_passage = transaction.prepare(
        "INSERT INTO passages (passage_id, book_rowid, ordinal, context, text, text_hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    let mut put_embedding = transaction.prepare(
        "INSERT INTO embeddings (passage_id, space, precision, text_hash, vector) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    loop {
        match next() {
            Err(error) => return Ok(Err(error)),
            Ok(None) => return Ok(Ok(())),
            Ok(Some(DumpRow::Book(rowid, book))) => {
                bind(&book, |values| put_book.execute(&[values, &[&(rowid + book_offset)]].concat()[..]))?;
            }
            Ok(Some(DumpRow::Passage(DumpedPassage { id, book_rowid, passage }))) => {
                let PassageRow { ordinal, context, text, text_hash } = passage;
                let numbers = (id + passage_offset, book_rowid + book_offset);
                put_passage.execute(params![numbers.0, numbers.1, ordinal, context, text, text_hash])?;
            }
            Ok(Some(DumpRow::Embedding(DumpedEmbedding { passage_id, space, precision, text_hash, vector }))) => {
                let passage_id = passage_id + passage_offset;
                put_embedding.execute(params![passage_id, space, precision, text_hash, vector])?;
            }
        }
    }
}

/// What SQLite finds wrong with the file, and rows that belong to nothing.
pub(super) fn faults(connection: &Connection) -> rusqlite::Result<Vec<DatabaseFinding>> {
    let mut found = Vec::new();
    let mut check = connection.prepare("PRAGMA integrity_check")?;
    let mut rows = check.query([])?;
    while let Some(row) = rows.next()? {
        let words: String = row.get(0)?;
        if words != "ok" {
            found.push(DatabaseFinding { is_orphan: false, words: format!("SQLite says: {words}") });
        }
    }
    let mut check = connection.prepare("PRAGMA foreign_key_check")?;
    let mut rows = check.query([])?;
    while let Some(row) = rows.next()? {
        let (table, rowid, parent): (String, Option<i64>, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let rowid = rowid.map(|rowid| format!(" number {rowid}")).unwrap_or_default();
        let words = format!("a row of `{table}`{rowid} belongs to nothing: its row of `{parent}` is gone");
        found.push(DatabaseFinding { is_orphan: true, words });
    }
    Ok(found)
}

/// Deletes rows that belong to nothing.
pub(super) fn delete_orphans(transaction: &Transaction<'_>) -> rusqlite::Result<(u64, Changed)> {
    let mut deleted = 0;
    for sql in [
        "DELETE FROM passages WHERE book_rowid NOT IN (SELECT book_rowid FROM books)",
        "DELETE FROM embeddings WHERE passage_id NOT IN (SELECT passage_id FROM passages)",
        "DELETE FROM claims WHERE passage_id NOT IN (SELECT passage_id FROM passages)",
    ] {
        deleted += transaction.execute(sql, [])? as u64;
    }
    Ok((deleted, Changed::from(deleted > 0)))
}
