//! A library: a catalogue, an encoder, and the indexes between them.
//!
//! The path of a query is [`Library::search`] and what it calls, in this file from top to bottom.

use crate::backfill::{Progress, backfill};
use crate::error::StoredSpaces;
use crate::fresh::Fresh;
use crate::snapshot::{Embeddings, Words, normalize};
use crate::{BackfillOptions, BackfillReport, Error, Hit, Mode, SearchRequest, SearchResponse, Timings};
use libellus_catalogue::adopt::StoredPrecision;
use libellus_catalogue::{Book, Catalogue, SpaceRoles, Statistics};
use libellus_encoder::Encoder;
use libellus_index::{QueryOptions, fold, words};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

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
    words: Fresh<Words>,
    precisions: Fresh<Vec<StoredPrecision>>,
}

impl Library {
    /// Joins a catalogue and an encoder. The index is built when first needed.
    pub fn new(encoder: Arc<Encoder>, catalogue: Catalogue) -> Self {
        let (embeddings, words, precisions) = (Fresh::new(), Fresh::new(), Fresh::new());
        Self { models: vec![encoder], catalogue, embeddings, words, precisions }
    }

    /// The same, ready to change over to another model, and back, when the catalogue does.
    #[must_use]
    pub fn with_next(mut self, next: Arc<Encoder>) -> Self {
        self.models.push(next);
        self
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

    /// Makes the index that a question of the default mode needs, so that the first one does not wait for it.
    ///
    /// # Errors
    /// As for a question by meaning, save those about the question itself.
    pub fn prepare(&self) -> Result<(), Error> {
        self.embeddings().map(drop)
    }

    /// Answers a question.
    ///
    /// # Errors
    /// If the query is empty or too long, the limit out of range, nothing is embedded in the model's space although
    /// there are passages, or the catalogue fails.
    pub fn search(&self, request: &SearchRequest) -> Result<SearchResponse, Error> {
        let query = request.checked_query()?;
        match request.mode {
            Mode::Semantic => self.search_by_meaning(query, request.limit),
            Mode::Keyword => self.search_by_words(query, request.limit),
        }
    }

    /// The books whose passages lie nearest to the query.
    fn search_by_meaning(&self, query: &str, limit: usize) -> Result<SearchResponse, Error> {
        let mut stopwatch = Stopwatch::start();
        let embeddings = self.embeddings()?;
        let index_ms = stopwatch.lap_ms();
        let mut encoded = embeddings.encoder.encode(query);
        normalize(&mut encoded.vector);
        let encode_ms = stopwatch.lap_ms();

        let found = embeddings.index.search(&encoded.vector, limit)?;
        let scan_ms = index_ms + stopwatch.lap_ms();

        let ranked: Vec<(i64, f32)> =
            found.iter().map(|hit| (embeddings.books[hit.group as usize], hit.score)).collect();
        let hits = self.fetch(&ranked, |place, book_rowid| {
            let ordinal = embeddings.ordinals[found[place].row as usize];
            Ok(self.catalogue.passage_text(book_rowid, ordinal)?.unwrap_or_default())
        })?;
        Ok(SearchResponse {
            query: query.to_owned(),
            mode: Mode::Semantic,
            hits,
            searched_books: embeddings.books.len(),
            query_tokens: Some(encoded.tokens),
            timings: Timings { encode_ms, scan_ms, fetch_ms: stopwatch.lap_ms() },
        })
    }

    /// The books that hold the query's words.
    fn search_by_words(&self, query: &str, limit: usize) -> Result<SearchResponse, Error> {
        let mut stopwatch = Stopwatch::start();
        let words = self.words()?;
        let is_word = |word: &str| self.is_whole_word(word);
        let options = QueryOptions { is_word: Some(&is_word), ..QueryOptions::default() };
        let found = words.index.search(&words.index.query(query, &options), limit, None);
        let scan_ms = stopwatch.lap_ms();

        let ranked: Vec<(i64, f32)> = found.iter().map(|hit| (words.books[hit.group as usize], hit.score)).collect();
        let hits = self.fetch(&ranked, |_, book_rowid| self.passage_with_words(book_rowid, query))?;
        Ok(SearchResponse {
            query: query.to_owned(),
            mode: Mode::Keyword,
            hits,
            searched_books: words.books.len(),
            query_tokens: None,
            timings: Timings { encode_ms: 0.0, scan_ms, fetch_ms: stopwatch.lap_ms() },
        })
    }

    /// Whether a word is one that the model has not to take to pieces: it is not misspelt.
    fn is_whole_word(&self, word: &str) -> bool {
        let tokenizer = self.encoder().tokenizer();
        tokenizer.count(word) <= tokenizer.count("a")
    }

    /// The embeddings of the space that is searched, as of now.
    ///
    /// A process whose model is not asked for any more goes on in its own space while the embeddings are there, rather
    /// than to fail its readers; [`Library::readiness`] says that it should be replaced.
    fn embeddings(&self) -> Result<Arc<Embeddings>, Error> {
        let revision = self.catalogue.revision()?;
        let embeddings = self.embeddings.get(revision, || match (self.serving(), self.embeddings.at_hand()) {
            (Err(Error::OtherSpace { .. }), Some(before)) => Embeddings::load(&self.catalogue, &before.encoder),
            (serving, _) => Embeddings::load(&self.catalogue, serving?),
        })?;
        if embeddings.index.is_empty() {
            self.check_embedded(&embeddings.encoder)?;
        }
        Ok(embeddings)
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
    fn words(&self) -> Result<Arc<Words>, Error> {
        let revision = self.catalogue.revision()?;
        self.words.get(revision, || Words::load(&self.catalogue))
    }

    /// The records of ranked books (row id and score), each with the passage that `passage` gives for its place in the
    /// list and its row id. A book that was deleted since the index was made is left out.
    fn fetch(
        &self,
        ranked: &[(i64, f32)],
        passage: impl Fn(usize, i64) -> Result<String, Error>,
    ) -> Result<Vec<Hit>, Error> {
        let rowids: Vec<i64> = ranked.iter().map(|(book_rowid, _)| *book_rowid).collect();
        let books = self.catalogue.books_by_rowid(&rowids)?;
        let mut hits = Vec::with_capacity(ranked.len());
        for (place, (&(book_rowid, score), book)) in ranked.iter().zip(books).enumerate() {
            if let Some(book) = book {
                hits.push(Hit { rank: hits.len() + 1, score, book, passage: passage(place, book_rowid)? });
            }
        }
        Ok(hits)
    }

    /// The passage of a book that holds most of the query's words; the first of them if several are equal.
    fn passage_with_words(&self, book_rowid: i64, query: &str) -> Result<String, Error> {
        let query = fold(query);
        let wanted: HashSet<&str> = words(&query).collect();
        let (mut best, mut most) = (String::new(), None);
        for ordinal in 0.. {
            let Some(text) = self.catalogue.passage_text(book_rowid, ordinal)? else { break };
            let folded = fold(&text);
            let held = words(&folded).filter(|word| wanted.contains(word)).collect::<HashSet<_>>().len();
            if most.is_none_or(|most| held > most) {
                (best, most) = (text, Some(held));
            }
        }
        Ok(best)
    }

    /// The book with this id.
    pub fn book(&self, id: &str) -> Result<Option<Book>, Error> {
        Ok(self.catalogue.book(id)?)
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

/// Measures one step after the other.
struct Stopwatch(Instant);

impl Stopwatch {
    fn start() -> Self {
        Self(Instant::now())
    }

    /// Milliseconds since the last lap or the start, to the microsecond.
    fn lap_ms(&mut self) -> f64 {
        let elapsed = self.0.elapsed();
        self.0 = Instant::now();
        elapsed.as_micros() as f64 / 1000.0
    }
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
