//! Which passages a worker has in hand, and which could not be embedded: `store/claim.rs` says how claims work.
//!
//! SQLite has one writer at a time, so of two workers that claim at once the second sees what the first took. Times are
//! this machine's, for a file is used by the processes of one machine.

use crate::store::claim::FIRST_PAUSE;
use crate::store::{Claim, FailedPassage, Failure, MAX_ATTEMPTS, PendingPassage, QueueCounts};
use rusqlite::{Connection, Transaction, params};
use std::time::{SystemTime, UNIX_EPOCH};

/// A claim is about a text; once that changes, or is embedded, it means nothing.
const LIVE: &str = "FROM claims c JOIN passages p ON p.passage_id = c.passage_id AND p.text_hash = c.text_hash \
                    LEFT JOIN embeddings e ON e.passage_id = p.passage_id AND e.space = c.space \
                    AND e.text_hash = p.text_hash WHERE c.space = ?1 AND e.passage_id IS NULL";

/// Milliseconds since 1970.
fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

pub(super) fn claim(
    transaction: &Transaction<'_>,
    space: &str,
    claim: &Claim,
) -> rusqlite::Result<Vec<PendingPassage>> {
    let mut select = transaction.prepare_cached(
        "SELECT p.passage_id, p.context || p.text, p.text_hash FROM passages p \
         LEFT JOIN embeddings e ON e.passage_id = p.passage_id AND e.space = ?1 AND e.text_hash = p.text_hash \
         LEFT JOIN claims c ON c.passage_id = p.passage_id AND c.space = ?1 AND c.text_hash = p.text_hash \
         WHERE p.passage_id > ?2 AND e.passage_id IS NULL AND ifnull(c.until_ms, 0) <= ?3 \
         AND ifnull(c.attempts, 0) BETWEEN ?4 AND ?5 ORDER BY p.passage_id LIMIT ?6",
    )?;
    let (least, most) = claim.attempts();
    let (now, limit) = (now_ms(), i64::try_from(claim.limit).unwrap_or(i64::MAX));
    let claimed = select
        .query_map(params![space, claim.after, now, least, most, limit], |row| {
            Ok(PendingPassage { passage_id: row.get(0)?, embedding_text: row.get(1)?, text_hash: row.get(2)? })
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let mut insert = transaction.prepare_cached(
        "INSERT INTO claims (passage_id, space, text_hash, attempts, held, until_ms) VALUES (?1, ?2, ?3, 1, 1, ?4) \
         ON CONFLICT (passage_id, space) DO UPDATE SET \
         attempts = CASE WHEN text_hash = excluded.text_hash THEN attempts + 1 ELSE 1 END, \
         reason = CASE WHEN text_hash = excluded.text_hash THEN reason END, \
         text_hash = excluded.text_hash, held = 1, until_ms = excluded.until_ms",
    )?;
    for passage in &claimed {
        let until = now.saturating_add(claim.lease_ms());
        insert.execute(params![passage.passage_id, space, passage.text_hash, until])?;
    }
    Ok(claimed)
}

pub(super) fn fail(transaction: &Transaction<'_>, space: &str, failures: &[Failure]) -> rusqlite::Result<()> {
    let mut update = transaction.prepare_cached(
        "UPDATE claims SET held = 0, reason = ?4, until_ms = ?5 + (?6 << (attempts - 1)) \
         WHERE passage_id = ?1 AND space = ?2 AND text_hash = ?3",
    )?;
    let pause_ms = FIRST_PAUSE.as_millis() as i64;
    for Failure { passage_id, text_hash, reason } in failures {
        update.execute(params![passage_id, space, text_hash, reason, now_ms(), pause_ms])?;
    }
    Ok(())
}

pub(super) fn counts(connection: &Connection, space: &str) -> rusqlite::Result<QueueCounts> {
    let mut select = connection.prepare_cached(&format!(
        "SELECT count(*) FILTER (WHERE held = 1 AND until_ms > ?2), \
         count(*) FILTER (WHERE held = 0 AND attempts < ?3), \
         count(*) FILTER (WHERE (held = 0 OR until_ms <= ?2) AND attempts >= ?3) {LIVE}"
    ))?;
    select.query_row(params![space, now_ms(), MAX_ATTEMPTS], |row| {
        let count = |at| row.get::<_, i64>(at).map(i64::cast_unsigned);
        Ok(QueueCounts { claimed: count(0)?, retrying: count(1)?, given_up: count(2)? })
    })
}

pub(super) fn failed(connection: &Connection, space: &str, limit: usize) -> rusqlite::Result<Vec<FailedPassage>> {
    let mut select = connection.prepare_cached(&format!(
        "SELECT (SELECT id FROM books b WHERE b.book_rowid = p.book_rowid), p.ordinal, c.attempts, c.reason {LIVE} \
         AND (held = 0 OR (until_ms <= ?2 AND attempts >= ?3)) ORDER BY p.passage_id LIMIT ?4"
    ))?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = select.query_map(params![space, now_ms(), MAX_ATTEMPTS, limit], |row| {
        let attempts = row.get(2)?;
        let given_up = attempts >= MAX_ATTEMPTS;
        Ok(FailedPassage { book_id: row.get(0)?, ordinal: row.get(1)?, attempts, given_up, reason: row.get(3)? })
    })?;
    rows.collect()
}

pub(super) fn forget(transaction: &Transaction<'_>, space: &str) -> rusqlite::Result<u64> {
    let sql = "DELETE FROM claims WHERE space = ?1 AND (held = 0 OR until_ms <= ?2)";
    Ok(transaction.prepare_cached(sql)?.execute(params![space, now_ms()])? as u64)
}
