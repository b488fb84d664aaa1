//! `size.json`: the parts as they were last accepted.

use super::parts::Parts;
use crate::Failure;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// Where the record is, from the root of the repository.
pub const FILE: &str = "size.json";

/// A part may grow by this share of what it was …
const TOLERATED_PERCENT: u64 = 2;
/// … or by this much, if that is more: the smallest parts change with every compilation.
const TOLERATED_BYTES: u64 = 4096;

/// An executable's parts, and what it was made with: figures of two compilers cannot be compared.
#[derive(Debug, PartialEq, Eq)]
pub struct Record {
    /// Rust's name of the target.
    pub target: String,
    /// What `rustc --version` says.
    pub rustc: String,
    /// The parts.
    pub parts: Parts,
}

impl Record {
    /// The parts of `measured` that have grown more than is tolerated, as a table with both sizes; none if all is well.
    pub fn growth(&self, measured: &Self) -> Option<Failure> {
        if (&self.target, &self.rustc) != (&measured.target, &measured.rustc) {
            println!("{FILE} was made for {} with {}; this is another build, so only", self.target, self.rustc);
            println!("the budget of the whole is checked");
            return None;
        }
        let names: BTreeSet<&String> = self.parts.0.keys().chain(measured.parts.0.keys()).collect();
        let size = |parts: &Parts, name| parts.0.get(name).copied().unwrap_or_default();
        let grown: Vec<(&str, u64, u64)> = names
            .into_iter()
            .map(|name| (name.as_str(), size(&self.parts, name), size(&measured.parts, name)))
            .filter(|&(_, before, after)| after > before + tolerated(before))
            .collect();
        if grown.is_empty() {
            return None;
        }
        let mut table = format!("{:>10}  {:>10}  {:>9}  has grown\n", "before", "after", "more");
        for (name, before, after) in grown {
            let _ = writeln!(table, "{before:>10}  {after:>10}  {:>+9}  {name}", after - before);
        }
        Some(format!(
            "parts of the executable have grown by more than {TOLERATED_PERCENT} %:\n\n{table}\nmake them smaller, or \
             accept it with `cargo xtask size --record`, commit {FILE}, and say why in the message"
        ))
    }
}

fn tolerated(before: u64) -> u64 {
    (before * TOLERATED_PERCENT / 100).max(TOLERATED_BYTES)
}

/// Reads a record.
pub fn load(path: &Path) -> Result<Record, Failure> {
    let text = fs::read_to_string(path)
        .map_err(|error| format!("cannot read `{}`: {error}; `cargo xtask size --record` writes it", path.display()))?;
    let value: Value = serde_json::from_str(&text).map_err(|error| format!("`{}`: {error}", path.display()))?;
    from_json(&value)
        .ok_or_else(|| format!("`{}` is not a record of sizes; `cargo xtask size --record` writes one", path.display()))
}

/// Writes a record.
pub fn save(record: &Record, path: &Path) -> Result<(), Failure> {
    fs::write(path, format!("{:#}\n", to_json(record)))
        .map_err(|error| format!("cannot write `{}`: {error}", path.display()))
}

fn from_json(value: &Value) -> Option<Record> {
    let text = |name: &str| Some(value.get(name)?.as_str()?.to_owned());
    let parts = value.get("parts")?.as_object()?;
    let parts = parts.iter().map(|(name, size)| Some((name.clone(), size.as_u64()?))).collect::<Option<_>>()?;
    Some(Record { target: text("target")?, rustc: text("rustc")?, parts: Parts(parts) })
}

/// Parts by name, so that a change touches few lines.
fn to_json(record: &Record) -> Value {
    let parts: Map<String, Value> = record.parts.0.iter().map(|(name, &size)| (name.clone(), size.into())).collect();
    json!({
        "target": record.target,
        "rustc": record.rustc,
        "size_bytes": record.parts.total(),
        "parts": parts,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    type Sizes<'a> = &'a [(&'a str, u64)];

    fn record(rustc: &str, parts: Sizes) -> Record {
        let parts = Parts(parts.iter().map(|&(name, size)| (name.to_owned(), size)).collect());
        Record { target: "x86_64-unknown-linux-gnu".to_owned(), rustc: rustc.to_owned(), parts }
    }

    #[test]
    fn only_what_grows_too_much_is_told() {
        let before = record("rustc 1", &[("large", 1_000_000), ("small", 100), ("gone", 50_000)]);
        let cases: [(Sizes, &[&str]); 6] = [
            (&[("large", 1_000_000), ("small", 100), ("gone", 50_000)], &[]),
            (&[("large", 1_020_000), ("small", 4_196)], &[]),
            (&[("large", 1_020_001), ("small", 4_197)], &["large", "small"]),
            (&[("large", 900_000), ("small", 50)], &[]),
            (&[("large", 1_000_000), ("new", 4_097)], &["new"]),
            (&[("new", 4_096)], &[]),
        ];
        for (after, expected) in cases {
            let told = before.growth(&record("rustc 1", after)).unwrap_or_default();
            let rows = told.lines().filter(|line| line.starts_with(' ') && !line.ends_with("has grown"));
            let names: Vec<&str> = rows.filter_map(|row| row.split_whitespace().last()).collect();
            assert_eq!(names, expected, "{after:?}: {told}");
        }
        let other = record("rustc 2", &[("large", 2_000_000)]);
        assert_eq!(before.growth(&other), None, "another compiler");
    }

    #[test]
    fn growth_shows_both_sizes_and_what_to_do() {
        let told = record("rustc 1", &[("a", 1_000_000)]).growth(&record("rustc 1", &[("a", 1_100_000)]));
        let told = told.expect("it has grown");
        assert!(told.contains("   1000000     1100000    +100000  a\n"), "{told}");
        assert!(told.contains("`cargo xtask size --record`"), "{told}");
    }

    #[test]
    fn records_are_read_as_they_were_written() {
        let written = record("rustc 1", &[("a", 1), ("b (C)", 2)]);
        assert_eq!(from_json(&to_json(&written)), Some(written));
        for bad in [json!({}), json!({"target": "t", "rustc": "r", "parts": {"a": -1}})] {
            assert_eq!(from_json(&bad), None, "{bad}");
        }
    }
}
