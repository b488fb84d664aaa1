//! What a book's `extra` fields hold that other formats have a place for.
//!
//! They have the names of the file that the book came from: ours for MARC and ONIX, anything in a table. Letter case,
//! spaces and punctuation do not matter.

use crate::Book;
use crate::import::bare_name;
use serde_json::Value;

/// Something that more than one format has a place for.
#[allow(missing_docs, reason = "the names say it")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExtraField {
    Edition,
    Place,
    Pages,
    Extent,
    Series,
    Url,
    Notes,
    Contents,
    Contributors,
    OtherTitles,
    Lccn,
    Oclc,
    Issn,
    CallNumber,
    Dewey,
    OriginalLanguage,
    Format,
    Availability,
    Ages,
}

impl ExtraField {
    /// The names that it may have, the best first.
    fn names(self) -> &'static [&'static str] {
        match self {
            ExtraField::Edition => &["edition", "edition statement"],
            ExtraField::Place => &["place of publication", "publisher place", "place"],
            ExtraField::Pages => &["pages", "number of pages", "page count", "num pages"],
            ExtraField::Extent => &["extent", "physical description"],
            ExtraField::Series => &["series"],
            ExtraField::Url => &["url", "link"],
            ExtraField::Notes => &["notes"],
            ExtraField::Contents => &["contents", "table of contents"],
            ExtraField::Contributors => &["contributors"],
            ExtraField::OtherTitles => &["alternative titles", "other titles"],
            ExtraField::Lccn => &["lccn"],
            ExtraField::Oclc => &["oclc"],
            ExtraField::Issn => &["issn"],
            ExtraField::CallNumber => &["call number", "lc classification"],
            ExtraField::Dewey => &["dewey", "dewey decimal", "ddc"],
            ExtraField::OriginalLanguage => &["original language"],
            ExtraField::Format => &["format", "book format", "medium", "binding"],
            ExtraField::Availability => &["availability", "available", "status"],
            ExtraField::Ages => &["minimum age", "min age", "ages", "age", "age range", "reading age", "interest age"],
        }
    }

    /// Its texts; none if the book has no such thing.
    pub fn of(self, book: &Book) -> Vec<String> {
        let found = self.names().iter().find_map(|name| value(book, name));
        found.map(texts).unwrap_or_default()
    }

    /// The first of them.
    pub fn first(self, book: &Book) -> Option<String> {
        self.of(book).into_iter().next()
    }
}

/// The texts of the extra field of this name; letter case, spaces and punctuation of the name do not matter.
pub fn extra_texts(book: &Book, name: &str) -> Vec<String> {
    value(book, name).map(texts).unwrap_or_default()
}

fn value<'b>(book: &'b Book, name: &str) -> Option<&'b Value> {
    let wanted = bare_name(name);
    book.extra.iter().find(|(name, _)| bare_name(name) == wanted).map(|(_, value)| value)
}

fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Array(values) => values.iter().filter_map(text).collect(),
        value => text(value).into_iter().collect(),
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()).filter(|text| !text.trim().is_empty()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(yes) => Some(yes.to_string()),
        _ => None,
    }
}

/// The address, if it is one of the web.
pub(crate) fn url(book: &Book) -> Option<String> {
    ExtraField::Url.of(book).into_iter().find(|url| url.starts_with("http://") || url.starts_with("https://"))
}

/// The number of pages, if it is a number.
pub(crate) fn pages(book: &Book) -> Option<u32> {
    ExtraField::Pages.first(book)?.trim().trim_end_matches(".0").parse().ok()
}

/// A text on one line.
pub(crate) fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_are_recognised_in_any_spelling() {
        let mut book = Book::default();
        for (name, value) in [
            ("Number of Pages", json!("412.0")),
            ("Series", json!(["Dune ; 1", 2, null])),
            ("URL", json!(["ftp://x", "https://example.org/1"])),
        ] {
            book.extra.insert(name.to_owned(), value);
        }
        assert_eq!(pages(&book), Some(412));
        assert_eq!(ExtraField::Series.of(&book), ["Dune ; 1", "2"]);
        assert_eq!(url(&book).as_deref(), Some("https://example.org/1"));
        assert!(ExtraField::Edition.of(&book).is_empty());
    }
}
