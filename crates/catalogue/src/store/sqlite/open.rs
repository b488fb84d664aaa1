//! From a path to a connection, or to an error that says what is wrong with the file.
//!
//! A file that is not ours is recognised before anything is written to it, its journal mode included.

use super::schema::{self, State};
use super::{Access, BUSY_TIMEOUT};
use crate::Error;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// What every SQLite file begins with.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// Statements kept prepared; more than the store has.
const STATEMENTS: usize = 32;

pub(super) fn open(path: &Path, access: Access, busy_timeout: Duration) -> Result<Connection, Error> {
    let location = path.display().to_string();
    check_file(path, access, &location)?;
    match access {
        Access::ReadWrite => open_for_writing(path, &location, busy_timeout),
        Access::ReadOnly => open_for_reading(path, &location, busy_timeout),
    }
}

pub(super) fn in_memory(location: &str) -> Result<Connection, Error> {
    let mut connection =
        Connection::open_in_memory().map_err(|source| Error::from_sqlite(location, "opening", source))?;
    set_up(&connection, location, BUSY_TIMEOUT)?;
    schema::migrate(&mut connection, location)?;
    Ok(connection)
}

/// What can be told from the file itself.
fn check_file(path: &Path, access: Access, location: &str) -> Result<(), Error> {
    let location = location.to_owned();
    if path.is_dir() {
        return Err(Error::IsDirectory { location });
    }
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    if !path.exists() {
        return match access {
            Access::ReadWrite if !parent.is_dir() => {
                Err(Error::ParentMissing { location, parent: parent.display().to_string() })
            }
            Access::ReadWrite => Ok(()),
            Access::ReadOnly => Err(Error::NotFound { location }),
        };
    }
    let mut start = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAGIC.len() as u64).read_to_end(&mut start));
    match read {
        Err(source) => Err(Error::Unreadable { location, source }),
        Ok(0) => Ok(()), // SQLite takes an empty file for a new database.
        Ok(_) if start == MAGIC => Ok(()),
        Ok(_) => Err(Error::NotADatabase { location }),
    }
}

fn open_for_writing(path: &Path, location: &str, busy_timeout: Duration) -> Result<Connection, Error> {
    let read_only = |source: Option<Box<dyn std::error::Error + Send + Sync>>| Error::ReadOnly {
        location: location.to_owned(),
        source: source.or_else(|| why_unwritable(path).map(Into::into)),
    };
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection =
        Connection::open_with_flags(path, flags).map_err(|source| match source.sqlite_error_code() {
            Some(ErrorCode::CannotOpen) if why_unwritable(path).is_some() => read_only(None),
            _ => Error::from_sqlite(location, "opening", source),
        })?;
    // SQLite opens a file that it may not write for reading, and says nothing.
    if connection.is_readonly("main").map_err(|source| Error::from_sqlite(location, "opening", source))? {
        return Err(read_only(None));
    }
    set_up(&connection, location, busy_timeout)?;
    let state = schema::inspect(&connection, location).map_err(|error| directory_is_read_only(error, path))?;
    use_write_ahead_log(&connection, location, busy_timeout).map_err(|error| directory_is_read_only(error, path))?;
    // With a write-ahead log, NORMAL loses no committed batch when the process dies, and cannot corrupt the file when
    // the power goes (the last batches may then be missing, and are imported again).
    connection
        .pragma_update(None, "synchronous", "NORMAL")
        .map_err(|source| Error::from_sqlite(location, "opening", source))?;
    match state {
        State::Catalogue(schema::VERSION) => {}
        State::Catalogue(_) | State::Empty => schema::migrate(&mut connection, location)?,
    }
    Ok(connection)
}

fn open_for_reading(path: &Path, location: &str, busy_timeout: Duration) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let failed = |source| Error::from_sqlite(location, "opening", source);
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    set_up(&connection, location, busy_timeout)?;
    // The first read needs the shared memory of the write-ahead log, which a read-only directory may not get.
    let first_read = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()));
    let connection = match first_read {
        Ok(()) => connection,
        Err(source) if needs_shared_memory(&source) && has_unfinished_changes(path) => {
            return Err(Error::UnfinishedChanges { location: location.to_owned(), source: source.into() });
        }
        Err(source) if needs_shared_memory(&source) => open_immutable(path, location, source)?,
        Err(source) => return Err(failed(source)),
    };
    match schema::inspect(&connection, location)? {
        State::Catalogue(schema::VERSION) => Ok(connection),
        State::Catalogue(found) => Err(Error::OlderSchema { location: location.to_owned(), found }),
        State::Empty => Err(Error::NothingWritten { location: location.to_owned() }),
    }
}

/// Opens a file that nobody can be writing: its directory is read-only, and there is no write-ahead log.
///
/// Such a file is read without locks. Should someone else write to it meanwhile after all (another user, or the other
/// side of a network mount), this connection would not see it: it has to be opened again.
fn open_immutable(path: &Path, location: &str, cause: rusqlite::Error) -> Result<Connection, Error> {
    let Some(path) = path.to_str() else {
        return Err(Error::from_sqlite(location, "opening", cause));
    };
    let escaped = path.replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let connection = Connection::open_with_flags(format!("file:{escaped}?immutable=1"), flags)
        .map_err(|source| Error::from_sqlite(location, "opening", source))?;
    set_up(&connection, location, BUSY_TIMEOUT)?;
    Ok(connection)
}

/// What every connection needs; nothing here touches the file yet.
fn set_up(connection: &Connection, location: &str, busy_timeout: Duration) -> Result<(), Error> {
    let set_up = || {
        connection.busy_timeout(busy_timeout)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        connection.pragma_update(None, "foreign_keys", true)
    };
    set_up().map_err(|source| Error::from_sqlite(location, "opening", source))
}

/// Turns the write-ahead log on, which is kept in the file from then on.
///
/// The switch needs the file for a moment to itself, and SQLite does not always wait for that by itself.
fn use_write_ahead_log(connection: &Connection, location: &str, busy_timeout: Duration) -> Result<(), Error> {
    let give_up = Instant::now() + busy_timeout;
    loop {
        match connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(())) {
            Err(source) if source.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && Instant::now() < give_up => {
                thread::sleep(Duration::from_millis(10));
            }
            result => return result.map_err(|source| Error::from_sqlite(location, "opening", source)),
        }
    }
}

/// Why the file (or, if it is missing, a new one in its directory) cannot be written; `None` if it can.
///
/// A file made by this test stays: another process may have opened it already, and empty it is a new catalogue.
fn why_unwritable(path: &Path) -> Option<io::Error> {
    let error = OpenOptions::new().append(true).create(true).open(path).err()?;
    match (error.kind(), who_owns(path)) {
        (io::ErrorKind::PermissionDenied, Some(owners)) => {
            Some(io::Error::new(error.kind(), format!("{error}; {owners}")))
        }
        _ => Some(error),
    }
}

/// Who this process is and whose the file or its directory is, in numbers: an image has no names for them.
#[cfg(target_os = "linux")]
fn who_owns(path: &Path) -> Option<String> {
    use std::os::unix::fs::MetadataExt;
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let place = if path.exists() { path } else { directory };
    // A process owns its own entry in `/proc`.
    let user = Path::new("/proc/self").metadata().ok()?.uid();
    let metadata = place.metadata().ok()?;
    let (owner, mode) = (metadata.uid(), metadata.mode() & 0o7777);
    Some(format!("this process is user {user}, `{}` belongs to user {owner} and has mode {mode:o}", place.display()))
}

#[cfg(not(target_os = "linux"))]
fn who_owns(_path: &Path) -> Option<String> {
    None
}

/// A writable file in a directory where the write-ahead log cannot be made shows as "cannot open".
fn directory_is_read_only(error: Error, path: &Path) -> Error {
    match error {
        Error::Database { location, source, .. }
            if source.sqlite().is_some_and(needs_shared_memory) && !path.is_dir() =>
        {
            Error::ReadOnly { location, source: Some(source.into()) }
        }
        error => error,
    }
}

fn needs_shared_memory(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly))
}

/// Whether a write-ahead log with content lies beside the file.
fn has_unfinished_changes(path: &Path) -> bool {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    std::fs::metadata(log).is_ok_and(|metadata| metadata.len() > 0)
}
