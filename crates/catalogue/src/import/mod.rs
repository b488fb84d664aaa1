//! Reading books from files.
//!
//! The path of a record, in the order of the modules:
//! - `compressed.rs`: packed bytes are unpacked;
//! - `source.rs`: bytes become text; encoding and format are found out;
//! - `delimited.rs` (CSV, TSV), `jsonl.rs` and `json_list.rs`: text becomes records of named values, one at a time;
//! - `librarything.rs`, `isbn_list.rs`, `open_library.rs`, `onix.rs` and `calibre.rs`: the same for formats of their own;
//! - `marc/`, and `xml.rs` for what is in XML: the same for MARC, whose fields are known without a header;
//! - `header.rs`: names become fields of a book; `table_row.rs`: those of another program's table, too;
//! - `record.rs`, with `field.rs` and `html.rs`: values become a [`Book`];
//! - files that [`crate::export`] wrote are known by their mark, and come back to the letter;
//! - here: books are written in batches, and everything odd on the way is reported.
//!
//! A record that cannot be used is *rejected*: reported with its place and left out, while the rest is loaded. A value
//! that cannot be used costs the record nothing: it is reported as a *warning* and, where it may still mean something
//! to people, kept among the book's `extra` fields.
//!
//! Memory does not grow with the file, but for eight bytes a record that find ids used twice.

mod calibre;
mod compressed;
mod delimited;
mod embeddings;
mod field;
mod header;
mod html;
mod isbn_list;
mod json_list;
mod jsonl;
mod librarything;
mod marc;
mod onix;
mod open_library;
mod record;
mod source;
#[cfg(feature = "postgres")]
mod table_row;
mod temporary;
mod xml;

pub use embeddings::{EmbeddingRow, each_embedding_row};
pub(crate) use field::{is_body, is_person, language_code};
pub(crate) use header::key as bare_name;
#[doc(hidden)]
pub use marc::count_marc_fields;
pub use open_library::{AuthorNames, NamesRead, is_dump_of_authors};
pub use record::derived_id;
#[cfg(feature = "postgres")]
pub(crate) use {
    embeddings::vector,
    table_row::{ColumnUse, Oddity, book_of_row, no_title},
};

use crate::{Book, Catalogue, Error, PassageCutter, WriteOutcome};
use header::Mapping;
use record::RawRecord;
use source::Source;
use std::collections::HashSet;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::io::{ErrorKind, Read};
use std::ops::ControlFlow;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, SyncSender};

/// A file's format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Comma- (or semicolon-, or pipe-) separated, with a header.
    Csv,
    /// Tab-separated, with a header.
    Tsv,
    /// One JSON object a line.
    Jsonl,
    /// One list of JSON objects, or one object that holds them by number.
    Json,
    /// MARC 21, binary (ISO 2709).
    Marc,
    /// MARC 21 in XML.
    MarcXml,
    /// ONIX for Books 3, with reference names or short tags.
    Onix,
    /// A dump of Open Library: works or editions.
    OpenLibrary,
    /// ISBNs and nothing else.
    Isbns,
    /// Calibre's library, `metadata.db`.
    Calibre,
}

impl Format {
    /// The format of this name, as `libellus import --format` has it.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "csv" => Format::Csv,
            "tsv" => Format::Tsv,
            "jsonl" => Format::Jsonl,
            "json" => Format::Json,
            "marc" => Format::Marc,
            "marcxml" => Format::MarcXml,
            "onix" => Format::Onix,
            "open-library" => Format::OpenLibrary,
            "isbns" => Format::Isbns,
            "calibre" => Format::Calibre,
            _ => return None,
        })
    }
}

/// How to import.
#[derive(Clone, Debug, Default)]
pub struct ImportOptions {
    /// The format; found out from the content when `None`.
    pub format: Option<Format>,
    /// Read and report, but write nothing.
    pub dry_run: bool,
    /// The names of the authors that Open Library's works and editions have the keys of.
    pub authors: Option<Arc<AuthorNames>>,
}

/// A place in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// A line, from 1.
    Line(u64),
    /// A byte, from 0, of the unpacked file; where there are no lines.
    Byte(u64),
    /// A record of a database, by its number there.
    Row(u64),
    /// A row of a table in which rows have no numbers: its key is the record's id.
    #[serde(untagged)]
    Keyed {},
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Line(number) => write!(f, "line {number}"),
            Place::Byte(number) => write!(f, "byte {number}"),
            Place::Row(number) => write!(f, "row {number}"),
            Place::Keyed {} => Ok(()),
        }
    }
}

/// A record that was not loaded.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Reject {
    /// Where it begins in the file; nothing where its id says all.
    #[serde(flatten)]
    pub place: Place,
    /// The record's id, if it had one.
    pub id: Option<String>,
    /// The field at fault.
    pub field: Option<String>,
    /// What is wrong and what was expected.
    pub reason: String,
}

/// How far an import is.
#[derive(Clone, Copy, Debug)]
pub struct ImportProgress {
    /// Bytes read of the file.
    pub bytes: u64,
    /// Records read.
    pub records: u64,
}

/// What an import did.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct ImportReport {
    /// The format read.
    pub format: Option<Format>,
    /// The character encoding read: `UTF-8`, `UTF-16LE`, `UTF-16BE` or, as a guess, `windows-1252`.
    pub encoding: &'static str,
    /// Records read.
    pub records: u64,
    /// What was written (what would be, in a dry run: nothing is looked up, all counts are zero).
    pub written: WriteOutcome,
    /// Books deleted, because the source marks them so.
    pub deleted: u64,
    /// Records not loaded; at most the first 10 000 are kept.
    pub rejects: Vec<Reject>,
    /// How many were not loaded in all.
    pub rejected: u64,
    /// Odd things that did not cost a record, e.g. an unreadable year; first 10 000.
    pub warnings: Vec<Reject>,
    /// How many there were in all.
    pub warned: u64,
    /// Column of the file → field of a book, for people to check.
    pub mapping: Vec<(String, String)>,
    /// Whether the caller stopped it.
    pub interrupted: bool,
    /// The first books, for the preview of a dry run.
    pub preview: Vec<Book>,
}

/// What an import came to, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportOutcome {
    /// Every record was loaded.
    Clean,
    /// Some records were loaded, some were not.
    LoadedWithRejects,
    /// No record was loaded.
    NothingUsable,
}

impl ImportOutcome {
    /// The exit code of a program that imports: 0, 1 or 2.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            ImportOutcome::Clean => 0,
            ImportOutcome::LoadedWithRejects => 1,
            ImportOutcome::NothingUsable => 2,
        }
    }
}

impl ImportReport {
    /// What the import came to, in a word.
    #[must_use]
    pub fn outcome(&self) -> ImportOutcome {
        match (self.records - self.rejected, self.rejected) {
            (0, _) => ImportOutcome::NothingUsable,
            (_, 0) => ImportOutcome::Clean,
            _ => ImportOutcome::LoadedWithRejects,
        }
    }

    fn reject(&mut self, reject: Reject) {
        self.records += 1;
        keep_first(&mut self.rejects, &mut self.rejected, [reject]);
    }

    fn warn(&mut self, warning: Reject) {
        keep_first(&mut self.warnings, &mut self.warned, [warning]);
    }
}

/// Rejects, and warnings, that a report keeps.
pub const MAX_REPORTED: usize = 10_000;

/// Counts `more` rejects among `all`, and keeps the first [`MAX_REPORTED`] of them.
pub fn keep_first(kept: &mut Vec<Reject>, all: &mut u64, more: impl IntoIterator<Item = Reject>) {
    for reject in more {
        *all += 1;
        if kept.len() < MAX_REPORTED {
            kept.push(reject);
        }
    }
}

/// Books that a report shows.
const PREVIEW: usize = 5;
/// Records in a batch: one transaction.
const BATCH_RECORDS: usize = 1000;
/// Text in a batch, in bytes; ends it early where records are long, so that memory stays bounded.
pub(crate) const BATCH_BYTES: usize = 8 * 1024 * 1024;
/// The longest record that is read, in bytes. A longer one is a quotation mark that never closes, or not a book.
pub(crate) const MAX_RECORD_BYTES: usize = 16 * 1024 * 1024;

/// One step of reading a file.
enum Step {
    Record(RawRecord),
    Rejected(Reject),
    /// The source says that the book with this id is gone.
    Deleted(String),
    End,
}

/// Turns text into records.
trait RecordReader<'a> {
    fn next(&mut self) -> Result<Step, Error>;
    /// The file that the records come from.
    fn source(&self) -> &Source<'a>;
    /// Which name became which field.
    fn mapping(&self) -> &Mapping;
}

/// Reads books from `input` and writes them to `catalogue` in batches of one transaction each.
///
/// `name` is used in messages. `progress` is called when a batch was read; `Break` stops after it, and what was read is
/// written.
///
/// A record is known by its id: a book that is there already is updated, and of two records with one id in a file the
/// last one wins, with a warning. A record without an id gets `isbn-` and its first valid ISBN in thirteen digits or,
/// without one, `book-` and a hash of title, first author and year: the same in every import of the same record.
///
/// # Errors
/// What keeps the file from being read ([`Error::InputIsDirectory`], [`Error::Input`], [`Error::NoRecords`],
/// [`Error::NotText`], [`Error::NoTitleColumn`]), and what [`Catalogue::put_books`] fails with. Batches committed
/// before the error stay.
pub fn import(
    name: &str,
    input: &mut dyn Read,
    catalogue: &Catalogue,
    cutter: &dyn PassageCutter,
    options: &ImportOptions,
    progress: &mut dyn FnMut(ImportProgress) -> ControlFlow<()>,
) -> Result<ImportReport, Error> {
    let source = Source::open(name, input, options.format)?;
    let mut reader: Box<dyn RecordReader<'_> + '_> = match source.format() {
        Format::Jsonl => Box::new(jsonl::Reader::new(source)),
        Format::Json => Box::new(json_list::Reader::new(source)),
        Format::Marc => Box::new(marc::Reader::new(source)),
        Format::MarcXml => Box::new(xml::Reader::new(source, &["record"], marc::xml_record)),
        Format::Onix => Box::new(xml::Reader::new(source, &["Product", "product"], onix::record)),
        Format::OpenLibrary => Box::new(open_library::Reader::new(source, options.authors.clone())),
        Format::Calibre => Box::new(calibre::Reader::new(source)?),
        Format::Isbns => Box::new(isbn_list::Reader::new(source)),
        Format::Csv | Format::Tsv => {
            let reader = delimited::Reader::new(source)?;
            if !reader.mapping().has_title() {
                return Err(reader.mapping().no_title(name));
            }
            Box::new(reader)
        }
    };
    let (send, receive) = mpsc::sync_channel(1);
    let mut importer = Importer::new(options, reader.source(), send);
    // One thread reads while another stores: with a database that is elsewhere, each takes as long as the other.
    let (read, stored) = std::thread::scope(|scope| {
        let storing = scope.spawn(|| Stored::of(catalogue, cutter, receive));
        let read = importer.read(&mut *reader, progress);
        drop(importer.outbox.take());
        (read, storing.join().unwrap_or_else(|panic| resume_unwind(panic)))
    });
    // If storing ended early, it says why.
    let stored = stored?;
    read?;
    (importer.report.written, importer.report.deleted) = (stored.written, stored.deleted);
    if !options.dry_run {
        catalogue.settle()?;
    }
    let mut report = importer.report;
    report.mapping = reader.mapping().described();
    if report.records == 0 {
        return Err(Error::NoRecords { name: name.to_owned() });
    }
    if report.outcome() == ImportOutcome::NothingUsable
        && reader.mapping().names_seen()
        && !reader.mapping().has_title()
    {
        return Err(reader.mapping().no_title(name));
    }
    Ok(report)
}

/// Books to store, or, after them, ids of books to delete.
#[derive(Default)]
struct Batch {
    books: Vec<Book>,
    deletions: Vec<String>,
}

/// What was stored of all batches.
#[derive(Default)]
struct Stored {
    written: WriteOutcome,
    deleted: u64,
}

impl Stored {
    /// Stores batches, which it owns the way of, so that whoever reads notices if this ends early.
    fn of(catalogue: &Catalogue, cutter: &dyn PassageCutter, batches: Receiver<Batch>) -> Result<Self, Error> {
        let mut stored = Self::default();
        for Batch { books, deletions } in batches {
            if !books.is_empty() {
                stored.written += catalogue.put_books(&books, cutter)?;
            }
            if !deletions.is_empty() {
                let ids: Vec<&str> = deletions.iter().map(String::as_str).collect();
                stored.deleted += catalogue.delete_books(&ids)?;
            }
        }
        Ok(stored)
    }
}

/// Whether reading goes on: not if storing has ended.
type Going = ControlFlow<()>;

/// Gathers books, hands them over in batches, keeps the report.
struct Importer {
    /// Where batches go; `None` when all are there.
    outbox: Option<SyncSender<Batch>>,
    dry_run: bool,
    report: ImportReport,
    batch: Batch,
    batch_bytes: usize,
    records_at_last_batch: u64,
    /// Hashes of the ids read; two ids with one hash would cost a wrong warning, and nothing else.
    ids: HashSet<u64>,
    hasher: RandomState,
}

impl Importer {
    fn new(options: &ImportOptions, source: &Source<'_>, outbox: SyncSender<Batch>) -> Self {
        let mut report =
            ImportReport { format: Some(source.format()), encoding: source.encoding(), ..ImportReport::default() };
        if let Some(reason) = source.doubt() {
            report.warn(Reject { place: Place::Line(1), id: None, field: None, reason });
        }
        Self {
            outbox: Some(outbox),
            dry_run: options.dry_run,
            report,
            batch: Batch::default(),
            batch_bytes: 0,
            records_at_last_batch: 0,
            ids: HashSet::new(),
            hasher: RandomState::new(),
        }
    }

    /// Reads to the end, or until `progress` or the end of storing stops it.
    fn read(
        &mut self,
        reader: &mut dyn RecordReader<'_>,
        progress: &mut dyn FnMut(ImportProgress) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        loop {
            let going = match reader.next() {
                Ok(Step::Record(record)) => self.take(record),
                Ok(Step::Rejected(reject)) => {
                    self.report.reject(reject);
                    Going::Continue(())
                }
                Ok(Step::Deleted(id)) => self.delete(id),
                Ok(Step::End) => break,
                Err(error) => {
                    // What was read before is whole, and kept.
                    let _ = self.hand_over();
                    self.end_early(error)?;
                    break;
                }
            };
            if going.is_break() {
                return Ok(());
            }
            if self.batch_is_full() {
                let so_far = ImportProgress { bytes: reader.source().bytes_read(), records: self.report.records };
                if self.hand_over().is_break() {
                    return Ok(());
                }
                if progress(so_far).is_break() {
                    self.report.interrupted = true;
                    return Ok(());
                }
            }
        }
        if self.hand_over().is_continue() {
            let _ = progress(ImportProgress { bytes: reader.source().bytes_read(), records: self.report.records });
        }
        Ok(())
    }

    /// A book that the source says is gone.
    fn delete(&mut self, id: String) -> Going {
        // In the order of the file: it may be there before, or again behind.
        if !self.batch.books.is_empty() {
            self.hand_over()?;
        }
        self.report.records += 1;
        if !self.dry_run {
            self.batch.deletions.push(id);
        }
        Going::Continue(())
    }

    fn take(&mut self, record: RawRecord) -> Going {
        if !self.batch.deletions.is_empty() {
            self.hand_over()?;
        }
        let (place, bytes) = (record.place, record.bytes);
        let accepted = match record.into_book() {
            Ok(accepted) => accepted,
            Err(reject) => {
                self.report.reject(reject);
                return Going::Continue(());
            }
        };
        self.report.records += 1;
        let book = accepted.book;
        for (field, reason) in accepted.warnings {
            self.report.warn(Reject { place, id: Some(book.id.clone()), field, reason });
        }
        if !self.ids.insert(self.hasher.hash_one(&book.id)) {
            let reason =
                format!("the id `{}` was used by an earlier record of this file, which this one replaces", book.id);
            self.report.warn(Reject { place, id: Some(book.id.clone()), field: Some("id".to_owned()), reason });
        }
        if self.report.preview.len() < PREVIEW {
            self.report.preview.push(book.clone());
        }
        if !self.dry_run {
            self.batch_bytes += bytes;
            self.batch.books.push(book);
        }
        Going::Continue(())
    }

    /// A compressed file that is cut or damaged has no more records: reported like one that is bad. Any other error is
    /// one of the system, and may be gone the next time.
    fn end_early(&mut self, error: Error) -> Result<(), Error> {
        match error {
            Error::Input { offset, source, .. }
                if self.report.records > 0
                    && matches!(
                        source.kind(),
                        ErrorKind::InvalidData | ErrorKind::UnexpectedEof | ErrorKind::InvalidInput
                    ) =>
            {
                let reason = format!("the compressed file is cut or damaged, the rest cannot be read: {source}");
                self.report.reject(Reject { place: Place::Byte(offset), id: None, field: None, reason });
                Ok(())
            }
            error => Err(error),
        }
    }

    fn batch_is_full(&self) -> bool {
        let records = self.report.records - self.records_at_last_batch;
        records >= BATCH_RECORDS as u64 || self.batch_bytes >= BATCH_BYTES
    }

    /// Gives the batch to the thread that stores, and begins another.
    fn hand_over(&mut self) -> Going {
        let batch = std::mem::take(&mut self.batch);
        self.batch_bytes = 0;
        self.records_at_last_batch = self.report.records;
        match &self.outbox {
            Some(outbox) if !batch.books.is_empty() || !batch.deletions.is_empty() => match outbox.send(batch) {
                Ok(()) => Going::Continue(()),
                Err(_) => Going::Break(()),
            },
            _ => Going::Continue(()),
        }
    }
}
