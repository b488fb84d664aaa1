//! What can go wrong with a question, a backfill or an evaluation.

use crate::{MAX_LIMIT, MAX_QUERY_BYTES};
use libellus_encoder::Encoder;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// What can be done about too large an index.
struct LessMemory {
    needed: u64,
    in_files: u64,
}

impl fmt::Display for LessMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.in_files < self.needed {
            let megabytes = self.in_files / 1_000_000;
            write!(
                f,
                "give a directory for index files with `--index-dir`, and it takes {megabytes} MB, or raise `--index-memory`"
            )
        } else {
            f.write_str("raise `--index-memory`")
        }
    }
}

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nothing to search for.
    #[error("the query is empty; say what the book is about")]
    EmptyQuery,
    /// Longer than [`MAX_QUERY_BYTES`].
    #[error("the query is longer than {MAX_QUERY_BYTES} bytes; shorten it to a sentence or two")]
    QueryTooLong,
    /// Outside 1 to [`MAX_LIMIT`].
    #[error("the limit is {limit}; it must be from 1 to {MAX_LIMIT}")]
    LimitOutOfRange {
        /// What was asked.
        limit: usize,
    },
    /// Not a mode.
    #[error("`{0}` is not a search mode; use `hybrid`, `semantic` or `keyword`")]
    UnknownMode(String),
    /// Not an order.
    #[error("`{0}` is not an order; use `relevance`, `newest`, `oldest` or `title`")]
    UnknownSort(String),
    /// A field that books cannot be filtered or counted by.
    #[error("books cannot be filtered or counted by `{field}`; the fields are `{known}`")]
    UnknownFacet {
        /// What was asked.
        field: String,
        /// What there is, with `` `, ` `` between.
        known: String,
    },
    /// What should bound a key or a token, and is no filter.
    #[error("this is no filter of books: {0}")]
    NotAFilter(String),
    /// A filter that no year passes.
    #[error("no year is from {from} and up to {to}; exchange the two")]
    YearsReversed {
        /// The earliest year.
        from: i32,
        /// The latest year.
        to: i32,
    },
    /// What should say where a page ended does not, or is of another question.
    #[error("the cursor is not one of this question's; leave it out to begin at the first page")]
    UnknownCursor,
    /// No book has this id.
    #[error("there is no book with the id `{0}`")]
    UnknownBook(String),
    /// Nothing to compare with.
    #[error("no book is named; give at least one id")]
    NoBook,
    /// A text to embed that is none.
    #[error("input {input} is empty; leave it out")]
    EmptyInput {
        /// Its number in the request, from 0.
        input: usize,
    },
    /// A token of another vocabulary.
    #[error(
        "input {input} has the token id {id}, but the ids of `{model}` end at {last}; token ids must be those of the model's own \
         tokenizer, so send text instead"
    )]
    UnknownToken {
        /// Its number in the request, from 0.
        input: usize,
        /// The id.
        id: u32,
        /// The model.
        model: String,
        /// The last id of its vocabulary.
        last: usize,
    },
    /// A text that is longer than the model reads, when it is not to be cut.
    #[error("input {input} has {tokens} tokens, but `{model}` reads at most {max}; shorten it, or have it cut")]
    InputTooLong {
        /// Its number in the request, from 0.
        input: usize,
        /// How many tokens it has.
        tokens: usize,
        /// The model.
        model: String,
        /// How many it reads.
        max: usize,
    },
    /// There are passages, but none of them lies in the loaded model's space.
    #[error(
        "none of the {passages} passages in `{location}` is embedded for `{model}` ({dim} dimensions, space {space}){stored}; \
         run {}", Backfill { location, model }
    )]
    NotEmbedded {
        /// The catalogue.
        location: String,
        /// How many passages it has.
        passages: u64,
        /// The loaded model.
        model: String,
        /// The length of its vectors.
        dim: usize,
        /// Its space.
        space: String,
        /// What is stored instead.
        stored: StoredSpaces,
    },
    /// The catalogue is searched in another space than that of the loaded model.
    #[error(
        "`{location}` is searched by {active}, but `{model}` (space {space}) is loaded, and vectors of two spaces are never \
         compared; give `--model {}`, or see `libellus migrate`", active.model
    )]
    OtherSpace {
        /// The catalogue.
        location: String,
        /// What it is searched by.
        active: Box<libellus_catalogue::ModelSpace>,
        /// The loaded model.
        model: String,
        /// Its space.
        space: String,
    },
    /// The index would take more memory than it may.
    #[error(
        "the index of {passages} passages would take {} MB of memory, more than the {} MB that it may; {}",
        .needed / 1_000_000, .most / 1_000_000, LessMemory { needed: *.needed, in_files: *.in_files }
    )]
    IndexTooLarge {
        /// How many passages there are.
        passages: u64,
        /// How many bytes they would take.
        needed: u64,
        /// How many they may.
        most: u64,
        /// How many they would with index files.
        in_files: u64,
    },
    /// Nothing to compare two models by.
    #[error("there is no query to compare the models by; the catalogue is empty, or the file of queries is")]
    NoQueries,
    /// A file of a judged set cannot be read.
    #[error("cannot read `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A line of a judged set is not the JSON object it should be.
    #[error("`{path}`, line {line}: not the record expected here ({expected})")]
    BadJson {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What the line should hold.
        expected: &'static str,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A book of a judged set cannot be imported.
    #[error("`{path}`, {place}: {reason}")]
    RejectedBook {
        /// The file.
        path: PathBuf,
        /// Where in it.
        place: libellus_catalogue::import::Place,
        /// Why.
        reason: String,
    },
    /// A line of a judged set does not have the form it should have.
    #[error("`{path}`, line {line}: `{found}` is not {expected}")]
    BadLine {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What it holds.
        found: String,
        /// What it should hold.
        expected: &'static str,
    },
    /// A directory without the files of a judged set.
    #[error(
        "`{path}` holds no judged set; expected `corpus.jsonl`, `queries.jsonl` and `qrels.tsv` (or `qrels/test.tsv`), \
         or `books.jsonl` and `judgements.tsv`"
    )]
    NoJudgedSet {
        /// The directory.
        path: PathBuf,
    },
    /// A judged set of which no query can be scored.
    #[error("`{path}` has no query with a judgement above 0, so there is nothing to measure")]
    NothingJudged {
        /// The directory.
        path: PathBuf,
    },
    /// A judged query that cannot be searched.
    #[error("the judged query `{id}` cannot be searched")]
    JudgedQuery {
        /// Its id.
        id: String,
        /// Why.
        source: Box<Error>,
    },
    /// The caller stopped an evaluation.
    #[error("stopped before the end; figures over a part would mislead, so there are none")]
    Interrupted,
    /// The catalogue.
    #[error(transparent)]
    Catalogue(#[from] libellus_catalogue::Error),
    /// The index.
    #[error(transparent)]
    Index(#[from] libellus_index::Error),
}

impl Error {
    /// That the loaded model is not the one that a catalogue is searched by.
    pub(crate) fn other_space(location: &str, active: libellus_catalogue::ModelSpace, loaded: &Encoder) -> Self {
        let model = loaded.info();
        Error::OtherSpace {
            location: location.to_owned(),
            active: Box::new(active),
            model: model.name.clone(),
            space: model.fingerprint.space.clone(),
        }
    }
}

/// The model inside the executable, for which no `--model` is needed.
const BUILTIN: &str = "all-MiniLM-L6-v2";

/// The command that embeds what is missing; part of a message.
struct Backfill<'a> {
    location: &'a str,
    model: &'a str,
}

impl fmt::Display for Backfill<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { location, model } = self;
        if *model == BUILTIN {
            write!(f, "`libellus backfill --db {location}`")
        } else {
            // A model knows its name, not where it lies.
            write!(f, "`libellus backfill --db {location} --model {model}` (the model's file or directory, as here)")
        }
    }
}

/// The spaces that a catalogue's embeddings lie in, with the count of each; part of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSpaces(pub Vec<(String, u64)>);

impl fmt::Display for StoredSpaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, (space, count)) in self.0.iter().enumerate() {
            let lead = if number == 0 { "; stored are" } else { "," };
            write!(f, "{lead} {count} of space {space}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_catalogue_of_another_model_is_named_with_both_spaces() {
        let not_embedded = |model: &str, stored: &[(&str, u64)]| Error::NotEmbedded {
            location: "libellus.db".to_owned(),
            passages: 12,
            model: model.to_owned(),
            dim: 384,
            space: "aa".to_owned(),
            stored: StoredSpaces(stored.iter().map(|&(space, count)| (space.to_owned(), count)).collect()),
        };
        let start = "none of the 12 passages in `libellus.db` is embedded for";
        let run = "run `libellus backfill --db libellus.db";
        type Stored<'a> = &'a [(&'a str, u64)];
        let cases: [(&str, Stored<'_>, String); 4] = [
            (BUILTIN, &[], format!("; {run}`")),
            (BUILTIN, &[("bb", 12)], format!("; stored are 12 of space bb; {run}`")),
            (BUILTIN, &[("bb", 7), ("cc", 5)], format!("; stored are 7 of space bb, 5 of space cc; {run}`")),
            ("other", &[], format!("; {run} --model other` (the model's file or directory, as here)")),
        ];
        for (model, stored, end) in cases {
            let message = not_embedded(model, stored).to_string();
            assert_eq!(message, format!("{start} `{model}` (384 dimensions, space aa){end}"));
        }
    }

    #[test]
    fn the_builtin_model_is_known_by_its_name() {
        assert_eq!(Encoder::builtin().info().name, BUILTIN);
    }
}
