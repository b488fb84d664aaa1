//! The question and the answer.
//!
//! What serializes here is what `--json` prints and what HTTP sends: an answer is
//! `{query, mode, hits, related, total, facets, next, searched_books, query_tokens, corrections, degraded, timings}`, a hit
//! `{rank, score, book, passage, reason, highlights}`.

use crate::{Error, FacetCounts, Filter};
use libellus_catalogue::Book;
use libellus_encoder::TokenCount;
use libellus_index::{Field, Fields, find_words};
use serde::{Serialize, Serializer};
use std::fmt;
use std::ops::Range;
use std::str::FromStr;

/// Hits when the caller does not say.
pub const DEFAULT_LIMIT: usize = 10;
/// Most hits in one answer.
pub const MAX_LIMIT: usize = 100;
/// Longest query, in bytes; a reader's words are far shorter.
pub const MAX_QUERY_BYTES: usize = 16 * 1024;

/// How to search. Written `hybrid`, `semantic` or `keyword`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// By both: a book that the query names comes first, then what it is about counts most.
    #[default]
    Hybrid,
    /// By meaning.
    Semantic,
    /// By words.
    Keyword,
}

impl Mode {
    /// Each of them.
    pub const ALL: [Mode; 3] = [Mode::Hybrid, Mode::Semantic, Mode::Keyword];

    /// The name used in commands, queries and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Mode::Hybrid => "hybrid",
            Mode::Semantic => "semantic",
            Mode::Keyword => "keyword",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Mode {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Mode::ALL.into_iter().find(|mode| mode.as_str() == name).ok_or_else(|| Error::UnknownMode(name.to_owned()))
    }
}

/// The order of the relevant books. Written `relevance`, `newest`, `oldest` or `title`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Sort {
    /// The best first.
    #[default]
    Relevance,
    /// By year, the latest first; books without one last.
    Newest,
    /// By year, the earliest first; books without one last.
    Oldest,
    /// By title, without regard to case and accents.
    Title,
}

impl Sort {
    /// Each of them.
    pub const ALL: [Sort; 4] = [Sort::Relevance, Sort::Newest, Sort::Oldest, Sort::Title];

    /// The name used in commands and queries.
    pub fn as_str(self) -> &'static str {
        match self {
            Sort::Relevance => "relevance",
            Sort::Newest => "newest",
            Sort::Oldest => "oldest",
            Sort::Title => "title",
        }
    }
}

impl FromStr for Sort {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Sort::ALL.into_iter().find(|sort| sort.as_str() == name).ok_or_else(|| Error::UnknownSort(name.to_owned()))
    }
}

/// A question. By default it is empty, and asks for [`DEFAULT_LIMIT`] books.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SearchRequest {
    /// The reader's words.
    pub query: String,
    /// Most hits wanted, 1 to [`MAX_LIMIT`].
    pub limit: usize,
    /// How to search.
    pub mode: Mode,
    /// Whether words are searched as they were typed, and spelling is not put right.
    pub exact: bool,
    /// Whether the first five books found by meaning are given with the sentence of their passage that is nearest to the
    /// query. It takes as long as embedding these passages.
    pub sentences: bool,
    /// Which books may be in the answer.
    pub filter: Filter,
    /// The fields whose values are counted among the relevant books.
    pub facets: Vec<String>,
    /// The order of the relevant books.
    pub sort: Sort,
    /// Where the page before ended: its [`SearchResponse::next`].
    pub after: Option<String>,
}

impl Default for SearchRequest {
    fn default() -> Self {
        Self {
            query: String::new(),
            limit: DEFAULT_LIMIT,
            mode: Mode::default(),
            exact: false,
            sentences: false,
            filter: Filter::default(),
            facets: Vec::new(),
            sort: Sort::default(),
            after: None,
        }
    }
}

impl SearchRequest {
    /// The query without white space around it, if question and limit can be answered.
    pub(crate) fn checked_query(&self) -> Result<&str, Error> {
        if self.query.len() > MAX_QUERY_BYTES {
            return Err(Error::QueryTooLong);
        }
        if !(1..=MAX_LIMIT).contains(&self.limit) {
            return Err(Error::LimitOutOfRange { limit: self.limit });
        }
        let invisible = |c: char| c.is_whitespace() || c.is_control() || libellus_index::is_ignorable(c);
        if self.query.chars().all(invisible) {
            return Err(Error::EmptyQuery);
        }
        Ok(self.query.trim())
    }
}

/// A book found.
#[derive(Clone, Debug, Serialize)]
pub struct Hit {
    /// Place in the list, from 1.
    pub rank: usize,
    /// What ranks it, comparable within one answer only: cosine (semantic), BM25 (keyword), or the mixture of both
    /// (hybrid), 0 to 2, which is above 1 only if the query names the book.
    pub score: f32,
    /// The book.
    pub book: Book,
    /// The passage that matched best; of a book without a description its subjects, title and authors, which are all
    /// that the model read.
    pub passage: String,
    /// Why it is here.
    pub reason: Reason,
    /// Where the words found stand.
    #[serde(skip_serializing_if = "Highlights::is_empty")]
    pub highlights: Highlights,
}

/// Places in texts of a hit: where a stretch begins and where it ends, in Unicode code points.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Highlights {
    /// In the title proper.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub title: Vec<(usize, usize)>,
    /// In the passage.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub passage: Vec<(usize, usize)>,
}

impl Highlights {
    fn is_empty(&self) -> bool {
        self.title.is_empty() && self.passage.is_empty()
    }
}

/// Which way found a book.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FoundBy {
    /// The query's words.
    Lexical,
    /// What it is about.
    Semantic,
    /// Either.
    Both,
}

/// Why a book is in an answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reason {
    /// Which way found it. Where only one way was searched, it is that.
    pub found_by: FoundBy,
    /// Whether the query names it: all of the query, or nearly so, is its title, its authors or its number.
    pub is_named: bool,
    /// Its BM25 score, if its words were found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keyword_score: Option<f32>,
    /// Its cosine, if it is among the nearest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub semantic_score: Option<f32>,
    /// The words found, folded, as the book has them; without those that very many books have, unless there are no others.
    pub words: Vec<MatchedWord>,
    /// The sentence of the passage that is nearest to the query, if it was asked for and the book was found by meaning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sentence: Option<String>,
}

impl Reason {
    /// Where the words found stand in a text, in bytes.
    pub fn ranges_in(&self, text: &str) -> Vec<Range<usize>> {
        if self.words.is_empty() {
            return Vec::new();
        }
        find_words(text, |word| self.words.iter().any(|found| found.word == word))
    }

    /// The same in code points.
    pub(crate) fn places_in(&self, text: &str) -> Vec<(usize, usize)> {
        let (mut done, mut chars) = (0, 0);
        let mut chars_up_to = |byte: usize| {
            chars += text[done..byte].chars().count();
            done = byte;
            chars
        };
        self.ranges_in(text).into_iter().map(|range| (chars_up_to(range.start), chars_up_to(range.end))).collect()
    }
}

/// A word of the query in a book.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MatchedWord {
    /// The word, folded.
    pub word: String,
    /// Where it stands: `title`, `authors`, `subjects`, `series`, `description`, `identifiers`.
    #[serde(serialize_with = "names")]
    pub fields: Fields,
}

fn names<S: Serializer>(fields: &Fields, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(fields.iter().map(Field::as_str))
}

/// A word that was searched in another spelling than it was typed; [`SearchRequest::exact`] revokes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Corrected {
    /// As it was typed.
    pub typed: String,
    /// What was searched.
    pub searched: String,
    /// Whether what was typed was searched as well, because some books have it.
    pub as_well: bool,
}

/// Where the time went, in milliseconds.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Timings {
    /// Query to vector.
    pub encode_ms: f64,
    /// Vector or words to ranked ids; the first search after a change of the catalogue makes the index in this time.
    pub scan_ms: f64,
    /// What words and meaning found to one list.
    pub fuse_ms: f64,
    /// Ids to books, with reasons.
    pub fetch_ms: f64,
}

/// How many books answer a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Total {
    /// So many were found. Each way of searching gives its best 200 only; pages end there, too.
    pub books: usize,
    /// Whether there are no more. Facets are counted among those found.
    pub is_exact: bool,
}

/// An answer.
#[derive(Clone, Debug, Serialize)]
pub struct SearchResponse {
    /// The query as searched.
    pub query: String,
    /// How it was searched.
    pub mode: Mode,
    /// The books that answer the question, best first.
    pub hits: Vec<Hit>,
    /// Books that do not, and are merely the nearest by meaning or hold a part of the words. They fill up the last page.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<Hit>,
    /// How many books answer the question.
    pub total: Total,
    /// What they have in common, in the order it was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub facets: Vec<FacetCounts>,
    /// Where the next page goes on; `None` after the last answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Books that could have been found: those that the filter leaves.
    pub searched_books: usize,
    /// The query's tokens and how many the model read; `None` for keyword search.
    pub query_tokens: Option<TokenCount>,
    /// Spelling that was put right.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub corrections: Vec<Corrected>,
    /// Why the books were searched by words alone although both ways were asked for, if so. Everyone may read it, so it
    /// says nothing of where the catalogue is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub degraded: Option<String>,
    /// Where the time went.
    pub timings: Timings,
}

impl SearchResponse {
    /// All that a reader sees: the books that answer the question, then those that are only related.
    pub fn shown(&self) -> impl Iterator<Item = &Hit> {
        self.hits.iter().chain(&self.related)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_written_as_they_are_read() {
        for mode in Mode::ALL {
            assert_eq!(mode.to_string().parse::<Mode>().expect("its own name"), mode);
            assert_eq!(serde_json::to_string(&mode).expect("a string"), format!("\"{mode}\""));
        }
        let error = "fuzzy".parse::<Mode>().expect_err("not a mode").to_string();
        assert_eq!(error, "`fuzzy` is not a search mode; use `hybrid`, `semantic` or `keyword`");
    }

    #[test]
    fn questions_are_checked() {
        let longest = "a".repeat(MAX_QUERY_BYTES);
        let too_long = "a".repeat(MAX_QUERY_BYTES + 1);
        let cases: [(&str, usize, Result<&str, &str>); 12] = [
            (" whales ", 1, Ok("whales")),
            ("wha\0les", MAX_LIMIT, Ok("wha\0les")),
            ("?", 1, Ok("?")),
            ("दि", 1, Ok("दि")),
            (&longest, 1, Ok(&longest)),
            ("", 1, Err("the query is empty")),
            (" \t\n", 1, Err("the query is empty")),
            ("\0\u{1b}\u{7f}", 1, Err("the query is empty")),
            ("\u{200b}\u{feff} \u{ad}\u{2060}", 1, Err("the query is empty")),
            (&too_long, 1, Err("the query is longer than 16384 bytes")),
            ("whales", 0, Err("the limit is 0")),
            ("whales", MAX_LIMIT + 1, Err("the limit is 101")),
        ];
        for (query, limit, expected) in cases {
            let request = SearchRequest { query: query.to_owned(), limit, ..SearchRequest::default() };
            match (request.checked_query(), expected) {
                (Ok(query), Ok(expected)) => assert_eq!(query, expected),
                (Err(error), Err(expected)) => assert!(error.to_string().starts_with(expected), "{error}"),
                (result, expected) => panic!("limit {limit}: {result:?} instead of {expected:?}"),
            }
        }
    }
}
