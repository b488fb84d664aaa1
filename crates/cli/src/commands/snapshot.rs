//! `libellus snapshot` and `libellus restore`: the whole catalogue in one file, and back.
//!
//! The file is the same for every kind of catalogue: `libellus_catalogue::snapshot` has its format.

use crate::database::DatabaseArgs;
use crate::error::Error;
use crate::files::{STANDARD, is_regular, output_name};
use crate::input::Input;
use crate::interrupt::Interrupt;
use crate::outcome::Outcome;
use crate::output;
use crate::output_file::OutputFile;
use libellus_catalogue::{Access, SnapshotCounts, check_snapshot, restore_snapshot, write_snapshot};
use std::path::{Path, PathBuf};

const SNAPSHOT_EXAMPLES: &str = "\
Examples:
  libellus snapshot monday.snapshot
  libellus snapshot - --db postgresql://… | zstd > monday.snapshot.zst

Books, passages and all embeddings as of one moment; `serve` answers and imports write meanwhile. The
file is the same for SQLite and PostgreSQL, and holds a checksum. What was there is replaced once the
new one is whole.";

const RESTORE_EXAMPLES: &str = "\
Examples:
  libellus restore monday.snapshot --db new.db
  libellus restore monday.snapshot --db postgresql://… --replace
  zstd -dc monday.snapshot.zst | libellus restore -

All or nothing: a file that is cut or damaged, or anything else that goes wrong, changes nothing. A
catalogue with books is only replaced with --replace.";

/// What can be typed after `snapshot`.
#[derive(Debug, clap::Args)]
#[command(after_help = SNAPSHOT_EXAMPLES)]
pub struct SnapshotArgs {
    /// Where it goes; `-` is standard output
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Print JSON: how many books, passages and embeddings it holds
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    database: DatabaseArgs,
}

/// What can be typed after `restore`.
#[derive(Debug, clap::Args)]
#[command(after_help = RESTORE_EXAMPLES)]
pub struct RestoreArgs {
    /// The snapshot; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Replace the books that the catalogue has
    #[arg(long)]
    replace: bool,
    /// Print JSON: how many books, passages and embeddings came back
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    database: DatabaseArgs,
}

/// Writes a snapshot.
pub fn run(args: &SnapshotArgs) -> Result<Outcome, Error> {
    args.database.refuse_to_overwrite(&args.file)?;
    let interrupt = Interrupt::listen()?;
    let catalogue = args.database.open_existing(Access::ReadOnly)?;
    let mut output = OutputFile::create(&args.file)?.stopped_by(&interrupt);
    let name = output_name(&args.file);
    let written = write_snapshot(&name, &catalogue, &mut output);
    if interrupt.requested() {
        // Half a snapshot is none: what was there before stays.
        return Ok(Outcome::Interrupted);
    }
    let counts = written.map_err(|error| match error {
        libellus_catalogue::Error::Output { name, source } => Error::Output { name, source },
        error => error.into(),
    })?;
    output.finish()?;
    // Standard output holds the snapshot itself.
    if args.file == Path::new(STANDARD) {
        eprint!("{}", for_people("wrote", &name, counts));
        return Ok(Outcome::Done);
    }
    say(args.json, "wrote", &name, counts)
}

/// Restores one.
pub fn restore(args: &RestoreArgs) -> Result<Outcome, Error> {
    // A file is looked through first, so that no catalogue is made for one that is no snapshot.
    if is_regular(&args.file) {
        let mut input = Input::open(&args.file)?;
        check_snapshot(&input.name, &mut input.reader)?;
    }
    let mut input = Input::open(&args.file)?;
    let catalogue = args.database.open_or_create()?;
    let counts = restore_snapshot(&input.name, &mut input.reader, &catalogue, args.replace)?;
    catalogue.settle()?;
    say(args.json, "restored", catalogue.location(), counts)
}

fn say(json: bool, done: &str, place: &str, counts: SnapshotCounts) -> Result<Outcome, Error> {
    if json {
        output::print_json(&counts)?
    } else {
        output::print(&for_people(done, place, counts))?
    }
    Ok(Outcome::Done)
}

fn for_people(done: &str, place: &str, counts: SnapshotCounts) -> String {
    let SnapshotCounts { books, passages, embeddings } = counts;
    format!("{done} {place}: {books} books, {passages} passages, {embeddings} embeddings\n")
}
