//! JSON-LD with the words of schema.org: a `Book` each, for search engines and for whoever links data.
//!
//! A book has no `@id`: an ISBN may stand on several records, which a reader would take for one book.

use crate::Book;
use crate::extra_field::{ExtraField, pages, url};
use crate::import::is_body;
use serde_json::{Map, Value, json};

/// One book; safe inside a page's `<script>`.
pub(super) fn record(book: &Book) -> String {
    let mut item = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            item.insert(name.to_owned(), value);
        }
    };
    let text = |text: &Option<String>| text.clone().map(Value::from);
    // A list of one is written as the one, as most examples do.
    let list = |mut list: Vec<Value>| if list.len() < 2 { list.pop() } else { Some(Value::Array(list)) };
    put("@type", Some("Book".into()));
    put("identifier", Some(book.id.clone().into()));
    put("name", Some(book.title.clone().into()));
    put("alternativeHeadline", text(&book.subtitle));
    let agent = |name: &String| json!({"@type": if is_body(name) { "Organization" } else { "Person" }, "name": name});
    put("author", list(book.authors.iter().map(agent).collect()));
    put("isbn", list(book.isbns.iter().map(|isbn| isbn.as_str().into()).collect()));
    put("publisher", book.publisher.as_ref().map(|name| json!({"@type": "Organization", "name": name})));
    put("datePublished", book.year.map(|year| iso_year(year).into()));
    put("inLanguage", text(&book.language));
    put("keywords", list(book.subjects.iter().map(|subject| subject.as_str().into()).collect()));
    let audience = book.audience.as_ref().map(|audience| json!({"@type": "Audience", "audienceType": audience}));
    put("audience", audience);
    put("description", text(&book.description));
    put("bookEdition", ExtraField::Edition.first(book).map(Value::from));
    put("numberOfPages", pages(book).map(Value::from));
    put("url", url(book).map(Value::from));
    Value::Object(item).to_string().replace('<', "\\u003c")
}

/// A year as ISO 8601 counts: with a year 0, which is 1 before our era.
fn iso_year(year: i32) -> String {
    match year {
        1.. => format!("{year:04}"),
        0 | -1 => "0000".to_owned(),
        year => format!("{:05}", year + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn years_and_pages() {
        for (year, expected) in [(1851, "1851"), (868, "0868"), (-44, "-0043"), (-1, "0000")] {
            assert_eq!(iso_year(year), expected);
        }
        let book = Book { id: "x".to_owned(), title: "</script><b>".to_owned(), ..Book::default() };
        let json = record(&book);
        assert!(!json.contains('<'), "{json}");
        let value: Value = serde_json::from_str(&json).expect("JSON");
        assert_eq!(value["name"], "</script><b>");
    }
}
