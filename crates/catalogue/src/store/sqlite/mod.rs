//! A catalogue in one SQLite file.
//!
//! - `open.rs`: from a path to a connection, or to an error that says what is wrong with the file;
//! - `schema.rs`: the tables and their versions;
//! - `books.rs`: books and the passages cut from them;
//! - `embeddings.rs`: vectors, and which passages still need one;
//! - `changes.rs`: which books changed, and when;
//! - `dump.rs`: everything out and in again, and what is wrong with the file;
//! - `claims.rs`: which passages a worker has in hand, and which failed;
//! - `roles.rs`: which space is searched;
//! - `keys.rs`: keys of the HTTP API.
//!
//! The file is in WAL mode: readers go on reading while one process writes. A write begins with the intention
//! to write, so that two writers queue instead of failing half-way. What is written lies in the log beside the file
//! until SQLite moves it over; an import and a backfill end with [`Store::settle`], so that the file alone is not left
//! empty.

mod books;
mod changes;
mod claims;
mod dump;
mod embeddings;
mod keys;
mod open;
mod roles;
mod schema;

use super::dump::{NextRow, TakeRow};
use super::row::{BOOK_COLUMNS, BookRow, CutBook, PassageRow, Written};
use super::{
    Access, BookChange, CatalogueState, Claim, Condition, DatabaseFinding, EmbeddedPassage, FailedPassage, Failure,
    MigrationProblem, NewEmbedding, PendingPassage, PlacedEmbedding, PlacedPassage, QueueCounts, RoleChange,
    SpaceRoles, Statistics, Store, UnlessUnknown, WriteOutcome,
};
use crate::adopt::StoredPrecision;
use crate::key::{ApiKey, KeyHash};
use crate::{Book, Error, PassageCutter};
use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long an operation waits for another process's write before it gives up.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// How long [`Store::settle`] waits for readers to finish with the log.
const SETTLE_TIMEOUT: Duration = Duration::from_millis(500);

/// The store in one SQLite file, or in memory.
///
/// Short reads and all writes take turns on one connection; walks over everything have one of their own.
#[derive(Debug)]
pub(super) struct SqliteStore {
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

impl SqliteStore {
    /// Opens a file, bringing its schema up to date.
    pub fn open(path: &Path, access: Access) -> Result<Self, Error> {
        let connection = open::open(path, access, BUSY_TIMEOUT)?;
        Ok(Self {
            connection: Mutex::new(connection),
            place: Place::File { path: path.to_owned(), access },
            location: path.display().to_string(),
        })
    }

    /// A store that lives in memory.
    pub fn in_memory() -> Result<Self, Error> {
        let location = "memory".to_owned();
        let connection = open::in_memory(&location)?;
        Ok(Self { connection: Mutex::new(connection), place: Place::Memory, location })
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

    /// Runs a long read where it blocks nobody: see [`crate::Catalogue`].
    fn walk(&self, action: &'static str, read: impl FnOnce(&Connection) -> rusqlite::Result<()>) -> Result<(), Error> {
        match &self.place {
            Place::Memory => self.read(action, read),
            Place::File { path, .. } => {
                let connection = open::open(path, Access::ReadOnly, BUSY_TIMEOUT)?;
                read(&connection).map_err(self.failed(action))
            }
        }
    }

    /// The same over stored vectors; what is wrong with the first damaged one is an error.
    fn walk_vectors(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<Option<String>>) -> Result<(), Error> {
        let mut damaged = None;
        self.walk("reading embeddings", |connection| {
            damaged = read(connection)?;
            Ok(())
        })?;
        match damaged {
            None => Ok(()),
            Some(detail) => Err(Error::Corrupt { location: self.location.clone(), detail }),
        }
    }

    /// Runs `write` in one transaction and raises the revision if it says that it changed something.
    fn write<T>(
        &self,
        action: &'static str,
        write: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<(T, Changed)>,
    ) -> Result<T, Error> {
        self.write_or_undo(action, |transaction| write(transaction).map(Ok))
    }

    /// The same for what may also fail for reasons that are not SQLite's; the transaction is then undone.
    fn write_or_undo<T>(
        &self,
        action: &'static str,
        write: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<Result<(T, Changed), Error>>,
    ) -> Result<T, Error> {
        if let Place::File { access: Access::ReadOnly, .. } = self.place {
            return Err(Error::OpenedReadOnly { location: self.location.clone() });
        }
        let run = || {
            let mut connection = self.lock();
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let (value, changed) = match write(&transaction)? {
                Ok(written) => written,
                Err(error) => return Ok(Err(error)),
            };
            if changed == Changed::Yes {
                changes::raise_revision(&transaction)?;
            }
            transaction.commit()?;
            Ok(Ok(value))
        };
        run().map_err(self.failed(action))?
    }
}

impl Store for SqliteStore {
    fn location(&self) -> &str {
        &self.location
    }

    fn set_busy_timeout(&self, timeout: Duration) -> Result<(), Error> {
        self.lock().busy_timeout(timeout).map_err(self.failed("setting the time limit"))
    }

    fn revision(&self) -> Result<i64, Error> {
        self.read("reading the revision", |connection| {
            connection.prepare_cached("SELECT value FROM meta WHERE key = 'revision'")?.query_row([], |row| row.get(0))
        })
    }

    fn state(&self) -> Result<CatalogueState, Error> {
        self.read("reading the revision", changes::state)
    }

    fn books_changed_since(&self, state: &CatalogueState, most: usize) -> Result<Option<Vec<i64>>, Error> {
        self.read("reading what has changed", |connection| changes::since(connection, state, most))
    }

    fn statistics(&self, space: &str) -> Result<Statistics, Error> {
        self.read("counting", |connection| {
            let count = |sql: &str, parameters: &[&dyn rusqlite::ToSql]| {
                connection
                    .prepare_cached(sql)?
                    .query_row(parameters, |row| row.get::<_, i64>(0))
                    .map(i64::cast_unsigned)
            };
            Ok(Statistics {
                books: books::count(connection)?,
                passages: count("SELECT count(*) FROM passages", &[])?,
                embedded: count(embeddings::COUNT_FRESH, &[&space])?,
            })
        })
    }

    // SQLite empties the log by itself when the last process closes the file. While a server has it open everything may
    // stay in the log for days, and whoever copied only the file would get an empty catalogue.
    fn settle(&self) -> Result<(), Error> {
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

    fn put_books(&self, books: &[CutBook]) -> Result<WriteOutcome, Error> {
        self.write("writing books", |transaction| books::put(transaction, books))
    }

    fn delete_books(&self, ids: &[&str]) -> Result<u64, Error> {
        self.write("deleting books", |transaction| books::delete(transaction, ids))
    }

    fn change_book(&self, id: &str, book: Option<&CutBook>, condition: Condition<'_>) -> Result<BookChange, Error> {
        self.write("changing a book", |transaction| {
            if !condition(books::by_id(transaction, id)?.as_ref()) {
                return Ok((BookChange::Refused, Changed::No));
            }
            match book {
                Some(book) => {
                    let (outcome, changed) = books::put(transaction, std::slice::from_ref(book))?;
                    Ok((BookChange::of(&outcome), changed))
                }
                None => {
                    let (deleted, changed) = books::delete(transaction, &[id])?;
                    Ok((BookChange::of_deletion(deleted), changed))
                }
            }
        })
    }

    fn book(&self, id: &str) -> Result<Option<Book>, Error> {
        self.read("reading a book", |connection| books::by_id(connection, id))
    }

    fn rowid_of(&self, id: &str) -> Result<Option<i64>, Error> {
        self.read("reading a book", |connection| books::rowid_of(connection, id))
    }

    fn books_by_rowid(&self, rowids: &[i64]) -> Result<Vec<Option<Book>>, Error> {
        self.read("reading books", |connection| books::by_rowid(connection, rowids))
    }

    fn passage_text(&self, book_rowid: i64, ordinal: u32) -> Result<Option<String>, Error> {
        self.read("reading a passage", |connection| books::passage_text(connection, book_rowid, ordinal))
    }

    fn each_book(&self, visit: &mut dyn FnMut(i64, Book) -> ControlFlow<()>) -> Result<(), Error> {
        self.walk("reading books", |connection| books::each(connection, visit))
    }

    fn book_count(&self) -> Result<u64, Error> {
        self.read("counting", books::count)
    }

    fn book_ids(&self, skipped: usize, most: usize) -> Result<Vec<String>, Error> {
        let mut ids = Vec::new();
        self.walk("reading books", |connection| {
            ids = books::ids(connection, skipped, most)?;
            Ok(())
        })?;
        Ok(ids)
    }

    fn book_rowids(&self) -> Result<Vec<i64>, Error> {
        let mut rowids = Vec::new();
        self.walk("reading books", |connection| {
            rowids = books::rowids(connection)?;
            Ok(())
        })?;
        Ok(rowids)
    }

    fn embeddings_of(
        &self,
        space: &str,
        book_rowids: &[i64],
        visit: &mut dyn FnMut(EmbeddedPassage<'_>) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        self.walk_vectors(|connection| embeddings::of(connection, space, book_rowids, visit))
    }

    fn each_embedding(
        &self,
        space: &str,
        visit: &mut dyn FnMut(EmbeddedPassage<'_>) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        self.walk_vectors(|connection| embeddings::each(connection, space, visit))
    }

    fn pending_passages(&self, space: &str, after: i64, limit: usize) -> Result<Vec<PendingPassage>, Error> {
        self.read("reading passages", |connection| embeddings::pending(connection, space, after, limit))
    }

    fn put_embeddings(
        &self,
        space: &str,
        precision: &str,
        embeddings: &[NewEmbedding<'_>],
    ) -> Result<UnlessUnknown<u64>, Error> {
        self.write("writing embeddings", |transaction| embeddings::put(transaction, space, precision, embeddings))
    }

    fn each_placed_embedding(
        &self,
        space: &str,
        visit: &mut dyn FnMut(PlacedEmbedding<'_>) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        self.walk_vectors(|connection| embeddings::each_placed(connection, space, visit))
    }

    fn passages_of(&self, book_ids: &[&str]) -> Result<HashMap<String, Vec<PlacedPassage>>, Error> {
        self.read("reading passages", |connection| embeddings::passages_of(connection, book_ids))
    }

    fn claim_passages(&self, space: &str, claim: &Claim) -> Result<UnlessUnknown<Vec<PendingPassage>>, Error> {
        self.write("claiming passages", |transaction| {
            let claimed = match roles::read(transaction)?.instead_of(space) {
                Some(active) => Err(active),
                None => Ok(claims::claim(transaction, space, claim)?),
            };
            Ok((claimed, Changed::No))
        })
    }

    fn put_failures(&self, space: &str, failures: &[Failure]) -> Result<(), Error> {
        self.write("noting failures", |transaction| Ok((claims::fail(transaction, space, failures)?, Changed::No)))
    }

    fn queue_counts(&self, space: &str) -> Result<QueueCounts, Error> {
        self.read("counting", |connection| claims::counts(connection, space))
    }

    fn failed_passages(&self, space: &str, limit: usize) -> Result<Vec<FailedPassage>, Error> {
        self.read("reading failures", |connection| claims::failed(connection, space, limit))
    }

    fn forget_failures(&self, space: &str) -> Result<u64, Error> {
        self.write("forgetting failures", |transaction| Ok((claims::forget(transaction, space)?, Changed::No)))
    }

    fn spaces(&self) -> Result<Vec<(String, u64)>, Error> {
        self.read("reading the spaces", embeddings::spaces)
    }

    fn put_key(&self, key: &ApiKey, hash: &KeyHash) -> Result<(), Error> {
        self.write("storing a key", |transaction| Ok((keys::put(transaction, key, hash)?, Changed::No)))
    }

    fn keys(&self) -> Result<Vec<ApiKey>, Error> {
        self.read("reading the keys", keys::all)
    }

    fn key_by_hash(&self, hash: &KeyHash) -> Result<Option<ApiKey>, Error> {
        self.read("looking for a key", |connection| keys::by_hash(connection, hash))
    }

    fn has_keys(&self) -> Result<bool, Error> {
        self.read("looking for keys", keys::any)
    }

    fn delete_key(&self, id: &str) -> Result<bool, Error> {
        self.write("deleting a key", |transaction| Ok((keys::delete(transaction, id)?, Changed::No)))
    }

    fn dump(&self, take: TakeRow<'_>) -> Result<(), Error> {
        let mut outcome = Ok(());
        self.walk("reading everything", |connection| {
            outcome = dump::dump(connection, take)?;
            Ok(())
        })?;
        outcome
    }

    fn restore(&self, replace: bool, next: NextRow<'_>) -> Result<(), Error> {
        self.write_or_undo("restoring", |transaction| {
            let books = transaction.query_row("SELECT count(*) FROM books", [], |row| row.get(0))?;
            if books > 0 && !replace {
                return Ok(Err(Error::NotEmpty { location: self.location.clone(), books }));
            }
            Ok(dump::restore(transaction, next)?.map(|()| ((), Changed::Yes)))
        })
    }

    fn faults_of_database(&self) -> Result<Vec<DatabaseFinding>, Error> {
        let mut found = Vec::new();
        self.walk("checking the database", |connection| {
            found = dump::faults(connection)?;
            Ok(())
        })?;
        Ok(found)
    }

    fn delete_orphans(&self) -> Result<u64, Error> {
        self.write("deleting what belongs to nothing", dump::delete_orphans)
    }

    fn delete_embeddings(&self, keys: &[(i64, &str)]) -> Result<u64, Error> {
        self.write("deleting embeddings", |transaction| embeddings::delete(transaction, keys))
    }

    fn precisions(&self, space: &str) -> Result<Vec<StoredPrecision>, Error> {
        self.read("counting", |connection| embeddings::precisions(connection, space))
    }

    fn roles(&self) -> Result<SpaceRoles, Error> {
        self.read("reading which space is searched", roles::read)
    }

    fn change_roles(&self, change: RoleChange<'_>) -> Result<Result<SpaceRoles, MigrationProblem>, Error> {
        self.write("changing which space is searched", |transaction| roles::change(transaction, change))
    }

    fn delete_before(&self, change: RoleChange<'_>, limit: u32) -> Result<u64, Error> {
        self.write("deleting embeddings", |transaction| {
            Ok((roles::delete_before(transaction, change, limit)?, Changed::No))
        })
    }

    fn recut_books(&self, rowids: &[i64], cutter: &dyn PassageCutter) -> Result<u64, Error> {
        self.write("cutting books", |transaction| {
            let books = books::by_rowid(transaction, rowids)?;
            let cut: Vec<CutBook> = books.iter().flatten().filter_map(|book| CutBook::new(book, cutter).ok()).collect();
            let (_, changed) = books::put(transaction, &cut)?;
            Ok((cut.len() as u64, changed))
        })
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
