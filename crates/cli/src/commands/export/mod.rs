//! `libellus export`: what the catalogue holds, for another catalogue or for other programs.

#[cfg(feature = "chores")]
mod books;
pub mod embeddings;

use crate::error::Error;
use crate::outcome::Outcome;

const EXAMPLES: &str = "\
Examples:
  libellus export embeddings --output embeddings.csv
  libellus export books --format bibtex --ids moby-dick origin
`libellus export books --help` and `libellus export embeddings --help` say more.";

/// What can be typed after `export`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Write books, for another catalogue or for other programs
    #[cfg(feature = "chores")]
    Books(books::Args),
    /// Write every fresh embedding
    Embeddings(embeddings::Args),
}

/// Writes what was asked for.
pub fn run(args: &Args) -> Result<Outcome, Error> {
    match &args.what {
        #[cfg(feature = "chores")]
        What::Books(args) => books::run(args),
        What::Embeddings(args) => embeddings::run(args),
    }
}
