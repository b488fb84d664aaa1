//! The question and the answer.
//!
//! What serializes here is what `--json` prints and what HTTP sends: an answer is
//! `{query, mode, hits, searched_books, query_tokens, timings}`, a hit `{rank, score, book, passage}`.

use crate::Error;
use libellus_catalogue::Book;
use libellus_encoder::TokenCount;
use serde::Serialize;
use std::fmt;
use std::str::FromStr;

/// Hits when the caller does not say.
pub const DEFAULT_LIMIT: usize = 10;
/// Most hits in one answer.
pub const MAX_LIMIT: usize = 100;
/// Longest query, in bytes; a reader's words are far shorter.
pub const MAX_QUERY_BYTES: usize = 16 * 1024;

/// How to search. Written `semantic` or `keyword`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// By meaning.
    #[default]
    Semantic,
    /// By words.
    Keyword,
}

impl Mode {
    /// The name used in commands, queries and answers.
    pub fn as_str(self) -> &'static str {
        match self {
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
        match name {
            "semantic" => Ok(Mode::Semantic),
            "keyword" => Ok(Mode::Keyword),
            _ => Err(Error::UnknownMode(name.to_owned())),
        }
    }
}

/// A question.
#[derive(Clone, Debug)]
pub struct SearchRequest {
    /// The reader's words.
    pub query: String,
    /// Most hits wanted, 1 to [`MAX_LIMIT`].
    pub limit: usize,
    /// How to search.
    pub mode: Mode,
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
    /// Cosine (semantic) or BM25 (keyword): comparable within one answer only.
    pub score: f32,
    /// The book.
    pub book: Book,
    /// The passage that matched best; of a book without a description its subjects, title and authors, which are all
    /// that the model read.
    pub passage: String,
}

/// Where the time went, in milliseconds.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Timings {
    /// Query to vector.
    pub encode_ms: f64,
    /// Vector or words to ranked ids; the first search after a change of the catalogue makes the index in this time.
    pub scan_ms: f64,
    /// Ids to books.
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
    /// Where the time went.
    pub timings: Timings,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_written_as_they_are_read() {
        for mode in [Mode::Semantic, Mode::Keyword] {
            assert_eq!(mode.to_string().parse::<Mode>().expect("its own name"), mode);
            assert_eq!(serde_json::to_string(&mode).expect("a string"), format!("\"{mode}\""));
        }
        let error = "fuzzy".parse::<Mode>().expect_err("not a mode").to_string();
        assert_eq!(error, "`fuzzy` is not a search mode; use `semantic` or `keyword`");
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
            let request = SearchRequest { query: query.to_owned(), limit, mode: Mode::Semantic };
            match (request.checked_query(), expected) {
                (Ok(query), Ok(expected)) => assert_eq!(query, expected),
                (Err(error), Err(expected)) => assert!(error.to_string().starts_with(expected), "{error}"),
                (result, expected) => panic!("limit {limit}: {result:?} instead of {expected:?}"),
            }
        }
    }
}
