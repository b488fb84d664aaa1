//! `libellus serve`: the search page and the HTTP API.
//!
//! The port is taken first, so that a port in use is an error at once and not after the embeddings;
//! readers who connect meanwhile wait a moment instead of being refused.

use crate::commands::backfill;
use crate::database::DatabaseArgs;
use crate::error::Error;
use crate::interrupt::Interrupt;
use crate::model::ModelArgs;
use crate::outcome::Outcome;
use crate::output;
use crate::sample;
use crate::threads::ThreadsArgs;
use libellus_search::Library;
use libellus_server::{ServerConfig, bind, shutdown_signal};
use std::env;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::runtime::Runtime;

const EXAMPLES: &str = "\
Examples:
  libellus serve --sample                  try it: http://127.0.0.1:5001
  libellus serve --db books.db --host 0.0.0.0 --port 8080
  PORT=8080 libellus serve                 as platforms start it: listens on every address

SIGTERM and Ctrl-C finish the requests in flight and end the service; a second one ends it at once.";

/// What can be typed after `serve`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Load the sample catalogue first, if there are no books yet
    #[arg(long)]
    sample: bool,
    /// The address to listen at [default: 127.0.0.1, or 0.0.0.0 if PORT is set]
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    /// The port to listen at; 0 takes any that is free [default: PORT, or else 5001]
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
    #[command(flatten)]
    threads: ThreadsArgs,
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    model: ModelArgs,
}

/// Serves until it is told to stop.
pub fn run(args: &Args) -> Result<Outcome, Error> {
    let interrupt = Interrupt::listen()?;
    let config = resolve_config(args.host.clone(), args.port, env::var("PORT").ok())?;
    let runtime = Runtime::new().map_err(|source| Error::Runtime { source })?;
    // Listening from the start: a signal between the embeddings and the first request must count too.
    let stop = runtime.spawn(shutdown_signal());
    let listener = runtime.block_on(bind(&config))?;

    let library = open_library(args)?;
    let report = backfill::with_progress(&library, args.threads.count(), &interrupt)?;
    if report.embedded > 0 || report.interrupted {
        eprint!("{}", backfill::for_people(&report));
    }
    if interrupt.requested() {
        return Ok(Outcome::Interrupted);
    }

    let books = library.readiness()?.catalogue.books;
    if books == 0 {
        eprintln!(
            "note: the catalogue has no books yet; load some with `libellus import FILE`, or start with `--sample`"
        );
    }
    if let Ok(address) = listener.local_addr() {
        // A service whose standard output is closed serves all the same.
        let _ = output::print(&ready_line(address, books));
    }
    let stopped = async {
        // The task only listens; if it could not, the signals end the process as they always do.
        let _ = stop.await;
    };
    runtime.block_on(libellus_server::serve(listener, &config, Arc::new(library), stopped));
    Ok(Outcome::Done)
}

/// Opens model and catalogue, with the sample in it if that was asked for and there is room.
fn open_library(args: &Args) -> Result<Library, Error> {
    let encoder = args.model.open()?;
    let catalogue = args.database.open_or_create()?;
    if args.sample {
        let books = catalogue.statistics(&encoder.info().fingerprint.space)?.books;
        if books == 0 {
            let report = sample::load(&catalogue, &encoder)?;
            eprintln!("loaded the sample: {} books", report.written.added);
        } else {
            eprintln!("note: `{}` has {books} books already, so the sample was not loaded", catalogue.location());
        }
    }
    Ok(Library::new(encoder, catalogue))
}

/// Flags, then the environment, then the defaults. A platform that sets `PORT` expects to reach the
/// service from outside; anyone else has to ask for that.
fn resolve_config(
    host: Option<String>,
    port: Option<u16>,
    port_variable: Option<String>,
) -> Result<ServerConfig, Error> {
    let default = ServerConfig::default();
    let port_variable = match port_variable.filter(|value| !value.is_empty()) {
        None => None,
        Some(value) => match value.parse::<u16>() {
            Ok(port) => Some(port),
            Err(_) => return Err(Error::Port { name: "PORT", value }),
        },
    };
    let host = host.unwrap_or_else(|| match port_variable {
        Some(_) => "0.0.0.0".to_owned(),
        None => default.host.clone(),
    });
    Ok(ServerConfig { host, port: port.or(port_variable).unwrap_or(default.port), ..default })
}

/// The one line that says where to go.
fn ready_line(address: SocketAddr, books: u64) -> String {
    let (shown, reach) = if address.ip().is_unspecified() {
        (SocketAddr::from(([127, 0, 0, 1], address.port())), ", reachable at every address of this machine")
    } else {
        (address, "")
    };
    format!("libellus is ready: http://{shown} ({books} books{reach})\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_win_over_the_environment() {
        for (host, port, variable, expected) in [
            (None, None, None, ("127.0.0.1", 5001)),
            (None, None, Some(""), ("127.0.0.1", 5001)),
            (None, None, Some("8080"), ("0.0.0.0", 8080)),
            (None, Some(9000), Some("8080"), ("0.0.0.0", 9000)),
            (Some("127.0.0.1"), None, Some("8080"), ("127.0.0.1", 8080)),
            (Some("::1"), Some(0), None, ("::1", 0)),
        ] {
            let config = resolve_config(host.map(str::to_owned), port, variable.map(str::to_owned)).expect("good");
            assert_eq!((config.host.as_str(), config.port), expected, "{host:?} {port:?} {variable:?}");
        }
        for variable in ["http", "65536", "-1"] {
            let error = resolve_config(None, None, Some(variable.to_owned())).expect_err(variable);
            assert!(error.to_string().contains("PORT") && error.to_string().contains(variable), "{error}");
        }
    }

    #[test]
    fn the_ready_line_can_be_clicked() {
        for (address, expected) in [
            ("127.0.0.1:5001", "libellus is ready: http://127.0.0.1:5001 (3 books)\n"),
            ("[::1]:80", "libellus is ready: http://[::1]:80 (3 books)\n"),
            (
                "0.0.0.0:80",
                "libellus is ready: http://127.0.0.1:80 (3 books, reachable at every address of this machine)\n",
            ),
        ] {
            assert_eq!(ready_line(address.parse().expect("an address"), 3), expected);
        }
    }
}
