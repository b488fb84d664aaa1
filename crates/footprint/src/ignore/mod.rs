//! `.dockerignore`: what of a folder is sent to the builder.
//!
//! It is not `.gitignore`, though it looks like it: a pattern without `**/` is about the root of the context only, the
//! last pattern that matches wins, and what lies in an ignored directory can be taken back. The rules are those of
//! Docker's own matcher (moby/patternmatcher), held to a real builder by a test.

mod pattern;

pub use pattern::{Pattern, clean};

use crate::tree::{NodeId, ROOT, Tree};

/// A line of the file.
#[derive(Clone, Debug)]
pub struct Rule {
    /// In the file, from 1.
    pub line: u32,
    /// As it is written, without the `!`.
    pub text: String,
    /// Whether it takes back what others ignore.
    pub negated: bool,
    /// What it matches.
    pub pattern: Pattern,
}

/// All lines of a file.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// In their order.
    pub rules: Vec<Rule>,
    /// Lines that no builder takes, and why.
    pub unread: Vec<(u32, String)>,
}

impl Rules {
    /// Reads a file.
    pub fn parse(text: &str) -> Self {
        let mut found = Self::default();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (index, line) in text.lines().enumerate() {
            let number = index as u32 + 1;
            if line.starts_with('#') || line.trim().is_empty() {
                continue;
            }
            let line = line.trim();
            let (negated, text) = line.strip_prefix('!').map_or((false, line), |rest| (true, rest.trim()));
            match Pattern::parse(text) {
                Ok(pattern) => found.rules.push(Rule { line: number, text: text.to_owned(), negated, pattern }),
                Err(reason) => found.unread.push((number, reason)),
            }
        }
        found
    }

    /// Whether a path is ignored, and by which rule; the same for what a rule takes back.
    pub fn decide(&self, path: &str) -> Option<&Rule> {
        let mut decision = None;
        for rule in &self.rules {
            let ignored = decision.is_some_and(|rule: &Rule| !rule.negated);
            if rule.negated == ignored && rule.matches_or_parent(path) {
                decision = Some(rule);
            }
        }
        decision
    }

    /// Whether a path is left out.
    pub fn ignores(&self, path: &str) -> bool {
        self.decide(path).is_some_and(|rule| !rule.negated)
    }

    /// For each node of a tree, whether it is sent, with `root` as the root of the context. Directories that are ignored
    /// are `false`, though something in them may be taken back.
    pub fn sent(&self, tree: &Tree, root: NodeId) -> Vec<bool> {
        let mut sent = vec![false; tree.len()];
        sent[root as usize] = true;
        // Which rules a directory matched: what is in it need not be asked again.
        let mut waiting = vec![(root, String::new(), vec![false; self.rules.len()])];
        while let Some((directory, path, by_parent)) = waiting.pop() {
            for child in tree.children(directory) {
                let name = tree.name(child);
                let path = if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
                let (mut ignored, mut matched) = (false, by_parent.clone());
                for (rule, matched) in self.rules.iter().zip(&mut matched) {
                    *matched = *matched || (rule.negated == ignored && rule.pattern.matches(&path));
                    if *matched {
                        ignored = !rule.negated;
                    }
                }
                sent[child as usize] = !ignored;
                if tree.is_directory(child) && (!ignored || self.rules.iter().any(|rule| rule.negated)) {
                    waiting.push((child, path, matched));
                }
            }
        }
        sent
    }

    /// The same for a whole tree.
    pub fn sent_of(&self, tree: &Tree) -> Vec<bool> {
        self.sent(tree, ROOT)
    }
}

impl Rule {
    /// Whether it matches the path, or a directory that it is in.
    fn matches_or_parent(&self, path: &str) -> bool {
        let ends = path.match_indices('/').map(|(end, _)| end).chain([path.len()]);
        ends.into_iter().any(|end| self.pattern.matches(&path[..end]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_match_wins_and_directories_take_what_is_in_them() {
        let rules = Rules::parse("\u{feff}# comment\n*\n!src\nsrc/**/*.log\n ! keep.txt \n[bad\n");
        assert_eq!(rules.unread.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [6]);
        for (path, ignored) in [
            ("a", true),
            ("a/b", true),
            ("src", false),
            ("src/main.py", false),
            ("src/x.log", true),
            ("src/a/b/x.log", true),
            ("keep.txt", false),
            ("sub/keep.txt", true),
        ] {
            assert_eq!(rules.ignores(path), ignored, "{path}");
        }
        assert_eq!(rules.decide("src/x.log").map(|rule| rule.line), Some(4));
    }

    /// The nine that reached the image when a real builder was given the file of the usual guide.
    #[test]
    fn what_a_guide_would_keep_out_goes_in_all_the_same() {
        let guide = "__pycache__/\n*.py[cod]\n*.so\nvenv/\n.venv\n.DS_Store\n*.log\nlogs/\n.env\n*.bin\nmodels/\n";
        let rules = Rules::parse(guide);
        let leaks = [
            "app/.env",
            "app/.DS_Store",
            "app/__pycache__/a.cpython-312.pyc",
            "app/b.pyc",
            "app/c.so",
            "app/d.log",
            "app/logs/e",
            "weights/f.bin",
            "sub/.venv/pyvenv.cfg",
        ];
        for leak in leaks {
            assert!(!rules.ignores(leak), "{leak}");
        }
        for kept in ["__pycache__/a.pyc", "b.pyc", "b.pyo", "venv/x/y", ".env", "models/m.gguf"] {
            assert!(rules.ignores(kept), "{kept}");
        }
    }
}
