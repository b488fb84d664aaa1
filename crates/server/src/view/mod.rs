//! The pages: what they show is made here, how it looks is in `templates/`.
//!
//! Everything that depends on a rule (which title has which language, how a year is written, when "show
//! more" appears) is plain Rust with tests; the templates only place it. They escape whatever they place.

mod book;
mod error;
mod language;
mod results;
mod start;
mod text;

pub(crate) use book::book_page;
pub(crate) use error::error_page;
pub(crate) use results::results_page;
pub(crate) use start::start_page;

use crate::parameters::{SearchParameters, encode};
use crate::routes::assets;
use crate::{AppState, Error};
use askama::Template;
use axum::response::Html;
use libellus_catalogue::Book;
use libellus_search::{DEFAULT_LIMIT, Mode};

/// What every page has around its content.
pub(crate) struct Chrome {
    site_name: String,
    model: String,
    version: &'static str,
    style_path: &'static str,
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
            icon_path: assets::ICON_PATH,
        }
    }
}

/// The search form, filled in with what was asked last.
struct Form {
    query: String,
    mode: Mode,
    /// Sent along when it is not the usual one.
    limit: Option<usize>,
}

impl Form {
    fn new(query: &str, mode: Mode, limit: usize) -> Self {
        let limit = (limit != DEFAULT_LIMIT).then_some(limit);
        Self { query: query.to_owned(), mode, limit }
    }

    /// Whether this way of searching is chosen.
    fn is(&self, mode: &str) -> bool {
        self.mode.as_str() == mode
    }

    fn empty() -> Self {
        Self::new("", Mode::default(), DEFAULT_LIMIT)
    }

    fn filled(typed: &SearchParameters) -> Self {
        Self::new(typed.query.as_deref().unwrap_or_default(), typed.mode, typed.limit)
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
        Self { url: search_url(text, mode, DEFAULT_LIMIT), text: text.to_owned() }
    }
}

/// The address of a search; parameters that have their usual value are left out.
fn search_url(query: &str, mode: Mode, limit: usize) -> String {
    let mut url = format!("/?q={}", encode(query));
    if mode != Mode::default() {
        url.push_str(&format!("&mode={mode}"));
    }
    if limit != DEFAULT_LIMIT {
        url.push_str(&format!("&limit={limit}"));
    }
    url
}

/// The address of the same search, but for words as they were typed.
fn exact_url(search_url: &str) -> String {
    format!("{search_url}&exact=true")
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
        assert_eq!(search_url("a & b", Mode::Hybrid, DEFAULT_LIMIT), "/?q=a%20%26%20b");
        assert_eq!(search_url("x", Mode::Keyword, 30), "/?q=x&mode=keyword&limit=30");
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
