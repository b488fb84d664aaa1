//! `--threads`, for every command that encodes much.

use libellus_search::BackfillOptions;
use std::num::NonZeroUsize;
use std::thread;

/// How many threads encode.
#[derive(Clone, Debug, clap::Args)]
pub struct ThreadsArgs {
    /// Threads that encode, at least 1 [default: one for each core of the machine or container]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
}

impl ThreadsArgs {
    /// The number asked for, if one was.
    pub fn asked_for(&self) -> Option<usize> {
        self.threads.map(usize::from)
    }

    /// The number asked for, or else one for each core, or as many as the container's quota amounts to.
    pub fn count(&self) -> usize {
        self.asked_for().unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from))
    }

    /// How a backfill uses them.
    pub fn for_backfill(&self) -> BackfillOptions {
        BackfillOptions { threads: self.count(), ..BackfillOptions::default() }
    }
}
