//! `libellus check`: whether the catalogue is what it should be, and mending what can be made again.

use crate::commands::backfill;
use crate::database::DatabaseArgs;
use crate::error::Error;
use crate::model::ModelArgs;
use crate::outcome::Outcome;
use crate::output;
use libellus_catalogue::adopt::Agreement;
use libellus_catalogue::check::{CheckReport, EmbeddingCounts, Finding, Repaired};
use libellus_catalogue::{Access, BookTokens};
use libellus_search::{Library, ShortenedBook, TruncationReport};
use serde::Serialize;
use std::fmt::Write as _;

const EXAMPLES: &str = "\
Examples:
  libellus check
  libellus check --repair && libellus backfill
  libellus check --truncation
  libellus check --json --db postgresql://…

Reads everything once: the database's own structure; passages, which must be those of their book;
hashes, which must be their texts'; vectors, which must have the model's width, be finite and of length
1; and the indexes that searches use, which are made and compared. It writes nothing, and may run
beside `serve` and imports.

--repair deletes what belongs to nothing and vectors that cannot be searched, and cuts passages again.
`libellus backfill` then makes the embeddings that are missing.

Exit codes: 0 all is well, 1 something is wrong or not embedded.";

/// Findings shown to people.
const SHOWN: usize = 20;

/// What can be typed after `check`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Mend what can be made again
    #[arg(long)]
    repair: bool,
    /// Instead, say how much of the books the model reads, and of which it does not read all
    #[arg(long, conflicts_with = "repair")]
    truncation: bool,
    /// Print JSON: counts, embeddings by space and precision, findings
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    model: ModelArgs,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    well: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    repaired: Option<Repaired>,
    #[serde(flatten)]
    report: &'a CheckReport,
    /// What was measured of vectors of this space that were kept from another program.
    agreements: &'a [Agreement],
}

/// Checks, and prints what was found.
pub fn run(args: &Args) -> Result<Outcome, Error> {
    let access = if args.repair { Access::ReadWrite } else { Access::ReadOnly };
    let library = Library::new(args.model.open()?, args.database.open_existing(access)?);
    if args.truncation {
        return truncation(args, &library);
    }
    let mut report = library.check()?;
    let repaired = match args.repair && report.found > 0 {
        true => Some(library.repair(&report)?),
        false => None,
    };
    if repaired.is_some() {
        library.catalogue().settle()?;
        report = library.check()?;
    }
    let well = report.is_well();
    let space = &library.serving()?.info().fingerprint.space;
    let precisions = library.catalogue().precisions(space)?;
    let agreements: Vec<Agreement> = precisions.into_iter().filter_map(|stored| stored.agreement).collect();
    if args.json {
        output::print_json(&Report { well, repaired, report: &report, agreements: &agreements })?;
    } else {
        let seen = for_people(args, library.catalogue().location(), space, repaired, &report);
        output::print(&(agreements.iter().map(kept).collect::<String>() + &seen))?;
    }
    Ok(if well { Outcome::Done } else { Outcome::Faulty })
}

/// Says what the model does not read. That is no fault.
fn truncation(args: &Args, library: &Library) -> Result<Outcome, Error> {
    let report = library.truncation()?;
    if args.json {
        output::print_json(&report)?;
        return Ok(Outcome::Done);
    }
    let TruncationReport { books, tokens: BookTokens { seen, used }, shortened, listed } = &report;
    let mut text = format!("{books} books have {seen} tokens; the model reads {used} of them\n");
    if *shortened > 0 {
        text += &format!(
            "{shortened} books have more subjects or authors than there is room for in front of a passage; words find them\n"
        );
    }
    for ShortenedBook { id, title, tokens } in listed.iter().take(SHOWN) {
        let line = format!("  {} of {} tokens: book `{id}`, {title}", tokens.used, tokens.seen);
        text += &format!("{}\n", output::plain(&line));
    }
    if listed.len() > SHOWN {
        text += &format!("  … and {} more; --json lists them\n", shortened - SHOWN as u64);
    }
    output::print(&text)?;
    Ok(Outcome::Done)
}

/// What was measured when vectors of another program were kept.
fn kept(agreement: &Agreement) -> String {
    let Agreement { precision, compared_with, sampled, of, least, mean, .. } = agreement;
    format!(
        "embeddings in {precision} were taken over by `libellus adopt`: of {of}, {sampled} were compared with \
         {compared_with}; cosine at least {least:.4}, on average {mean:.4}\n"
    )
}

fn for_people(args: &Args, place: &str, space: &str, repaired: Option<Repaired>, report: &CheckReport) -> String {
    let CheckReport { books, passages, revision, embeddings, missing, cut_otherwise, findings, found, .. } = report;
    let mut text = String::new();
    // Writing to a string cannot fail.
    if let Some(Repaired { orphans, embeddings, books }) = repaired {
        let _ = writeln!(
            text,
            "repaired: {orphans} stray rows and {embeddings} embeddings deleted, {books} books cut again"
        );
    }
    let _ = writeln!(text, "{place}: {books} books, {passages} passages, revision {revision}");
    for EmbeddingCounts { space: its, precision, fresh, stale, wrong } in embeddings {
        let whose = if its == space { "this model's" } else { "another model's" };
        let _ = writeln!(
            text,
            "  embeddings in {precision}, {whose} space ({its}): {fresh} fresh, {stale} stale, {wrong} wrong"
        );
    }
    for Finding { book_id, detail, .. } in findings.iter().take(SHOWN) {
        let book = book_id.as_ref().map(|id| format!("book `{id}`: ")).unwrap_or_default();
        let _ = writeln!(text, "wrong: {}", output::plain(&format!("{book}{detail}")));
    }
    if *found > SHOWN as u64 {
        let _ = writeln!(text, "wrong: … and {} more; --json lists them", found - SHOWN as u64);
    }
    if *cut_otherwise > 0 {
        let _ =
            writeln!(text, "note: {cut_otherwise} books were cut into passages for another model, which is no fault");
    }
    if *missing > 0 {
        let backfill = backfill::command(&args.database, &args.model);
        let _ = writeln!(text, "{missing} passages have no fresh embedding of this model; `{backfill}` makes them");
    }
    match (found, args.repair) {
        (0, _) if *missing == 0 => text.push_str("all is well\n"),
        (1.., false) => {
            let (db, model) = (args.database.flag(), args.model.flag());
            let _ = writeln!(text, "`libellus check --repair{db}{model}` mends what can be made again");
        }
        _ => {}
    }
    text
}
