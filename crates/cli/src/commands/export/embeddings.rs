//! `libellus export embeddings`: vectors for another catalogue of the same books, or for another program.
//!
//! With `--format npy` the vectors are an array of NumPy, and what they belong to is a table beside it.
//!
//! Each row tells what it belongs to: book, passage, the hash of the text and the model. `import_embeddings.rs` reads it.

use crate::database::DatabaseArgs;
use crate::error::Error;
use crate::files::STANDARD;
use crate::interrupt::Interrupt;
use crate::model::ModelArgs;
use crate::outcome::Outcome;
use crate::output_file::OutputFile;
use clap::ValueEnum;
use libellus_catalogue::export::csv_field;
use libellus_catalogue::npy;
use libellus_catalogue::{Access, PlacedEmbedding, unless_failed};
use std::fmt::Write as _;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  libellus export embeddings --output embeddings.csv
  libellus export embeddings --format jsonl --db books.db | zstd > embeddings.jsonl.zst
  libellus export embeddings --format npy --output vectors.npy    and vectors.ids.csv beside it

Every fresh embedding of the model, one a row: book_id, passage (from 1), text_hash, space,
precision, embedding. `libellus import embeddings` reads all formats, and every bit comes back.";

/// What can be typed after `export embeddings`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// How they are written
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Where they go; `-` is standard output
    #[arg(long, value_name = "FILE", default_value = "-")]
    output: PathBuf,
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    model: ModelArgs,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// With a header; the vector as pgvector reads it
    #[default]
    Csv,
    /// One JSON object a line
    Jsonl,
    /// An array of NumPy, and beside it a table of what its rows belong to
    Npy,
}

/// Writes them.
pub fn run(args: &Args) -> Result<Outcome, Error> {
    args.database.refuse_to_overwrite(&args.output)?;
    let interrupt = Interrupt::listen()?;
    let written = match args.format {
        Format::Npy => write_npy(args, &interrupt),
        Format::Csv => write_text(args, &interrupt, "book_id,passage,text_hash,space,precision,embedding\n", csv_line),
        Format::Jsonl => write_text(args, &interrupt, "", json_line),
    };
    if interrupt.requested() {
        // Half a file is none: what was there before stays.
        return Ok(Outcome::Interrupted);
    }
    written.map(|()| Outcome::Done)
}

/// Writes a line for each embedding.
fn write_text(
    args: &Args,
    interrupt: &Interrupt,
    head: &str,
    line: impl Fn(&PlacedEmbedding<'_>, &str) -> String,
) -> Result<(), Error> {
    let encoder = args.model.open()?;
    let space = &encoder.info().fingerprint.space;
    let catalogue = args.database.open_existing(Access::ReadOnly)?;
    let mut output = OutputFile::create(&args.output)?.stopped_by(interrupt);
    let mut written = output.write_all(head.as_bytes());
    if written.is_ok() {
        catalogue.each_placed_embedding(space, &mut |embedding| {
            written = output.write_all(line(&embedding, space).as_bytes());
            unless_failed(&written)
        })?;
    }
    written.map_err(|source| output.failed(source))?;
    output.finish()
}

/// Writes the vectors to one file and what they belong to beside it.
fn write_npy(args: &Args, interrupt: &Interrupt) -> Result<(), Error> {
    if args.output == Path::new(STANDARD) {
        return Err(Error::NpyNeedsAFile);
    }
    let ids_path = ids_beside(&args.output);
    args.database.refuse_to_overwrite(&ids_path)?;
    let encoder = args.model.open()?;
    let info = encoder.info();
    let catalogue = args.database.open_existing(Access::ReadOnly)?;
    let mut vectors = OutputFile::create(&args.output)?.stopped_by(interrupt);
    let mut ids = OutputFile::create(&ids_path)?.stopped_by(interrupt);
    // The header comes again when the number of rows is known.
    vectors.write_all(&npy::header(0, info.dim)).map_err(|source| vectors.failed(source))?;
    ids.write_all(b"book_id,passage,text_hash,space,precision\n").map_err(|source| ids.failed(source))?;
    let (mut rows, mut written) = (0, Ok(()));
    catalogue.each_placed_embedding(&info.fingerprint.space, &mut |embedding| {
        let PlacedEmbedding { book_id, ordinal, vector, .. } = embedding;
        if vector.len() != info.dim {
            let (passage, dim, expected) = (ordinal + 1, vector.len(), info.dim);
            written = Err(Error::DamagedVector { book_id: book_id.to_owned(), passage, dim, expected });
            return ControlFlow::Break(());
        }
        rows += 1;
        let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
        let place = place(&embedding, &info.fingerprint.space);
        let row = vectors.write_all(&bytes).map_err(|source| vectors.failed(source));
        written = row.and_then(|()| writeln!(ids, "{place}").map_err(|source| ids.failed(source)));
        unless_failed(&written)
    })?;
    written?;
    vectors.rewrite_start(&npy::header(rows, info.dim)).map_err(|source| vectors.failed(source))?;
    ids.finish()?;
    vectors.finish()
}

/// Where the table of what vectors belong to is, beside their file.
pub fn ids_beside(vectors: &Path) -> PathBuf {
    vectors.with_extension("ids.csv")
}

/// What a vector belongs to, as the first fields of a row of CSV.
fn place(embedding: &PlacedEmbedding<'_>, space: &str) -> String {
    let PlacedEmbedding { book_id, ordinal, precision, .. } = embedding;
    format!("{},{},{},{space},{precision}", csv_field(book_id), ordinal + 1, hash(embedding))
}

fn csv_line(embedding: &PlacedEmbedding<'_>, space: &str) -> String {
    format!("{},\"[{}]\"\n", place(embedding, space), numbers(embedding))
}

fn json_line(embedding: &PlacedEmbedding<'_>, space: &str) -> String {
    let PlacedEmbedding { book_id, ordinal, precision, .. } = embedding;
    format!(
        "{{\"book_id\":{},\"passage\":{},\"text_hash\":\"{}\",\"space\":\"{space}\",\
         \"precision\":\"{precision}\",\"embedding\":[{}]}}\n",
        serde_json::Value::from(*book_id),
        ordinal + 1,
        hash(embedding),
        numbers(embedding)
    )
}

fn hash(embedding: &PlacedEmbedding<'_>) -> String {
    embedding.text_hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// In the shortest form that reads back as the same float.
fn numbers(embedding: &PlacedEmbedding<'_>) -> String {
    let mut numbers = String::with_capacity(embedding.vector.len() * 12);
    for (n, number) in embedding.vector.iter().enumerate() {
        // Writing to a string cannot fail.
        let _ = write!(numbers, "{}{number}", if n == 0 { "" } else { "," });
    }
    numbers
}
