//! RIS, which reference managers read: a line for each value, `TY  - ` first and `ER  - ` last.
//!
//! The tags are those of the specification of 2011: `ID` the key, `TI` title, `AU` a name, `PB` publisher, `CY` its
//! place, `PY` year, `SN` ISBN, `LA` language, `KW` a keyword, `AB` abstract, `ET` edition, `T2` series, `SP` pages,
//! `UR` address, `N1` a note.

use super::full_title;
use crate::Book;
use crate::extra_field::{ExtraField, one_line, pages, url};

pub(super) fn record(book: &Book) -> String {
    let is_ebook = book.extra.get("format").is_some_and(|format| format == "ebook");
    let mut text = format!("TY  - {}\r\n", if is_ebook { "EBOOK" } else { "BOOK" });
    let mut line = |tag: &str, value: &str| {
        let value = one_line(value);
        if !value.is_empty() {
            text.push_str(&format!("{tag}  - {value}\r\n"));
        }
    };
    line("ID", &book.id);
    line("TI", &full_title(book));
    book.authors.iter().for_each(|author| line("AU", author));
    line("PB", book.publisher.as_deref().unwrap_or_default());
    line("CY", &ExtraField::Place.first(book).unwrap_or_default());
    line("PY", &book.year.map(|year| year.to_string()).unwrap_or_default());
    book.isbns.iter().for_each(|isbn| line("SN", isbn));
    line("LA", book.language.as_deref().unwrap_or_default());
    book.subjects.iter().for_each(|subject| line("KW", subject));
    line("AB", book.description.as_deref().unwrap_or_default());
    line("ET", &ExtraField::Edition.first(book).unwrap_or_default());
    line("T2", &ExtraField::Series.first(book).unwrap_or_default());
    line("SP", &pages(book).map(|pages| pages.to_string()).unwrap_or_default());
    line("UR", &url(book).unwrap_or_default());
    ExtraField::Notes.of(book).iter().for_each(|note| line("N1", note));
    text.push_str("ER  - \r\n\r\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_stays_on_its_line() {
        let book = Book {
            id: "1".to_owned(),
            title: "A\nER  - B".to_owned(),
            description: Some("One.\r\n\r\nTwo.".to_owned()),
            ..Book::default()
        };
        let expected = "TY  - BOOK\r\nID  - 1\r\nTI  - A ER  - B\r\nAB  - One.    Two.\r\nER  - \r\n\r\n";
        assert_eq!(record(&book), expected);
    }
}
