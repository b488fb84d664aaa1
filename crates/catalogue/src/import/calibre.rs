//! Calibre's library, `metadata.db`: an SQLite database.
//!
//! It is copied to a temporary file first, because SQLite reads files and not streams, and so that Calibre may be open
//! meanwhile. Ratings and columns of the user's own are a reader's notes, and are not read.

use super::header::{Field, Mapping, Target};
use super::record::RawRecord;
use super::source::Source;
use super::temporary::TemporaryFile;
use super::{Place, RecordReader, Step};
use crate::Error;
use rusqlite::{Connection, OpenFlags, Row};
use serde_json::Value;
use std::collections::VecDeque;
use std::io::{self, Write};
use std::path::Path;

/// Books read at a time.
const PAGE: i64 = 500;
/// Between the members of a list; no text has it.
const UNIT: char = '\u{1f}';

/// Lists are in link tables, in the order of the links.
const QUERY: &str = "
SELECT b.id, b.uuid, b.title, CAST(b.pubdate AS TEXT), b.series_index,
    (SELECT group_concat(x, char(31)) FROM (SELECT a.name AS x FROM books_authors_link l JOIN authors a ON a.id = l.author
        WHERE l.book = b.id ORDER BY l.id)),
    (SELECT group_concat(x, char(31)) FROM (SELECT t.name AS x FROM books_tags_link l JOIN tags t ON t.id = l.tag
        WHERE l.book = b.id ORDER BY l.id)),
    (SELECT p.name FROM books_publishers_link l JOIN publishers p ON p.id = l.publisher WHERE l.book = b.id LIMIT 1),
    (SELECT group_concat(x, char(31)) FROM (SELECT g.lang_code AS x FROM books_languages_link l JOIN languages g
        ON g.id = l.lang_code WHERE l.book = b.id ORDER BY l.id)),
    (SELECT s.name FROM books_series_link l JOIN series s ON s.id = l.series WHERE l.book = b.id LIMIT 1),
    (SELECT c.text FROM comments c WHERE c.book = b.id LIMIT 1),
    (SELECT group_concat(i.type || ':' || i.val, char(31)) FROM identifiers i WHERE i.book = b.id)
FROM books b WHERE b.id > ?1 ORDER BY b.id LIMIT ?2";

pub(super) struct Reader<'a> {
    source: Source<'a>,
    mapping: Mapping,
    connection: Connection,
    /// Removed when dropped, and so after the connection.
    _copy: TemporaryFile,
    last: i64,
    waiting: VecDeque<RawRecord>,
}

impl<'a> Reader<'a> {
    /// Copies and opens the database.
    pub(super) fn new(mut source: Source<'a>) -> Result<Self, Error> {
        let copy = copy(&mut source)?;
        let connection = open(copy.path()).map_err(|error| unusable(&source, &error))?;
        Ok(Self {
            source,
            mapping: Mapping::default(),
            connection,
            _copy: copy,
            last: i64::MIN,
            waiting: VecDeque::new(),
        })
    }

    fn read_page(&mut self) -> rusqlite::Result<()> {
        let mut statement = self.connection.prepare_cached(QUERY)?;
        let mut rows = statement.query((self.last, PAGE))?;
        while let Some(row) = rows.next()? {
            self.last = row.get(0)?;
            self.waiting.push_back(record(self.last, row)?);
        }
        Ok(())
    }
}

fn unusable(source: &Source<'_>, error: &rusqlite::Error) -> Error {
    let detail = format!(
        "it is an SQLite database, and cannot be read as Calibre's metadata.db ({error}); export the table of books as CSV"
    );
    Error::NotText { name: source.name().to_owned(), detail }
}

fn copy(source: &mut Source<'_>) -> Result<TemporaryFile, Error> {
    let path = TemporaryFile::name();
    let failed = |name: &str, error: io::Error| {
        let detail = format!(
            "it is a database, and copying it to `{}` failed: {error}; set TMPDIR to another directory",
            path.display()
        );
        Error::NotText { name: name.to_owned(), detail }
    };
    let (copy, mut file) = TemporaryFile::create(path.clone()).map_err(|error| failed(source.name(), error))?;
    loop {
        let bytes = source.fill()?;
        if bytes.is_empty() {
            return Ok(copy);
        }
        let (length, written) = (bytes.len(), file.write_all(bytes));
        written.map_err(|error| failed(source.name(), error))?;
        source.consume(length);
    }
}

fn open(path: &Path) -> rusqlite::Result<Connection> {
    let connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    // The file may come from anywhere, and what is in its schema is not run.
    connection.execute_batch("PRAGMA trusted_schema = OFF; PRAGMA query_only = ON;")?;
    connection.prepare_cached(QUERY)?;
    Ok(connection)
}

fn record(id: i64, row: &Row<'_>) -> rusqlite::Result<RawRecord> {
    let text =
        |column: usize| -> rusqlite::Result<String> { Ok(row.get::<_, Option<String>>(column)?.unwrap_or_default()) };
    let list = |column: usize| -> rusqlite::Result<Vec<String>> {
        Ok(text(column)?.split(UNIT).filter(|part| !part.is_empty()).map(str::to_owned).collect())
    };
    let place = Place::Row(u64::try_from(id).unwrap_or_default());
    let comments = text(10)?;
    let mut record = RawRecord::new(place, 256 + comments.len());
    let mut push = |name: &str, target, value: Value| record.push(name.to_owned(), target, value);
    let to = |field| Target::Field { field, rank: 0 };
    push("uuid", to(Field::Id), Value::from(text(1)?));
    push("title", to(Field::Title), Value::from(text(2)?));
    // A comma inside a name is kept as a bar.
    let authors: Vec<String> = list(5)?.iter().map(|name| name.replace('|', ",")).collect();
    push("authors", to(Field::Authors), Value::from(authors));
    push("tags", to(Field::Subjects), Value::from(list(6)?));
    push("publisher", to(Field::Publisher), Value::from(text(7)?));
    push("languages", to(Field::Language), Value::from(list(8)?));
    push("comments", to(Field::Description), Value::from(comments));
    // The year 101 means that nobody knows.
    let published: String = text(3)?.chars().take(4).collect();
    let published = if published == "0101" { String::new() } else { published };
    push("pubdate", to(Field::Year), Value::from(published));
    let series = text(9)?;
    let number = row.get::<_, Option<f64>>(4)?;
    let numbered = number.filter(|_| !series.is_empty()).map(|number| format!("{series} ; {number}"));
    push("series", Target::Extra, Value::from(numbered.unwrap_or(series)));
    let identifiers = list(11)?;
    let isbns: Vec<&str> = identifiers.iter().filter_map(|identifier| identifier.strip_prefix("isbn:")).collect();
    push("isbn", to(Field::Isbns), Value::from(isbns));
    let others: Vec<&String> = identifiers.iter().filter(|identifier| !identifier.starts_with("isbn:")).collect();
    push("identifiers", Target::Extra, Value::from(others.into_iter().cloned().collect::<Vec<_>>()));
    Ok(record)
}

impl<'a> RecordReader<'a> for Reader<'a> {
    fn next(&mut self) -> Result<Step, Error> {
        if self.waiting.is_empty() {
            self.read_page().map_err(|error| unusable(&self.source, &error))?;
        }
        Ok(self.waiting.pop_front().map_or(Step::End, Step::Record))
    }

    fn source(&self) -> &Source<'a> {
        &self.source
    }

    fn mapping(&self) -> &Mapping {
        &self.mapping
    }
}
