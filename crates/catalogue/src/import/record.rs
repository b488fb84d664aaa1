//! Named values become a [`Book`].

use super::header::{Field, Target};
use super::{Place, Reject};
use super::{field, html};
use crate::{Book, isbn};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::collections::HashSet;

/// A record as the file has it.
pub(super) struct RawRecord {
    /// Where it begins in the file.
    pub(super) place: Place,
    /// Its length in the file.
    pub(super) bytes: usize,
    values: Vec<Named>,
    /// A book that libellus wrote, instead of values that are to be made one.
    as_written: Option<Box<Book>>,
    warnings: Vec<Warning>,
}

/// A value and its name in the file.
struct Named {
    name: String,
    target: Target,
    value: Value,
}

/// The field, and what is odd about it.
type Warning = (Option<String>, String);

/// A record that can be loaded.
pub(super) struct Accepted {
    pub(super) book: Book,
    pub(super) warnings: Vec<Warning>,
}

impl RawRecord {
    pub(super) fn new(place: Place, bytes: usize) -> Self {
        Self { place, bytes, values: Vec::new(), as_written: None, warnings: Vec::new() }
    }

    /// A record that libellus wrote, or a reject that says why it is none.
    pub(super) fn as_written(place: Place, bytes: usize, book: Result<Book, String>) -> Result<Self, Reject> {
        match book {
            Ok(book) => Ok(Self { as_written: Some(Box::new(book)), ..Self::new(place, bytes) }),
            Err(reason) => Err(Reject { place, id: None, field: None, reason }),
        }
    }

    /// Adds a value; an empty one is none.
    pub(super) fn push(&mut self, name: String, target: Target, value: Value) {
        let is_empty = match &value {
            Value::Null => true,
            Value::String(text) => text.trim().is_empty(),
            Value::Array(values) => values.is_empty(),
            Value::Object(object) => object.is_empty(),
            Value::Bool(_) | Value::Number(_) => false,
        };
        if !is_empty && target != Target::Personal {
            self.values.push(Named { name, target, value });
        }
    }

    pub(super) fn warn(&mut self, field: Option<String>, reason: String) {
        self.warnings.push((field, reason));
    }

    /// Its values by their names, and what is odd about the record, if anything is.
    pub(super) fn into_values(self) -> (impl Iterator<Item = (String, Value)>, Option<String>) {
        let odd = self.warnings.into_iter().next().map(|(_, reason)| reason);
        (self.values.into_iter().map(|named| (named.name, named.value)), odd)
    }

    /// Makes a book of it; only a missing title is a reason not to.
    pub(super) fn into_book(self) -> Result<Accepted, Reject> {
        let Self { place, mut values, as_written, warnings, .. } = self;
        if let Some(book) = as_written {
            return Ok(Accepted { book: *book, warnings });
        }
        // The best name for a field comes first, and wins.
        values.sort_by_key(|named| match named.target {
            Target::Field { rank, .. } => rank,
            _ => u8::MAX,
        });
        let mut builder = Builder { book: Book::default(), warnings };
        for named in values {
            builder.add(named);
        }
        let Builder { mut book, warnings } = builder;
        if book.title.is_empty() {
            let id = Some(book.id).filter(|id| !id.is_empty());
            let reason = "the record has no title; every book needs one".to_owned();
            return Err(Reject { place, id, field: Some(Field::Title.as_str().to_owned()), reason });
        }
        if book.id.is_empty() {
            book.id = derived_id(&book);
        }
        Ok(Accepted { book, warnings })
    }
}

/// An id for a record without one, the same in every import: see [`import`](super::import()).
#[must_use]
pub fn derived_id(book: &Book) -> String {
    if let Some(isbn13) = book.isbns.iter().find_map(|isbn| isbn::to_isbn13(isbn)) {
        return format!("isbn-{isbn13}");
    }
    let author = book.authors.first().map_or("", String::as_str);
    let year = book.year.map(|year| year.to_string()).unwrap_or_default();
    let digest = Sha256::digest(format!("{}\n{author}\n{year}", book.title).to_lowercase());
    let hexadecimal: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("book-{hexadecimal}")
}

const NOT_TEXT: &str = "is not text, nor a list of texts";

/// Sets what is not set yet; returns whether it did.
fn fill(place: &mut String, text: String) -> bool {
    let is_free = place.is_empty();
    if is_free {
        *place = text;
    }
    is_free
}

/// A book in the making.
struct Builder {
    book: Book,
    warnings: Vec<Warning>,
}

impl Builder {
    fn add(&mut self, named: Named) {
        if named.value.as_str().is_some_and(|text| text.contains('\u{fffd}')) {
            let reason = "holds U+FFFD, the mark of a character that was lost in an earlier conversion";
            self.warnings.push((Some(named.name.clone()), reason.to_owned()));
        }
        match named.target {
            Target::Field { field: Field::Authors, .. } => self.add_authors(named, field::authors),
            Target::MoreAuthors => self.add_authors(named, field::more_authors),
            Target::Field { field: Field::Subjects, .. } => self.add_subjects(named, false),
            Target::Tags => self.add_subjects(named, true),
            Target::Field { field: Field::Isbns, .. } => self.add_isbns(named),
            Target::Field { field: Field::Year, .. } => self.add_year(named),
            Target::Field { field: Field::Language, .. } => self.add_language(named),
            Target::Field { field, .. } => self.add_text(field, named),
            Target::Extra => self.keep_as_extra(named.name, named.value),
            Target::Personal | Target::AsWritten => {}
        }
    }

    fn add_text(&mut self, field: Field, named: Named) {
        let text = match field {
            Field::Description => texts(&named.value).map(|texts| match &*texts {
                [only] => only.clone(),
                all => all.join("\n\n").into(),
            }),
            _ => text(&named.value),
        };
        let Some(text) = text else { return self.warn_and_keep(named, NOT_TEXT) };
        let text = match field {
            Field::Description => field::paragraphs(&html::to_text(&text)),
            Field::Audience => field::audience(&text),
            _ => field::line(&text),
        };
        if text.is_empty() {
            return;
        }
        let book = &mut self.book;
        let is_taken = match field {
            Field::Id => fill(&mut book.id, text),
            Field::Title => fill(&mut book.title, text),
            Field::Subtitle => fill(book.subtitle.get_or_insert_default(), text),
            Field::Publisher => fill(book.publisher.get_or_insert_default(), text),
            Field::Audience => fill(book.audience.get_or_insert_default(), text),
            Field::Description => fill(book.description.get_or_insert_default(), text),
            Field::Authors | Field::Isbns | Field::Year | Field::Language | Field::Subjects => false,
        };
        if !is_taken {
            self.keep_as_extra(named.name, named.value);
        }
    }

    fn add_authors(&mut self, named: Named, split: fn(&str) -> Vec<String>) {
        match list(&named.value, split) {
            Some(authors) => extend(&mut self.book.authors, authors),
            None => self.warn_and_keep(named, NOT_TEXT),
        }
    }

    fn add_subjects(&mut self, named: Named, commas: bool) {
        match list(&named.value, |text| field::list(text, commas)) {
            Some(subjects) => extend(&mut self.book.subjects, subjects),
            None => self.warn_and_keep(named, NOT_TEXT),
        }
    }

    fn add_isbns(&mut self, named: Named) {
        let texts = texts(&named.value);
        // Spreadsheets export empty ISBNs as `=""`, LibraryThing as `[]`.
        if texts.as_ref().is_some_and(|texts| texts.iter().all(|text| !text.contains(char::is_alphanumeric))) {
            return;
        }
        let found: Vec<String> = texts.unwrap_or_default().iter().flat_map(|text| isbn::extract(text)).collect();
        if found.is_empty() {
            return self.warn_and_keep(named, "is not an ISBN (ten or thirteen digits)");
        }
        for isbn in found.iter().filter(|isbn| !isbn::is_valid(isbn)) {
            let reason = format!("the check digit of `{isbn}` is wrong; kept as it is");
            self.warnings.push((Some(named.name.clone()), reason));
        }
        extend(&mut self.book.isbns, found);
    }

    fn add_year(&mut self, named: Named) {
        let text = text(&named.value).unwrap_or_default();
        // Calibre's way to say that nobody knows.
        if text.starts_with("0101-01-01") {
            return;
        }
        match (field::year(&text), self.book.year) {
            (year @ Some(_), None) => self.book.year = year,
            (Some(_), Some(_)) => self.keep_as_extra(named.name, named.value),
            (None, _) => self.warn_and_keep(named, "is not a year (four digits)"),
        }
    }

    /// A book has one language: the first; when there are more, all are kept as they stand.
    fn add_language(&mut self, named: Named) {
        let split = |text: &str| text.split([';', '|', ',']).map(field::line).collect();
        let all = list(&named.value, split).unwrap_or_default();
        let Some(language) = all.first().and_then(|first| field::language(first)) else {
            return self.warn_and_keep(named, "is not a language (a code such as `en` or `eng`, or an English name)");
        };
        let is_first = self.book.language.is_none();
        self.book.language.get_or_insert(language);
        if !is_first || all.len() > 1 {
            self.keep_as_extra(named.name, named.value);
        }
    }

    fn warn_and_keep(&mut self, named: Named, what: &str) {
        let whole = text(&named.value).unwrap_or_else(|| named.value.to_string().into());
        let shown: String = whole.chars().take(40).collect();
        self.warnings.push((Some(named.name.clone()), format!("`{shown}` {what}; kept among the extra fields")));
        self.keep_as_extra(named.name, named.value);
    }

    /// Keeps a value under its own name, numbered if the name is taken.
    fn keep_as_extra(&mut self, name: String, value: Value) {
        let value = match value {
            Value::String(text) => Value::String(field::paragraphs(&text)),
            value => value,
        };
        let name = if name.is_empty() { "unnamed".to_owned() } else { name };
        let extra = &mut self.book.extra;
        let numbers = (2..100).chain(extra.len()..); // Not 2, 3, 4 … for ever, if there are thousands.
        let free = numbers.map(|number| format!("{name} ({number})")).find(|name| !extra.contains_key(name));
        let name = if extra.contains_key(&name) { free.unwrap_or(name) } else { name };
        extra.insert(name, value);
    }
}

/// Up to so many texts, looking through them is quicker than hashing them.
const FEW: usize = 16;

/// Adds what is not there yet.
fn extend(list: &mut Vec<String>, mut more: Vec<String>) {
    more.retain(|text| !text.is_empty());
    if list.len() + more.len() <= FEW {
        for text in more {
            if !list.contains(&text) {
                list.push(text);
            }
        }
        return;
    }
    let mut seen: HashSet<String> = list.iter().cloned().collect();
    list.extend(more.into_iter().filter(|text| seen.insert(text.clone())));
}

/// A value as one text: of an object, what it is mainly about; `None` for lists.
fn text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(text.into()),
        Value::Number(number) => Some(number.to_string().into()),
        Value::Bool(flag) => Some(flag.to_string().into()),
        Value::Object(object) => {
            ["name", "value", "title", "label"].iter().find_map(|key| object.get(*key)?.as_str()).map(Cow::from)
        }
        Value::Array(values) if values.len() == 1 => text(&values[0]),
        Value::Array(_) | Value::Null => None,
    }
}

/// A value as texts, one each for the members of a list; `None` if something in it is no text.
fn texts(value: &Value) -> Option<Vec<Cow<'_, str>>> {
    match value {
        Value::Array(values) => values.iter().map(text).collect(),
        value => text(value).map(|text| vec![text]),
    }
}

/// A value as a list: text is split, the members of a list are one each already.
fn list(value: &Value, split: impl Fn(&str) -> Vec<String>) -> Option<Vec<String>> {
    let texts = texts(value)?;
    Some(match value {
        Value::Array(_) => texts.iter().map(|text| field::line(text)).collect(),
        _ => texts.iter().flat_map(|text| split(text)).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::header::Mapping;
    use super::*;
    use serde_json::json;

    fn accept(object: Value) -> Result<Accepted, Reject> {
        let mut mapping = Mapping::default();
        let mut record = RawRecord::new(Place::Line(7), 0);
        for (name, value) in object.as_object().expect("an object") {
            record.push(name.clone(), mapping.target(name), value.clone());
        }
        record.into_book()
    }

    fn book(object: Value) -> Book {
        accept(object).map(|accepted| accepted.book).unwrap_or_else(|reject| panic!("{reject:?}"))
    }

    #[test]
    fn a_whole_record() {
        let found = book(json!({
            "id": 42, "Title": " Good\u{0}  Omens ", "sous-titre": "The Nice and Accurate Prophecies",
            "authors": [{"name": "Terry Pratchett"}, "Neil Gaiman"], "isbn": "0-575-04800-X", "isbn13": 9780575048003_u64,
            "publisher": "Gollancz", "year": 1990.0, "language": "eng", "subjects": "Humour -- Fiction; Devils",
            "genre": "Fantasy, Comedy", "audience": "YA", "description": {"value": "<p>An angel.</p><p>A demon.</p>"},
            "pages": 288, "shelf": {"row": 3}, "private notes": "mine", "empty": " ", "nothing": null
        }));
        let expected = Book {
            id: "42".to_owned(),
            title: "Good Omens".to_owned(),
            subtitle: Some("The Nice and Accurate Prophecies".to_owned()),
            authors: vec!["Terry Pratchett".to_owned(), "Neil Gaiman".to_owned()],
            isbns: vec!["057504800X".to_owned(), "9780575048003".to_owned()],
            publisher: Some("Gollancz".to_owned()),
            year: Some(1990),
            language: Some("en".to_owned()),
            subjects: ["Humour -- Fiction", "Devils", "Fantasy", "Comedy"].map(str::to_owned).to_vec(),
            audience: Some("young adult".to_owned()),
            description: Some("An angel.\n\nA demon.".to_owned()),
            extra: json!({"pages": 288, "shelf": {"row": 3}}).as_object().expect("an object").clone(),
        };
        assert_eq!(Book { isbns: expected.isbns.clone(), ..found.clone() }, expected);
        let mut isbns = found.isbns;
        isbns.sort();
        assert_eq!(isbns, expected.isbns);
    }

    #[test]
    fn additional_authors_come_after_the_first() {
        for (more, expected) in [
            ("Terry Pratchett, Peter Frey", &["Neil Gaiman", "Terry Pratchett", "Peter Frey"][..]),
            ("Pratchett, Terry", &["Neil Gaiman", "Pratchett, Terry"]),
            ("Pratchett, Terry|Rossum, Guido van", &["Neil Gaiman", "Pratchett, Terry", "Rossum, Guido van"]),
            ("Neil Gaiman", &["Neil Gaiman"]),
        ] {
            for name in ["Additional Authors", "Secondary Author"] {
                let found = book(json!({name: more, "title": "Good Omens", "Author": "Neil Gaiman"}));
                assert_eq!(found.authors, expected, "{name}: {more}");
                assert!(found.extra.is_empty(), "{name}: {:?}", found.extra);
            }
        }
    }

    #[test]
    fn the_best_name_wins_and_the_others_are_kept() {
        let found =
            book(json!({"summary": "Short.", "Description": "Long.", "title": "T", "date": "2001", "year": 1999}));
        assert_eq!(found.description.as_deref(), Some("Long."));
        assert_eq!(found.year, Some(1999));
        assert_eq!(Value::from(found.extra), json!({"summary": "Short.", "date": "2001"}));
        let found = book(json!({"summary": "Short.", "Description": " ", "title": "T"}));
        assert_eq!(found.description.as_deref(), Some("Short."));
    }

    #[test]
    fn a_bad_optional_value_is_a_warning() {
        for (name, value, reason) in [
            ("year", json!("ca. 19xx"), "not a year"),
            ("year", json!({"from": 1990}), "not a year"),
            ("isbn", json!("9.78044E+12"), "not an ISBN"),
            ("isbn", json!([["0441013597", "9780441013593"]]), "not an ISBN"),
            ("language", json!("Klingon"), "not a language"),
            ("authors", json!([{"role": "author"}]), "not text"),
            ("publisher", json!(["Ace", "Tor"]), "not text"),
        ] {
            let Ok(accepted) = accept(json!({"title": "Dune", name: value})) else {
                panic!("{name}: {value} sank the record")
            };
            assert_eq!(accepted.warnings.len(), 1, "{name}: {:?}", accepted.warnings);
            assert_eq!(accepted.warnings[0].0.as_deref(), Some(name));
            assert!(accepted.warnings[0].1.contains(reason), "{:?}", accepted.warnings);
            assert_eq!(accepted.book.extra.get(name), Some(&value), "kept");
        }
        let Ok(accepted) = accept(json!({"title": "Dune", "isbn": "0441013598, 978-0441013593"})) else {
            panic!("sank")
        };
        assert_eq!(accepted.book.isbns, ["0441013598", "9780441013593"]);
        assert!(accepted.warnings[0].1.contains("check digit of `0441013598`"), "{:?}", accepted.warnings);
        let Ok(accepted) = accept(json!({"title": "Dune", "isbn": "=\"\"", "language": "en; fr"})) else {
            panic!("sank")
        };
        assert!(accepted.warnings.is_empty(), "{:?}", accepted.warnings);
        assert_eq!(accepted.book.language.as_deref(), Some("en"));
        assert_eq!(Value::from(accepted.book.extra), json!({"language": "en; fr"}));
    }

    #[test]
    fn without_a_title_there_is_no_book() {
        for object in [
            json!({"id": "x", "author": "Anon"}),
            json!({"id": "x", "title": "\u{0} "}),
            json!({"id": "x", "title": null}),
        ] {
            let Err(reject) = accept(object) else { panic!("accepted") };
            assert_eq!(
                (reject.place, reject.id.as_deref(), reject.field.as_deref()),
                (Place::Line(7), Some("x"), Some("title"))
            );
        }
    }

    #[test]
    fn derived_ids_are_stable() {
        assert_eq!(book(json!({"title": "Dune", "isbn": "0-441-01359-7"})).id, "isbn-9780441013593");
        let by_content = json!({"title": "Dune", "author": "Frank Herbert", "year": 1965, "isbn": "0441013598"});
        assert_eq!(
            book(by_content.clone()).id,
            book(json!({"title": "DUNE", "author": "Frank Herbert", "year": "c1965"})).id
        );
        assert_eq!(book(by_content).id, "book-e75746baa027bef5");
        assert_ne!(book(json!({"title": "Dune"})).id, book(json!({"title": "Dune", "year": 1965})).id);
    }

    #[test]
    fn names_used_twice_are_all_kept() {
        let mut record = RawRecord::new(Place::Line(1), 0);
        for (name, value) in [("title", "T"), ("note", "a"), ("note", "b"), ("note", "c"), ("", "d")] {
            let target = Mapping::default().target(name);
            record.push(name.to_owned(), target, Value::from(value));
        }
        let Ok(accepted) = record.into_book() else { panic!("rejected") };
        assert_eq!(
            Value::from(accepted.book.extra),
            json!({"note": "a", "note (2)": "b", "note (3)": "c", "unnamed": "d"})
        );
    }
}
