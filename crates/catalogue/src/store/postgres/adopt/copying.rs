//! Books of another program's table taken into our own, batch by batch.
//!
//! A batch is read and written in one transaction, which holds the revision's row first: what another worker writes of
//! the same rows was read before or after, never in between, and so an older state cannot win over a newer one. How far
//! the walk is, is written with each batch: a walk that was stopped, or killed, goes on from there.

use super::super::pool::{Answer, Parameter, WALK_TIMEOUT};
use super::super::schema::HAS_COPIES;
use super::super::{Changed, books, embeddings, raising_revision};
use super::{Adoption, Lock, Noted, adopted, following, json, known, rows};
use crate::adopt::{Agreement, Mapping, OWN_TEXT, SourceRow, Template, VectorFault, is_embedded_text, quoted};
use crate::import::{Place, Reject};
use crate::store::row::CutBook;
use crate::store::{NewEmbedding, WriteOutcome};
use crate::{Error, PassageCutter};
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use tokio_postgres::Client;
use tokio_postgres::types::Type;

/// Rows in a batch, which is one transaction; fewer where they are long.
const BATCH: usize = 500;

/// What a batch did.
#[derive(Clone, Debug, Default)]
pub struct CopyStep {
    /// Rows read.
    pub rows: u64,
    /// What became of them.
    pub written: WriteOutcome,
    /// Books deleted, because their rows are gone or cannot be books any more.
    pub deleted: u64,
    /// Rows that cannot be books.
    pub rejects: Vec<Reject>,
    /// What is odd about rows that can.
    pub warnings: Vec<Reject>,
    /// Vectors kept.
    pub kept: u64,
    /// Why others were not, and how many.
    pub not_kept: BTreeMap<VectorFault, u64>,
    /// Whether it was the last.
    pub is_last: bool,
}

/// Rows turned into books.
#[derive(Default)]
pub(super) struct Taken {
    pub books: Vec<CutBook>,
    /// The rows of the books.
    pub rows: Vec<SourceRow>,
    pub rejects: Vec<Reject>,
    pub warnings: Vec<Reject>,
    /// The keys of rows that cannot be books.
    pub no_books: Vec<String>,
    /// The keys of rows that may be books, and cannot be read: what they were before stays.
    pub unread: Vec<String>,
}

/// Makes books of rows, and cuts them.
pub(super) fn take(found: Vec<SourceRow>, cutter: &dyn PassageCutter) -> Taken {
    let mut taken = Taken::default();
    for row in found {
        let reject = |field, reason| Reject { place: Place::Keyed {}, id: Some(row.key.clone()), field, reason };
        let cut = row.book().and_then(|(book, odd)| {
            let cut = CutBook::new(&book, cutter).map_err(|error| reject(None, error.to_string()))?;
            Ok((cut, odd))
        });
        match cut {
            Ok((book, odd)) => {
                taken.warnings.extend(odd.into_iter().map(|(field, reason)| reject(field, reason)));
                taken.books.push(book);
                taken.rows.push(row);
            }
            Err(rejected) => {
                taken.rejects.push(rejected);
                let keys = if row.is_readable() { &mut taken.no_books } else { &mut taken.unread };
                keys.push(row.key);
            }
        }
    }
    taken
}

/// Writes books, and notes that they came from the adopted table.
pub(super) async fn put(client: &Client, taken: &[CutBook]) -> Answer<(WriteOutcome, Changed)> {
    if taken.is_empty() {
        return Ok((WriteOutcome::default(), Changed::No));
    }
    let put = books::put(client, taken).await?;
    let ids: Vec<&str> = taken.iter().map(|book| book.book.id.as_str()).collect();
    let parameters: &[Parameter<'_>] = &[(&ids, Type::TEXT_ARRAY)];
    let sql = "INSERT INTO libellus.adopted_books (book_rowid) SELECT book_rowid FROM libellus.books \
               WHERE id = ANY($1) ON CONFLICT DO NOTHING";
    client.execute_typed(sql, parameters).await?;
    Ok(put)
}

/// Deletes the adopted books of these ids; books that came from elsewhere stay. Returns how many.
pub(super) async fn delete(client: &Client, ids: &[&str]) -> Answer<u64> {
    if ids.is_empty() {
        return Ok(0);
    }
    let parameters: &[Parameter<'_>] = &[(&ids, Type::TEXT_ARRAY)];
    let sql = "DELETE FROM libellus.books b USING libellus.adopted_books a \
               WHERE a.book_rowid = b.book_rowid AND b.id = ANY($1)";
    client.execute_typed(sql, parameters).await
}

/// Deletes the adopted books whose rows are gone. Returns how many.
pub(super) async fn prune(client: &Client, mapping: &Mapping) -> Answer<u64> {
    // All keys are compared, which may take longer than a batch.
    client.batch_execute(&format!("SET LOCAL statement_timeout = {}", WALK_TIMEOUT.as_millis())).await?;
    let sql = format!(
        "DELETE FROM libellus.books b USING libellus.adopted_books a WHERE a.book_rowid = b.book_rowid \
         AND NOT EXISTS (SELECT FROM {} t WHERE t.{}::text = b.id)",
        mapping.books.sql(),
        quoted(&mapping.key)
    );
    client.execute_typed(&sql, &[]).await
}

impl Adoption {
    /// Notes what is to be adopted, and what was measured of its vectors; returns the key behind which a copy that was
    /// stopped goes on.
    ///
    /// It goes on only if all changes were noted since it began: triggers were there before this, and they are added
    /// [after](Adoption::follow) a beginning. Else rows behind it may have changed unseen, and all are read again, which
    /// costs little: books that are the same keep their embeddings.
    ///
    /// # Errors
    /// [`Error::Unadoptable`] if another table is adopted already; [`Error::UnknownAdoption`]; those of writing.
    pub fn begin(&self, mapping: &Mapping, agreement: Option<&Agreement>) -> Result<Option<String>, Error> {
        let (new, agreement) = (json(mapping), agreement.map(|agreement| (agreement, json(agreement))));
        let begun = self.store.write_aside("noting what is adopted", async |client| {
            // Nobody else begins, copies or adds triggers meanwhile.
            client.batch_execute("LOCK TABLE libellus.adoption IN EXCLUSIVE MODE").await?;
            let before = match adopted(client, Lock::No).await? {
                Some(Err(unknown)) => return Ok(Err(Err(unknown))),
                Some(Ok(before)) if !before.mapping.is_about_the_books_of(mapping) => {
                    return Ok(Err(Ok(before.mapping)));
                }
                before => before.and_then(Result::ok),
            };
            let parameters: &[Parameter<'_>] = &[(&HAS_COPIES, Type::TEXT)];
            let mark = "INSERT INTO libellus.meta VALUES ($1, 1) ON CONFLICT DO NOTHING";
            client.execute_typed(mark, parameters).await?;
            if let Some((Agreement { space, precision, .. }, measured)) = &agreement {
                let parameters: &[Parameter<'_>] =
                    &[(space, Type::TEXT), (precision, Type::TEXT), (measured, Type::TEXT)];
                let sql = "INSERT INTO libellus.agreements (space, precision, measured) VALUES ($1, $2, $3::json) \
                           ON CONFLICT (space, precision) DO UPDATE SET measured = excluded.measured";
                client.execute_typed(sql, parameters).await?;
            }
            let unfinished = match before {
                Some(before) if before.mapping == *mapping && !before.is_copied => before.copied_to,
                _ => None,
            };
            let unfinished = match unfinished {
                Some(key) if following::is_all_noted(client, mapping).await? => Some(key),
                _ => None,
            };
            let parameters: &[Parameter<'_>] = &[(&new, Type::TEXT), (&unfinished, Type::TEXT)];
            let sql = "INSERT INTO libellus.adoption (mapping, copied_to) VALUES ($1::json, $2) \
                       ON CONFLICT (only_one) DO UPDATE \
                       SET mapping = excluded.mapping, copied_to = excluded.copied_to, is_copied = false";
            client.execute_typed(sql, parameters).await?;
            Ok(Ok(unfinished))
        })?;
        begun.map_err(|before| match before {
            Err(source) => Error::UnknownAdoption { location: self.store.location.clone(), source },
            Ok(before) => Error::Unadoptable {
                table: mapping.books.to_string(),
                reason: format!(
                    "`{}` (by its column `{}`) is adopted in this database already; undo that first, with \
                     `libellus adopt --undo`",
                    before.books, before.key
                ),
            },
        })
    }

    /// Copies the next batch. Vectors are kept as far as `agreement` says that they are safe, and each is of the one
    /// passage of its book; `dim` is the length that they must have.
    ///
    /// # Errors
    /// [`Error::NotAdopted`] if nothing was begun; [`Error::UnknownAdoption`]; those of reading and writing: then the
    /// batch is undone as a whole.
    pub fn copy_batch(
        &self,
        cutter: &dyn PassageCutter,
        agreement: Option<&Agreement>,
        dim: usize,
    ) -> Result<CopyStep, Error> {
        let keep = agreement.filter(|agreement| agreement.is_safe()).and_then(|agreement| {
            let template = match agreement.template.as_str() {
                OWN_TEXT => None,
                // Of a text that is not known nothing can be kept.
                source => Some(Template::parse(source)?),
            };
            Some(Keep { agreement, template, dim, vector_type: &self.store.vector_type })
        });
        self.store.check_writable()?;
        // For the error: what is copied is read in the transaction that copies it.
        let copied_from = RefCell::new(None);
        let batch = async |client: &Client| {
            let noted = match adopted(client, Lock::Yes).await? {
                Some(Ok(noted)) => noted,
                Some(Err(unknown)) => return Ok((Some(Err(unknown)), Changed::No)),
                None => return Ok((None, Changed::No)),
            };
            copied_from.replace(Some(noted.mapping.clone()));
            let (step, changed) = copy_batch(client, &noted, cutter, keep.as_ref()).await?;
            Ok((Some(Ok(step)), changed))
        };
        let copied = self.store.pool.write(raising_revision(batch));
        let copied = copied.map_err(|failure| self.named_for(copied_from.take().as_ref(), "copying books", failure))?;
        let location = &self.store.location;
        known(copied, location)?.ok_or_else(|| Error::NotAdopted { location: location.clone() })
    }
}

/// How vectors are kept.
struct Keep<'a> {
    agreement: &'a Agreement,
    /// `None` if the other program embedded what libellus does.
    template: Option<Template>,
    dim: usize,
    vector_type: &'a str,
}

async fn copy_batch(
    client: &Client,
    noted: &Noted,
    cutter: &dyn PassageCutter,
    keep: Option<&Keep<'_>>,
) -> Answer<(CopyStep, Changed)> {
    let Noted { mapping, copied_to: after, .. } = noted;
    let (mut found, is_last) = rows::page(client, mapping, after.as_deref(), BATCH).await?;
    if keep.is_some() && !found.is_empty() {
        rows::add_vectors(client, mapping, &mut found).await?;
    }
    let mut step = CopyStep { rows: found.len() as u64, is_last, ..CopyStep::default() };
    let last = found.last().map(|row| row.key.clone()).or_else(|| after.clone());
    let Taken { books, rows, rejects, warnings, no_books, .. } = take(found, cutter);
    let (written, changed) = put(client, &books).await?;
    let no_books: Vec<&str> = no_books.iter().map(String::as_str).collect();
    step.deleted = delete(client, &no_books).await?;
    if let Some(keep) = keep {
        keep_vectors(client, keep, &books, &rows, &mut step).await?;
    }
    if step.is_last {
        step.deleted += prune(client, mapping).await?;
    }
    let parameters: &[Parameter<'_>] = &[(&last, Type::TEXT), (&step.is_last, Type::BOOL)];
    client.execute_typed("UPDATE libellus.adoption SET copied_to = $1, is_copied = $2", parameters).await?;
    let has_changed = changed == Changed::Yes || step.deleted + step.kept > 0;
    Ok((CopyStep { written, rejects, warnings, ..step }, Changed::from(has_changed)))
}

/// Keeps the vectors of books that are one passage, whose text is the one that was embedded.
async fn keep_vectors(
    client: &Client,
    keep: &Keep<'_>,
    books: &[CutBook],
    rows: &[SourceRow],
    step: &mut CopyStep,
) -> Answer<()> {
    let mut vectors: HashMap<&str, Vec<f32>> = HashMap::new();
    for (book, row) in books.iter().zip(rows) {
        let vector = row.vector(keep.dim).and_then(|vector| {
            let ours = book.passages.iter().map(|passage| format!("{}{}", passage.context, passage.text));
            let is_same = is_embedded_text(keep.template.as_ref(), ours, row);
            if is_same { Ok(vector) } else { Err(VectorFault::OtherText) }
        });
        match vector {
            Ok(vector) => drop(vectors.insert(&row.key, vector)),
            Err(fault) => *step.not_kept.entry(fault).or_default() += 1,
        }
    }
    let ids: Vec<&str> = vectors.keys().copied().collect();
    let parameters: &[Parameter<'_>] = &[(&ids, Type::TEXT_ARRAY), (&keep.agreement.space, Type::TEXT)];
    // Not those that have a fresh one, from an earlier copy or made since.
    let sql = "SELECT b.id, p.passage_id, p.text_hash FROM libellus.books b JOIN libellus.passages p USING (book_rowid) \
               WHERE b.id = ANY($1) AND NOT EXISTS (SELECT FROM libellus.embeddings e \
               WHERE e.passage_id = p.passage_id AND e.space = $2 AND e.text_hash = p.text_hash)";
    let found = client.query_typed(sql, parameters).await?;
    let mut kept = Vec::with_capacity(found.len());
    for row in &found {
        if let Some(vector) = vectors.get(row.try_get::<_, &str>(0)?) {
            let text_hash = row.try_get::<_, &[u8]>(2)?.try_into().unwrap_or_default();
            kept.push(NewEmbedding { passage_id: row.try_get(1)?, text_hash, vector });
        }
    }
    if !kept.is_empty() {
        let Agreement { space, precision, .. } = keep.agreement;
        let (stored, _) = embeddings::put(client, keep.vector_type, space, precision, &kept).await?;
        // Vectors that the catalogue has no use for are not kept.
        step.kept = stored.unwrap_or(0);
    }
    Ok(())
}
