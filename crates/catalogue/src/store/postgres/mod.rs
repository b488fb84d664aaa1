//! A catalogue in a PostgreSQL database.
//!
//! - `address.rs`: a URL, as it is typed;
//! - `tls.rs`: encryption, and whom to believe;
//! - `pool.rs`: connections, transactions, and what happens when the server goes away;
//! - `failure.rs`: what is wrong, in words;
//! - `schema.rs`: the tables and their versions;
//! - `books.rs`, `embeddings.rs`, `claims.rs`, `dump.rs`, `copy.rs`, `roles.rs`, `keys.rs`: the statements; `text.rs`: what text cannot hold;
//! - `adopt/`: tables of another program in the same database.
//!
//! Writers queue at the row that holds the revision, so that whoever sees a revision sees all that came before it.

mod address;
mod adopt;
mod books;
mod changes;
mod claims;
mod copy;
mod dump;
mod embeddings;
mod failure;
mod keys;
mod pool;
mod roles;
mod schema;
mod text;
mod tls;

pub use address::PostgresAddress;
pub use adopt::{Adopted, Adoption, CopyStep, Counts, Following, ForeignTables, Undone};

use super::dump::{NextRow, TakeRow};
use super::row::{BookRow, CutBook};
use super::{
    Access, BookChange, CatalogueState, Claim, Condition, DatabaseFinding, EmbeddedPassage, FailedPassage,
    MigrationProblem, NewEmbedding, PendingPassage, PlacedEmbedding, PlacedPassage, QueueCounts, RoleChange,
    SpaceRoles, Statistics, Store, UnlessUnknown, WriteOutcome,
};
use crate::adopt::{ChangesTaken, StoredPrecision};
use crate::key::{ApiKey, KeyHash};
use crate::{Book, Error, PassageCutter};
use failure::{Failure, named};
use futures_util::StreamExt;
use pool::{Answer, OPENING_PATIENCE, Parameter, Pool, WALK_TIMEOUT, block_on};
use schema::State;
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::pin::pin;
use std::time::Duration;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};

/// The store in a PostgreSQL database.
#[derive(Debug)]
pub(super) struct PostgresStore {
    pool: Pool,
    access: Access,
    location: String,
    /// The type of the embeddings, qualified.
    vector_type: String,
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

impl PostgresStore {
    /// Connects, and for writing brings the tables up to date.
    pub fn open(address: &PostgresAddress, access: Access) -> Result<Self, Error> {
        let pool = Pool::new(address)?;
        let mut state = inspect(&pool)?;
        if access == Access::ReadWrite && is_to_migrate(&state) {
            schema::migrate(&pool)?;
            state = inspect(&pool)?;
        }
        let location = address.to_string();
        match state {
            State::Empty => Err(Error::NothingWritten { location }),
            State::Foreign => {
                Err(Error::ForeignDatabase { location, found: "a schema `libellus` of another make".to_owned() })
            }
            State::Catalogue { version, .. } if version > schema::VERSION => {
                Err(Error::NewerSchema { location, found: version, supported: schema::VERSION })
            }
            State::Catalogue { read_only: Some(reason), .. } if access == Access::ReadWrite => {
                Err(Error::ServerReadOnly { location, reason: reason.to_owned() })
            }
            State::Catalogue { version, .. } if version < schema::VERSION => {
                Err(Error::OlderSchema { location, found: version })
            }
            State::Catalogue { vector, .. } => Ok(Self { pool, access, location, vector_type: vector }),
        }
    }

    /// Whether there is a catalogue, or something else of its name.
    pub fn exists(address: &PostgresAddress) -> Result<bool, Error> {
        Ok(inspect(&Pool::new(address)?)? != State::Empty)
    }

    fn named(&self, action: &'static str) -> impl Fn(Failure) -> Error {
        move |failure| named(&self.pool.address, action, failure)
    }

    fn read<T>(&self, action: &'static str, statement: impl AsyncFn(&Client) -> Answer<T>) -> Result<T, Error> {
        self.pool.read(statement).map_err(self.named(action))
    }

    /// Runs `write` in one transaction and raises the revision if it says that it changed something.
    fn write<T>(&self, action: &'static str, write: impl AsyncFn(&Client) -> Answer<(T, Changed)>) -> Result<T, Error> {
        self.check_writable()?;
        self.pool.write(raising_revision(write)).map_err(self.named(action))
    }

    /// Runs `write` in one transaction of its own, beside other writers: for what no search shows.
    fn write_aside<T>(&self, action: &'static str, write: impl AsyncFn(&Client) -> Answer<T>) -> Result<T, Error> {
        self.check_writable()?;
        self.pool.write(write).map_err(self.named(action))
    }

    fn check_writable(&self) -> Result<(), Error> {
        match self.access {
            Access::ReadOnly => Err(Error::OpenedReadOnly { location: self.location.clone() }),
            Access::ReadWrite => Ok(()),
        }
    }

    /// Reads everything that a statement finds, row by row, on a connection of its own.
    ///
    /// One statement sees one state. A walk that is cut short is not begun anew: rows were shown already.
    fn walk(
        &self,
        action: &'static str,
        sql: &str,
        parameters: &[Parameter<'_>],
        visit: &mut dyn FnMut(&Row) -> Result<ControlFlow<()>, Error>,
    ) -> Result<(), Error> {
        let client = self.begin_apart(action, "READ ONLY")?;
        // The end of a transaction would wait for all rows that are still under way: leaving is quicker.
        if self.stream(action, &client, sql, parameters, visit)?.is_continue() {
            // A pooler would close the server's connection of a client that leaves within a transaction.
            let _ = block_on(client.batch_execute("COMMIT"));
        }
        Ok(())
    }

    /// Reads book, place and vector of what a statement finds.
    fn walk_embeddings(
        &self,
        sql: &str,
        parameters: &[Parameter<'_>],
        visit: &mut dyn FnMut(EmbeddedPassage<'_>) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let action = "reading embeddings";
        self.walk(action, sql, parameters, &mut |row| {
            let read = || Ok((row.try_get(0)?, row.try_get::<_, i32>(1)?, row.try_get::<_, Vec<f32>>(2)?));
            let (book_rowid, ordinal, vector) =
                read().map_err(|source: tokio_postgres::Error| self.named(action)(source.into()))?;
            Ok(visit(EmbeddedPassage { book_rowid, ordinal: ordinal.cast_unsigned(), vector: &vector }))
        })
    }

    /// Begins a long transaction on a connection of its own.
    fn begin_apart(&self, action: &'static str, mode: &str) -> Result<Client, Error> {
        let client = self.pool.connect_apart().map_err(self.named(action))?;
        let begin = format!("BEGIN {mode}; {}", self.pool.limits(WALK_TIMEOUT));
        block_on(client.batch_execute(&begin)).map_err(|error| self.named(action)(Failure::Library(error)))?;
        Ok(client)
    }

    /// Reads what a statement finds, row by row, inside a transaction, until there is none or `visit` breaks off.
    fn stream(
        &self,
        action: &'static str,
        client: &Client,
        sql: &str,
        parameters: &[Parameter<'_>],
        visit: &mut dyn FnMut(&Row) -> Result<ControlFlow<()>, Error>,
    ) -> Result<ControlFlow<()>, Error> {
        let library = |error| self.named(action)(Failure::Library(error));
        let parameters = parameters.iter().map(|(value, kind)| (*value, kind.clone()));
        let mut rows = pin!(block_on(client.query_typed_raw(sql, parameters)).map_err(library)?);
        while let Some(row) = block_on(rows.next()) {
            if visit(&row.map_err(library)?)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Puts rows in instead of all that is there, inside a transaction.
    fn replace_all(&self, client: &Client, replace: bool, next: NextRow<'_>) -> Result<(), Error> {
        let library = |error| self.named("restoring")(Failure::Library(error));
        let run = |sql| block_on(client.execute_typed(sql, &[])).map_err(library);
        run("SELECT FROM libellus.meta WHERE key = 'revision' FOR UPDATE")?;
        let count = block_on(client.query_typed_one("SELECT count(*) FROM libellus.books", &[])).map_err(library)?;
        let books: i64 = count.try_get(0).map_err(library)?;
        if books > 0 && !replace {
            return Err(Error::NotEmpty { location: self.location.clone(), books });
        }
        let in_use = block_on(dump::in_use(client)).map_err(library)?;
        run("DELETE FROM libellus.books")?;
        run("DELETE FROM libellus.agreements")?;
        let mut batch = dump::Batch::default();
        while let Some(row) = next()? {
            batch.push(in_use.behind(row)?)?;
            if batch.is_full() {
                block_on(batch.write(client, &self.vector_type)).map_err(library)?;
            }
        }
        block_on(batch.write(client, &self.vector_type)).map_err(library)?;
        block_on(roles::write(client, &batch.roles)).map_err(library)?;
        block_on(dump::advance(client)).map_err(library)?;
        run("UPDATE libellus.meta SET value = value + 1 WHERE key = 'revision'")?;
        block_on(client.batch_execute("COMMIT")).map_err(library)
    }

    /// A row is a book again, unless someone wrote other JSON into the table.
    fn book_from(&self, row: BookRow) -> Result<Book, Error> {
        let id = row.id.clone();
        row.into_book().map_err(|source| Error::Corrupt {
            location: self.location.clone(),
            detail: format!("the record of the book `{id}` cannot be read: {source}"),
        })
    }
}

/// Has other writers wait, runs `write`, and raises the revision if it says that it changed something.
fn raising_revision<T>(write: impl AsyncFn(&Client) -> Answer<(T, Changed)>) -> impl AsyncFn(&Client) -> Answer<T> {
    async move |client: &Client| {
        client.execute_typed("SELECT FROM libellus.meta WHERE key = 'revision' FOR UPDATE", &[]).await?;
        let (value, changed) = write(client).await?;
        if changed == Changed::Yes {
            let raise = "UPDATE libellus.meta SET value = value + 1 WHERE key = 'revision'";
            client.execute_typed(raise, &[]).await?;
        }
        Ok(value)
    }
}

fn inspect(pool: &Pool) -> Result<State, Error> {
    let inspected = pool.run(OPENING_PATIENCE, schema::inspect);
    inspected.map_err(|failure| named(&pool.address, "reading the schema", failure))
}

fn is_to_migrate(state: &State) -> bool {
    match state {
        State::Empty => true,
        State::Foreign => false,
        State::Catalogue { version, read_only, .. } => *version < schema::VERSION && read_only.is_none(),
    }
}

impl Store for PostgresStore {
    fn location(&self) -> &str {
        &self.location
    }

    fn set_busy_timeout(&self, timeout: Duration) -> Result<(), Error> {
        self.pool.set_lock_timeout(timeout);
        Ok(())
    }

    fn revision(&self) -> Result<i64, Error> {
        self.read("reading the revision", async |client| {
            client.query_typed_one("SELECT value FROM libellus.meta WHERE key = 'revision'", &[]).await?.try_get(0)
        })
    }

    fn state(&self) -> Result<CatalogueState, Error> {
        self.read("reading the revision", changes::state)
    }

    fn books_changed_since(&self, state: &CatalogueState, most: usize) -> Result<Option<Vec<i64>>, Error> {
        self.read("reading what has changed", async |client| changes::since(client, state, most).await)
    }

    fn statistics(&self, space: &str) -> Result<Statistics, Error> {
        self.read("counting", async |client| embeddings::statistics(client, space).await)
    }

    // What is committed is in the database: there is nothing to move.
    fn settle(&self) -> Result<(), Error> {
        Ok(())
    }

    fn put_books(&self, books: &[CutBook]) -> Result<WriteOutcome, Error> {
        self.write("writing books", async |client| books::put(client, books).await)
    }

    fn delete_books(&self, ids: &[&str]) -> Result<u64, Error> {
        self.write("deleting books", async |client| books::delete(client, ids).await)
    }

    fn change_book(&self, id: &str, book: Option<&CutBook>, condition: Condition<'_>) -> Result<BookChange, Error> {
        self.write("changing a book", async |client| {
            // A record that cannot be read is as good as none.
            let there = books::by_id(client, id).await?.and_then(|row| row.into_book().ok());
            if !condition(there.as_ref()) {
                return Ok((BookChange::Refused, Changed::No));
            }
            match book {
                Some(book) => {
                    let (outcome, changed) = books::put(client, std::slice::from_ref(book)).await?;
                    Ok((BookChange::of(&outcome), changed))
                }
                None => {
                    let (deleted, changed) = books::delete(client, &[id]).await?;
                    Ok((BookChange::of_deletion(deleted), changed))
                }
            }
        })
    }

    fn book(&self, id: &str) -> Result<Option<Book>, Error> {
        let row = self.read("reading a book", async |client| books::by_id(client, id).await)?;
        row.map(|row| self.book_from(row)).transpose()
    }

    fn rowid_of(&self, id: &str) -> Result<Option<i64>, Error> {
        self.read("reading a book", async |client| books::rowid_of(client, id).await)
    }

    fn books_by_rowid(&self, rowids: &[i64]) -> Result<Vec<Option<Book>>, Error> {
        let mut rows = self.read("reading books", async |client| books::by_rowid(client, rowids).await)?;
        rowids.iter().map(|rowid| rows.remove(rowid).map(|row| self.book_from(row)).transpose()).collect()
    }

    fn passage_text(&self, book_rowid: i64, ordinal: u32) -> Result<Option<String>, Error> {
        self.read("reading a passage", async |client| books::passage_text(client, book_rowid, ordinal).await)
    }

    fn each_book(&self, visit: &mut dyn FnMut(i64, Book) -> ControlFlow<()>) -> Result<(), Error> {
        let action = "reading books";
        let sql = format!("SELECT book_rowid, {} FROM libellus.books ORDER BY book_rowid", books::COLUMNS);
        self.walk(action, &sql, &[], &mut |row| {
            let read = || Ok((row.try_get(0)?, books::from_row(row, 1)?));
            let (rowid, row) = read().map_err(|source: tokio_postgres::Error| self.named(action)(source.into()))?;
            Ok(visit(rowid, self.book_from(row)?))
        })
    }

    fn book_count(&self) -> Result<u64, Error> {
        self.read("counting", books::count)
    }

    fn book_ids(&self, skipped: usize, most: usize) -> Result<Vec<String>, Error> {
        self.read("reading books", async |client| books::ids(client, skipped, most).await)
    }

    fn book_rowids(&self) -> Result<Vec<i64>, Error> {
        let (action, mut rowids) = ("reading books", Vec::new());
        self.walk(action, "SELECT book_rowid FROM libellus.books ORDER BY book_rowid", &[], &mut |row| {
            let rowid = row.try_get(0).map_err(|source: tokio_postgres::Error| self.named(action)(source.into()))?;
            rowids.push(rowid);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(rowids)
    }

    fn embeddings_of(
        &self,
        space: &str,
        book_rowids: &[i64],
        visit: &mut dyn FnMut(EmbeddedPassage<'_>) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        self.walk_embeddings(embeddings::OF, &[(&space, Type::TEXT), (&book_rowids, Type::INT8_ARRAY)], visit)
    }

    fn each_embedding(
        &self,
        space: &str,
        visit: &mut dyn FnMut(EmbeddedPassage<'_>) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        self.walk_embeddings(embeddings::EACH, &[(&space, Type::TEXT)], visit)
    }

    fn pending_passages(&self, space: &str, after: i64, limit: usize) -> Result<Vec<PendingPassage>, Error> {
        self.read("reading passages", async |client| embeddings::pending(client, space, after, limit).await)
    }

    fn put_embeddings(
        &self,
        space: &str,
        precision: &str,
        embeddings: &[NewEmbedding<'_>],
    ) -> Result<UnlessUnknown<u64>, Error> {
        self.write("writing embeddings", async |client| {
            embeddings::put(client, &self.vector_type, space, precision, embeddings).await
        })
    }

    fn each_placed_embedding(
        &self,
        space: &str,
        visit: &mut dyn FnMut(PlacedEmbedding<'_>) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let action = "reading embeddings";
        self.walk(action, embeddings::EACH_PLACED, &[(&space, Type::TEXT)], &mut |row| {
            embeddings::visit_placed(row, visit).map_err(|source| self.named(action)(source.into()))
        })
    }

    fn passages_of(&self, book_ids: &[&str]) -> Result<HashMap<String, Vec<PlacedPassage>>, Error> {
        self.read("reading passages", async |client| embeddings::passages_of(client, book_ids).await)
    }

    fn claim_passages(&self, space: &str, claim: &Claim) -> Result<UnlessUnknown<Vec<PendingPassage>>, Error> {
        self.write_aside("claiming passages", async |client| match roles::read(client).await?.instead_of(space) {
            Some(active) => Ok(Err(active)),
            None => claims::claim(client, space, claim).await.map(Ok),
        })
    }

    fn put_failures(&self, space: &str, failures: &[super::Failure]) -> Result<(), Error> {
        self.write_aside("noting failures", async |client| claims::fail(client, space, failures).await)
    }

    fn queue_counts(&self, space: &str) -> Result<QueueCounts, Error> {
        self.read("counting", async |client| claims::counts(client, space).await)
    }

    fn failed_passages(&self, space: &str, limit: usize) -> Result<Vec<FailedPassage>, Error> {
        self.read("reading failures", async |client| claims::failed(client, space, limit).await)
    }

    fn forget_failures(&self, space: &str) -> Result<u64, Error> {
        self.write_aside("forgetting failures", async |client| claims::forget(client, space).await)
    }

    fn spaces(&self) -> Result<Vec<(String, u64)>, Error> {
        self.read("reading the spaces", async |client| embeddings::spaces(client).await)
    }

    fn put_key(&self, key: &ApiKey, hash: &KeyHash) -> Result<(), Error> {
        self.write_aside("storing a key", async |client| keys::put(client, key, hash).await)
    }

    fn keys(&self) -> Result<Vec<ApiKey>, Error> {
        self.read("reading the keys", keys::all)
    }

    fn key_by_hash(&self, hash: &KeyHash) -> Result<Option<ApiKey>, Error> {
        self.read("looking for a key", async |client| keys::by_hash(client, hash).await)
    }

    fn has_keys(&self) -> Result<bool, Error> {
        self.read("looking for keys", keys::any)
    }

    fn delete_key(&self, id: &str) -> Result<bool, Error> {
        self.write_aside("deleting a key", async |client| keys::delete(client, id).await)
    }

    fn dump(&self, take: TakeRow<'_>) -> Result<(), Error> {
        let action = "reading everything";
        // All statements see the state that the first one sees.
        let client = self.begin_apart(action, "ISOLATION LEVEL REPEATABLE READ READ ONLY")?;
        let tables = block_on(dump::tables(&client)).map_err(|source| self.named(action)(source.into()))?;
        for (sql, read) in tables {
            // It always goes on: what `take` says no to is an error.
            let _ = self.stream(action, &client, &sql, &[], &mut |row| {
                take(read(row).map_err(|source| self.named(action)(source.into()))?)?;
                Ok(ControlFlow::Continue(()))
            })?;
        }
        let _ = block_on(client.batch_execute("COMMIT"));
        Ok(())
    }

    // Not begun anew when the server goes away meanwhile: what was handed over cannot be had again.
    fn restore(&self, replace: bool, next: NextRow<'_>) -> Result<(), Error> {
        self.check_writable()?;
        let client = self.begin_apart("restoring", "READ WRITE")?;
        let restored = self.replace_all(&client, replace, next);
        if restored.is_err() {
            let _ = block_on(client.batch_execute("ROLLBACK"));
        }
        restored
    }

    // The server vouches for its files, and keeps rows from losing what they belong to.
    fn faults_of_database(&self) -> Result<Vec<DatabaseFinding>, Error> {
        Ok(Vec::new())
    }

    fn delete_orphans(&self) -> Result<u64, Error> {
        Ok(0)
    }

    fn delete_embeddings(&self, keys: &[(i64, &str)]) -> Result<u64, Error> {
        self.write("deleting embeddings", async |client| embeddings::delete(client, keys).await)
    }

    fn precisions(&self, space: &str) -> Result<Vec<StoredPrecision>, Error> {
        let count = |measured| self.read("counting", async |client| adopt::precisions(client, space, measured).await);
        match count(true) {
            // A reader who was given the tables that there were before this one is not kept from `/ready`.
            Err(Error::MissingRights { .. }) => count(false),
            counted => counted,
        }
    }

    fn take_changes(&self, cutter: &dyn PassageCutter) -> Result<ChangesTaken, Error> {
        adopt::take_changes(self, cutter)
    }

    fn roles(&self) -> Result<SpaceRoles, Error> {
        self.read("reading which space is searched", async |client| roles::read(client).await)
    }

    fn change_roles(&self, change: RoleChange<'_>) -> Result<Result<SpaceRoles, MigrationProblem>, Error> {
        self.write("changing which space is searched", async |client| roles::change(client, change).await)
    }

    fn delete_before(&self, change: RoleChange<'_>, limit: u32) -> Result<u64, Error> {
        self.write("deleting embeddings", async |client| {
            Ok((roles::delete_before(client, change, limit).await?, Changed::No))
        })
    }

    fn recut_books(&self, rowids: &[i64], cutter: &dyn PassageCutter) -> Result<u64, Error> {
        self.write("cutting books", async |client| {
            let rows = books::by_rowid(client, rowids).await?;
            // A record that cannot be read is none to cut: the check tells of it.
            let books = rows.into_values().filter_map(|row| row.into_book().ok());
            let cut: Vec<CutBook> = books.filter_map(|book| CutBook::new(&book, cutter).ok()).collect();
            let (_, changed) = books::put(client, &cut).await?;
            Ok((cut.len() as u64, changed))
        })
    }
}
