//! What tables a database has, as far as this role may know: read from the system's tables, which list views and
//! partitioned tables with the rest, and change nothing by being read.

use super::super::pool::Answer;
use crate::adopt::{Column, Table, TableKind, TableName};
use std::collections::HashMap;
use tokio_postgres::{Client, Row};

/// Tables that may hold books: not the system's, not ours, and not the partitions of another one.
const TABLES: &str = "SELECT c.oid::int8, n.nspname::text, c.relname::text, c.relkind::text, \
                      has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT') \
                      FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                      WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition \
                      AND n.nspname NOT IN ('libellus', 'information_schema') AND n.nspname !~ '^pg_' \
                      ORDER BY n.nspname, c.relname";

/// The type twice: as people write it, and without its length.
const COLUMNS: &str = "SELECT a.attrelid::int8, a.attname::text, pg_catalog.format_type(a.atttypid, a.atttypmod), \
                       pg_catalog.format_type(a.atttypid, -1) FROM pg_catalog.pg_attribute a \
                       JOIN pg_catalog.pg_class c ON c.oid = a.attrelid \
                       JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                       WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm', 'f') \
                       AND NOT c.relispartition AND n.nspname NOT IN ('libellus', 'information_schema') \
                       AND n.nspname !~ '^pg_' ORDER BY a.attrelid, a.attnum";

const PRIMARY_KEYS: &str = "SELECT k.conrelid::int8, a.attname::text FROM pg_catalog.pg_constraint k \
                            CROSS JOIN LATERAL unnest(k.conkey) WITH ORDINALITY AS u(number, place) \
                            JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.number \
                            WHERE k.contype = 'p' ORDER BY k.conrelid, u.place";

/// References of one column to one column.
const REFERENCES: &str = "SELECT k.conrelid::int8, a.attname::text, n.nspname::text, c.relname::text, b.attname::text \
                          FROM pg_catalog.pg_constraint k \
                          JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1] \
                          JOIN pg_catalog.pg_attribute b ON b.attrelid = k.confrelid AND b.attnum = k.confkey[1] \
                          JOIN pg_catalog.pg_class c ON c.oid = k.confrelid \
                          JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                          WHERE k.contype = 'f' AND cardinality(k.conkey) = 1";

/// Every table, with its columns.
pub(super) async fn describe(client: &Client) -> Answer<Vec<Table>> {
    let mut columns = by_table(client, COLUMNS, |row| {
        Ok(Column { name: row.try_get(1)?, kind: row.try_get(2)?, cast: row.try_get(3)? })
    })
    .await?;
    let mut keys = by_table(client, PRIMARY_KEYS, |row| row.try_get(1)).await?;
    let mut references = by_table(client, REFERENCES, |row| {
        let to = TableName { schema: row.try_get(2)?, name: row.try_get(3)? };
        Ok((row.try_get(1)?, to, row.try_get(4)?))
    })
    .await?;
    let rows = client.query_typed(TABLES, &[]).await?;
    rows.iter()
        .map(|row| {
            let oid: i64 = row.try_get(0)?;
            Ok(Table {
                name: TableName { schema: row.try_get(1)?, name: row.try_get(2)? },
                kind: kind(row.try_get(3)?),
                is_readable: row.try_get(4)?,
                columns: columns.remove(&oid).unwrap_or_default(),
                primary_key: keys.remove(&oid).unwrap_or_default(),
                references: references.remove(&oid).unwrap_or_default(),
            })
        })
        .collect()
}

async fn by_table<T>(client: &Client, sql: &str, read: impl Fn(&Row) -> Answer<T>) -> Answer<HashMap<i64, Vec<T>>> {
    let mut found: HashMap<i64, Vec<T>> = HashMap::new();
    for row in client.query_typed(sql, &[]).await? {
        found.entry(row.try_get(0)?).or_default().push(read(&row)?);
    }
    Ok(found)
}

fn kind(relkind: &str) -> TableKind {
    match relkind {
        "p" => TableKind::Partitioned,
        "v" => TableKind::View,
        "m" => TableKind::MaterializedView,
        "f" => TableKind::Foreign,
        _ => TableKind::Table,
    }
}
