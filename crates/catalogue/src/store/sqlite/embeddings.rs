//! Vectors, and which passages still need one.
//!
//! A passage has at most one embedding in a space. It is *fresh* while the hash stored with it is that of the
//! passage's text; only fresh ones are ever shown, stale ones are replaced by the next backfill.

use super::{Catalogue, Changed, EmbeddedPassage, NewEmbedding, PendingPassage};
use crate::Error;
use rusqlite::params;

/// Counts the fresh embeddings in a space.
pub(super) const COUNT_FRESH: &str = "SELECT count(*) FROM embeddings e JOIN passages p USING (passage_id) \
                                      WHERE e.space = ?1 AND e.text_hash = p.text_hash";

impl Catalogue {
    /// Calls `visit` with every passage that has a fresh embedding in `space`, ordered by book and place.
    ///
    /// # Errors
    /// As [`Catalogue::revision`], and those of [`Catalogue::open`].
    pub fn each_embedding(&self, space: &str, visit: &mut dyn FnMut(EmbeddedPassage<'_>)) -> Result<(), Error> {
        let mut damaged = None;
        self.walk("reading embeddings", |connection| {
            let mut select = connection.prepare(
                "SELECT p.book_rowid, p.ordinal, e.vector FROM passages p \
                 JOIN embeddings e ON e.passage_id = p.passage_id AND e.space = ?1 AND e.text_hash = p.text_hash \
                 ORDER BY p.book_rowid, p.ordinal",
            )?;
            let mut rows = select.query([space])?;
            let mut vector = Vec::new();
            while let Some(row) = rows.next()? {
                let (book_rowid, ordinal) = (row.get(0)?, row.get(1)?);
                let (numbers, rest) = row.get_ref(2)?.as_blob()?.as_chunks::<4>();
                if !rest.is_empty() {
                    damaged = Some((book_rowid, ordinal));
                    break;
                }
                vector.clear();
                vector.extend(numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)));
                visit(EmbeddedPassage { book_rowid, ordinal, vector: &vector });
            }
            Ok(())
        })?;
        match damaged {
            None => Ok(()),
            Some((book_rowid, ordinal)) => Err(Error::Corrupt {
                location: self.location.clone(),
                detail: format!("the vector of passage {ordinal} of book {book_rowid} is not made of whole numbers"),
            }),
        }
    }

    /// Up to `limit` passages after `after` (a passage id, 0 to begin) without a fresh embedding in `space`.
    ///
    /// # Errors
    /// As [`Catalogue::revision`].
    pub fn pending_passages(&self, space: &str, after: i64, limit: usize) -> Result<Vec<PendingPassage>, Error> {
        self.read("reading passages", |connection| {
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
        })
    }

    /// Stores embeddings in one transaction. One whose passage is gone or was changed meanwhile is left out;
    /// returns how many were stored.
    ///
    /// # Errors
    /// As [`Catalogue::put_books`]; then none is stored.
    pub fn put_embeddings(&self, space: &str, precision: &str, embeddings: &[NewEmbedding<'_>]) -> Result<u64, Error> {
        self.write("writing embeddings", |transaction| {
            let mut put = transaction.prepare_cached(
                "INSERT INTO embeddings (passage_id, space, precision, text_hash, vector) \
                 SELECT passage_id, ?2, ?3, text_hash, ?5 FROM passages WHERE passage_id = ?1 AND text_hash = ?4 \
                 ON CONFLICT (passage_id, space) DO UPDATE \
                 SET precision = excluded.precision, text_hash = excluded.text_hash, vector = excluded.vector",
            )?;
            let mut stored = 0;
            let mut vector = Vec::new();
            for embedding in embeddings {
                vector.clear();
                vector.extend(embedding.vector.iter().flat_map(|number| number.to_le_bytes()));
                stored +=
                    put.execute(params![embedding.passage_id, space, precision, embedding.text_hash, vector])? as u64;
            }
            Ok((stored, Changed::from(stored > 0)))
        })
    }

    /// The spaces that stored embeddings lie in, with the count of each.
    ///
    /// # Errors
    /// As [`Catalogue::revision`].
    pub fn spaces(&self) -> Result<Vec<(String, u64)>, Error> {
        self.read("reading the spaces", |connection| {
            let mut select =
                connection.prepare_cached("SELECT space, count(*) FROM embeddings GROUP BY space ORDER BY space")?;
            let rows = select.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned())))?;
            rows.collect()
        })
    }
}
