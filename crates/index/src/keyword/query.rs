//! A reader's words, understood.
//!
//! There is no text that is an error: what is no sign of the syntax is a word, and what has no word in it is nothing.
//!
//! | written | means |
//! | --- | --- |
//! | `whale ship` | documents with one of the words; both are better |
//! | `"moby dick"`, `“moby dick”` | only documents with these words side by side; a quotation mark without a partner is ignored |
//! | `whale -ahab` | none with this word; only behind a space and before a letter, and not if nothing else is asked for |
//! | `title:emma`, `author:"jane austen"` | only documents with these words in this field; another prefix is a plain word |
//! | `isbn:0-14-143958-X` | only documents with this number; a number of this shape is found without the prefix, too |

use super::field::{Field, Fields};
use super::spelling::Correction;
use crate::{fold, words};
use std::collections::HashSet;
use unicode_normalization::char::is_combining_mark;

/// The field prefixes.
const PREFIXES: [(&str, Field); 8] = [
    ("title", Field::Title),
    ("author", Field::Authors),
    ("authors", Field::Authors),
    ("subject", Field::Subjects),
    ("subjects", Field::Subjects),
    ("series", Field::Series),
    ("description", Field::Description),
    ("isbn", Field::Identifiers),
];

/// Opening quotation marks and those that close them.
const QUOTES: [(char, &[char]); 4] = [('"', &['"']), ('“', &['”', '“']), ('„', &['“', '”']), ('«', &['»'])];

/// How a query is to be understood. By default all of the syntax, in every field, with spelling corrected.
#[derive(Clone, Copy)]
pub struct QueryOptions<'a> {
    /// Take every word as it was typed: nothing is corrected.
    pub exact: bool,
    /// The last word may be the beginning of one, as it is while someone types.
    pub last_word_is_prefix: bool,
    /// Where plain words are looked for.
    pub fields: Fields,
    /// Whether a folded word is known not to be misspelt although no document may hold it. A small catalogue lacks most
    /// words of a language, and one of `community` is not meant to be `communist`.
    pub is_word: Option<&'a dyn Fn(&str) -> bool>,
}

impl Default for QueryOptions<'_> {
    fn default() -> Self {
        Self { exact: false, last_word_is_prefix: false, fields: Fields::ALL, is_word: None }
    }
}

/// A query that was understood by [`KeywordIndex::query`](super::KeywordIndex::query).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KeywordQuery {
    pub(super) clauses: Vec<Clause>,
    pub(super) corrections: Vec<Correction>,
}

impl KeywordQuery {
    /// The words that are searched in another spelling than they were typed. A reader is told so, and can have them
    /// searched as they are: [`QueryOptions::exact`].
    pub fn corrections(&self) -> &[Correction] {
        &self.corrections
    }

    /// Whether there is no word in it.
    pub fn is_empty(&self) -> bool {
        self.clauses.is_empty()
    }

    /// What a query with signs asks for, folded and without them, as it was typed: neither words that must not be there
    /// nor numbers. `None` if it has no signs.
    pub fn without_signs(&self) -> Option<String> {
        let has_signs = self.clauses.iter().any(|clause| clause.need != Need::Any);
        let is_told = |clause: &&Clause| clause.need != Need::Not && clause.fields != Fields::from(Field::Identifiers);
        let words = self.clauses.iter().filter(is_told).flat_map(|clause| &clause.words);
        has_signs.then(|| words.map(|word| word.typed.as_str()).collect::<Vec<_>>().join(" "))
    }
}

/// What a document must have, may have or must not have.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Clause {
    pub need: Need,
    pub fields: Fields,
    /// Whether it stood in quotation marks: to be found to the letter.
    pub is_quoted: bool,
    /// Whether the query ends with it, in the middle of a word for all one knows.
    pub is_last: bool,
    /// Words that stand side by side; at least one.
    pub words: Vec<QueryWord>,
}

/// A word of a query.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct QueryWord {
    /// As it was typed, folded.
    pub typed: String,
    /// What does as well: words that it is the beginning of, or may be misspelt for.
    pub others: Vec<String>,
}

impl QueryWord {
    fn new(typed: impl Into<String>) -> Self {
        Self { typed: typed.into(), others: Vec::new() }
    }

    /// What is looked for in the index.
    pub fn spellings(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.typed).chain(&self.others).map(String::as_str)
    }
}

/// Whether a clause must be fulfilled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// One of these is enough.
    Any,
    /// Without it a document is no answer.
    Must,
    /// With it a document is no answer.
    Not,
}

/// Reads a query.
pub(super) fn parse(text: &str, fields: Fields) -> Vec<Clause> {
    let mut clauses: Vec<Clause> = Vec::new();
    let mut rest = text.trim_start_matches(is_space);
    // Only behind a space is a hyphen a minus.
    let mut behind_space = false;
    while !rest.is_empty() {
        let (token, behind) = next_token(rest, behind_space);
        clauses.extend(token.clauses(fields));
        rest = behind.trim_start_matches(is_space);
        behind_space = rest.len() < behind.len();
    }
    if clauses.iter().all(|clause| clause.need == Need::Not) {
        // Nothing else is asked for, so the hyphens were hyphens.
        let words = clauses.into_iter().flat_map(|clause| clause.words);
        clauses = words.map(|word| any(fields, word.typed)).collect();
    }
    let ends_in_word = text.ends_with(|c: char| c.is_alphanumeric() || is_combining_mark(c));
    if let Some(last) = clauses.last_mut() {
        last.is_last = ends_in_word;
    }
    let mut seen = HashSet::new();
    clauses.retain(|clause| clause.need != Need::Any || seen.insert((clause.words[0].typed.clone(), clause.is_last)));
    if fields.contains(Field::Identifiers) {
        let unread = numbers(text).filter(|number| seen.insert((number.clone(), false)));
        clauses.extend(unread.map(|number| any(Field::Identifiers.into(), number)));
    }
    clauses
}

/// What stands between two spaces, or in quotation marks.
struct Token<'a> {
    is_unwanted: bool,
    field: Option<Field>,
    is_quoted: bool,
    text: &'a str,
    /// The same with all signs before it.
    whole: &'a str,
}

fn next_token(rest: &str, behind_space: bool) -> (Token<'_>, &str) {
    let wanted = rest.strip_prefix(['-', '\u{2212}']);
    let unwanted = wanted.filter(|word| behind_space && word.starts_with(char::is_alphabetic));
    let (field, start) = strip_field(unwanted.unwrap_or(rest));
    let (is_quoted, text, behind) = match strip_quoted(start) {
        Some((text, behind)) => (true, text, behind),
        None => {
            let (text, behind) = start.split_at(start.find(is_space).unwrap_or(start.len()));
            (false, text, behind)
        }
    };
    let whole = &rest[..rest.len() - behind.len()];
    (Token { is_unwanted: unwanted.is_some(), field, is_quoted, text, whole }, behind)
}

/// A field prefix with something behind it, and what is behind it.
fn strip_field(rest: &str) -> (Option<Field>, &str) {
    let found = PREFIXES.iter().find_map(|(name, field)| {
        let (start, behind) = rest.split_at_checked(name.len())?;
        let behind = behind.strip_prefix(':').filter(|behind| !behind.starts_with(is_space) && !behind.is_empty())?;
        start.eq_ignore_ascii_case(name).then_some((*field, behind))
    });
    match found {
        Some((field, behind)) => (Some(field), behind),
        None => (None, rest),
    }
}

/// What stands between quotation marks at the start of `rest`, and what is behind them.
fn strip_quoted(rest: &str) -> Option<(&str, &str)> {
    let open = rest.chars().next()?;
    let (_, closing) = QUOTES.iter().find(|(mark, _)| *mark == open)?;
    let (text, behind) = rest[open.len_utf8()..].split_once(*closing)?;
    Some((text, behind))
}

impl Token<'_> {
    fn clauses(&self, fields: Fields) -> Vec<Clause> {
        let need = match (self.is_unwanted, self.field, self.is_quoted) {
            (true, _, _) => Need::Not,
            (_, None, false) => Need::Any,
            _ => Need::Must,
        };
        let folded = match self.field {
            Some(Field::Identifiers) => number(self.text),
            _ => fold(self.text),
        };
        let typed: Vec<QueryWord> = words(&folded).map(QueryWord::new).collect();
        if need == Need::Any || typed.is_empty() {
            // A prefix without a word behind it was none.
            return words(&fold(self.whole)).map(|word| any(fields, word)).collect();
        }
        let fields = self.field.map_or(fields, Fields::from);
        vec![Clause { need, fields, is_quoted: self.is_quoted, is_last: false, words: typed }]
    }
}

/// A word that is enough.
fn any(fields: Fields, word: impl Into<String>) -> Clause {
    let words = vec![QueryWord::new(word)];
    Clause { need: Need::Any, fields, is_quoted: false, is_last: false, words }
}

/// The numbers that may stand for a document: the query as a whole (`PR 4034 .E5`, `978 0 14 143958 7`), and each part
/// that has the shape of an ISBN.
pub(super) fn numbers(text: &str) -> impl Iterator<Item = String> {
    let whole = Some(number(text)).filter(|number| number.bytes().any(|b| b.is_ascii_digit()));
    whole.into_iter().chain(text.split(is_space).map(number).filter(|number| looks_like_isbn(number)))
}

/// `text` folded, without anything between its letters and digits.
fn number(text: &str) -> String {
    words(&fold(text)).collect()
}

/// Ten digits, the last of which may be `x`, or thirteen.
fn looks_like_isbn(compact: &str) -> bool {
    let digits = compact.strip_suffix('x').filter(|rest| rest.len() == 9).unwrap_or(compact);
    matches!(compact.len(), 10 | 13) && digits.bytes().all(|b| b.is_ascii_digit())
}

fn is_space(c: char) -> bool {
    c.is_whitespace() || c.is_control()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn isbns_are_recognised() {
        let cases = [
            ("0441013597", true),
            ("978-0-441-01359-3", true),
            ("019852663X", true),
            ("1984", false),
            ("01985X2663", false),
            ("978044101359x", false),
            ("abcdefghij", false),
            ("९७८०४४१०१३५९३", false),
        ];
        for (text, expected) in cases {
            assert_eq!(looks_like_isbn(&number(text)), expected, "{text}");
        }
    }
}
