//! What became of changes in an adopted table.

use crate::WriteOutcome;
use crate::import::Reject;

/// What was done about changes that the database noted.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct ChangesTaken {
    /// Changes dealt with; one row may have several.
    pub changes: u64,
    /// The books of rows that are there.
    pub written: WriteOutcome,
    /// Books whose rows are gone, or cannot be books any more.
    pub deleted: u64,
    /// Rows that cannot be books, with the reasons.
    pub rejects: Vec<Reject>,
}

impl ChangesTaken {
    /// Adds what was done next.
    pub fn add(&mut self, next: Self) {
        self.changes += next.changes;
        self.written += next.written;
        self.deleted += next.deleted;
        self.rejects.extend(next.rejects);
    }
}
