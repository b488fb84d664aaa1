//! `libellus footprint`: what a build is made of, why each part is there, what is wrong with it, and whether it keeps its
//! budget.

use crate::error::Error;
use crate::files::STANDARD;
use crate::outcome::Outcome;
use crate::output;
use crate::output_file::OutputFile;
use libellus_footprint::budget::Budget;
use libellus_footprint::checks::{Gpu, table};
use libellus_footprint::config::Config;
use libellus_footprint::project::Said;
use libellus_footprint::python::environment::Target;
use libellus_footprint::python::platform::{Platform, Python};
use libellus_footprint::report::diff;
use libellus_footprint::report::html;
use libellus_footprint::report::sarif::sarif;
use libellus_footprint::report::terminal::{self, View};
use libellus_footprint::report::why;
use libellus_footprint::size::Units;
use libellus_footprint::{Measured, Options, fix, measure, report_of};
use serde_json::Value;
use std::io::{self, IsTerminal, Write as _};
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  libellus footprint .                        Dockerfile, .dockerignore and requirements of a project
  libellus footprint . --fix                  mend what can be mended, after showing it
  libellus footprint .venv                    packages, largest first, and why they are there
  libellus footprint .venv --why torch        who needs it, and what would leave with it
  libellus footprint .venv --no-gpu --plan    what each change saves after the ones before it
  libellus footprint node_modules             the same of npm, pnpm and yarn; what is for developers
  libellus footprint uv.lock                  what is downloaded, and why; also pylock.toml,
                                              package-lock.json and Cargo.lock
  libellus footprint .venv --budget 500MB     for CI: fails if it is more
  libellus footprint .venv --html page.html   a page with a treemap, to open in a browser
  libellus footprint . --sarif > found.sarif  findings, for code hosts to show in their lines
  libellus footprint image.tar                layers, with what later ones hide
  libellus footprint diff old.json image.tar  what has changed, as Markdown
  libellus footprint explain F102             what a finding means

Four sizes are told apart: content (bytes of files, each once), stored (in all layers), download
(compressed), disk (blocks). What is not known is shown as unknown. Nothing is fetched, and nothing
is written but what --fix has shown and the file of --html. `footprint.toml` in TARGET holds budgets
and findings that are accepted.

Exit codes: 0 all is well, 1 over budget or an error was found, 2 wrong usage, 3 nothing could be
read.";

/// What can be typed after `footprint`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    measure: MeasureArgs,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Show what has changed between two targets, as Markdown for a pull request
    Diff {
        /// A target, or a report that --json wrote
        #[arg(value_name = "BEFORE")]
        before: PathBuf,
        /// The same
        #[arg(value_name = "AFTER")]
        after: PathBuf,
        /// Fail if the second is larger: `50MB` of content, or e.g. `download=80MB`; may be repeated
        #[arg(long, value_name = "[METER=]SIZE")]
        budget: Vec<Budget>,
        /// Refused, as a page shows one target
        #[arg(long, value_name = "FILE", hide = true)]
        html: Option<PathBuf>,
    },
    /// Explain a check, or list all
    Explain {
        /// Its number, such as F102
        #[arg(value_name = "ID", value_parser = parse_check)]
        id: Option<&'static table::Check>,
        /// Refused, as a page shows a target
        #[arg(long, value_name = "FILE", hide = true)]
        html: Option<PathBuf>,
    },
}

/// What is measured, and how it is shown.
#[derive(Debug, clap::Args)]
struct MeasureArgs {
    /// What to measure: a project, a virtual environment, `node_modules`, a lock file, any directory; an image as an OCI layout or archive, or as
    /// `docker save` writes it
    #[arg(value_name = "TARGET", default_value = ".")]
    target: PathBuf,
    /// The platform that it is for [default: what its wheels were made for, or else linux/amd64]
    #[arg(long = "target", value_name = "OS/ARCH")]
    platform: Option<Platform>,
    /// The version of Python that it is for [default: what its paths say]
    #[arg(long, value_name = "3.N", value_parser = parse_python)]
    python: Option<Python>,
    /// It runs with a GPU: CUDA is wanted
    #[arg(long, conflicts_with = "no_gpu")]
    gpu: bool,
    /// It runs without a GPU, whatever its files say
    #[arg(long)]
    no_gpu: bool,
    /// The Dockerfile that is built, seen from TARGET [default: what Compose and platforms' files say, or all]
    #[arg(long, value_name = "FILE")]
    dockerfile: Option<String>,
    /// The folder that is sent to the builder, seen from TARGET
    #[arg(long, value_name = "FOLDER")]
    context: Option<String>,
    /// Explain why a package is there
    #[arg(long, value_name = "PACKAGE")]
    why: Option<String>,
    /// Show what each change would save after the ones before it
    #[arg(long)]
    plan: bool,
    /// Mend what can be mended in .dockerignore and Dockerfile: show the changes, and ask
    #[arg(long, conflicts_with_all = ["json", "sarif", "why", "plan", "budget"])]
    fix: bool,
    /// With --fix: do not ask
    #[arg(long, requires = "fix")]
    yes: bool,
    /// Fail if it is larger: `50MB` of content, or e.g. `disk=80MB`; may be repeated
    #[arg(long, value_name = "[METER=]SIZE")]
    budget: Vec<Budget>,
    /// Rows of each table
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
    rows: usize,
    /// Show KiB, MiB and GiB, powers of 1024
    #[arg(long)]
    binary: bool,
    /// Write a page to look at: a treemap, the plan, the findings, all in one file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["why", "fix"])]
    html: Option<PathBuf>,
    /// Print JSON (`libellus.footprint/1`), the same each time
    #[arg(long, conflicts_with = "sarif")]
    json: bool,
    /// Print the findings as SARIF 2.1.0
    #[arg(long, conflicts_with = "why")]
    sarif: bool,
}

/// Does what was asked.
pub fn run(args: &Args) -> Result<Outcome, Error> {
    match &args.action {
        Some(Action::Diff { html: Some(_), .. } | Action::Explain { html: Some(_), .. }) => Err(Error::PageOfNoTarget),
        Some(Action::Explain { id: Some(check), .. }) => output::print(&check.page()).map(|()| Outcome::Done),
        Some(Action::Diff { before, after, budget, .. }) => run_diff(before, after, budget),
        Some(Action::Explain { id: None, .. }) => output::print(&table::list()).map(|()| Outcome::Done),
        None => run_measure(&args.measure),
    }
}

/// Shows what would be changed, and changes it if that is wanted.
fn mend(args: &MeasureArgs, measured: &Measured, config: &Config) -> Result<Outcome, Error> {
    let edits = measured.edits();
    if edits.is_empty() {
        output::print("nothing here can be mended without a person to decide\n")?;
        return Ok(if measured.report.has_errors() { Outcome::OverBudget } else { Outcome::Done });
    }
    output::print(&fix::diff(&edits))?;
    if !args.yes && !confirmed()? {
        output::print("nothing was written; `--fix --yes` writes without asking\n")?;
        return Ok(Outcome::OverBudget);
    }
    fix::write(&args.target, &edits)
        .map_err(|source| Error::Output { name: args.target.display().to_string(), source })?;
    let written: Vec<&str> = edits.iter().map(|edit| edit.path.as_str()).collect();
    output::print(&format!("written: {}\n", written.join(", ")))?;
    let left = measure(&args.target, &args.options(config))?.report.has_errors();
    Ok(if left { Outcome::OverBudget } else { Outcome::Done })
}

/// Asks on a terminal; anywhere else nobody can answer.
fn confirmed() -> Result<bool, Error> {
    if !io::stdin().is_terminal() {
        return Ok(false);
    }
    output::print("write these changes? [y/N] ")?;
    let mut answer = String::new();
    let read = io::stdin().read_line(&mut answer);
    read.map_err(|source| Error::Input { name: "standard input".to_owned(), source })?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// Compares two targets, and holds the second to its budgets.
fn run_diff(before: &Path, after: &Path, budgets: &[Budget]) -> Result<Outcome, Error> {
    let options = Options::default();
    let config = Config::of_target(after)?;
    let (before, after) = (report_of(before, &options)?, report_of(after, &options)?);
    output::print(&diff::markdown(&before, &after, View::default()))?;
    let (mut lines, mut kept) = judge(budgets.iter().chain(&config.budgets), &after, Units::Decimal);
    if let Some(growth) = config.growth {
        let (more, within) = growth.judge(&before, &after);
        lines += &more;
        kept &= within;
    }
    if !lines.is_empty() {
        output::print(&format!("\n{lines}"))?;
    }
    Ok(if kept { Outcome::Done } else { Outcome::OverBudget })
}

/// How the budgets are kept by a report in JSON: a line each, and whether all are.
fn judge<'b>(budgets: impl Iterator<Item = &'b Budget>, report: &Value, units: Units) -> (String, bool) {
    let judged = budgets.map(|budget| budget.judge(report, units));
    judged.fold((String::new(), true), |(lines, kept), (line, one)| (lines + &line, kept && one))
}

/// Measures, prints, and holds the result to its budgets.
fn run_measure(args: &MeasureArgs) -> Result<Outcome, Error> {
    let view = View { units: if args.binary { Units::Binary } else { Units::Decimal }, rows: args.rows };
    let config = Config::of_target(&args.target)?;
    let measured = measure(&args.target, &args.options(&config))?;
    if args.fix {
        return mend(args, &measured, &config);
    }
    let report = &measured.report;
    let page_only = args.html.as_deref() == Some(Path::new(STANDARD));
    if let Some(path) = &args.html {
        write_page(path, &measured, view)?;
    }
    match (&args.why, args.json) {
        (Some(package), true) => output::print_json(&measured.why(package)?)?,
        (Some(package), false) => output::print(&why::show(&measured.why(package)?, view))?,
        (None, true) => output::print_json(report)?,
        (None, false) if page_only => {}
        (None, false) if args.sarif => output::print_json(&sarif(report, env!("CARGO_PKG_VERSION")))?,
        (None, false) => {
            let plan = if args.plan { terminal::show_plan(report, view) } else { String::new() };
            output::print(&(terminal::show(report, view) + &plan))?;
        }
    }
    let value = serde_json::to_value(report).map_err(|source| Error::stdout(source.into()))?;
    let (budgets, kept) = judge(args.budget.iter().chain(&config.budgets), &value, view.units);
    match args.json || args.sarif || page_only {
        // Standard output is for the JSON or the page alone.
        true => eprint!("{budgets}"),
        false => output::print(&budgets)?,
    }
    let asked_why = args.why.is_some();
    Ok(if kept && (asked_why || !report.has_errors()) { Outcome::Done } else { Outcome::OverBudget })
}

/// Writes the page, as a whole or not at all.
fn write_page(path: &Path, measured: &Measured, view: View) -> Result<(), Error> {
    let mut file = OutputFile::create(path)?;
    let page = html::page(measured, env!("CARGO_PKG_VERSION"), view)
        .map_err(|source| file.failed(io::Error::other(source)))
        .map(String::into_bytes)?;
    file.write_all(&page).map_err(|source| file.failed(source))?;
    file.finish()
}

impl MeasureArgs {
    fn options(&self, config: &Config) -> Options {
        Options {
            ignore: config.ignore.clone(),
            target: Target { platform: self.platform, python: self.python },
            gpu: match (self.gpu, self.no_gpu) {
                (true, _) => Gpu::Present,
                (_, true) => Gpu::Absent,
                _ => Gpu::Unknown,
            },
            said: Said { dockerfile: self.dockerfile.clone(), context: self.context.clone() },
        }
    }
}

fn parse_python(text: &str) -> Result<Python, String> {
    Python::parse(text).ok_or_else(|| "it has to be a version, such as 3.12".to_owned())
}

fn parse_check(text: &str) -> Result<&'static table::Check, String> {
    table::find(text).ok_or_else(|| "there is no such check; `libellus footprint explain` lists them".to_owned())
}
