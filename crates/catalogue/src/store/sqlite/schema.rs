//! The tables, and how an older file becomes a current one.
//!
//! `PRAGMA user_version` holds the number of migrations that a file has been through, `PRAGMA application_id` that it
//! is ours. A migration that was released is never edited: a change is a new one at the end.

use crate::Error;
use rusqlite::{Connection, Transaction, TransactionBehavior};

/// Marks a file as a libellus catalogue: `libl` in ASCII.
const APPLICATION_ID: i64 = 0x6c69_626c;

/// The schema that this program reads and writes.
pub(super) const VERSION: i64 = MIGRATIONS.len() as i64;

/// What leads from version n to n + 1.
///
/// 1. Lists and the extra fields of a book are JSON. What is embedded of a passage is its `context` followed by its
///    `text`; the context is kept apart, for the whole would hold every description once more. An embedding is fresh
///    while its `text_hash` is its passage's; `vector` is little-endian f32. The index answers what is fresh without
///    reading the vectors.
/// 2. Which passages a worker has in hand, and which could not be embedded: see `claims.rs`.
/// 3. What spaces are for: rows of `meta` called by the role; see `store/role.rs`.
/// 4. What was measured of embeddings that another program made: as in PostgreSQL, where they come from by snapshots.
/// 5. Which books changed at which revision: see `changes.rs`.
/// 6. Keys of the HTTP API: see `key.rs`.
const MIGRATIONS: &[&str] = &[
    "
CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO meta VALUES ('revision', 0);

CREATE TABLE books (
    book_rowid INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    title TEXT NOT NULL,
    subtitle TEXT,
    authors TEXT NOT NULL,
    isbns TEXT NOT NULL,
    publisher TEXT,
    year INTEGER,
    language TEXT,
    subjects TEXT NOT NULL,
    audience TEXT,
    description TEXT,
    extra TEXT NOT NULL
);

CREATE TABLE passages (
    passage_id INTEGER PRIMARY KEY,
    book_rowid INTEGER NOT NULL REFERENCES books ON DELETE CASCADE,
    ordinal INTEGER NOT NULL,
    text_hash BLOB NOT NULL,
    context TEXT NOT NULL,
    text TEXT NOT NULL,
    UNIQUE (book_rowid, ordinal)
);

CREATE TABLE embeddings (
    passage_id INTEGER NOT NULL REFERENCES passages ON DELETE CASCADE,
    space TEXT NOT NULL,
    precision TEXT NOT NULL,
    text_hash BLOB NOT NULL,
    vector BLOB NOT NULL,
    PRIMARY KEY (passage_id, space)
);
CREATE INDEX embeddings_freshness ON embeddings (space, passage_id, text_hash);
",
    "
CREATE TABLE claims (
    passage_id INTEGER NOT NULL REFERENCES passages ON DELETE CASCADE,
    space TEXT NOT NULL,
    text_hash BLOB NOT NULL,
    attempts INTEGER NOT NULL,
    held INTEGER NOT NULL,
    until_ms INTEGER NOT NULL,
    reason TEXT,
    PRIMARY KEY (passage_id, space)
) WITHOUT ROWID;
",
    "
ALTER TABLE meta ADD COLUMN space TEXT;
ALTER TABLE meta ADD COLUMN model TEXT;
",
    "
CREATE TABLE agreements (
    space TEXT NOT NULL,
    precision TEXT NOT NULL,
    measured TEXT NOT NULL,
    PRIMARY KEY (space, precision)
) WITHOUT ROWID;
",
    "
CREATE TABLE changed_books (
    revision INTEGER NOT NULL,
    book_rowid INTEGER NOT NULL,
    PRIMARY KEY (revision, book_rowid)
) WITHOUT ROWID;
INSERT INTO changed_books SELECT value, -1 - abs(random() / 2) FROM meta WHERE key = 'revision';
CREATE TRIGGER books_insert AFTER INSERT ON books BEGIN
    INSERT INTO changed_books SELECT value + 1, NEW.book_rowid FROM meta WHERE key = 'revision' ON CONFLICT DO NOTHING;
END;
CREATE TRIGGER books_update AFTER UPDATE ON books BEGIN
    INSERT INTO changed_books SELECT value + 1, NEW.book_rowid FROM meta WHERE key = 'revision' ON CONFLICT DO NOTHING;
END;
CREATE TRIGGER books_delete AFTER DELETE ON books BEGIN
    INSERT INTO changed_books SELECT value + 1, OLD.book_rowid FROM meta WHERE key = 'revision' ON CONFLICT DO NOTHING;
END;
CREATE TRIGGER passages_insert AFTER INSERT ON passages BEGIN
    INSERT INTO changed_books SELECT value + 1, NEW.book_rowid FROM meta WHERE key = 'revision' ON CONFLICT DO NOTHING;
END;
CREATE TRIGGER passages_update AFTER UPDATE ON passages BEGIN
    INSERT INTO changed_books SELECT value + 1, NEW.book_rowid FROM meta WHERE key = 'revision' ON CONFLICT DO NOTHING;
END;
CREATE TRIGGER passages_delete AFTER DELETE ON passages BEGIN
    INSERT INTO changed_books SELECT value + 1, OLD.book_rowid FROM meta WHERE key = 'revision' ON CONFLICT DO NOTHING;
END;
CREATE TRIGGER embeddings_insert AFTER INSERT ON embeddings BEGIN
    INSERT INTO changed_books SELECT value + 1, book_rowid FROM meta, passages WHERE key = 'revision' AND passage_id = NEW.passage_id ON CONFLICT DO NOTHING;
END;
CREATE TRIGGER embeddings_update AFTER UPDATE ON embeddings BEGIN
    INSERT INTO changed_books SELECT value + 1, book_rowid FROM meta, passages WHERE key = 'revision' AND passage_id = NEW.passage_id ON CONFLICT DO NOTHING;
END;
CREATE TRIGGER embeddings_delete AFTER DELETE ON embeddings BEGIN
    INSERT INTO changed_books SELECT value + 1, book_rowid FROM meta, passages WHERE key = 'revision' AND passage_id = OLD.passage_id ON CONFLICT DO NOTHING;
END;
",
    "
CREATE TABLE api_keys (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    scope TEXT NOT NULL,
    filter TEXT,
    created INTEGER NOT NULL,
    expires INTEGER,
    hash BLOB NOT NULL UNIQUE
) WITHOUT ROWID;
",
];

/// What a file is.
pub(super) enum State {
    /// SQLite's, without tables: a new catalogue.
    Empty,
    /// A catalogue of this version.
    Catalogue(i64),
}

/// Finds out what the file is without changing it; another program's database and a newer catalogue are errors.
///
/// All is read in one transaction: otherwise the tables that another process is just making could be seen without the
/// mark that it makes with them.
pub(super) fn inspect(connection: &Connection, location: &str) -> Result<State, Error> {
    let transaction = connection
        .unchecked_transaction()
        .map_err(|source| Error::from_sqlite(location, "reading the schema", source))?;
    inspect_snapshot(&transaction, location)
}

fn inspect_snapshot(connection: &Connection, location: &str) -> Result<State, Error> {
    let failed = |source| Error::from_sqlite(location, "reading the schema", source);
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).map_err(failed);
    let foreign = |found| Err(Error::ForeignDatabase { location: location.to_owned(), found });

    let (application_id, version) = (pragma("application_id")?, pragma("user_version")?);
    if application_id == APPLICATION_ID {
        return match version {
            found if found > VERSION => {
                Err(Error::NewerSchema { location: location.to_owned(), found, supported: VERSION })
            }
            version => Ok(State::Catalogue(version)),
        };
    }
    if application_id != 0 {
        return foreign(format!("the application id {application_id:#x}"));
    }
    let table = connection
        .query_row("SELECT name FROM sqlite_schema WHERE type = 'table' LIMIT 1", [], |row| row.get::<_, String>(0));
    match table {
        Ok(table) => foreign(format!("a table `{table}` and no mark of libellus")),
        Err(rusqlite::Error::QueryReturnedNoRows) => Ok(State::Empty),
        Err(source) => Err(failed(source)),
    }
}

/// Brings a file that was [inspected](inspect) up to date in one transaction.
///
/// The version is read again inside: of two processes that open a new file at once, the second waits and finds the
/// work done.
pub(super) fn migrate(connection: &mut Connection, location: &str) -> Result<(), Error> {
    let mut migrate = || {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let done: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
        for migration in MIGRATIONS.iter().skip(usize::try_from(done).unwrap_or(0)) {
            transaction.execute_batch(migration)?;
        }
        mark(&transaction)?;
        transaction.commit()
    };
    migrate().map_err(|source| Error::from_sqlite(location, "updating the schema", source))
}

fn mark(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", VERSION)
}
