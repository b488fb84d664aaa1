//! `libellus adopt`: the books, and perhaps the vectors, that another program keeps in PostgreSQL.
//!
//! It looks, and says what it sees; nothing is written unless that was asked for. What it does then can be undone.

use crate::commands::backfill;
use crate::database::DatabaseArgs;
use crate::error::Error;
use crate::interrupt::Interrupt;
use crate::model::ModelArgs;
use crate::outcome::Outcome;
use crate::output;
use crate::progress;
use crate::rejects::{self, ADOPTED, RejectsFile};
use crate::threads::ThreadsArgs;
use libellus_catalogue::adopt::{
    Adopted, Adoption, ChangesTaken, Counts, Following, ForeignTables, Mapping, OWN_TEXT, Template, Undone,
    VectorFault, Wishes,
};
use libellus_catalogue::import::{Place, Reject, keep_first};
use libellus_catalogue::{Access, Catalogue, Location, WriteOutcome};
use libellus_encoder::Encoder;
use libellus_search::adopt::{Comparison, compare};
use libellus_search::{EncoderCutter, Library};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  libellus adopt --db postgresql://user@host/library        look, and write nothing
  libellus adopt --books catalog.titles --column title=name --column none=internal_notes
  libellus adopt --copy                        take the books over, and the vectors that can be kept
  libellus adopt --sync                        the same, and follow the table's changes from now on
  libellus adopt --undo                        stop following; with --yes, drop all that libellus made

The table of books is found by its columns, which mean what they mean in a file that is imported. The
other program's tables are only read; --sync adds triggers that note which rows change, and
`libellus backfill --watch` deals with them. For partitions that were attached since, run --sync and
--copy again. Copies are in a schema `libellus` of the same database. A copy that was stopped goes on
where it was if the table is followed; else it reads all again, and writes what differs. Fields for
--column: title, subtitle, authors, more-authors, isbns, publisher, year, language, subjects, tags,
audience, description, extra, none.

Exit codes: 0 done, 1 copied but some rows were rejected, 2 wrong usage or nothing usable, 130 stopped.";

/// Templates that are listed for people.
const LISTED: usize = 6;

/// What can be typed after `adopt`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The table or view of books [default: found by its columns]
    #[arg(long, value_name = "TABLE")]
    books: Option<String>,
    /// Its column that tells the books apart, and becomes their id [default: its primary key]
    #[arg(long, value_name = "COLUMN")]
    key: Option<String>,
    /// Take a field of the books from this column; may be repeated
    #[arg(long = "column", value_name = "FIELD=COLUMN", value_parser = field_and_column)]
    columns: Vec<(String, String)>,
    /// The table of vectors, or `none` to leave them out [default: found by its columns]
    #[arg(long, value_name = "TABLE")]
    embeddings: Option<String>,
    /// Its column that names the book
    #[arg(long, value_name = "COLUMN")]
    embeddings_key: Option<String>,
    /// Its column of vectors
    #[arg(long, value_name = "COLUMN")]
    vector: Option<String>,
    /// The text that was embedded, e.g. '{title}. {description}' [default: the usual ones are tried]
    #[arg(long, value_name = "TEMPLATE", value_parser = template)]
    text: Option<Template>,
    /// How many rows are embedded again and compared
    #[arg(long, value_name = "ROWS", default_value_t = 200)]
    sample: u32,
    /// Take the books over
    #[arg(long, group = "what")]
    copy: bool,
    /// Take the books over, and follow the table's changes from now on
    #[arg(long, group = "what")]
    sync: bool,
    /// Stop following the table, and forget it
    #[arg(long, group = "what")]
    undo: bool,
    /// With --undo, also drop all that libellus made: the books in its schema, wherever they came from
    #[arg(long, requires = "undo")]
    yes: bool,
    /// Write the rejected rows to a CSV file: file, place, id, field, reason; `-` is standard output
    #[arg(long, value_name = "FILE", conflicts_with = "undo")]
    rejects: Option<PathBuf>,
    /// Print JSON: what was found, measured and done
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    threads: ThreadsArgs,
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    model: ModelArgs,
}

fn field_and_column(typed: &str) -> Result<(String, String), String> {
    let (field, column) = typed.split_once('=').ok_or("it has to be FIELD=COLUMN, e.g. title=name")?;
    Ok((field.trim().to_owned(), column.to_owned()))
}

fn template(typed: &str) -> Result<Template, String> {
    Template::parse(typed)
        .ok_or_else(|| "it has to name fields or columns in braces, e.g. '{title}. {description}'".to_owned())
}

/// What was seen, and what was done, as `--json` prints it.
#[derive(Serialize)]
struct Report {
    mapping: Mapping,
    /// Absent where nothing was looked at, because the table is followed already.
    counts: Option<Counts>,
    comparison: Option<Comparison>,
    /// Whether the stored vectors can be kept, and why, or why not; absent if there are none.
    verdict: Option<Verdict>,
    /// How long embedding all books takes here; absent if there was no row to try it on.
    embedding_seconds: Option<f64>,
    /// What was adopted before this command.
    adopted: Option<Adopted>,
    #[serde(skip_serializing_if = "Option::is_none")]
    done: Option<Done>,
}

#[derive(Serialize)]
struct Verdict {
    keep: bool,
    reason: String,
}

/// What a copy did.
#[derive(Default, Serialize)]
struct Done {
    /// The key behind which a copy that was stopped before went on.
    resumed_after: Option<String>,
    rows: u64,
    written: WriteOutcome,
    deleted: u64,
    /// The first of them.
    rejects: Vec<Reject>,
    rejected: u64,
    warnings: Vec<Reject>,
    warned: u64,
    vectors_kept: u64,
    vectors_not_kept: BTreeMap<VectorFault, u64>,
    /// Changes that were dealt with after the copy.
    changes: ChangesTaken,
    following: Following,
    /// Books in the catalogue that came from the table, now or before.
    books: u64,
    interrupted: bool,
}

/// Looks, does what was asked, and prints both.
pub fn run(args: &Args) -> Result<Outcome, Error> {
    let interrupt = Interrupt::listen()?;
    let location = args.database.location()?;
    if args.undo {
        return undo(args, &location);
    }
    if args.json && args.rejects.as_deref().is_some_and(|path| path.as_os_str() == "-") {
        return Err(Error::RejectsAndJson);
    }
    let tables = ForeignTables::open(&location)?;
    let adopted = tables.adopted()?;
    if args.sync
        && args.has_no_wishes()
        && let Some(adopted) = adopted.as_ref().filter(|adopted| is_followed(adopted))
    {
        return take_changes(args, &location, adopted, &interrupt);
    }
    let encoder = args.model.open()?;
    if args.copy || args.sync {
        check_serving(&location, &encoder)?;
    }
    let mut report = look(args, &tables, adopted, &encoder)?;
    if !args.json {
        args.say(&seen(&report, args.threads.count()))?;
    }
    if interrupt.requested() {
        return Ok(Outcome::Interrupted);
    }
    if args.copy || args.sync {
        let done = copy(args, &location, &report, &encoder, &interrupt)?;
        if !args.json {
            args.say(&done.for_people(args))?;
        }
        report.done = Some(done);
    } else if !args.json {
        let flag = args.database.flag();
        args.say(&format!(
            "\nNothing was written. `libellus adopt{flag} --copy` takes the books over; with `--sync` instead it follows the \
             table's\nchanges, too; `libellus adopt --help` says how to map columns otherwise.\n"
        ))?;
    }
    if args.json {
        output::print_json(&report)?;
    }
    Ok(report.done.map_or(Outcome::Done, |done| done.outcome()))
}

impl Args {
    fn wishes(&self) -> Wishes {
        Wishes {
            books: self.books.clone(),
            key: self.key.clone(),
            columns: self.columns.clone(),
            embeddings: self.embeddings.clone(),
            embeddings_key: self.embeddings_key.clone(),
            vector: self.vector.clone(),
        }
    }

    /// Says something to people, where it does not mix with the rejects.
    fn say(&self, text: &str) -> Result<(), Error> {
        rejects::say(self.rejects.as_deref(), text)
    }

    fn has_no_wishes(&self) -> bool {
        let named = [&self.books, &self.key, &self.embeddings, &self.embeddings_key, &self.vector];
        named.iter().all(|name| name.is_none()) && self.columns.is_empty()
    }
}

fn is_followed(adopted: &Adopted) -> bool {
    adopted.is_copied && adopted.following.triggers > 0
}

/// Refuses a model that is not the one that the catalogue is searched by: books would be cut into what it reads whole,
/// and nobody would find the vectors that are kept.
fn check_serving(location: &Location, encoder: &Arc<Encoder>) -> Result<(), Error> {
    if Catalogue::exists_at(location)? {
        let catalogue = Catalogue::open_at(location, Access::ReadWrite)?;
        Library::new(Arc::clone(encoder), catalogue).serving()?;
    }
    Ok(())
}

/// Finds, counts, and compares.
fn look(args: &Args, tables: &ForeignTables, adopted: Option<Adopted>, encoder: &Encoder) -> Result<Report, Error> {
    // What was decided once holds until something else is said.
    let mapping = match &adopted {
        Some(adopted) if args.has_no_wishes() => adopted.mapping.clone(),
        _ => tables.find(&args.wishes())?,
    };
    if let Some(text) = &args.text {
        mapping.check_template(text)?;
    }
    let counts = tables.count(&mapping)?;
    let rows = tables.sample(&mapping, args.sample as usize)?;
    let has = |name: &str| mapping.has(name);
    let stored = counts.books.saturating_sub(counts.books_without_embedding);
    let threads = args.threads.count();
    let comparison = (!rows.is_empty()).then(|| compare(encoder, &rows, stored, args.text.as_ref(), has, threads));
    let verdict = comparison.as_ref().filter(|_| mapping.embeddings.is_some()).map(|comparison| {
        let (keep, reason) = comparison.verdict();
        Verdict { keep, reason }
    });
    let embedding_seconds = comparison.as_ref().map(|comparison| comparison.pace.time_for(counts.books).as_secs_f64());
    Ok(Report { mapping, counts: Some(counts), comparison, verdict, embedding_seconds, adopted, done: None })
}

/// Copies batch by batch, and follows from the first on if that was asked.
fn copy(
    args: &Args,
    location: &Location,
    report: &Report,
    encoder: &Encoder,
    interrupt: &Interrupt,
) -> Result<Done, Error> {
    let mapping = &report.mapping;
    if args.sync {
        // Before anything is made.
        mapping.check_can_be_followed()?;
    }
    let mut file = args.rejects.as_deref().map(RejectsFile::create).transpose()?;
    let adoption = Adoption::open(location)?;
    let agreement = report.comparison.as_ref().and_then(|comparison| comparison.agreement.as_ref());
    let agreement = agreement.filter(|agreement| agreement.is_safe());
    let mut done = Done { resumed_after: adoption.begin(mapping, agreement)?, ..Done::default() };
    if args.sync {
        // First, so that no change falls between the copy and the triggers.
        adoption.follow()?;
    }
    let table = mapping.books.to_string();
    let bar = progress::count(format!("copying {table}"));
    bar.set_length(report.counts.map_or(0, |counts| counts.books));
    let cutter = EncoderCutter(encoder);
    loop {
        let step = adoption.copy_batch(&cutter, agreement, encoder.info().dim)?;
        if let Some(file) = &mut file {
            file.write(&table, &step.rejects)?;
        }
        done.rows += step.rows;
        done.written += step.written;
        done.deleted += step.deleted;
        done.vectors_kept += step.kept;
        for (fault, count) in step.not_kept {
            *done.vectors_not_kept.entry(fault).or_default() += count;
        }
        keep_first(&mut done.rejects, &mut done.rejected, step.rejects);
        keep_first(&mut done.warnings, &mut done.warned, step.warnings);
        bar.set_position(done.rows);
        if step.is_last {
            break;
        }
        if interrupt.requested() {
            done.interrupted = true;
            break;
        }
    }
    bar.finish_and_clear();
    let without_key = report.counts.map_or(0, |counts| counts.without_key);
    if without_key > 0 {
        let reject = done.add_rows_without_key(mapping, without_key);
        if let Some(file) = &mut file {
            file.write(&table, &[reject])?;
        }
    }
    if !done.interrupted {
        done.take_changes(&adoption, encoder, interrupt)?;
        if let Some(file) = &mut file {
            file.write(&table, &done.changes.rejects)?;
        }
    }
    (done.following, done.books) = (adoption.following()?, adoption.books()?);
    rejects::show("rejected", &table, &done.rejects, done.rejected);
    rejects::show("rejected", &table, &done.changes.rejects, done.changes.rejected);
    rejects::show("warning", &table, &done.warnings, done.warned);
    if let Some(file) = file {
        file.finish()?;
    }
    Ok(done)
}

/// `--sync` for a table that is followed already: triggers that are missing, and the changes that wait.
fn take_changes(args: &Args, location: &Location, adopted: &Adopted, interrupt: &Interrupt) -> Result<Outcome, Error> {
    let encoder = args.model.open()?;
    check_serving(location, &encoder)?;
    let mut file = args.rejects.as_deref().map(RejectsFile::create).transpose()?;
    let adoption = Adoption::open(location)?;
    adoption.follow()?;
    let mut done = Done::default();
    done.take_changes(&adoption, &encoder, interrupt)?;
    (done.following, done.books) = (adoption.following()?, adoption.books()?);
    let changes = &done.changes;
    rejects::show("rejected", ADOPTED, &changes.rejects, changes.rejected);
    if let Some(mut file) = file.take() {
        file.write(ADOPTED, &changes.rejects)?;
        file.finish()?;
    }
    if !args.json {
        let WriteOutcome { added, updated, unchanged, .. } = changes.written;
        args.say(&format!(
            "{} changes: {added} books added, {updated} updated, {unchanged} unchanged, {} deleted\n{}",
            changes.changes,
            changes.deleted,
            if done.interrupted { STOPPED.to_owned() } else { next(args) }
        ))?;
    }
    let outcome = done.outcome();
    if args.json {
        let mapping = adopted.mapping.clone();
        let (counts, comparison, verdict, embedding_seconds) = (None, None, None, None);
        let (adopted, done) = (Some(adopted.clone()), Some(done));
        let report = Report { mapping, counts, comparison, verdict, embedding_seconds, adopted, done };
        output::print_json(&report)?;
    }
    Ok(outcome)
}

/// For people, of what can be gone on with.
const STOPPED: &str = "stopped; the same command goes on from here\n";
/// The same where nobody notes what changes meanwhile.
const STOPPED_COPY: &str =
    "stopped; what was copied is kept, and the same command reads the table again for the rest\n";

/// What embeds, from now on or once.
fn next(args: &Args) -> String {
    let command = backfill::command(&args.database, &args.model);
    format!("`{command}` embeds what has no embedding; with --watch it goes on, and deals with changes\n")
}

fn undo(args: &Args, location: &Location) -> Result<Outcome, Error> {
    ForeignTables::open(location)?;
    // Nothing is made only to be undone.
    if !Catalogue::exists_at(location)? {
        return Err(libellus_catalogue::Error::NotAdopted { location: location.to_string() }.into());
    }
    let undone = Adoption::open(location)?.undo(args.yes)?;
    if args.json {
        output::print_json(&undone)?;
    } else {
        output::print(&what_was_undone(&undone, &args.database.flag()))?;
    }
    Ok(Outcome::Done)
}

fn what_was_undone(undone: &Undone, flag: &str) -> String {
    let Undone { triggers, changes, books, embeddings, dropped, schema_left, extension_left } = undone;
    let mut text = format!("removed {triggers} triggers with their functions, and the mapping\n");
    if *changes > 0 {
        let _ = writeln!(text, "{changes} changes had not been dealt with");
    }
    if *dropped {
        let _ = writeln!(text, "dropped the catalogue: {books} books, {embeddings} embeddings");
        if *schema_left {
            text.push_str("the schema `libellus` is empty; an administrator made it, and may drop it\n");
        }
        if *extension_left {
            text.push_str("the extension `vector` is left: something else uses it by now\n");
        }
    } else {
        let _ = writeln!(
            text,
            "the catalogue in the schema `libellus` is left: {books} books, {embeddings} embeddings; \
             `libellus adopt --undo --yes{flag}` drops it, wherever its books came from"
        );
    }
    text
}

/// What was found and measured, for people.
fn seen(report: &Report, threads: usize) -> String {
    let (mapping, counts) = (&report.mapping, report.counts.unwrap_or_default());
    let mut text = format!("{} ({}, {} rows)\n", mapping.books, mapping.kind, counts.books);
    let lines: Vec<[String; 3]> = std::iter::once([&mapping.key, &mapping.key_type, "id (the key)"].map(str::to_owned))
        .chain(mapping.columns.iter().map(|column| {
            let field = if column.field == "none" { "left out" } else { &column.field };
            [output::plain(&column.column), column.kind.clone(), field.to_owned()]
        }))
        .collect();
    let width = |at: usize| lines.iter().map(|line| line[at].chars().count()).max().unwrap_or(0);
    let (names, kinds) = (width(0), width(1));
    for [name, kind, field] in &lines {
        let _ = writeln!(text, "  {name:<names$}  {kind:<kinds$} → {field}");
    }
    if counts.without_key > 0 {
        let _ = writeln!(text, "  {} rows have no key, and cannot become books", counts.without_key);
    }
    text.push_str(&vectors_seen(report));
    if let (Some(comparison), Some(seconds)) = (&report.comparison, report.embedding_seconds) {
        let pace = &comparison.pace;
        let _ = writeln!(
            text,
            "Embedding all {} books takes about {} here: {:.1} passages a book, {:.0} a second with {threads} threads.",
            counts.books,
            backfill::duration(Duration::from_secs_f64(seconds)),
            pace.passages_per_book,
            pace.passages_per_second
        );
    }
    if let Some(adopted) = &report.adopted {
        let Following { triggers, waiting } = adopted.following;
        let state = match (adopted.is_copied, triggers) {
            (false, _) => "a copy of it was begun, and not finished".to_owned(),
            (true, 0) => "copied, and not followed".to_owned(),
            (true, _) => format!("copied, and followed by {triggers} triggers; {waiting} changes wait"),
        };
        let _ = writeln!(text, "{} is adopted already: {state}.", adopted.mapping.books);
    }
    text
}

fn vectors_seen(report: &Report) -> String {
    let (mapping, counts) = (&report.mapping, report.counts.unwrap_or_default());
    let Some(stored) = &mapping.embeddings else {
        return "no stored vectors were found; --embeddings names their table\n".to_owned();
    };
    let mut text = format!(
        "{}, column {} ({}) by {} ({} rows)\n",
        stored.table, stored.column, stored.kind, stored.key, counts.embeddings
    );
    for (count, what) in [
        (counts.without_vector, "rows have no vector"),
        (counts.beyond_first, "rows are beyond the first of their book"),
        (counts.books_without_embedding, "books have no vector"),
        (counts.embeddings_without_book, "vectors have no book"),
    ] {
        if count > 0 {
            let _ = writeln!(text, "  {count} {what}");
        }
    }
    let Some(comparison) = &report.comparison else { return text };
    let _ =
        writeln!(text, "\n{} books embedded again, and {} vectors compared", comparison.sampled, comparison.compared);
    for (fault, count) in &comparison.faults {
        let _ = writeln!(text, "  {count} {}", fault.in_words());
    }
    if let Some(cosines) = &comparison.cosines {
        text.push_str("  median cosine, by what may have been embedded:\n");
        for tried in comparison.tried.iter().take(LISTED) {
            let name = if tried.template == OWN_TEXT { "what libellus embeds" } else { &tried.template };
            let _ = writeln!(text, "    {:.4}  {} ({} books)", tried.median, output::plain(name), tried.books);
        }
        let _ = writeln!(
            text,
            "  cosines of the best: least {:.4}, 1 % {:.4}, 5 % {:.4}, 25 % {:.4}, median {:.4}, 75 % {:.4}, most {:.4}, mean {:.4}",
            cosines.least, cosines.p1, cosines.p5, cosines.p25, cosines.median, cosines.p75, cosines.most, cosines.mean
        );
        for (place, (from, count)) in cosines.histogram.iter().enumerate() {
            let to = cosines.histogram.get(place + 1).map_or(1.0, |(bound, _)| *bound);
            let bar = "#".repeat((count * 40).div_ceil(cosines.count.max(1)) as usize);
            let line = format!("    {from:>6} to {to:<6} {count:>5} {bar}");
            let _ = writeln!(text, "{}", line.trim_end());
        }
    }
    if let Some(Verdict { keep, reason }) = &report.verdict {
        let can = if *keep { "can be kept" } else { "cannot be kept" };
        let _ = writeln!(text, "\nThe stored vectors {can}: {reason}.");
        if *keep {
            let _ = writeln!(
                text,
                "Of the {} books compared, {} have the very text that libellus embeds; the others are embedded anew.",
                comparison.compared, comparison.same_text
            );
        }
    }
    text
}

impl Done {
    /// Rows that no walk comes by, as it follows the key.
    fn add_rows_without_key(&mut self, mapping: &Mapping, count: u64) -> Reject {
        let reason = format!("{count} rows have no key in the column `{}`, and cannot become books", mapping.key);
        let reject = Reject { place: Place::Keyed {}, id: None, field: Some(mapping.key.clone()), reason };
        self.rejects.insert(0, reject.clone());
        self.rejected += count;
        self.rows += count;
        reject
    }

    /// Deals with the changes that wait, until there are none or a stop is asked for.
    fn take_changes(&mut self, adoption: &Adoption, encoder: &Encoder, interrupt: &Interrupt) -> Result<(), Error> {
        loop {
            let taken = adoption.take_changes(&EncoderCutter(encoder))?;
            if taken.changes == 0 {
                return Ok(());
            }
            self.changes.add(taken);
            if interrupt.requested() {
                self.interrupted = true;
                return Ok(());
            }
        }
    }

    /// Judged by what the catalogue has by now: of a copy that was stopped, good books may have come in before.
    fn outcome(&self) -> Outcome {
        match (self.rejected + self.changes.rejected, self.books) {
            _ if self.interrupted => Outcome::Interrupted,
            (0, _) => Outcome::Done,
            (_, 0) => Outcome::NothingUsable,
            _ => Outcome::WithRejects,
        }
    }

    fn for_people(&self, args: &Args) -> String {
        let WriteOutcome { added, updated, unchanged, .. } = self.written;
        let mut text = "\n".to_owned();
        if let Some(key) = &self.resumed_after {
            let _ = writeln!(text, "went on behind the key `{}`", output::plain(key));
        }
        let _ = writeln!(
            text,
            "copied {} rows: {added} books added, {updated} updated, {unchanged} unchanged, {} deleted, {} rejected",
            self.rows, self.deleted, self.rejected
        );
        if self.vectors_kept > 0 || !self.vectors_not_kept.is_empty() {
            let _ = writeln!(text, "kept {} vectors; of the other books", self.vectors_kept);
            for (fault, count) in &self.vectors_not_kept {
                let _ = writeln!(text, "  {count} {}", fault.in_words());
            }
        }
        if self.changes.changes > 0 {
            let _ = writeln!(text, "dealt with {} changes that came in meanwhile", self.changes.changes);
        }
        if self.changes.rejected > 0 {
            let _ = writeln!(text, "{} rows that changed cannot be books", self.changes.rejected);
        }
        if self.following.triggers > 0 {
            let _ = writeln!(text, "{} triggers note what changes from now on", self.following.triggers);
        }
        if self.interrupted {
            text.push_str(if self.following.triggers > 0 { STOPPED } else { STOPPED_COPY });
        } else {
            text.push_str(&next(args));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_is_read() {
        assert_eq!(field_and_column("title=a=b"), Ok(("title".to_owned(), "a=b".to_owned())));
        assert!(field_and_column("title").is_err());
        assert!(template("{title").is_err());
        assert_eq!(template("{title}").expect("a template").source(), "{title}");
    }

    #[test]
    fn exit_codes_count_rows() {
        for (rows, rejected, of_changes, books, interrupted, expected) in [
            (3, 0, 0, 3, false, Outcome::Done),
            (0, 0, 0, 0, false, Outcome::Done),
            (3, 1, 0, 2, false, Outcome::WithRejects),
            (3, 3, 0, 0, false, Outcome::NothingUsable),
            // Went on with a copy that had come to good books.
            (3, 3, 0, 500, false, Outcome::WithRejects),
            (3, 0, 1, 2, false, Outcome::WithRejects),
            (0, 0, 1, 2, false, Outcome::WithRejects),
            (3, 1, 0, 2, true, Outcome::Interrupted),
        ] {
            let changes = ChangesTaken { rejected: of_changes, ..ChangesTaken::default() };
            let done = Done { rows, rejected, changes, books, interrupted, ..Done::default() };
            assert_eq!(done.outcome(), expected, "{rows} {rejected} {of_changes} {books}");
        }
    }
}
