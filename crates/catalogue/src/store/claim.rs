//! What a worker asks for, and what became of passages that could not be embedded.
//!
//! Several workers share the passages without an embedding: each *claims* some, embeds them, and stores what it made.
//! A claim is a row with a lease, not a lock: nothing stays open while a worker computes, a pooler may stand between,
//! and what a worker had in hand when it died goes to another as soon as the lease ends.
//!
//! An attempt is counted when it begins, for a passage may end the worker that embeds it. So one that was tried in vain
//! is claimed apart from the rest, by itself, until it succeeds or is given up.

use std::time::Duration;

/// Attempts after which a passage is given up.
pub const MAX_ATTEMPTS: u32 = 5;

/// Attempts in vain after which a passage is only tried by itself.
pub(super) const SUSPECT_AFTER: u32 = 2;

/// The pause after the first failure; it doubles with each.
pub(super) const FIRST_PAUSE: Duration = Duration::from_secs(5);

/// Which passages to claim, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// Only passages after this one; 0 to begin.
    pub after: i64,
    /// How many at most.
    pub limit: usize,
    /// How long nobody else gets them.
    pub lease: Duration,
    /// Those that were tried in vain before, instead of all others.
    pub suspects: bool,
}

impl Claim {
    /// From and to how many attempts, both included, a passage may have had.
    pub(super) fn attempts(&self) -> (u32, u32) {
        if self.suspects { (SUSPECT_AFTER, MAX_ATTEMPTS - 1) } else { (0, SUSPECT_AFTER - 1) }
    }

    pub(super) fn lease_ms(&self) -> i64 {
        i64::try_from(self.lease.as_millis()).unwrap_or(i64::MAX)
    }
}

/// Why a claimed passage could not be embedded.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The passage.
    pub passage_id: i64,
    /// Hash of the text that was tried.
    pub text_hash: [u8; 16],
    /// In words.
    pub reason: String,
}

/// A passage that could not be embedded.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct FailedPassage {
    /// Its book.
    pub book_id: String,
    /// Its place among the book's passages.
    pub ordinal: u32,
    /// How often it was tried.
    pub attempts: u32,
    /// Whether it will not be tried again.
    pub given_up: bool,
    /// Why; `None` if the worker ended before it could say.
    pub reason: Option<String>,
}

/// What of the passages without an embedding cannot be claimed just now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct QueueCounts {
    /// In the hands of workers.
    pub claimed: u64,
    /// Failed, and to be tried again later.
    pub retrying: u64,
    /// Given up.
    pub given_up: u64,
}
