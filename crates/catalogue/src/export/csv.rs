//! CSV that a spreadsheet shows without running it, and back.
//!
//! A cell that begins like a formula gets an apostrophe in front (OWASP, *CSV Injection*), and so does one that begins
//! with apostrophes and then like a formula, so that taking one away always gives back what was there. Members of a list
//! stand apart by `; `, with a backslash before a semicolon or backslash of their own. The last column holds all other
//! fields as JSON; its name tells our import that a file is one of these.

use super::jsonl::checked;
use crate::Book;
use std::borrow::Cow;

/// The last column, which marks a file of ours.
pub(crate) const MARK: &str = "libellus_extra";

pub(super) const HEADER: &str =
    "id,title,subtitle,authors,isbns,publisher,year,language,subjects,audience,description,libellus_extra\r\n";

/// How a formula begins; full-width signs too, which some spreadsheets read as the others.
const FORMULA: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];

pub(super) fn record(book: &Book) -> String {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let extra = match book.extra.is_empty() {
        true => String::new(),
        // Values that were read as JSON are JSON again.
        false => serde_json::to_string(&book.extra).unwrap_or_default(),
    };
    let fields = [
        book.id.clone(),
        book.title.clone(),
        text(&book.subtitle),
        join(&book.authors),
        join(&book.isbns),
        text(&book.publisher),
        book.year.map(|year| year.to_string()).unwrap_or_default(),
        text(&book.language),
        join(&book.subjects),
        text(&book.audience),
        text(&book.description),
        extra,
    ];
    let fields: Vec<String> = fields.iter().map(|field| quoted(&guarded(field)).into_owned()).collect();
    // A zero byte is what tells that a file is no text.
    format!("{}\r\n", fields.join(",")).replace('\0', "\u{fffd}")
}

/// The book of a row of ours, by its named fields; the error says what is wrong.
pub(crate) fn book<'f>(fields: impl Iterator<Item = (&'f str, &'f str)>) -> Result<Book, String> {
    let mut book = Book::default();
    for (name, field) in fields {
        let field = unguarded(field);
        let text = || (!field.is_empty()).then(|| field.to_owned());
        match name {
            "id" => field.clone_into(&mut book.id),
            "title" => field.clone_into(&mut book.title),
            "subtitle" => book.subtitle = text(),
            "authors" => book.authors = split(field),
            "isbns" => book.isbns = split(field),
            "publisher" => book.publisher = text(),
            "year" => {
                let year = field.trim().parse().map_err(|_| format!("the year is `{field}`, not a number"));
                book.year = if field.is_empty() { None } else { Some(year?) };
            }
            "language" => book.language = text(),
            "subjects" => book.subjects = split(field),
            "audience" => book.audience = text(),
            "description" => book.description = text(),
            MARK if !field.is_empty() => {
                book.extra =
                    serde_json::from_str(field).map_err(|error| format!("`{MARK}` is not a JSON object: {error}"))?;
            }
            MARK => {}
            other => return Err(format!("the column `{other}` is not one that libellus writes beside `{MARK}`")),
        }
    }
    checked(book)
}

/// `text` as a cell that no spreadsheet runs.
#[must_use]
pub fn guarded(text: &str) -> Cow<'_, str> {
    if is_like_a_formula(text) { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) }
}

/// The cell without the guard.
fn unguarded(text: &str) -> &str {
    text.strip_prefix('\'').filter(|rest| is_like_a_formula(rest)).unwrap_or(text)
}

fn is_like_a_formula(text: &str) -> bool {
    text.trim_start_matches('\'').starts_with(FORMULA)
}

/// `text` as one field of a line of CSV, quoted if it must be.
#[must_use]
pub fn quoted(text: &str) -> Cow<'_, str> {
    if text.contains(['"', ',', '\n', '\r']) {
        Cow::Owned(format!("\"{}\"", text.replace('"', "\"\"")))
    } else {
        Cow::Borrowed(text)
    }
}

/// A list in one cell.
fn join(list: &[String]) -> String {
    let members: Vec<String> = list.iter().map(|member| member.replace('\\', "\\\\").replace(';', "\\;")).collect();
    members.join("; ")
}

/// The list in a cell.
fn split(cell: &str) -> Vec<String> {
    let (mut members, mut member) = (Vec::new(), String::new());
    let mut rest = cell.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\\' => member.extend(rest.next()),
            ';' => {
                rest.next_if_eq(&' ');
                members.push(std::mem::take(&mut member));
            }
            c => member.push(c),
        }
    }
    if !cell.is_empty() {
        members.push(member);
    }
    members
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_are_guarded_and_come_back() {
        for (text, guard) in [
            ("=HYPERLINK(\"http://x\",\"y\")", true),
            ("+1", true),
            ("-44", true),
            ("@SUM(A1)", true),
            ("\tx", true),
            ("\rx", true),
            ("\nx", true),
            ("＝1", true),
            ("'=1", true),
            ("''-1", true),
            ("'quoted'", false),
            ("'", false),
            ("", false),
            ("1-2=3", false),
        ] {
            let cell = guarded(text);
            assert_eq!(cell.starts_with('\'') && cell != text, guard, "{text:?}: {cell:?}");
            assert!(!cell.starts_with(FORMULA), "{cell:?}");
            assert_eq!(unguarded(&cell), text, "{text:?}");
        }
    }

    #[test]
    fn fields_are_quoted_only_if_they_must_be() {
        for (text, expected) in [
            ("plain", "plain"),
            ("", ""),
            ("a,b", "\"a,b\""),
            ("say \"so\"", "\"say \"\"so\"\"\""),
            ("two\nlines", "\"two\nlines\""),
        ] {
            assert_eq!(quoted(text), expected, "{text:?}");
        }
    }

    #[test]
    fn lists_come_back() {
        for list in [&[][..], &["a"], &["a", "b"], &["a; b", "c\\;", "\\"], &[" a", "b ", "c"], &["", "b"], &["a", ""]]
        {
            let list: Vec<String> = list.iter().map(|&member| member.to_owned()).collect();
            assert_eq!(split(&join(&list)), list, "{:?}", join(&list));
        }
        assert_eq!(join(&["a; b".to_owned(), "c".to_owned()]), "a\\; b; c");
    }
}
