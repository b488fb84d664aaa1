//! Records that could not be used: shown on standard error, and written to a file for whoever mends them.

use crate::error::Error;
use crate::files::STANDARD;
use crate::output;
use crate::output_file::OutputFile;
use libellus_catalogue::export::{csv_field, guarded_cell};
use libellus_catalogue::import::Reject;
use std::io::Write;
use std::path::Path;

/// Rejects, and warnings, shown on standard error.
const SHOWN: usize = 10;

/// What rows come from that changed in a table that is followed.
pub const ADOPTED: &str = "the adopted table";

/// Says something to people: on standard error if standard output holds the rejects, because `--rejects` is `-`.
pub fn say(rejects: Option<&Path>, text: &str) -> Result<(), Error> {
    if rejects == Some(Path::new(STANDARD)) {
        eprint!("{text}");
        return Ok(());
    }
    output::print(text)
}

/// Shows the first of them on standard error, each with its place; `all` is how many there are.
pub fn show(kind: &str, source: &str, rejects: &[Reject], all: u64) {
    for reject in rejects.iter().take(SHOWN) {
        eprintln!("{kind}: {}", place_and_reason(source, reject));
    }
    if all > SHOWN as u64 {
        eprintln!("{kind}: … and {} more", all - SHOWN as u64);
    }
}

fn place_and_reason(source: &str, reject: &Reject) -> String {
    let id = reject.id.as_ref().map(|id| format!(", record `{id}`")).unwrap_or_default();
    let field = reject.field.as_ref().map(|field| format!(", field `{field}`")).unwrap_or_default();
    let place = reject.place.to_string();
    let comma = if place.is_empty() { "" } else { ", " };
    output::plain(&format!("{source}{comma}{place}{id}{field}: {}", reject.reason))
}

/// Where `--rejects` goes: a table for people, who will open it in a spreadsheet.
pub struct RejectsFile(OutputFile);

impl RejectsFile {
    /// Begins the file, with its header.
    pub fn create(path: &Path) -> Result<Self, Error> {
        let mut rejects = Self(OutputFile::create(path)?);
        rejects.line(["file", "place", "id", "field", "reason"])?;
        Ok(rejects)
    }

    /// Adds the rejects of one source, a file or a table.
    pub fn write(&mut self, source: &str, rejects: &[Reject]) -> Result<(), Error> {
        for reject in rejects {
            let (id, field) = (reject.id.as_deref().unwrap_or(""), reject.field.as_deref().unwrap_or(""));
            self.line([source, &reject.place.to_string(), id, field, &reject.reason])?;
        }
        Ok(())
    }

    /// Moves the file to its place.
    pub fn finish(self) -> Result<(), Error> {
        self.0.finish()
    }

    fn line(&mut self, fields: [&str; 5]) -> Result<(), Error> {
        let line = fields.map(|field| csv_field(&guarded_cell(field)).into_owned()).join(",");
        writeln!(self.0, "{line}").map_err(|source| self.0.failed(source))
    }
}
