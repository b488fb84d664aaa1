//! What can go wrong in a command, and the one place where it is printed.
//!
//! The errors of the other crates pass through unchanged; the variants here are the ones that a
//! command line adds: files, pipes, locations. [`Error::report`] prints message, causes and hint.

use libellus_catalogue::Location;
use std::fmt::Write as _;
use std::io;
use std::process::ExitCode;
use std::time::Duration;

/// An error of the executable.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing to search in.
    #[error("there is no catalogue at `{location}`")]
    NoDatabase {
        /// Where it was looked for.
        location: Location,
    },
    /// A function without books.
    #[cfg(feature = "lambda")]
    #[error("there is no catalogue at `{location}` for the function to answer from")]
    NotInPackage {
        /// Where it was looked for.
        location: Location,
    },
    /// Neither a built-in model nor a path.
    #[error("`{model}` is neither a built-in model, nor one that was pulled, nor an existing file or directory")]
    NoSuchModel {
        /// What was given.
        model: String,
    },
    /// An input that cannot be opened or read.
    #[error("cannot read `{name}`")]
    Input {
        /// The file, or `standard input`.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// A directory where a file belongs.
    #[error("`{name}` is a directory; a file is needed here")]
    IsADirectory {
        /// The directory.
        name: String,
    },
    /// A line that is not UTF-8.
    #[error("line {line} of `{name}` is not valid UTF-8 (at byte {column} of the line)")]
    InvalidUtf8 {
        /// The file, or `standard input`.
        name: String,
        /// From 1.
        line: u64,
        /// From 1.
        column: usize,
    },
    /// A line that no text is as long as.
    #[error(
        "line {line} of `{name}` is longer than {limit} bytes; one text per line is expected, and `--memory`, if given, \
         must leave room for it"
    )]
    LineTooLong {
        /// The file, or `standard input`.
        name: String,
        /// From 1.
        line: u64,
        /// The longest line that is read.
        limit: usize,
    },
    /// The sample, for a build without the feature `sample`.
    #[error("this libellus was built without the sample catalogue; import books of your own, or use the standard one")]
    WithoutSample,
    /// A ceiling under which nothing can be done.
    #[error(
        "{threads} threads and one text take {:.1} MB of memory with this model, and `--memory` allows {:.1} MB",
        *least as f64 / 1e6, *ceiling as f64 / 1e6
    )]
    MemoryTooSmall {
        /// Threads that were asked for.
        threads: usize,
        /// Bytes that they take with one text.
        least: usize,
        /// Bytes that are allowed.
        ceiling: usize,
    },
    /// A line that is no record, in a file of records.
    #[error(
        "line {line} of `{name}` is not a record: {reason}; where the first line is a JSON object, every line must be \
         one with `text`, and perhaps `id`"
    )]
    NotARecord {
        /// The file, or `standard input`.
        name: String,
        /// From 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// The output would overwrite the input while it is read.
    #[error("`{name}` is both input and output")]
    SameFile {
        /// The file.
        name: String,
    },
    /// The output would overwrite the catalogue.
    #[error("`{name}` belongs to the catalogue, which this output would overwrite; nothing was changed")]
    OverCatalogue {
        /// The file.
        name: String,
    },
    /// The rejects would overwrite an input.
    #[error("`{name}` is an input, which the rejected records would overwrite; nothing was changed")]
    RejectsOverInput {
        /// The file.
        name: String,
    },
    /// Two things for standard output.
    #[error("standard output cannot hold both the report of `--json` and the rejected records of `--rejects -`")]
    RejectsAndJson,
    /// Two files for one standard output.
    #[error(
        "`--format npy` writes two files, the vectors and what they belong to; name the first with `--output FILE`"
    )]
    NpyNeedsAFile,
    /// Vectors and what they belong to do not fit.
    #[error(
        "`{vectors}` holds {rows} vectors, but `{ids}` has {listed} rows: which belongs to which cannot be told; \
         nothing was stored"
    )]
    IdsDoNotFit {
        /// The file of vectors.
        vectors: String,
        /// How many it holds.
        rows: u64,
        /// The table.
        ids: String,
        /// How many rows it has.
        listed: u64,
    },
    /// An array of NumPy, or its table, that cannot be read twice.
    #[error("`{name}` is no file: an array of NumPy and its table are counted before they are read")]
    ArrayNeedsFiles {
        /// What it is.
        name: String,
    },
    /// A stored vector that is not what the model makes.
    #[error("passage {passage} of book `{book_id}` has a vector of {dim} numbers, not {expected}; nothing was written")]
    DamagedVector {
        /// The book.
        book_id: String,
        /// The passage, from 1.
        passage: u32,
        /// Its numbers.
        dim: usize,
        /// Those of the model.
        expected: usize,
    },
    /// A page of what is no target.
    #[error(
        "`--html` makes a page of one target; a difference is Markdown, and an explanation is text: leave `--html` out, or \
         write `libellus footprint TARGET --html FILE`"
    )]
    PageOfNoTarget,
    /// An output that cannot be made or written.
    #[error("cannot write `{name}`")]
    Output {
        /// The file, or `standard output`.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// Nothing to revoke.
    #[error("there is no key `{id}`")]
    NoSuchKey {
        /// What was given.
        id: String,
    },
    /// A key that could overwrite what it does not see.
    #[error("a key with a filter reads only, as it would change books unseen; it cannot be for `{scope}`")]
    FilteredKeyWrites {
        /// What was asked for.
        scope: libellus_catalogue::Scope,
    },
    /// `--years` is no span of years.
    #[error("`{0}` is no span of years; write `1813`, `1800-1899`, `1990-` or `-1800`")]
    Years(String),
    /// Not an address to listen at.
    #[error("{name} is `{value}`, which is not a port number from 0 to 65535")]
    Port {
        /// Where it was set.
        name: &'static str,
        /// What it was set to.
        value: String,
    },
    /// Settings that cannot be used.
    #[error("{messages}")]
    Settings {
        /// Each with its name, never with a secret.
        messages: String,
    },
    /// Signals cannot be listened for.
    #[error("cannot listen for Ctrl-C and SIGTERM")]
    Signals {
        /// Why.
        source: io::Error,
    },
    /// The threads of the server cannot be started.
    #[error("cannot start the server's threads")]
    Runtime {
        /// Why.
        source: io::Error,
    },
    /// A service that cannot be reached.
    #[error("no service can be reached at `{url}`")]
    Unreachable {
        /// What was asked.
        url: String,
        /// Why.
        source: io::Error,
    },
    /// A service that is too slow, or hangs.
    #[error("`{url}` gave no answer within {} s", timeout.as_secs_f64())]
    NoAnswer {
        /// What was asked.
        url: String,
        /// How long it had.
        timeout: Duration,
    },
    /// Something else that listens there.
    #[error("what listens at `{url}` does not answer in HTTP; it said `{answer}`")]
    NotHttp {
        /// What was asked.
        url: String,
        /// What came back.
        answer: String,
    },
    /// A service that says that not all is well.
    #[error("`{url}` answers {status}: {body}")]
    Unhealthy {
        /// What was asked.
        url: String,
        /// The status of HTTP.
        status: u16,
        /// Its own account.
        body: String,
    },
    /// The model.
    #[error(transparent)]
    Encoder(#[from] libellus_encoder::Error),
    /// The catalogue.
    #[error(transparent)]
    Catalogue(#[from] libellus_catalogue::Error),
    /// The search.
    #[error(transparent)]
    Search(#[from] libellus_search::Error),
    /// The port.
    #[error(transparent)]
    Bind(#[from] libellus_server::BindError),
    /// Where models are to be kept.
    #[cfg(feature = "chores")]
    #[error("nobody knows where the data of this user belong; say so with LIBELLUS_HOME")]
    NoHome,
    /// `--revision` for what is no model of a hub.
    #[cfg(feature = "chores")]
    #[error("`{path}` is on this machine, where a model has no revisions; leave `--revision` out")]
    RevisionOfPath {
        /// The wheel or directory.
        path: String,
    },
    /// A model that is another than when a migration began.
    #[cfg(feature = "chores")]
    #[error("`{model}` is of space {found} now, and was of space {expected} when the migration began")]
    OtherModel {
        /// As it was named then.
        model: String,
        /// Its space now.
        found: String,
        /// Its space then.
        expected: String,
    },
    /// Pulling a model.
    #[cfg(feature = "chores")]
    #[error(transparent)]
    Hub(#[from] libellus_hub::Error),
    /// Measuring a build.
    #[cfg(feature = "footprint")]
    #[error(transparent)]
    Footprint(#[from] libellus_footprint::Error),
    /// AWS Lambda.
    #[cfg(feature = "lambda")]
    #[error(transparent)]
    Lambda(#[from] libellus_server::LambdaError),
}

impl Error {
    /// An error of standard output.
    pub fn stdout(source: io::Error) -> Self {
        Error::Output { name: "standard output".to_owned(), source }
    }

    /// Prints the error and gives the exit code. A reader who went away is told nothing.
    pub fn report(&self) -> ExitCode {
        if self.is_broken_pipe() {
            return ExitCode::SUCCESS;
        }
        eprint!("{}", self.message());
        ExitCode::from(self.exit_code())
    }

    /// The `error:` line, its causes, and a hint if there is one.
    fn message(&self) -> String {
        let mut message = format!("error: {self}\n");
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            // Writing to a string cannot fail.
            let _ = writeln!(message, "  because: {error}");
            cause = error.source();
        }
        if let Some(hint) = self.hint() {
            let _ = writeln!(message, "hint: {hint}");
        }
        message
    }

    /// What to do, where the message does not say it already.
    fn hint(&self) -> Option<&'static str> {
        use libellus_catalogue::Error as Catalogue;
        match self {
            Error::NoDatabase { .. } => Some(
                "make one with `libellus import FILE`, or try the sample with `libellus serve --sample`; \
                 `--db` or DATABASE_URL says where it is",
            ),
            #[cfg(feature = "lambda")]
            Error::NotInPackage { .. } => {
                Some("put `libellus.db` beside `bootstrap` in the function's package, or set DATABASE_URL")
            }
            #[cfg(feature = "lambda")]
            Error::Lambda(libellus_server::LambdaError::NotInLambda { .. }) => Some(
                "to answer readers from this machine, run `libellus serve`; `deploy/README.md` says how to deploy a \
                 function",
            ),
            Error::Catalogue(Catalogue::NotAFile { .. }) => {
                Some("give a file: `--db libellus.db`, or DATABASE_URL=sqlite:libellus.db")
            }
            Error::NoSuchModel { .. } => Some(
                "`libellus model list` shows what is there, `libellus model pull NAME` fetches others; a \
                 sentence-transformers directory or a .pack file will do as well",
            ),
            Error::Catalogue(Catalogue::ReadOnly { .. } | Catalogue::ParentMissing { .. }) => Some(
                "in a container, mount a volume there that belongs to the container's user; on Railway, where volumes \
                 belong to root, set the variable RAILWAY_RUN_UID=0",
            ),
            Error::Settings { .. } => Some("`libellus config` shows every setting, and where it comes from"),
            Error::InvalidUtf8 { .. } => Some("convert the file first, e.g. with `iconv -f WINDOWS-1252 -t UTF-8`"),
            Error::NoSuchKey { .. } => Some("`libellus key list` shows them"),
            Error::OverCatalogue { .. } => Some("write to another file"),
            Error::ArrayNeedsFiles { .. } => Some("save it to a file first"),
            Error::DamagedVector { .. } => {
                Some("`libellus check --repair` deletes it, and `libellus backfill` makes it again")
            }
            Error::RejectsOverInput { .. } | Error::RejectsAndJson => Some("name another file after `--rejects`"),
            Error::Unreachable { .. } | Error::NotHttp { .. } => {
                Some("is `libellus serve` running there? `--url` says where to ask")
            }
            Error::MemoryTooSmall { .. } => {
                Some("allow more with `--memory`, or ask for fewer threads with `--threads`")
            }
            Error::SameFile { .. } => Some("write to another file, and rename it afterwards"),
            #[cfg(feature = "chores")]
            Error::Hub(libellus_hub::Error::Write { source, .. }) if source.kind() == io::ErrorKind::StorageFull => {
                Some("make room, or choose another disk with LIBELLUS_HOME; what was received is kept")
            }
            Error::Output { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                Some("make room, or write to another disk; what is there already is kept")
            }
            _ => None,
        }
    }

    /// 2 for what was typed or given wrongly, 3 for a build of which nothing can be read, 1 for what failed.
    fn exit_code(&self) -> u8 {
        use libellus_catalogue::Error as Catalogue;
        use libellus_search::Error as Search;
        match self {
            Error::Catalogue(
                Catalogue::UnknownScheme { .. }
                | Catalogue::NotAFile { .. }
                | Catalogue::BadAddress { .. }
                | Catalogue::WithoutPostgres
                | Catalogue::Snapshot { .. }
                | Catalogue::NothingToAdopt { .. }
                | Catalogue::NoSuchTable { .. }
                | Catalogue::SeveralTables { .. }
                | Catalogue::Unadoptable { .. },
            )
            | Error::NoSuchModel { .. }
            | Error::IsADirectory { .. }
            | Error::SameFile { .. }
            | Error::OverCatalogue { .. }
            | Error::RejectsOverInput { .. }
            | Error::RejectsAndJson
            | Error::NpyNeedsAFile
            | Error::PageOfNoTarget
            | Error::IdsDoNotFit { .. }
            | Error::ArrayNeedsFiles { .. }
            | Error::MemoryTooSmall { .. }
            | Error::WithoutSample
            | Error::Port { .. }
            | Error::Years(_)
            | Error::NoSuchKey { .. }
            | Error::FilteredKeyWrites { .. }
            | Error::Settings { .. } => 2,
            Error::Search(
                Search::EmptyQuery
                | Search::QueryTooLong
                | Search::LimitOutOfRange { .. }
                | Search::UnknownMode(_)
                | Search::NoJudgedSet { .. }
                | Search::NothingJudged { .. }
                | Search::IndexTooLarge { .. },
            ) => 2,
            Error::Search(Search::Interrupted) => crate::interrupt::EXIT_CODE,
            #[cfg(feature = "chores")]
            Error::NoHome | Error::RevisionOfPath { .. } => 2,
            #[cfg(feature = "chores")]
            Error::Hub(error) => match error {
                libellus_hub::Error::Interrupted { .. } => crate::interrupt::EXIT_CODE,
                libellus_hub::Error::BadName { .. }
                | libellus_hub::Error::BadRevision { .. }
                | libellus_hub::Error::Variable { .. }
                | libellus_hub::Error::Occupied { .. } => 2,
                _ => 1,
            },
            #[cfg(feature = "footprint")]
            Error::Footprint(error) if error.is_about_reading() => 3,
            #[cfg(feature = "footprint")]
            Error::Footprint(_) => 2,
            #[cfg(feature = "lambda")]
            Error::Lambda(libellus_server::LambdaError::NotInLambda { .. }) => 2,
            error if error.is_about_the_input() => 2,
            _ => 1,
        }
    }

    /// Whether a file is at fault that holds no books, rather than the catalogue or the disk.
    pub fn is_about_the_input(&self) -> bool {
        matches!(self, Error::Catalogue(error) if error.is_about_the_input())
    }

    /// Whether waiting may cure it.
    pub fn is_transient(&self) -> bool {
        match self {
            Error::Catalogue(error) | Error::Search(libellus_search::Error::Catalogue(error)) => error.is_transient(),
            _ => false,
        }
    }

    fn is_broken_pipe(&self) -> bool {
        matches!(self, Error::Output { source, .. } if source.kind() == io::ErrorKind::BrokenPipe)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_have_causes_and_hints_in_order() {
        let error =
            Error::Output { name: "vectors.npy".to_owned(), source: io::Error::from(io::ErrorKind::StorageFull) };
        let lines: Vec<String> = error.message().lines().map(str::to_owned).collect();
        assert_eq!(lines[0], "error: cannot write `vectors.npy`");
        assert!(lines[1].starts_with("  because: "), "{lines:?}");
        assert!(lines[2].starts_with("hint: "), "{lines:?}");
        assert_eq!(error.exit_code(), 1);
    }

    #[test]
    fn bad_usage_is_two() {
        assert_eq!(Error::Search(libellus_search::Error::EmptyQuery).exit_code(), 2);
        assert_eq!(Error::NoDatabase { location: Location::Sqlite("x.db".into()) }.exit_code(), 1);
    }
}
