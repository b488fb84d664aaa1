//! Where the catalogue is: `--db`, or else `DATABASE_URL`, or else `libellus.db` in this directory.
//!
//! Both take a path or a `sqlite:` URL, as the deployments that libellus replaces have one in their
//! environment. Any other scheme is an error, never a file of that odd name.

use crate::error::Error;
use crate::output::shell_word;
use libellus_catalogue::{Access, Catalogue};
use std::env;
use std::path::PathBuf;

/// The database when nothing else is said.
const DEFAULT_PATH: &str = "libellus.db";

/// `--db`, for every command that needs a catalogue.
#[derive(Clone, Debug, clap::Args)]
pub struct DatabaseArgs {
    /// The catalogue: a file, or `sqlite:FILE` [default: DATABASE_URL, or else libellus.db]
    #[arg(long, value_name = "FILE")]
    db: Option<String>,
}

impl DatabaseArgs {
    /// The file that is meant, whether or not it exists.
    pub fn path(&self) -> Result<PathBuf, Error> {
        match self.db.clone().or_else(environment_url) {
            Some(location) => parse_location(&location),
            None => Ok(PathBuf::from(DEFAULT_PATH)),
        }
    }

    /// The same, with another default: the catalogue in the package of an AWS Lambda function, or else beside the
    /// executable.
    #[cfg(feature = "lambda")]
    pub fn or_in_package(mut self) -> Self {
        let package = || {
            let root = env::var_os("LAMBDA_TASK_ROOT").filter(|root| !root.is_empty()).map(PathBuf::from);
            root.or_else(|| Some(env::current_exe().ok()?.parent()?.to_owned()))
        };
        if self.db.is_none() && environment_url().is_none() {
            // A path that is not UTF-8 cannot be a default; it can still be reached as the current directory's.
            self.db = package().and_then(|package| package.join(DEFAULT_PATH).into_os_string().into_string().ok());
        }
        self
    }

    /// `--db` as it was typed, for a command to copy; empty if it was not.
    pub fn flag(&self) -> String {
        self.db.as_ref().map_or_else(String::new, |db| format!(" --db {}", shell_word(db)))
    }

    /// Opens the catalogue for writing, making it if it is missing.
    pub fn open_or_create(&self) -> Result<Catalogue, Error> {
        Ok(Catalogue::open(&self.path()?, Access::ReadWrite)?)
    }

    /// Opens the catalogue for writing, or for reading if it is there but cannot be written.
    pub fn open_to_serve(&self) -> Result<(Catalogue, Access), Error> {
        let path = self.path()?;
        let existed = path.exists();
        match Catalogue::open(&path, Access::ReadWrite) {
            Err(libellus_catalogue::Error::ReadOnly { .. }) if existed => {
                Ok((Catalogue::open(&path, Access::ReadOnly)?, Access::ReadOnly))
            }
            opened => Ok((opened?, Access::ReadWrite)),
        }
    }

    /// Opens a catalogue that must exist already.
    pub fn open_existing(&self, access: Access) -> Result<Catalogue, Error> {
        let path = self.path()?;
        if !path.exists() {
            return Err(Error::NoDatabase { path });
        }
        Ok(Catalogue::open(&path, access)?)
    }
}

/// `DATABASE_URL`, if it is set to something.
fn environment_url() -> Option<String> {
    env::var("DATABASE_URL").ok().filter(|url| !url.is_empty())
}

/// A path as it is; `sqlite:PATH`, `sqlite://PATH` and `sqlite:///PATH` without the scheme and query.
fn parse_location(location: &str) -> Result<PathBuf, Error> {
    let Some((scheme, rest)) = split_scheme(location) else { return Ok(PathBuf::from(location)) };
    // The scheme alone: the rest may hold a password, which does not belong in a message.
    let unsupported = || Error::UnsupportedDatabase { scheme: scheme.to_owned() };
    if scheme != "sqlite" {
        return Err(unsupported());
    }
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
    fn locations_become_paths() {
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
            assert_eq!(parse_location(location).expect(location), PathBuf::from(expected), "{location}");
        }
    }

    #[test]
    fn other_schemes_are_refused_without_their_secrets() {
        for location in ["postgres://reader:secret@db/books", "postgresql://x", "mysql://x", "sqlite+aiosqlite:///x"] {
            let message = parse_location(location).expect_err(location).to_string();
            let scheme = location.split(':').next().expect("a scheme");
            assert!(message.contains(&format!("`{scheme}:`")) && !message.contains("secret"), "{message}");
        }
        for location in ["sqlite::memory:", "sqlite:", "sqlite://"] {
            assert!(matches!(parse_location(location), Err(Error::NotAFile { .. })), "{location}");
        }
    }
}
