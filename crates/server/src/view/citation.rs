//! How a book is cited: its record for reference managers, and COinS, by which they recognise books on a page.

use super::book_url;
use crate::parameters::encode;
use libellus_catalogue::Book;
use libellus_catalogue::export::{Format, Writer};
use std::io;

/// A form in which a book's record is given out.
pub(crate) struct CitationFormat {
    /// As `format` has it.
    pub(crate) name: &'static str,
    /// As readers know it.
    pub(crate) label: &'static str,
    /// Its media type.
    pub(crate) media_type: &'static str,
    /// What a file of it ends with.
    pub(crate) extension: &'static str,
    format: Format,
}

/// All forms, under the names that `libellus export` has for them; those that reference managers know best come first.
pub(crate) const CITATION_FORMATS: [CitationFormat; 5] = [
    CitationFormat {
        name: "ris",
        label: "RIS",
        media_type: "application/x-research-info-systems",
        extension: "ris",
        format: Format::Ris,
    },
    CitationFormat {
        name: "bibtex",
        label: "BibTeX",
        media_type: "application/x-bibtex",
        extension: "bib",
        format: Format::Bibtex,
    },
    CitationFormat {
        name: "csl-json",
        label: "CSL-JSON",
        media_type: "application/vnd.citationstyles.csl+json",
        extension: "json",
        format: Format::CslJson,
    },
    CitationFormat {
        name: "marcxml",
        label: "MARCXML",
        media_type: "application/marcxml+xml",
        extension: "xml",
        format: Format::MarcXml,
    },
    CitationFormat {
        name: "json-ld",
        label: "JSON-LD",
        media_type: "application/ld+json",
        extension: "jsonld",
        format: Format::JsonLd,
    },
];

/// The longest name of a file, in characters.
const MAX_NAME_CHARS: usize = 64;

impl CitationFormat {
    /// The book in this form.
    pub(crate) fn write(&self, book: &Book) -> io::Result<Vec<u8>> {
        let mut writer = Writer::new(Vec::new(), self.format);
        writer.write(book)?;
        writer.finish()
    }

    /// Where a page finds that.
    pub(super) fn url(&self, book: &Book) -> String {
        format!("/api{}?format={}", book_url(book), encode(self.name))
    }

    /// What a file of it is called, after the book's id, in letters that every system has.
    pub(crate) fn file_name(&self, book: &Book) -> String {
        let letter = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' };
        let name: String = book.id.chars().take(MAX_NAME_CHARS).map(letter).collect();
        let name = Some(name.trim_matches('-')).filter(|name| !name.is_empty()).unwrap_or("book");
        format!("{name}.{}", self.extension)
    }
}

/// The book as schema.org has it, for a `<script>` of a page: without any `<`.
pub(super) fn json_ld(book: &Book) -> String {
    let written = CITATION_FORMATS.iter().find(|known| known.format == Format::JsonLd).map(|known| known.write(book));
    // Nothing is written but to memory, and nothing but UTF-8.
    written.and_then(Result::ok).and_then(|json| String::from_utf8(json).ok()).unwrap_or_default()
}

/// The book in COinS: an OpenURL of ANSI/NISO Z39.88 for the `title` of a span.
pub(super) fn coins(book: &Book) -> String {
    let mut keys = vec![
        ("ctx_ver", "Z39.88-2004"),
        ("rft_val_fmt", "info:ofi/fmt:kev:mtx:book"),
        ("rft.genre", "book"),
        ("rft.btitle", &book.title),
    ];
    let year = book.year.filter(|year| *year > 0).map(|year| year.to_string());
    keys.extend(book.authors.iter().map(|author| ("rft.au", author.as_str())));
    keys.extend(book.isbns.iter().map(|isbn| ("rft.isbn", isbn.as_str())));
    keys.extend(year.iter().map(|year| ("rft.date", year.as_str())));
    keys.extend(book.publisher.iter().map(|publisher| ("rft.pub", publisher.as_str())));
    let keys: Vec<String> = keys.iter().map(|(key, value)| format!("{key}={}", encode(value))).collect();
    keys.join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_have_names_that_every_system_has() {
        for (id, expected) in [
            ("pg2701", "pg2701.ris"),
            ("a/b c?d=é", "a-b-c-d.ris"),
            ("../..", "book.ris"),
            ("\"\r\nX: y", "X--y.ris"),
            ("", "book.ris"),
        ] {
            let book = Book { id: id.to_owned(), ..Book::default() };
            assert_eq!(CITATION_FORMATS[0].file_name(&book), expected, "{id}");
        }
    }

    #[test]
    fn coins_name_what_makes_a_book_known() {
        let book = Book {
            title: "War & Peace".to_owned(),
            authors: vec!["Tolstoy, Leo".to_owned()],
            isbns: vec!["9780199232765".to_owned()],
            year: Some(1869),
            ..Book::default()
        };
        let expected = "ctx_ver=Z39.88-2004&rft_val_fmt=info%3Aofi%2Ffmt%3Akev%3Amtx%3Abook&rft.genre=book\
                        &rft.btitle=War%20%26%20Peace&rft.au=Tolstoy%2C%20Leo&rft.isbn=9780199232765&rft.date=1869";
        assert_eq!(coins(&book), expected);
    }
}
