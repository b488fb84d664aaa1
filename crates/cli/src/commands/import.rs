//! `libellus import`: books from files into the catalogue, then their embeddings.

use crate::commands::{backfill, import_embeddings, search};
use crate::database::DatabaseArgs;
use crate::error::Error;
use crate::files::{STANDARD, is_input, is_regular, output_name};
use crate::input::Input;
use crate::interrupt::Interrupt;
use crate::model::ModelArgs;
use crate::outcome::Outcome;
use crate::output;
use crate::progress;
use crate::rejects::{self, RejectsFile};
use crate::threads::ThreadsArgs;
use clap::ValueEnum;
use libellus_catalogue::Catalogue;
use libellus_catalogue::import::{AuthorNames, Format, ImportOptions, ImportReport, import, is_dump_of_authors};
use libellus_encoder::Encoder;
use libellus_search::{BackfillReport, EncoderCutter, Library};
use serde::Serialize;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const EXAMPLES: &str = "\
Examples:
  libellus import books.csv
  libellus import --dry-run books.csv              show which column becomes what, write nothing
  libellus import --rejects rejected.csv *.jsonl
  libellus import ol_dump_authors.txt.gz ol_dump_works.txt.gz    works with the names of their authors
  libellus import export.mrc.gz                    MARC, compressed: found out from the content
  libellus import embeddings embeddings.csv        see `libellus import embeddings --help`

A record with an id that is in the catalogue already is updated. A record that cannot be used is
reported with its place and left out; the rest is loaded.

Exit codes: 0 all loaded, 1 loaded but some records were rejected, 2 nothing usable, 130 stopped.";

/// What can be typed after `import`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Args {
    #[command(subcommand)]
    what: Option<What>,
    /// Files to load; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The format of the files
    #[arg(long, value_enum, default_value_t)]
    format: FormatArg,
    /// Show what would be loaded, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Write the rejected records to a CSV file: file, place, id, field, reason; `-` is standard output
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
    /// Leave the embeddings to a later `libellus backfill`
    #[arg(long)]
    no_embed: bool,
    /// Print JSON: a report for each file, and one for the embeddings
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    threads: ThreadsArgs,
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    model: ModelArgs,
}

/// What is imported, if not books.
#[derive(Debug, clap::Subcommand)]
enum What {
    /// Load embeddings that were made elsewhere
    Embeddings(import_embeddings::Args),
}

/// `--format`, as it is typed.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum FormatArg {
    /// Find out from the content
    #[default]
    Auto,
    /// Comma-, semicolon- or pipe-separated, with a header
    Csv,
    /// Tab-separated, with a header
    Tsv,
    /// One JSON object a line
    Jsonl,
    /// One list of JSON objects, or LibraryThing's JSON
    Json,
    /// MARC 21, binary (ISO 2709), in UTF-8 or MARC-8
    Marc,
    /// MARC 21 in XML
    #[value(name = "marcxml")]
    MarcXml,
    /// ONIX for Books 3, with reference names or short tags
    Onix,
    /// A dump of Open Library: works or editions
    OpenLibrary,
    /// ISBNs and nothing else
    Isbns,
    /// Calibre's library, metadata.db
    Calibre,
}

impl From<FormatArg> for Option<Format> {
    fn from(format: FormatArg) -> Self {
        match format {
            FormatArg::Auto => None,
            FormatArg::Csv => Some(Format::Csv),
            FormatArg::Tsv => Some(Format::Tsv),
            FormatArg::Jsonl => Some(Format::Jsonl),
            FormatArg::Json => Some(Format::Json),
            FormatArg::Marc => Some(Format::Marc),
            FormatArg::MarcXml => Some(Format::MarcXml),
            FormatArg::Onix => Some(Format::Onix),
            FormatArg::OpenLibrary => Some(Format::OpenLibrary),
            FormatArg::Isbns => Some(Format::Isbns),
            FormatArg::Calibre => Some(Format::Calibre),
        }
    }
}

/// What came of one file.
#[derive(Serialize)]
struct FileReport {
    file: String,
    #[serde(flatten)]
    report: ImportReport,
}

/// A file that cannot be read, or is no catalogue of books at all.
#[derive(Serialize)]
struct UnusableFile {
    file: String,
    reason: String,
}

/// What came of the whole command, as `--json` prints it.
#[derive(Default, Serialize)]
struct Report {
    dry_run: bool,
    files: Vec<FileReport>,
    unusable: Vec<UnusableFile>,
    /// Absent in a dry run and with `--no-embed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    backfill: Option<BackfillReport>,
}

/// Imports, embeds, and prints what was done.
pub fn run(args: &Args) -> Result<Outcome, Error> {
    if let Some(What::Embeddings(embeddings)) = &args.what {
        return import_embeddings::run(embeddings);
    }
    let interrupt = Interrupt::listen()?;
    // Everything that can be wrong with what was typed is found before the first record is written.
    check_rejects(args)?;
    let encoder = args.model.open()?;
    let mut report = Report { dry_run: args.dry_run, ..Report::default() };
    let Some((files, authors)) = load_authors(args, &interrupt, &mut report)? else {
        return Ok(Outcome::Interrupted);
    };
    let inputs = open_inputs(&files, &mut report);
    if inputs.is_empty() {
        // Nor is a catalogue made for nothing.
        if authors.is_some() {
            eprintln!("note: names of authors are no books; give a dump of works or editions with them");
        }
        if args.json {
            output::print_json(&report)?;
        }
        return Ok(outcome(&report));
    }
    let mut rejects = args.rejects.as_deref().map(RejectsFile::create).transpose()?;
    let catalogue = if args.dry_run { Catalogue::in_memory()? } else { args.database.open_or_create()? };
    let library = Library::new(Arc::clone(&encoder), catalogue);
    if !args.no_embed {
        // Otherwise nobody would find the books.
        library.serving()?;
    }

    for input in inputs {
        let name = input.name.clone();
        let file = match import_file(args, input, authors.clone(), library.catalogue(), &encoder, &interrupt) {
            Err(error) if error.is_about_the_input() => {
                error.report();
                report.unusable.push(UnusableFile { file: name, reason: error.to_string() });
                continue;
            }
            result => result?,
        };
        rejects::show("rejected", &file.file, &file.report.rejects, file.report.rejected);
        rejects::show("warning", &file.file, &file.report.warnings, file.report.warned);
        if let Some(rejects) = &mut rejects {
            rejects.write(&file.file, &file.report.rejects)?;
        }
        if !args.json {
            rejects::say(args.rejects.as_deref(), &for_people(&file, args.dry_run))?;
        }
        let stopped = file.report.interrupted;
        report.files.push(file);
        if stopped {
            break;
        }
    }
    if let Some(rejects) = rejects {
        rejects.finish()?;
    }

    let embeds = !args.dry_run && !args.no_embed && !interrupt.requested();
    // A long import may have been overtaken by a change of the model; embedding by the former is no use any more.
    let overtaken = if embeds { library.serving().err() } else { None };
    if embeds && overtaken.is_none() {
        let backfilled = backfill::with_progress(&library, args.threads.for_backfill(), &interrupt)?;
        if !args.json && backfilled.embedded + backfilled.failed + backfilled.rejected_rows > 0 {
            let command = backfill::command(&args.database, &args.model);
            rejects::say(args.rejects.as_deref(), &backfill::for_people(&backfilled, &command))?;
        }
        report.backfill = Some(backfilled);
    }
    if args.json {
        output::print_json(&report)?;
    }
    match overtaken {
        Some(error) => Err(error.into()),
        None => Ok(outcome(&report)),
    }
}

/// Refuses rejects that would be written over the catalogue, an input, or the report.
fn check_rejects(args: &Args) -> Result<(), Error> {
    let Some(rejects) = args.rejects.as_deref() else { return Ok(()) };
    if rejects == Path::new(STANDARD) {
        return if args.json { Err(Error::RejectsAndJson) } else { Ok(()) };
    }
    // Even where no catalogue is opened: a dry run names one too.
    args.database.refuse_to_overwrite(rejects)?;
    if args.files.iter().any(|input| is_input(input, rejects)) {
        return Err(Error::RejectsOverInput { name: output_name(rejects) });
    }
    Ok(())
}

/// Files that hold books, and names for their authors.
type BooksAndAuthors = (Vec<PathBuf>, Option<Arc<AuthorNames>>);

/// Reads Open Library's names of authors, wherever they are among the files; gives the files that hold books, and `None`
/// if it was stopped. Of a dump that is cut, the names before that are taken.
fn load_authors(args: &Args, interrupt: &Interrupt, report: &mut Report) -> Result<Option<BooksAndAuthors>, Error> {
    let (mut files, mut authors) = (Vec::new(), None);
    for file in &args.files {
        // What cannot be opened is reported with the others.
        let is_of_authors = is_regular(file)
            && Input::open(file).is_ok_and(|mut input| is_dump_of_authors(&mut input.reader).unwrap_or_default());
        if !is_of_authors {
            files.push(file.clone());
            continue;
        }
        let authors = match &authors {
            Some(authors) => authors,
            None => authors.insert(Arc::new(AuthorNames::new()?)),
        };
        let mut input = Input::open(file)?;
        let bar = progress::bytes(input.name.clone(), input.size_bytes);
        let read = authors.load(&input.name, &mut input.reader, &mut |progress| {
            bar.set_position(progress.bytes);
            interrupt.check()
        });
        bar.finish_and_clear();
        let read = read?;
        if read.interrupted {
            return Ok(None);
        }
        eprintln!("note: {}: the names of {} authors", output::plain(&input.name), read.names);
        if let Some(fault) = read.fault {
            let fault = Error::from(fault);
            fault.report();
            report.unusable.push(UnusableFile { file: input.name, reason: fault.to_string() });
        }
        if read.has_books {
            files.push(file.clone());
        }
    }
    Ok(Some((files, authors)))
}

/// Opens what can be opened; the rest is reported, and does not keep the others out.
fn open_inputs(files: &[PathBuf], report: &mut Report) -> Vec<Input> {
    let mut inputs = Vec::new();
    for file in files {
        match Input::open(file) {
            Ok(input) => inputs.push(input),
            Err(error) => {
                error.report();
                report.unusable.push(UnusableFile { file: file.display().to_string(), reason: error.to_string() });
            }
        }
    }
    inputs
}

fn import_file(
    args: &Args,
    mut input: Input,
    authors: Option<Arc<AuthorNames>>,
    catalogue: &Catalogue,
    encoder: &Encoder,
    interrupt: &Interrupt,
) -> Result<FileReport, Error> {
    let options = ImportOptions { format: args.format.into(), dry_run: args.dry_run, authors };
    let bar = progress::bytes(input.name.clone(), input.size_bytes);
    let report =
        import(&input.name, &mut input.reader, catalogue, &EncoderCutter(encoder), &options, &mut |progress| {
            bar.set_position(progress.bytes);
            interrupt.check()
        });
    bar.finish_and_clear();
    Ok(FileReport { file: input.name, report: report? })
}

/// 130 if it was stopped; else by what was usable and what was not, over all files.
fn outcome(report: &Report) -> Outcome {
    let backfill_stopped = report.backfill.as_ref().is_some_and(|backfill| backfill.interrupted);
    if backfill_stopped || report.files.iter().any(|file| file.report.interrupted) {
        return Outcome::Interrupted;
    }
    let records: u64 = report.files.iter().map(|file| file.report.records).sum();
    let rejected: u64 = report.files.iter().map(|file| file.report.rejected).sum();
    match rejected {
        _ if records == rejected => Outcome::NothingUsable,
        0 if report.unusable.is_empty() => Outcome::Done,
        _ => Outcome::WithRejects,
    }
}

/// The counts of one file; in a dry run what would become of it.
fn for_people(file: &FileReport, dry_run: bool) -> String {
    let report = &file.report;
    let mut text = format!("{}: {} records\n", file.file, report.records);
    let written = report.written;
    let mut counts = vec![("rejected", report.rejected)];
    if dry_run {
        text.push_str(&preview(report));
        counts.insert(0, ("usable", report.records - report.rejected.min(report.records)));
    } else {
        counts.splice(0..0, [("added", written.added), ("updated", written.updated), ("unchanged", written.unchanged)]);
    }
    if report.deleted > 0 {
        counts.push(("deleted", report.deleted));
    }
    for (name, count) in counts {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {name:<9} {count:>9}");
    }
    if written.shortened > 0 {
        let _ = writeln!(
            text,
            "note: of {} books the model does not read every subject or author; `libellus check --truncation` lists them",
            written.shortened
        );
    }
    if report.interrupted {
        text.push_str("stopped; the books counted here are kept, and the same command loads the rest\n");
    }
    text
}

/// Which column becomes what, and the first books.
fn preview(report: &ImportReport) -> String {
    let mut text = String::new();
    let width = report.mapping.iter().map(|(column, _)| column.chars().count()).max().unwrap_or(0);
    for (column, field) in &report.mapping {
        let _ = writeln!(text, "  {:<width$} → {field}", output::plain(column));
    }
    if !report.preview.is_empty() {
        text.push_str("first books:\n");
    }
    for book in &report.preview {
        let _ =
            writeln!(text, "  {}: {} ({})", output::plain(&book.id), output::plain(&book.title), search::byline(book));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_count_over_all_files() {
        let report = |counts: &[(u64, u64)]| Report {
            files: counts
                .iter()
                .map(|&(records, rejected)| FileReport {
                    file: "books.csv".to_owned(),
                    report: ImportReport { records, rejected, ..ImportReport::default() },
                })
                .collect(),
            ..Report::default()
        };
        for (counts, expected) in [
            (&[(3, 0)][..], Outcome::Done),
            (&[(3, 0), (0, 0)], Outcome::Done),
            (&[(3, 1)], Outcome::WithRejects),
            (&[(3, 0), (2, 2)], Outcome::WithRejects),
            (&[(3, 3)], Outcome::NothingUsable),
            (&[(0, 0)], Outcome::NothingUsable),
        ] {
            assert_eq!(outcome(&report(counts)), expected, "{counts:?}");
        }
        let unusable = || vec![UnusableFile { file: "cover.jpg".to_owned(), reason: "not text".to_owned() }];
        let one_of_two = Report { unusable: unusable(), ..report(&[(3, 0)]) };
        assert_eq!(outcome(&one_of_two), Outcome::WithRejects);
        assert_eq!(outcome(&Report { unusable: unusable(), ..Report::default() }), Outcome::NothingUsable);
    }
}
