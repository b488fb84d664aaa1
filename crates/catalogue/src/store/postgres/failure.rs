//! PostgreSQL's failures, with the name that tells the user what to do. The only place that knows its codes.

use super::address::PostgresAddress;
use crate::{DatabaseFault, Error};
use std::error::Error as _;
use std::io;
use tokio_postgres::error::SqlState;

/// A failure before it has a place and a name.
#[derive(Debug)]
pub(super) enum Failure {
    /// What the library says, mostly the server's words.
    Library(tokio_postgres::Error),
    /// The server took the connection and then said nothing.
    Silence,
}

impl From<tokio_postgres::Error> for Failure {
    fn from(source: tokio_postgres::Error) -> Self {
        Failure::Library(source)
    }
}

impl Failure {
    /// Whether connecting another way, encrypted or not, may cure it.
    pub fn is_about_the_way(&self) -> bool {
        let Failure::Library(error) = self else { return false };
        // The list of who may come from where also says how.
        error.code() == Some(&SqlState::INVALID_AUTHORIZATION_SPECIFICATION)
            || Kind::of_library(error) == Kind::Encryption
    }
}

/// What a failure is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The host's name means nothing.
    UnknownHost,
    /// No answer, or an answer that broke off: the server is down, starting, or went away.
    Unreachable,
    /// No agreement on encryption.
    Encryption,
    /// Name, password, or the server's list of who may come from where.
    AccessRefused,
    /// No such database.
    NoSuchDatabase,
    /// A right is missing.
    MissingRights,
    /// The server, or the transaction, is read-only.
    ReadOnly,
    /// Another transaction was in the way for too long.
    Locked,
    /// Two transactions were in each other's way, and ours was undone; it can be tried again.
    Undone,
    /// The server's disk is full.
    DiskFull,
    /// A table or column that a statement names is not there, or has a type that it cannot be compared by.
    NotThere,
    /// Anything else.
    Other,
}

impl Kind {
    /// Finds out what a failure is about.
    pub fn of(failure: &Failure) -> Self {
        match failure {
            Failure::Library(error) => Self::of_library(error),
            Failure::Silence => Kind::Unreachable,
        }
    }

    pub fn of_library(error: &tokio_postgres::Error) -> Self {
        match error.code() {
            Some(code) => Self::of_code(code),
            None if error.is_closed() => Kind::Unreachable,
            None => Self::of_connecting(error),
        }
    }

    fn of_code(code: &SqlState) -> Self {
        match *code {
            SqlState::INVALID_PASSWORD | SqlState::INVALID_AUTHORIZATION_SPECIFICATION => Kind::AccessRefused,
            SqlState::INVALID_CATALOG_NAME => Kind::NoSuchDatabase,
            SqlState::INSUFFICIENT_PRIVILEGE => Kind::MissingRights,
            SqlState::READ_ONLY_SQL_TRANSACTION => Kind::ReadOnly,
            SqlState::LOCK_NOT_AVAILABLE => Kind::Locked,
            SqlState::T_R_SERIALIZATION_FAILURE | SqlState::T_R_DEADLOCK_DETECTED => Kind::Undone,
            SqlState::DISK_FULL => Kind::DiskFull,
            SqlState::UNDEFINED_COLUMN | SqlState::UNDEFINED_TABLE | SqlState::UNDEFINED_FUNCTION => Kind::NotThere,
            SqlState::ADMIN_SHUTDOWN
            | SqlState::CRASH_SHUTDOWN
            | SqlState::CANNOT_CONNECT_NOW
            | SqlState::TOO_MANY_CONNECTIONS => Kind::Unreachable,
            // Class 08 is about connections; poolers speak for a server that is away with it.
            ref code if code.code().starts_with("08") => Kind::Unreachable,
            _ => Kind::Other,
        }
    }

    fn of_connecting(error: &tokio_postgres::Error) -> Self {
        let cause = error.source();
        // The library keeps its own kinds to itself; its words are held by the tests of this store.
        if error.to_string().contains("TLS") {
            return Kind::Encryption;
        }
        if let Some(cause) = cause.and_then(|cause| cause.downcast_ref::<io::Error>()) {
            let lookup = cause.raw_os_error().is_none() && cause.to_string().contains("lookup address");
            return if lookup { Kind::UnknownHost } else { Kind::Unreachable };
        }
        match cause.map(ToString::to_string) {
            Some(cause) if cause.contains("password missing") => Kind::AccessRefused,
            _ if error.to_string().contains("authentication") => Kind::AccessRefused,
            _ => Kind::Other,
        }
    }

    /// Whether waiting may cure it.
    pub fn is_transient(self) -> bool {
        matches!(self, Kind::Unreachable | Kind::UnknownHost | Kind::Undone)
    }
}

/// Gives a failure its place and name.
pub(super) fn named(address: &PostgresAddress, action: &'static str, failure: Failure) -> Error {
    let location = address.to_string();
    let kind = Kind::of(&failure);
    let source = match failure {
        Failure::Library(source) => DatabaseFault::from(source),
        Failure::Silence => DatabaseFault::from("it took the connection, but did not answer"),
    };
    match kind {
        Kind::UnknownHost => Error::UnknownHost { location, source },
        Kind::Unreachable => Error::Unreachable { location, source },
        Kind::Encryption => Error::Encryption { location, source },
        Kind::AccessRefused => Error::AccessRefused { location, role: address.user().to_owned(), source },
        Kind::NoSuchDatabase => Error::NoSuchDatabase { location, database: address.database().to_owned(), source },
        Kind::MissingRights => Error::MissingRights {
            location,
            action,
            grant: {
                let role = address.user();
                format!(
                    "`GRANT USAGE ON SCHEMA libellus TO \"{role}\"` and \
                     `GRANT ALL ON ALL TABLES IN SCHEMA libellus TO \"{role}\"`"
                )
            },
            source,
        },
        Kind::ReadOnly => Error::ServerReadOnly { location, reason: source.to_string() },
        Kind::Locked => Error::Locked { location, action, source },
        Kind::DiskFull => Error::DiskFull { location, source },
        Kind::Undone | Kind::NotThere | Kind::Other => Error::Database { location, action, source },
    }
}
