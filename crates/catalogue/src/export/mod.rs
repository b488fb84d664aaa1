//! Writing books for other programs, one at a time, in constant memory.
//!
//! Every format is a text that begins, holds a record for each book, and ends: one file for each format, with a function
//! that writes a record. JSON Lines and CSV bring back every book as it was ([`crate::import`] knows such files by their
//! mark); the formats of the trade hold what they have room for. `marcxml.rs` undoes what `import/marc/book.rs` does.
//!
//! What a book has beyond its fields is in `extra`, under the names of the file that it came from; `known.rs` finds
//! there what other formats have a place for.

mod bibtex;
mod csl;
pub(crate) mod csv;
mod json_ld;
pub(crate) mod jsonl;
mod marcxml;
mod ris;

pub use csv::{guarded as guarded_cell, quoted as csv_field};

use crate::Book;
use std::io::{self, Write};

/// A format that books are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line, with everything.
    Jsonl,
    /// Comma-separated with a header, with everything, safe to open in a spreadsheet.
    Csv,
    /// MARC 21 in XML.
    MarcXml,
    /// RIS, for reference managers.
    Ris,
    /// BibTeX.
    Bibtex,
    /// JSON of the Citation Style Language.
    CslJson,
    /// JSON-LD in the words of schema.org.
    JsonLd,
}

impl Format {
    /// All of them.
    pub const ALL: [Format; 7] =
        [Format::Jsonl, Format::Csv, Format::MarcXml, Format::Ris, Format::Bibtex, Format::CslJson, Format::JsonLd];

    /// What stands before the first record, between two, and behind the last.
    fn frame(self) -> [&'static str; 3] {
        match self {
            Format::Jsonl | Format::Ris | Format::Bibtex => ["", "", ""],
            Format::Csv => [csv::HEADER, "", ""],
            Format::MarcXml => marcxml::FRAME,
            Format::CslJson => ["[\n", ",\n", "\n]\n"],
            Format::JsonLd => ["{\"@context\":\"https://schema.org\",\"@graph\":[\n", ",\n", "\n]}\n"],
        }
    }

    fn record(self, book: &Book) -> String {
        match self {
            Format::Jsonl => jsonl::record(book),
            Format::Csv => csv::record(book),
            Format::MarcXml => marcxml::record(book),
            Format::Ris => ris::record(book),
            Format::Bibtex => bibtex::record(book),
            Format::CslJson => csl::record(book),
            Format::JsonLd => json_ld::record(book),
        }
    }
}

/// Writes books in one format.
#[derive(Debug)]
pub struct Writer<W> {
    output: W,
    format: Format,
    records: u64,
}

impl<W: Write> Writer<W> {
    /// A writer that has written nothing yet.
    pub fn new(output: W, format: Format) -> Self {
        Self { output, format, records: 0 }
    }

    /// Writes a book.
    ///
    /// # Errors
    /// Those of the output; the file is then of no use.
    pub fn write(&mut self, book: &Book) -> io::Result<()> {
        let [start, between, _] = self.format.frame();
        self.output.write_all(if self.records == 0 { start } else { between }.as_bytes())?;
        self.records += 1;
        self.output.write_all(self.format.record(book).as_bytes())
    }

    /// Ends the file, which is whole without books too, and gives the output back.
    ///
    /// # Errors
    /// Those of the output.
    pub fn finish(mut self) -> io::Result<W> {
        let [start, _, end] = self.format.frame();
        if self.records == 0 {
            self.output.write_all(start.as_bytes())?;
        }
        self.output.write_all(end.as_bytes())?;
        self.output.flush()?;
        Ok(self.output)
    }

    /// Books written.
    pub fn records(&self) -> u64 {
        self.records
    }
}

/// The title with the rest of it.
fn full_title(book: &Book) -> String {
    match &book.subtitle {
        Some(subtitle) => format!("{}: {subtitle}", book.title),
        None => book.title.clone(),
    }
}
