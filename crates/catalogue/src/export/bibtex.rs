//! BibTeX: `@book{key, title = {…}, …}`, in UTF-8, for LaTeX.
//!
//! A value stands in braces, so its own must not be there: BibTeX counts them without regard to backslashes. What means
//! something to TeX is written as the command for it. The key is the book's id, or what is left of it and a
//! part of its hash, so that it depends on the book alone and no two are the same, whatever their case.

use super::full_title;
use crate::Book;
use crate::extra_field::{ExtraField, one_line, pages, url};
use crate::import::is_person;
use sha2::{Digest, Sha256};

/// What stands between a shortened id and its hash.
const HASHED: &str = "-x";

/// Digits of the hash.
const DIGITS: usize = 16;

pub(super) fn record(book: &Book) -> String {
    let mut text = format!("@book{{{}", key(&book.id));
    let mut field = |name: &str, value: String| {
        if !value.is_empty() {
            text.push_str(&format!(",\n  {name} = {{{value}}}"));
        }
    };
    let plain = |value: Option<&str>| escaped(value.unwrap_or_default());
    // The inner braces keep the capitals as they are.
    field("title", format!("{{{}}}", escaped(&full_title(book))));
    field("author", book.authors.iter().map(|name| author(name)).collect::<Vec<_>>().join(" and "));
    field("publisher", plain(book.publisher.as_deref()));
    field("address", plain(ExtraField::Place.first(book).as_deref()));
    field("year", book.year.map(|year| year.to_string()).unwrap_or_default());
    field("isbn", plain(Some(&book.isbns.join(", "))));
    field("language", plain(book.language.as_deref()));
    field("edition", plain(ExtraField::Edition.first(book).as_deref()));
    field("series", plain(ExtraField::Series.first(book).as_deref()));
    field("pagetotal", pages(book).map(|pages| pages.to_string()).unwrap_or_default());
    field("keywords", plain(Some(&book.subjects.join("; "))));
    field("abstract", plain(book.description.as_deref()));
    field("url", url(book).map(|url| address(&url)).unwrap_or_default());
    text.push_str("\n}\n\n");
    text
}

/// A name; one that BibTeX would take apart, as it is no person's, in braces.
fn author(name: &str) -> String {
    let parts = name.matches(',').count();
    let is_one_word = !name.contains(char::is_whitespace);
    if (is_person(name) && parts <= 1 || is_one_word) && !name.to_lowercase().contains(" and ") {
        escaped(name)
    } else {
        format!("{{{}}}", escaped(name))
    }
}

/// The text on one line, with commands for what TeX does not print.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 8);
    for c in one_line(text).chars() {
        match c {
            // The empty braces end the command: a space would, too, but swallows one that follows.
            '{' => escaped.push_str("\\textbraceleft{}"),
            '}' => escaped.push_str("\\textbraceright{}"),
            '\\' => escaped.push_str("\\textbackslash{}"),
            '~' => escaped.push_str("\\textasciitilde{}"),
            '^' => escaped.push_str("\\textasciicircum{}"),
            '&' | '%' | '$' | '#' | '_' => escaped.extend(['\\', c]),
            c => escaped.push(c),
        }
    }
    escaped
}

/// An address, which TeX takes to the letter; what BibTeX counts or TeX cannot read there is percent-encoded.
fn address(url: &str) -> String {
    let encoded = |c| match c {
        '{' => "%7B".to_owned(),
        '}' => "%7D".to_owned(),
        '\\' => "%5C".to_owned(),
        ' ' => "%20".to_owned(),
        c => c.to_string(),
    };
    one_line(url).chars().map(encoded).collect()
}

/// The key of the book with this id.
fn key(id: &str) -> String {
    let is_fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.' | ':' | '/');
    let is_like_a_hashed_one = id.rsplit_once(HASHED).is_some_and(|(_, digits)| digits.len() == DIGITS);
    if !id.is_empty() && id.chars().all(is_fine) && !is_like_a_hashed_one {
        return id.to_owned();
    }
    let left: String = id.chars().map(|c| c.to_ascii_lowercase()).filter(|&c| is_fine(c)).take(40).collect();
    let hash: String =
        Sha256::digest(id.as_bytes()).iter().take(DIGITS / 2).map(|byte| format!("{byte:02x}")).collect();
    format!("{left}{HASHED}{hash}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn values_are_escaped() {
        for (text, expected) in [
            ("R&D at 100 % of $5 #1 a_b", "R\\&D at 100 \\% of \\$5 \\#1 a\\_b"),
            (
                "a{b}c\\d~e^f",
                "a\\textbraceleft{}b\\textbraceright{}c\\textbackslash{}d\\textasciitilde{}e\\textasciicircum{}f",
            ),
            ("Łódź\n@book{x,", "Łódź @book\\textbraceleft{}x,"),
            ("a{ b", "a\\textbraceleft{} b"),
        ] {
            assert_eq!(escaped(text), expected, "{text}");
        }
    }

    #[test]
    fn addresses_stay_what_they_are() {
        for (url, expected) in [
            ("https://example.org/moby_dick~1?a=1&b=2%20#x", "https://example.org/moby_dick~1?a=1&b=2%20#x"),
            ("https://example.org/{a} \\b", "https://example.org/%7Ba%7D%20%5Cb"),
        ] {
            assert_eq!(address(url), expected);
        }
    }

    #[test]
    fn names_that_are_no_persons_stay_whole() {
        for (name, expected) in [
            ("Herman Melville", "Herman Melville"),
            ("Melville, Herman", "Melville, Herman"),
            ("Plato", "Plato"),
            ("Ministry of Health and Family Welfare", "{Ministry of Health and Family Welfare}"),
            ("Smith, John, Jr., Esq.", "{Smith, John, Jr., Esq.}"),
            ("Acme Press", "{Acme Press}"),
        ] {
            assert_eq!(author(name), expected);
        }
    }

    #[test]
    fn keys_are_unique_and_stable() {
        assert_eq!(key("isbn-9780441013593"), "isbn-9780441013593");
        assert_eq!(key("(DLC)12345"), "dlc12345-x28b9dd76ae822682");
        let hashed = key("A b");
        let ids = ["a", "A", "a b", "A b", "ab", "a,b", "", "आ", "इ", &hashed, "a}", "a{"];
        let keys: HashSet<String> = ids.iter().map(|id| key(id).to_lowercase()).collect();
        assert_eq!(keys.len(), ids.len(), "{keys:?}");
        for key in keys {
            assert!(!key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "-.:/".contains(c)), "{key}");
        }
    }
}
