//! Limits that a build has to keep: of a meter, of a package, of growth. Only what was measured or computed is held
//! against them.

use crate::error::Error;
use crate::meters::Meter;
use crate::python::name::normalize;
use crate::size::{self, Units};
use serde_json::Value;
use std::str::FromStr;

/// A limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Of what.
    pub subject: Subject,
    /// How much, at most.
    pub bytes: u64,
}

/// What a limit is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The whole, in one of its sizes.
    Meter(Meter),
    /// A package with all that only it brings; one that is not installed takes nothing.
    Package(String),
}

impl FromStr for Budget {
    type Err = Error;

    /// Reads `50MB`, which is of content, `download=200MB`, or `package.torch=0`.
    fn from_str(text: &str) -> Result<Self, Error> {
        let Some((name, bytes)) = text.split_once('=') else {
            return Ok(Self { subject: Subject::Meter(Meter::Content), bytes: size::parse(text)? });
        };
        Self::of(name.trim(), bytes).ok_or_else(|| Error::BadSize { text: text.to_owned() })
    }
}

impl Budget {
    /// A limit by the name of what it is of.
    pub fn of(name: &str, bytes: &str) -> Option<Self> {
        let subject = match name.strip_prefix("package.") {
            Some(package) => Subject::Package(normalize(package)),
            None => Subject::Meter(Meter::ALL.into_iter().find(|meter| meter.name() == name)?),
        };
        Some(Self { subject, bytes: size::parse(bytes).ok()? })
    }

    /// What a report, in JSON, says of it; `None` if that is unknown.
    fn measured(&self, report: &Value) -> Option<u64> {
        match &self.subject {
            Subject::Meter(meter) => report["meters"][meter.name()].as_u64(),
            Subject::Package(name) => {
                let is_it = |row: &&Value| row["name"].as_str().is_some_and(|other| normalize(other) == *name);
                let rows = report["packages"].as_array()?.iter().filter(is_it);
                // Of a lock, what is downloaded; of several copies, the one that brings most.
                let retained = |row: &Value| row["retained"].as_u64().or_else(|| row["retained_download"].as_u64());
                rows.map(retained).try_fold(0, |most, bytes| Some(bytes?.max(most)))
            }
        }
    }

    /// In a line, and whether it is kept. What is unknown keeps no limit.
    pub fn judge(&self, report: &Value, units: Units) -> (String, bool) {
        let of = match &self.subject {
            Subject::Meter(meter) => meter.name().to_owned(),
            Subject::Package(name) => format!("package {name}"),
        };
        let name = format!("budget {} of {of}", units.show(self.bytes));
        match self.measured(report) {
            None => (format!("{name}: FAIL, as it is unknown\n"), false),
            Some(bytes) if bytes > self.bytes => {
                (format!("{name}: FAIL, over by {}\n", units.show(bytes - self.bytes)), false)
            }
            Some(bytes) => (format!("{name}: ok, {} left\n", units.show(self.bytes - bytes)), true),
        }
    }
}

/// How much a size may grow, in parts of what it was.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Growth(f64);

impl FromStr for Growth {
    type Err = Error;

    /// Reads `2%`.
    fn from_str(text: &str) -> Result<Self, Error> {
        let number = text.trim().strip_suffix('%').and_then(|number| number.trim().parse::<f64>().ok());
        let sensible = number.filter(|number| (0.0..=10_000.0).contains(number));
        sensible.map(|number| Self(number / 100.0)).ok_or_else(|| Error::BadSize { text: text.to_owned() })
    }
}

impl Growth {
    /// A line for each size that is known of both reports, and whether all are kept.
    pub fn judge(self, before: &Value, after: &Value) -> (String, bool) {
        let (mut text, mut kept) = (String::new(), true);
        for meter in Meter::ALL {
            let get = |report: &Value| report["meters"][meter.name()].as_u64();
            let (Some(before), Some(after)) = (get(before), get(after)) else { continue };
            let within = after as f64 <= before as f64 * (1.0 + self.0);
            kept &= within;
            let verdict = if within { "ok" } else { "FAIL" };
            text += &format!("growth of {} by at most {} %: {verdict}\n", meter.name(), self.0 * 100.0);
        }
        (text, kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn budgets_are_of_content_unless_said() {
        let report = json!({"meters": {"content": 60_000_000, "download": null, "disk": 5},
            "packages": [{"name": "torch", "retained": 7}]});
        for (text, kept) in [
            ("50MB", false),
            ("60 MB", true),
            ("disk=5", true),
            ("download=1 TB", false),
            ("package.Torch=6", false),
            ("package.numpy=0", true),
        ] {
            let budget: Budget = text.parse().expect(text);
            assert_eq!(budget.judge(&report, Units::Decimal).1, kept, "{text}");
        }
        for text in ["", "ram=50MB", "disk=", "much"] {
            assert!(text.parse::<Budget>().is_err(), "{text}");
        }
    }

    #[test]
    fn growth_is_in_per_cent_of_what_was() {
        let of = |content: u64| json!({"meters": {"content": content}});
        let growth: Growth = "2%".parse().expect("good");
        for (after, kept) in [(90, true), (102, true), (103, false)] {
            assert_eq!(growth.judge(&of(100), &of(after)).1, kept, "{after}");
        }
        assert!("2".parse::<Growth>().is_err() && "-1%".parse::<Growth>().is_err());
    }
}
