//! What can be wrong with a tokenizer's files.

use std::path::PathBuf;

/// What can be wrong with a tokenizer's files.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenizerError {
    /// A directory without a vocabulary.
    #[error(
        "`{directory}` holds neither `tokenizer.json` nor `vocab.txt`; give the directory of a \
         sentence-transformers model, which has one of them"
    )]
    NoVocabulary {
        /// The directory that was opened.
        directory: PathBuf,
    },

    /// A file that is there, but cannot be read.
    #[error("cannot read `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },

    /// A file that is not text.
    #[error("`{path}`, line {line}: not UTF-8; download the file again")]
    NotUtf8 {
        /// The file.
        path: PathBuf,
        /// The first line that is not UTF-8, counted from 1.
        line: usize,
    },

    /// JSON that is broken, or lacks a field, or has one of a wrong type.
    #[error("`{path}`, line {line}, column {column}: not the JSON of a BERT tokenizer")]
    InvalidJson {
        /// The file.
        path: PathBuf,
        /// The line of the mistake, counted from 1.
        line: usize,
        /// The column of the mistake, counted from 1.
        column: usize,
        /// What the parser says.
        source: serde_json::Error,
    },

    /// A tokenizer that works in a way that this one does not.
    #[error("`{path}`: `{field}` is {found}, which is not supported; expected {expected}")]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// The field that says so.
        field: String,
        /// What it says.
        found: String,
        /// What would be understood.
        expected: &'static str,
    },

    /// A vocabulary without entries.
    #[error("`{path}`: the vocabulary is empty; download the file again")]
    EmptyVocabulary {
        /// The file.
        path: PathBuf,
    },

    /// A vocabulary with more entries than an id has room for.
    #[error("`{path}`: the vocabulary has {entries} entries; at most {most} are supported")]
    VocabularyTooLarge {
        /// The file.
        path: PathBuf,
        /// How many it has.
        entries: usize,
        /// How many it may have.
        most: usize,
    },

    /// A vocabulary with a hole.
    #[error("`{path}`: no entry has id {id}, though there are {entries}; expected every id from 0 to {}", entries - 1)]
    MissingId {
        /// The file.
        path: PathBuf,
        /// The lowest id without an entry.
        id: u32,
        /// How many entries there are.
        entries: usize,
    },

    /// Two entries with one id.
    #[error("`{path}`: `{first}` and `{second}` both have id {id}; expected an id for each")]
    DuplicateId {
        /// The file.
        path: PathBuf,
        /// The id.
        id: u32,
        /// The entry that came first.
        first: String,
        /// The entry that came second.
        second: String,
    },

    /// One entry twice.
    #[error("`{path}`: `{token}` is there twice, with ids {first} and {second}; expected each entry once")]
    DuplicateToken {
        /// The file.
        path: PathBuf,
        /// The entry.
        token: String,
        /// Its first id.
        first: u32,
        /// Its second id.
        second: u32,
    },

    /// A special token that the vocabulary lacks.
    #[error("`{path}`: the {role} `{token}` is not in the vocabulary; expected an entry of that text")]
    MissingToken {
        /// The file that holds the vocabulary.
        path: PathBuf,
        /// What the token is for, e.g. `unk_token`.
        role: &'static str,
        /// Its text.
        token: String,
    },

    /// A token that is said to have one id, but has another.
    #[error("`{path}`: {place} gives `{token}` the id {found}; in the vocabulary it is {expected}")]
    WrongId {
        /// The file.
        path: PathBuf,
        /// The part of the file that says so.
        place: &'static str,
        /// The token's text.
        token: String,
        /// The id given there.
        found: u32,
        /// The id that it has.
        expected: u32,
    },

    /// A packed tokenizer that is damaged, or of another version.
    #[error("the packed tokenizer is damaged: {problem}; make or download the pack again")]
    Packed {
        /// What does not fit.
        problem: String,
    },
}
