//! `libellus import embeddings`: vectors that were made elsewhere, by libellus or another program.
//!
//! A vector is taken only for the text that it was made from, and only by this model: a row tells both, or the user
//! vouches for them with `--trust`. Each row that cannot be used is reported; the rest is stored, batch by batch.

use crate::commands::export::embeddings::ids_beside;
use crate::database::DatabaseArgs;
use crate::error::Error;
use crate::files::is_regular;
use crate::input::Input;
use crate::interrupt::Interrupt;
use crate::model::ModelArgs;
use crate::outcome::Outcome;
use crate::output;
use libellus_catalogue::check::checked_vector;
use libellus_catalogue::import::{EmbeddingRow, Reject, each_embedding_row, keep_first};
use libellus_catalogue::npy::{self, NpyReader};
use libellus_catalogue::{Access, Catalogue, NewEmbedding, PlacedPassage};
use libellus_encoder::ModelInfo;
use serde::Serialize;
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

const EXAMPLES: &str = "\
Examples:
  libellus import embeddings embeddings.csv
  libellus import embeddings --trust book_embeddings.csv    what COPY … TO … CSV HEADER wrote
  libellus import embeddings vectors.npy                    with vectors.ids.csv beside it

CSV or TSV with a header, or JSON Lines, compressed or not; columns book_id (or id), embedding (or vector), and perhaps passage
(from 1), text_hash, space and precision, as `libellus export embeddings` writes them. A vector may be
written [0.1,…], {0.1,…}, or \\x and the bytes of little-endian floats in hexadecimal. The rows for an
array of NumPy (.npy, float32 or float64, one vector a row) are in a table of their own, without vectors.

A row without text_hash or space does not say which text and which model its vector was made from:
it is taken only with --trust. Rows that do not fit are reported with line and reason.

Exit codes: 0 all loaded, 1 loaded but some rows were rejected, 2 nothing usable, 130 stopped.";

/// Rows in a batch: one transaction.
const BATCH: usize = 4000;
/// Rejects shown on standard error.
const SHOWN: usize = 10;

/// What can be typed after `import embeddings`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The file; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// What the rows of a .npy file belong to: CSV or JSON Lines [default: its name with .ids.csv]
    #[arg(long, value_name = "FILE")]
    ids: Option<PathBuf>,
    /// Take rows that do not say so to be made from the present texts by this model
    #[arg(long)]
    trust: bool,
    /// Print JSON: rows read, stored and rejected
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    model: ModelArgs,
}

#[derive(Default, Serialize)]
struct Report {
    rows: u64,
    stored: u64,
    rejected: u64,
    /// The first of them.
    rejects: Vec<Reject>,
    interrupted: bool,
}

/// Loads, and prints what was done.
pub fn run(args: &Args) -> Result<Outcome, Error> {
    let interrupt = Interrupt::listen()?;
    let mut input = Input::open(&args.file)?;
    let mut array = None;
    if input.starts_with(npy::MAGIC).map_err(|source| Error::Input { name: input.name.clone(), source })? {
        let ids = args.ids.clone().unwrap_or_else(|| ids_beside(&args.file));
        // Both are read twice: an array one row short would give every vector behind it to another passage.
        if let Some(stream) = [&args.file, &ids].into_iter().find(|file| !is_regular(file)) {
            return Err(Error::ArrayNeedsFiles { name: stream.display().to_string() });
        }
        check_count(&args.file, &ids)?;
        array = Some(std::mem::replace(&mut input, Input::open(&ids)?));
    }
    let encoder = args.model.open()?;
    let catalogue = args.database.open_existing(Access::ReadWrite)?;
    let info = encoder.info();
    let checks = Checks { model: info, trust: args.trust };
    let vectors = array.as_mut().map(|array| NpyReader::open(&array.name, &mut array.reader)).transpose()?;
    let report = Mutex::new(Report::default());
    let (send, receive) = mpsc::sync_channel(1);
    // One thread reads and looks up while another stores, which takes longer.
    thread::scope(|scope| {
        let storing = scope.spawn(|| -> Result<(), Error> {
            // Owned, so that the reader notices if storing ends early.
            let batches: Receiver<Batch> = receive;
            batches.iter().try_for_each(|batch| store(&catalogue, &checks, &batch, &input.name, &report))
        });
        let mut batch = Vec::with_capacity(BATCH);
        let placed = |batch: &mut Vec<EmbeddingRow>| Batch::new(&catalogue, std::mem::take(batch));
        let read = each_embedding_row(&input.name, &mut input.reader, vectors, &mut |row| {
            let row = row.and_then(|row| checks.row(row));
            let mut report = lock(&report);
            report.rows += 1;
            match row {
                Ok(row) => batch.push(row),
                Err(reject) => report.reject(&input.name, reject),
            }
            // Rejects alone never fill a batch, and must be stopped all the same.
            report.interrupted = interrupt.requested();
            if batch.len() < BATCH && !report.interrupted {
                return Ok::<_, Error>(ControlFlow::Continue(()));
            }
            let must_stop = report.interrupted;
            drop(report);
            let is_over = send.send(placed(&mut batch)?).is_err();
            Ok(if must_stop || is_over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        });
        // What was read before an error is whole, and kept. If storing has ended, it says why.
        let last = placed(&mut batch).map(|last| send.send(last).unwrap_or_default());
        drop(send);
        storing.join().unwrap_or_else(|panic| resume_unwind(panic)).and(read).and(last)
    })?;
    let report = report.into_inner().unwrap_or_else(PoisonError::into_inner);
    if report.stored > 0 {
        catalogue.settle()?;
    }
    if args.json {
        output::print_json(&report)?;
    } else {
        let Report { rows, stored, rejected, .. } = report;
        output::print(&format!("{}: {rows} rows, {stored} stored, {rejected} rejected\n", input.name))?;
    }
    Ok(match report {
        Report { interrupted: true, .. } => Outcome::Interrupted,
        Report { stored: 0, .. } => Outcome::NothingUsable,
        Report { rejected: 0, .. } => Outcome::Done,
        _ => Outcome::WithRejects,
    })
}

/// Counts vectors and rows: one too few, and all behind it would belong to another.
fn check_count(vectors: &Path, ids: &Path) -> Result<(), Error> {
    let (mut array, mut table) = (Input::open(vectors)?, Input::open(ids)?);
    let rows = NpyReader::open(&array.name, &mut array.reader)?.rows();
    let mut listed = 0;
    each_embedding_row(&table.name, &mut table.reader, None, &mut |_| {
        listed += 1;
        Ok::<_, Error>(ControlFlow::Continue(()))
    })?;
    if rows == listed {
        return Ok(());
    }
    Err(Error::IdsDoNotFit { vectors: array.name, rows, ids: table.name, listed })
}

impl Report {
    fn reject(&mut self, file: &str, reject: Reject) {
        match self.rejected + 1 {
            count if count <= SHOWN as u64 => {
                let Reject { place, reason, .. } = &reject;
                eprintln!("rejected: {}", output::plain(&format!("{file}, {place}: {reason}")));
            }
            count if count == SHOWN as u64 + 1 => eprintln!("rejected: … and more; --json lists them"),
            _ => {}
        }
        keep_first(&mut self.rejects, &mut self.rejected, [reject]);
    }
}

/// Rows that go into one transaction, and the passages of their books.
struct Batch {
    rows: Vec<EmbeddingRow>,
    passages: HashMap<String, Vec<PlacedPassage>>,
}

impl Batch {
    fn new(catalogue: &Catalogue, rows: Vec<EmbeddingRow>) -> Result<Self, Error> {
        let ids: Vec<&str> = rows.iter().map(|row| row.book_id.as_str()).collect();
        let passages = catalogue.passages_of(&ids)?;
        Ok(Self { rows, passages })
    }
}

/// Stores what belongs to a passage, a transaction for each precision.
fn store(
    catalogue: &Catalogue,
    checks: &Checks<'_>,
    Batch { rows, passages }: &Batch,
    file: &str,
    report: &Mutex<Report>,
) -> Result<(), Error> {
    let mut by_precision: HashMap<&str, Vec<NewEmbedding<'_>>> = HashMap::new();
    for row in rows {
        match passage_of(row, passages.get(&row.book_id).map(Vec::as_slice)) {
            Ok(PlacedPassage { passage_id, text_hash, .. }) => {
                let embedding = NewEmbedding { passage_id, text_hash, vector: &row.vector };
                by_precision.entry(precision_of(row)).or_default().push(embedding);
            }
            Err(reason) => lock(report).reject(file, reject(row, reason)),
        }
    }
    for (precision, embeddings) in by_precision {
        let stored = catalogue.put_embeddings(&checks.model.fingerprint.space, precision, &embeddings)?;
        lock(report).stored += stored;
    }
    Ok(())
}

fn lock(report: &Mutex<Report>) -> MutexGuard<'_, Report> {
    report.lock().unwrap_or_else(PoisonError::into_inner)
}

fn reject(row: &EmbeddingRow, reason: String) -> Reject {
    Reject { place: row.place, id: Some(row.book_id.clone()), field: None, reason }
}

/// What made a vector that does not say so.
fn precision_of(row: &EmbeddingRow) -> &str {
    row.precision.as_deref().unwrap_or("f32")
}

/// The passage that a row is about.
fn passage_of(row: &EmbeddingRow, passages: Option<&[PlacedPassage]>) -> Result<PlacedPassage, String> {
    let id = &row.book_id;
    let passages = passages.ok_or_else(|| format!("there is no book `{id}`"))?;
    let passage = match (row.ordinal, passages) {
        (None, [only]) => *only,
        (None, several) => {
            let count = several.len();
            return Err(format!("the book `{id}` has {count} passages, and the row does not say which; embed it anew"));
        }
        (Some(ordinal), _) => *passages
            .iter()
            .find(|passage| passage.ordinal == ordinal)
            .ok_or_else(|| format!("the book `{id}` has no passage {}", u64::from(ordinal) + 1))?,
    };
    match row.text_hash {
        Some(hash) if hash != passage.text_hash => {
            Err(format!("the vector was made from another text than the book `{id}` has now"))
        }
        _ => Ok(passage),
    }
}

/// What a row has to be.
struct Checks<'a> {
    model: &'a ModelInfo,
    trust: bool,
}

impl Checks<'_> {
    fn row(&self, row: EmbeddingRow) -> Result<EmbeddingRow, Reject> {
        let &ModelInfo { dim, is_normalized, .. } = self.model;
        match self.origin(&row).and_then(|()| checked_vector(&row.vector, Some(dim), is_normalized)) {
            Ok(()) => Ok(row),
            Err(reason) => Err(reject(&row, reason)),
        }
    }

    /// Which text and which model a vector was made from.
    fn origin(&self, row: &EmbeddingRow) -> Result<(), String> {
        let ours = &self.model.fingerprint.space;
        match &row.space {
            Some(space) if space != ours => {
                return Err(format!("the vector lies in the space {space}, the model's is {ours}"));
            }
            Some(_) if row.text_hash.is_some() => {}
            _ if self.trust => {}
            _ => return Err("the row does not say which text and model it was made from; see --trust".to_owned()),
        }
        let precision = precision_of(row);
        if !["f32", "int8", "int8-words4"].contains(&precision) {
            return Err(format!("the precision `{precision}` is not known"));
        }
        Ok(())
    }
}
