//! The question and the answer.
//!
//! What serializes here is what `--json` prints and what HTTP sends: an answer is
//! `{query, mode, hits, searched_books, query_tokens, corrections, degraded, timings}`, a hit
//! `{rank, score, book, passage, reason}`.

use crate::Error;
use libellus_catalogue::Book;
use libellus_encoder::TokenCount;
use libellus_index::{Field, Fields};
use serde::{Serialize, Serializer};
use std::fmt;
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

/// A question. By default it is empty, and asks for [`DEFAULT_LIMIT`] books.
#[derive(Clone, Debug)]
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
}

impl Default for SearchRequest {
    fn default() -> Self {
        Self { query: String::new(), limit: DEFAULT_LIMIT, mode: Mode::default(), exact: false, sentences: false }
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
    /// Ids to books, with reasons.
    pub fetch_ms: f64,
}

/// An answer.
#[derive(Clone, Debug, Serialize)]
pub struct SearchResponse {
    /// The query as searched.
    pub query: String,
    /// How it was searched.
    pub mode: Mode,
    /// Best first.
    pub hits: Vec<Hit>,
    /// Books that could have been found.
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
