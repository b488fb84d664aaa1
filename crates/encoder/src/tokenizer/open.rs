//! A model directory to a tokenizer's definition.

use super::TokenizerError;
use super::definition::Definition;
use super::entries::AddedTokenEntry;
use super::{tokenizer_json, vocab_txt};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

/// `tokenizer_config.json`, as far as it decides the ids.
///
/// (`sentence_bert_config.json` has a `do_lower_case` too: it is about something else.)
#[derive(Default, serde::Deserialize)]
pub(super) struct TokenizerConfig {
    /// The Python class that the model is meant for.
    pub tokenizer_class: Option<String>,
    /// Whether text is lower-cased.
    pub do_lower_case: Option<bool>,
    /// Whether accents are dropped; if it is not said, they are where text is lower-cased.
    pub strip_accents: Option<bool>,
    /// Whether CJK ideographs are words of their own.
    pub tokenize_chinese_chars: Option<bool>,
    /// The special tokens by what they are for.
    #[serde(flatten)]
    pub special_tokens: SpecialTokens,
    /// The tokens that are found in the text itself, by id.
    pub added_tokens_decoder: Option<BTreeMap<u32, AddedTokenEntry>>,
}

/// `special_tokens_map.json`: the special tokens by what they are for.
#[derive(Default, serde::Deserialize)]
pub(super) struct SpecialTokens {
    /// An unknown word.
    pub unk_token: Option<TokenName>,
    /// Before every text.
    pub cls_token: Option<TokenName>,
    /// After every text.
    pub sep_token: Option<TokenName>,
    /// Fills up a batch; we never do, but a text may contain it.
    pub pad_token: Option<TokenName>,
    /// Hides a word in training; a text may contain it.
    pub mask_token: Option<TokenName>,
}

/// A token by its text, or described in full.
#[derive(Clone, serde::Deserialize)]
#[serde(untagged)]
pub(super) enum TokenName {
    /// Its text.
    Text(String),
    /// Its text and how it is found.
    Described(AddedTokenEntry),
}

impl TokenName {
    /// How it is found in a text.
    pub fn entry(&self) -> AddedTokenEntry {
        match self {
            Self::Text(text) => AddedTokenEntry::special(text),
            Self::Described(entry) => entry.clone(),
        }
    }
}

/// Reads what the directory has.
pub(super) fn read(directory: &Path) -> Result<Definition, TokenizerError> {
    let config_path = directory.join("tokenizer_config.json");
    let config: TokenizerConfig = read_json(&config_path)?.unwrap_or_default();
    let path = directory.join("tokenizer.json");
    if let Some(text) = read_text(&path)? {
        return tokenizer_json::parse(&path, &text, &config);
    }
    let path = directory.join("vocab.txt");
    if let Some(text) = read_text(&path)? {
        let map: SpecialTokens = read_json(&directory.join("special_tokens_map.json"))?.unwrap_or_default();
        refuse_added_tokens(&directory.join("added_tokens.json"))?;
        return vocab_txt::parse(&path, &text, config, map);
    }
    Err(TokenizerError::NoVocabulary { directory: directory.into() })
}

/// Refuses what old versions wrote beside `vocab.txt`: it does not say how the tokens are to be found.
fn refuse_added_tokens(path: &Path) -> Result<(), TokenizerError> {
    let tokens: BTreeMap<String, u32> = read_json(path)?.unwrap_or_default();
    match tokens.keys().next() {
        None => Ok(()),
        Some(token) => Err(TokenizerError::Unsupported {
            path: path.into(),
            field: token.clone(),
            found: "a token added to `vocab.txt`".into(),
            expected: "a model saved with `tokenizer.json`",
        }),
    }
}

/// The text of a file, or `None` if there is no such file.
fn read_text(path: &Path) -> Result<Option<String>, TokenizerError> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(TokenizerError::Read { path: path.into(), source }),
    };
    String::from_utf8(bytes).map(Some).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + valid.iter().filter(|&&byte| byte == b'\n').count();
        TokenizerError::NotUtf8 { path: path.into(), line }
    })
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, TokenizerError> {
    read_text(path)?.map(|text| parse_json(path, &text)).transpose()
}

/// Parses the text of the file `path`.
pub(super) fn parse_json<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T, TokenizerError> {
    serde_json::from_str(text).map_err(|source| TokenizerError::InvalidJson {
        path: path.into(),
        line: source.line(),
        column: source.column(),
        source,
    })
}
