//! LibraryThing's JSON: a book in the words of its own database. What readers noted, lent and rated is left out.

use super::Place;
use super::header::{Field, Mapping, Target};
use super::record::RawRecord;
use serde_json::{Map, Value};

/// Whether an object is one of theirs.
pub(super) fn is_book(object: &Map<String, Value>) -> bool {
    object.contains_key("books_id") && object.contains_key("title")
}

pub(super) fn record(object: Map<String, Value>, place: Place, bytes: usize, mapping: &mut Mapping) -> RawRecord {
    let mut record = RawRecord::new(place, bytes);
    let title = object.get("title").and_then(Value::as_str).unwrap_or_default().to_owned();
    let has_authors = object.get("authors").is_some_and(|authors| !names(authors).is_empty());
    for (name, value) in object {
        let to = |field| Target::Field { field, rank: 0 };
        let (target, value) = match name.as_str() {
            "books_id" => (to(Field::Id), value),
            "title" => (to(Field::Title), value),
            "authors" => (to(Field::Authors), Value::from(names(&value))),
            "primaryauthor" | "secondaryauthor" if !has_authors => (to(Field::Authors), value),
            "isbn" | "originalisbn" | "ean" => (to(Field::Isbns), Value::from(texts(&value))),
            "date" => (to(Field::Year), value),
            "language" => (to(Field::Language), Value::from(texts(&value))),
            "subject" | "genre" | "tags" => (to(Field::Subjects), Value::from(texts(&value))),
            // Mostly made by LibraryThing of title, author and year.
            "summary" if value.as_str().is_some_and(|text| !text.starts_with(&title)) => {
                (to(Field::Description), value)
            }
            "publication" | "originallanguage" | "series" | "pages" | "lcc" | "ddc" | "workcode" => {
                let texts = texts(&value);
                (Target::Extra, if texts.len() == 1 { Value::from(texts.concat()) } else { Value::from(texts) })
            }
            // A reader's own, or parts of the fields above.
            _ => continue,
        };
        mapping.decided(&name, target);
        record.push(name, target, value);
    }
    record
}

/// Names, as they are shown: `fl` is first name first.
fn names(authors: &Value) -> Vec<String> {
    let name = |author: &Value| {
        let name = author.get("fl").or_else(|| author.get("lf"))?.as_str()?;
        (!name.trim().is_empty()).then(|| name.to_owned())
    };
    authors.as_array().into_iter().flatten().filter_map(name).collect()
}

/// Every text in a value: lists may be objects with numbers for names, and lists of lists.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) if text.trim().is_empty() => Vec::new(),
        Value::String(text) => vec![text.trim().to_owned()],
        Value::Number(number) => vec![number.to_string()],
        Value::Array(values) => values.iter().flat_map(texts).collect(),
        Value::Object(object) => object.values().flat_map(texts).collect(),
        Value::Null | Value::Bool(_) => Vec::new(),
    }
}
