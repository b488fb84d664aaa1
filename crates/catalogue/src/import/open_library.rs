//! Open Library's dumps (<https://openlibrary.org/developers/dumps>): five columns apart by tabs, the last one JSON.
//!
//! Works and editions are loaded; authors, redirects and deletions are rows as well and passed over. A work names its
//! authors by key only. Their names are in another dump, too large to keep in memory: when it is given too, they go into
//! a temporary database, and are looked up there; else the keys are kept as they are.

use super::compressed::Unpacked;
use super::header::{Field, Mapping, Target};
use super::record::RawRecord;
use super::source::{Line, Source};
use super::temporary::TemporaryFile;
use super::{BATCH_RECORDS, Format, ImportProgress, Place, RecordReader, Reject, Step, field, jsonl};
use crate::Error;
use rusqlite::Connection;
use serde_json::{Map, Value};
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};

/// What was read of a dump of authors.
#[derive(Debug, Default)]
pub struct NamesRead {
    /// Names kept.
    pub names: u64,
    /// Whether the dump holds books as well.
    pub has_books: bool,
    /// Whether the caller stopped it.
    pub interrupted: bool,
    /// Why the rest could not be read, if so; the names before it are kept.
    pub fault: Option<Error>,
}

/// Names of authors by their keys, from a dump of authors; kept on disk, as there are millions.
pub struct AuthorNames {
    connection: Mutex<Connection>,
    /// Removed when dropped, and so after the connection.
    file: TemporaryFile,
}

impl std::fmt::Debug for AuthorNames {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuthorNames").field("file", &self.file.path()).finish_non_exhaustive()
    }
}

impl AuthorNames {
    /// Without names yet.
    ///
    /// # Errors
    /// [`Error::Output`], [`Error::DiskFull`] if there is no room for temporary files.
    pub fn new() -> Result<Self, Error> {
        let path = TemporaryFile::name();
        let name = path.display().to_string();
        let (file, _) = TemporaryFile::create(path).map_err(|source| Error::Output { name: name.clone(), source })?;
        let open = || {
            let connection = Connection::open(file.path())?;
            // Lost names are read once more.
            connection.execute_batch(
                "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;
                 CREATE TABLE authors (number INTEGER PRIMARY KEY, name TEXT NOT NULL)",
            )?;
            Ok(connection)
        };
        let connection = open().map_err(|source| Error::from_sqlite(&name, "keeping the names of authors", source))?;
        Ok(Self { connection: Mutex::new(connection), file })
    }

    /// Reads the names in a dump. `progress` is called now and then, and `Break` stops.
    ///
    /// # Errors
    /// What keeps the dump from being opened, as [`super::import`], or the names from being kept.
    pub fn load(
        &self,
        name: &str,
        input: &mut dyn Read,
        progress: &mut dyn FnMut(ImportProgress) -> ControlFlow<()>,
    ) -> Result<NamesRead, Error> {
        let mut source = Source::open(name, input, Some(Format::OpenLibrary))?;
        let failed =
            |error| Error::from_sqlite(&self.file.path().display().to_string(), "keeping the names of authors", error);
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let transaction = connection.unchecked_transaction().map_err(failed)?;
        let mut put = transaction.prepare("INSERT OR REPLACE INTO authors VALUES (?1, ?2)").map_err(failed)?;
        let (mut read, mut line) = (NamesRead::default(), Vec::new());
        for records in 1.. {
            match source.read_line(&mut line) {
                Ok(Line::End) => break,
                Ok(_) => {}
                Err(fault) => {
                    read.fault = Some(fault);
                    break;
                }
            }
            read.has_books |= is_book_row(&line);
            if let Some((number, name)) = author(&line) {
                put.execute((number, name)).map_err(failed)?;
                read.names += 1;
            }
            let so_far = ImportProgress { bytes: source.bytes_read(), records };
            if records.is_multiple_of(BATCH_RECORDS as u64) && progress(so_far).is_break() {
                read.interrupted = true;
                break;
            }
        }
        drop(put);
        transaction.commit().map_err(failed)?;
        Ok(read)
    }

    fn get(&self, key: &str) -> Option<String> {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let mut select = connection.prepare_cached("SELECT name FROM authors WHERE number = ?1").ok()?;
        select.query_row([number(key)?], |row| row.get(0)).ok()
    }
}

/// Whether a file begins as a dump of authors does.
///
/// # Errors
/// Those of reading, also of a file that is compressed and damaged.
pub fn is_dump_of_authors(input: &mut dyn Read) -> io::Result<bool> {
    let mut start = Vec::new();
    Unpacked::open(input)?.take(64 * 1024).read_to_end(&mut start)?;
    Ok(is_dump(&start) && start.starts_with(b"/type/author\t"))
}

/// The number and the name in a row that is about an author.
fn author(line: &[u8]) -> Option<(i64, String)> {
    let mut columns = line.splitn(5, |&byte| byte == b'\t');
    let (kind, key, json) = (columns.next()?, columns.next()?, columns.nth(2)?);
    if kind != b"/type/author" {
        return None;
    }
    let object: Map<String, Value> = serde_json::from_slice(json).ok()?;
    let name = field::line(object.get("name")?.as_str()?);
    let key = std::str::from_utf8(key).ok()?;
    (!name.is_empty()).then_some(())?;
    Some((number(key.rsplit('/').next()?)?, name))
}

/// The number in `OL23919A`.
fn number(key: &str) -> Option<i64> {
    key.strip_prefix("OL")?.strip_suffix('A')?.parse().ok()
}

fn is_book_row(line: &[u8]) -> bool {
    line.starts_with(b"/type/work\t") || line.starts_with(b"/type/edition\t")
}

pub(super) struct Reader<'a> {
    source: Source<'a>,
    authors: Option<Arc<AuthorNames>>,
    mapping: Mapping,
    buffer: Vec<u8>,
    line: u64,
}

pub(super) fn is_dump(start: &[u8]) -> bool {
    let line = start.split(|&byte| byte == b'\n').next().unwrap_or_default();
    line.starts_with(b"/type/") && line.iter().filter(|&&byte| byte == b'\t').count() >= 4
}

impl<'a> Reader<'a> {
    pub(super) fn new(source: Source<'a>, authors: Option<Arc<AuthorNames>>) -> Self {
        Self { source, authors, mapping: Mapping::default(), buffer: Vec::new(), line: 0 }
    }

    /// `None` for rows that are about something else than books.
    fn parse(&self) -> Option<Step> {
        let place = Place::Line(self.line);
        let rejected = |id, reason| Some(Step::Rejected(Reject { place, id, field: None, reason }));
        let columns: Vec<&[u8]> = self.buffer.splitn(5, |&byte| byte == b'\t').collect();
        let [_, key, _, _, json] = columns[..] else {
            return rejected(None, format!("{} columns instead of 5: type, key, revision, time, JSON", columns.len()));
        };
        if !is_book_row(&self.buffer) {
            return None;
        }
        let id = String::from_utf8_lossy(key.rsplit(|&byte| byte == b'/').next().unwrap_or(key)).into_owned();
        match serde_json::from_slice::<Map<String, Value>>(json) {
            Ok(object) => Some(Step::Record(record(id, object, place, self.buffer.len(), self.authors.as_deref()))),
            Err(error) => {
                rejected(Some(id), format!("the fifth column is not a JSON object: {}", jsonl::fault(&error)))
            }
        }
    }
}

fn record(
    id: String,
    object: Map<String, Value>,
    place: Place,
    bytes: usize,
    authors: Option<&AuthorNames>,
) -> RawRecord {
    let mut record = RawRecord::new(place, bytes);
    let keys_of_authors = object.get("authors").map(author_keys).unwrap_or_default();
    let (mut names, mut unknown) = (Vec::new(), Vec::new());
    for key in keys_of_authors {
        match authors.and_then(|authors| authors.get(&key)) {
            Some(name) => names.push(name),
            None => unknown.push(key),
        }
    }
    let has_names = !names.is_empty();
    record.push("authors".to_owned(), Target::Field { field: Field::Authors, rank: 0 }, Value::from(names));
    record.push("author keys".to_owned(), Target::Extra, Value::from(unknown));
    record.push("key".to_owned(), Target::Field { field: Field::Id, rank: 0 }, Value::from(id));
    for (name, value) in object {
        let (field, value) = match name.as_str() {
            "title" => (Field::Title, value),
            "subtitle" => (Field::Subtitle, value),
            "description" => (Field::Description, value),
            // The names once more, as the book has them.
            "by_statement" if has_names => continue,
            "by_statement" => (Field::Authors, value),
            "isbn_10" | "isbn_13" => (Field::Isbns, value),
            "publishers" => (Field::Publisher, joined(value)),
            "publish_date" | "first_publish_date" => (Field::Year, value),
            "languages" => (Field::Language, keys(&value, "key")),
            "subjects" | "subject_places" | "subject_people" | "subject_times" => (Field::Subjects, value),
            "authors" => continue,
            "works" => {
                record.push("work".to_owned(), Target::Extra, joined(keys(&value, "key")));
                continue;
            }
            "number_of_pages"
            | "physical_format"
            | "series"
            | "dewey_decimal_class"
            | "lc_classifications"
            | "edition_name"
            | "oclc_numbers"
            | "lccn" => {
                record.push(name, Target::Extra, value);
                continue;
            }
            // Covers, revisions, links to other parts of Open Library.
            _ => continue,
        };
        record.push(name, Target::Field { field, rank: 0 }, value);
    }
    record
}

/// The keys of the authors: of works inside of objects that have their roles, too.
fn author_keys(value: &Value) -> Vec<String> {
    let nested = value.as_array().into_iter().flatten().filter_map(|author| author.get("author").cloned());
    let nested = Value::from(nested.collect::<Vec<_>>());
    let keys = keys(if nested.as_array().is_some_and(Vec::is_empty) { value } else { &nested }, "key");
    keys.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// `/languages/eng` → `eng`, of a list of references.
fn keys(value: &Value, name: &str) -> Value {
    let key = |reference: &Value| {
        let key = reference.get(name).unwrap_or(reference).as_str()?;
        Some(key.rsplit('/').next().unwrap_or(key).to_owned())
    };
    Value::from(value.as_array().into_iter().flatten().filter_map(key).collect::<Vec<_>>())
}

fn joined(value: Value) -> Value {
    let Value::Array(list) = value else { return value };
    Value::from(list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("; "))
}

impl<'a> RecordReader<'a> for Reader<'a> {
    fn next(&mut self) -> Result<Step, Error> {
        loop {
            let line = self.source.read_line(&mut self.buffer)?;
            self.line += 1;
            match line {
                Line::End => return Ok(Step::End),
                Line::TooLong => {
                    let (place, reason) = (Place::Line(self.line), "the line is far too long".to_owned());
                    return Ok(Step::Rejected(Reject { place, id: None, field: None, reason }));
                }
                Line::Read if self.buffer.trim_ascii().is_empty() => {}
                Line::Read => {
                    if let Some(step) = self.parse() {
                        return Ok(step);
                    }
                }
            }
        }
    }

    fn source(&self) -> &Source<'a> {
        &self.source
    }

    fn mapping(&self) -> &Mapping {
        &self.mapping
    }
}
