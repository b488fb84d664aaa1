//! `libellus export embeddings`: vectors for another catalogue of the same books, or for another program.
//!
//! With `--format npy` the vectors are an array of NumPy, and what they belong to is a table beside it.
//!
//! Each row tells what it belongs to: book, passage, the hash of the text and the model. `import_embeddings.rs` reads it.

use crate::database::DatabaseArgs;
use crate::error::Error;
use crate::files::STANDARD;
use crate::model::ModelArgs;
use crate::outcome::Outcome;
use crate::output_file::OutputFile;
use clap::ValueEnum;
use libellus_catalogue::export::csv_field;
use libellus_catalogue::npy;
use libellus_catalogue::{Access, PlacedEmbedding};
use std::fmt::Write as _;
use std::io::Write;
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
    if args.format == Format::Npy {
        return write_npy(args);
    }
    let encoder = args.model.open()?;
    let catalogue = args.database.open_existing(Access::ReadOnly)?;
    let space = &encoder.info().fingerprint.space;
    let mut output = OutputFile::create(&args.output)?;
    let mut written = match args.format {
        Format::Csv => output.write_all(b"book_id,passage,text_hash,space,precision,embedding\n"),
        Format::Jsonl | Format::Npy => Ok(()),
    };
    catalogue.each_placed_embedding(space, &mut |embedding| {
        // After a failure the rest is only walked over.
        if written.is_ok() {
            written = output.write_all(line(&embedding, space, args.format).as_bytes());
        }
    })?;
    written.map_err(|source| output.failed(source))?;
    output.finish()?;
    Ok(Outcome::Done)
}

/// Writes the vectors to one file and what they belong to beside it.
fn write_npy(args: &Args) -> Result<Outcome, Error> {
    if args.output == Path::new(STANDARD) {
        return Err(Error::NpyNeedsAFile);
    }
    let ids_path = ids_beside(&args.output);
    args.database.refuse_to_overwrite(&ids_path)?;
    let encoder = args.model.open()?;
    let info = encoder.info();
    let catalogue = args.database.open_existing(Access::ReadOnly)?;
    let (mut vectors, mut ids) = (OutputFile::create(&args.output)?, OutputFile::create(&ids_path)?);
    let mut rows = 0;
    // The header comes again when the number of rows is known.
    let mut written = vectors.write_all(&npy::header(0, info.dim)).map_err(|source| vectors.failed(source));
    let head = ids.write_all(b"book_id,passage,text_hash,space,precision\n").map_err(|source| ids.failed(source));
    written = written.and(head);
    catalogue.each_placed_embedding(&info.fingerprint.space, &mut |embedding| {
        if written.is_err() {
            return;
        }
        rows += 1;
        let place = place(&embedding, &info.fingerprint.space);
        let bytes: Vec<u8> = embedding.vector.iter().flat_map(|number| number.to_le_bytes()).collect();
        written = vectors.write_all(&bytes).map_err(|source| vectors.failed(source));
        if written.is_ok() {
            written = writeln!(ids, "{place}").map_err(|source| ids.failed(source));
        }
    })?;
    written?;
    vectors.rewrite_start(&npy::header(rows, info.dim)).map_err(|source| vectors.failed(source))?;
    ids.finish()?;
    vectors.finish()?;
    Ok(Outcome::Done)
}

/// Where the table of what vectors belong to is, beside their file.
pub fn ids_beside(vectors: &Path) -> PathBuf {
    vectors.with_extension("ids.csv")
}

/// What a vector belongs to, as the first fields of a row of CSV.
fn place(embedding: &PlacedEmbedding<'_>, space: &str) -> String {
    let PlacedEmbedding { book_id, ordinal, text_hash, precision, .. } = embedding;
    let hash: String = text_hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{},{},{hash},{space},{precision}", csv_field(book_id), ordinal + 1)
}

fn line(embedding: &PlacedEmbedding<'_>, space: &str, format: Format) -> String {
    let PlacedEmbedding { book_id, ordinal, text_hash, precision, vector } = embedding;
    let hash: String = text_hash.iter().map(|byte| format!("{byte:02x}")).collect();
    // The shortest form that reads back as the same float.
    let mut numbers = String::with_capacity(vector.len() * 12);
    for (n, number) in vector.iter().enumerate() {
        // Writing to a string cannot fail.
        let _ = write!(numbers, "{}{number}", if n == 0 { "" } else { "," });
    }
    let passage = ordinal + 1;
    match format {
        Format::Csv => format!("{},\"[{numbers}]\"\n", place(embedding, space)),
        Format::Jsonl | Format::Npy => format!(
            "{{\"book_id\":{},\"passage\":{passage},\"text_hash\":\"{hash}\",\"space\":\"{space}\",\
             \"precision\":\"{precision}\",\"embedding\":[{numbers}]}}\n",
            serde_json::Value::from(*book_id)
        ),
    }
}
