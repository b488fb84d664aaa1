//! `libellus serve`: the search page and the HTTP API.
//!
//! The port is taken first, so that a port in use is an error at once. Requests are answered from then on; passages
//! without an embedding are embedded meanwhile on a thread of their own, and `/ready` says when there is something to
//! find.

use crate::commands::backfill;
use crate::error::Error;
use crate::interrupt::Interrupt;
use crate::model;
use crate::outcome::Outcome;
use crate::output;
use crate::sample;
use crate::settings::{Environment, ServiceArgs, Settings};
use libellus_catalogue::{Access, Statistics};
use libellus_search::Library;
use libellus_server::{bind, shutdown_signal};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::net::SocketAddr;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;
use tokio::runtime::Runtime;

const EXAMPLES: &str = "\
Examples:
  libellus serve --sample                  try it: http://127.0.0.1:5001
  libellus serve --db books.db --host 0.0.0.0 --port 8080
  PORT=8080 libellus serve                 as platforms start it: listens on every address
  libellus serve --next-model all-MiniLM-L12-v2
                                           ready to change models: see `libellus migrate`

Requests are answered at once; what has no embedding yet is embedded meanwhile, and /ready says 503
until something is. A catalogue that cannot be written is served as it is.

Name, logo and colour of the page (LIBELLUS_SITE_NAME, LIBELLUS_LOGO, LIBELLUS_ACCENT), the address
in links (LIBELLUS_PUBLIC_URL), crawlers (LIBELLUS_ROBOTS), and more are set by variables:
`libellus --help` says what each is, `libellus config` what is set.

SIGTERM and Ctrl-C finish the requests in flight and end the service; a second one ends it at once.
The exit code is 130 if passages were still being embedded: those that are done are kept.";

/// How long a signal may go unnoticed.
const SIGNAL_PAUSE: Duration = Duration::from_millis(50);

/// What can be typed after `serve`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    service: ServiceArgs,
}

/// Files beside connections: the catalogue, indexes, uploads.
const OTHER_FILES: u64 = 128;

/// How many connections there may be: one is a file, and a process may have so many open. Many systems set a limit of 1,024,
/// which a process may raise to another one of theirs.
fn room_for_connections() -> usize {
    let mut limits = getrlimit(Resource::Nofile);
    if setrlimit(Resource::Nofile, Rlimit { current: limits.maximum, ..limits }).is_ok() {
        limits.current = limits.maximum;
    }
    limits.current.map_or(usize::MAX, |files| usize::try_from(files.saturating_sub(OTHER_FILES)).unwrap_or(usize::MAX))
}

/// Serves until it is told to stop.
pub fn run(args: &Args) -> Result<Outcome, Error> {
    let interrupt = Interrupt::listen()?;
    let args = &args.service;
    let settings = Settings::resolve(args, &Environment::of_process());
    settings.check()?;
    let mut config = settings.server_config();
    config.most_connections = config.most_connections.min(room_for_connections());
    let runtime = Runtime::new().map_err(|source| Error::Runtime { source })?;
    // Listening from the start: a signal between the embeddings and the first request must count too.
    let stop = runtime.spawn(shutdown_signal());
    let listener = runtime.block_on(bind(&config))?;

    let (library, access) = open_library(args, &settings)?;
    // A catalogue that is searched by another model is an error at once, not with every question; so is one with more
    // passages than there is room for.
    library.check_room()?;
    let counts = library.readiness()?.catalogue;
    if counts.books == 0 {
        eprintln!(
            "note: the catalogue has no books yet; load some with `libellus import FILE{}`, or start with `--sample`",
            args.database.flag()
        );
    }
    let mut pending = counts.passages.saturating_sub(counts.embedded);
    if access == Access::ReadOnly {
        note_read_only(args, &library, &counts);
        pending = 0;
    }
    let library = Arc::new(library);
    let (sender, written) = mpsc::channel();
    config.written = (access == Access::ReadWrite).then_some(sender);
    let config = config;
    // The first reader should not wait for the indexes, nor a stop for them. What fails, is said to whoever asks.
    library.keep_prepared();
    let address = listener.local_addr().ok();
    announce(address, |address| match pending {
        0 => ready_line(address, counts.books),
        pending => listening_line(address, pending),
    });

    thread::scope(|scope| {
        let (library, interrupt) = (&library, &interrupt);
        let embed = move || {
            let outcome = if pending > 0 { embed_pending(args, library, interrupt, address) } else { Outcome::Done };
            embed_what_comes(args, library, interrupt, &written, outcome)
        };
        let embedding = (access == Access::ReadWrite).then(|| scope.spawn(embed));
        let stopped = async {
            // The task may not listen yet when the first signal comes; the flag has listened from the start.
            while !interrupt.requested() && !stop.is_finished() {
                tokio::time::sleep(SIGNAL_PAUSE).await;
            }
        };
        runtime.block_on(libellus_server::serve(listener, &config, Arc::clone(library), stopped));
        // With its last sender nobody writes any more, and the thread that embeds ends.
        drop(config);
        match embedding.map(ScopedJoinHandle::join) {
            None => Ok(Outcome::Done),
            Some(Ok(outcome)) => Ok(outcome),
            Some(Err(panic)) => resume_unwind(panic),
        }
    })
}

/// Opens model and catalogue, with the sample in it if that was asked for and there is room.
///
/// A catalogue that is there but cannot be written is served as it is.
fn open_library(args: &ServiceArgs, settings: &Settings) -> Result<(Library, Access), Error> {
    let encoder = args.model.open_to_serve(args.threads.count())?;
    let next = args.next_model.as_deref().map(|next| model::open_to_serve(next, args.threads.count())).transpose()?;
    let (catalogue, access) = args.database.open_to_serve()?;
    if args.sample && access == Access::ReadWrite {
        let books = catalogue.statistics(&encoder.info().fingerprint.space)?.books;
        if books == 0 {
            let report = sample::load(&catalogue, &encoder)?;
            eprintln!("loaded the sample: {} books", report.written.added);
        } else {
            eprintln!("note: `{}` has {books} books already, so the sample was not loaded", catalogue.location());
        }
    }
    let library = Library::new(encoder, catalogue)
        .with_facets(settings.facets.value.clone())
        .with_index(settings.index_options());
    let library = if settings.cache.value == Some(0) { library.with_query_vectors(0) } else { library };
    Ok((if let Some(next) = next { library.with_next(next) } else { library }, access))
}

/// Says what is left out because nothing can be written.
fn note_read_only(args: &ServiceArgs, library: &Library, counts: &Statistics) {
    let sample = if args.sample { ", and the sample was not loaded" } else { "" };
    eprintln!(
        "note: `{}` cannot be written by this user, so it is served as it is{sample}",
        library.catalogue().location()
    );
    let missing = counts.passages.saturating_sub(counts.embedded);
    if missing > 0 {
        eprintln!(
            "note: {missing} of {} passages have no embedding by this model, so their books are not found by meaning; \
             run `{}` where the catalogue can be written",
            counts.passages,
            backfill::command(&args.database, &args.model)
        );
    }
}

/// Embeds what has no embedding while requests are answered already, and says when that is done.
///
/// A failure is told at once and ends the embedding, not the service: what is embedded can be found.
fn embed_pending(args: &ServiceArgs, library: &Library, interrupt: &Interrupt, address: Option<SocketAddr>) -> Outcome {
    let command = backfill::command(&args.database, &args.model);
    let done = backfill::with_progress(library, args.threads.for_backfill(), interrupt)
        .and_then(|report| Ok((report, library.readiness()?.catalogue.books)));
    match done {
        Err(error) => {
            error.report();
            eprintln!("note: the service goes on with what is embedded; `{command}` does the rest");
            Outcome::NotEmbedded
        }
        Ok((report, books)) => {
            eprint!("{}", backfill::for_people(&report, &command));
            if !report.interrupted {
                announce(address, |address| ready_line(address, books));
            }
            match backfill::outcome(&report) {
                // A row of another program's table that is no book was told of, and is no failure of the service.
                Outcome::WithRejects => Outcome::Done,
                outcome => outcome,
            }
        }
    }
}

/// Embeds what is written over HTTP, until the service ends; gives how the last embedding ended.
fn embed_what_comes(
    args: &ServiceArgs,
    library: &Library,
    interrupt: &Interrupt,
    written: &Receiver<()>,
    mut outcome: Outcome,
) -> Outcome {
    while !interrupt.requested() {
        match written.recv_timeout(SIGNAL_PAUSE) {
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => break,
            // One round does for all that were told of meanwhile.
            Ok(()) => written.try_iter().for_each(drop),
        }
        match backfill::with_progress(library, args.threads.for_backfill(), interrupt) {
            Ok(report) => outcome = backfill::outcome(&report),
            Err(error) => {
                error.report();
                let command = backfill::command(&args.database, &args.model);
                eprintln!("note: what was written is found by its words; `{command}` embeds it");
                outcome = Outcome::NotEmbedded;
            }
        }
    }
    outcome
}

/// Prints a line with the address. A service whose standard output is closed serves all the same.
fn announce(address: Option<SocketAddr>, line: impl FnOnce(SocketAddr) -> String) {
    if let Some(address) = address {
        let _ = output::print(&line(address));
    }
}

/// The one line that says where to go.
fn ready_line(address: SocketAddr, books: u64) -> String {
    let (url, reach) = url_and_reach(address);
    format!("libellus is ready: {url} ({books} books{reach})\n")
}

/// The line before it, if there is something to embed first.
fn listening_line(address: SocketAddr, pending: u64) -> String {
    let (url, reach) = url_and_reach(address);
    format!("libellus is listening: {url} (embedding {pending} passages{reach})\n")
}

/// An address that a browser can open, and who else can reach it.
fn url_and_reach(address: SocketAddr) -> (String, &'static str) {
    if address.ip().is_unspecified() {
        (format!("http://127.0.0.1:{}", address.port()), ", reachable at every address of this machine")
    } else {
        (format!("http://{address}"), "")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
