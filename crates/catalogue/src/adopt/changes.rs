//! What became of changes in an adopted table.

use crate::WriteOutcome;
use crate::import::{Reject, keep_first};

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
        // Those that `next` did not keep count as well.
        self.rejected += next.rejected - next.rejects.len() as u64;
        keep_first(&mut self.rejects, &mut self.rejected, next.rejects);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::{MAX_REPORTED, Place};

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
