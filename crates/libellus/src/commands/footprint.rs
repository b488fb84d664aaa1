//! `libellus footprint`: what a build is made of, why each part is there, what is wrong with it, and whether it keeps its
//! budget.

use crate::error::Error;
use crate::outcome::Outcome;
use crate::output;
use libellus_footprint::budget::Budget;
use libellus_footprint::checks::{Gpu, table};
use libellus_footprint::project::Said;
use libellus_footprint::python::environment::Target;
use libellus_footprint::python::platform::{Platform, Python};
use libellus_footprint::report::sarif::sarif;
use libellus_footprint::report::terminal::{self, View};
use libellus_footprint::report::why;
use libellus_footprint::size::Units;
use libellus_footprint::{Options, measure};
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  libellus footprint .                        Dockerfile, .dockerignore and requirements of a project
  libellus footprint .venv                    packages, largest first, and why they are there
  libellus footprint .venv --why torch        who needs it, and what would leave with it
  libellus footprint .venv --budget 500MB     for CI: fails if it is more
  libellus footprint . --sarif > found.sarif  findings, for code hosts to show in their lines
  libellus footprint explain F102             what a finding means

Four sizes are told apart: content (bytes of files, each once), stored (in all layers), download
(compressed), disk (blocks). What is not known is shown as unknown. Nothing is written, and nothing
is fetched.

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
    /// Explain a check, or list all
    Explain {
        /// Its number, such as F102
        #[arg(value_name = "ID", value_parser = parse_check)]
        id: Option<&'static table::Check>,
    },
}

/// What is measured, and how it is shown.
#[derive(Debug, clap::Args)]
struct MeasureArgs {
    /// What to measure: a project, a virtual environment, a directory of packages, any directory
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
    /// Fail if it is larger: `50MB` of content, or e.g. `disk=80MB`; may be repeated
    #[arg(long, value_name = "[METER=]SIZE")]
    budget: Vec<Budget>,
    /// Rows of each table
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
    rows: usize,
    /// Show KiB, MiB and GiB, powers of 1024
    #[arg(long)]
    binary: bool,
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
        Some(Action::Explain { id: Some(check) }) => output::print(&check.page()).map(|()| Outcome::Done),
        Some(Action::Explain { id: None }) => output::print(&table::list()).map(|()| Outcome::Done),
        None => run_measure(&args.measure),
    }
}

/// Measures, prints, and holds the result to its budgets.
fn run_measure(args: &MeasureArgs) -> Result<Outcome, Error> {
    let view = View { units: if args.binary { Units::Binary } else { Units::Decimal }, rows: args.rows };
    let measured = measure(&args.target, &args.options())?;
    let report = &measured.report;
    match (&args.why, args.json) {
        (Some(package), true) => output::print_json(&measured.why(package)?)?,
        (Some(package), false) => output::print(&why::show(&measured.why(package)?, view))?,
        (None, true) => output::print_json(report)?,
        (None, false) if args.sarif => output::print_json(&sarif(report, env!("CARGO_PKG_VERSION")))?,
        (None, false) => output::print(&terminal::show(report, view))?,
    }
    let budgets = terminal::show_budgets(report, &args.budget, view);
    match args.json || args.sarif {
        // Standard output is for the JSON alone.
        true => eprint!("{budgets}"),
        false => output::print(&budgets)?,
    }
    let kept = args.budget.iter().all(|budget| budget.is_kept(report));
    let asked_why = args.why.is_some();
    Ok(if kept && (asked_why || !report.has_errors()) { Outcome::Done } else { Outcome::OverBudget })
}

impl MeasureArgs {
    fn options(&self) -> Options {
        Options {
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
