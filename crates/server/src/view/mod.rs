//! The pages: what they show is made here, how it looks is in `templates/`.
//!
//! Everything that depends on a rule (which title has which language, how a year is written, when "show
//! more" appears) is plain Rust with tests; the templates only place it. They escape whatever they place.

mod book;
mod citation;
mod docs;
mod error;
mod facets;
mod feed;
mod language;
mod marked;
mod opds;
mod results;
mod start;
mod text;

pub(crate) use book::book_page;
pub(crate) use citation::{CITATION_FORMATS, CitationFormat};
pub(crate) use docs::docs_page;
pub(crate) use error::error_page;
pub(crate) use feed::{ATOM, FeedOf, OPDS_NAVIGATION, opensearch_description};
pub(crate) use opds::{OPDS_JSON, OPDS_PUBLICATION};
pub(crate) use results::results_page;
pub(crate) use start::start_page;

use crate::parameters::{SearchParameters, encode};
use crate::routes::assets;
use crate::{AppState, Error};
use askama::Template;
use axum::response::Html;
use libellus_catalogue::Book;
use libellus_search::Mode;

/// What every page has around its content.
pub(crate) struct Chrome {
    site_name: String,
    model: String,
    version: &'static str,
    style_path: &'static str,
    script_path: &'static str,
    icon_path: &'static str,
}

impl Chrome {
    /// The frame of this service's pages.
    pub(crate) fn new(state: &AppState) -> Self {
        Self::named(state.site_name(), &state.model())
    }

    fn named(site_name: &str, model: &str) -> Self {
        Self {
            site_name: site_name.to_owned(),
            model: model.to_owned(),
            version: env!("CARGO_PKG_VERSION"),
            style_path: &assets::STYLE_PATH,
            script_path: &assets::SCRIPT_PATH,
            icon_path: assets::ICON_PATH,
        }
    }
}

/// The search form, filled in with what was asked last.
struct Form {
    query: String,
    mode: Mode,
    /// What is sent along: names and values.
    kept: Vec<(String, String)>,
}

impl Form {
    /// Whether this way of searching is chosen.
    fn is(&self, mode: &str) -> bool {
        self.mode.as_str() == mode
    }

    fn empty() -> Self {
        Self::filled(&SearchParameters::default())
    }

    fn filled(typed: &SearchParameters) -> Self {
        Self { query: typed.query.clone().unwrap_or_default(), mode: typed.mode, kept: typed.kept() }
    }
}

/// A text that leads somewhere.
struct Link {
    url: String,
    text: String,
}

impl Link {
    /// A search for `text`.
    fn search(text: &str, mode: Mode) -> Self {
        let search = SearchParameters { query: Some(text.to_owned()), mode, ..SearchParameters::default() };
        Self { url: search.address("/"), text: text.to_owned() }
    }

    /// A book's page.
    fn book(book: &Book) -> Self {
        Self { url: book_url(book), text: book.title.clone() }
    }
}

/// The address of a book's page.
fn book_url(book: &Book) -> String {
    format!("/books/{}", encode(&book.id))
}

/// A field that only some sources have.
fn extra<'a>(book: &'a Book, field: &str) -> Option<&'a str> {
    book.extra.get(field)?.as_str().filter(|value| !value.is_empty())
}

/// The language that a book's title is written in, unless it is that of the page.
///
/// A book with an original title goes by a translated one here, which is in the language of the page.
fn title_language(book: &Book) -> Option<String> {
    let tag = language::foreign_tag(book.language.as_deref()?)?;
    extra(book, "original_title").is_none().then(|| tag.to_owned())
}

fn render(page: &impl Template) -> Result<Html<String>, Error> {
    page.render().map(Html).map_err(Error::internal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_escape_what_they_carry() {
        assert_eq!(Link::search("a & b", Mode::Hybrid).url, "/?q=a%20%26%20b");
        assert_eq!(Link::search("x", Mode::Keyword).url, "/?q=x&mode=keyword");
        assert_eq!(book_url(&Book { id: "a/b?c".to_owned(), ..Book::default() }), "/books/a%2Fb%3Fc");
    }

    #[test]
    fn a_title_has_the_books_language_unless_it_is_a_translation() {
        let book = |language: Option<&str>, original: Option<&str>| {
            let mut book = Book { language: language.map(str::to_owned), ..Book::default() };
            book.extra.extend(original.map(|title| ("original_title".to_owned(), title.into())));
            book
        };
        let cases = [
            (book(None, None), None),
            (book(Some("en"), None), None),
            (book(Some("en-GB"), None), None),
            (book(Some("ang"), None), Some("ang")),
            (book(Some("zh-Hant"), None), Some("zh-Hant")),
            (book(Some("de"), Some("Der Process")), None),
            (book(Some("de"), Some("")), Some("de")),
            (book(Some("not a \" tag"), None), None),
        ];
        for (book, expected) in cases {
            assert_eq!(title_language(&book).as_deref(), expected, "{book:?}");
        }
    }
}
