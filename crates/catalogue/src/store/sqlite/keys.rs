//! Keys of the HTTP API: `key.rs` says what they are.

use crate::key::{ApiKey, KeyHash, Scope};
use rusqlite::types::{FromSqlError, Type};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

const COLUMNS: &str = "id, name, scope, filter, created, expires";

fn from_row(row: &Row<'_>) -> rusqlite::Result<ApiKey> {
    let scope: String = row.get(2)?;
    // Another program wrote it: what it was meant to be good for is not guessed.
    let unknown = |()| rusqlite::Error::FromSqlConversionFailure(2, Type::Text, Box::new(FromSqlError::InvalidType));
    Ok(ApiKey {
        id: row.get(0)?,
        name: row.get(1)?,
        scope: scope.parse::<Scope>().map_err(unknown)?,
        filter: row.get(3)?,
        created: row.get(4)?,
        expires: row.get(5)?,
    })
}

pub(super) fn put(transaction: &Transaction<'_>, key: &ApiKey, hash: &KeyHash) -> rusqlite::Result<()> {
    let sql = format!("INSERT INTO api_keys ({COLUMNS}, hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)");
    let ApiKey { id, name, scope, filter, created, expires } = key;
    transaction.execute(&sql, params![id, name, scope.as_str(), filter, created, expires, &hash[..]]).map(drop)
}

pub(super) fn all(connection: &Connection) -> rusqlite::Result<Vec<ApiKey>> {
    let mut select = connection.prepare(&format!("SELECT {COLUMNS} FROM api_keys ORDER BY created, id"))?;
    select.query_map([], from_row)?.collect()
}

pub(super) fn by_hash(connection: &Connection, hash: &KeyHash) -> rusqlite::Result<Option<ApiKey>> {
    let mut select = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM api_keys WHERE hash = ?1"))?;
    select.query_row([&hash[..]], from_row).optional()
}

pub(super) fn any(connection: &Connection) -> rusqlite::Result<bool> {
    connection.prepare_cached("SELECT EXISTS (SELECT 1 FROM api_keys)")?.query_row([], |row| row.get(0))
}

pub(super) fn delete(transaction: &Transaction<'_>, id: &str) -> rusqlite::Result<bool> {
    Ok(transaction.execute("DELETE FROM api_keys WHERE id = ?1", [id])? > 0)
}
