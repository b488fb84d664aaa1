//! Where a catalogue is, as it is typed: a path, a `sqlite:` URL, or the URL of a PostgreSQL database.
//!
//! Any other scheme is an error, never a file of that odd name.

use crate::Error;
#[cfg(feature = "postgres")]
use crate::store::PostgresAddress;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Where a catalogue is. Shown without secrets.
#[derive(Clone, Debug, PartialEq)]
pub enum Location {
    /// An SQLite file.
    Sqlite(PathBuf),
    /// A PostgreSQL database.
    #[cfg(feature = "postgres")]
    Postgres(Box<PostgresAddress>),
}

impl Location {
    /// The file, if it is one.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match self {
            Location::Sqlite(path) => Some(path),
            #[cfg(feature = "postgres")]
            Location::Postgres(_) => None,
        }
    }
}

impl FromStr for Location {
    type Err = Error;

    /// A path as it is; `sqlite:PATH`, `sqlite://PATH` and `sqlite:///PATH` without the scheme and query;
    /// `postgres:`, `postgresql:` and SQLAlchemy's `postgresql+DRIVER:` as PostgreSQL's own programs read them.
    fn from_str(location: &str) -> Result<Self, Error> {
        let Some((scheme, rest)) = split_scheme(location) else { return Ok(Location::Sqlite(location.into())) };
        match scheme.to_ascii_lowercase().split('+').collect::<Vec<_>>()[..] {
            ["sqlite"] => sqlite_file(location, rest).map(Location::Sqlite),
            ["postgres" | "postgresql"] | ["postgres" | "postgresql", _] => postgres(rest),
            // The scheme alone: the rest may hold a password, which does not belong in a message.
            _ => Err(Error::UnknownScheme { scheme: scheme.to_owned() }),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Location::Sqlite(path) => path.display().fmt(f),
            #[cfg(feature = "postgres")]
            Location::Postgres(address) => address.fmt(f),
        }
    }
}

#[cfg(feature = "postgres")]
fn postgres(rest: &str) -> Result<Location, Error> {
    Ok(Location::Postgres(Box::new(PostgresAddress::parse(rest)?)))
}

#[cfg(not(feature = "postgres"))]
fn postgres(_: &str) -> Result<Location, Error> {
    Err(Error::WithoutPostgres)
}

fn sqlite_file(location: &str, rest: &str) -> Result<PathBuf, Error> {
    let path = rest.strip_prefix("//").unwrap_or(rest);
    let path = path.split_once('?').map_or(path, |(path, _query)| path);
    if path.is_empty() || path == ":memory:" {
        return Err(Error::NotAFile { location: location.to_owned() });
    }
    Ok(PathBuf::from(path))
}

/// Splits `scheme:rest`, where the scheme is spelt as RFC 3986 has it; a single letter is a Windows drive.
fn split_scheme(location: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = location.split_once(':')?;
    let spelt_well = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    (scheme.len() > 1 && spelt_well).then_some((scheme, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_recognised() {
        for (location, expected) in [
            ("books.db", "books.db"),
            ("/var/lib/books.db", "/var/lib/books.db"),
            ("C:\\books.db", "C:\\books.db"),
            ("./odd:name.db", "./odd:name.db"),
            ("sqlite:books.db", "books.db"),
            ("sqlite://data/books.db", "data/books.db"),
            ("sqlite:///var/lib/books.db", "/var/lib/books.db"),
            ("sqlite:books.db?mode=rwc", "books.db"),
        ] {
            let parsed: Location = location.parse().expect(location);
            assert_eq!(parsed.file(), Some(Path::new(expected)), "{location}");
            assert_eq!(parsed.to_string(), expected, "{location}");
        }
        for location in ["sqlite::memory:", "sqlite:", "sqlite://"] {
            assert!(matches!(location.parse::<Location>(), Err(Error::NotAFile { .. })), "{location}");
        }
    }

    #[test]
    #[cfg(feature = "postgres")]
    fn databases_are_recognised_in_every_spelling() {
        for scheme in ["postgres", "postgresql", "postgresql+psycopg2", "postgres+asyncpg", "PostgreSQL"] {
            let location = format!("{scheme}://reader:secret@db/books");
            let parsed: Location = location.parse().expect(&location);
            assert!(matches!(parsed, Location::Postgres(_)) && parsed.file().is_none(), "{location}");
            assert_eq!(parsed.to_string(), "postgresql://reader@db:5432/books", "{location}");
            assert!(!format!("{parsed:?}").contains("secret"), "{parsed:?}");
        }
    }

    #[test]
    fn other_schemes_are_refused_without_their_secrets() {
        for location in ["mysql://reader:secret@db/books", "sqlite+aiosqlite:///x", "postgres+a+b://secret", "redis:x"]
        {
            let message = location.parse::<Location>().expect_err(location).to_string();
            let scheme = location.split(':').next().expect("a scheme");
            assert!(message.contains(&format!("`{scheme}:`")) && !message.contains("secret"), "{message}");
        }
    }
}
