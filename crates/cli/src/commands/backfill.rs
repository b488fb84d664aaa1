//! `libellus backfill`: embed what has no fresh embedding.

use crate::database::DatabaseArgs;
use crate::error::Error;
use crate::interrupt::Interrupt;
use crate::memory::MemoryArgs;
use crate::model::ModelArgs;
use crate::outcome::Outcome;
use crate::output;
use crate::progress;
use crate::rejects;
use crate::threads::ThreadsArgs;
use libellus_catalogue::{Access, FailedPassage};
use libellus_search::{BackfillOptions, BackfillReport, Library};
use std::thread;
use std::time::{Duration, Instant};

const EXAMPLES: &str = "\
Examples:
  libellus backfill
  libellus backfill --threads 2 --db books.db
  libellus backfill --watch                        go on for ever, embedding what comes in
  libellus backfill --failed                       list the passages that could not be embedded

It may be stopped at any time: finished batches are kept, and the next run does the rest. Several
may run at once, over PostgreSQL on several machines: they share the work. What one had in hand when
it was killed is done by another within a minute or so. A passage that fails is tried five times,
with growing pauses; --retry-failed begins anew with it.

Changes of a table that `libellus adopt --sync` follows are dealt with, too.

Exit codes: 0 done, 1 some passages could not be embedded, or rows of a followed table are no books,
130 stopped.";

/// The pauses of a watching worker whose catalogue is away: the first, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// How often a line is printed where there is no terminal for a bar.
const LINE_EVERY: Duration = Duration::from_secs(30);
/// How many failures are listed for people.
const LISTED: usize = 1000;

/// What can be typed after `backfill`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Go on for ever, embedding what comes in
    #[arg(long, conflicts_with = "failed")]
    watch: bool,
    /// List the passages that could not be embedded, and embed nothing
    #[arg(long)]
    failed: bool,
    /// Try the passages that failed, as if for the first time
    #[arg(long, conflicts_with = "failed")]
    retry_failed: bool,
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
    let access = if args.failed { Access::ReadOnly } else { Access::ReadWrite };
    let library = Library::new(args.model.open()?, args.database.open_existing(access)?);
    if args.failed {
        return list_failed(args, &library);
    }
    if args.retry_failed {
        library.catalogue().forget_failures(&library.encoder().info().fingerprint.space)?;
    }
    let options = BackfillOptions { watch: args.watch, ..options(&args.memory, &args.threads, &library)? };
    let report =
        if args.watch { watch(&library, options, &interrupt)? } else { with_progress(&library, options, &interrupt)? };
    if args.json {
        output::print_json(&report)?;
    } else {
        output::print(&for_people(&report, &command(&args.database, &args.model)))?;
    }
    Ok(outcome(&report))
}

/// Threads and batches within the limits that were given.
pub(super) fn options(memory: &MemoryArgs, threads: &ThreadsArgs, library: &Library) -> Result<BackfillOptions, Error> {
    let limits = memory.share_out(threads, library.encoder())?;
    let whole = BackfillOptions::default();
    Ok(BackfillOptions { threads: limits.threads, batch: whole.batch.min(limits.texts), ..whole })
}

/// Lists what could not be embedded, with the reasons.
fn list_failed(args: &Args, library: &Library) -> Result<Outcome, Error> {
    let space = &library.encoder().info().fingerprint.space;
    let failed = library.catalogue().failed_passages(space, if args.json { usize::MAX } else { LISTED })?;
    if args.json {
        output::print_json(&failed)?;
    } else if failed.is_empty() {
        output::print("no passage failed\n")?;
    } else {
        let lines: String = failed.iter().map(failure_line).collect();
        let more = if failed.len() == LISTED { "… there may be more; --json lists all\n" } else { "" };
        output::print(&format!("{lines}{more}"))?;
    }
    Ok(if failed.is_empty() { Outcome::Done } else { Outcome::NotEmbedded })
}

fn failure_line(failed: &FailedPassage) -> String {
    let FailedPassage { book_id, ordinal, attempts, given_up, reason } = failed;
    let fate = if *given_up { "given up" } else { "will be tried again" };
    let reason = reason.as_deref().unwrap_or("the worker ended while it had this passage in hand");
    let line = format!("book `{book_id}`, passage {}: {reason} (tried {attempts} times, {fate})", ordinal + 1);
    format!("{}\n", output::plain(&line))
}

/// Embeds for ever. A catalogue that is away is waited for, with growing pauses; why is said once.
fn watch(library: &Library, options: BackfillOptions, interrupt: &Interrupt) -> Result<BackfillReport, Error> {
    let mut pause = PAUSES.0;
    loop {
        let begin = Instant::now();
        let error = match with_progress(library, options, interrupt) {
            Err(error) if error.is_transient() && !interrupt.requested() => error,
            result => return result,
        };
        if begin.elapsed() > PAUSES.1 {
            pause = PAUSES.0;
        }
        if pause == PAUSES.0 {
            error.report();
            eprintln!("note: waiting for the catalogue");
        }
        let until = Instant::now() + pause;
        while Instant::now() < until && !interrupt.requested() {
            thread::sleep(Duration::from_millis(100));
        }
        pause = (pause * 2).min(PAUSES.1);
    }
}

/// Embeds every passage without a fresh embedding, with a progress bar, or with a line now and then.
pub(super) fn with_progress(
    library: &Library,
    options: BackfillOptions,
    interrupt: &Interrupt,
) -> Result<BackfillReport, Error> {
    let bar = progress::count("embedding passages");
    let (begin, mut last) = (Instant::now(), (Instant::now(), 0));
    let report = library.backfill(&options, &mut |progress| {
        bar.set_length(progress.total);
        bar.set_position(progress.done);
        bar.suspend(|| rejects::show("rejected", rejects::ADOPTED, progress.rejects, progress.rejects.len() as u64));
        if bar.is_hidden() && last.0.elapsed() > LINE_EVERY && progress.done > last.1 {
            last = (Instant::now(), progress.done);
            eprintln!("{}", progress_line(progress.done, progress.total, begin.elapsed()));
        }
        interrupt.check()
    });
    bar.finish_and_clear();
    Ok(report?)
}

/// How far it is, how fast, and how long it will take.
fn progress_line(done: u64, total: u64, elapsed: Duration) -> String {
    let rate = done as f64 / elapsed.as_secs_f64().max(0.001);
    let left = duration(Duration::from_secs_f64(total.saturating_sub(done) as f64 / rate.max(0.001)));
    format!("embedded {done} of {total} passages, {rate:.0} a second, {left} left")
}

/// A span of time, roughly.
pub(super) fn duration(span: Duration) -> String {
    let seconds = span.as_secs_f64().round() as u64;
    match seconds {
        0..100 => format!("{seconds} s"),
        100..6000 => format!("{} min", seconds.div_ceil(60)),
        _ => format!("{} h", seconds.div_ceil(3600)),
    }
}

/// The command that embeds the rest, with the catalogue and the model that were named.
pub(super) fn command(database: &DatabaseArgs, model: &ModelArgs) -> String {
    format!("libellus backfill{}{}", database.flag(), model.flag())
}

/// The report in a line or two; `command` does the rest.
pub(super) fn for_people(report: &BackfillReport, command: &str) -> String {
    summary(report, command, &format!("{command} --failed"))
}

/// The same, where another command lists what failed.
pub(super) fn summary(report: &BackfillReport, command: &str, list_failed: &str) -> String {
    let mut text = String::new();
    if report.changes > 0 {
        text += &format!("dealt with {} changes of the adopted table\n", report.changes);
    }
    if report.rejected_rows > 0 {
        text += &format!("{} rows that changed cannot be books; it was said why\n", report.rejected_rows);
    }
    text += &match report.embedded {
        0 if !report.interrupted && report.failed == 0 => "every passage has a fresh embedding already\n".to_owned(),
        embedded => format!("embedded {embedded} passages ({} tokens)\n", report.tokens),
    };
    if report.truncated > 0 {
        text += &format!("{} passages are longer than the model reads; their end was left out\n", report.truncated);
    }
    if report.failed > 0 {
        text += &format!("{} passages could not be embedded; `{list_failed}` says why\n", report.failed);
    }
    if report.interrupted {
        text += &format!("stopped; these are kept, and `{command}` does the rest\n");
    }
    text
}

/// How a backfill ended.
pub(super) fn outcome(report: &BackfillReport) -> Outcome {
    match report {
        BackfillReport { interrupted: true, .. } => Outcome::Interrupted,
        BackfillReport { failed: 1.., .. } => Outcome::NotEmbedded,
        BackfillReport { rejected_rows: 1.., .. } => Outcome::WithRejects,
        _ => Outcome::Done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_has_rate_and_time_left() {
        for (done, total, seconds, expected) in [
            (100, 1000, 1, "embedded 100 of 1000 passages, 100 a second, 9 s left"),
            (100, 100_000, 10, "embedded 100 of 100000 passages, 10 a second, 3 h left"),
            (100, 10_000, 10, "embedded 100 of 10000 passages, 10 a second, 17 min left"),
            (5, 5, 0, "embedded 5 of 5 passages, 5000 a second, 0 s left"),
        ] {
            assert_eq!(progress_line(done, total, Duration::from_secs(seconds)), expected);
        }
    }
}
