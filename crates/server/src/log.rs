//! What is written to the error output while the service runs: faults, and if the operator wants them a line of JSON for
//! every request. Never a query, an address as it was typed, or what a body held.

use crate::Error;
use crate::observe::Origin;
use serde::Serialize;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What is logged, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Log {
    /// Only what goes wrong, in lines for people.
    #[default]
    Text,
    /// Every request and what goes wrong, in lines of JSON.
    Json,
}

/// Text that names no way to log.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a way to log; use `text` (only what goes wrong) or `json` (every request, too)")]
pub struct UnknownLog(String);

impl FromStr for Log {
    type Err = UnknownLog;

    fn from_str(text: &str) -> Result<Self, UnknownLog> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            other => Err(UnknownLog(other.to_owned())),
        }
    }
}

impl Log {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
    }

    /// A request that was answered.
    pub(crate) fn request(self, origin: &Origin, route: &str, method: &str, status: u16, took: Duration) {
        if self == Self::Json {
            let ms = took.as_micros() as f64 / 1000.0;
            Line {
                method: Some(method),
                status: Some(status),
                ms: Some(ms),
                ..Line::new("info", "request", route, Some(origin))
            }
            .write();
        }
    }

    /// A fault of ours, with its causes. Text names the path, as ever; it holds no query.
    pub(crate) fn fault(self, error: &Error, path: &str, route: &str, origin: Option<&Origin>) {
        let mut message = error.to_string();
        let mut cause = std::error::Error::source(error);
        while let Some(source) = cause {
            message.push_str(&format!(": {source}"));
            cause = source.source();
        }
        match self {
            Self::Text => {
                let request = origin.map_or_else(String::new, |origin| format!(" (request {})", origin.id));
                eprintln!("error: {path}: {message}{request}");
            }
            Self::Json => Line::new("error", &message, route, origin).write(),
        }
    }

    /// Something that the operator should know, and that no request caused.
    pub(crate) fn warning(self, message: &str) {
        match self {
            Self::Text => eprintln!("warning: {message}"),
            Self::Json => Line::new("warning", message, "", None).write(),
        }
    }
}

/// A line of JSON.
#[derive(Serialize)]
struct Line<'a> {
    time: String,
    level: &'static str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_id: Option<&'a str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    route: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ms: Option<f64>,
}

impl<'a> Line<'a> {
    fn new(level: &'static str, message: &'a str, route: &'a str, origin: Option<&'a Origin>) -> Self {
        let trace = origin.and_then(|origin| origin.trace.as_ref());
        Self {
            time: rfc3339(SystemTime::now()),
            level,
            message,
            request_id: origin.map(|origin| origin.id.as_str()),
            trace_id: trace.map(|(trace, _)| trace.as_str()),
            parent_id: trace.map(|(_, parent)| parent.as_str()),
            route,
            method: None,
            status: None,
            ms: None,
        }
    }

    fn write(&self) {
        // Strings and numbers: there is nothing in it that JSON could not say.
        eprintln!("{}", serde_json::to_string(self).unwrap_or_default());
    }
}

/// A moment in UTC, to the millisecond, as RFC 3339 writes it.
pub(crate) fn rfc3339(moment: SystemTime) -> String {
    let since = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, seconds) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", since.subsec_millis())
}

/// Year, month and day of a number of days since 1970 (Hinnant, *chrono-compatible low-level date algorithms*): years are
/// counted from the first of March, so that a leap day is the last one.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (400 * era + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_in_utc() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00.007Z"),
            (951_782_399, "2000-02-28T23:59:59.007Z"),
            (951_782_400, "2000-02-29T00:00:00.007Z"),
            (1_709_251_199, "2024-02-29T23:59:59.007Z"),
            (1_798_761_599, "2026-12-31T23:59:59.007Z"),
            (4_107_542_400, "2100-03-01T00:00:00.007Z"),
        ] {
            assert_eq!(rfc3339(UNIX_EPOCH + Duration::from_millis(seconds * 1000 + 7)), expected, "{seconds}");
        }
    }

    #[test]
    fn ways_to_log_have_names() {
        for log in [Log::Text, Log::Json] {
            assert_eq!(log.as_str().parse(), Ok(log));
        }
        let message = "xml".parse::<Log>().expect_err("no such way").to_string();
        assert!(message.contains("`xml`") && message.contains("`json`"), "{message}");
    }
}
