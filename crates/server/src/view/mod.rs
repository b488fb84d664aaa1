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
mod words;

pub(crate) use book::book_page;
pub(crate) use citation::{CITATION_FORMATS, CitationFormat};
pub(crate) use docs::docs_page;
pub(crate) use error::error_page;
pub(crate) use feed::{ATOM, FeedOf, OPDS_NAVIGATION, opensearch_description};
pub(crate) use opds::{OPDS_JSON, OPDS_PUBLICATION};
pub(crate) use results::results_page;
pub(crate) use start::start_page;
pub(crate) use words::{Speech, Words};

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
    style_path: String,
    script_path: &'static str,
    icon_path: &'static str,
    /// The library's own picture.
    logo_path: Option<String>,
    speech: Speech,
    /// The same page in every language.
    languages: Vec<LanguageLink>,
}

/// A page in another language.
struct LanguageLink {
    words: Words,
    url: String,
    is_current: bool,
}

impl Chrome {
    /// The frame of this service's pages.
    pub(crate) fn new(state: &AppState, speech: Speech) -> Self {
        let (style_path, logo_path) =
            (state.style().path().to_owned(), state.logo().map(|logo| logo.path().to_owned()));
        Self { speech, style_path, logo_path, ..Self::named(state.site_name(), &state.model()) }
    }

    fn named(site_name: &str, model: &str) -> Self {
        Self {
            site_name: site_name.to_owned(),
            model: model.to_owned(),
            version: env!("CARGO_PKG_VERSION"),
            style_path: String::new(),
            logo_path: None,
            script_path: &assets::SCRIPT_PATH,
            icon_path: assets::ICON_PATH,
            speech: Speech::default(),
            languages: Vec::new(),
        }
    }

    /// The same, with the addresses of this page in every language.
    fn also_at(self, url: impl Fn(Words) -> String) -> Self {
        let current = self.speech.words;
        let link = |words: Words| LanguageLink { words, url: url(words), is_current: words == current };
        Self { languages: Words::all().map(link).collect(), ..self }
    }

    /// The language of the page.
    fn words(&self) -> Words {
        self.speech.words
    }

    /// A message in it.
    fn text(&self, key: &str) -> &'static str {
        self.words().text(key)
    }

    /// A message in it, cut at what is put in.
    fn pieces(&self, key: &str) -> Vec<&'static str> {
        self.words().pieces(key)
    }

    /// What the foot of the page says.
    fn footer(&self) -> String {
        self.words().fill("footer", &[("model", &self.model)])
    }

    /// The start page's address.
    fn home(&self) -> String {
        in_language("/".to_owned(), self.speech.asked())
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

    fn empty(speech: Speech) -> Self {
        Self::filled(&SearchParameters { lang: speech.asked(), ..SearchParameters::default() })
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
    fn search(text: &str, mode: Mode, lang: Option<Words>) -> Self {
        let search = SearchParameters { query: Some(text.to_owned()), mode, lang, ..SearchParameters::default() };
        Self { url: search.address("/"), text: text.to_owned() }
    }

    /// A book's page.
    fn book(book: &Book, lang: Option<Words>) -> Self {
        Self { url: in_language(book_url(book), lang), text: book.title.clone() }
    }
}

/// The address of a book's page.
fn book_url(book: &Book) -> String {
    format!("/books/{}", encode(&book.id))
}

/// An address without parameters, for a page in this language.
fn in_language(path: String, lang: Option<Words>) -> String {
    lang.map_or_else(|| path.clone(), |words| format!("{path}?lang={}", words.tag()))
}

/// A field that only some sources have.
fn extra<'a>(book: &'a Book, field: &str) -> Option<&'a str> {
    book.extra.get(field)?.as_str().filter(|value| !value.is_empty())
}

/// What a book's title and description are written in.
struct Tongue {
    /// The language, unless it is that of the page.
    lang: Option<String>,
    /// The direction.
    dir: &'static str,
}

impl Tongue {
    /// A book with an original title goes by a translated one here, of which nobody says what language it is in.
    fn of(book: &Book, page: Words) -> Self {
        let tag = book.language.as_deref().filter(|_| extra(book, "original_title").is_none());
        let foreign = tag.and_then(|tag| language::foreign_tag(tag, page.tag()));
        Self { lang: foreign.map(str::to_owned), dir: language::direction(tag) }
    }
}

fn render(page: &impl Template) -> Result<Html<String>, Error> {
    page.render().map(Html).map_err(Error::internal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_escape_what_they_carry() {
        assert_eq!(Link::search("a & b", Mode::Hybrid, None).url, "/?q=a%20%26%20b");
        assert_eq!(Link::search("x", Mode::Keyword, Words::known("te")).url, "/?q=x&mode=keyword&lang=te");
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
            (book(None, None), (None, "auto")),
            (book(Some("en"), None), (None, "ltr")),
            (book(Some("en-GB"), None), (None, "ltr")),
            (book(Some("ang"), None), (Some("ang"), "ltr")),
            (book(Some("ar"), None), (Some("ar"), "rtl")),
            (book(Some("zh-Hant"), None), (Some("zh-Hant"), "ltr")),
            (book(Some("de"), Some("Der Process")), (None, "auto")),
            (book(Some("de"), Some("")), (Some("de"), "ltr")),
            (book(Some("not a \" tag"), None), (None, "auto")),
        ];
        for (book, expected) in cases {
            let Tongue { lang, dir } = Tongue::of(&book, Words::default());
            assert_eq!((lang.as_deref(), dir), expected, "{book:?}");
        }
        let arabic = Words::known("ar").expect("Arabic");
        let of = |language| Tongue::of(&book(Some(language), None), arabic).lang;
        assert_eq!((of("en").as_deref(), of("ar")), (Some("en"), None), "on an Arabic page");
    }
}
