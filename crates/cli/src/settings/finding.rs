//! What is wrong with a setting, or worth knowing about it.

use serde::Serialize;
use std::fmt;

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// The setting cannot be used, so nothing starts.
    Error,
    /// The service starts, but something is not as it should be.
    Warning,
    /// Worth knowing at every start.
    Note,
    /// Worth knowing for whoever looks.
    Detail,
}

/// One finding.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// How much it matters.
    pub level: Level,
    /// The variable or flag.
    pub setting: String,
    /// What it is, and what to do. Never holds a secret.
    pub message: String,
}

impl Finding {
    pub(super) fn error(setting: &str, message: impl Into<String>) -> Self {
        Self::new(Level::Error, setting, message)
    }

    pub(super) fn warning(setting: &str, message: impl Into<String>) -> Self {
        Self::new(Level::Warning, setting, message)
    }

    pub(super) fn note(setting: &str, message: impl Into<String>) -> Self {
        Self::new(Level::Note, setting, message)
    }

    pub(super) fn detail(setting: &str, message: impl Into<String>) -> Self {
        Self::new(Level::Detail, setting, message)
    }

    fn new(level: Level, setting: &str, message: impl Into<String>) -> Self {
        Self { level, setting: setting.to_owned(), message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.level {
            Level::Error => "error",
            Level::Warning => "warning",
            Level::Note | Level::Detail => "note",
        };
        write!(f, "{word}: {}", crate::output::plain(&self.message))
    }
}
