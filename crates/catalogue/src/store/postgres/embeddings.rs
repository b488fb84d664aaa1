//! Vectors, and which passages still need one: see SQLite's twin for what makes an embedding fresh.
//!
//! A vector travels as an array of `real`, unless many are copied; `vector_type` is what the table keeps it as.

use super::Changed;
use super::copy::Form;
use super::pool::{Answer, Parameter};
use super::{claims, copy, roles};
use crate::store::{NewEmbedding, PendingPassage, PlacedEmbedding, PlacedPassage, Statistics, UnlessUnknown};
use std::collections::HashMap;
use std::ops::ControlFlow;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};

/// Every fresh embedding in a space, with its place.
pub(super) const EACH: &str = "SELECT p.book_rowid, p.ordinal, e.vector::real[] FROM libellus.passages p \
                               JOIN libellus.embeddings e ON e.passage_id = p.passage_id AND e.space = $1 \
                               AND e.text_hash = p.text_hash ORDER BY p.book_rowid, p.ordinal";

/// The same of some books.
pub(super) const OF: &str = "SELECT p.book_rowid, p.ordinal, e.vector::real[] FROM libellus.passages p \
                             JOIN libellus.embeddings e ON e.passage_id = p.passage_id AND e.space = $1 \
                             AND e.text_hash = p.text_hash WHERE p.book_rowid = ANY($2) \
                             ORDER BY p.book_rowid, p.ordinal";

/// The same of all, with what tells another catalogue what it belongs to.
pub(super) const EACH_PLACED: &str = "SELECT b.id, p.ordinal, p.text_hash, e.precision, e.vector::real[] \
                                      FROM libellus.passages p JOIN libellus.books b USING (book_rowid) \
                                      JOIN libellus.embeddings e ON e.passage_id = p.passage_id AND e.space = $1 \
                                      AND e.text_hash = p.text_hash ORDER BY p.book_rowid, p.ordinal";

pub(super) fn visit_placed(
    row: &Row,
    visit: &mut dyn FnMut(PlacedEmbedding<'_>) -> ControlFlow<()>,
) -> Answer<ControlFlow<()>> {
    let vector: Vec<f32> = row.try_get(4)?;
    Ok(visit(PlacedEmbedding {
        book_id: row.try_get(0)?,
        ordinal: row.try_get::<_, i32>(1)?.cast_unsigned(),
        text_hash: row.try_get::<_, &[u8]>(2)?.try_into().unwrap_or_default(),
        precision: row.try_get(3)?,
        vector: &vector,
    }))
}

pub(super) async fn passages_of(client: &Client, book_ids: &[&str]) -> Answer<HashMap<String, Vec<PlacedPassage>>> {
    // No stored id holds what text cannot hold, and a parameter must not.
    let ids: Vec<&str> = book_ids.iter().copied().filter(|id| !id.contains('\0')).collect();
    let parameters: &[Parameter<'_>] = &[(&ids, Type::TEXT_ARRAY)];
    // Each is looked up: the server would read all passages to join a few thousand.
    let sql = "SELECT n.id, p.passage_id, p.ordinal, p.text_hash \
               FROM (SELECT DISTINCT id FROM unnest($1::text[]) AS given(id)) n CROSS JOIN LATERAL \
               (SELECT b.book_rowid FROM libellus.books b WHERE b.id = n.id OFFSET 0) b CROSS JOIN LATERAL \
               (SELECT * FROM libellus.passages p WHERE p.book_rowid = b.book_rowid OFFSET 0) p ORDER BY p.ordinal";
    let mut found: HashMap<String, Vec<PlacedPassage>> = HashMap::new();
    for row in client.query_typed(sql, parameters).await? {
        let passage = PlacedPassage {
            passage_id: row.try_get(1)?,
            ordinal: row.try_get::<_, i32>(2)?.cast_unsigned(),
            text_hash: row.try_get::<_, &[u8]>(3)?.try_into().unwrap_or_default(),
        };
        found.entry(row.try_get(0)?).or_default().push(passage);
    }
    Ok(found)
}

pub(super) async fn statistics(client: &Client, space: &str) -> Answer<Statistics> {
    let parameters: &[Parameter<'_>] = &[(&space, Type::TEXT)];
    let sql = "SELECT (SELECT count(*) FROM libellus.books), (SELECT count(*) FROM libellus.passages), \
               (SELECT count(*) FROM libellus.embeddings e JOIN libellus.passages p USING (passage_id) \
               WHERE e.space = $1 AND e.text_hash = p.text_hash)";
    let row = client.query_typed_one(sql, parameters).await?;
    let count = |at| row.try_get(at).map(i64::cast_unsigned);
    Ok(Statistics { books: count(0)?, passages: count(1)?, embedded: count(2)? })
}

pub(super) async fn pending(client: &Client, space: &str, after: i64, limit: usize) -> Answer<Vec<PendingPassage>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let parameters: &[Parameter<'_>] = &[(&space, Type::TEXT), (&after, Type::INT8), (&limit, Type::INT8)];
    let sql = "SELECT p.passage_id, p.context || p.text, p.text_hash FROM libellus.passages p \
               LEFT JOIN libellus.embeddings e ON e.passage_id = p.passage_id AND e.space = $1 \
               AND e.text_hash = p.text_hash \
               WHERE p.passage_id > $2 AND e.passage_id IS NULL ORDER BY p.passage_id LIMIT $3";
    client.query_typed(sql, parameters).await?.iter().map(passage_from).collect()
}

/// A row of id, text and hash.
pub(super) fn passage_from(row: &Row) -> Answer<PendingPassage> {
    let hash: &[u8] = row.try_get(2)?;
    // A hash of another length was not written by us; the embedding made for it will not be stored.
    let text_hash = hash.try_into().unwrap_or_default();
    Ok(PendingPassage { passage_id: row.try_get(0)?, embedding_text: row.try_get(1)?, text_hash })
}

/// From so many embeddings on they are copied rather than sent with a statement.
const COPY_FROM: usize = 200;

pub(super) async fn put(
    client: &Client,
    vector_type: &str,
    space: &str,
    precision: &str,
    embeddings: &[NewEmbedding<'_>],
) -> Answer<(UnlessUnknown<u64>, Changed)> {
    let roles = roles::read(client).await?;
    if let Some(active) = roles.instead_of(space) {
        return Ok((Err(active), Changed::No));
    }
    // One statement may write a row once; as if one after the other, the last stays.
    let last: HashMap<i64, &NewEmbedding<'_>> =
        embeddings.iter().map(|embedding| (embedding.passage_id, embedding)).collect();
    let (passage_ids, hashes): (Vec<i64>, Vec<&[u8]>) =
        last.values().map(|embedding| (embedding.passage_id, &embedding.text_hash[..])).unzip();
    let stored = match Form::of(vector_type) {
        Some(form) if last.len() >= COPY_FROM => copy::put(client, form, space, precision, &last).await?,
        _ => put_as_arrays(client, vector_type, space, precision, last.values().copied()).await?,
    };
    claims::settle(client, space, &passage_ids, &hashes).await?;
    Ok((Ok(stored), Changed::from(stored > 0 && roles.shows(space))))
}

/// Vectors as parameters: they lie end to end, and each is the piece from its first to its last number, counted from 1.
#[derive(Default)]
pub(super) struct EndToEnd {
    pub numbers: Vec<f32>,
    pub firsts: Vec<i32>,
    pub lasts: Vec<i32>,
}

impl EndToEnd {
    pub fn push(&mut self, vector: impl Iterator<Item = f32>) {
        self.firsts.push(self.numbers.len() as i32 + 1);
        self.numbers.extend(vector);
        self.lasts.push(self.numbers.len() as i32);
    }
}

/// Stores them in one statement that carries them as arrays; returns how many.
async fn put_as_arrays<'e>(
    client: &Client,
    vector_type: &str,
    space: &str,
    precision: &str,
    embeddings: impl Iterator<Item = &'e NewEmbedding<'e>>,
) -> Answer<u64> {
    let (mut passage_ids, mut hashes): (Vec<i64>, Vec<&[u8]>) = Default::default();
    let mut vectors = EndToEnd::default();
    for embedding in embeddings {
        passage_ids.push(embedding.passage_id);
        hashes.push(&embedding.text_hash[..]);
        vectors.push(embedding.vector.iter().copied());
    }
    let parameters: &[Parameter<'_>] = &[
        (&space, Type::TEXT),
        (&precision, Type::TEXT),
        (&vectors.numbers, Type::FLOAT4_ARRAY),
        (&passage_ids, Type::INT8_ARRAY),
        (&hashes, Type::BYTEA_ARRAY),
        (&vectors.firsts, Type::INT4_ARRAY),
        (&vectors.lasts, Type::INT4_ARRAY),
    ];
    let sql = format!(
        "INSERT INTO libellus.embeddings (passage_id, space, precision, text_hash, vector) \
         SELECT p.passage_id, $1, $2, p.text_hash, ($3::real[])[n.first:n.last]::{vector_type} \
         FROM unnest($4::int8[], $5::bytea[], $6::int4[], $7::int4[]) AS n(passage_id, text_hash, first, last) \
         JOIN libellus.passages p ON p.passage_id = n.passage_id AND p.text_hash = n.text_hash \
         ON CONFLICT (passage_id, space) DO UPDATE \
         SET precision = excluded.precision, text_hash = excluded.text_hash, vector = excluded.vector"
    );
    client.execute_typed(&sql, parameters).await
}

pub(super) async fn delete(client: &Client, keys: &[(i64, &str)]) -> Answer<(u64, Changed)> {
    let (passage_ids, spaces): (Vec<i64>, Vec<&str>) = keys.iter().copied().unzip();
    let parameters: &[Parameter<'_>] = &[(&passage_ids, Type::INT8_ARRAY), (&spaces, Type::TEXT_ARRAY)];
    let sql = "DELETE FROM libellus.embeddings e USING unnest($1::int8[], $2::text[]) AS n(passage_id, space) \
               WHERE e.passage_id = n.passage_id AND e.space = n.space";
    let deleted = client.execute_typed(sql, parameters).await?;
    Ok((deleted, Changed::from(deleted > 0)))
}

pub(super) async fn spaces(client: &Client) -> Answer<Vec<(String, u64)>> {
    let sql = "SELECT space, count(*) FROM libellus.embeddings GROUP BY space ORDER BY space COLLATE \"C\"";
    let rows = client.query_typed(sql, &[]).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1).map(i64::cast_unsigned)?))).collect()
}
