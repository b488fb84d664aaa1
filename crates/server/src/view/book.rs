//! A book's own page.

use super::citation::{CITATION_FORMATS, coins, json_ld};
use super::{Chrome, Form, Link, Tongue, Words, book_url, extra, in_language, language, render};
use crate::Error;
use crate::parameters::encode;
use askama::Template;
use axum::response::Html;
use libellus_catalogue::Book;
use libellus_search::{Hit, Mode};

#[derive(Template)]
#[template(path = "book.html")]
struct BookPage<'a> {
    chrome: Chrome,
    form: Form,
    book: &'a Book,
    tongue: Tongue,
    authors: Vec<Link>,
    year: Option<String>,
    paragraphs: Vec<&'a str>,
    details: Vec<Detail<'a>>,
    subjects: Vec<Link>,
    similar: Vec<SimilarView>,
    json_url: String,
    citations: Vec<Citation>,
    coins: String,
    /// The record for search engines.
    json_ld: String,
}

/// A form in which the record can be had.
struct Citation {
    url: String,
    media_type: &'static str,
    label: &'static str,
}

/// A book like this one.
struct SimilarView {
    link: Link,
    authors: String,
    tongue: Tongue,
}

/// A named fact.
struct Detail<'a> {
    name: &'static str,
    value: String,
    /// The language of the value, when it is not the page's.
    lang: Option<&'a str>,
}

/// The record as a page, with books like it.
pub(crate) fn book_page(chrome: Chrome, book: &Book, similar: &[Hit]) -> Result<Html<String>, Error> {
    let (speech, words) = (chrome.speech, chrome.words());
    let lang = speech.asked();
    let description = book.description.as_deref().unwrap_or_default();
    render(&BookPage {
        chrome: chrome.also_at(|words| in_language(book_url(book), Some(words))),
        form: Form::empty(speech),
        book,
        tongue: Tongue::of(book, words),
        authors: book.authors.iter().map(|author| Link::search(author, Mode::Keyword, lang)).collect(),
        year: words.year(book.year),
        paragraphs: description.lines().map(str::trim).filter(|line| !line.is_empty()).collect(),
        details: details(book, words),
        subjects: book.subjects.iter().map(|subject| Link::search(subject, Mode::default(), lang)).collect(),
        similar: similar.iter().map(|hit| SimilarView::new(&hit.book, speech)).collect(),
        json_url: format!("/api/books/{}", encode(&book.id)),
        citations: CITATION_FORMATS.iter().map(|format| Citation::new(book, format)).collect(),
        coins: coins(book),
        json_ld: json_ld(book),
    })
}

impl Citation {
    fn new(book: &Book, format: &super::CitationFormat) -> Self {
        Self { url: format.url(book), media_type: format.media_type, label: format.label }
    }
}

impl SimilarView {
    fn new(book: &Book, speech: super::Speech) -> Self {
        let (link, tongue) = (Link::book(book, speech.asked()), Tongue::of(book, speech.words));
        Self { link, authors: book.authors.join(", "), tongue }
    }
}

/// The facts that the book has. Of the source's further fields only the original title is shown: what the others hold is
/// not known, and may not be meant for readers.
fn details(book: &Book, words: Words) -> Vec<Detail<'_>> {
    let language = book.language.as_deref();
    let plain = |name, value: Option<&str>| Some(Detail { name, value: value?.to_owned(), lang: None });
    let original_title = extra(book, "original_title").map(|title| Detail {
        name: words.text("book.original-title"),
        value: title.to_owned(),
        lang: language.and_then(|tag| language::foreign_tag(tag, words.tag())),
    });
    let isbns = (!book.isbns.is_empty()).then(|| book.isbns.join(", "));
    let details = [
        original_title,
        plain(words.text("field.language"), language.map(|tag| words.language(tag))),
        plain(words.text("field.audience"), book.audience.as_deref()),
        plain(words.text("book.publisher"), book.publisher.as_deref()),
        plain("ISBN", isbns.as_deref()),
    ];
    details.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_the_record_escaped_and_in_its_languages() {
        let mut book = Book {
            id: "the trial".to_owned(),
            title: "The Trial <b>".to_owned(),
            authors: vec!["Franz Kafka".to_owned()],
            isbns: vec!["9780805209990".to_owned()],
            year: Some(1925),
            language: Some("de".to_owned()),
            subjects: vec!["courts & law".to_owned()],
            description: Some("First.\n\n Second.".to_owned()),
            ..Book::default()
        };
        book.extra.insert("original_title".to_owned(), "Der Process".into());
        book.extra.insert("private_notes".to_owned(), "not for readers".into());
        let Html(page) = book_page(Chrome::named("Test", "a-model"), &book, &[]).expect("rendered");
        for part in [
            "The Trial &#60;b&#62;",
            "lang=\"de\">Der Process<",
            "href=\"/?q=Franz%20Kafka&#38;mode=keyword\"",
            "href=\"/?q=courts%20%26%20law\"",
            "<p class=\"passage\" dir=\"auto\">Second.</p>",
            "German",
            "9780805209990",
            "/api/books/the%20trial",
        ] {
            assert!(page.contains(part), "`{part}` is missing from:\n{page}");
        }
        assert!(!page.contains("not for readers"), "{page}");
    }

    #[test]
    fn a_bare_record_makes_a_page_too() {
        let book = Book { id: "x".to_owned(), title: "X".to_owned(), ..Book::default() };
        let Html(page) = book_page(Chrome::named("Test", "a-model"), &book, &[]).expect("rendered");
        assert!(page.contains("<h1 dir=\"auto\">X</h1>"), "{page}");
        for absent in ["class=\"by\"", "class=\"subtitle\"", "<dt>", "Subjects"] {
            assert!(!page.contains(absent), "`{absent}` in:\n{page}");
        }
    }
}
