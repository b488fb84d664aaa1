//! `libellus similar`: books like others.

use crate::commands::search;
use crate::database::DatabaseArgs;
use crate::error::Error;
use crate::filter::FilterArgs;
use crate::model::ModelArgs;
use crate::outcome::Outcome;
use crate::output::{self, Style};
use libellus_catalogue::Access;
use libellus_search::{DEFAULT_LIMIT, SimilarRequest};

const EXAMPLES: &str = "\
Examples:
  libellus similar moby-dick
  libellus similar --limit 5 --filter language=en emma persuasion
  libellus similar --json moby-dick";

/// What can be typed after `similar`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Ids of the books that others shall be like
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
    /// Most books to show, up to 100
    #[arg(long, value_name = "N", default_value_t = DEFAULT_LIMIT)]
    limit: usize,
    /// Print JSON: the books with their passages and cosines
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    model: ModelArgs,
}

/// Looks for books, and prints them. The catalogue is only read.
pub fn run(args: &Args) -> Result<Outcome, Error> {
    let library = search::library(args.model.open()?, args.database.open_existing(Access::ReadOnly)?);
    let request = SimilarRequest { ids: args.ids.clone(), limit: args.limit, filter: args.filter.filter()? };
    let response = library.similar(&request)?;
    if args.json {
        output::print_json(&response)?;
    } else {
        output::print(&search::hits_for_people(&response.hits, Style::of_stdout()))?;
    }
    Ok(Outcome::Done)
}
