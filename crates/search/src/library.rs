//! A library: a catalogue, an encoder, and the indexes between them.
//!
//! The path of a query is [`Library::search`] and what it calls, in this file from top to bottom.

use crate::backfill::{Progress, backfill};
use crate::error::StoredSpaces;
use crate::fresh::Fresh;
use crate::ranking::{Lexical, Ranked, Semantic, rank};
use crate::request::{Corrected, FoundBy, MatchedWord};
use crate::snapshot::{Embeddings, Words, normalize};
use crate::{BackfillOptions, BackfillReport, Error, Hit, MAX_LIMIT, Mode, SearchRequest, SearchResponse, Timings};
use libellus_catalogue::adopt::StoredPrecision;
use libellus_catalogue::{Book, Catalogue, SpaceRoles, Statistics, isbn, sentences_of};
use libellus_encoder::Encoder;
use libellus_index::{Correction, KeywordQuery, QueryOptions, find_words, fold, words};
use std::borrow::Cow;
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

    /// Makes the indexes that a question of the default mode needs, so that the first one does not wait for them.
    ///
    /// # Errors
    /// As for a question by meaning, save those about the question itself.
    pub fn prepare(&self) -> Result<(), Error> {
        self.words()?;
        self.embeddings().map(drop)
    }

    /// Answers a question.
    ///
    /// A book that the query names, by its number, its title, its authors or title and authors in any order, comes first;
    /// see `fusion.rs` for how the two ways are joined. Where both are asked for and nothing is embedded yet, the answer is
    /// by words alone and says so.
    ///
    /// # Errors
    /// If the query is empty or too long, the limit out of range, nothing is embedded in the model's space although
    /// there are passages (by meaning), the catalogue is searched by another model, or it fails.
    pub fn search(&self, request: &SearchRequest) -> Result<SearchResponse, Error> {
        let query = request.checked_query()?;
        // What one way finds late the other may find early.
        let depth = if request.mode == Mode::Hybrid { MAX_LIMIT } else { request.limit };
        let mut timings = Timings::default();
        let mut stopwatch = Stopwatch::start();
        let lexical = match request.mode {
            Mode::Semantic => None,
            Mode::Hybrid | Mode::Keyword => Some(self.search_by_words(query, depth, request.exact)?),
        };
        let words_ms = stopwatch.lap_ms();
        let corrections = lexical.as_ref().map_or_else(Vec::new, |lexical| corrections(&lexical.query));
        let mut degraded = None;
        let semantic = match (request.mode, &lexical) {
            (Mode::Semantic, _) => Some(self.search_by_meaning(query, depth, None, &mut timings)?),
            (Mode::Hybrid, Some(lexical)) => match for_the_model(query, lexical, &corrections) {
                Some(text) => match self.search_by_meaning(&text, depth, Some(lexical), &mut timings) {
                    Err(Error::NotEmbedded { model, .. }) => {
                        degraded = Some(format!("nothing is embedded for `{model}` yet"));
                        None
                    }
                    found => Some(found?),
                },
                None => None,
            },
            _ => None,
        };
        let mut stopwatch = Stopwatch::start();
        let ranked = rank(request.mode, lexical.as_ref(), semantic.as_ref(), request.limit);
        timings.scan_ms += words_ms + stopwatch.lap_ms();
        let mut hits = self.fetch(ranked)?;
        if let Some(semantic) = semantic.as_ref().filter(|_| request.sentences) {
            nearest_sentences(semantic, &mut hits);
        }
        timings.fetch_ms = stopwatch.lap_ms();
        let searched = |books: &Vec<i64>| books.len();
        Ok(SearchResponse {
            query: query.to_owned(),
            mode: request.mode,
            hits,
            searched_books: match (&lexical, &semantic) {
                (Some(lexical), _) => searched(&lexical.words.books),
                (None, semantic) => semantic.as_ref().map_or(0, |semantic| searched(&semantic.embeddings.books)),
            },
            query_tokens: semantic.map(|semantic| semantic.tokens),
            corrections,
            degraded,
            timings,
        })
    }

    /// The books whose passages lie nearest to the query, of those that the signs of the words searched beside it admit.
    fn search_by_meaning(
        &self,
        query: &str,
        limit: usize,
        beside: Option<&Lexical>,
        timings: &mut Timings,
    ) -> Result<Semantic, Error> {
        let mut stopwatch = Stopwatch::start();
        let embeddings = self.embeddings()?;
        let index_ms = stopwatch.lap_ms();
        let mut encoded = embeddings.encoder.encode(query);
        normalize(&mut encoded.vector);
        timings.encode_ms = stopwatch.lap_ms();
        let hits = match beside.and_then(|lexical| lexical.admitted(&embeddings)) {
            Some(admitted) => embeddings.index.search_within(&admitted, &encoded.vector, limit)?,
            None => embeddings.index.search(&encoded.vector, limit)?,
        };
        timings.scan_ms = index_ms + stopwatch.lap_ms();
        Ok(Semantic { embeddings, vector: encoded.vector, tokens: encoded.tokens, hits })
    }

    /// The books that hold the query's words.
    fn search_by_words(&self, query: &str, limit: usize, exact: bool) -> Result<Lexical, Error> {
        let words = self.words()?;
        let is_word = |word: &str| self.is_whole_word(word);
        let options = QueryOptions { exact, is_word: Some(&is_word), ..QueryOptions::default() };
        let known = words.index.known_items(query);
        let query = words.index.query(query, &options);
        let hits = words.index.search(&query, limit, None);
        Ok(Lexical { words, query, hits, known })
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

    /// The records of ranked books, each with the passage that is nearest or holds most of the words. A book that was
    /// deleted since the index was made is left out.
    fn fetch(&self, ranked: Vec<Ranked>) -> Result<Vec<Hit>, Error> {
        let rowids: Vec<i64> = ranked.iter().map(|found| found.book).collect();
        let books = self.catalogue.books_by_rowid(&rowids)?;
        let mut hits = Vec::with_capacity(ranked.len());
        for (Ranked { book: rowid, score, ordinal, reason }, book) in ranked.into_iter().zip(books) {
            let Some(book) = book else { continue };
            let passage = match ordinal {
                Some(ordinal) => self.catalogue.passage_text(rowid, ordinal)?.unwrap_or_default(),
                None => self.passage_with_words(rowid, &reason.words)?,
            };
            hits.push(Hit { rank: hits.len() + 1, score, book, passage, reason });
        }
        Ok(hits)
    }

    /// The passage of a book that holds most of these words; the first of them if several are equal.
    fn passage_with_words(&self, book_rowid: i64, wanted: &[MatchedWord]) -> Result<String, Error> {
        let (mut best, mut most) = (String::new(), None);
        for ordinal in 0.. {
            let Some(text) = self.catalogue.passage_text(book_rowid, ordinal)? else { break };
            let folded = fold(&text);
            let words: HashSet<&str> = words(&folded).collect();
            let held = wanted.iter().filter(|wanted| words.contains(wanted.word.as_str())).count();
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

/// So many hits are given a sentence: each costs as much time as embedding a passage.
const MOST_SENTENCES: usize = 5;

/// Gives the first hits that were found by meaning the sentence of their passage that is nearest to the query.
fn nearest_sentences(semantic: &Semantic, hits: &mut [Hit]) {
    let found_by_meaning = |hit: &&mut Hit| hit.reason.found_by != FoundBy::Lexical && !hit.reason.is_named;
    for hit in hits.iter_mut().filter(found_by_meaning).take(MOST_SENTENCES) {
        let sentences = sentences_of(&hit.passage);
        let nearest = match sentences[..] {
            [] | [_] => sentences.first(),
            _ => {
                let encoded = semantic.embeddings.encoder.encode_batch(&sentences, 1);
                let cosines = encoded.into_iter().map(|mut encoded| {
                    normalize(&mut encoded.vector);
                    encoded.vector.iter().zip(&semantic.vector).map(|(a, b)| a * b).sum::<f32>()
                });
                sentences.iter().zip(cosines).max_by(|a, b| a.1.total_cmp(&b.1)).map(|(sentence, _)| sentence)
            }
        };
        hit.reason.sentence = nearest.map(|sentence| (*sentence).to_owned());
    }
}

/// A query's corrections, as an answer tells them.
fn corrections(query: &KeywordQuery) -> Vec<Corrected> {
    let told = query.corrections().iter().cloned();
    told.map(|Correction { typed, searched, as_well }| Corrected { typed, searched, as_well }).collect()
}

/// Whether a query is an ISBN and nothing else, in any shape: `978-0-14-143958-7`, `ISBN 014143958X`.
fn is_isbn(query: &str) -> bool {
    let number: String = words(&fold(query)).collect();
    let number = number.strip_prefix("isbn").unwrap_or(&number);
    isbn::extract(number) == [number.to_ascii_uppercase()]
}

/// What the model reads of a query: what was meant, without signs. `None` if it is nothing that means anything: a text
/// without a word, or a number. To those some vector is near, too, and its book would be a wrong answer.
fn for_the_model(query: &str, lexical: &Lexical, corrections: &[Corrected]) -> Option<String> {
    if lexical.query.is_empty() || is_isbn(query) {
        return None;
    }
    let plain = lexical.query.without_signs().map_or(Cow::Borrowed(query), Cow::Owned);
    (!plain.is_empty()).then(|| corrected(&plain, corrections).into_owned())
}

/// A query with its corrections, for the model.
fn corrected<'q>(query: &'q str, corrections: &[Corrected]) -> Cow<'q, str> {
    let correction = |word: &str| corrections.iter().find(|corrected| corrected.typed == word && !corrected.as_well);
    let (mut text, mut done, mut searched) = (String::new(), 0, Vec::new());
    let ranges = find_words(query, |word| {
        let found = correction(word);
        searched.extend(found.map(|corrected| corrected.searched.as_str()));
        found.is_some()
    });
    if ranges.is_empty() || ranges.len() != searched.len() {
        return Cow::Borrowed(query);
    }
    for (range, searched) in ranges.into_iter().zip(searched) {
        text.push_str(&query[done..range.start]);
        text.push_str(searched);
        done = range.end;
    }
    text.push_str(&query[done..]);
    Cow::Owned(text)
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
    fn an_isbn_is_known_by_its_shape() {
        for (query, expected) in [
            ("9780141439587", true),
            ("978-0-14-143958-7", true),
            ("isbn: 0-19-852663-x", true),
            ("ISBN 0441013597", true),
            ("1984", false),
            ("9780141439587 Emma", false),
            ("isbn", false),
            ("C++", false),
        ] {
            assert_eq!(is_isbn(query), expected, "{query}");
        }
    }

    #[test]
    fn corrections_are_put_where_they_were_typed() {
        let corrections = |as_well| {
            let (typed, searched) = ("whalle".to_owned(), "whale".to_owned());
            [Corrected { typed, searched, as_well }]
        };
        assert_eq!(corrected("The Whalle, a whalle!", &corrections(false)), "The whale, a whale!");
        assert_eq!(corrected("The Whalle", &corrections(true)), "The Whalle", "both are searched");
        assert_eq!(corrected("whale", &corrections(false)), "whale");
        assert_eq!(corrected("½whalle½", &[]), "½whalle½");
    }

    #[test]
    fn a_library_is_shared_between_threads() {
        fn shared<T: Send + Sync>() {}
        shared::<Library>();
    }
}
