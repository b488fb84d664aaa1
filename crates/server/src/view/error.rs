//! What a reader sees when something went wrong: what it was, what to do, and the search as it was typed.

use super::marked::{Piece, code};
use super::{Chrome, Form, in_language, text};
use crate::error::Told;
use crate::parameters::SearchParameters;
use askama::Template;

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    chrome: Chrome,
    form: Form,
    heading: &'a str,
    /// Whether it is in the language of the page.
    is_translated: bool,
    detail: Vec<Piece>,
    hint: Vec<Piece>,
}

/// The page for an error; plain text should the page itself fail, since there is nothing to fall back on.
pub(crate) fn error_page(chrome: Chrome, told: &Told, detail: &str, typed: &SearchParameters) -> String {
    let (words, heading) = (chrome.words(), told.heading);
    let translated = if words.is_english() { Some(heading) } else { words.find(&format!("error.{}", told.code)) };
    let page = ErrorPage {
        chrome: chrome.also_at(|words| in_language("/".to_owned(), Some(words))),
        form: Form::filled(typed),
        heading: translated.unwrap_or(heading),
        is_translated: translated.is_some(),
        detail: code(&text::sentence(detail)),
        hint: code(&text::sentence(told.hint)),
    };
    page.render().unwrap_or_else(|_| heading.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use libellus_search::Mode;

    #[test]
    fn what_was_typed_is_still_there() {
        let query = Some("\"><i>".to_owned());
        let typed = SearchParameters { query, mode: Mode::Keyword, ..SearchParameters::default() };
        let status = axum::http::StatusCode::URI_TOO_LONG;
        let told = Told { status, code: "too_long", heading: "Too long", hint: "shorten it" };
        let page = error_page(Chrome::named("Test", "a-model"), &told, "it is `long`", &typed);
        for part in [
            "<h1 id=\"problem\">Too long</h1>",
            "It is <code>long</code>.",
            "Shorten it.",
            "value=\"&#34;&#62;&#60;i&#62;\"",
        ] {
            assert!(page.contains(part), "`{part}` is missing from:\n{page}");
        }
        assert!(page.contains("value=\"keyword\" checked"), "{page}");
    }
}
