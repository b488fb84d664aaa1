//! Which books changed at which revision: see `store/changes.rs`. Marks stand among the books.

use super::CatalogueState;
use rusqlite::{Connection, OptionalExtension, Transaction, params};

/// Of so many revisions it is known what they changed.
const KEPT: i64 = 1_000;

/// Ends a transaction that changed something.
pub(super) fn raise_revision(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    let raise = "UPDATE meta SET value = value + 1 WHERE key = 'revision' RETURNING value";
    let revision: i64 = transaction.prepare_cached(raise)?.query_row([], |row| row.get(0))?;
    transaction.prepare_cached("INSERT INTO changed_books VALUES (?1, -1 - abs(random() / 2))")?.execute([revision])?;
    transaction.prepare_cached("DELETE FROM changed_books WHERE revision < ?1")?.execute([revision - KEPT])?;
    Ok(())
}

pub(super) fn state(connection: &Connection) -> rusqlite::Result<CatalogueState> {
    let transaction = connection.unchecked_transaction()?;
    let revision =
        transaction.prepare_cached("SELECT value FROM meta WHERE key = 'revision'")?.query_row([], |row| row.get(0))?;
    let mark = transaction
        .prepare_cached(
            "SELECT revision, book_rowid FROM changed_books WHERE revision <= ?1 AND book_rowid < 0 \
             ORDER BY revision DESC LIMIT 1",
        )?
        .query_row([revision], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok(CatalogueState { revision, mark: mark.unwrap_or_default() })
}

pub(super) fn since(
    connection: &Connection,
    state: &CatalogueState,
    most: usize,
) -> rusqlite::Result<Option<Vec<i64>>> {
    let transaction = connection.unchecked_transaction()?;
    let CatalogueState { revision, mark } = state;
    let is_known = transaction
        .prepare_cached("SELECT 1 FROM changed_books WHERE revision = ?1 AND book_rowid = ?2 AND book_rowid < 0")?
        .exists(params![mark.0, mark.1])?;
    if !is_known {
        return Ok(None);
    }
    let limit = i64::try_from(most).unwrap_or(i64::MAX).saturating_add(1);
    let mut select = transaction.prepare_cached(
        "SELECT DISTINCT book_rowid FROM changed_books WHERE revision > ?1 AND book_rowid > 0 \
         ORDER BY book_rowid LIMIT ?2",
    )?;
    let changed = select.query_map([*revision, limit], |row| row.get(0))?.collect::<rusqlite::Result<Vec<_>>>()?;
    Ok((changed.len() <= most).then_some(changed))
}
