//! Limits that a build has to keep, by meter. Only what was measured or computed is held against them.

use crate::error::Error;
use crate::meters::Meter;
use crate::report::Report;
use crate::size::{self, Units};
use std::str::FromStr;

/// A limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Of what.
    pub meter: Meter,
    /// How much, at most.
    pub bytes: u64,
}

impl FromStr for Budget {
    type Err = Error;

    /// Reads `50MB`, which is of content, or `download=200MB`.
    fn from_str(text: &str) -> Result<Self, Error> {
        let Some((name, bytes)) = text.split_once('=') else {
            return Ok(Self { meter: Meter::Content, bytes: size::parse(text)? });
        };
        let meter = Meter::ALL.into_iter().find(|meter| meter.name() == name.trim());
        let meter = meter.ok_or_else(|| Error::BadSize { text: text.to_owned() })?;
        Ok(Self { meter, bytes: size::parse(bytes)? })
    }
}

impl Budget {
    /// Whether a report keeps it. What is unknown does not.
    pub fn is_kept(&self, report: &Report) -> bool {
        self.judge(report.meters.get(self.meter), Units::Decimal).1
    }

    /// In a line, and whether it is kept.
    pub fn judge(&self, bytes: Option<u64>, units: Units) -> (String, bool) {
        let name = format!("budget {} of {}", units.show(self.bytes), self.meter.name());
        match bytes {
            None => (format!("{name}: FAIL, as it is unknown\n"), false),
            Some(bytes) if bytes > self.bytes => {
                (format!("{name}: FAIL, over by {}\n", units.show(bytes - self.bytes)), false)
            }
            Some(bytes) => (format!("{name}: ok, {} left\n", units.show(self.bytes - bytes)), true),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_are_of_content_unless_said() {
        for (text, meter, bytes) in
            [("50MB", Meter::Content, 50_000_000), ("download=1 GB", Meter::Download, 1_000_000_000)]
        {
            assert_eq!(text.parse::<Budget>().ok(), Some(Budget { meter, bytes }), "{text}");
        }
        for text in ["", "50", "ram=50MB", "disk="] {
            assert_eq!(text.parse::<Budget>().is_ok(), text == "50", "{text}");
        }
    }
}
