//! JSON Lines: a book as it is in the catalogue, and back.
//!
//! Values of other programs' files are tidied up when they are read: HTML becomes text, names of languages become
//! codes. A line that carries our mark holds values that were tidied up already, and is taken to the letter; else a
//! description about `<b>` would lose it on the way.

use crate::Book;
use serde_json::{Map, Value};

/// The key that marks a line of ours; its value is the version of the format.
pub(crate) const MARK: &str = "libellus_book";

const VERSION: u64 = 1;

pub(super) fn record(book: &Book) -> String {
    // A book is strings and JSON already.
    let object = serde_json::to_string(book).unwrap_or_default();
    format!("{{\"{MARK}\":{VERSION},{}\n", object.strip_prefix('{').unwrap_or_default())
}

/// The book of a line of ours; the error says what is wrong with it.
pub(crate) fn book(mut object: Map<String, Value>) -> Result<Book, String> {
    let version = object.remove(MARK);
    if version.as_ref().and_then(Value::as_u64) != Some(VERSION) {
        let found = version.unwrap_or_default();
        return Err(format!("`{MARK}` is {found}, and this libellus reads {VERSION}; update libellus"));
    }
    let book: Book = serde_json::from_value(Value::Object(object)).map_err(|error| format!("not a book: {error}"))?;
    checked(book)
}

/// A book needs an id and a title.
pub(crate) fn checked(book: Book) -> Result<Book, String> {
    match (book.id.trim().is_empty(), book.title.trim().is_empty()) {
        (true, _) => Err("the record has no id".to_owned()),
        (_, true) => Err("the record has no title; every book needs one".to_owned()),
        _ => Ok(book),
    }
}
