//! What a model may be called, and which of its files are wanted.
//!
//! Both come from outside and end up in paths, so neither may lead anywhere but to where it should.

use crate::Error;
use std::fmt;
use std::str::FromStr;

/// Whom a name without an owner is of, as sentence-transformers has it.
const OWNER: &str = "sentence-transformers";

/// A model's name: its owner, if it has one, and its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelName {
    owner: Option<String>,
    own: String,
}

impl ModelName {
    /// A name as it is typed, on the hub: `OWNER/NAME`, or `NAME` of `sentence-transformers`.
    ///
    /// # Errors
    /// [`Error::BadName`].
    pub fn on_hub(name: &str) -> Result<Self, Error> {
        let mut name: Self = name.parse()?;
        name.owner.get_or_insert_with(|| OWNER.to_owned());
        Ok(name)
    }

    /// Without the owner.
    #[must_use]
    pub fn own(&self) -> &str {
        &self.own
    }
}

impl FromStr for ModelName {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        let bad = |reason| Error::BadName { name: name.to_owned(), reason };
        let parts: Vec<&str> = name.split('/').collect();
        for part in &parts {
            if part.is_empty() || part.len() > 96 {
                return Err(bad("its parts have 1 to 96 characters"));
            }
            if !part.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)) {
                return Err(bad("it has other characters than letters, digits, `.`, `_` and `-`"));
            }
            if part.starts_with('.') || part.contains("..") {
                return Err(bad("it has dots where no name has them"));
            }
        }
        match parts[..] {
            [own] => Ok(Self { owner: None, own: own.to_owned() }),
            [owner, own] => Ok(Self { owner: Some(owner.to_owned()), own: own.to_owned() }),
            _ => Err(bad("it is OWNER/NAME or NAME")),
        }
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.owner {
            Some(owner) => write!(f, "{owner}/{}", self.own),
            None => f.write_str(&self.own),
        }
    }
}

/// The weights.
pub(crate) const WEIGHTS: &str = "model.safetensors";

/// What a model is made of, besides the configuration of its pooling.
const FILES: [&str; 9] = [
    "config.json",
    "config_sentence_transformers.json",
    WEIGHTS,
    "modules.json",
    "sentence_bert_config.json",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
];

/// Whether a file of a model is wanted; its name then leads nowhere else.
pub(crate) fn is_wanted(file: &str) -> bool {
    match file.split_once('/') {
        None => FILES.contains(&file),
        // `1_Pooling/config.json`: the number is its place among the modules.
        Some((folder, "config.json")) => {
            folder.split_once('_').is_some_and(|(number, name)| number.parse::<u8>().is_ok() && name == "Pooling")
        }
        Some(_) => false,
    }
}

/// Whether a file's name leads out of the folder that it is in.
pub(crate) fn leads_out(file: &str) -> bool {
    file.starts_with('/') || file.contains(['\\', '\0']) || file.split('/').any(|part| part == "..")
}

/// Whether a revision can stand in an address: a branch, a tag, a commit.
pub(crate) fn check_revision(revision: &str) -> Result<(), Error> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
    let good = !revision.is_empty() && revision.len() <= 255 && revision.chars().all(plain) && !revision.contains("..");
    if good { Ok(()) } else { Err(Error::BadRevision { revision: revision.to_owned() }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_lead_elsewhere() {
        for (name, expected) in [
            ("all-MiniLM-L12-v2", Some("sentence-transformers/all-MiniLM-L12-v2")),
            ("BAAI/bge-small-en-v1.5", Some("BAAI/bge-small-en-v1.5")),
            ("", None),
            ("/", None),
            ("a/", None),
            ("a/b/c", None),
            ("../a", None),
            ("a/..", None),
            ("a/.b", None),
            ("a/b?c", None),
            ("a/b c", None),
            ("a\\b", None),
            ("modèle", None),
        ] {
            assert_eq!(ModelName::on_hub(name).ok().map(|name| name.to_string()).as_deref(), expected, "{name:?}");
        }
    }

    #[test]
    fn only_what_a_model_is_made_of_is_wanted() {
        for (file, wanted, out) in [
            ("model.safetensors", true, false),
            ("vocab.txt", true, false),
            ("1_Pooling/config.json", true, false),
            ("1_Dense/config.json", false, false),
            ("x_Pooling/config.json", false, false),
            ("onnx/model.onnx", false, false),
            ("pytorch_model.bin", false, false),
            ("1_Pooling/../config.json", false, true),
            ("../config.json", false, true),
            ("/etc/passwd", false, true),
            ("..\\config.json", false, true),
        ] {
            assert_eq!((is_wanted(file), leads_out(file)), (wanted, out), "{file}");
        }
    }

    #[test]
    fn revisions_can_stand_in_an_address() {
        for (revision, good) in
            [("main", true), ("refs/pr/12", true), ("v1.0", true), ("a b", false), ("..", false), ("", false)]
        {
            assert_eq!(check_revision(revision).is_ok(), good, "{revision:?}");
        }
    }
}
