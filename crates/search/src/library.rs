//! A library: a catalogue, an encoder, and the indexes between them.
//!
//! The path of a query is [`Library::search`] and what it calls, in this file from top to bottom.

use crate::backfill::backfill;
use crate::error::StoredSpaces;
use crate::fresh::Fresh;
use crate::snapshot::{Embeddings, Words, normalize};
use crate::{
    BackfillOptions, BackfillProgress, BackfillReport, Error, Hit, Mode, SearchRequest, SearchResponse, Timings,
};
use libellus_catalogue::adopt::StoredPrecision;
use libellus_catalogue::{Book, Catalogue, Statistics};
use libellus_encoder::Encoder;
use libellus_index::{fold, words};
use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

/// Whether questions can be answered.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Readiness {
    /// Whether there is at least one embedded passage or the catalogue is empty.
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
/// process changed it or another.
pub struct Library {
    encoder: Arc<Encoder>,
    catalogue: Catalogue,
    embeddings: Fresh<Embeddings>,
    words: Fresh<Words>,
    precisions: Fresh<Vec<StoredPrecision>>,
}

impl Library {
    /// Joins a catalogue and an encoder. The index is built when first needed.
    pub fn new(encoder: Arc<Encoder>, catalogue: Catalogue) -> Self {
        Self { encoder, catalogue, embeddings: Fresh::new(), words: Fresh::new(), precisions: Fresh::new() }
    }

    /// The encoder.
    pub fn encoder(&self) -> &Arc<Encoder> {
        &self.encoder
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
        let mut encoded = self.encoder.encode(query);
        normalize(&mut encoded.vector);
        let encode_ms = stopwatch.lap_ms();

        let embeddings = self.embeddings()?;
        let found = embeddings.index.search(&encoded.vector, limit)?;
        let scan_ms = stopwatch.lap_ms();

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
        let found = words.index.search(query, limit)?;
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

    /// The embeddings of the model's space, as of now.
    fn embeddings(&self) -> Result<Arc<Embeddings>, Error> {
        let model = self.encoder.info();
        let space = &model.fingerprint.space;
        let revision = self.catalogue.revision()?;
        let embeddings = self.embeddings.get(revision, || Embeddings::load(&self.catalogue, space, model.dim))?;
        if embeddings.index.is_empty() {
            self.check_nothing_to_embed()?;
        }
        Ok(embeddings)
    }

    /// An empty catalogue has an empty answer; one that was never embedded for this model has none.
    fn check_nothing_to_embed(&self) -> Result<(), Error> {
        let model = self.encoder.info();
        let space = &model.fingerprint.space;
        let passages = self.catalogue.statistics(space)?.passages;
        if passages == 0 {
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

    /// Embeds every passage without a fresh embedding.
    ///
    /// Passages are embedded in batches, each stored in one transaction; `progress` is called after each and may stop
    /// there with `Break`. Several processes may do this at once.
    pub fn backfill(
        &self,
        options: &BackfillOptions,
        progress: &mut dyn FnMut(BackfillProgress) -> ControlFlow<()>,
    ) -> Result<BackfillReport, Error> {
        backfill(&self.encoder, &self.catalogue, options, progress)
    }

    /// Whether questions can be answered, and from how much.
    pub fn readiness(&self) -> Result<Readiness, Error> {
        let model = self.encoder.info();
        let space = &model.fingerprint.space;
        // Counted once for each state: it takes a look at every embedding, and platforms ask every few seconds.
        let precisions = self.precisions.get(self.catalogue.revision()?, || self.catalogue.precisions(space))?;
        let counts = self.catalogue.statistics(space)?;
        Ok(Readiness {
            ready: counts.embedded > 0 || counts.passages == 0,
            reason: missing(&counts, &model.name),
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
