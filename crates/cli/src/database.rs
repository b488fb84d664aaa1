//! Where the catalogue is: `--db`, or else `DATABASE_URL`, or else `libellus.db` in this directory.
//!
//! Both take a path, a `sqlite:` URL or a `postgresql:` URL, as the deployments that libellus replaces have one in
//! their environment. `libellus_catalogue::Location` reads them.

use crate::error::Error;
use crate::files::{STANDARD, resolved, same_file, with_suffix};
use crate::output::shell_word;
use libellus_catalogue::{Access, Catalogue, Location};
use std::env;
use std::path::{Path, PathBuf};

/// The database when nothing else is said.
pub const DEFAULT_PATH: &str = "libellus.db";

/// `--db`, for every command that needs a catalogue.
#[derive(Clone, Debug, clap::Args)]
pub struct DatabaseArgs {
    /// The catalogue: a file, or the URL of a PostgreSQL database [default: DATABASE_URL, or else libellus.db]
    #[arg(long, value_name = "FILE|URL")]
    db: Option<String>,
}

impl DatabaseArgs {
    /// The place that is meant, whether or not there is a catalogue.
    pub fn location(&self) -> Result<Location, Error> {
        match self.db.clone().or_else(environment_url) {
            Some(location) => Ok(location.parse()?),
            None => Ok(Location::Sqlite(PathBuf::from(DEFAULT_PATH))),
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

    /// Refuses an output that would be written over the catalogue.
    pub fn refuse_to_overwrite(&self, output: &Path) -> Result<(), Error> {
        // What is wrong with the catalogue's own name is said where it is used.
        let Ok(Location::Sqlite(database)) = self.location() else { return Ok(()) };
        if output == Path::new(STANDARD) {
            return Ok(());
        }
        // SQLite keeps the files beside the catalogue where the links end.
        let database = resolved(&database);
        let mut files = ["", "-wal", "-shm", "-journal"].into_iter().map(|suffix| with_suffix(&database, suffix));
        match files.any(|file| same_file(&file, output)) {
            true => Err(Error::OverCatalogue { name: output.display().to_string() }),
            false => Ok(()),
        }
    }

    /// `--db` as it was typed.
    pub fn typed(&self) -> Option<&str> {
        self.db.as_deref()
    }

    /// `--db` as it was typed, for a command to copy, but for the password; empty if it was not.
    pub fn flag(&self) -> String {
        let shown = |db: &String| match db.parse() {
            Ok(location) if Location::file(&location).is_none() => location.to_string(),
            // What cannot be read does not come so far that it is shown.
            Ok(_) | Err(_) => db.clone(),
        };
        self.db.as_ref().map(shown).map_or_else(String::new, |db| format!(" --db {}", shell_word(&db)))
    }

    /// Opens the catalogue for writing, making it if it is missing.
    pub fn open_or_create(&self) -> Result<Catalogue, Error> {
        Ok(Catalogue::open_at(&self.location()?, Access::ReadWrite)?)
    }

    /// Opens the catalogue for writing, or for reading if it is there but cannot be written.
    pub fn open_to_serve(&self) -> Result<(Catalogue, Access), Error> {
        let location = self.location()?;
        match Catalogue::open_at(&location, Access::ReadWrite) {
            Err(error) if error.is_read_only() => {
                if !Catalogue::exists_at(&location)? {
                    return Err(error.into());
                }
                Ok((Catalogue::open_at(&location, Access::ReadOnly)?, Access::ReadOnly))
            }
            opened => Ok((opened?, Access::ReadWrite)),
        }
    }

    /// Opens a catalogue that must exist already.
    pub fn open_existing(&self, access: Access) -> Result<Catalogue, Error> {
        let location = self.location()?;
        if !Catalogue::exists_at(&location)? {
            return Err(Error::NoDatabase { location });
        }
        Ok(Catalogue::open_at(&location, access)?)
    }
}

/// `DATABASE_URL`, if it is set to something.
fn environment_url() -> Option<String> {
    env::var("DATABASE_URL").ok().filter(|url| !url.is_empty())
}
