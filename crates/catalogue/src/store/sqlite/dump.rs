//! Everything out of the file, and in again.

use super::books::{bind, from_row};
use super::{BOOK_COLUMNS, Changed, DatabaseFinding, PassageRow, roles};
use crate::Error;
use crate::store::dump::{DumpRow, DumpedAgreement, DumpedEmbedding, DumpedPassage, InUse, NextRow, TakeRow};
use crate::store::{ModelSpace, SpaceRoles};
use rusqlite::{Connection, Row, Transaction, params};

/// Reads a row of one of the tables.
type ReadRow = fn(&Row<'_>) -> rusqlite::Result<DumpRow>;

/// Hands over every row as of one moment; what `take` fails with comes back inside.
pub(super) fn dump(connection: &Connection, take: TakeRow<'_>) -> rusqlite::Result<Result<(), Error>> {
    // One transaction sees one state, whatever others write meanwhile.
    let transaction = connection.unchecked_transaction()?;
    let books = format!("SELECT book_rowid, {BOOK_COLUMNS} FROM books ORDER BY book_rowid");
    let passages = "SELECT passage_id, book_rowid, ordinal, context, text, text_hash FROM passages \
                    WHERE book_rowid IN (SELECT book_rowid FROM books) ORDER BY book_rowid, ordinal";
    let embeddings = "SELECT passage_id, space, precision, text_hash, vector FROM embeddings \
                      WHERE passage_id IN (SELECT passage_id FROM passages \
                                           WHERE book_rowid IN (SELECT book_rowid FROM books)) \
                      ORDER BY passage_id, space";
    let agreements = "SELECT space, precision, measured FROM agreements ORDER BY space, precision";
    let tables: [(&str, ReadRow); 5] =
        [(&books, book), (passages, passage), (embeddings, embedding), (roles::SELECT, role), (agreements, agreement)];
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

fn role(row: &Row<'_>) -> rusqlite::Result<DumpRow> {
    Ok(DumpRow::Role(row.get(0)?, ModelSpace { space: row.get(1)?, model: row.get(2)? }))
}

fn agreement(row: &Row<'_>) -> rusqlite::Result<DumpRow> {
    let (space, precision, measured) = (row.get(0)?, row.get(1)?, row.get(2)?);
    Ok(DumpRow::Agreement(DumpedAgreement { space, precision, measured }))
}

/// Puts rows in instead of all that was there.
pub(super) fn restore(transaction: &Transaction<'_>, next: NextRow<'_>) -> rusqlite::Result<Result<(), Error>> {
    let highest = |sql: &str| transaction.query_row(sql, [], |row| row.get::<_, i64>(0));
    let in_use = InUse {
        book: highest("SELECT ifnull(max(book_rowid), 0) FROM books")?,
        passage: highest("SELECT ifnull(max(passage_id), 0) FROM passages")?,
    };
    transaction.execute("DELETE FROM books", [])?;
    transaction.execute("DELETE FROM agreements", [])?;
    let mut put_book = transaction.prepare(&format!(
        "INSERT INTO books ({BOOK_COLUMNS}, book_rowid) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)"
    ))?;
    let mut put_passage = transaction.prepare(
        "INSERT INTO passages (passage_id, book_rowid, ordinal, context, text, text_hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    let mut put_embedding = transaction.prepare(
        "INSERT INTO embeddings (passage_id, space, precision, text_hash, vector) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    let mut roles = SpaceRoles::default();
    loop {
        let row = match next().and_then(|row| row.map(|row| in_use.behind(row)).transpose()) {
            Err(error) => return Ok(Err(error)),
            Ok(None) => break,
            Ok(Some(row)) => row,
        };
        match row {
            DumpRow::Book(rowid, book) => {
                bind(&book, |values| put_book.execute(&[values, &[&rowid]].concat()[..]))?;
            }
            DumpRow::Passage(DumpedPassage { id, book_rowid, passage }) => {
                let PassageRow { ordinal, context, text, text_hash } = passage;
                put_passage.execute(params![id, book_rowid, ordinal, context, text, text_hash])?;
            }
            DumpRow::Embedding(DumpedEmbedding { passage_id, space, precision, text_hash, vector }) => {
                put_embedding.execute(params![passage_id, space, precision, text_hash, vector])?;
            }
            DumpRow::Role(role, space) => roles.set(&role, space),
            DumpRow::Agreement(DumpedAgreement { space, precision, measured }) => {
                let sql = "INSERT INTO agreements (space, precision, measured) VALUES (?1, ?2, ?3)";
                transaction.execute(sql, params![space, precision, measured])?;
            }
        }
    }
    roles::write(transaction, &roles).map(Ok)
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
