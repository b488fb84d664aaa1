//! A library: a catalogue, an encoder, and the indexes between them.
//!
//! What it is asked is in files of its own: `search.rs` has the path of a question, `similar.rs` and `suggest.rs` that of
//! their kinds.

use crate::backfill::{Progress, backfill};
use crate::error::StoredSpaces;
use crate::facets::BookFacets;
use crate::fresh::Fresh;
use crate::index_files::IndexOptions;
use crate::query_vectors::{CacheCounts, KEPT, QueryVectors};
use crate::snapshot::{Embeddings, Words};
use crate::suggest::Suggesting;
use crate::{BackfillOptions, BackfillReport, Error, FACETS, Filter};
use libellus_catalogue::adopt::StoredPrecision;
use libellus_catalogue::{Book, Catalogue, SpaceRoles, Statistics};
use libellus_encoder::Encoder;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How often it is looked whether the catalogue has changed.
const REFRESH_PAUSE: Duration = Duration::from_millis(500);
/// Books that are read together when all are looked through.
const BOOKS_AT_ONCE: usize = 256;
/// After what took long, a pause of so many times as long.
const REST: u32 = 4;

/// Whether questions can be answered.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Readiness {
    /// Whether there is at least one embedded passage or the catalogue is empty, and the catalogue is searched by a model
    /// that is loaded.
    pub ready: bool,
    /// What is missing before questions are answered from all books, for people; an empty catalogue lacks nothing.
    pub reason: Option<String>,
    /// The model's name.
    pub model: String,
    /// The model's fingerprint.
    pub fingerprint: String,
    /// Counts.
    pub catalogue: Statistics,
    /// The embeddings by the precision of the models that made them. Those of another precision than the model's are
    /// searched, too; where they were taken over from another program, what was measured of them stands beside.
    pub precisions: Vec<StoredPrecision>,
}

/// A catalogue, an encoder, and the indexes between them. Shared freely between threads.
///
/// An index is made when a question first needs it, and again when the catalogue has changed since, whether this
/// process changed it or another. Where the catalogue records in which space it is searched, a library answers in that
/// space only; one that has a second model changes over by itself when that changes.
pub struct Library {
    /// At least one; questions are answered by the first unless the catalogue says otherwise.
    models: Vec<Arc<Encoder>>,
    catalogue: Catalogue,
    embeddings: Fresh<Embeddings>,
    index: IndexOptions,
    words: Fresh<Words>,
    suggesting: Fresh<Suggesting>,
    /// Names of extra fields that books are filtered by.
    declared: Vec<String>,
    /// Whether a thread makes `words` and `suggesting` anew.
    is_kept_prepared: AtomicBool,
    precisions: Fresh<Vec<StoredPrecision>>,
    pub(crate) query_vectors: QueryVectors,
}

impl Library {
    /// Joins a catalogue and an encoder. The index is built when first needed.
    pub fn new(encoder: Arc<Encoder>, catalogue: Catalogue) -> Self {
        Self {
            models: vec![encoder],
            catalogue,
            embeddings: Fresh::new(),
            index: IndexOptions::default(),
            words: Fresh::new(),
            suggesting: Fresh::new(),
            declared: Vec::new(),
            is_kept_prepared: AtomicBool::new(false),
            precisions: Fresh::new(),
            query_vectors: QueryVectors::new(KEPT),
        }
    }

    /// The same, ready to change over to another model, and back, when the catalogue does.
    #[must_use]
    pub fn with_next(mut self, next: Arc<Encoder>) -> Self {
        self.models.push(next);
        self
    }

    /// The same, with these extra fields of books to filter and count by, beside [`FACETS`].
    #[must_use]
    pub fn with_facets(mut self, names: impl IntoIterator<Item = String>) -> Self {
        for name in names {
            if !FACETS.contains(&name.as_str()) && !self.declared.contains(&name) {
                self.declared.push(name);
            }
        }
        self
    }

    /// The same, with the index of meanings kept in this way.
    #[must_use]
    pub fn with_index(mut self, options: IndexOptions) -> Self {
        self.index = options;
        self
    }

    /// The same, which keeps the vectors of so many queries that were asked last; 0 keeps none.
    #[must_use]
    pub fn with_query_vectors(mut self, most: usize) -> Self {
        self.query_vectors = QueryVectors::new(most);
        self
    }

    /// How often a query's vector was at hand.
    pub fn query_vector_counts(&self) -> &CacheCounts {
        &self.query_vectors.counts
    }

    /// A number that rises whenever answers may be others than before, for whoever keeps answers. `None` if nobody looks for
    /// changes unless a question is asked, see [`Library::keep_prepared`].
    pub fn generation(&self) -> Option<u64> {
        let is_kept_prepared = self.is_kept_prepared.load(Ordering::Relaxed);
        is_kept_prepared.then(|| self.words.times_made() + self.embeddings.times_made())
    }

    /// The fields to filter and count by.
    pub fn facets(&self) -> impl Iterator<Item = &str> {
        FACETS.into_iter().chain(self.declared.iter().map(String::as_str))
    }

    /// The encoder; of two, the first.
    pub fn encoder(&self) -> &Arc<Encoder> {
        &self.models[0]
    }

    /// The encoder of the answers that were given last; the first one if there were none yet.
    pub fn answering(&self) -> Arc<Encoder> {
        self.embeddings.at_hand().map_or_else(|| Arc::clone(self.encoder()), |before| Arc::clone(&before.encoder))
    }

    /// The encoder that questions are answered with: of those that are loaded, the one whose space is searched.
    ///
    /// # Errors
    /// [`Error::OtherSpace`] if none of them is; those of reading.
    pub fn serving(&self) -> Result<&Arc<Encoder>, Error> {
        self.serving_by(&self.catalogue.roles()?)
    }

    fn serving_by(&self, roles: &SpaceRoles) -> Result<&Arc<Encoder>, Error> {
        let Some(active) = &roles.active else { return Ok(self.encoder()) };
        let of_space = |model: &&Arc<Encoder>| model.info().fingerprint.space == active.space;
        let other = || Error::other_space(self.catalogue.location(), active.clone(), self.encoder());
        self.models.iter().find(of_space).ok_or_else(other)
    }

    /// The encoder that passages are embedded with: as for questions, or the first for a space that is being filled, or
    /// was searched before.
    fn backfilling(&self) -> Result<&Arc<Encoder>, Error> {
        let roles = self.catalogue.roles()?;
        let own = &self.encoder().info().fingerprint.space;
        let has_role = [&roles.next, &roles.previous].into_iter().flatten().any(|role| role.space == *own);
        if has_role && self.models.len() == 1 { Ok(self.encoder()) } else { self.serving_by(&roles) }
    }

    /// The catalogue.
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// Makes the indexes that a question of the default mode needs and those of suggestions, so that the first one does not
    /// wait for them.
    ///
    /// # Errors
    /// As for a question by meaning, save those about the question itself.
    pub fn prepare(&self) -> Result<(), Error> {
        // What a question needs comes first. Suggestions can be made where nothing is embedded yet.
        self.words_now()?;
        let embeddings = self.embeddings();
        self.suggesting_now()?;
        embeddings.map(drop)
    }

    /// Prepares, and from then on makes what words are searched in anew whenever books have changed, in a thread of its own
    /// that ends with the library: no question waits for it. A book is found by its words a moment after it came.
    pub fn keep_prepared(self: &Arc<Self>) {
        self.is_kept_prepared.store(true, Ordering::Relaxed);
        let library = Arc::downgrade(self);
        std::thread::spawn(move || {
            while let Some(library) = library.upgrade() {
                let start = Instant::now();
                // What fails is said to whoever asks.
                let _ = library.prepare().and_then(|()| library.renew());
                drop(library);
                // Of a catalogue that changes all the time, an import for instance, most of a core is left to others.
                std::thread::sleep(REFRESH_PAUSE.max(start.elapsed() * REST));
            }
        });
    }

    /// What is at hand of something that another thread makes anew, if one does.
    fn kept<T>(&self, fresh: &Fresh<T>) -> Option<Arc<T>> {
        self.is_kept_prepared.load(Ordering::Relaxed).then(|| fresh.at_hand()).flatten()
    }

    /// The embeddings of the space that is searched, as of now.
    ///
    /// A process whose model is not asked for any more goes on in its own space while the embeddings are there, rather
    /// than to fail its readers; [`Library::readiness`] says that it should be replaced.
    pub(crate) fn embeddings(&self) -> Result<Arc<Embeddings>, Error> {
        let revision = self.catalogue.revision()?;
        let embeddings = self.embeddings.get(revision, || {
            let before = self.embeddings.at_hand();
            let encoder = self.encoder_after(before.as_deref())?;
            Embeddings::now(&self.catalogue, &encoder, before.as_deref(), &self.index)
        })?;
        if embeddings.embedded_books == 0 {
            self.check_embedded(&embeddings.encoder)?;
        }
        Ok(embeddings)
    }

    /// The encoder that questions are answered with next.
    fn encoder_after(&self, before: Option<&Embeddings>) -> Result<Arc<Encoder>, Error> {
        match (self.serving(), before) {
            (Err(Error::OtherSpace { .. }), Some(before)) => Ok(Arc::clone(&before.encoder)),
            (serving, _) => Ok(Arc::clone(serving?)),
        }
    }

    /// Whether the index of meanings fits into the memory that it may take, for the model that questions are answered with.
    ///
    /// # Errors
    /// [`Error::IndexTooLarge`]; as [`Library::serving`].
    pub fn check_room(&self) -> Result<(), Error> {
        let model = self.serving()?.info();
        let passages = self.catalogue.statistics(&model.fingerprint.space)?.embedded;
        self.index.check_memory(passages, model.dim, self.index.directory.is_some())
    }

    /// Makes another index file where much has changed since the one at hand was made. Questions are answered meanwhile.
    ///
    /// # Errors
    /// Those of reading.
    pub fn renew(&self) -> Result<(), Error> {
        match self.embeddings.at_hand() {
            Some(worn) if worn.index.is_worn() => self.make_anew(&worn),
            _ => Ok(()),
        }
    }

    fn make_anew(&self, before: &Embeddings) -> Result<(), Error> {
        // Before it is asked which space is searched: if that changes meanwhile, what is made here counts as old.
        let revision = self.catalogue.revision()?;
        let encoder = self.encoder_after(Some(before))?;
        self.embeddings.replace(revision, Embeddings::kept(&self.catalogue, &encoder, &self.index)?);
        Ok(())
    }

    /// Does something with the index at hand, once more if its file turns out to be damaged: it is made anew then.
    pub(crate) fn despite_damage<T>(&self, ask: impl Fn() -> Result<T, Error>) -> Result<T, Error> {
        use libellus_index::Error::{IndexFile, UnusableFile};
        match (ask(), self.embeddings.at_hand()) {
            (Err(error @ Error::Index(IndexFile { .. } | UnusableFile { .. })), Some(damaged)) => {
                (self.index.trouble)(&error);
                self.make_anew(&damaged)?;
                ask()
            }
            (answer, _) => answer,
        }
    }

    /// An empty catalogue has an empty answer; one that was never embedded for a model has none.
    ///
    /// # Errors
    /// [`Error::NotEmbedded`] if there are passages, and none lies in the model's space; those of reading.
    pub fn check_embedded(&self, encoder: &Encoder) -> Result<(), Error> {
        let model = encoder.info();
        let space = &model.fingerprint.space;
        let Statistics { passages, embedded, .. } = self.catalogue.statistics(space)?;
        if passages == 0 || embedded > 0 {
            return Ok(());
        }
        Err(Error::NotEmbedded {
            location: self.catalogue.location().to_owned(),
            passages,
            model: model.name.clone(),
            dim: model.dim,
            space: space.clone(),
            stored: StoredSpaces(self.catalogue.spaces()?),
        })
    }

    /// The words of every book, as of now.
    pub(crate) fn words(&self) -> Result<Arc<Words>, Error> {
        self.kept(&self.words).map_or_else(|| self.words_now(), Ok)
    }

    fn words_now(&self) -> Result<Arc<Words>, Error> {
        let revision = self.catalogue.revision()?;
        self.words.get(revision, || {
            let before = self.words.at_hand();
            Words::now(&self.catalogue, &self.declared, before.as_deref())
        })
    }

    /// Vectors, their books and the bytes of memory of the index of meanings, if it has been made.
    pub fn index_size(&self) -> Option<(usize, usize, usize)> {
        let at_hand = self.embeddings.at_hand()?;
        Some((at_hand.index.len(), at_hand.embedded_books, at_hand.index.bytes()))
    }

    /// Counts of the catalogue, for the model that answered last.
    ///
    /// # Errors
    /// Those of reading.
    pub fn catalogue_size(&self) -> Result<Statistics, Error> {
        Ok(self.catalogue.statistics(&self.answering().info().fingerprint.space)?)
    }

    /// What completes a reader's typing, as of now.
    pub(crate) fn suggesting(&self) -> Result<Arc<Suggesting>, Error> {
        self.kept(&self.suggesting).map_or_else(|| self.suggesting_now(), Ok)
    }

    fn suggesting_now(&self) -> Result<Arc<Suggesting>, Error> {
        let revision = self.catalogue.revision()?;
        self.suggesting.get(revision, || {
            let before = self.suggesting.at_hand();
            Suggesting::now(&self.catalogue, self.words_now()?, before.as_deref())
        })
    }

    /// The book with this id.
    pub fn book(&self, id: &str) -> Result<Option<Book>, Error> {
        Ok(self.catalogue.book(id)?)
    }

    /// The same, if the filter lets it pass.
    ///
    /// # Errors
    /// If the filter asks of a field that is not one, or the catalogue fails.
    pub fn book_within(&self, id: &str, filter: &Filter) -> Result<Option<Book>, Error> {
        let Some(book) = self.book(id)? else { return Ok(None) };
        Ok(BookFacets::admits(&self.declared, &book, filter)?.then_some(book))
    }

    /// The ids of the books of a part of the catalogue, counted from 0, that the filter lets pass; none behind the last one,
    /// and the first one is always there.
    ///
    /// # Errors
    /// As [`Library::book_within`].
    pub fn ids_of_part(&self, part: usize, books: usize, filter: &Filter) -> Result<Option<Vec<String>>, Error> {
        if *filter == Filter::default() {
            let ids = self.catalogue.book_ids(part.saturating_mul(books), books)?;
            return Ok((part == 0 || !ids.is_empty()).then_some(ids));
        }
        let rowids = self.catalogue.book_rowids()?;
        let Some(rowids) = rowids.chunks(books.max(1)).nth(part) else { return Ok((part == 0).then(Vec::new)) };
        let mut ids = Vec::new();
        for rowids in rowids.chunks(BOOKS_AT_ONCE) {
            for book in self.catalogue.books_by_rowid(rowids)?.into_iter().flatten() {
                if BookFacets::admits(&self.declared, &book, filter)? {
                    ids.push(book.id);
                }
            }
        }
        Ok(Some(ids))
    }

    /// Embeds every passage without a fresh embedding, in the space that is searched or, if the one model of this library
    /// has another, in that, provided that the catalogue knows it; [`Error::OtherSpace`] ends it when it does no more.
    ///
    /// Passages are embedded in batches, each stored in one transaction; `progress` is called after each and may stop
    /// there with `Break`. Several processes may do this at once.
    ///
    /// Changes in a table that was adopted and is followed are dealt with by turns, if the model of the space that is
    /// searched is at hand: books are cut into what that one reads whole.
    pub fn backfill(&self, options: &BackfillOptions, progress: Progress<'_>) -> Result<BackfillReport, Error> {
        let serving = match self.serving() {
            Err(Error::OtherSpace { .. }) => None,
            serving => Some(&**serving?),
        };
        backfill(self.backfilling()?, serving, &self.catalogue, options, progress)
    }

    /// Whether questions can be answered, and from how much.
    pub fn readiness(&self) -> Result<Readiness, Error> {
        // Before anything that is counted for it.
        let revision = self.catalogue.revision()?;
        let (encoder, other_space) = match self.serving() {
            // Everyone may read this, so where the catalogue and the models are is left out.
            Err(Error::OtherSpace { active, model, space, .. }) => {
                let searched = &active.space;
                let reason =
                    format!("`{model}` (space {space}) is loaded, but the catalogue is searched in space {searched}");
                (self.answering(), Some(reason))
            }
            serving => (Arc::clone(serving?), None),
        };
        let model = encoder.info();
        let space = &model.fingerprint.space;
        // Counted once for each state: it takes a look at every embedding, and platforms ask every few seconds.
        let precisions = self.precisions.get(revision, || self.catalogue.precisions(space))?;
        let counts = self.catalogue.statistics(space)?;
        Ok(Readiness {
            ready: other_space.is_none() && (counts.embedded > 0 || counts.passages == 0),
            reason: other_space.or_else(|| missing(&counts, &model.name)),
            model: model.name.clone(),
            fingerprint: model.fingerprint.to_string(),
            catalogue: counts,
            precisions: precisions.to_vec(),
        })
    }
}

/// What a catalogue lacks, if anything.
fn missing(counts: &Statistics, model: &str) -> Option<String> {
    let passages = counts.passages;
    let pending = passages.saturating_sub(counts.embedded);
    (pending > 0)
        .then(|| format!("{pending} of {passages} passages are not embedded for `{model}`; run `libellus backfill`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_said() {
        let cases = [
            ((0, 0, 0), None),
            ((2, 3, 3), None),
            ((2, 3, 0), Some("3 of 3 passages are not embedded for `m`; run `libellus backfill`")),
            ((2, 3, 2), Some("1 of 3 passages are not embedded for `m`; run `libellus backfill`")),
        ];
        for ((books, passages, embedded), expected) in cases {
            let counts = Statistics { books, passages, embedded };
            assert_eq!(missing(&counts, "m").as_deref(), expected, "{counts:?}");
        }
    }

    #[test]
    fn a_library_is_shared_between_threads() {
        fn shared<T: Send + Sync>() {}
        shared::<Library>();
    }
}
