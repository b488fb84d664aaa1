//! The store: the catalogue's truth, in one SQLite file.
//!
//! - `open.rs`: from a path to a connection, or to an error that says what is wrong with the file;
//! - `schema.rs`: the tables and their versions;
//! - `books.rs`: books and the passages cut from them;
//! - `embeddings.rs`: vectors, and which passages still need one.
//!
//! The file is in WAL mode: readers go on reading while one process writes. Every write is one transaction, begun with
//! the intention to write, so that two writers queue instead of failing half-way; it raises the *revision* if
//! something changed that a search could show. What is written lies in the log beside the file until SQLite moves it
//! over; an import and a backfill end with [`Catalogue::settle`], so that the file alone is not left empty.

mod books;
mod embeddings;
mod open;
mod schema;

use crate::Error;
use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What a catalogue is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reading and writing; the file is made if it is missing.
    ReadWrite,
    /// Reading only; the file must exist. Works on a read-only file system.
    ReadOnly,
}

/// What a write did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct WriteOutcome {
    /// Books that were not there before.
    pub added: u64,
    /// Books whose record changed.
    pub updated: u64,
    /// Books that were already there, the same.
    pub unchanged: u64,
}

impl std::ops::AddAssign for WriteOutcome {
    fn add_assign(&mut self, other: Self) {
        self.added += other.added;
        self.updated += other.updated;
        self.unchanged += other.unchanged;
    }
}

/// Counts over the whole catalogue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Statistics {
    /// Books.
    pub books: u64,
    /// Passages.
    pub passages: u64,
    /// Passages with a fresh embedding in the asked space (any precision).
    pub embedded: u64,
}

/// A passage without a fresh embedding.
#[derive(Clone, Debug)]
pub struct PendingPassage {
    /// Its id in the store.
    pub passage_id: i64,
    /// What to embed.
    pub embedding_text: String,
    /// Hash of that text, to be stored with the embedding.
    pub text_hash: [u8; 16],
}

/// An embedding to store.
#[derive(Clone, Copy, Debug)]
pub struct NewEmbedding<'a> {
    /// The passage.
    pub passage_id: i64,
    /// Hash of the text that was embedded.
    pub text_hash: [u8; 16],
    /// The vector.
    pub vector: &'a [f32],
}

/// A passage with its fresh embedding.
#[derive(Clone, Debug)]
pub struct EmbeddedPassage<'a> {
    /// Row id of the book in the store (dense enough for an index, stable while the book exists).
    pub book_rowid: i64,
    /// Place among the book's passages.
    pub ordinal: u32,
    /// The vector.
    pub vector: &'a [f32],
}

/// How long an operation waits for another process's write before it gives up.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// How long [`Catalogue::settle`] waits for readers to finish with the log.
const SETTLE_TIMEOUT: Duration = Duration::from_millis(500);

/// A catalogue of books in one SQLite file. Shared freely between threads.
///
/// Short reads and all writes take turns on one connection. Walks over the whole catalogue ([`Catalogue::each_book`],
/// [`Catalogue::each_embedding`]) read one consistent state on a connection of their own, so that they hold up nobody;
/// only a catalogue [in memory](Catalogue::in_memory), which has a single connection, is locked while they run, and
/// must not be called from inside them.
#[derive(Debug)]
pub struct Catalogue {
    connection: Mutex<Connection>,
    place: Place,
    location: String,
}

/// Where a catalogue lives.
#[derive(Debug)]
enum Place {
    Memory,
    File { path: PathBuf, access: Access },
}

impl Catalogue {
    /// Opens a file, bringing its schema up to date.
    ///
    /// # Errors
    /// [`Error::IsDirectory`], [`Error::ParentMissing`], [`Error::NotFound`], [`Error::NothingWritten`],
    /// [`Error::ReadOnly`], [`Error::NotADatabase`], [`Error::ForeignDatabase`], [`Error::NewerSchema`],
    /// [`Error::OlderSchema`], [`Error::UnfinishedChanges`], [`Error::Locked`], [`Error::DiskFull`],
    /// [`Error::Corrupt`]; what the file held is untouched by all of them.
    pub fn open(path: &Path, access: Access) -> Result<Self, Error> {
        let connection = open::open(path, access, BUSY_TIMEOUT)?;
        Ok(Self {
            connection: Mutex::new(connection),
            place: Place::File { path: path.to_owned(), access },
            location: path.display().to_string(),
        })
    }

    /// A catalogue that lives in memory, for evaluation and tests.
    ///
    /// # Errors
    /// [`Error::Database`] if SQLite cannot be set up.
    pub fn in_memory() -> Result<Self, Error> {
        let location = "memory".to_owned();
        let connection = open::in_memory(&location)?;
        Ok(Self { connection: Mutex::new(connection), place: Place::Memory, location })
    }

    /// Where it is, for messages.
    #[must_use]
    pub fn location(&self) -> &str {
        &self.location
    }

    /// Sets how long an operation waits for another process's write before it gives up with [`Error::Locked`]; ten
    /// seconds unless set.
    ///
    /// # Errors
    /// [`Error::Database`], in theory.
    pub fn set_busy_timeout(&self, timeout: Duration) -> Result<(), Error> {
        self.lock().busy_timeout(timeout).map_err(self.failed("setting the time limit"))
    }

    /// A number that grows with every change of books, passages or embeddings, by this process or another.
    ///
    /// # Errors
    /// Those of reading: [`Error::Locked`], [`Error::Corrupt`], [`Error::Database`].
    pub fn revision(&self) -> Result<i64, Error> {
        self.read("reading the revision", |connection| {
            connection.prepare_cached("SELECT value FROM meta WHERE key = 'revision'")?.query_row([], |row| row.get(0))
        })
    }

    /// Counts, with `embedded` for `space`.
    ///
    /// # Errors
    /// As [`Catalogue::revision`].
    pub fn statistics(&self, space: &str) -> Result<Statistics, Error> {
        self.read("counting", |connection| {
            let count = |sql: &str, parameters: &[&dyn rusqlite::ToSql]| {
                connection
                    .prepare_cached(sql)?
                    .query_row(parameters, |row| row.get::<_, i64>(0))
                    .map(i64::cast_unsigned)
            };
            Ok(Statistics {
                books: count("SELECT count(*) FROM books", &[])?,
                passages: count("SELECT count(*) FROM passages", &[])?,
                embedded: count(embeddings::COUNT_FRESH, &[&space])?,
            })
        })
    }

    /// Moves what the write-ahead log holds into the file itself, and empties the log.
    ///
    /// SQLite does so by itself when the last process closes the file. While a server has it open everything may stay
    /// in the log for days, and whoever copied only the file would get an empty catalogue. When another process reads
    /// or writes just now, the log stays as it is, and that is no error: nothing is lost by it.
    ///
    /// # Errors
    /// [`Error::DiskFull`], [`Error::Corrupt`], [`Error::Database`]; what was committed is safe in the log.
    pub fn settle(&self) -> Result<(), Error> {
        let Place::File { access: Access::ReadWrite, .. } = self.place else { return Ok(()) };
        self.read("emptying the write-ahead log", |connection| {
            let usual: u32 = connection.pragma_query_value(None, "busy_timeout", |row| row.get(0))?;
            connection.busy_timeout(SETTLE_TIMEOUT)?;
            // The one row it returns says whether someone was in the way, which makes no difference to us.
            let settled = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
            connection.busy_timeout(Duration::from_millis(usual.into()))?;
            match settled.as_ref().err().and_then(rusqlite::Error::sqlite_error_code) {
                Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Ok(()),
                _ => settled,
            }
        })
    }

    /// The connection; a panic of another thread that held it undid its transaction, so it is sound to go on.
    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives an SQLite error its place and name.
    fn failed(&self, action: &'static str) -> impl Fn(rusqlite::Error) -> Error {
        move |source| Error::from_sqlite(&self.location, action, source)
    }

    fn read<T>(&self, action: &'static str, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, Error> {
        read(&self.lock()).map_err(self.failed(action))
    }

    /// Runs a long read where it blocks nobody: see [`Catalogue`].
    fn walk(&self, action: &'static str, read: impl FnOnce(&Connection) -> rusqlite::Result<()>) -> Result<(), Error> {
        match &self.place {
            Place::Memory => self.read(action, read),
            Place::File { path, .. } => {
                let connection = open::open(path, Access::ReadOnly, BUSY_TIMEOUT)?;
                read(&connection).map_err(self.failed(action))
            }
        }
    }

    /// Runs `write` in one transaction and raises the revision if it says that it changed something.
    fn write<T>(
        &self,
        action: &'static str,
        write: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<(T, Changed)>,
    ) -> Result<T, Error> {
        if let Place::File { access: Access::ReadOnly, .. } = self.place {
            return Err(Error::OpenedReadOnly { location: self.location.clone() });
        }
        let run = || {
            let mut connection = self.lock();
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let (value, changed) = write(&transaction)?;
            if changed == Changed::Yes {
                transaction.prepare_cached("UPDATE meta SET value = value + 1 WHERE key = 'revision'")?.execute([])?;
            }
            transaction.commit()?;
            Ok(value)
        };
        run().map_err(self.failed(action))
    }
}

/// Whether a write changed something that a search could show.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Changed {
    Yes,
    No,
}

impl From<bool> for Changed {
    fn from(changed: bool) -> Self {
        if changed { Changed::Yes } else { Changed::No }
    }
}

#[cfg(test)]
mod tests;
