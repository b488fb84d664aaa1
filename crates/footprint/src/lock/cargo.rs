//! `Cargo.lock`: names and versions, for all platforms at once, and no sizes.

use super::{Draft, Locked};
use crate::packages::Ecosystem;
use crate::toml_file::{TomlFile, Value};
use crate::tree::Problem;
use std::collections::HashMap;

/// A package that was read: its number, version and source.
type Known<'f> = (usize, &'f str, Option<&'f str>);

pub(super) fn read(text: &str) -> Result<Locked, String> {
    let file = TomlFile::parse(text)?;
    let listed = file.get(&["package"]).and_then(Value::items).ok_or("it lists no packages")?;
    let (mut draft, mut problems) = (Draft::default(), Vec::new());
    let mut by_name: HashMap<&str, Vec<Known<'_>>> = HashMap::new();
    let mut kept = Vec::new();
    for item in listed {
        let text = |key: &str| item.get(key).and_then(Value::text);
        let (Some(name), Some(version)) = (text("name"), text("version")) else {
            problems.push(Problem::new(format!("line {}", item.line), "it is a package without name or version"));
            continue;
        };
        let source = text("source");
        // What lies here is not downloaded.
        let at = draft.add(Ecosystem::Cargo, name, version, source.is_none().then_some(0));
        if source.is_none() {
            draft.run.insert(at);
        }
        by_name.entry(name).or_default().push((at, version, source));
        kept.push(item);
    }
    for (at, item) in kept.into_iter().enumerate() {
        for (written, line) in item.get("dependencies").map(Value::texts).unwrap_or_default() {
            let mut words = written.splitn(3, ' ');
            let (name, version) = (words.next().unwrap_or_default(), words.next());
            let source = words.next().map(|source| source.trim_matches(['(', ')']));
            let fits = |(_, has, from): &&Known<'_>| {
                version.is_none_or(|version| version == *has) && source.is_none_or(|source| Some(source) == *from)
            };
            match by_name.get(name).and_then(|known| known.iter().find(fits)) {
                Some((needed, ..)) => draft.needs[at].push((*needed, written)),
                None => problems.push(Problem::new(format!("line {line}"), format!("there is no package `{written}`"))),
            }
        }
    }
    Ok(Locked { installed: draft.finish(), platform: None, python: None, problems })
}
