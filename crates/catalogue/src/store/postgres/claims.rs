//! Which passages a worker has in hand, and which could not be embedded: `store/claim.rs` says how claims work.
//!
//! Workers may be on many machines, so all times are the server's.

use super::embeddings::passage_from;
use super::pool::{Answer, Parameter};
use super::text::storable_text;
use crate::store::claim::FIRST_PAUSE;
use crate::store::{Claim, FailedPassage, Failure, MAX_ATTEMPTS, PendingPassage, QueueCounts};
use std::borrow::Cow;
use std::collections::HashSet;
use tokio_postgres::Client;
use tokio_postgres::types::Type;

/// A claim is about a text; once that changes, or is embedded, it means nothing.
const LIVE: &str = "FROM libellus.claims c \
                    JOIN libellus.passages p ON p.passage_id = c.passage_id AND p.text_hash = c.text_hash \
                    WHERE c.space = $1 AND NOT EXISTS (SELECT FROM libellus.embeddings e \
                    WHERE e.passage_id = p.passage_id AND e.space = $1 AND e.text_hash = p.text_hash)";

/// Claims in one transaction, which waits for nobody.
///
/// A passage that another worker is just claiming is skipped. One that it claimed since this statement began is left out
/// by the condition on the conflict, which looks at the row as it is now; and one that it even embedded since then, by
/// [`unclaim_embedded`].
pub(super) async fn claim(client: &Client, space: &str, claim: &Claim) -> Answer<Vec<PendingPassage>> {
    let (least, most) = claim.attempts();
    let (least, most) = (least.cast_signed(), most.cast_signed());
    let (limit, lease_ms) = (i64::try_from(claim.limit).unwrap_or(i64::MAX), claim.lease_ms());
    let parameters: &[Parameter<'_>] = &[
        (&space, Type::TEXT),
        (&claim.after, Type::INT8),
        (&limit, Type::INT8),
        (&lease_ms, Type::INT8),
        (&least, Type::INT4),
        (&most, Type::INT4),
    ];
    let sql = "WITH due AS MATERIALIZED ( \
                   SELECT p.passage_id, p.context || p.text AS embedding_text, p.text_hash \
                   FROM libellus.passages p \
                   LEFT JOIN libellus.claims c \
                   ON c.passage_id = p.passage_id AND c.space = $1 AND c.text_hash = p.text_hash \
                   WHERE p.passage_id > $2 \
                   AND NOT EXISTS (SELECT FROM libellus.embeddings e \
                                   WHERE e.passage_id = p.passage_id AND e.space = $1 AND e.text_hash = p.text_hash) \
                   AND (c.until IS NULL OR c.until <= pg_catalog.clock_timestamp()) \
                   AND coalesce(c.attempts, 0) BETWEEN $5 AND $6 \
                   ORDER BY p.passage_id LIMIT $3 FOR NO KEY UPDATE OF p SKIP LOCKED \
               ), claimed AS ( \
                   INSERT INTO libellus.claims AS c (passage_id, space, text_hash, attempts, held, until) \
                   SELECT passage_id, $1, text_hash, 1, true, \
                          pg_catalog.clock_timestamp() + $4 * interval '1 millisecond' FROM due \
                   ON CONFLICT (passage_id, space) DO UPDATE \
                   SET attempts = CASE WHEN c.text_hash = excluded.text_hash THEN c.attempts + 1 ELSE 1 END, \
                       reason = CASE WHEN c.text_hash = excluded.text_hash THEN c.reason END, \
                       text_hash = excluded.text_hash, held = true, until = excluded.until \
                   WHERE c.until <= pg_catalog.clock_timestamp() OR c.text_hash <> excluded.text_hash \
                   RETURNING c.passage_id \
               ) \
               SELECT passage_id, embedding_text, text_hash FROM due JOIN claimed USING (passage_id) \
               ORDER BY passage_id";
    let rows = client.query_typed(sql, parameters).await?;
    let mut passages = rows.iter().map(passage_from).collect::<Answer<Vec<_>>>()?;
    let embedded = unclaim_embedded(client, space, &passages).await?;
    passages.retain(|passage| !embedded.contains(&passage.passage_id));
    Ok(passages)
}

/// Gives back what another worker embedded between the statement before and this one; returns it.
async fn unclaim_embedded(client: &Client, space: &str, passages: &[PendingPassage]) -> Answer<HashSet<i64>> {
    if passages.is_empty() {
        return Ok(HashSet::new());
    }
    let ids: Vec<i64> = passages.iter().map(|passage| passage.passage_id).collect();
    let parameters: &[Parameter<'_>] = &[(&space, Type::TEXT), (&ids, Type::INT8_ARRAY)];
    let sql = "DELETE FROM libellus.claims c USING libellus.embeddings e \
               WHERE c.space = $1 AND c.passage_id = ANY($2) \
               AND e.passage_id = c.passage_id AND e.space = $1 AND e.text_hash = c.text_hash \
               RETURNING c.passage_id";
    client.query_typed(sql, parameters).await?.iter().map(|row| row.try_get(0)).collect()
}

/// Ends the claims on passages that have an embedding now.
pub(super) async fn settle(client: &Client, space: &str, passage_ids: &[i64], hashes: &[&[u8]]) -> Answer<()> {
    let parameters: &[Parameter<'_>] =
        &[(&space, Type::TEXT), (&passage_ids, Type::INT8_ARRAY), (&hashes, Type::BYTEA_ARRAY)];
    let sql = "DELETE FROM libellus.claims c USING unnest($2::int8[], $3::bytea[]) AS n(passage_id, text_hash) \
               WHERE c.space = $1 AND c.passage_id = n.passage_id AND c.text_hash = n.text_hash";
    client.execute_typed(sql, parameters).await?;
    Ok(())
}

pub(super) async fn fail(client: &Client, space: &str, failures: &[Failure]) -> Answer<()> {
    let passage_ids: Vec<i64> = failures.iter().map(|failure| failure.passage_id).collect();
    let hashes: Vec<&[u8]> = failures.iter().map(|failure| &failure.text_hash[..]).collect();
    let reasons: Vec<Cow<'_, str>> = failures.iter().map(|failure| storable_text(&failure.reason)).collect();
    let pause_ms = FIRST_PAUSE.as_millis() as i64;
    let parameters: &[Parameter<'_>] = &[
        (&space, Type::TEXT),
        (&passage_ids, Type::INT8_ARRAY),
        (&hashes, Type::BYTEA_ARRAY),
        (&reasons, Type::TEXT_ARRAY),
        (&pause_ms, Type::INT8),
    ];
    let sql = "UPDATE libellus.claims c SET held = false, reason = n.reason, \
               until = pg_catalog.clock_timestamp() + ($5 << (c.attempts - 1)) * interval '1 millisecond' \
               FROM unnest($2::int8[], $3::bytea[], $4::text[]) AS n(passage_id, text_hash, reason) \
               WHERE c.space = $1 AND c.passage_id = n.passage_id AND c.text_hash = n.text_hash";
    client.execute_typed(sql, parameters).await?;
    Ok(())
}

pub(super) async fn counts(client: &Client, space: &str) -> Answer<QueueCounts> {
    let most = MAX_ATTEMPTS.cast_signed();
    let parameters: &[Parameter<'_>] = &[(&space, Type::TEXT), (&most, Type::INT4)];
    let sql = format!(
        "SELECT count(*) FILTER (WHERE c.held AND c.until > pg_catalog.clock_timestamp()), \
         count(*) FILTER (WHERE NOT c.held AND c.attempts < $2), \
         count(*) FILTER (WHERE (NOT c.held OR c.until <= pg_catalog.clock_timestamp()) AND c.attempts >= $2) {LIVE}"
    );
    let row = client.query_typed_one(&sql, parameters).await?;
    let count = |at| row.try_get(at).map(i64::cast_unsigned);
    Ok(QueueCounts { claimed: count(0)?, retrying: count(1)?, given_up: count(2)? })
}

pub(super) async fn failed(client: &Client, space: &str, limit: usize) -> Answer<Vec<FailedPassage>> {
    let (most, limit) = (MAX_ATTEMPTS.cast_signed(), i64::try_from(limit).unwrap_or(i64::MAX));
    let parameters: &[Parameter<'_>] = &[(&space, Type::TEXT), (&most, Type::INT4), (&limit, Type::INT8)];
    let sql = format!(
        "SELECT (SELECT b.id FROM libellus.books b WHERE b.book_rowid = p.book_rowid), p.ordinal, c.attempts, \
         c.attempts >= $2, c.reason {LIVE} \
         AND (NOT c.held OR (c.until <= pg_catalog.clock_timestamp() AND c.attempts >= $2)) \
         ORDER BY p.passage_id LIMIT $3"
    );
    let rows = client.query_typed(&sql, parameters).await?;
    rows.iter()
        .map(|row| {
            Ok(FailedPassage {
                book_id: row.try_get(0)?,
                ordinal: row.try_get::<_, i32>(1)?.cast_unsigned(),
                attempts: row.try_get::<_, i32>(2)?.cast_unsigned(),
                given_up: row.try_get(3)?,
                reason: row.try_get(4)?,
            })
        })
        .collect()
}

pub(super) async fn forget(client: &Client, space: &str) -> Answer<u64> {
    let parameters: &[Parameter<'_>] = &[(&space, Type::TEXT)];
    let sql = "DELETE FROM libellus.claims WHERE space = $1 AND (NOT held OR until <= pg_catalog.clock_timestamp())";
    client.execute_typed(sql, parameters).await
}
