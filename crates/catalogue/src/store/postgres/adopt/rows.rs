//! Rows of another program's table, and the vectors that belong to them.
//!
//! The server turns each row into JSON, whatever its columns are, and each vector into text; nothing here depends on
//! their types. Rows are read in order of the key, page by page, so that a walk can be taken up where it ended.

use super::super::pool::{Answer, Parameter};
use super::Counts;
use crate::adopt::{Mapping, SourceRow, StoredVectors, TableKind, VectorFault, quoted};
use crate::import::{BATCH_BYTES, MAX_RECORD_BYTES};
use futures_util::StreamExt;
use std::collections::{BTreeSet, HashMap};
use std::pin::pin;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};

/// Floats as text lose nothing, whatever the role's settings are.
const EXACT_FLOATS: &str = "SET LOCAL extra_float_digits = 1";

/// Beyond so many rows a sample is drawn from some of a table's pages.
const WHOLE_SAMPLE: f32 = 50_000.0;
/// So many rows are then looked at.
const DRAWN: f32 = 5_000.0;

/// So many rows are asked for at once: those that are not read any more, once there is [enough](Page::is_full), have been
/// sent in vain.
const ASKED: usize = 100;

/// What is selected of each row; `t` is the table. A row that is too long is not sent at all.
fn row_columns(mapping: &Mapping) -> String {
    let columns: Vec<String> = mapping.used_columns().map(|(name, _)| format!("t.{}", quoted(name))).collect();
    // The offset keeps the server from making the JSON twice.
    format!(
        "t.{}::text, (SELECT CASE WHEN pg_catalog.octet_length(j.row) <= {MAX_RECORD_BYTES} THEN j.row END FROM \
         (SELECT pg_catalog.row_to_json(r)::text AS row FROM (SELECT {}) AS r OFFSET 0) AS j)",
        quoted(&mapping.key),
        columns.join(", ")
    )
}

fn row(mapping: &Mapping, row: &Row) -> Answer<SourceRow> {
    let (key, json) = (row.try_get(0)?, row.try_get::<_, Option<&str>>(1)?);
    let Some(json) = json else {
        let reason = format!("the row is longer than {} MiB", MAX_RECORD_BYTES >> 20);
        return Ok(SourceRow::unreadable(key, reason));
    };
    // The server writes well-formed JSON; but a number may have more digits, and a value more depth, than is read.
    Ok(match serde_json::from_str(json) {
        Ok(values) => SourceRow::new(mapping, key, values),
        Err(error) => SourceRow::unreadable(key, format!("a value of the row cannot be read: {error}")),
    })
}

/// Rows as far as there is room for them in a batch.
#[derive(Default)]
pub(super) struct Page {
    pub rows: Vec<SourceRow>,
    bytes: usize,
    /// Whether the last of those that were asked for were not read.
    is_cut: bool,
}

impl Page {
    /// Whether there are enough for a batch.
    fn is_full(&self) -> bool {
        self.bytes >= BATCH_BYTES
    }

    /// Adds what a statement finds, until there is enough.
    async fn read(
        &mut self,
        client: &Client,
        mapping: &Mapping,
        sql: &str,
        parameters: &[Parameter<'_>],
    ) -> Answer<()> {
        let parameters = parameters.iter().map(|(value, kind)| (*value, kind.clone()));
        let mut found = pin!(client.query_typed_raw(sql, parameters).await?);
        while let Some(next) = found.next().await {
            let next = next?;
            if self.is_full() {
                self.is_cut = true;
                break;
            }
            self.bytes += next.try_get::<_, Option<&str>>(1)?.map_or(0, str::len);
            self.rows.push(row(mapping, &next)?);
        }
        Ok(())
    }
}

/// The rows after `after`, in order of the key, and whether they are the last; `limit` at most.
pub(super) async fn page(
    client: &Client,
    mapping: &Mapping,
    after: Option<&str>,
    limit: usize,
) -> Answer<(Vec<SourceRow>, bool)> {
    let (key, key_type) = (quoted(&mapping.key), &mapping.key_type);
    let mut page = Page::default();
    let mut is_last = false;
    while page.rows.len() < limit && !page.is_full() && !is_last {
        let read = page.rows.len();
        let asked = ASKED.min(limit - read);
        let after = page.rows.last().map_or_else(|| after.map(str::to_owned), |row| Some(row.key.clone()));
        let behind = match &after {
            Some(_) => format!("t.{key} > $1::text::{key_type}"),
            None => format!("t.{key} IS NOT NULL AND $1::text IS NULL"),
        };
        let sql = format!(
            "SELECT {} FROM {} t WHERE {behind} ORDER BY t.{key} LIMIT {asked}",
            row_columns(mapping),
            mapping.books.sql()
        );
        page.read(client, mapping, &sql, &[(&after, Type::TEXT)]).await?;
        is_last = !page.is_cut && page.rows.len() < read + asked;
    }
    Ok((page.rows, is_last))
}

/// The rows with these keys, in no order, and the keys that were looked for: as many of them as make a batch. A row that
/// is gone is left out.
pub(super) async fn with_keys<'k>(
    client: &Client,
    mapping: &Mapping,
    keys: &[&'k str],
) -> Answer<(Vec<SourceRow>, BTreeSet<&'k str>)> {
    let sql = format!(
        "SELECT {} FROM {} t WHERE t.{} = ANY($1::text[]::{}[])",
        row_columns(mapping),
        mapping.books.sql(),
        quoted(&mapping.key),
        mapping.key_type
    );
    let (mut page, mut sought) = (Page::default(), BTreeSet::new());
    for keys in keys.chunks(ASKED) {
        if page.is_full() {
            break;
        }
        let read = page.rows.len();
        page.read(client, mapping, &sql, &[(&keys, Type::TEXT_ARRAY)]).await?;
        let is_read = |key: &&&str| !page.is_cut || page.rows.iter().skip(read).any(|row| row.key == **key);
        sought.extend(keys.iter().filter(is_read).copied());
    }
    Ok((page.rows, sought))
}

/// Rows spread over the table, in an order that has nothing to do with their content and is the same each time.
pub(super) async fn sample(client: &Client, mapping: &Mapping, limit: usize) -> Answer<Vec<SourceRow>> {
    client.batch_execute(EXACT_FLOATS).await?;
    let books = mapping.books.sql();
    let parameters: &[Parameter<'_>] = &[(&books, Type::TEXT)];
    let sql = "SELECT reltuples FROM pg_catalog.pg_class WHERE oid = pg_catalog.to_regclass($1)";
    // Of a table that is gone there is none, and the sample says so.
    let estimate: Option<f32> = client.query_typed_opt(sql, parameters).await?.map(|row| row.try_get(0)).transpose()?;
    let estimate = estimate.unwrap_or_default();
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
    let (cast, cast_of_book) = casts(&mapping.key_type, &stored.key_type);
    format!("e.{of_book}{cast_of_book} = t.{key}{cast}")
}

/// What keys of two types are cast to, to be compared: nothing where the database compares them as they are. A column that
/// is cast is found by no index.
fn casts(one: &str, other: &str) -> (&'static str, &'static str) {
    let is_integer = |kind: &str| ["smallint", "integer", "bigint"].contains(&kind);
    let cast = |kind: &str| if ["text", "character varying"].contains(&kind) { "" } else { "::text" };
    if one == other || (is_integer(one) && is_integer(other)) { ("", "") } else { (cast(one), cast(other)) }
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
    // The keys are of the books' type, and can be cast to that.
    let is_wanted = match casts(&mapping.key_type, &stored.key_type) {
        ("", "") => format!("e.{key} = ANY($1::text[]::{}[])", mapping.key_type),
        (_, cast) => format!("e.{key}{cast} = ANY($1::text[])"),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_cannot_be_compared_is_cast() {
        for (one, other, expected) in [
            ("uuid", "uuid", ("", "")),
            ("integer", "bigint", ("", "")),
            ("text", "character varying", ("", "")),
            ("uuid", "text", ("::text", "")),
            ("character varying", "bigint", ("", "::text")),
            ("integer", "uuid", ("::text", "::text")),
            ("numeric", "integer", ("::text", "::text")),
        ] {
            assert_eq!(casts(one, other), expected, "{one}, {other}");
        }
    }
}
