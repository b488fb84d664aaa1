//! Rows of another program's table, and the vectors that belong to them.
//!
//! The server turns each row into JSON, whatever its columns are, and each vector into text; nothing here depends on
//! their types. Rows are read in order of the key, page by page, so that a walk can be taken up where it ended.

use super::super::pool::{Answer, Parameter};
use super::Counts;
use crate::adopt::{Mapping, SourceRow, StoredVectors, TableKind, VectorFault, quoted};
use std::collections::HashMap;
use std::fmt::Write as _;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};

/// Floats as text lose nothing, whatever the role's settings are.
const EXACT_FLOATS: &str = "SET LOCAL extra_float_digits = 1";

/// Beyond so many rows a sample is drawn from some of a table's pages.
const WHOLE_SAMPLE: f32 = 50_000.0;
/// So many rows are then looked at.
const DRAWN: f32 = 5_000.0;

/// What is selected of each row; `t` is the table.
fn row_columns(mapping: &Mapping) -> String {
    let columns: Vec<String> = mapping.used_columns().map(|(name, _)| format!("t.{}", quoted(name))).collect();
    format!(
        "t.{}::text, (SELECT pg_catalog.row_to_json(r)::text FROM (SELECT {}) AS r)",
        quoted(&mapping.key),
        columns.join(", ")
    )
}

fn row(mapping: &Mapping, row: &Row) -> Answer<SourceRow> {
    let json: &str = row.try_get(1)?;
    // The server writes well-formed JSON; what could not be read would be a row without values, and be rejected.
    Ok(SourceRow::new(mapping, row.try_get(0)?, serde_json::from_str(json).unwrap_or_default()))
}

/// The rows after `after`, in order of the key.
pub(super) async fn page(
    client: &Client,
    mapping: &Mapping,
    after: Option<&str>,
    limit: usize,
) -> Answer<Vec<SourceRow>> {
    let (key, key_type) = (quoted(&mapping.key), &mapping.key_type);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut sql = format!("SELECT {} FROM {} t WHERE ", row_columns(mapping), mapping.books.sql());
    let mut parameters: Vec<Parameter<'_>> = vec![(&limit, Type::INT8)];
    match &after {
        Some(after) => {
            let _ = write!(sql, "t.{key} > $2::text::{key_type}");
            parameters.push((after, Type::TEXT));
        }
        None => {
            let _ = write!(sql, "t.{key} IS NOT NULL");
        }
    }
    let _ = write!(sql, " ORDER BY t.{key} LIMIT $1");
    client.query_typed(&sql, &parameters).await?.iter().map(|found| row(mapping, found)).collect()
}

/// The rows with these keys, in no order; one that is gone is left out.
pub(super) async fn with_keys(client: &Client, mapping: &Mapping, keys: &[&str]) -> Answer<Vec<SourceRow>> {
    let sql = format!(
        "SELECT {} FROM {} t WHERE t.{} = ANY($1::text[]::{}[])",
        row_columns(mapping),
        mapping.books.sql(),
        quoted(&mapping.key),
        mapping.key_type
    );
    let parameters: &[Parameter<'_>] = &[(&keys, Type::TEXT_ARRAY)];
    client.query_typed(&sql, parameters).await?.iter().map(|found| row(mapping, found)).collect()
}

/// Rows spread over the table, in an order that has nothing to do with their content and is the same each time.
pub(super) async fn sample(client: &Client, mapping: &Mapping, limit: usize) -> Answer<Vec<SourceRow>> {
    client.batch_execute(EXACT_FLOATS).await?;
    let books = mapping.books.sql();
    let parameters: &[Parameter<'_>] = &[(&books, Type::TEXT)];
    let sql = "SELECT reltuples FROM pg_catalog.pg_class WHERE oid = pg_catalog.to_regclass($1)";
    let estimate: f32 = client.query_typed_one(sql, parameters).await?.try_get(0)?;
    let is_stored = matches!(mapping.kind, TableKind::Table | TableKind::MaterializedView);
    if is_stored && estimate > WHOLE_SAMPLE {
        let drawn = format!("TABLESAMPLE SYSTEM ({}) REPEATABLE (1)", 100.0 * DRAWN / estimate);
        let rows = sample_from(client, mapping, &drawn, limit).await?;
        if rows.len() == limit {
            return Ok(rows);
        }
    }
    sample_from(client, mapping, "", limit).await
}

async fn sample_from(client: &Client, mapping: &Mapping, drawn: &str, limit: usize) -> Answer<Vec<SourceRow>> {
    let key = quoted(&mapping.key);
    let with_vector = mapping.embeddings.as_ref().map_or_else(String::new, |stored| {
        format!(
            "AND EXISTS (SELECT FROM {} e WHERE {} AND e.{} IS NOT NULL)",
            stored.table.sql(),
            is_of_book(mapping, stored),
            quoted(&stored.column)
        )
    });
    let sql = format!(
        "SELECT {} FROM {} t {drawn} WHERE t.{key} IS NOT NULL {with_vector} \
         ORDER BY pg_catalog.md5(t.{key}::text), t.{key}::text LIMIT $1",
        row_columns(mapping),
        mapping.books.sql()
    );
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let parameters: &[Parameter<'_>] = &[(&limit, Type::INT8)];
    let found = client.query_typed(&sql, parameters).await?;
    let mut rows = found.iter().map(|found| row(mapping, found)).collect::<Answer<Vec<_>>>()?;
    add_vectors(client, mapping, &mut rows).await?;
    Ok(rows)
}

/// The condition that ties a vector, `e`, to its book, `t`.
fn is_of_book(mapping: &Mapping, stored: &StoredVectors) -> String {
    let (key, of_book) = (quoted(&mapping.key), quoted(&stored.key));
    let cast = if mapping.key_type == stored.key_type { "" } else { "::text" };
    format!("e.{of_book}{cast} = t.{key}{cast}")
}

/// Gives the rows what is stored as their vectors.
pub(super) async fn add_vectors(client: &Client, mapping: &Mapping, rows: &mut [SourceRow]) -> Answer<()> {
    let Some(stored) = &mapping.embeddings else { return Ok(()) };
    client.batch_execute(EXACT_FLOATS).await?;
    let (key, column) = (quoted(&stored.key), quoted(&stored.column));
    let text = match stored.kind.as_str() {
        "bytea" => format!("'\\x' || pg_catalog.encode(e.{column}, 'hex')"),
        _ => format!("e.{column}::text"),
    };
    let is_wanted = if mapping.key_type == stored.key_type {
        format!("e.{key} = ANY($1::text[]::{}[])", stored.key_type)
    } else {
        format!("e.{key}::text = ANY($1)")
    };
    let sql = format!(
        "SELECT e.{key}::text, count(*), min({text}) FROM {} e \
         WHERE {is_wanted} AND e.{column} IS NOT NULL GROUP BY e.{key}::text",
        stored.table.sql()
    );
    let keys: Vec<&str> = rows.iter().map(|row| row.key.as_str()).collect();
    let parameters: &[Parameter<'_>] = &[(&keys, Type::TEXT_ARRAY)];
    let mut found = HashMap::new();
    for row in client.query_typed(&sql, parameters).await? {
        let count: i64 = row.try_get(1)?;
        let vector = if count > 1 { Err(VectorFault::Several) } else { Ok(row.try_get(2)?) };
        found.insert(row.try_get::<_, String>(0)?, vector);
    }
    for row in rows {
        if let Some(vector) = found.remove(&row.key) {
            row.set_stored(vector);
        }
    }
    Ok(())
}

/// A key that several rows have, if there is one.
pub(super) async fn used_twice(client: &Client, mapping: &Mapping) -> Answer<Option<String>> {
    let (books, key) = (mapping.books.sql(), quoted(&mapping.key));
    let unique = "SELECT EXISTS (SELECT FROM pg_catalog.pg_index i JOIN pg_catalog.pg_attribute a \
                  ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] \
                  WHERE i.indrelid = pg_catalog.to_regclass($1) AND a.attname = $2 AND i.indnkeyatts = 1 \
                  AND i.indisunique AND i.indisvalid AND i.indpred IS NULL)";
    let parameters: &[Parameter<'_>] = &[(&books, Type::TEXT), (&mapping.key, Type::TEXT)];
    if client.query_typed_one(unique, parameters).await?.try_get(0)? {
        return Ok(None);
    }
    let sql = format!(
        "SELECT t.{key}::text FROM {books} t WHERE t.{key} IS NOT NULL GROUP BY t.{key}::text HAVING count(*) > 1 LIMIT 1"
    );
    client.query_typed_opt(&sql, &[]).await?.map(|row| row.try_get(0)).transpose()
}

/// Counts books and vectors, and how they belong together.
pub(super) async fn count(client: &Client, mapping: &Mapping) -> Answer<Counts> {
    let (books, key) = (mapping.books.sql(), quoted(&mapping.key));
    let row = client.query_typed_one(&format!("SELECT count(*), count(t.{key}) FROM {books} t"), &[]).await?;
    let number = |row: &Row, at| row.try_get(at).map(i64::cast_unsigned);
    let mut counts = Counts { books: number(&row, 0)?, ..Counts::default() };
    counts.without_key = counts.books - number(&row, 1)?;
    let Some(stored) = &mapping.embeddings else { return Ok(counts) };
    let (table, column, of_book) = (stored.table.sql(), quoted(&stored.column), quoted(&stored.key));
    let is_of_book = is_of_book(mapping, stored);
    let sql = format!(
        "SELECT count(*), count(e.{column}), count(e.{column}) - count(DISTINCT CASE WHEN e.{column} IS NOT NULL THEN \
         e.{of_book}::text END), \
         (SELECT count(*) FROM {books} t WHERE NOT EXISTS (SELECT FROM {table} e WHERE {is_of_book} AND \
         e.{column} IS NOT NULL)), \
         (SELECT count(*) FROM {table} e WHERE NOT EXISTS (SELECT FROM {books} t WHERE {is_of_book})) FROM {table} e"
    );
    let row = client.query_typed_one(&sql, &[]).await?;
    counts.embeddings = number(&row, 0)?;
    counts.without_vector = counts.embeddings - number(&row, 1)?;
    counts.beyond_first = number(&row, 2)?;
    counts.books_without_embedding = number(&row, 3)?;
    counts.embeddings_without_book = number(&row, 4)?;
    Ok(counts)
}
