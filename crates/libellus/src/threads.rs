//! `--threads`, for every command that encodes much.

use std::num::NonZeroUsize;
use std::thread;

/// How many threads encode.
#[derive(Clone, Debug, clap::Args)]
pub struct ThreadsArgs {
    /// Threads that encode, at least 1 [default: one for each core]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
}

impl ThreadsArgs {
    /// The number asked for, or else one for each core.
    pub fn count(&self) -> usize {
        self.threads.map_or_else(|| thread::available_parallelism().map_or(1, usize::from), usize::from)
    }
}
