//! `libellus lambda`: the service as an AWS Lambda function.
//!
//! Everything is opened, and the index made, before the first invocation is asked for. What goes wrong until then is
//! told to Lambda as the reason why the function does not start, and printed as in every other command.

use crate::commands::backfill;
use crate::database::DatabaseArgs;
use crate::error::Error;
use crate::model::ModelArgs;
use crate::outcome::Outcome;
use crate::settings::{self, Environment};
use libellus_catalogue::Access;
use libellus_search::Library;
use libellus_server::{RuntimeInterface, serve_lambda};
use std::sync::Arc;
use tokio::runtime;

const EXAMPLES: &str = "\
Examples:
  libellus lambda                  as a function's command; without AWS Lambda around it, it says so
  cp libellus bootstrap && zip function.zip bootstrap libellus.db

An executable that is started as `bootstrap` and without arguments, as AWS Lambda does, runs this
command. It answers API Gateway (HTTP APIs) and function URLs, both with payload format 2.0, with
the page and the API of `libellus serve`. Load and embed the books beforehand: nothing is written.";

/// What can be typed after `lambda`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    model: ModelArgs,
}

/// Answers invocations until Lambda ends the process.
pub fn run(args: &Args) -> Result<Outcome, Error> {
    let interface = RuntimeInterface::from_environment()?;
    let (library, config) = open(args)
        .and_then(|library| Ok((library, settings::of_function(&Environment::of_process())?)))
        .inspect_err(|error| {
            if let Err(unreachable) = interface.report_failed_start(&error.to_string()) {
                eprintln!("warning: Lambda could not be told that the function does not start: {unreachable}");
            }
        })?;
    // One invocation comes at a time: a thread for the runtime interface is enough, beside those that search.
    let runtime =
        runtime::Builder::new_current_thread().enable_all().build().map_err(|source| Error::Runtime { source })?;
    runtime.block_on(serve_lambda(&interface, &config, Arc::new(library)))?;
    Ok(Outcome::Done)
}

/// Opens model and catalogue, and makes the index.
fn open(args: &Args) -> Result<Library, Error> {
    let encoder = args.model.open()?;
    let database = args.database.clone().or_in_package();
    let catalogue = match database.open_existing(Access::ReadOnly) {
        Err(Error::NoDatabase { location }) => return Err(Error::NotInPackage { location }),
        opened => opened?,
    };
    let facets = settings::facets(&Environment::of_process()).value;
    let library = Library::new(encoder, catalogue).with_facets(facets);
    library.serving()?;
    let counts = library.readiness()?.catalogue;
    if counts.embedded > 0 {
        library.prepare()?;
    }
    eprintln!("libellus is ready: {} books from `{}`", counts.books, library.catalogue().location());
    let missing = counts.passages.saturating_sub(counts.embedded);
    if missing > 0 {
        eprintln!(
            "note: {missing} of {} passages have no embedding by this model, so their books are not found by meaning; \
             run `{}` before the function is deployed",
            counts.passages,
            backfill::command(&args.database, &args.model)
        );
    }
    Ok(library)
}
