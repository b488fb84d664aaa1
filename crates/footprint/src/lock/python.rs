//! `uv.lock` and `pylock.toml`: every file of every package with its size, and markers for the platforms that need it.

use super::{Draft, Locked, wheel};
use crate::packages::Ecosystem;
use crate::python::environment::Target;
use crate::python::marker::Marker;
use crate::python::platform::{Environment, Python};
use crate::toml_file::{TomlFile, Value};
use crate::tree::Problem;
use std::collections::{BTreeSet, HashMap, HashSet};

/// A package of a lock, before anybody is asked who needs it.
struct Entry<'f> {
    value: Value<'f>,
    name: &'f str,
    version: &'f str,
    /// Whether it is a part of the project.
    own: bool,
}

struct Reader<'f> {
    environment: Environment,
    entries: Vec<Entry<'f>>,
    by_name: HashMap<&'f str, Vec<usize>>,
    draft: Draft,
    problems: Vec<Problem>,
    /// Bytes of all that might be downloaded: whatever else is added up is a part of this.
    sum: u64,
    /// Packages without a file for the target: only those that it needs are worth telling.
    unfit: Vec<(&'f str, Problem)>,
}

pub(super) fn uv(text: &str, target: Target) -> Result<Locked, String> {
    let file = TomlFile::parse(text)?;
    let mut reader = Reader::start(&file, "package", target, |value| {
        let source = value.get("source");
        ["virtual", "editable", "directory", "path"]
            .iter()
            .any(|key| source.and_then(|source| source.get(key)).is_some())
    })?;
    // Every list once: what a package needs, what its extras do that somebody asks for, and what developers of the project do.
    let mut waiting: Vec<(usize, Value<'_>, bool)> = Vec::new();
    for (at, entry) in reader.entries.iter().enumerate() {
        waiting.extend(entry.value.get("dependencies").map(|list| (at, list, false)));
        let groups = entry.value.get("dev-dependencies").and_then(Value::entries).filter(|_| entry.own);
        waiting.extend(groups.into_iter().flatten().map(|(_, list)| (at, list, true)));
    }
    let mut asked = HashSet::new();
    while let Some((at, list, develops)) = waiting.pop() {
        for wanted in list.items().unwrap_or_default() {
            let Some((needed, written)) = reader.resolve(wanted) else { continue };
            for extra in extras(wanted).into_iter().filter(|extra| asked.insert((needed, *extra))) {
                let list = reader.entries[needed].value.get("optional-dependencies").and_then(|lists| lists.get(extra));
                waiting.extend(list.map(|list| (needed, list, false)));
            }
            if develops {
                reader.draft.develop.insert(needed);
                continue;
            }
            if reader.entries[at].own {
                reader.draft.run.insert(needed);
            }
            reader.draft.needs[at].push((needed, written));
        }
    }
    let own = (0..reader.entries.len()).filter(|at| reader.entries[*at].own);
    reader.draft.run.extend(own);
    Ok(reader.finish())
}

pub(super) fn pylock(text: &str, target: Target) -> Result<Locked, String> {
    let file = TomlFile::parse(text)?;
    let mut reader = Reader::start(&file, "packages", target, |value| value.get("directory").is_some())?;
    let mut needed_by_any = BTreeSet::new();
    for at in 0..reader.entries.len() {
        let wanted = reader.entries[at].value.get("dependencies").and_then(Value::items).unwrap_or_default();
        for (needed, written) in wanted.into_iter().filter_map(|wanted| reader.resolve(wanted)).collect::<Vec<_>>() {
            needed_by_any.insert(needed);
            reader.draft.needs[at].push((needed, written));
        }
    }
    // Who asked is not in it: what nothing needs was asked for, and everything else is installed as well.
    let all: Vec<usize> = (0..reader.entries.len()).filter(|at| !needed_by_any.contains(at)).collect();
    reader.draft.run.extend(all);
    Ok(reader.finish())
}

impl<'f> Reader<'f> {
    fn start(
        file: &'f TomlFile<'f>,
        list: &str,
        target: Target,
        is_own: impl Fn(Value<'f>) -> bool,
    ) -> Result<Self, String> {
        let listed = file.get(&[list]).and_then(Value::items).ok_or_else(|| format!("it has no list `{list}`"))?;
        let requires = file.get(&["requires-python"]).and_then(Value::text).unwrap_or_default();
        // The oldest that the lock is for.
        let oldest =
            requires.split(',').find_map(|part| Python::parse(part.trim().trim_start_matches(['>', '=', '~', ' '])));
        let environment = Environment {
            platform: target.platform.unwrap_or_default(),
            python: target.python.or(oldest).unwrap_or(Python { major: 3, minor: 12 }),
        };
        let mut reader = Self {
            environment,
            entries: Vec::new(),
            by_name: HashMap::new(),
            draft: Draft::default(),
            problems: Vec::new(),
            sum: 0,
            unfit: Vec::new(),
        };
        for value in listed {
            let text = |key: &str| value.get(key).and_then(Value::text);
            let Some(name) = text("name") else {
                reader.problems.push(Problem::new(format!("line {}", value.line), "it is a package without a name"));
                continue;
            };
            let forks = value.get("resolution-markers").and_then(Value::items).unwrap_or_default();
            let holds =
                |marker: &Value<'f>, reader: &mut Self| reader.holds(marker.text().unwrap_or_default(), marker.line);
            let forked = forks.is_empty() || forks.iter().any(|marker| holds(marker, &mut reader));
            let marked = value.get("marker").is_none_or(|marker| holds(&marker, &mut reader));
            if !forked || !marked {
                continue;
            }
            let own = is_own(value);
            let version = text("version").unwrap_or("(no version)");
            let download = if own { Some(0) } else { reader.download(value, name) };
            let at = reader.draft.add(Ecosystem::Python, name, version, download);
            reader.by_name.entry(name).or_default().push(at);
            reader.entries.push(Entry { value, name, version, own });
        }
        Ok(reader)
    }

    /// Whether a marker holds for the target. One that cannot be read does.
    fn holds(&mut self, text: &str, line: u32) -> bool {
        if text.trim().is_empty() {
            return true;
        }
        match Marker::parse(text) {
            Ok(marker) => marker.holds(&self.environment, &[]),
            Err(reason) => {
                self.problems.push(Problem::new(format!("line {line}"), reason));
                true
            }
        }
    }

    /// The package that is meant, and how it is asked for; `None` if the target does not need it.
    fn resolve(&mut self, wanted: Value<'f>) -> Option<(usize, String)> {
        let text = |key: &str| wanted.get(key).and_then(Value::text);
        let name = text("name")?;
        if let Some(marker) = text("marker")
            && !self.holds(marker, wanted.line)
        {
            return None;
        }
        let fits = |at: &usize| text("version").is_none_or(|version| version == self.entries[*at].version);
        let Some(at) = self.by_name.get(name).and_then(|all| all.iter().copied().find(fits)) else {
            self.problems.push(Problem::new(format!("line {}", wanted.line), format!("there is no package `{name}`")));
            return None;
        };
        let extras = extras(wanted);
        let extras = if extras.is_empty() { String::new() } else { format!("[{}]", extras.join(",")) };
        let version = text("version").map(|version| format!("=={version}")).unwrap_or_default();
        let marker = text("marker").map(|marker| format!("; {marker}")).unwrap_or_default();
        Some((at, format!("{}{extras}{version}{marker}", self.entries[at].name)))
    }

    /// The size of the file that would be downloaded: the wheel that fits best, or else the source.
    fn download(&mut self, value: Value<'f>, name: &'f str) -> Option<u64> {
        let wheels = value.get("wheels").and_then(Value::items).unwrap_or_default();
        let file = |wheel: &Value<'f>| {
            let named = ["name", "url", "path"].iter().find_map(|key| wheel.get(key)?.text())?;
            named.rsplit('/').next().map(|name| name.replace("%2B", "+"))
        };
        let ranked = wheels.iter().filter_map(|wheel| Some((wheel::rank(&file(wheel)?, &self.environment)?, *wheel)));
        let best = ranked.max_by_key(|(rank, _)| *rank).map(|(_, wheel)| wheel);
        let source = || value.get("sdist").or_else(|| value.get("archive"));
        let chosen = best.or_else(source);
        if chosen.is_none() && !wheels.is_empty() {
            let reason = format!("`{name}` has no file for {}", self.environment.platform);
            self.unfit.push((name, Problem::new(format!("line {}", value.line), reason)));
        }
        let size = chosen?.get("size")?;
        let bytes = size.number()?;
        match self.sum.checked_add(bytes) {
            Some(sum) => self.sum = sum,
            None => {
                let reason = format!("`{name}` claims {bytes} bytes, more than can be added up; they are unknown");
                self.problems.push(Problem::new(format!("line {}", size.line), reason));
                return None;
            }
        }
        Some(bytes)
    }

    fn finish(mut self) -> Locked {
        let installed = self.draft.finish();
        let needed: HashSet<&str> = installed.all.iter().map(|package| package.name.as_str()).collect();
        let unfit = self.unfit.into_iter().filter(|(name, _)| needed.contains(name));
        self.problems.extend(unfit.map(|(_, problem)| problem));
        Locked {
            installed,
            platform: Some(self.environment.platform.to_string()),
            python: Some(self.environment.python.to_string()),
            problems: self.problems,
        }
    }
}

/// The extras that are asked for.
fn extras(wanted: Value<'_>) -> Vec<&str> {
    let listed = wanted.get("extra").and_then(Value::items).unwrap_or_default();
    listed.into_iter().filter_map(Value::text).collect()
}
