//! Vectors, and which passages still need one.
//!
//! A passage has at most one embedding in a space. It is *fresh* while the hash stored with it is that of the
//! passage's text; only fresh ones are ever shown, stale ones are replaced by the next backfill.

use super::{
    Changed, EmbeddedPassage, NewEmbedding, PendingPassage, PlacedEmbedding, PlacedPassage, UnlessUnknown, roles,
};
use crate::adopt::StoredPrecision;
use rusqlite::{Connection, Rows, Transaction, params};
use std::collections::HashMap;
use std::ops::ControlFlow;

/// Counts the fresh embeddings in a space.
pub(super) const COUNT_FRESH: &str = "SELECT count(*) FROM embeddings e JOIN passages p USING (passage_id) \
                                      WHERE e.space = ?1 AND e.text_hash = p.text_hash";

/// Visits fresh embeddings in order; what is wrong with the first damaged one ends it.
pub(super) fn each(
    connection: &Connection,
    space: &str,
    visit: &mut dyn FnMut(EmbeddedPassage<'_>) -> ControlFlow<()>,
) -> rusqlite::Result<Option<String>> {
    let mut select = connection.prepare(
        "SELECT p.book_rowid, p.ordinal, e.vector FROM passages p \
         JOIN embeddings e ON e.passage_id = p.passage_id AND e.space = ?1 AND e.text_hash = p.text_hash \
         ORDER BY p.book_rowid, p.ordinal",
    )?;
    Ok(visit_rows(select.query([space])?, visit)?.break_value().flatten())
}

/// The same of some books.
pub(super) fn of(
    connection: &Connection,
    space: &str,
    book_rowids: &[i64],
    visit: &mut dyn FnMut(EmbeddedPassage<'_>) -> ControlFlow<()>,
) -> rusqlite::Result<Option<String>> {
    // One moment for all of them.
    let transaction = connection.unchecked_transaction()?;
    let mut select = transaction.prepare(
        "SELECT p.book_rowid, p.ordinal, e.vector FROM passages p \
         JOIN embeddings e ON e.passage_id = p.passage_id AND e.space = ?1 AND e.text_hash = p.text_hash \
         WHERE p.book_rowid = ?2 ORDER BY p.ordinal",
    )?;
    for rowid in book_rowids {
        if let ControlFlow::Break(damaged) = visit_rows(select.query(params![space, rowid])?, visit)? {
            return Ok(damaged);
        }
    }
    Ok(None)
}

/// Breaks off when `visit` does, or with what is wrong with a vector.
fn visit_rows(
    mut rows: Rows<'_>,
    visit: &mut dyn FnMut(EmbeddedPassage<'_>) -> ControlFlow<()>,
) -> rusqlite::Result<ControlFlow<Option<String>>> {
    let mut vector = Vec::new();
    while let Some(row) = rows.next()? {
        let (book_rowid, ordinal) = (row.get(0)?, row.get(1)?);
        if !read_vector(row.get_ref(2)?.as_blob()?, &mut vector) {
            return Ok(ControlFlow::Break(Some(damage(ordinal, &format!("book {book_rowid}")))));
        }
        if visit(EmbeddedPassage { book_rowid, ordinal, vector: &vector }).is_break() {
            return Ok(ControlFlow::Break(None));
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// The numbers of a stored vector; `false` if its bytes are not whole numbers.
fn read_vector(bytes: &[u8], vector: &mut Vec<f32>) -> bool {
    let (numbers, rest) = bytes.as_chunks::<4>();
    vector.clear();
    vector.extend(numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)));
    rest.is_empty()
}

fn damage(ordinal: u32, book: &str) -> String {
    format!("the vector of passage {ordinal} of {book} is not made of whole numbers")
}

pub(super) fn pending(
    connection: &Connection,
    space: &str,
    after: i64,
    limit: usize,
) -> rusqlite::Result<Vec<PendingPassage>> {
    let mut select = connection.prepare_cached(
        "SELECT p.passage_id, p.context || p.text, p.text_hash FROM passages p \
         LEFT JOIN embeddings e ON e.passage_id = p.passage_id AND e.space = ?1 AND e.text_hash = p.text_hash \
         WHERE p.passage_id > ?2 AND e.passage_id IS NULL ORDER BY p.passage_id LIMIT ?3",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = select.query_map(params![space, after, limit], |row| {
        Ok(PendingPassage { passage_id: row.get(0)?, embedding_text: row.get(1)?, text_hash: row.get(2)? })
    })?;
    rows.collect()
}

pub(super) fn put(
    transaction: &Transaction<'_>,
    space: &str,
    precision: &str,
    embeddings: &[NewEmbedding<'_>],
) -> rusqlite::Result<(UnlessUnknown<u64>, Changed)> {
    let roles = roles::read(transaction)?;
    if let Some(active) = roles.instead_of(space) {
        return Ok((Err(active), Changed::No));
    }
    let mut put = transaction.prepare_cached(
        "INSERT INTO embeddings (passage_id, space, precision, text_hash, vector) \
         SELECT passage_id, ?2, ?3, text_hash, ?5 FROM passages WHERE passage_id = ?1 AND text_hash = ?4 \
         ON CONFLICT (passage_id, space) DO UPDATE \
         SET precision = excluded.precision, text_hash = excluded.text_hash, vector = excluded.vector",
    )?;
    let mut settle =
        transaction.prepare_cached("DELETE FROM claims WHERE passage_id = ?1 AND space = ?2 AND text_hash = ?3")?;
    let mut stored = 0;
    let mut vector = Vec::new();
    for embedding in embeddings {
        vector.clear();
        vector.extend(embedding.vector.iter().flat_map(|number| number.to_le_bytes()));
        stored += put.execute(params![embedding.passage_id, space, precision, embedding.text_hash, vector])? as u64;
        settle.execute(params![embedding.passage_id, space, embedding.text_hash])?;
    }
    Ok((Ok(stored), Changed::from(stored > 0 && roles.shows(space))))
}

pub(super) fn delete(transaction: &Transaction<'_>, keys: &[(i64, &str)]) -> rusqlite::Result<(u64, Changed)> {
    let mut delete = transaction.prepare_cached("DELETE FROM embeddings WHERE passage_id = ?1 AND space = ?2")?;
    let mut deleted = 0;
    for key in keys {
        deleted += delete.execute(params![key.0, key.1])? as u64;
    }
    Ok((deleted, Changed::from(deleted > 0)))
}

/// The same with what tells another catalogue what it belongs to.
pub(super) fn each_placed(
    connection: &Connection,
    space: &str,
    visit: &mut dyn FnMut(PlacedEmbedding<'_>) -> ControlFlow<()>,
) -> rusqlite::Result<Option<String>> {
    let mut select = connection.prepare(
        "SELECT b.id, p.ordinal, p.text_hash, e.precision, e.vector FROM passages p JOIN books b USING (book_rowid) \
         JOIN embeddings e ON e.passage_id = p.passage_id AND e.space = ?1 AND e.text_hash = p.text_hash \
         ORDER BY p.book_rowid, p.ordinal",
    )?;
    let mut rows = select.query([space])?;
    let mut vector = Vec::new();
    while let Some(row) = rows.next()? {
        let (book_id, ordinal, precision): (String, u32, String) = (row.get(0)?, row.get(1)?, row.get(3)?);
        if !read_vector(row.get_ref(4)?.as_blob()?, &mut vector) {
            return Ok(Some(damage(ordinal, &format!("book `{book_id}`"))));
        }
        let (book_id, text_hash, precision) = (&book_id, row.get(2)?, &precision);
        if visit(PlacedEmbedding { book_id, ordinal, text_hash, precision, vector: &vector }).is_break() {
            break;
        }
    }
    Ok(None)
}

pub(super) fn passages_of(
    connection: &Connection,
    book_ids: &[&str],
) -> rusqlite::Result<HashMap<String, Vec<PlacedPassage>>> {
    let mut select = connection.prepare_cached(
        "SELECT p.passage_id, p.ordinal, p.text_hash FROM books b JOIN passages p USING (book_rowid) \
         WHERE b.id = ?1 ORDER BY p.ordinal",
    )?;
    let mut found = HashMap::new();
    for id in book_ids {
        let passages = select
            .query_map([id], |row| {
                Ok(PlacedPassage { passage_id: row.get(0)?, ordinal: row.get(1)?, text_hash: row.get(2)? })
            })?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        if !passages.is_empty() {
            found.insert((*id).to_owned(), passages);
        }
    }
    Ok(found)
}

pub(super) fn spaces(connection: &Connection) -> rusqlite::Result<Vec<(String, u64)>> {
    let mut select =
        connection.prepare_cached("SELECT space, count(*) FROM embeddings GROUP BY space ORDER BY space")?;
    let rows = select.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned())))?;
    rows.collect()
}

pub(super) fn precisions(connection: &Connection, space: &str) -> rusqlite::Result<Vec<StoredPrecision>> {
    let sql = "SELECT e.precision, count(*), \
               (SELECT a.measured FROM agreements a WHERE a.space = ?1 AND a.precision = e.precision) \
               FROM embeddings e WHERE e.space = ?1 GROUP BY e.precision ORDER BY e.precision";
    let mut select = connection.prepare_cached(sql)?;
    let rows = select.query_map([space], |row| {
        let (precision, embeddings) = (row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned());
        Ok(StoredPrecision::new(precision, embeddings, row.get(2)?))
    })?;
    rows.collect()
}
