//! Keys of the HTTP API: `key.rs` says what they are.
//!
//! A service whose role may only read looks them up by functions that work with the owner's rights.

use super::pool::{Answer, Parameter};
use super::text::storable_text;
use crate::key::{ApiKey, KeyHash};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};

const COLUMNS: &str = "id, name, scope, filter, created, expires";

/// A key; one whose scope another program wrote has none that is known, and is none.
fn from_row(row: &Row) -> Answer<Option<ApiKey>> {
    let Ok(scope) = row.try_get::<_, &str>(2)?.parse() else { return Ok(None) };
    Ok(Some(ApiKey {
        id: row.try_get(0)?,
        name: row.try_get(1)?,
        scope,
        filter: row.try_get(3)?,
        created: row.try_get(4)?,
        expires: row.try_get(5)?,
    }))
}

pub(super) async fn put(client: &Client, key: &ApiKey, hash: &KeyHash) -> Answer<()> {
    let ApiKey { id, name, scope, filter, created, expires } = key;
    let (name, hash) = (storable_text(name), &hash[..]);
    let parameters: &[Parameter<'_>] = &[
        (id, Type::TEXT),
        (&name, Type::TEXT),
        (&scope.as_str(), Type::TEXT),
        (filter, Type::TEXT),
        (created, Type::INT8),
        (expires, Type::INT8),
        (&hash, Type::BYTEA),
    ];
    let sql = format!("INSERT INTO libellus.api_keys ({COLUMNS}, hash) VALUES ($1, $2, $3, $4, $5, $6, $7)");
    client.execute_typed(&sql, parameters).await?;
    Ok(())
}

pub(super) async fn all(client: &Client) -> Answer<Vec<ApiKey>> {
    let sql = format!("SELECT {COLUMNS} FROM libellus.api_keys ORDER BY created, id");
    let rows = client.query_typed(&sql, &[]).await?;
    rows.iter().filter_map(|row| from_row(row).transpose()).collect()
}

pub(super) async fn by_hash(client: &Client, hash: &KeyHash) -> Answer<Option<ApiKey>> {
    let hash = &hash[..];
    let parameters: &[Parameter<'_>] = &[(&hash, Type::BYTEA)];
    let sql = format!("SELECT {COLUMNS} FROM libellus.api_key($1)");
    let found = client.query_typed_opt(&sql, parameters).await?;
    found.map_or(Ok(None), |row| from_row(&row))
}

pub(super) async fn any(client: &Client) -> Answer<bool> {
    client.query_typed_one("SELECT libellus.has_api_keys()", &[]).await?.try_get(0)
}

pub(super) async fn delete(client: &Client, id: &str) -> Answer<bool> {
    let parameters: &[Parameter<'_>] = &[(&id, Type::TEXT)];
    Ok(client.execute_typed("DELETE FROM libellus.api_keys WHERE id = $1", parameters).await? > 0)
}
