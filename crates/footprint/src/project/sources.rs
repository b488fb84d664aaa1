//! What the application's own files say: which modules they import, which texts they hold. Enough to know whether
//! something is used at all; what is looked up while running is not seen.

use crate::files::Files;
use crate::tree::{NodeId, Tree};
use std::collections::BTreeMap;

/// Longer files are not written by people.
const MAX_BYTES: u64 = 1 << 20;
/// Of more files than this nobody waits for.
const MAX_FILES: usize = 20_000;

/// A line of a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// From the root of the project.
    pub path: String,
    /// From 1.
    pub line: u32,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// Top-level modules that are imported, each with the places.
    pub imports: BTreeMap<String, Vec<Place>>,
    /// The texts of files in languages of programs and scripts.
    pub texts: Vec<(String, String)>,
}

impl Sources {
    /// Reads the files that are the project's own.
    pub fn read(tree: &Tree, files: &dyn Files, own: &[NodeId]) -> Self {
        let mut found = Self::default();
        let interesting = |id: &&NodeId| {
            let name = tree.name(**id);
            let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
            let script = matches!(
                ending,
                "py" | "sql" | "sh" | "bash" | "toml" | "ini" | "cfg" | "yml" | "yaml" | "js" | "ts" | "rb" | "go"
            );
            tree.is_file(**id)
                && (script || matches!(name, "Makefile" | "Procfile" | "Justfile" | "entrypoint" | "start"))
        };
        for id in own.iter().filter(interesting).take(MAX_FILES) {
            let Ok(bytes) = files.read(tree, *id, MAX_BYTES) else { continue };
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let path = tree.path(*id);
            if path.ends_with(".py") {
                for (line, module) in imports(&text) {
                    found.imports.entry(module).or_default().push(Place { path: path.clone(), line });
                }
            }
            found.texts.push((path, text));
        }
        found
    }

    /// The first place of a word, where no letter or digit is on either side.
    pub fn mention(&self, word: &str) -> Option<Place> {
        self.texts.iter().find_map(|(path, text)| {
            let line = text.lines().position(|line| has_word(line, word))?;
            Some(Place { path: path.clone(), line: line as u32 + 1 })
        })
    }
}

/// Whether a word stands in a line by itself.
pub fn has_word(line: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    line.match_indices(word)
        .any(|(start, _)| !line[..start].ends_with(part) && !line[start + word.len()..].starts_with(part))
}

/// Top-level modules that a Python file imports, with lines. Imports in functions count; those in texts do, too, which
/// costs a finding at most.
fn imports(text: &str) -> Vec<(u32, String)> {
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim_start();
        let mut add = |name: &str| {
            let top = name.trim().split([' ', '.']).next().unwrap_or_default();
            if !top.is_empty() && top.chars().all(|c| c.is_alphanumeric() || c == '_') {
                found.push((index as u32 + 1, top.to_owned()));
            }
        };
        if let Some(names) = line.strip_prefix("import ") {
            names.split('#').next().unwrap_or_default().split(',').for_each(&mut add);
        } else if let Some((name, _)) = line.strip_prefix("from ").and_then(|rest| rest.split_once(" import")) {
            add(name);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_are_found_with_their_lines() {
        let text = "import os, numpy.linalg as la\nfrom . import x\n  from sentence_transformers import SentenceTransformer\nimportant = 1\n";
        let expected =
            [(1, "os"), (1, "numpy"), (3, "sentence_transformers")].map(|(line, name)| (line, name.to_owned()));
        assert_eq!(imports(text), expected);
        assert!(has_word("run psql -c", "psql") && !has_word("psqlite", "psql") && !has_word("my-psql", "psql"));
    }
}
