//! `libellus backfill`: embed what has no fresh embedding.

use crate::database::DatabaseArgs;
use crate::error::Error;
use crate::interrupt::Interrupt;
use crate::memory::MemoryArgs;
use crate::model::ModelArgs;
use crate::outcome::Outcome;
use crate::output;
use crate::progress;
use crate::threads::ThreadsArgs;
use libellus_catalogue::Access;
use libellus_search::{BackfillOptions, BackfillReport, Library};

const EXAMPLES: &str = "\
Examples:
  libellus backfill
  libellus backfill --threads 2 --db books.db

It may be stopped at any time: finished batches are kept, and the next run does the rest.";

/// What can be typed after `backfill`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Print JSON: passages embedded, tokens read, passages cut short
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    threads: ThreadsArgs,
    #[command(flatten)]
    memory: MemoryArgs,
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    model: ModelArgs,
}

/// Embeds, and prints how many.
pub fn run(args: &Args) -> Result<Outcome, Error> {
    let interrupt = Interrupt::listen()?;
    let catalogue = args.database.open_existing(Access::ReadWrite)?;
    let library = Library::new(args.model.open()?, catalogue);
    let limits = args.memory.share_out(&args.threads, library.encoder())?;
    let whole = BackfillOptions::default();
    let options = BackfillOptions { threads: limits.threads, batch: whole.batch.min(limits.texts) };
    let report = with_progress(&library, options, &interrupt)?;
    if args.json {
        output::print_json(&report)?;
    } else {
        output::print(&for_people(&report, &command(&args.database, &args.model)))?;
    }
    Ok(outcome(&report))
}

/// Embeds every passage without a fresh embedding, with a progress bar.
pub(super) fn with_progress(
    library: &Library,
    options: BackfillOptions,
    interrupt: &Interrupt,
) -> Result<BackfillReport, Error> {
    let bar = progress::count("embedding passages");
    let report = library.backfill(&options, &mut |progress| {
        bar.set_length(progress.total);
        bar.set_position(progress.done);
        interrupt.check()
    });
    bar.finish_and_clear();
    Ok(report?)
}

/// The command that embeds the rest, with the catalogue and the model that were named.
pub(super) fn command(database: &DatabaseArgs, model: &ModelArgs) -> String {
    format!("libellus backfill{}{}", database.flag(), model.flag())
}

/// The report in a line or two; `command` does the rest.
pub(super) fn for_people(report: &BackfillReport, command: &str) -> String {
    let mut text = match report.embedded {
        0 if !report.interrupted => "every passage has a fresh embedding already\n".to_owned(),
        embedded => format!("embedded {embedded} passages ({} tokens)\n", report.tokens),
    };
    if report.truncated > 0 {
        text += &format!("{} passages are longer than the model reads; their end was left out\n", report.truncated);
    }
    if report.interrupted {
        text += &format!("stopped; these are kept, and `{command}` does the rest\n");
    }
    text
}

/// How a backfill ended.
pub(super) fn outcome(report: &BackfillReport) -> Outcome {
    if report.interrupted { Outcome::Interrupted } else { Outcome::Done }
}
