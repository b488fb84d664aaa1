//! How a command ended, as the exit code that scripts see.

use std::process::ExitCode;

/// How a command that did not fail ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Everything that was asked.
    Done,
    /// Some records of an import were rejected, the rest was loaded.
    WithRejects,
    /// An import found no record that it could use.
    NothingUsable,
    /// Some of what should have been embedded could not be; it was said why.
    NotEmbedded,
    /// A check found something wrong or missing; it was said what.
    #[cfg(feature = "chores")]
    Faulty,
    /// A budget was not kept, or a check failed; it was said which.
    #[cfg(feature = "footprint")]
    OverBudget,
    /// Stopped by Ctrl-C or SIGTERM; what was finished is kept.
    Interrupted,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        ExitCode::from(match outcome {
            Outcome::Done => 0,
            Outcome::WithRejects | Outcome::NotEmbedded => 1,
            #[cfg(feature = "chores")]
            Outcome::Faulty => 1,
            #[cfg(feature = "footprint")]
            Outcome::OverBudget => 1,
            Outcome::NothingUsable => 2,
            Outcome::Interrupted => crate::interrupt::EXIT_CODE,
        })
    }
}
