//! Text to the ids of a WordPiece vocabulary, as BERT defines them and Hugging Face's `tokenizers`
//! computes them: the same ids for every text.
//!
//! A text takes these steps, streamed, so that a long one needs no more memory than a short one:
//!
//! 1. `added`: `[SEP]` and its like are found in the text and become their ids at once;
//! 2. `normalize`: the rest is cleaned, decomposed, stripped of accents and lower-cased;
//! 3. `wordpiece`: characters become words, at white space and punctuation, and words become pieces;
//! 4. `vocabulary`: each piece is looked up.
//!
//! `open` reads the files of a model (`tokenizer_json`, `vocab_txt`) into a `definition`; `packed` lays
//! that out as bytes. However a tokenizer came about, it is those bytes that are used, in place.

mod added;
mod definition;
mod entries;
mod error;
mod normalize;
mod open;
mod packed;
mod tokenizer_json;
mod vocab_txt;
mod vocabulary;
mod wordpiece;

pub use error::TokenizerError;

use crate::Bytes;
use added::{AddedTokens, Part};
use definition::{AddedToken, Definition, Settings};
use packed::{Packed, damaged};
use sha2::{Digest, Sha256};
use std::fmt;
use std::path::Path;
use wordpiece::{TokenIds, WordPiece};

/// How many tokens a text has, and how many of them the model read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct TokenCount {
    /// Tokens of the whole text, special tokens included.
    pub seen: usize,
    /// Tokens that the model was given: `seen`, or the model's maximum if that is less.
    pub used: usize,
}

impl TokenCount {
    /// Whether the end of the text was cut off.
    pub fn is_truncated(&self) -> bool {
        self.used < self.seen
    }
}

/// Turns text into the ids of a WordPiece vocabulary.
#[derive(Clone)]
pub struct Tokenizer {
    packed: Packed,
    /// Looked for in the text as it is.
    added: AddedTokens,
    /// Looked for in the normalised text.
    added_normalized: AddedTokens,
}

impl Tokenizer {
    /// Reads `tokenizer.json` of the directory, or else `vocab.txt` with `tokenizer_config.json`.
    ///
    /// Padding and truncation that `tokenizer.json` may prescribe are not read: the encoder decides.
    ///
    /// # Errors
    /// If a file is missing or broken, or describes another kind of tokenizer.
    pub fn open(directory: &Path) -> Result<Self, TokenizerError> {
        Self::from_definition(&open::read(directory)?)
    }

    fn from_definition(definition: &Definition) -> Result<Self, TokenizerError> {
        Self::from_packed(Bytes::copy_from(&Packed::build(definition)))
    }

    /// Reads what [`Tokenizer::to_packed`] wrote, in place: nothing is copied or parsed.
    ///
    /// Damage to the vocabulary itself is not looked for, as that would mean reading all of it: it gives
    /// wrong ids, never a panic.
    ///
    /// # Errors
    /// If the bytes are of another version, cut short, not aligned to four bytes, or otherwise impossible.
    pub fn from_packed(bytes: Bytes) -> Result<Self, TokenizerError> {
        let packed = Packed::open(bytes)?;
        let (mut plain, mut normalized) = (Vec::new(), Vec::new());
        for &token in &packed.settings().added {
            let text = added_text(&packed, token)?;
            if token.normalized { &mut normalized } else { &mut plain }.push((text, token));
        }
        Ok(Self { packed, added: AddedTokens::new(plain), added_normalized: AddedTokens::new(normalized) })
    }

    /// The tokenizer as the bytes that a pack carries; the same for the same tokenizer, always.
    pub fn to_packed(&self) -> Vec<u8> {
        self.packed.bytes().to_vec()
    }

    /// SHA-256 of everything that decides the ids: entries in order, flags, special tokens.
    ///
    /// It does not depend on the files that the tokenizer came from, nor on how it is packed.
    pub fn digest(&self) -> [u8; 32] {
        let (vocabulary, settings) = (self.packed.vocabulary(), self.packed.settings());
        let mut sha256 = Sha256::new();
        let number = |sha256: &mut Sha256, number: usize| sha256.update((number as u64).to_le_bytes());
        sha256.update(b"libellus WordPiece 1\n");
        number(&mut sha256, self.packed.pieces());
        number(&mut sha256, self.packed.len());
        for entry in (0..self.packed.len() as u32).map(|id| vocabulary.entry(id).unwrap_or_default()) {
            number(&mut sha256, entry.len());
            sha256.update(entry);
        }
        number(&mut sha256, vocabulary.prefix.len());
        sha256.update(vocabulary.prefix);
        let normalizer = settings.normalizer;
        for flag in [normalizer.clean_text, normalizer.space_cjk, normalizer.strip_accents, normalizer.lowercase] {
            number(&mut sha256, usize::from(flag));
        }
        number(&mut sha256, settings.max_word_chars as usize);
        number(&mut sha256, settings.unk_id as usize);
        for ids in [&settings.before, &settings.after] {
            number(&mut sha256, ids.len());
            ids.iter().for_each(|&id| number(&mut sha256, id as usize));
        }
        for AddedToken { id, lstrip, rstrip, normalized } in &settings.added {
            number(&mut sha256, *id as usize);
            [lstrip, rstrip, normalized].iter().for_each(|flag| number(&mut sha256, usize::from(**flag)));
        }
        sha256.finalize().into()
    }

    /// How many entries the vocabulary has, added tokens included: every id is less.
    pub fn vocabulary_size(&self) -> usize {
        self.packed.len()
    }

    /// Appends the ids of `text`, between `[CLS]` and `[SEP]`, cut to `max_tokens` in all.
    ///
    /// It is the text that is cut, before `[SEP]`; only a `max_tokens` that the special tokens alone
    /// exceed cuts those.
    pub fn encode(&self, text: &str, max_tokens: usize, token_ids: &mut Vec<u32>) -> TokenCount {
        let settings = self.packed.settings();
        let specials = settings.before.len() + settings.after.len();
        let start = token_ids.len();
        token_ids.extend_from_slice(&settings.before);
        let end = token_ids.len().saturating_add(max_tokens.saturating_sub(specials));
        let seen = self.encode_text(text, TokenIds { kept: &mut *token_ids, end, seen: specials });
        token_ids.extend_from_slice(&settings.after);
        token_ids.truncate(start.saturating_add(max_tokens));
        TokenCount { seen, used: token_ids.len() - start }
    }

    /// Appends `ids`, which may lack the special tokens around them or have them, cut to `max_tokens` in all as
    /// [`Tokenizer::encode`] cuts. An id that the vocabulary does not have is the error, and nothing is appended.
    pub fn frame(&self, ids: &[u32], max_tokens: usize, token_ids: &mut Vec<u32>) -> Result<TokenCount, u32> {
        if let Some(&unknown) = ids.iter().find(|&&id| id as usize >= self.vocabulary_size()) {
            return Err(unknown);
        }
        let Settings { before, after, .. } = self.packed.settings();
        let bare = ids.strip_prefix(before.as_slice()).and_then(|ids| ids.strip_suffix(after.as_slice()));
        let bare = bare.unwrap_or(ids);
        let specials = before.len() + after.len();
        let start = token_ids.len();
        token_ids.extend_from_slice(before);
        token_ids.extend(bare.iter().take(max_tokens.saturating_sub(specials)));
        token_ids.extend_from_slice(after);
        token_ids.truncate(start.saturating_add(max_tokens));
        Ok(TokenCount { seen: bare.len() + specials, used: token_ids.len() - start })
    }

    /// How many of the tokens around a text are special: those before it, and those after it.
    pub fn specials(&self) -> (usize, usize) {
        let settings = self.packed.settings();
        (settings.before.len(), settings.after.len())
    }

    /// How many tokens `text` has, special tokens included.
    pub fn count(&self, text: &str) -> usize {
        self.encode(text, 0, &mut Vec::new()).seen
    }

    /// The text of a token, for people.
    pub fn token(&self, id: u32) -> Option<&str> {
        std::str::from_utf8(self.packed.vocabulary().entry(id)?).ok()
    }

    /// Adds the ids of `text` alone; returns how many there are in all.
    fn encode_text(&self, text: &str, token_ids: TokenIds<'_>) -> usize {
        let settings = self.packed.settings();
        let max_word_chars = settings.max_word_chars as usize;
        let mut words = WordPiece::new(self.packed.vocabulary(), settings.unk_id, max_word_chars, token_ids);
        self.added.split(text, |part| match part {
            Part::Token(id) => words.token(id),
            Part::Text(text) => self.encode_part(text, &mut words),
        });
        words.finish()
    }

    /// Adds the ids of text in which no added token stands as it is.
    fn encode_part(&self, text: &str, words: &mut WordPiece<'_>) {
        let normalizer = self.packed.settings().normalizer;
        if self.added_normalized.is_empty() {
            normalizer.run(text, words);
        } else {
            // Such tokens are rare, and worth no more than this: the one place where text is copied.
            let mut normalized = String::new();
            normalizer.run(text, &mut normalized);
            self.added_normalized.split(&normalized, |part| match part {
                Part::Token(id) => words.token(id),
                Part::Text(text) => words.text(text),
            });
        }
        words.end_word();
    }
}

impl fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokenizer").field("vocabulary_size", &self.vocabulary_size()).finish_non_exhaustive()
    }
}

/// What is looked for to find `token`.
fn added_text(packed: &Packed, token: AddedToken) -> Result<String, TokenizerError> {
    let bytes = packed.vocabulary().entry(token.id);
    let text = bytes.and_then(|bytes| std::str::from_utf8(bytes).ok());
    let text = text.ok_or_else(|| damaged(format!("the special token {} is not text", token.id)))?;
    if !token.normalized {
        return Ok(text.to_owned());
    }
    let mut normalized = String::new();
    packed.settings().normalizer.run(text, &mut normalized);
    Ok(normalized)
}

#[cfg(test)]
mod tests {
    use super::*;
    use normalize::Normalizer;

    const TEXTS: [&str; 5] = [
        "",
        "The books, the BOOKS [SEP] foo<x>  bar",
        "épée 東京 \u{302e}\u{1d16d}",
        "[MASK",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    ];

    fn small() -> Tokenizer {
        let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"].map(str::to_owned);
        let letters = ('a'..='z').flat_map(|c| [c.to_string(), format!("##{c}")]);
        let words = ["the", "book", "##s", "é", "東", "##ook", ",", "[", "##pee"].map(str::to_owned);
        let mut entries: Vec<_> = special.into_iter().chain(letters).chain(words).collect();
        entries.dedup();
        let pieces = entries.len();
        entries.push("<X>".into());
        let token = |id| AddedToken { id, lstrip: false, rstrip: false, normalized: false };
        let x = AddedToken { lstrip: true, rstrip: true, normalized: true, ..token(pieces as u32) };
        let settings = Settings {
            normalizer: Normalizer { clean_text: true, space_cjk: true, strip_accents: true, lowercase: true },
            max_word_chars: 20,
            unk_id: 1,
            before: vec![2],
            after: vec![3],
            added: (0..5).map(token).chain([x]).collect(),
        };
        Tokenizer::from_definition(&Definition { entries, pieces, prefix: "##".into(), settings }).expect("a tokenizer")
    }

    fn all_ids(tokenizer: &Tokenizer) -> Vec<u32> {
        let mut ids = Vec::new();
        for text in TEXTS {
            tokenizer.encode(text, 1000, &mut ids);
        }
        ids
    }

    #[test]
    fn packing_changes_nothing() {
        let tokenizer = small();
        let packed = tokenizer.to_packed();
        let again = Tokenizer::from_packed(Bytes::copy_from(&packed)).expect("opens");
        assert_eq!(again.to_packed(), packed);
        assert_eq!(again.digest(), tokenizer.digest());
        assert_eq!(all_ids(&again), all_ids(&tokenizer));
        assert_eq!(again.packed.settings(), tokenizer.packed.settings());
        let tokens: Vec<_> = all_ids(&again).iter().filter_map(|&id| again.token(id)).collect();
        let expected = "[CLS] [SEP] [CLS] the book ##s , the book ##s [SEP] f ##o ##o <X> b ##a ##r [SEP] \
                        [CLS] e ##pee 東 [UNK] [UNK] [SEP] [CLS] [ m ##a ##s ##k [SEP] [CLS] [UNK] [SEP]";
        assert_eq!(tokens.join(" "), expected);
    }

    #[test]
    fn the_text_is_cut_before_the_special_tokens() {
        let tokenizer = small();
        let cases: [(usize, &[u32]); 6] =
            [(0, &[]), (1, &[2]), (2, &[2, 3]), (3, &[2, 5, 3]), (5, &[2, 5, 7, 9, 3]), (usize::MAX, &[2, 5, 7, 9, 3])];
        for (max_tokens, expected) in cases {
            let mut ids = vec![99];
            let count = tokenizer.encode("a b c", max_tokens, &mut ids);
            assert_eq!((&ids[1..], count.seen, count.used), (expected, 5, expected.len()), "{max_tokens}");
            assert_eq!((ids[0], count.is_truncated()), (99, max_tokens < 5), "{max_tokens}");
            for framed in [&[5, 7, 9][..], &[2, 5, 7, 9, 3]] {
                let mut ids = vec![99];
                let again = tokenizer.frame(framed, max_tokens, &mut ids).expect("known ids");
                assert_eq!((&ids[1..], again), (expected, count), "{framed:?} {max_tokens}");
            }
        }
        let last = tokenizer.vocabulary_size() as u32;
        assert_eq!(tokenizer.frame(&[5, last, last + 1], 9, &mut Vec::new()), Err(last));
    }

    #[test]
    fn long_texts_need_no_more_than_their_tokens() {
        let tokenizer = small();
        let cases = [
            ("a", 3),
            ("a ", 1_000_002),
            ("!", 1_000_002),
            ("é", 3),
            ("\u{302e}", 3),
            ("\u{301}", 2),
            ("[SEP]", 1_000_002),
        ];
        for (unit, expected) in cases {
            let mut ids = Vec::new();
            let count = tokenizer.encode(&unit.repeat(1_000_000), 16, &mut ids);
            assert_eq!((count.seen, count.used), (expected, expected.min(16)), "{unit:?}");
            assert!(ids.capacity() <= 64, "{unit:?}");
        }
    }

    #[test]
    fn damage_is_named() {
        let packed = small().to_packed();
        let number = |index: usize, value: u32| {
            let mut bytes = packed.clone();
            bytes[4 * index..4 * index + 4].copy_from_slice(&value.to_le_bytes());
            bytes
        };
        let cases = [
            (Vec::new(), "it is cut short"),
            (packed[..63].to_vec(), "it is cut short"),
            (packed[..packed.len() - 1].to_vec(), "it is cut short"),
            ([&packed[..], &[0]].concat(), "1 bytes follow its end"),
            (number(0, 0), "it is not in a format that this version knows"),
            (number(2, 0), "0 of 67 entries are pieces"),
            (number(2, 70), "70 of 67 entries are pieces"),
            (number(4, 3), "3 slots do not fit 66 pieces"),
            (number(10, 16), "the flags 0x10 are not known to this version"),
            (number(12, 67), "a special token has id 67, but there are 67 entries"),
            (number(15, 1), "it is not in a format that this version knows"),
        ];
        for (bytes, expected) in cases {
            let error = Tokenizer::from_packed(Bytes::copy_from(&bytes)).expect_err(expected);
            let expected = format!("the packed tokenizer is damaged: {expected}; make or download the pack again");
            assert_eq!(error.to_string(), expected);
        }
        let shifted = Bytes::copy_from(&[&[0], &packed[..]].concat()).slice(1..packed.len() + 1).expect("inside");
        let error = Tokenizer::from_packed(shifted).expect_err("not aligned").to_string();
        assert!(error.contains("not aligned"), "{error}");
    }

    /// Whatever the bytes, there is an error or there are ids, at once.
    #[test]
    fn damaged_bytes_never_panic() {
        let packed = small().to_packed();
        let mut state = 0x1234_5678_9ABC_DEF0_u64;
        let mut random = |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state % below as u64) as usize
        };
        let mut opened = 0;
        for round in 0..20_000 {
            let mut bytes = packed.clone();
            for _ in 0..=random(4) {
                // Half of the damage hits the header and the table, where it matters most.
                let number = 4 * random(bytes.len() / 4);
                let number = if round % 2 == 0 { number } else { number % 1400 };
                let values = [0, 1, random(256) as u32, 0x7FFF_FFFF, u32::MAX, random(1 << 32) as u32];
                let value = values[random(values.len())];
                bytes[number..number + 4].copy_from_slice(&value.to_le_bytes());
            }
            if random(16) == 0 {
                bytes.truncate(random(bytes.len()));
            }
            if let Ok(tokenizer) = Tokenizer::from_packed(Bytes::copy_from(&bytes)) {
                opened += 1;
                for id in all_ids(&tokenizer) {
                    assert!((id as usize) < tokenizer.vocabulary_size(), "round {round}");
                    tokenizer.token(id);
                }
                tokenizer.digest();
            }
        }
        assert!(opened > 5_000, "only {opened} of the damaged packs opened");
    }
}
