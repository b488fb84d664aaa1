//! The store: where a catalogue is kept, and what every such place promises.
//!
//! - `role.rs`: which space is searched, and how that is changed;
//! - `claim.rs`: what a worker asks for, and what became of passages that could not be embedded;
//! - `dump.rs`: everything that a store holds, row by row;
//! - `row.rs`: a book and its passages as every store keeps them;
//! - `sqlite/`: one file, the default;
//! - `postgres/`: a database on a server.
//!
//! A store keeps the promises of [`Catalogue`], whose methods say what each does. Whatever the store, every write is
//! one transaction, and raises the *revision* if something changed that a search could show.

mod changes;
mod claim;
mod dump;
#[cfg(feature = "postgres")]
mod postgres;
mod role;
mod row;
mod sqlite;

#[cfg(feature = "postgres")]
pub use postgres::{Adopted, Adoption, CopyStep, Counts, Following, ForeignTables, PostgresAddress, Undone};

pub use changes::CatalogueState;
pub use claim::{Claim, FailedPassage, Failure, MAX_ATTEMPTS, QueueCounts};
pub use role::{MigrationProblem, ModelSpace, RoleChange, SpaceRoles};

use crate::adopt::{ChangesTaken, StoredPrecision};
use crate::key::{self, ApiKey, KeyHash, Scope};
use crate::{Book, Error, Location, PassageCutter};
pub(crate) use dump::{DumpRow, DumpedAgreement, DumpedEmbedding, DumpedPassage};
use dump::{NextRow, TakeRow};
#[cfg(feature = "postgres")]
use postgres::PostgresStore;
use row::Written;
pub(crate) use row::{BookRow, CutBook, PassageRow, text_hash};
use sqlite::SqliteStore;
use std::collections::HashMap;
use std::fmt;
use std::ops::ControlFlow;
use std::path::Path;
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
    /// Of all of these, books with more subjects or authors than there is room for in front of a passage: the model does
    /// not read the last of them. Words find them all the same.
    pub shortened: u64,
}

impl std::ops::AddAssign for WriteOutcome {
    fn add_assign(&mut self, other: Self) {
        self.added += other.added;
        self.updated += other.updated;
        self.unchanged += other.unchanged;
        self.shortened += other.shortened;
    }
}

/// What became of a change that was made under a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BookChange {
    /// The condition did not hold; nothing was changed.
    Refused,
    /// There was no such book before.
    Added,
    /// The record changed.
    Updated,
    /// It was there already, the same.
    Unchanged,
    /// It is gone.
    Deleted,
    /// There is none to delete.
    Missing,
}

/// Whether a change is to be made, given what is there.
pub type Condition<'a> = &'a (dyn Fn(Option<&Book>) -> bool + Sync);

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

/// A fresh embedding with all that tells what it belongs to, for another catalogue.
#[derive(Clone, Debug)]
pub struct PlacedEmbedding<'a> {
    /// The book.
    pub book_id: &'a str,
    /// Place among the book's passages.
    pub ordinal: u32,
    /// Hash of the text that was embedded.
    pub text_hash: [u8; 16],
    /// The precision of the model that made it.
    pub precision: &'a str,
    /// The vector.
    pub vector: &'a [f32],
}

/// A passage by its place in its book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlacedPassage {
    /// Its id in the store.
    pub passage_id: i64,
    /// Place among the book's passages.
    pub ordinal: u32,
    /// Hash of its text.
    pub text_hash: [u8; 16],
}

/// Something that is wrong with the database itself.
#[derive(Clone, Debug)]
pub(crate) struct DatabaseFinding {
    /// Whether it is a row whose book or passage is gone.
    pub is_orphan: bool,
    /// In words.
    pub words: String,
}

/// What became of something to do with a space; the one that is searched, if the other is of no use beside it.
type UnlessUnknown<T> = Result<T, ModelSpace>;

/// Embeddings that are deleted in one transaction: others write in between.
const DELETED_AT_ONCE: u32 = 10_000;

/// For what a walk over a catalogue calls: on as long as nothing failed.
pub fn unless_failed<T, E>(outcome: &Result<T, E>) -> ControlFlow<()> {
    if outcome.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
}

/// A place where a catalogue is kept. Each method keeps the promise of [`Catalogue`]'s method of the same name.
trait Store: fmt::Debug + Send + Sync {
    fn location(&self) -> &str;
    fn set_busy_timeout(&self, timeout: Duration) -> Result<(), Error>;
    fn revision(&self) -> Result<i64, Error>;
    fn state(&self) -> Result<CatalogueState, Error>;
    fn books_changed_since(&self, state: &CatalogueState, most: usize) -> Result<Option<Vec<i64>>, Error>;
    fn statistics(&self, space: &str) -> Result<Statistics, Error>;
    fn settle(&self) -> Result<(), Error>;

    fn put_books(&self, books: &[CutBook]) -> Result<WriteOutcome, Error>;
    fn delete_books(&self, ids: &[&str]) -> Result<u64, Error>;
    /// Puts a book in, or deletes the one of this id if there is none to put.
    fn change_book(&self, id: &str, book: Option<&CutBook>, condition: Condition<'_>) -> Result<BookChange, Error>;
    fn book(&self, id: &str) -> Result<Option<Book>, Error>;
    fn rowid_of(&self, id: &str) -> Result<Option<i64>, Error>;
    fn books_by_rowid(&self, rowids: &[i64]) -> Result<Vec<Option<Book>>, Error>;
    fn passage_text(&self, book_rowid: i64, ordinal: u32) -> Result<Option<String>, Error>;
    fn each_book(&self, visit: &mut dyn FnMut(i64, Book) -> ControlFlow<()>) -> Result<(), Error>;

    fn book_count(&self) -> Result<u64, Error>;
    fn book_ids(&self, skipped: usize, most: usize) -> Result<Vec<String>, Error>;
    fn book_rowids(&self) -> Result<Vec<i64>, Error>;
    fn embeddings_of(
        &self,
        space: &str,
        book_rowids: &[i64],
        visit: &mut dyn FnMut(EmbeddedPassage<'_>) -> ControlFlow<()>,
    ) -> Result<(), Error>;
    fn each_embedding(
        &self,
        space: &str,
        visit: &mut dyn FnMut(EmbeddedPassage<'_>) -> ControlFlow<()>,
    ) -> Result<(), Error>;
    fn pending_passages(&self, space: &str, after: i64, limit: usize) -> Result<Vec<PendingPassage>, Error>;
    fn put_embeddings(
        &self,
        space: &str,
        precision: &str,
        embeddings: &[NewEmbedding<'_>],
    ) -> Result<UnlessUnknown<u64>, Error>;
    fn each_placed_embedding(
        &self,
        space: &str,
        visit: &mut dyn FnMut(PlacedEmbedding<'_>) -> ControlFlow<()>,
    ) -> Result<(), Error>;
    fn passages_of(&self, book_ids: &[&str]) -> Result<HashMap<String, Vec<PlacedPassage>>, Error>;
    fn claim_passages(&self, space: &str, claim: &Claim) -> Result<UnlessUnknown<Vec<PendingPassage>>, Error>;
    fn put_failures(&self, space: &str, failures: &[Failure]) -> Result<(), Error>;
    fn queue_counts(&self, space: &str) -> Result<QueueCounts, Error>;
    fn failed_passages(&self, space: &str, limit: usize) -> Result<Vec<FailedPassage>, Error>;
    fn forget_failures(&self, space: &str) -> Result<u64, Error>;
    fn spaces(&self) -> Result<Vec<(String, u64)>, Error>;
    fn precisions(&self, space: &str) -> Result<Vec<StoredPrecision>, Error>;
    fn roles(&self) -> Result<SpaceRoles, Error>;
    fn change_roles(&self, change: RoleChange<'_>) -> Result<Result<SpaceRoles, MigrationProblem>, Error>;
    /// Deletes up to `limit` of the embeddings that go with a change, which is still to be made; returns how many.
    fn delete_before(&self, change: RoleChange<'_>, limit: u32) -> Result<u64, Error>;
    /// Cuts books into passages again, under the lock of writers; returns how many.
    fn recut_books(&self, rowids: &[i64], cutter: &dyn PassageCutter) -> Result<u64, Error>;

    fn put_key(&self, key: &ApiKey, hash: &KeyHash) -> Result<(), Error>;
    fn keys(&self) -> Result<Vec<ApiKey>, Error>;
    fn key_by_hash(&self, hash: &KeyHash) -> Result<Option<ApiKey>, Error>;
    fn has_keys(&self) -> Result<bool, Error>;
    fn delete_key(&self, id: &str) -> Result<bool, Error>;

    fn dump(&self, take: TakeRow<'_>) -> Result<(), Error>;
    fn restore(&self, replace: bool, next: NextRow<'_>) -> Result<(), Error>;
    fn faults_of_database(&self) -> Result<Vec<DatabaseFinding>, Error>;
    fn delete_orphans(&self) -> Result<u64, Error>;
    fn delete_embeddings(&self, keys: &[(i64, &str)]) -> Result<u64, Error>;

    /// Only a table of a database can be adopted.
    fn take_changes(&self, _cutter: &dyn PassageCutter) -> Result<ChangesTaken, Error> {
        Ok(ChangesTaken::default())
    }
}

/// A catalogue of books. Shared freely between threads.
///
/// Walks over the whole catalogue ([`Catalogue::each_book`], [`Catalogue::each_embedding`]) read one consistent state on
/// a connection of their own, so that they hold up nobody; only a catalogue [in memory](Catalogue::in_memory), which has
/// a single connection, is locked while they run, and must not be called from inside them.
#[derive(Debug)]
pub struct Catalogue {
    store: Box<AnyStore>,
}

/// Where there is a choice of stores, any of them; else the one that there is, so that what nobody calls of it is not in
/// the executable.
#[cfg(feature = "postgres")]
type AnyStore = dyn Store;
#[cfg(not(feature = "postgres"))]
type AnyStore = SqliteStore;

impl Catalogue {
    /// Opens a file, bringing its schema up to date.
    ///
    /// # Errors
    /// [`Error::IsDirectory`], [`Error::ParentMissing`], [`Error::NotFound`], [`Error::NothingWritten`],
    /// [`Error::ReadOnly`], [`Error::NotADatabase`], [`Error::ForeignDatabase`], [`Error::NewerSchema`],
    /// [`Error::OlderSchema`], [`Error::UnfinishedChanges`], [`Error::Locked`], [`Error::DiskFull`],
    /// [`Error::Corrupt`]; what the file held is untouched by all of them.
    pub fn open(path: &Path, access: Access) -> Result<Self, Error> {
        Ok(Self { store: Box::new(SqliteStore::open(path, access)?) })
    }

    /// Opens a catalogue wherever it is, bringing its schema up to date if it may be written.
    ///
    /// # Errors
    /// For a file those of [`Catalogue::open`]. For a database what keeps it from being reached
    /// ([`Error::UnknownHost`], [`Error::Unreachable`] after some patience, [`Error::Certificates`],
    /// [`Error::Encryption`], [`Error::AccessRefused`], [`Error::NoSuchDatabase`]) or used ([`Error::NothingWritten`],
    /// [`Error::MissingRights`], [`Error::ServerReadOnly`], [`Error::ForeignDatabase`], [`Error::NewerSchema`],
    /// [`Error::OlderSchema`]).
    pub fn open_at(location: &Location, access: Access) -> Result<Self, Error> {
        match location {
            Location::Sqlite(path) => Self::open(path, access),
            #[cfg(feature = "postgres")]
            Location::Postgres(address) => Ok(Self { store: Box::new(PostgresStore::open(address, access)?) }),
        }
    }

    /// Whether there is a catalogue, or at least something that [opening](Catalogue::open_at) would have a word about.
    ///
    /// # Errors
    /// Those of connecting to a database server.
    pub fn exists_at(location: &Location) -> Result<bool, Error> {
        match location {
            Location::Sqlite(path) => Ok(path.exists()),
            #[cfg(feature = "postgres")]
            Location::Postgres(address) => PostgresStore::exists(address),
        }
    }

    /// A catalogue that lives in memory, for evaluation and tests.
    ///
    /// # Errors
    /// [`Error::Database`] if SQLite cannot be set up.
    pub fn in_memory() -> Result<Self, Error> {
        Ok(Self { store: Box::new(SqliteStore::in_memory()?) })
    }

    /// Where it is, for messages.
    #[must_use]
    pub fn location(&self) -> &str {
        self.store.location()
    }

    /// Sets how long an operation waits for another process's write before it gives up with [`Error::Locked`]; ten
    /// seconds unless set.
    ///
    /// # Errors
    /// [`Error::Database`], in theory.
    pub fn set_busy_timeout(&self, timeout: Duration) -> Result<(), Error> {
        self.store.set_busy_timeout(timeout)
    }

    /// A number that grows with every change of books, passages or embeddings, by this process or another.
    ///
    /// # Errors
    /// Those of reading: [`Error::Locked`], [`Error::Corrupt`], [`Error::Database`].
    pub fn revision(&self) -> Result<i64, Error> {
        self.store.revision()
    }

    /// What to remember for [`Catalogue::books_changed_since`]. What is read of the catalogue afterwards is of this state
    /// or a later one.
    ///
    /// # Errors
    /// As [`Catalogue::revision`].
    pub fn state(&self) -> Result<CatalogueState, Error> {
        self.store.state()
    }

    /// The row ids of the books of which something has changed since a state: the record, its passages, or their
    /// embeddings in any space. They ascend; those of books that are gone are among them, and some may be of books that
    /// are as they were.
    ///
    /// `None` if more than `most` changed, or that is not known: if the state is more than a thousand changes old, or not
    /// one that this catalogue has been in.
    ///
    /// # Errors
    /// As [`Catalogue::revision`].
    pub fn books_changed_since(&self, state: &CatalogueState, most: usize) -> Result<Option<Vec<i64>>, Error> {
        self.store.books_changed_since(state, most)
    }

    /// Counts, with `embedded` for `space`.
    ///
    /// # Errors
    /// As [`Catalogue::revision`].
    pub fn statistics(&self, space: &str) -> Result<Statistics, Error> {
        self.store.statistics(space)
    }

    /// Leaves everything where a copy of the store finds it: an SQLite file alone then holds all that was written.
    ///
    /// When another process reads or writes just now, that is left for another time, and is no error: nothing is lost
    /// by it.
    ///
    /// # Errors
    /// [`Error::DiskFull`], [`Error::Corrupt`], [`Error::Database`]; what was committed is safe.
    pub fn settle(&self) -> Result<(), Error> {
        self.store.settle()
    }

    /// Adds or updates books by id, cut into passages, in one transaction.
    ///
    /// A passage whose text did not change keeps its embedding.
    ///
    /// # Errors
    /// [`Error::OpenedReadOnly`], [`Error::Locked`], [`Error::DiskFull`], [`Error::ReadOnly`], [`Error::Corrupt`]:
    /// then none of `books` is written.
    pub fn put_books(&self, books: &[Book], cutter: &dyn PassageCutter) -> Result<WriteOutcome, Error> {
        // Before the transaction, which should hold other writers up for as short as possible.
        let books = books.iter().map(|book| CutBook::new(book, cutter)).collect::<Result<Vec<_>, _>>();
        let books = books.map_err(|source| self.not_json(&source))?;
        let shortened = books.iter().filter(|book| book.is_shortened).count() as u64;
        Ok(WriteOutcome { shortened, ..self.store.put_books(&books)? })
    }

    /// Deletes books, with their passages and embeddings, in one transaction; returns how many were there.
    ///
    /// # Errors
    /// As [`Catalogue::put_books`]; then none is deleted.
    pub fn delete_books(&self, ids: &[&str]) -> Result<u64, Error> {
        self.store.delete_books(ids)
    }

    /// Adds or updates a book as [`Catalogue::put_books`] does, if a condition holds for what is there under its id. Both are
    /// one transaction: nobody changes the book in between.
    ///
    /// # Errors
    /// As [`Catalogue::put_books`].
    pub fn put_book_if(
        &self,
        book: &Book,
        cutter: &dyn PassageCutter,
        condition: Condition<'_>,
    ) -> Result<BookChange, Error> {
        let cut = CutBook::new(book, cutter).map_err(|source| self.not_json(&source))?;
        self.store.change_book(&book.id, Some(&cut), condition)
    }

    /// Deletes a book in the same way.
    ///
    /// # Errors
    /// As [`Catalogue::put_books`].
    pub fn delete_book_if(&self, id: &str, condition: Condition<'_>) -> Result<BookChange, Error> {
        self.store.change_book(id, None, condition)
    }

    /// The book with this id.
    ///
    /// # Errors
    /// As [`Catalogue::revision`].
    pub fn book(&self, id: &str) -> Result<Option<Book>, Error> {
        self.store.book(id)
    }

    /// The row id of the book with this id.
    ///
    /// # Errors
    /// As [`Catalogue::revision`].
    pub fn rowid_of(&self, id: &str) -> Result<Option<i64>, Error> {
        self.store.rowid_of(id)
    }

    /// Books by row id, in the order asked; a book deleted meanwhile is `None`.
    ///
    /// # Errors
    /// As [`Catalogue::revision`].
    pub fn books_by_rowid(&self, rowids: &[i64]) -> Result<Vec<Option<Book>>, Error> {
        self.store.books_by_rowid(rowids)
    }

    /// The shown text of a passage: its piece of the description or, if the book has none, what was embedded instead.
    ///
    /// # Errors
    /// As [`Catalogue::revision`].
    pub fn passage_text(&self, book_rowid: i64, ordinal: u32) -> Result<Option<String>, Error> {
        self.store.passage_text(book_rowid, ordinal)
    }

    /// Calls `visit` with the row id and record of every book, in order of row ids, until there is none or it breaks off.
    ///
    /// # Errors
    /// As [`Catalogue::revision`], and those of [`Catalogue::open`].
    pub fn each_book(&self, visit: &mut dyn FnMut(i64, Book) -> ControlFlow<()>) -> Result<(), Error> {
        self.store.each_book(visit)
    }

    /// Calls `visit` with every passage that has a fresh embedding in `space`, ordered by book and place, until there is
    /// none or it breaks off.
    ///
    /// # Errors
    /// As [`Catalogue::revision`], and those of [`Catalogue::open`].
    pub fn each_embedding(
        &self,
        space: &str,
        visit: &mut dyn FnMut(EmbeddedPassage<'_>) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        self.store.each_embedding(space, visit)
    }

    /// How many books there are.
    ///
    /// # Errors
    /// As [`Catalogue::revision`].
    pub fn book_count(&self) -> Result<u64, Error> {
        self.store.book_count()
    }

    /// The ids of up to `most` books behind the first `skipped`, in order of row ids. Nothing else of the books is read.
    ///
    /// # Errors
    /// As [`Catalogue::each_embedding`].
    pub fn book_ids(&self, skipped: usize, most: usize) -> Result<Vec<String>, Error> {
        self.store.book_ids(skipped, most)
    }

    /// The row ids of all books, ascending.
    ///
    /// # Errors
    /// As [`Catalogue::each_embedding`].
    pub fn book_rowids(&self) -> Result<Vec<i64>, Error> {
        self.store.book_rowids()
    }

    /// As [`Catalogue::each_embedding`], of some books only, whose row ids ascend.
    ///
    /// # Errors
    /// As [`Catalogue::revision`].
    pub fn embeddings_of(
        &self,
        space: &str,
        book_rowids: &[i64],
        visit: &mut dyn FnMut(EmbeddedPassage<'_>) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        self.store.embeddings_of(space, book_rowids, visit)
    }

    /// Up to `limit` passages after `after` (a passage id, 0 to begin) without a fresh embedding in `space`.
    ///
    /// # Errors
    /// As [`Catalogue::revision`].
    pub fn pending_passages(&self, space: &str, after: i64, limit: usize) -> Result<Vec<PendingPassage>, Error> {
        self.store.pending_passages(space, after, limit)
    }

    /// Stores embeddings in one transaction. One whose passage is gone or was changed meanwhile is left out;
    /// returns how many were stored.
    ///
    /// # Errors
    /// [`Error::UnknownSpace`] if the catalogue was migrated, and the space has no role in it (any more); as
    /// [`Catalogue::put_books`]. Then none is stored.
    pub fn put_embeddings(&self, space: &str, precision: &str, embeddings: &[NewEmbedding<'_>]) -> Result<u64, Error> {
        self.store.put_embeddings(space, precision, embeddings)?.map_err(|active| self.unknown(space, active))
    }

    /// Calls `visit` with every fresh embedding in `space`, ordered by book and place, for another catalogue, until there
    /// is none or it breaks off.
    ///
    /// # Errors
    /// As [`Catalogue::each_embedding`].
    pub fn each_placed_embedding(
        &self,
        space: &str,
        visit: &mut dyn FnMut(PlacedEmbedding<'_>) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        self.store.each_placed_embedding(space, visit)
    }

    /// The passages of these books, in order; a book that is not there is left out.
    ///
    /// # Errors
    /// As [`Catalogue::revision`].
    pub fn passages_of(&self, book_ids: &[&str]) -> Result<HashMap<String, Vec<PlacedPassage>>, Error> {
        self.store.passages_of(book_ids)
    }

    /// Claims passages for one worker: nobody else is given them until the lease ends or they are dealt with. The claim
    /// is committed at once, so that nothing is held open while the worker embeds.
    ///
    /// # Errors
    /// As [`Catalogue::put_embeddings`]; then none is claimed.
    pub fn claim_passages(&self, space: &str, claim: &Claim) -> Result<Vec<PendingPassage>, Error> {
        self.store.claim_passages(space, claim)?.map_err(|active| self.unknown(space, active))
    }

    /// Notes why claimed passages could not be embedded. Each is tried again after a pause that doubles with every
    /// attempt, and no more after [`MAX_ATTEMPTS`], unless its text changes.
    ///
    /// # Errors
    /// As [`Catalogue::put_books`].
    pub fn put_failures(&self, space: &str, failures: &[Failure]) -> Result<(), Error> {
        self.store.put_failures(space, failures)
    }

    /// Passages in the hands of workers, and those that failed.
    ///
    /// # Errors
    /// As [`Catalogue::revision`].
    pub fn queue_counts(&self, space: &str) -> Result<QueueCounts, Error> {
        self.store.queue_counts(space)
    }

    /// Up to `limit` passages that could not be embedded, in order.
    ///
    /// # Errors
    /// As [`Catalogue::revision`].
    pub fn failed_passages(&self, space: &str, limit: usize) -> Result<Vec<FailedPassage>, Error> {
        self.store.failed_passages(space, limit)
    }

    /// Forgets all failures, so that the passages are tried as if for the first time; returns how many.
    ///
    /// # Errors
    /// As [`Catalogue::put_books`].
    pub fn forget_failures(&self, space: &str) -> Result<u64, Error> {
        self.store.forget_failures(space)
    }

    /// The spaces that stored embeddings lie in, with the count of each.
    ///
    /// # Errors
    /// As [`Catalogue::revision`].
    pub fn spaces(&self) -> Result<Vec<(String, u64)>, Error> {
        self.store.spaces()
    }

    /// Makes a key of the HTTP API and gives it with what is kept of it: nobody can show it again.
    ///
    /// # Errors
    /// [`Error::Random`] if the system has no random bytes; as [`Catalogue::put_books`].
    pub fn create_key(
        &self,
        name: &str,
        scope: Scope,
        filter: Option<&str>,
        expires: Option<i64>,
    ) -> Result<(String, ApiKey), Error> {
        let (key, kept, hash) = key::make(name, scope, filter, expires).map_err(|source| Error::Random { source })?;
        self.store.put_key(&kept, &hash)?;
        Ok((key, kept))
    }

    /// The keys of the HTTP API, the oldest first and those of one second by their ids; those that are not good any more are
    /// among them.
    ///
    /// # Errors
    /// As [`Catalogue::revision`].
    pub fn keys(&self) -> Result<Vec<ApiKey>, Error> {
        self.store.keys()
    }

    /// What is kept of this key, if it is one and still good.
    ///
    /// # Errors
    /// As [`Catalogue::revision`].
    pub fn find_key(&self, key: &str) -> Result<Option<ApiKey>, Error> {
        let Some(hash) = key::hash_of(key) else { return Ok(None) };
        Ok(self.store.key_by_hash(&hash)?.filter(|key| !key.is_expired()))
    }

    /// Whether there is any key, good or not.
    ///
    /// # Errors
    /// As [`Catalogue::revision`].
    pub fn has_keys(&self) -> Result<bool, Error> {
        self.store.has_keys()
    }

    /// Deletes a key by its id, which ends to be good at once; says whether there was one.
    ///
    /// # Errors
    /// As [`Catalogue::put_books`].
    pub fn revoke_key(&self, id: &str) -> Result<bool, Error> {
        self.store.delete_key(id)
    }

    /// Hands over every row as of one moment.
    ///
    /// # Errors
    /// As [`Catalogue::each_book`], and what `take` fails with.
    pub(crate) fn dump(&self, take: TakeRow<'_>) -> Result<(), Error> {
        self.store.dump(take)
    }

    /// Puts rows in instead of all that is there, in one transaction.
    ///
    /// # Errors
    /// [`Error::NotEmpty`], those of [`Catalogue::put_books`], and what `next` fails with; then nothing is changed.
    pub(crate) fn restore(&self, replace: bool, next: NextRow<'_>) -> Result<(), Error> {
        self.store.restore(replace, next)
    }

    /// What the database's own check of itself finds.
    pub(crate) fn faults_of_database(&self) -> Result<Vec<DatabaseFinding>, Error> {
        self.store.faults_of_database()
    }

    /// Deletes rows whose book or passage is gone; returns how many.
    pub(crate) fn delete_orphans(&self) -> Result<u64, Error> {
        self.store.delete_orphans()
    }

    /// Deletes embeddings, by passage and space; returns how many.
    pub(crate) fn delete_embeddings(&self, keys: &[(i64, &str)]) -> Result<u64, Error> {
        self.store.delete_embeddings(keys)
    }

    /// The embeddings in `space` by the precision of the models that made them, with what `libellus adopt` measured of
    /// those that it kept of another program's.
    ///
    /// # Errors
    /// As [`Catalogue::revision`].
    pub fn precisions(&self, space: &str) -> Result<Vec<StoredPrecision>, Error> {
        self.store.precisions(space)
    }

    /// Deals with changes in a table that was adopted and is followed, in one transaction: rows that changed are read
    /// again, and become books as they are now. An empty account says that no change waits.
    ///
    /// # Errors
    /// As [`Catalogue::put_books`], and what keeps the table from being read; then the changes wait on.
    pub fn take_changes(&self, cutter: &dyn PassageCutter) -> Result<ChangesTaken, Error> {
        self.store.take_changes(cutter)
    }

    /// Which space is searched, which is being filled, and which was searched before; nothing if the catalogue was never
    /// migrated.
    ///
    /// # Errors
    /// As [`Catalogue::revision`].
    pub fn roles(&self) -> Result<SpaceRoles, Error> {
        self.store.roles()
    }

    /// Changes what spaces are for, in one transaction. The embeddings of a space that is dropped go before, some at a
    /// time, so that nobody has to wait long; if that is broken off, the next call goes on with it.
    ///
    /// # Errors
    /// [`Error::Migration`] if that cannot be now; those of [`Catalogue::put_books`]. Then no role is changed.
    pub fn change_roles(&self, change: RoleChange<'_>) -> Result<SpaceRoles, Error> {
        if let RoleChange::DropOld | RoleChange::Abandon = change {
            while self.store.delete_before(change, DELETED_AT_ONCE)? == u64::from(DELETED_AT_ONCE) {}
        }
        self.store
            .change_roles(change)?
            .map_err(|problem| Error::Migration { location: self.location().to_owned(), problem: Box::new(problem) })
    }

    /// Cuts books into passages again; returns how many there were. What others change meanwhile is not undone by it.
    pub(crate) fn recut_books(&self, rowids: &[i64], cutter: &dyn PassageCutter) -> Result<u64, Error> {
        self.store.recut_books(rowids, cutter)
    }

    fn unknown(&self, space: &str, active: ModelSpace) -> Error {
        Error::UnknownSpace { location: self.location().to_owned(), space: space.to_owned(), active: Box::new(active) }
    }

    /// Fields of strings and of values that were read as JSON are always JSON again, so this is our own bug.
    fn not_json(&self, source: &serde_json::Error) -> Error {
        Error::Corrupt { location: self.location().to_owned(), detail: source.to_string() }
    }
}

impl BookChange {
    /// What one book came to.
    fn of(outcome: &WriteOutcome) -> Self {
        match outcome {
            WriteOutcome { added: 1.., .. } => BookChange::Added,
            WriteOutcome { updated: 1.., .. } => BookChange::Updated,
            _ => BookChange::Unchanged,
        }
    }

    fn of_deletion(deleted: u64) -> Self {
        if deleted > 0 { BookChange::Deleted } else { BookChange::Missing }
    }
}

impl WriteOutcome {
    fn count(&mut self, written: Written) {
        match written {
            Written::Added => self.added += 1,
            Written::Updated => self.updated += 1,
            Written::Unchanged => self.unchanged += 1,
        }
    }
}
