//! Words to ids: normalised characters are gathered into words, each word is cut into the longest
//! pieces that the vocabulary has, from left to right.
//!
//! One buffer serves all words of a text, and holds no more of a word than can matter: beyond the
//! limit a word is unknown whatever follows, so its characters are merely skipped.

use super::normalize::{Output, is_punctuation};
use super::vocabulary::Vocabulary;

/// Takes ids, keeps those that there is room for, and counts all.
pub(super) struct TokenIds<'a> {
    /// Where they are kept.
    pub kept: &'a mut Vec<u32>,
    /// The length that `kept` must not pass.
    pub end: usize,
    /// How many were given.
    pub seen: usize,
}

impl TokenIds<'_> {
    fn push(&mut self, id: u32) {
        self.seen += 1;
        if self.kept.len() < self.end {
            self.kept.push(id);
        }
    }
}

/// Gathers characters into words and words into ids.
pub(super) struct WordPiece<'a> {
    vocabulary: Vocabulary<'a>,
    unk_id: u32,
    max_word_chars: usize,
    token_ids: TokenIds<'a>,
    /// The word so far, as far as it can matter.
    word: Vec<u8>,
    /// Characters of the word so far, all of them.
    chars: usize,
    /// The hashes of the current rest of a word, by length less one.
    hashes: Vec<u64>,
}

impl<'a> WordPiece<'a> {
    pub fn new(vocabulary: Vocabulary<'a>, unk_id: u32, max_word_chars: usize, token_ids: TokenIds<'a>) -> Self {
        Self { vocabulary, unk_id, max_word_chars, token_ids, word: Vec::new(), chars: 0, hashes: Vec::new() }
    }

    /// Adds a token that was found whole.
    pub fn token(&mut self, id: u32) {
        self.end_word();
        self.token_ids.push(id);
    }

    /// Adds the words of text that is normalised already.
    pub fn text(&mut self, text: &str) {
        self.end_word();
        text.chars().for_each(|c| self.char(c));
        self.end_word();
    }

    /// Ends the current word, if there is one.
    pub fn end_word(&mut self) {
        if self.chars > 0 {
            self.push_word();
            self.word.clear();
            self.chars = 0;
        }
    }

    /// Ends the text: how many ids there were.
    pub fn finish(mut self) -> usize {
        self.end_word();
        self.token_ids.seen
    }

    fn push_char(&mut self, c: char) {
        self.chars += 1;
        if self.chars <= self.max_word_chars {
            self.word.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }

    /// Adds the ids of the word, or `[UNK]` alone if it is too long or any part of it is unknown.
    fn push_word(&mut self) {
        let (kept, seen) = (self.token_ids.kept.len(), self.token_ids.seen);
        if self.chars > self.max_word_chars || !self.push_pieces() {
            self.token_ids.kept.truncate(kept);
            self.token_ids.seen = seen;
            self.token_ids.push(self.unk_id);
        }
    }

    /// Adds the pieces of the word; false if it does not end in one.
    fn push_pieces(&mut self) -> bool {
        let mut start = 0;
        while start < self.word.len() {
            match self.vocabulary.longest_match(&self.word, start, &mut self.hashes) {
                Some((id, end)) => {
                    self.token_ids.push(id);
                    start = end;
                }
                None => return false,
            }
        }
        true
    }
}

impl Output for WordPiece<'_> {
    fn char(&mut self, c: char) {
        if c.is_whitespace() {
            self.end_word();
        } else if is_punctuation(c) {
            self.end_word();
            self.push_char(c);
            self.end_word();
        } else {
            self.push_char(c);
        }
    }

    fn alphanumeric(&mut self, run: &[u8], lowercase: bool) {
        let room = self.max_word_chars.saturating_sub(self.chars);
        let start = self.word.len();
        self.word.extend_from_slice(&run[..run.len().min(room)]);
        if lowercase {
            self.word[start..].make_ascii_lowercase();
        }
        self.chars += run.len();
    }
}
