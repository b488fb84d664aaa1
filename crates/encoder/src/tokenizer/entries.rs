//! A vocabulary as it is read: every id has one entry, every entry one id.

use super::TokenizerError;
use super::definition::AddedToken;
use super::vocabulary::MAX_ENTRIES;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Entries by id and ids by entry, and the file that they come from.
pub(super) struct Entries {
    path: PathBuf,
    texts: Vec<String>,
    ids: HashMap<String, u32>,
}

/// A token that is to be found in the text itself, as the files describe it.
#[derive(Clone, Debug, serde::Deserialize)]
pub(super) struct AddedTokenEntry {
    /// Its text.
    pub content: String,
    #[serde(default)]
    single_word: bool,
    #[serde(default)]
    lstrip: bool,
    #[serde(default)]
    rstrip: bool,
    /// Unless said otherwise, what is special is not normalised.
    normalized: Option<bool>,
    #[serde(default)]
    special: bool,
}

impl AddedTokenEntry {
    /// The token `[SEP]`, say, with nothing out of the ordinary.
    pub fn special(content: &str) -> Self {
        let content = content.to_owned();
        Self { content, single_word: false, lstrip: false, rstrip: false, normalized: None, special: true }
    }
}

impl Entries {
    /// Checks that the ids of `pairs` are 0, 1, 2 …, in whatever order, and no entry is there twice.
    pub fn new(path: &Path, pairs: Vec<(String, u32)>) -> Result<Self, TokenizerError> {
        let mut ids = HashMap::with_capacity(pairs.len());
        let mut texts = vec![None; pairs.len()];
        for (text, id) in pairs {
            if let Some(first) = ids.insert(text.clone(), id) {
                return Err(TokenizerError::DuplicateToken { path: path.into(), token: text, first, second: id });
            }
            match texts.get_mut(id as usize) {
                Some(Some(first)) => {
                    let first = std::mem::take(first);
                    return Err(TokenizerError::DuplicateId { path: path.into(), id, first, second: text });
                }
                Some(place) => *place = Some(text),
                None => {} // so another id is missing, which is found below
            }
        }
        let entries = texts.len();
        let missing = |id| TokenizerError::MissingId { path: path.into(), id: id as u32, entries };
        let texts = (texts.into_iter().enumerate())
            .map(|(id, text)| text.ok_or_else(|| missing(id)))
            .collect::<Result<Vec<_>, _>>()?;
        let entries = Self { path: path.into(), texts, ids };
        entries.check_size()?;
        Ok(entries)
    }

    fn check_size(&self) -> Result<(), TokenizerError> {
        match self.texts.len() {
            0 => Err(TokenizerError::EmptyVocabulary { path: self.path.clone() }),
            1..=MAX_ENTRIES => Ok(()),
            entries => Err(TokenizerError::VocabularyTooLarge { path: self.path.clone(), entries, most: MAX_ENTRIES }),
        }
    }

    pub fn len(&self) -> usize {
        self.texts.len()
    }

    pub fn contains(&self, token: &str) -> bool {
        self.ids.contains_key(token)
    }

    /// The id of `token`, which must be there as the `role`.
    pub fn id(&self, role: &'static str, token: &str) -> Result<u32, TokenizerError> {
        let missing = || TokenizerError::MissingToken { path: self.path.clone(), role, token: token.into() };
        self.ids.get(token).copied().ok_or_else(missing)
    }

    /// Checks that `token` has the id that `place` gives it.
    pub fn check_id(&self, place: &'static str, token: &str, found: u32) -> Result<u32, TokenizerError> {
        let expected = self.id(place, token)?;
        if found == expected {
            return Ok(found);
        }
        Err(TokenizerError::WrongId { path: self.path.clone(), place, token: token.into(), found, expected })
    }

    /// Makes `tokens` findable in the text, in the order of their ids; those that have no id yet get the next.
    ///
    /// `place` says where in the files they are listed.
    pub fn add(
        &mut self,
        place: &'static str,
        tokens: Vec<(u32, AddedTokenEntry)>,
    ) -> Result<Vec<AddedToken>, TokenizerError> {
        let mut added: Vec<AddedToken> = Vec::new();
        for (id, entry) in tokens.into_iter().filter(|(_, entry)| !entry.content.is_empty()) {
            let AddedTokenEntry { content, single_word, lstrip, rstrip, normalized, special } = entry;
            if single_word {
                return Err(TokenizerError::Unsupported {
                    path: self.path.clone(),
                    field: format!("single_word of the added token {content}"),
                    found: "true".into(),
                    expected: "false",
                });
            }
            if !self.contains(&content) {
                self.ids.insert(content.clone(), self.texts.len() as u32);
                self.texts.push(content.clone());
                self.check_size()?;
            }
            self.check_id(place, &content, id)?;
            added.retain(|token| token.id != id); // listed twice: the last one counts
            added.push(AddedToken { id, lstrip, rstrip, normalized: normalized.unwrap_or(!special) });
        }
        added.sort_by_key(|token| token.id);
        Ok(added)
    }

    /// The entries in the order of their ids.
    pub fn into_texts(self) -> Vec<String> {
        self.texts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(pairs: &[(&str, u32)]) -> String {
        let pairs = pairs.iter().map(|&(text, id)| (text.to_owned(), id)).collect();
        Entries::new(Path::new("v"), pairs).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn every_id_has_one_entry() {
        let cases: [(&[(&str, u32)], &str); 6] = [
            (&[("b", 1), ("a", 0)], ""),
            (&[], "`v`: the vocabulary is empty; download the file again"),
            (&[("a", 0), ("b", 2)], "`v`: no entry has id 1, though there are 2; expected every id from 0 to 1"),
            (&[("a", 1), ("b", u32::MAX)], "`v`: no entry has id 0, though there are 2; expected every id from 0 to 1"),
            (&[("a", 0), ("b", 0)], "`v`: `a` and `b` both have id 0; expected an id for each"),
            (&[("a", 0), ("a", 1)], "`v`: `a` is there twice, with ids 0 and 1; expected each entry once"),
        ];
        for (pairs, expected) in cases {
            assert_eq!(error(pairs), expected, "{pairs:?}");
        }
        let many = (0..=MAX_ENTRIES as u32).map(|id| (id.to_string(), id)).collect();
        let error = Entries::new(Path::new("v"), many).err().expect("too many").to_string();
        assert_eq!(error, "`v`: the vocabulary has 1048576 entries; at most 1048575 are supported");
    }
}
