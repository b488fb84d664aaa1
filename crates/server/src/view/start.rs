//! The page before anything was asked.

use super::{Chrome, Form, Link, in_language, render};
use crate::Error;
use crate::parameters::SearchParameters;
use askama::Template;
use axum::response::Html;
use libellus_search::Mode;

/// Questions as readers put them: a plot, a subject, a need.
const EXAMPLES: [&str; 5] = [
    "growing old and looking back on love",
    "a salesman wakes up as an insect",
    "surviving alone on an island",
    "how plants shaped human history",
    "for a child who is afraid of the dark",
];

#[derive(Template)]
#[template(path = "start.html")]
struct StartPage {
    chrome: Chrome,
    form: Form,
    books: String,
    is_empty: bool,
    examples: Vec<Link>,
}

/// The invitation to search among `books` books.
pub(crate) fn start_page(chrome: Chrome, books: u64, chosen: &SearchParameters) -> Result<Html<String>, Error> {
    let (words, lang) = (chrome.words(), chosen.lang);
    render(&StartPage {
        chrome: chrome.also_at(|words| in_language("/".to_owned(), Some(words))),
        form: Form::filled(chosen),
        books: words.count("books", books),
        is_empty: books == 0,
        examples: EXAMPLES.iter().map(|example| Link::search(example, Mode::default(), lang)).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offers_examples_or_says_that_there_is_nothing_to_search() {
        let page = |books| {
            let Html(page) =
                start_page(Chrome::named("Town <Library>", "a-model"), books, &SearchParameters::default())
                    .expect("rendered");
            page
        };
        let full = page(1473);
        for part in
            ["1,473 books", "Town &#60;Library&#62;", "/?q=a%20salesman%20wakes%20up%20as%20an%20insect", "a-model"]
        {
            assert!(full.contains(part), "`{part}` is missing from:\n{full}");
        }
        assert!(!full.contains("libellus import"));
        let empty = page(0);
        assert!(empty.contains("libellus import") && !empty.contains("For example"), "{empty}");
    }
}
