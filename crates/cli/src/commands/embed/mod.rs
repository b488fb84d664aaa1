//! `libellus embed`: texts in, vectors out, in the same order and in constant memory.
//!
//! [`texts`] reads batches, the encoder turns each into vectors, [`vectors`] writes them; the loop in
//! [`run`] is all there is between them.

mod texts;
mod vectors;

use crate::error::Error;
use crate::files::{STANDARD, is_input};
use crate::input::Input;
use crate::interrupt::Interrupt;
use crate::memory::MemoryArgs;
use crate::model::ModelArgs;
use crate::outcome::Outcome;
use crate::progress;
use crate::threads::ThreadsArgs;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use texts::{Text, TextReader};
use vectors::{Format, VectorWriter};

const EXAMPLES: &str = "\
Examples:
  libellus embed --input texts.txt --output vectors.npy --format npy
  echo \"a book about whales\" | libellus embed
  libellus embed --format csv --input texts.jsonl > vectors.csv
  libellus embed --memory 64M --input texts.txt > vectors.jsonl

Input is UTF-8, one text per line; an empty line is an empty text, so that vectors and lines keep
step. If the first line is a JSON object, every line must be one, with `text` and perhaps `id`. A
text without an id has its line number.

Formats:
  jsonl  {\"id\":1,\"embedding\":[0.1,…],\"tokens\":7,\"truncated\":false}
  csv    id,embedding with a header; the vector as pgvector reads it, \"[0.1,…]\"
  npy    a float32 array of shape (texts, dimensions) for numpy.load; its header holds the number
         of texts, so towards a pipe all vectors are kept in memory first, towards a file none";

/// What can be typed after `embed`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The texts; `-` is standard input
    #[arg(long, value_name = "FILE", default_value = "-")]
    input: PathBuf,
    /// Where the vectors go; `-` is standard output
    #[arg(long, value_name = "FILE", default_value = "-")]
    output: PathBuf,
    /// How the vectors are written
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    threads: ThreadsArgs,
    #[command(flatten)]
    memory: MemoryArgs,
    #[command(flatten)]
    model: ModelArgs,
}

/// Embeds, and says on standard error how many texts were cut short.
pub fn run(args: &Args) -> Result<Outcome, Error> {
    let input = Input::open(&args.input)?;
    refuse_same_file(&args.input, &args.output)?;
    let encoder = args.model.open()?;
    let limits = args.memory.share_out(&args.threads, &encoder)?;

    // A bar between lines of output on the same terminal would help nobody.
    let hidden = args.output == Path::new(STANDARD) && io::stdout().is_terminal();
    let bar = if hidden { indicatif::ProgressBar::hidden() } else { progress::bytes("embedding", input.size_bytes) };
    let mut reader = TextReader::new(input, limits);
    let mut writer = VectorWriter::create(&args.output, args.format, encoder.info().dim)?;
    // Nothing is lost by dying before the first batch is read, and a prompt must obey Ctrl-C.
    let mut interrupt = None;
    let mut totals = Totals::default();
    let failure = loop {
        let batch = match reader.next_batch() {
            Ok(batch) if batch.is_empty() => break None,
            Ok(batch) => batch,
            Err(error) => break Some(error),
        };
        let interrupt = match &mut interrupt {
            Some(listening) => listening,
            none => none.insert(Interrupt::listen()?),
        };
        let texts: Vec<&str> = batch.iter().map(|Text { text, .. }| text.as_str()).collect();
        let encoded = encoder.encode_batch(&texts, limits.threads);
        for (text, encoded) in batch.iter().zip(&encoded) {
            writer.write(&text.id, encoded)?;
            totals.count(encoded.tokens.is_truncated());
        }
        bar.set_position(reader.bytes_read());
        if interrupt.requested() {
            totals.interrupted = true;
            break None;
        }
    };
    // What was embedded before a bad line is kept, and is a whole file.
    writer.finish()?;
    bar.finish_and_clear();
    totals.report(encoder.info().max_tokens);
    match failure {
        Some(error) => Err(error),
        None if totals.interrupted => Ok(Outcome::Interrupted),
        None => Ok(Outcome::Done),
    }
}

/// What to say at the end.
#[derive(Default)]
struct Totals {
    texts: u64,
    truncated: u64,
    interrupted: bool,
}

impl Totals {
    fn count(&mut self, truncated: bool) {
        self.texts += 1;
        self.truncated += u64::from(truncated);
    }

    fn report(&self, max_tokens: usize) {
        if self.truncated > 0 {
            eprintln!(
                "note: {} of {} texts are longer than the {max_tokens} tokens that the model reads; their end was left out",
                self.truncated, self.texts
            );
        }
        if self.interrupted {
            eprintln!("stopped; the vectors of the first {} texts are kept", self.texts);
        }
    }
}

/// Creating the output would empty the input.
fn refuse_same_file(input: &Path, output: &Path) -> Result<(), Error> {
    if !is_input(input, output) {
        return Ok(());
    }
    let named = if input == Path::new(STANDARD) { output } else { input };
    Err(Error::SameFile { name: named.display().to_string() })
}
