//! What can go wrong with a catalogue: each error says what happened, where, and what to do.
//!
//! SQLite's codes become our own variants in [`Error::from_sqlite`], the only place that knows them; PostgreSQL's in
//! `store/postgres/failure.rs`.

use rusqlite::ErrorCode;
use rusqlite::ffi;
use std::{fmt, io};

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Which space is searched cannot be changed so.
    #[error("`{location}` cannot be migrated so: {problem}")]
    Migration {
        /// The catalogue.
        location: String,
        /// What is in the way.
        problem: Box<crate::MigrationProblem>,
    },
    /// Embeddings in a space that is neither searched nor is to be.
    #[error(
        "`{location}` is searched by {active}, and keeps no embeddings in the space {space}; give `--model {}`, or begin \
         another set with `libellus migrate --to MODEL`", active.model
    )]
    UnknownSpace {
        /// The catalogue.
        location: String,
        /// The space.
        space: String,
        /// What is searched.
        active: Box<crate::ModelSpace>,
    },
    /// A location has a scheme of another kind of database.
    #[error(
        "`{scheme}:` databases are not known; give a file, `sqlite:FILE`, or `postgresql://USER:PASSWORD@HOST/DATABASE`"
    )]
    UnknownScheme {
        /// The scheme.
        scheme: String,
    },
    /// A PostgreSQL database, for a build without the feature `postgres`.
    #[error("this libellus was built without PostgreSQL; use the standard executable, or a file")]
    WithoutPostgres,
    /// A location means no file.
    #[error("`{location}` does not name a file, and a catalogue that outlives the command needs one")]
    NotAFile {
        /// What was given.
        location: String,
    },
    /// A PostgreSQL URL cannot be read. It is not shown: it may hold a password.
    #[error(
        "cannot read the address of the PostgreSQL database: {reason}; it looks like \
         `postgresql://USER:PASSWORD@HOST:5432/DATABASE`, and characters such as @ : / % in a password are written \
         %40 %3A %2F %25"
    )]
    BadAddress {
        /// What is wrong.
        reason: String,
    },
    /// The path is a directory.
    #[error("`{location}` is a directory, not a catalogue; name a file in it, e.g. `{location}/libellus.db`")]
    IsDirectory {
        /// The path.
        location: String,
    },
    /// The file's directory does not exist.
    #[error("cannot make `{location}`: its directory `{parent}` does not exist; make it first, or name another file")]
    ParentMissing {
        /// The path.
        location: String,
        /// The directory.
        parent: String,
    },
    /// Asked to read a file that is not there.
    #[error(
        "there is no catalogue at `{location}`; check the path, or make one with `libellus import FILE --db {location}`"
    )]
    NotFound {
        /// The path.
        location: String,
    },
    /// The file is there, but nothing was ever written to it.
    #[error("the catalogue `{location}` is empty; load books with `libellus import FILE --db {location}`")]
    NothingWritten {
        /// The path.
        location: String,
    },
    /// The file, its directory or the file system does not let us write.
    #[error(
        "cannot write to the catalogue `{location}`: it, its directory or its file system is read-only for this user; \
         grant write access to the file and its directory, or copy the catalogue elsewhere (searching needs no write access)"
    )]
    ReadOnly {
        /// The path.
        location: String,
        /// What the system said.
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// This handle was opened for reading.
    #[error("the catalogue `{location}` was opened for reading only; open it for writing to change it")]
    OpenedReadOnly {
        /// The path.
        location: String,
    },
    /// The file may not be read.
    #[error("cannot read the catalogue `{location}`; check its permissions, and those of its directory")]
    Unreadable {
        /// The path.
        location: String,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not SQLite's.
    #[error("`{location}` is not a catalogue (not an SQLite database); nothing was changed, name another file")]
    NotADatabase {
        /// The path.
        location: String,
    },
    /// The file is SQLite's, but another program's.
    #[error("`{location}` is another program's database (it holds {found}); nothing was changed, name another file")]
    ForeignDatabase {
        /// The path.
        location: String,
        /// What gave it away.
        found: String,
    },
    /// The file was written by a newer libellus.
    #[error(
        "the catalogue `{location}` has schema {found}, but this libellus knows schemas up to {supported}; \
         update libellus, or import the books into a new file"
    )]
    NewerSchema {
        /// The path.
        location: String,
        /// Its schema.
        found: i64,
        /// Our schema.
        supported: i64,
    },
    /// The file was written by an older libellus and cannot be brought up to date, because it is being read only.
    #[error(
        "the catalogue `{location}` has the older schema {found}, and reading alone cannot update it; \
         open it once for writing, e.g. with `libellus backfill --db {location}`"
    )]
    OlderSchema {
        /// The path.
        location: String,
        /// Its schema.
        found: i64,
    },
    /// A read-only directory holds a catalogue whose last changes are still in the write-ahead log.
    #[error(
        "the catalogue `{location}` was not closed cleanly: its last changes are in `{location}-wal`, and taking them \
         over needs write access to the directory; open it once where it may be written, or copy all its files there"
    )]
    UnfinishedChanges {
        /// The path.
        location: String,
        /// What the database said.
        source: DatabaseFault,
    },
    /// Another process held the lock for longer than we wait.
    #[error(
        "the catalogue `{location}` is locked by another process, and {action} waited in vain; \
         nothing was lost: let the other import or backfill finish, or stop it, and try again"
    )]
    Locked {
        /// The path.
        location: String,
        /// What we were doing.
        action: &'static str,
        /// What the database said.
        source: DatabaseFault,
    },
    /// The system has no random bytes.
    #[error("this system gives no random bytes to make a key of")]
    Random {
        /// What it said.
        source: getrandom::Error,
    },
    /// The disk is full, or would not take the write.
    #[error(
        "cannot write to the catalogue `{location}`: the disk is full, or failing; nothing was lost: what was committed \
         before is kept, the batch being written was undone; free some space and run the command again"
    )]
    DiskFull {
        /// The path.
        location: String,
        /// What the database said.
        source: DatabaseFault,
    },
    /// The file is damaged.
    #[error(
        "the catalogue `{location}` is damaged ({detail}); restore it from a backup, or import the books into a new file"
    )]
    Corrupt {
        /// The path.
        location: String,
        /// What does not fit.
        detail: String,
    },
    /// Any other failure of the database.
    #[error("{action} failed in the catalogue `{location}`; the cause below comes from the database")]
    Database {
        /// The path.
        location: String,
        /// What we were doing.
        action: &'static str,
        /// What the database said.
        source: DatabaseFault,
    },
    /// A database server's name means nothing.
    #[error("the host of `{location}` is not known; check its name in the address, and this machine's name servers")]
    UnknownHost {
        /// The address.
        location: String,
        /// What the system said.
        source: DatabaseFault,
    },
    /// A database server does not answer.
    #[error(
        "cannot reach the PostgreSQL server of `{location}`; check host and port in the address, that the server \
         runs, and that no firewall is in between"
    )]
    Unreachable {
        /// The address.
        location: String,
        /// What the system said.
        source: DatabaseFault,
    },
    /// A database server and we do not agree on encryption.
    #[error(
        "cannot agree on encryption with the PostgreSQL server of `{location}`; check `sslmode` in the address, and \
         `sslrootcert` if the server's certificate is signed by an authority of your own"
    )]
    Encryption {
        /// The address.
        location: String,
        /// What is wrong.
        source: DatabaseFault,
    },
    /// No certificates to check a database server's with.
    #[error(
        "cannot use the certificates of {place}: {detail}; name a file of them with `sslrootcert` in the address, or \
         with SSL_CERT_FILE"
    )]
    Certificates {
        /// Where they should be.
        place: String,
        /// What is wrong with them.
        detail: String,
    },
    /// A database server does not let us in.
    #[error(
        "the PostgreSQL server of `{location}` refused the role `{role}`; check user and password in the address, and \
         the server's pg_hba.conf"
    )]
    AccessRefused {
        /// The address.
        location: String,
        /// Who asked.
        role: String,
        /// What the server said.
        source: DatabaseFault,
    },
    /// A database server has no such database.
    #[error(
        "there is no database `{database}` at `{location}`; make it with `CREATE DATABASE \"{database}\"`, or name \
         another in the address"
    )]
    NoSuchDatabase {
        /// The address.
        location: String,
        /// The database.
        database: String,
        /// What the server said.
        source: DatabaseFault,
    },
    /// The role may not do what is needed.
    #[error("{action} is not allowed to this role in `{location}`; let its owner run {grant}")]
    MissingRights {
        /// The address.
        location: String,
        /// What we were doing.
        action: &'static str,
        /// What would allow it.
        grant: String,
        /// What the server said.
        source: DatabaseFault,
    },
    /// The server, or what the role may do, allows reading only.
    #[error("cannot write to the catalogue `{location}`: {reason} (searching needs no write access)")]
    ServerReadOnly {
        /// The address.
        location: String,
        /// Why, and what to do.
        reason: String,
    },
    /// Only tables of a PostgreSQL database can be adopted.
    #[error(
        "`{location}` is a file, and only tables of a PostgreSQL database can be adopted; name one, as in \
         `postgresql://USER:PASSWORD@HOST/DATABASE`, or load an export of the books with `libellus import FILE`"
    )]
    NothingToAdopt {
        /// The path.
        location: String,
    },
    /// There is no such table to adopt.
    #[error("{wanted} in `{location}`; name one of its tables with {option}: {found}")]
    NoSuchTable {
        /// The address.
        location: String,
        /// What was looked for.
        wanted: String,
        /// The tables there are.
        found: String,
        /// The option that names one.
        option: &'static str,
    },
    /// Several tables could be meant.
    #[error("several tables in `{location}` could be meant; name one of them with {option}: {found}")]
    SeveralTables {
        /// The address.
        location: String,
        /// The tables.
        found: String,
        /// The option that names one.
        option: &'static str,
    },
    /// A table cannot be adopted, or not in the way that was asked.
    #[error("cannot adopt `{table}`: {reason}")]
    Unadoptable {
        /// The table.
        table: String,
        /// Why, and what to do.
        reason: String,
    },
    /// An adopted table has changed its columns.
    #[error(
        "the columns of the table `{table}` in `{location}` are not those that were adopted, or it is gone; adopt it as \
         it is now with `libellus adopt --sync --books {table}` (and --key and --column, if they were given before), or \
         forget it with `libellus adopt --undo`; nothing was lost: what changed meanwhile waits"
    )]
    TableChanged {
        /// The address.
        location: String,
        /// The table.
        table: String,
        /// What the database said.
        source: DatabaseFault,
    },
    /// What was adopted here is noted in another form than ours.
    #[error(
        "what was adopted in `{location}` is noted in a form that this libellus does not know; nothing was changed: \
         update libellus, or undo the adoption with `libellus adopt --undo`, and adopt anew"
    )]
    UnknownAdoption {
        /// The address.
        location: String,
        /// What cannot be read.
        source: serde_json::Error,
    },
    /// Nothing was adopted here.
    #[error("no table was adopted in `{location}`; `libellus adopt` shows what there is to adopt")]
    NotAdopted {
        /// The address.
        location: String,
    },
    /// The threads for a database's connections cannot be started.
    #[error("cannot start the threads for `{location}`; the limits on processes and open files may be too low")]
    Threads {
        /// The address.
        location: String,
        /// What the system said.
        source: io::Error,
    },
    /// A restore would be into a catalogue that is used.
    #[error(
        "the catalogue `{location}` has {books} books already; restore into a new one, or replace them with `--replace`"
    )]
    NotEmpty {
        /// The path or address.
        location: String,
        /// How many.
        books: i64,
    },
    /// A snapshot that is none, or not whole.
    #[error("cannot restore `{name}`: {reason}; nothing was changed")]
    Snapshot {
        /// The file.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A file that cannot be written.
    #[error("cannot write `{name}`")]
    Output {
        /// The file.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// An import's input is a directory.
    #[error("`{name}` is a directory; give a file, e.g. CSV, JSONL or MARC")]
    InputIsDirectory {
        /// The input.
        name: String,
    },
    /// An import's input cannot be read.
    #[error(
        "cannot read `{name}` (at byte {offset}); records committed before are kept, so the import can be run again"
    )]
    Input {
        /// The input.
        name: String,
        /// How far reading came.
        offset: u64,
        /// What the system said.
        source: io::Error,
    },
    /// An import's input has no records.
    #[error("`{name}` has no records; expected a header and at least one row, one JSON object a line, or MARC records")]
    NoRecords {
        /// The input.
        name: String,
    },
    /// An import's input is not text.
    #[error("`{name}` is not a text file: {detail}")]
    NotText {
        /// The input.
        name: String,
        /// What it is, and what to do.
        detail: String,
    },
    /// A file of vectors that cannot be read as one.
    #[error("`{name}` cannot be read as vectors: {detail}")]
    NotVectors {
        /// The file.
        name: String,
        /// What it is, and what to do.
        detail: String,
    },
    /// An import's input has no column that could be the title.
    #[error(
        "`{name}` has no title column; found {found}; recognised as the title: {known} (letter case, accents and punctuation do not matter)"
    )]
    NoTitleColumn {
        /// The input.
        name: String,
        /// The columns found.
        found: String,
        /// What would be recognised.
        known: String,
    },
}

impl Error {
    /// Whether the catalogue is there, but cannot be written.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        matches!(self, Error::ReadOnly { .. } | Error::ServerReadOnly { .. })
    }

    /// Whether waiting may cure it: the server is away, another process is in the way, the disk is full.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Error::UnknownHost { .. } | Error::Unreachable { .. } | Error::Locked { .. } | Error::DiskFull { .. }
        )
    }

    /// Whether a file is at fault: it is no catalogue of books at all.
    #[must_use]
    pub fn is_about_the_input(&self) -> bool {
        matches!(
            self,
            Error::InputIsDirectory { .. }
                | Error::NoRecords { .. }
                | Error::NotText { .. }
                | Error::NotVectors { .. }
                | Error::NoTitleColumn { .. }
        )
    }

    /// Whether a write failed in a way that may be due to one of its rows; the others may then do without it.
    #[must_use]
    pub fn is_about_a_row(&self) -> bool {
        matches!(self, Error::Database { .. })
    }

    /// Gives SQLite's failure the name that tells the user what to do.
    pub(crate) fn from_sqlite(location: &str, action: &'static str, source: rusqlite::Error) -> Self {
        let location = location.to_owned();
        let codes = source.sqlite_error().map(|error| (error.code, error.extended_code));
        let source = DatabaseFault::from(source);
        let Some((code, extended)) = codes else {
            return Error::Database { location, action, source };
        };
        match code {
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Error::Locked { location, action, source },
            ErrorCode::ReadOnly => Error::ReadOnly { location, source: Some(source.into()) },
            ErrorCode::DiskFull => Error::DiskFull { location, source },
            ErrorCode::SystemIoFailure if is_write_failure(extended) => Error::DiskFull { location, source },
            ErrorCode::NotADatabase => Error::NotADatabase { location },
            ErrorCode::DatabaseCorrupt => Error::Corrupt { location, detail: source.to_string() },
            _ => Error::Database { location, action, source },
        }
    }
}

/// What a database said, as one cause: the libraries' errors have the same words once more as their own source.
#[derive(Debug)]
pub struct DatabaseFault(Box<Fault>);

#[derive(Debug)]
enum Fault {
    Sqlite(rusqlite::Error),
    #[cfg(feature = "postgres")]
    Postgres(tokio_postgres::Error),
    #[cfg(feature = "postgres")]
    Observed(&'static str),
}

impl DatabaseFault {
    /// What SQLite said, if it did.
    pub(crate) fn sqlite(&self) -> Option<&rusqlite::Error> {
        match &*self.0 {
            Fault::Sqlite(error) => Some(error),
            #[cfg(feature = "postgres")]
            _ => None,
        }
    }
}

impl From<rusqlite::Error> for DatabaseFault {
    fn from(error: rusqlite::Error) -> Self {
        Self(Box::new(Fault::Sqlite(error)))
    }
}

#[cfg(feature = "postgres")]
impl From<tokio_postgres::Error> for DatabaseFault {
    fn from(error: tokio_postgres::Error) -> Self {
        Self(Box::new(Fault::Postgres(error)))
    }
}

#[cfg(feature = "postgres")]
impl From<&'static str> for DatabaseFault {
    fn from(observed: &'static str) -> Self {
        Self(Box::new(Fault::Observed(observed)))
    }
}

impl fmt::Display for DatabaseFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            Fault::Sqlite(error) => error.fmt(f),
            #[cfg(feature = "postgres")]
            Fault::Postgres(error) => match (error.as_db_error(), std::error::Error::source(error)) {
                // The message alone: details may quote what was being written.
                (Some(said), _) => write!(f, "{} (SQLSTATE {})", said.message(), said.code().code()),
                (None, Some(source)) => write!(f, "{error}: {source}"),
                (None, None) => error.fmt(f),
            },
            #[cfg(feature = "postgres")]
            Fault::Observed(observed) => f.write_str(observed),
        }
    }
}

impl std::error::Error for DatabaseFault {}

/// Whether an I/O error is about writing: a full disk also shows as one of these, e.g. when the shared-memory file of
/// the write-ahead log cannot grow.
fn is_write_failure(extended_code: i32) -> bool {
    matches!(
        extended_code,
        ffi::SQLITE_IOERR_WRITE
            | ffi::SQLITE_IOERR_FSYNC
            | ffi::SQLITE_IOERR_DIR_FSYNC
            | ffi::SQLITE_IOERR_TRUNCATE
            | ffi::SQLITE_IOERR_SHMSIZE
    )
}
