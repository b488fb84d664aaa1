//! `libellus footprint`: what a build is made of, why each part is there, and whether it keeps its budget.

use crate::error::Error;
use crate::outcome::Outcome;
use crate::output;
use libellus_footprint::budget::Budget;
use libellus_footprint::python::environment::Target;
use libellus_footprint::python::platform::{Platform, Python};
use libellus_footprint::report::terminal::{self, View};
use libellus_footprint::report::why;
use libellus_footprint::size::Units;
use libellus_footprint::{Options, measure};
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  libellus footprint .venv                    packages, largest first, and why they are there
  libellus footprint .venv --why torch        who needs it, and what would leave with it
  libellus footprint .venv --budget 500MB     for CI: fails if it is more
  libellus footprint .venv --json | jq '.packages[] | {name, retained}'

Four sizes are told apart: content (bytes of files, each once), stored (in all layers), download
(compressed), disk (blocks). What is not known is shown as unknown. Nothing is written, and nothing
is fetched.

Exit codes: 0 all is well, 1 over budget, 2 wrong usage, 3 nothing could be read.";

/// What can be typed after `footprint`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// What to measure: a virtual environment, a directory of packages, any directory
    #[arg(value_name = "TARGET", default_value = ".")]
    target: PathBuf,
    /// The platform that it is for [default: what its wheels were made for, or else linux/amd64]
    #[arg(long = "target", value_name = "OS/ARCH")]
    platform: Option<Platform>,
    /// The version of Python that it is for [default: what its paths say]
    #[arg(long, value_name = "3.N", value_parser = parse_python)]
    python: Option<Python>,
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
    #[arg(long)]
    json: bool,
}

/// Measures, prints, and holds the result to its budgets.
pub fn run(args: &Args) -> Result<Outcome, Error> {
    let options = Options { target: Target { platform: args.platform, python: args.python } };
    let view = View { units: if args.binary { Units::Binary } else { Units::Decimal }, rows: args.rows };
    let measured = measure(&args.target, &options)?;
    if let Some(package) = &args.why {
        let answer = measured.why(package)?;
        match args.json {
            true => output::print_json(&answer)?,
            false => output::print(&why::show(&answer, view))?,
        }
    } else if args.json {
        output::print_json(&measured.report)?;
    } else {
        output::print(&terminal::show(&measured.report, view))?;
    }
    let budgets = terminal::show_budgets(&measured.report, &args.budget, view);
    match args.json {
        // Standard output is for the JSON alone.
        true => eprint!("{budgets}"),
        false => output::print(&budgets)?,
    }
    let kept = args.budget.iter().all(|budget| budget.is_kept(&measured.report));
    Ok(if kept { Outcome::Done } else { Outcome::OverBudget })
}

fn parse_python(text: &str) -> Result<Python, String> {
    Python::parse(text).ok_or_else(|| "it has to be a version, such as 3.12".to_owned())
}
