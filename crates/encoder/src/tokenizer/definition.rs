//! What a tokenizer is, whatever files it came from.

use super::normalize::Normalizer;

/// Everything that decides the ids.
pub(super) struct Definition {
    /// The text of every id: first WordPiece's own entries, then added tokens that it must not use.
    pub entries: Vec<String>,
    /// How many of the entries are WordPiece's own.
    pub pieces: usize,
    /// What an entry begins with that continues a word: `##`.
    pub prefix: String,
    /// The rest.
    pub settings: Settings,
}

/// The part of a [`Definition`] that is small.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    /// How text is normalised.
    pub normalizer: Normalizer,
    /// Characters of the longest word that is cut into pieces; a longer one is unknown.
    pub max_word_chars: u32,
    /// The id of an unknown word: `[UNK]`.
    pub unk_id: u32,
    /// Ids before every text: `[CLS]`.
    pub before: Vec<u32>,
    /// Ids after every text: `[SEP]`.
    pub after: Vec<u32>,
    /// Tokens that are found in the text itself, by ascending id.
    pub added: Vec<AddedToken>,
}

/// A token that is found in the text itself, whatever stands around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AddedToken {
    /// Its id, which gives its text.
    pub id: u32,
    /// Whether it swallows white space on its left.
    pub lstrip: bool,
    /// Whether it swallows white space on its right.
    pub rstrip: bool,
    /// Whether it is looked for in the normalised text, and normalised itself.
    pub normalized: bool,
}
