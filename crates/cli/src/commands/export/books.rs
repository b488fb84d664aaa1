//! `libellus export books`: books in the formats of libraries, reference managers and search engines.
//!
//! The formats are written in `libellus_catalogue::export`, a book at a time.

use crate::database::DatabaseArgs;
use crate::error::Error;
use crate::files::{STANDARD, output_name};
use crate::interrupt::Interrupt;
use crate::outcome::Outcome;
use crate::output::plain;
use crate::output_file::OutputFile;
use crate::progress;
use clap::ValueEnum;
use indicatif::ProgressBar;
use libellus_catalogue::export::{Format, Writer};
use libellus_catalogue::{Access, Catalogue, unless_failed};
use std::collections::HashSet;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  libellus export books --output books.jsonl
  libellus export books --format csv --output books.csv
  libellus export books --format bibtex --ids moby-dick origin > references.bib
  libellus export books --format marcxml | gzip > books.xml.gz

jsonl and csv hold everything: `libellus import` makes the same books of them again. In csv a cell that
a spreadsheet would run as a formula has an apostrophe in front. The other formats hold what they have
room for. A file that was there is replaced once the new one is whole.

Exit codes: 0 done, 1 some of --ids are not in the catalogue, 130 stopped.";

/// What can be typed after `export books`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The format
    #[arg(long, value_enum, default_value_t)]
    format: FormatArg,
    /// Only the books with these ids, in this order
    #[arg(long, value_name = "ID", num_args = 1..)]
    ids: Option<Vec<String>>,
    /// Where they go; `-` is standard output
    #[arg(long, value_name = "FILE", default_value = "-")]
    output: PathBuf,
    #[command(flatten)]
    database: DatabaseArgs,
}

/// `--format`, as it is typed.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum FormatArg {
    /// One JSON object a line, with everything
    #[default]
    Jsonl,
    /// With a header, and everything; safe to open in a spreadsheet
    Csv,
    /// MARC 21 in XML
    #[value(name = "marcxml")]
    MarcXml,
    /// For reference managers
    Ris,
    /// For LaTeX
    Bibtex,
    /// For citation processors
    CslJson,
    /// JSON-LD in the words of schema.org, for search engines
    JsonLd,
}

impl From<FormatArg> for Format {
    fn from(format: FormatArg) -> Self {
        match format {
            FormatArg::Jsonl => Format::Jsonl,
            FormatArg::Csv => Format::Csv,
            FormatArg::MarcXml => Format::MarcXml,
            FormatArg::Ris => Format::Ris,
            FormatArg::Bibtex => Format::Bibtex,
            FormatArg::CslJson => Format::CslJson,
            FormatArg::JsonLd => Format::JsonLd,
        }
    }
}

/// Writes them.
pub fn run(args: &Args) -> Result<Outcome, Error> {
    args.database.refuse_to_overwrite(&args.output)?;
    let interrupt = Interrupt::listen()?;
    let catalogue = args.database.open_existing(Access::ReadOnly)?;
    let output = OutputFile::create(&args.output)?.stopped_by(&interrupt);
    let mut writer = Writer::new(output, args.format.into());
    let written = match &args.ids {
        Some(ids) => write_these(args, ids, &catalogue, &mut writer),
        None => write_all(args, &catalogue, &mut writer),
    };
    if interrupt.requested() {
        // Half a file is none: what was there before stays.
        return Ok(Outcome::Interrupted);
    }
    let outcome = written?;
    writer.finish().map_err(|source| failed(args, source))?.finish()?;
    Ok(outcome)
}

fn failed(args: &Args, source: io::Error) -> Error {
    Error::Output { name: output_name(&args.output), source }
}

/// Writes the books with these ids, each once, and says which are not there.
fn write_these(
    args: &Args,
    ids: &[String],
    catalogue: &Catalogue,
    writer: &mut Writer<OutputFile>,
) -> Result<Outcome, Error> {
    let mut outcome = Outcome::Done;
    let mut seen = HashSet::new();
    for id in ids.iter().filter(|id| seen.insert(id.as_str())) {
        match catalogue.book(id)? {
            Some(book) => writer.write(&book).map_err(|source| failed(args, source))?,
            None => {
                eprintln!("rejected: there is no book `{}`", plain(id));
                outcome = Outcome::WithRejects;
            }
        }
    }
    Ok(outcome)
}

fn write_all(args: &Args, catalogue: &Catalogue, writer: &mut Writer<OutputFile>) -> Result<Outcome, Error> {
    // A bar between lines of output on the same terminal would help nobody.
    let hidden = args.output == Path::new(STANDARD) && io::stdout().is_terminal();
    let bar = if hidden { ProgressBar::hidden() } else { progress::count("writing books") };
    // No embeddings are counted in a space that is none.
    bar.set_length(catalogue.statistics("")?.books);
    let mut written = Ok(());
    catalogue.each_book(&mut |_, book| {
        written = writer.write(&book);
        bar.inc(1);
        unless_failed(&written)
    })?;
    written.map_err(|source| failed(args, source))?;
    bar.finish_and_clear();
    Ok(Outcome::Done)
}
