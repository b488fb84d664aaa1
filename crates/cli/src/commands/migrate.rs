//! `libellus migrate`: from one model to another, while questions are answered.
//!
//! The catalogue records which space is searched, which one is being filled, and which was searched before; what may
//! follow what is decided there (`libellus_catalogue::SpaceRoles`). Filling is a backfill like any other.

use crate::commands::backfill;
use crate::database::DatabaseArgs;
use crate::error::Error;
use crate::input::Input;
use crate::interrupt::Interrupt;
use crate::memory::MemoryArgs;
use crate::model::{self, ModelArgs};
use crate::outcome::Outcome;
use crate::output::{self, shell_word};
use crate::progress;
use crate::threads::ThreadsArgs;
use libellus_catalogue::{Access, Catalogue, MigrationProblem, ModelSpace, RoleChange, SpaceRoles};
use libellus_encoder::Encoder;
use libellus_search::{BackfillReport, Comparison, Library, QueryComparison, compare, sample_queries};
use serde::Serialize;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const EXAMPLES: &str = "\
Examples:
  libellus migrate --to all-MiniLM-L12-v2      fill a second set of embeddings; the first is searched
  libellus migrate                             how far it is
  libellus migrate --report                    how far the answers of both models differ
  libellus migrate --cut-over                  search the second set from now on
  libellus migrate --roll-back                 search the first one again
  libellus migrate --drop-old                  delete the first one; there is no way back then
  libellus migrate --abandon                   delete the second one instead

Filling may be stopped at any time and gone on with; any number of workers may share it, on any number
of machines, each with `libellus migrate --to MODEL` or `libellus backfill --model MODEL`. A service
that was started with `--next-model MODEL` changes over by itself, without an answer missed.

Figures of --report: overlap@10 is the share of the first ten books by one model that is among the
first ten by the other; rank correlation is Spearman's, over the books among the first ten of either.

Exit codes: 0 done, 1 failed, or some passages could not be embedded, 130 stopped.";

/// Queries of a report when no file gives them.
const QUERIES: usize = 100;
/// Queries of a report that are shown to people with the answers of both models: those that differ most.
const EXAMPLES_SHOWN: usize = 3;
/// Titles shown of each.
const TITLES_SHOWN: usize = 5;
/// Characters of a title that are shown.
const COLUMN_CHARS: usize = 44;
/// A file of queries is no longer than this.
const QUERIES_LIMIT_BYTES: u64 = 1 << 20;
/// How often a cut-over embeds what came in meanwhile, before it gives up.
const CATCH_UPS: usize = 5;

/// What can be typed after `migrate`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    action: Action,
    /// With --report: the queries, one a line [default: titles and subjects of 100 books]
    #[arg(long, value_name = "FILE", requires = "report")]
    queries: Option<PathBuf>,
    /// Print JSON
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

/// One of these, or none to see how far it is.
#[derive(Debug, clap::Args)]
#[group(multiple = false)]
struct Action {
    /// Fill a second set of embeddings, by this model
    #[arg(long, value_name = "MODEL")]
    to: Option<String>,
    /// Compare the answers of both models
    #[arg(long)]
    report: bool,
    /// Search the second set from now on
    #[arg(long)]
    cut_over: bool,
    /// Search the set before again
    #[arg(long)]
    roll_back: bool,
    /// Delete the set before
    #[arg(long)]
    drop_old: bool,
    /// Delete the second set
    #[arg(long)]
    abandon: bool,
}

/// What spaces are for, and how far each is, as `--json` prints it.
#[derive(Serialize)]
struct Status {
    active: Option<Filled>,
    next: Option<Filled>,
    previous: Option<Filled>,
}

#[derive(Serialize)]
struct Filled {
    #[serde(flatten)]
    space: ModelSpace,
    embedded: u64,
    passages: u64,
    failed: u64,
}

/// Does one step of a migration.
pub fn run(args: &Args) -> Result<Outcome, Error> {
    let interrupt = Interrupt::listen()?;
    let action = &args.action;
    let writes = action.to.is_some() || action.cut_over || action.roll_back || action.drop_old || action.abandon;
    let catalogue = args.database.open_existing(if writes { Access::ReadWrite } else { Access::ReadOnly })?;
    if let Some(to) = &action.to {
        return fill(args, catalogue, to, &interrupt);
    }
    if action.report {
        return report(args, &catalogue, &interrupt);
    }
    if action.cut_over {
        return cut_over(args, &catalogue, &interrupt);
    }
    let change = match () {
        () if action.roll_back => RoleChange::RollBack,
        () if action.drop_old => RoleChange::DropOld,
        () if action.abandon => RoleChange::Abandon,
        () => return say(args, &catalogue, &catalogue.roles()?, "").map(|()| Outcome::Done),
    };
    let roles = catalogue.change_roles(change)?;
    let done = match change {
        RoleChange::RollBack => "rolled back\n",
        RoleChange::DropOld => "dropped the set before\n",
        _ => "dropped the second set\n",
    };
    say(args, &catalogue, &roles, done)?;
    Ok(Outcome::Done)
}

/// Begins a migration, or goes on with it.
fn fill(args: &Args, catalogue: Catalogue, to: &str, interrupt: &Interrupt) -> Result<Outcome, Error> {
    let library = Library::new(model::open(to)?, catalogue);
    let catalogue = library.catalogue();
    let active = match catalogue.roles()?.active {
        Some(active) => active,
        // What is searched until now must have embeddings; otherwise it is another model.
        None => {
            let encoder = args.model.open()?;
            library.check_embedded(&encoder)?;
            model::space_of(args.model.name(), &encoder)
        }
    };
    let next = model::space_of(to, library.encoder());
    catalogue.change_roles(RoleChange::Begin { active: &active, next: &next })?;
    let report = embed(args, &library, interrupt)?;
    say_embedded(args, &report, &format!("libellus migrate --to {}", shell_word(to)), to)?;
    if !args.json && !report.interrupted && report.failed == 0 {
        let db = args.database.flag();
        output::print(&format!(
            "next: `libellus migrate --report{db}` compares the answers, `libellus migrate --cut-over{db}` changes over\n"
        ))?;
    }
    Ok(backfill::outcome(&report))
}

/// Embeds what has no embedding by the library's model.
fn embed(args: &Args, library: &Library, interrupt: &Interrupt) -> Result<BackfillReport, Error> {
    backfill::with_progress(library, backfill::options(&args.memory, &args.threads, library)?, interrupt)
}

/// Prints what was embedded by `model`; `command` does the rest.
fn say_embedded(args: &Args, report: &BackfillReport, command: &str, model: &str) -> Result<(), Error> {
    if args.json {
        return output::print_json(report);
    }
    let (db, model) = (args.database.flag(), shell_word(model));
    let list_failed = format!("libellus backfill{db} --model {model} --failed");
    output::print(&backfill::summary(report, &format!("{command}{db}"), &list_failed))
}

/// Changes over, after what came in since the second set was filled is embedded too.
fn cut_over(args: &Args, catalogue: &Catalogue, interrupt: &Interrupt) -> Result<Outcome, Error> {
    for _ in 0..CATCH_UPS {
        let problem = match catalogue.change_roles(RoleChange::CutOver) {
            Ok(roles) => return say(args, catalogue, &roles, "cut over\n").map(|()| Outcome::Done),
            Err(libellus_catalogue::Error::Migration { problem, .. }) => *problem,
            Err(error) => return Err(error.into()),
        };
        let MigrationProblem::NotFilled { next, .. } = problem else { break };
        let library = Library::new(open_recorded(&next)?, args.database.open_existing(Access::ReadWrite)?);
        let report = embed(args, &library, interrupt)?;
        if report.interrupted {
            say_embedded(args, &report, "libellus migrate --cut-over", &next.model)?;
            return Ok(Outcome::Interrupted);
        }
    }
    let roles = catalogue.change_roles(RoleChange::CutOver)?;
    say(args, catalogue, &roles, "cut over\n").map(|()| Outcome::Done)
}

/// Opens a model by its name in the catalogue; it must still be the same.
fn open_recorded(recorded: &ModelSpace) -> Result<Arc<Encoder>, Error> {
    let encoder = model::open(&recorded.model)?;
    let found = &encoder.info().fingerprint.space;
    if *found == recorded.space {
        return Ok(encoder);
    }
    let (model, expected) = (recorded.model.clone(), recorded.space.clone());
    Err(Error::OtherModel { model, found: found.clone(), expected })
}

/// Compares the answers of the model that is searched with those of the other.
fn report(args: &Args, catalogue: &Catalogue, interrupt: &Interrupt) -> Result<Outcome, Error> {
    let roles = catalogue.roles()?;
    let (Some(active), Some(other)) = (&roles.active, roles.next.as_ref().or(roles.previous.as_ref())) else {
        let problem = Box::new(MigrationProblem::NotBegun);
        return Err(libellus_catalogue::Error::Migration { location: catalogue.location().to_owned(), problem }.into());
    };
    // The older one first, also after the cut-over.
    let sides = if roles.next.is_some() { [active, other] } else { [other, active] };
    let encoders = [open_recorded(sides[0])?, open_recorded(sides[1])?];
    let queries = match &args.queries {
        Some(path) => queries_of(path)?,
        None => sample_queries(catalogue, QUERIES)?,
    };
    let bar = progress::count("asking both models");
    bar.set_length(queries.len() as u64);
    let compared = compare(catalogue, [&encoders[0], &encoders[1]], &queries, &mut |done| {
        bar.set_position(done as u64);
        interrupt.check()
    })?;
    bar.finish_and_clear();
    let status = status(catalogue, &roles)?;
    if args.json {
        output::print_json(&Report { models: sides, status, comparison: compared })?;
    } else {
        let unfilled = status.next.as_ref().filter(|next| next.embedded < next.passages).map(|next| {
            format!("note: {} of {} passages have an embedding by the second model yet\n", next.embedded, next.passages)
        });
        output::print(&format!("{}{}", for_people(sides, &compared), unfilled.unwrap_or_default()))?;
    }
    Ok(Outcome::Done)
}

/// A report, as `--json` prints it.
#[derive(Serialize)]
struct Report<'a> {
    models: [&'a ModelSpace; 2],
    status: Status,
    #[serde(flatten)]
    comparison: Comparison,
}

/// The queries of a file, one a line.
fn queries_of(path: &Path) -> Result<Vec<String>, Error> {
    let Input { name, reader, .. } = Input::open(path)?;
    let mut bytes = Vec::new();
    let read = reader.take(QUERIES_LIMIT_BYTES + 1).read_to_end(&mut bytes).and_then(|length| {
        if length as u64 > QUERIES_LIMIT_BYTES {
            let reason = "it is longer than 1 MiB; some hundred queries are enough for a report";
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, reason));
        }
        String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    });
    let text = read.map_err(|source| Error::Input { name, source })?;
    Ok(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect())
}

fn for_people(sides: [&ModelSpace; 2], compared: &Comparison) -> String {
    let correlation = compared.spearman.map_or_else(|| "none".to_owned(), |spearman| format!("{spearman:.3}"));
    let mut text = format!(
        "{} queries, by {} and by {}\noverlap@10        {:.3}\nrank correlation  {correlation} (Spearman)\n",
        compared.queries.len(),
        sides[0],
        sides[1],
        compared.overlap_at_10
    );
    let mut by_difference: Vec<&QueryComparison> = compared.queries.iter().collect();
    by_difference.sort_by(|a, b| a.overlap_at_10.total_cmp(&b.overlap_at_10));
    for query in by_difference.into_iter().take(EXAMPLES_SHOWN) {
        text += &format!("\n{} (overlap {:.1})\n", output::plain(&query.query), query.overlap_at_10);
        for place in 0..TITLES_SHOWN.min(query.first.len().max(query.second.len())) {
            let title = |titles: &[String]| -> String {
                let title = titles.get(place).map_or_else(String::new, |title| output::plain(title));
                title.chars().take(COLUMN_CHARS).collect()
            };
            text +=
                &format!("  {:<COLUMN_CHARS$}  {}\n", title(&query.first), title(&query.second)).replace(" \n", "\n");
        }
    }
    text
}

/// How far each space is.
fn status(catalogue: &Catalogue, roles: &SpaceRoles) -> Result<Status, Error> {
    let filled = |role: &Option<ModelSpace>| -> Result<Option<Filled>, Error> {
        let Some(space) = role else { return Ok(None) };
        let counts = catalogue.statistics(&space.space)?;
        let queue = catalogue.queue_counts(&space.space)?;
        let failed = queue.retrying + queue.given_up;
        Ok(Some(Filled { space: space.clone(), embedded: counts.embedded, passages: counts.passages, failed }))
    };
    Ok(Status { active: filled(&roles.active)?, next: filled(&roles.next)?, previous: filled(&roles.previous)? })
}

/// Prints what was done, and how things stand.
fn say(args: &Args, catalogue: &Catalogue, roles: &SpaceRoles, done: &str) -> Result<(), Error> {
    let status = status(catalogue, roles)?;
    if args.json {
        return output::print_json(&status);
    }
    if status.active.is_none() {
        let flag = args.database.flag();
        return output::print(&format!(
            "never migrated: each process searches by the model that it opens; `libellus migrate --to MODEL{flag}` begins\n"
        ));
    }
    let line = |role: &str, filled: &Option<Filled>| {
        filled.as_ref().map_or_else(String::new, |Filled { space, embedded, passages, failed }| {
            let failed = if *failed > 0 { format!(", {failed} failed") } else { String::new() };
            format!("{role:<9} {space}: {embedded} of {passages} passages{failed}\n")
        })
    };
    let Status { active, next, previous } = &status;
    output::print(&[done, &line("active", active), &line("next", next), &line("previous", previous)].concat())
}
