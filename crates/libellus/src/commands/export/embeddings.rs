//! `libellus export embeddings`: vectors for another catalogue of the same books, or for another program.
//!
//! Each row tells what it belongs to: book, passage, the hash of the text and the model. `import_embeddings.rs` reads it.

use crate::database::DatabaseArgs;
use crate::error::Error;
use crate::model::ModelArgs;
use crate::outcome::Outcome;
use crate::output_file::OutputFile;
use clap::ValueEnum;
use libellus_catalogue::export::csv_field;
use libellus_catalogue::{Access, PlacedEmbedding};
use std::fmt::Write as _;
use std::io::Write;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  libellus export embeddings --output embeddings.csv
  libellus export embeddings --format jsonl --db books.db | zstd > embeddings.jsonl.zst

Every fresh embedding of the model, one a row: book_id, passage (from 1), text_hash, space,
precision, embedding. `libellus import embeddings` reads both formats, and every bit comes back.";

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
}

/// Writes them.
pub fn run(args: &Args) -> Result<Outcome, Error> {
    args.database.refuse_to_overwrite(&args.output)?;
    let encoder = args.model.open()?;
    let catalogue = args.database.open_existing(Access::ReadOnly)?;
    let space = &encoder.info().fingerprint.space;
    let mut output = OutputFile::create(&args.output)?;
    let mut written = match args.format {
        Format::Csv => output.write_all(b"book_id,passage,text_hash,space,precision,embedding\n"),
        Format::Jsonl => Ok(()),
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
        Format::Csv => format!("{},{passage},{hash},{space},{precision},\"[{numbers}]\"\n", csv_field(book_id)),
        Format::Jsonl => format!(
            "{{\"book_id\":{},\"passage\":{passage},\"text_hash\":\"{hash}\",\"space\":\"{space}\",\
             \"precision\":\"{precision}\",\"embedding\":[{numbers}]}}\n",
            serde_json::Value::from(*book_id)
        ),
    }
}
