//! The path of a question, from top to bottom.

use crate::cursor::{Cursor, fingerprint};
use crate::ranking::{BookScope, Lexical, Question, Ranked, Ranking, Semantic};
use crate::request::{Corrected, FoundBy, Highlights, MatchedWord, Sort, Total};
use crate::snapshot::{Words, normalize};
use crate::{Error, FacetCounts, Filter, Hit, Library, Mode, SearchRequest, SearchResponse, Timings};
use libellus_catalogue::{isbn, sentences_of};
use libellus_index::{Correction, GroupSet, KeywordQuery, QueryOptions, find_words, fold, words};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

impl Library {
    /// Answers a question.
    ///
    /// A book that the query names, by its number, its title, its authors or title and authors in any order, comes first;
    /// see `fusion.rs` for how the two ways are joined. Where both are asked for and nothing is embedded yet, the answer is
    /// by words alone and says so.
    ///
    /// # Errors
    /// If the query is empty or too long, the limit out of range, nothing is embedded in the model's space although
    /// there are passages (by meaning), the catalogue is searched by another model, the filter asks of a field that is
    /// not one, the cursor is of another question, or the catalogue fails.
    pub fn search(&self, request: &SearchRequest) -> Result<SearchResponse, Error> {
        self.despite_damage(|| self.search_once(request))
    }

    fn search_once(&self, request: &SearchRequest) -> Result<SearchResponse, Error> {
        let query = request.checked_query()?;
        let asked = fingerprint(&(query, request.mode, request.exact, request.sort, &request.filter));
        let after = request.after.as_deref().map(|text| Cursor::parse(text, asked)).transpose()?;
        let mut timings = Timings::default();
        let mut stopwatch = Stopwatch::start();
        let has_columns = !request.filter.is_empty() || !request.facets.is_empty();
        let words = if request.mode != Mode::Semantic || has_columns { Some(self.words()?) } else { None };
        if let Some(words) = &words {
            words.facets.check(request.facets.iter().chain(request.filter.any_of.keys()))?;
        }
        let lexical = words.clone().filter(|_| request.mode != Mode::Semantic);
        let lexical = lexical.map(|words| self.asked_by_words(words, query, request.exact));
        let mut corrections = lexical.as_ref().map_or_else(Vec::new, |lexical| corrections(&lexical.query));
        let words_ms = stopwatch.lap_ms();
        let mut degraded = None;
        let semantic = match (request.mode, &lexical) {
            (Mode::Semantic, _) => Some(self.asked_by_meaning(query, &mut timings)?),
            (Mode::Hybrid, Some(lexical)) => match for_the_model(query, lexical, &corrections) {
                Some(text) => match self.asked_by_meaning(&text, &mut timings) {
                    Err(Error::NotEmbedded { model, .. }) => {
                        degraded = Some(format!("nothing is embedded for `{model}` yet"));
                        None
                    }
                    asked => Some(asked?),
                },
                None => None,
            },
            _ => None,
        };
        let question = Question { mode: request.mode, lexical, semantic };
        let mut stopwatch = Stopwatch::start();
        let scope = scope(words.as_deref(), &question, &request.filter)?;
        let ranking = question.rank(scope.as_ref())?;
        let counts =
            request.facets.iter().map(|field| facet(field, &question, words.as_deref(), &request.filter, &ranking));
        let facets = counts.collect::<Result<Vec<_>, Error>>()?.into_iter().flatten().collect();
        timings.fuse_ms = ranking.fuse_ms;
        timings.scan_ms += words_ms + (stopwatch.lap_ms() - ranking.fuse_ms).max(0.0);

        let Ranking { books, n_relevant, is_whole, .. } = ranking;
        let mut relevant = books;
        let related = relevant.split_off(n_relevant);
        self.sort(&mut relevant, request.sort)?;
        let start = after.map_or(0, |cursor| behind(&relevant, &cursor));
        let end = relevant.len().min(start + request.limit);
        let next =
            (end < relevant.len()).then(|| Cursor { book: relevant[end - 1].book, shown: end as u32, question: asked });
        let mut hits = self.fetch(&question, relevant[start..end].iter(), start)?;
        // What is only related fills up the page after the last answer.
        let room = if next.is_none() { request.limit - (end - start) } else { 0 };
        let mut related = self.fetch(&question, related.iter().take(room), end)?;
        if let Some(semantic) = question.semantic.as_ref().filter(|_| request.sentences) {
            nearest_sentences(semantic, hits.iter_mut().chain(&mut related));
        }
        if request.filter.within.is_some() {
            // A word that only other books have says what they hold.
            let is_seen = |correction: &Corrected| {
                let mut words = hits.iter().chain(&related).flat_map(|hit| &hit.reason.words);
                words.any(|found| found.word == correction.searched)
            };
            corrections.retain(is_seen);
        }
        timings.fetch_ms = stopwatch.lap_ms();
        let searched_books = match (&scope, &question.lexical, &question.semantic) {
            (Some(scope), _, _) => scope.groups.len(),
            (None, Some(lexical), _) => lexical.words.books.len(),
            (None, None, semantic) => semantic.as_ref().map_or(0, |semantic| semantic.embeddings.embedded_books),
        };
        Ok(SearchResponse {
            query: query.to_owned(),
            mode: request.mode,
            hits,
            related,
            total: Total { books: n_relevant, is_exact: is_whole },
            facets,
            next: next.map(|cursor| cursor.to_string()),
            searched_books,
            query_tokens: question.semantic.map(|semantic| semantic.tokens),
            corrections,
            degraded,
            timings,
        })
    }

    /// The values of some fields among all books that a filter leaves, as [`SearchResponse::facets`] has them for an answer.
    ///
    /// # Errors
    /// If there is no such field, or the catalogue fails.
    pub fn facet_counts(&self, fields: &[String], filter: &Filter) -> Result<Vec<FacetCounts>, Error> {
        let words = self.words()?;
        let count = |field: &String| {
            let groups = words.facets.admitted(&filter.without(field))?;
            let groups = groups.unwrap_or_else(|| GroupSet::all(words.books.len() as u32));
            words.facets.count(field, groups.iter())
        };
        fields.iter().map(count).collect()
    }

    /// A query as it is asked of the vector index.
    fn asked_by_meaning(&self, query: &str, timings: &mut Timings) -> Result<Semantic, Error> {
        let mut stopwatch = Stopwatch::start();
        let embeddings = self.embeddings()?;
        timings.scan_ms += stopwatch.lap_ms();
        let mut encoded = self.query_vectors.encode(&embeddings.encoder, query);
        normalize(&mut encoded.vector);
        timings.encode_ms = stopwatch.lap_ms();
        Ok(Semantic { embeddings, vector: encoded.vector, tokens: encoded.tokens })
    }

    /// A query as it is asked of the word index.
    fn asked_by_words(&self, words: Arc<Words>, query: &str, exact: bool) -> Lexical {
        let is_word = |word: &str| self.is_whole_word(word);
        let options = QueryOptions { exact, is_word: Some(&is_word), ..QueryOptions::default() };
        let known = words.index.known_items(query);
        let query = words.index.query(query, &options);
        Lexical { words, query, known }
    }

    /// Whether a word is one that the model has not to take to pieces: it is not misspelt.
    fn is_whole_word(&self, word: &str) -> bool {
        let tokenizer = self.encoder().tokenizer();
        tokenizer.count(word) <= tokenizer.count("a")
    }

    /// Puts relevant books, which come best first, into another order; of equal ones the better comes first.
    fn sort(&self, relevant: &mut [Ranked], sort: Sort) -> Result<(), Error> {
        if sort == Sort::Relevance {
            return Ok(());
        }
        let rowids: Vec<i64> = relevant.iter().map(|found| found.book).collect();
        let books = self.catalogue().books_by_rowid(&rowids)?;
        let keys = books.into_iter().map(|book| {
            let (title, year) = book.map_or_else(Default::default, |book| (book.title, book.year));
            // Books without a year come last either way.
            match sort {
                Sort::Newest => (year.map_or(i64::MAX, |year| -i64::from(year)), String::new()),
                Sort::Oldest => (year.map_or(i64::MAX, i64::from), String::new()),
                Sort::Title | Sort::Relevance => (0, fold(&title)),
            }
        });
        let keys: HashMap<i64, (i64, String)> = rowids.iter().copied().zip(keys).collect();
        relevant.sort_by(|a, b| keys[&a.book].cmp(&keys[&b.book]));
        Ok(())
    }

    /// The records of ranked books, each with the passage that is nearest or holds most of the words; `before` others
    /// come before them. A book that was deleted since the index was made is left out.
    fn fetch<'r>(
        &self,
        question: &Question,
        ranked: impl Iterator<Item = &'r Ranked>,
        before: usize,
    ) -> Result<Vec<Hit>, Error> {
        let ranked: Vec<&Ranked> = ranked.collect();
        let rowids: Vec<i64> = ranked.iter().map(|found| found.book).collect();
        let books = self.catalogue().books_by_rowid(&rowids)?;
        let mut hits = Vec::with_capacity(ranked.len());
        for (found, book) in ranked.into_iter().zip(books) {
            let Some(book) = book else { continue };
            let reason = question.reason(found);
            let passage = match found.ordinal {
                Some(ordinal) => self.catalogue().passage_text(found.book, ordinal)?.unwrap_or_default(),
                None => self.passage_with_words(found.book, &reason.words)?,
            };
            let highlights = Highlights { title: reason.places_in(&book.title), passage: reason.places_in(&passage) };
            let rank = before + hits.len() + 1;
            hits.push(Hit { rank, score: found.score, book, passage, reason, highlights });
        }
        Ok(hits)
    }

    /// The passage of a book that holds most of these words; the first of them if several are equal.
    fn passage_with_words(&self, book_rowid: i64, wanted: &[MatchedWord]) -> Result<String, Error> {
        let (mut best, mut most) = (String::new(), None);
        for ordinal in 0.. {
            let Some(text) = self.catalogue().passage_text(book_rowid, ordinal)? else { break };
            let folded = fold(&text);
            let words: HashSet<&str> = words(&folded).collect();
            let held = wanted.iter().filter(|wanted| words.contains(wanted.word.as_str())).count();
            if most.is_none_or(|most| held > most) {
                (best, most) = (text, Some(held));
            }
        }
        Ok(best)
    }
}

/// The books that filter and signs leave, if they leave any out.
fn scope<'w>(words: Option<&'w Words>, question: &Question, filter: &Filter) -> Result<Option<BookScope<'w>>, Error> {
    let Some(words) = words else { return Ok(None) };
    let signs = question.lexical.as_ref().and_then(|lexical| words.index.admitted(&lexical.query));
    let groups = match (words.facets.admitted(filter)?, signs) {
        (Some(mut admitted), Some(signs)) => {
            admitted.intersect(&signs);
            Some(admitted)
        }
        (admitted, signs) => admitted.or(signs),
    };
    Ok(groups.map(|groups| BookScope { words, groups }))
}

/// The values of a field among the relevant books, as if the field were not filtered.
fn facet(
    field: &str,
    question: &Question,
    words: Option<&Words>,
    filter: &Filter,
    ranking: &Ranking,
) -> Result<Option<FacetCounts>, Error> {
    let Some(words) = words else { return Ok(None) };
    let wider;
    let ranking = if filter.any_of.contains_key(field) {
        wider = question.rank(scope(Some(words), question, &filter.without(field))?.as_ref())?;
        &wider
    } else {
        ranking
    };
    let relevant = ranking.books[..ranking.n_relevant].iter();
    let groups: GroupSet =
        relevant.filter_map(|found| words.books.binary_search(&found.book).ok()).map(|group| group as u32).collect();
    words.facets.count(field, groups.iter()).map(Some)
}

/// Where the next page begins.
fn behind(relevant: &[Ranked], cursor: &Cursor) -> usize {
    let last = relevant.iter().position(|found| found.book == cursor.book);
    last.map_or(cursor.shown as usize, |last| last + 1).min(relevant.len())
}

/// So many hits are given a sentence: each costs as much time as embedding a passage.
const MOST_SENTENCES: usize = 5;

/// Gives the first hits that were found by meaning the sentence of their passage that is nearest to the query.
fn nearest_sentences<'h>(semantic: &Semantic, hits: impl Iterator<Item = &'h mut Hit>) {
    let found_by_meaning = |hit: &&mut Hit| hit.reason.found_by != FoundBy::Lexical && !hit.reason.is_named;
    for hit in hits.filter(found_by_meaning).take(MOST_SENTENCES) {
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

/// Measures one step after the other.
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// Milliseconds since the last lap or the start, to the microsecond.
    pub(crate) fn lap_ms(&mut self) -> f64 {
        let elapsed = self.0.elapsed();
        self.0 = Instant::now();
        elapsed.as_micros() as f64 / 1000.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
