//! What can be typed: the commands and what all of them share.

#[cfg(all(feature = "chores", feature = "postgres"))]
use crate::commands::adopt;
#[cfg(feature = "chores")]
use crate::commands::check;
#[cfg(feature = "footprint")]
use crate::commands::footprint;
#[cfg(feature = "lambda")]
use crate::commands::lambda;
#[cfg(feature = "chores")]
use crate::commands::migrate;
#[cfg(feature = "chores")]
use crate::commands::snapshot;
use crate::commands::{backfill, config, embed, eval, export, health, import, key, model, search, serve, similar};
use crate::error::Error;
use crate::outcome::Outcome;
use clap::{Parser, Subcommand, ValueEnum};
use libellus_search::Mode;
use std::ffi::OsString;
use std::path::Path;

const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    failed; for `import`: loaded, but some records were rejected
  2    wrong usage; for `import`: nothing usable
  3    for `footprint`: nothing of the target could be read
  130  stopped by Ctrl-C or SIGTERM; what was finished is kept

Environment:
  DATABASE_URL  the catalogue, e.g. sqlite:/var/lib/libellus.db or postgresql://… (--db wins)
  PORT          the port of `serve` (--port wins); with it, `serve` listens on every address
  LIBELLUS_FACETS
                extra fields of books to filter and count by, with commas between
  CORS_ORIGINS  the sites whose pages may read the API, with commas between; * for all
  JWT_SECRET_KEY, or else SECRET_KEY
                the secret that tokens of Flask-JWT-Extended are checked by
  JWT_JWKS      the public keys of tokens signed with RS256 or ES256: a file with a JSON Web Key Set, or its
                https:// address
  LIBELLUS_READING
                `closed` if only those with a token or a key may read (--reading wins)
  LIBELLUS_RATE_LIMIT
                requests a second of one client, and perhaps how many at once: 20 or 20/100 [default: no limit]
  LIBELLUS_TRUSTED_PROXIES
                the proxies that are believed about who asks: 10.0.0.0/8,fd00::1
  LIBELLUS_CACHE
                memory for the answers that were given last, e.g. 64M; 0 for none [default: 16M]
  LIBELLUS_PUBLIC_URL
                the address that readers know the service by, for links in feeds [default: that of the request]
  LIBELLUS_ROBOTS
                `none` keeps search engines out; they find the pages of books otherwise [default: books]
  LIBELLUS_SITE_NAME, LIBELLUS_LOGO, LIBELLUS_ACCENT
                the library's name, a file with its logo, and its colour, e.g. #7a1f3d, on the page
  LIBELLUS_TOKEN_SCOPE
                what a token without `scope` is good for: read, write or admin [default: read]
  LIBELLUS_HOME where pulled models are kept [default: ~/.local/share/libellus]
  NO_COLOR      no colours
`libellus config` shows what is set, and by what.

Start here:
  libellus serve --sample            then open http://127.0.0.1:5001";

/// Semantic search for book catalogues, with the model inside.
#[derive(Debug, Parser)]
#[command(name = "libellus", version = VERSION, after_help = EXIT_CODES, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// The version of the program and of what is inside; a test holds it to the model.
#[cfg(not(feature = "lite"))]
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (with all-MiniLM-L6-v2, int8)");
#[cfg(feature = "lite")]
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (with all-MiniLM-L6-v2, int8-words4)");

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer readers: the search page and the HTTP API
    Serve(serve::Args),
    /// Show every setting of the service and where it comes from
    Config(config::Args),
    /// Ask a running service whether all is well
    Health(health::Args),
    /// Answer readers as an AWS Lambda function
    #[cfg(feature = "lambda")]
    Lambda(lambda::Args),
    /// Find books by what they are about
    Search(search::Args),
    /// Find books like one or several others
    Similar(similar::Args),
    /// Load books from CSV, TSV or JSON Lines files
    Import(import::Args),
    /// Take over the books that another program keeps in PostgreSQL
    #[cfg(all(feature = "chores", feature = "postgres"))]
    Adopt(adopt::Args),
    /// Write books or embeddings to a file, for another catalogue or other programs
    Export(export::Args),
    /// Embed the passages that have no fresh embedding
    Backfill(backfill::Args),
    /// Say who may read, write and administer over HTTP
    Key(key::Args),
    /// Look whether the catalogue is whole, and mend it
    #[cfg(feature = "chores")]
    Check(check::Args),
    /// Write the whole catalogue to one file
    #[cfg(feature = "chores")]
    Snapshot(snapshot::SnapshotArgs),
    /// Make a catalogue of a snapshot
    #[cfg(feature = "chores")]
    Restore(snapshot::RestoreArgs),
    /// Change the model of a catalogue while it is being searched
    #[cfg(feature = "chores")]
    Migrate(migrate::Args),
    /// Show what a build is made of, and why each part is there
    #[cfg(feature = "footprint")]
    Footprint(footprint::Args),
    /// Turn texts into vectors
    Embed(embed::Args),
    /// Look at models, fetch them, and pack them
    Model(model::Args),
    /// Measure the quality of search on judged queries
    Eval(eval::Args),
}

/// What AWS Lambda's runtimes that bring no language, such as `provided.al2023`, start as a function.
const BOOTSTRAP: &str = "bootstrap";

/// The command line with `lambda` added, if the executable was started as a function's `bootstrap`.
pub fn with_command_of_name(mut arguments: Vec<OsString>) -> Vec<OsString> {
    if let [name] = arguments.as_slice()
        && Path::new(name).file_name().is_some_and(|name| name == BOOTSTRAP)
    {
        arguments.push("lambda".into());
    }
    arguments
}

impl Cli {
    /// Runs the command.
    pub fn run(self) -> Result<Outcome, Error> {
        match self.command {
            Command::Serve(args) => serve::run(&args),
            Command::Config(args) => config::run(&args),
            Command::Health(args) => health::run(&args),
            #[cfg(feature = "lambda")]
            Command::Lambda(args) => lambda::run(&args),
            Command::Search(args) => search::run(&args),
            Command::Similar(args) => similar::run(&args),
            Command::Import(args) => import::run(&args),
            #[cfg(all(feature = "chores", feature = "postgres"))]
            Command::Adopt(args) => adopt::run(&args),
            Command::Export(args) => export::run(&args),
            Command::Backfill(args) => backfill::run(&args),
            Command::Key(args) => key::run(&args),
            #[cfg(feature = "chores")]
            Command::Check(args) => check::run(&args),
            #[cfg(feature = "chores")]
            Command::Snapshot(args) => snapshot::run(&args),
            #[cfg(feature = "chores")]
            Command::Restore(args) => snapshot::restore(&args),
            #[cfg(feature = "chores")]
            Command::Migrate(args) => migrate::run(&args),
            #[cfg(feature = "footprint")]
            Command::Footprint(args) => footprint::run(&args),
            Command::Embed(args) => embed::run(&args),
            Command::Model(args) => model::run(&args),
            Command::Eval(args) => eval::run(&args),
        }
    }
}

/// `--mode`, as it is typed.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum ModeArg {
    /// By meaning and by words: what is named comes first
    #[default]
    Hybrid,
    /// By meaning
    Semantic,
    /// By words
    Keyword,
}

impl From<ModeArg> for Mode {
    fn from(mode: ModeArg) -> Self {
        match mode {
            ModeArg::Hybrid => Mode::Hybrid,
            ModeArg::Semantic => Mode::Semantic,
            ModeArg::Keyword => Mode::Keyword,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_shows_an_example() {
        for command in Cli::command().get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains(&format!("libellus {}", command.get_name())), "`{}`", command.get_name());
        }
    }

    #[test]
    fn bootstrap_alone_means_lambda() {
        for (typed, expected) in [
            (&["/var/task/bootstrap"][..], &["/var/task/bootstrap", "lambda"][..]),
            (&["bootstrap"], &["bootstrap", "lambda"]),
            (&["bootstrap", "--version"], &["bootstrap", "--version"]),
            (&["libellus"], &["libellus"]),
            (&["bootstrap/libellus"], &["bootstrap/libellus"]),
            (&[], &[]),
        ] {
            let arguments = with_command_of_name(typed.iter().map(OsString::from).collect());
            assert_eq!(arguments, expected, "{typed:?}");
        }
    }

    #[test]
    fn the_version_names_the_model_inside() {
        let encoder = libellus_encoder::Encoder::builtin();
        let inside = format!("(with {}, {})", crate::model::BUILTIN, encoder.info().fingerprint.precision);
        assert!(VERSION.ends_with(&inside), "{VERSION}, not {inside}");
    }
}
