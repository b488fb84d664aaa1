//! What became of changes in an adopted table.

use crate::WriteOutcome;
use crate::import::{MAX_REPORTED, Reject};

/// What was done about changes that the database noted.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct ChangesTaken {
    /// Changes dealt with; one row may have several.
    pub changes: u64,
    /// The books of rows that are there.
    pub written: WriteOutcome,
    /// Books whose rows are gone, or cannot be books any more.
    pub deleted: u64,
    /// Rows that cannot be books, with the reasons; at most the first 10 000 are kept.
    pub rejects: Vec<Reject>,
    /// How many there were in all.
    pub rejected: u64,
}

impl ChangesTaken {
    /// Adds what was done next.
    pub fn add(&mut self, next: Self) {
        self.changes += next.changes;
        self.written += next.written;
        self.deleted += next.deleted;
        self.rejected += next.rejected;
        let room = MAX_REPORTED.saturating_sub(self.rejects.len());
        self.rejects.extend(next.rejects.into_iter().take(room));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::Place;

    #[test]
    fn every_reject_is_counted_and_not_every_one_kept() {
        let reject = Reject { place: Place::Keyed {}, id: Some("1".to_owned()), field: None, reason: String::new() };
        let some =
            || ChangesTaken { changes: 600, rejects: vec![reject.clone(); 600], rejected: 600, ..Default::default() };
        let mut all = ChangesTaken::default();
        for _ in 0..20 {
            all.add(some());
        }
        assert_eq!((all.changes, all.rejected, all.rejects.len()), (12_000, 12_000, MAX_REPORTED));
    }
}
