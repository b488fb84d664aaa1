//! Why a package is there: who needs it, by which way it came, and what would leave with it.

use super::bars::fit;
use super::terminal::{View, plain};
use crate::error::Error;
use crate::packages::Installed;
use serde::Serialize;
use std::fmt::Write as _;

/// The answer to `--why`.
#[derive(Clone, Debug, Serialize)]
pub struct Why {
    /// The package.
    pub name: String,
    /// As it is installed.
    pub version: String,
    /// Bytes of its own files, or of what is downloaded for it where it is not there.
    pub content: Option<u64>,
    /// Bytes that would leave with it, or not be downloaded.
    pub retained: Option<u64>,
    /// Whether it was asked for by name.
    pub direct: bool,
    /// Who needs it.
    pub required_by: Vec<super::Reason>,
    /// A shortest way from what was asked for.
    pub way: Vec<String>,
    /// What would leave with it, largest first.
    pub brings: Vec<Brought>,
}

/// A package that is there for another one only.
#[derive(Clone, Debug, Serialize)]
pub struct Brought {
    /// Its name.
    pub name: String,
    /// Bytes of its own files, or of what is downloaded for it.
    pub content: Option<u64>,
}

/// Finds out why a package is there.
///
/// # Errors
/// If it is not installed.
pub fn why(packages: &Installed, package: &str, target: &str) -> Result<Why, Error> {
    let index = packages.find(package).ok_or_else(|| Error::NoSuchPackage {
        package: package.to_owned(),
        target: target.to_owned(),
        near: nearest(package, packages.all.iter().map(|package| package.name.as_str())),
    })?;
    let found = &packages.all[index];
    let name = |index: usize| packages.all[index].name.clone();
    let mut brings: Vec<Brought> = packages
        .graph
        .dominated_by(index)
        .into_iter()
        .filter(|other| *other != index)
        .map(|other| Brought { name: name(other), content: packages.weight(other) })
        .collect();
    brings.sort_by(|a, b| b.content.cmp(&a.content).then_with(|| a.name.cmp(&b.name)));
    Ok(Why {
        name: found.name.clone(),
        version: found.version.clone(),
        content: packages.weight(index),
        retained: packages.retained(index),
        direct: found.direct,
        required_by: super::reasons(packages, found),
        way: packages.graph.way_to(index).unwrap_or_default().into_iter().map(name).collect(),
        brings,
    })
}

/// For people.
pub fn show(why: &Why, view: View) -> String {
    let mut text = format!(
        "{} {}: {} itself, {} with what only it brings\n",
        why.name,
        why.version,
        view.known(why.content),
        view.known(why.retained)
    );
    if why.direct {
        text.push_str("It was asked for by name.\n");
    }
    if why.required_by.is_empty() && !why.direct {
        text.push_str("Nothing that is installed needs it.\n");
    }
    if why.way.len() > 1 {
        let _ = writeln!(text, "The way: {}", why.way.join(" → "));
    }
    if !why.required_by.is_empty() {
        text.push_str("\nNeeded by\n");
        for by in &why.required_by {
            let _ = writeln!(text, "  {}  asks for {}", fit(&by.name, 30), by.requirement);
        }
    }
    if !why.brings.is_empty() {
        text.push_str("\nOnly there because of it\n");
        for one in why.brings.iter().take(view.rows) {
            let _ = writeln!(text, "  {}  {:>8}", fit(&one.name, 30), view.known(one.content));
        }
        if why.brings.len() > view.rows {
            let rest: Option<u64> = why.brings[view.rows..].iter().map(|one| one.content).sum();
            let more = format!("… {} more", why.brings.len() - view.rows);
            let _ = writeln!(text, "  {}  {:>8}", fit(&more, 30), view.known(rest));
        }
    }
    plain(&text)
}

/// The name that takes the fewest changes to become another, if those are few.
pub(crate) fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<String> {
    let near = names.map(|other| (distance(name, other), other)).min();
    near.filter(|(distance, _)| *distance * 3 <= name.chars().count()).map(|(_, other)| other.to_owned())
}

/// Letters to put in, take out or change.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, to) in b.iter().enumerate() {
            let changed = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_is_understood() {
        let names = ["torch", "transformers", "numpy"];
        for (typed, expected) in
            [("torhc", None), ("torc", Some("torch")), ("transformer", Some("transformers")), ("x", None)]
        {
            assert_eq!(nearest(typed, names.into_iter()).as_deref(), expected, "{typed}");
        }
    }
}
