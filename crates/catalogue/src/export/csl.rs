//! CSL-JSON: what citation processors take; the schema is `csl-data.json` of the Citation Style Language.

use super::full_title;
use crate::Book;
use crate::extra_field::{ExtraField, pages, url};
use crate::import::is_person;
use serde_json::{Map, Value, json};

pub(super) fn record(book: &Book) -> String {
    let mut item = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            item.insert(name.to_owned(), value);
        }
    };
    let text = |text: Option<String>| text.map(Value::from);
    let list = |list: &[String], between: &str| (!list.is_empty()).then(|| list.join(between).into());
    put("id", Some(book.id.clone().into()));
    put("type", Some("book".into()));
    put("title", Some(full_title(book).into()));
    put("author", (!book.authors.is_empty()).then(|| book.authors.iter().map(|author| name(author)).collect()));
    put("issued", book.year.map(|year| json!({"date-parts": [[year]]})));
    put("publisher", text(book.publisher.clone()));
    put("publisher-place", text(ExtraField::Place.first(book)));
    put("edition", text(ExtraField::Edition.first(book)));
    put("collection-title", text(ExtraField::Series.first(book)));
    put("number-of-pages", pages(book).map(Value::from));
    put("ISBN", list(&book.isbns, " "));
    put("language", text(book.language.clone()));
    put("keyword", list(&book.subjects, "; "));
    put("abstract", text(book.description.clone()));
    put("URL", text(url(book)));
    Value::Object(item).to_string()
}

/// A name; only where a comma says which part is the family's is it taken apart.
fn name(name: &str) -> Value {
    match name.split_once(", ") {
        Some((family, given)) if is_person(name) => json!({"family": family, "given": given}),
        _ => json!({"literal": name}),
    }
}
