//! What a project asks for: `requirements.txt` and `pyproject.toml`, with the line of each.

use super::requirement::Requirement;
use crate::toml_file::{TomlFile, Value};

/// A file of requirements.
#[derive(Clone, Debug, Default)]
pub struct Manifest {
    /// Where it is, from the root of the project.
    pub path: String,
    /// What it asks for at run time.
    pub wanted: Vec<Wanted>,
    /// `--index-url`, `--extra-index-url`, `--find-links`.
    pub indexes: Vec<Index>,
    /// `-r` and `-c`.
    pub includes: Vec<(u32, String)>,
    /// Packages that are only taken from a place of their own if asked for directly, as uv has it.
    pub sourced: Vec<(u32, String)>,
    /// Lines that cannot be read, and why.
    pub unread: Vec<(u32, String)>,
}

/// A requirement and its line.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// What is asked for.
    pub requirement: Requirement,
    /// From 1.
    pub line: u32,
}

/// Where packages are looked for.
#[derive(Clone, Debug)]
pub struct Index {
    /// The option, e.g. `--extra-index-url`.
    pub option: String,
    /// Its value.
    pub url: String,
    /// From 1.
    pub line: u32,
}

impl Manifest {
    /// Reads a `requirements.txt`.
    pub fn of_requirements(path: &str, text: &str) -> Self {
        let mut found = Self { path: path.to_owned(), ..Self::default() };
        let mut logical = String::new();
        let mut first = 1;
        for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            if logical.is_empty() {
                first = index as u32 + 1;
            }
            let line = without_comment(line);
            match line.strip_suffix('\\') {
                Some(start) => logical.push_str(start),
                None => {
                    logical.push_str(line);
                    found.read_line(std::mem::take(&mut logical).trim(), first);
                }
            }
        }
        found.read_line(logical.trim(), first);
        found
    }

    fn read_line(&mut self, line: &str, number: u32) {
        if line.is_empty() {
            return;
        }
        if line.starts_with('-') {
            let (option, value) = line.split_once(['=', ' ']).unwrap_or((line, ""));
            let value = value.trim().to_owned();
            match option {
                "-r" | "--requirement" | "-c" | "--constraint" => self.includes.push((number, value)),
                "-i" | "--index-url" | "--extra-index-url" | "-f" | "--find-links" => {
                    let option = if option == "-i" { "--index-url" } else { option };
                    self.indexes.push(Index { option: option.to_owned(), url: value, line: number });
                }
                _ => {}
            }
            return;
        }
        // Addresses and files have names only once they are fetched.
        if line.contains("://") && !line.contains('@') || line.starts_with(['.', '/']) {
            return;
        }
        // Hashes and other options follow the requirement.
        let requirement = line.split(" --").next().unwrap_or(line);
        match Requirement::parse(requirement) {
            Ok(requirement) => self.wanted.push(Wanted { requirement, line: number }),
            Err(reason) => self.unread.push((number, reason)),
        }
    }

    /// Reads a `pyproject.toml`: what the project needs at run time.
    ///
    /// # Errors
    /// If it is no TOML.
    pub fn of_pyproject(path: &str, text: &str) -> Result<Self, String> {
        let file = TomlFile::parse(text)?;
        let mut found = Self { path: path.to_owned(), ..Self::default() };
        for (text, line) in file.texts(&["project", "dependencies"]) {
            match Requirement::parse(&text) {
                Ok(requirement) => found.wanted.push(Wanted { requirement, line }),
                Err(reason) => found.unread.push((line, reason)),
            }
        }
        let poetry = file.get(&["tool", "poetry", "dependencies"]).and_then(Value::entries).unwrap_or_default();
        for (name, value) in poetry.into_iter().filter(|(name, _)| name != "python") {
            // Poetry's `^` and `~` are no conditions of PEP 440; what it says of versions is left out.
            if let Ok(requirement) = Requirement::parse(&name) {
                found.wanted.push(Wanted { requirement, line: value.line });
            }
        }
        let sources = file.get(&["tool", "uv", "sources"]).and_then(Value::entries).unwrap_or_default();
        found.sourced = sources.into_iter().map(|(name, value)| (value.line, super::name::normalize(&name))).collect();
        for index in file.get(&["tool", "uv", "index"]).and_then(Value::items).unwrap_or_default() {
            let Some(url) = index.get("url").and_then(|url| url.text()) else { continue };
            found.indexes.push(Index { option: "tool.uv.index".to_owned(), url: url.to_owned(), line: index.line });
        }
        Ok(found)
    }

    /// What is asked for by this name.
    pub fn find(&self, name: &str) -> Option<&Wanted> {
        self.wanted.iter().find(|wanted| wanted.requirement.name == name)
    }
}

/// A `#` starts a comment at the start of a line or after a space: addresses have one, too.
fn without_comment(line: &str) -> &str {
    if line.trim_start().starts_with('#') {
        return "";
    }
    let comment = line.find(" #").or_else(|| line.find("\t#"));
    comment.map_or(line, |place| &line[..place]).trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirements_have_lines() {
        let text = "--extra-index-url https://x/cpu\n# no\ntorch==2.0.1+cpu  # why\n\nflask \\\n  >=2 --hash=sha256:1\n-r base.txt\n./local\ngit+https://x/y.git#egg=z\nsix=1\nrequests @ https://x/r.whl\n";
        let found = Manifest::of_requirements("requirements.txt", text);
        let wanted: Vec<(u32, String)> =
            found.wanted.iter().map(|one| (one.line, one.requirement.to_string())).collect();
        assert_eq!(wanted, [(3, "torch==2.0.1+cpu".into()), (5, "flask>=2".into()), (11, "requests".into())]);
        assert_eq!((found.indexes.len(), found.includes.len(), found.unread.len()), (1, 1, 1), "{found:?}");
    }

    #[test]
    fn pyproject_has_lines_too() {
        let text = "[project]\ndependencies = [\n  'sentence-transformers',\n  'a=1',\n]\n[tool.uv.sources]\ntorch = { index = 'cpu' }\n[[tool.uv.index]]\nname = 'cpu'\nurl = 'https://x/cpu'\n";
        let found = Manifest::of_pyproject("pyproject.toml", text).expect("good");
        assert_eq!(found.wanted.len(), 1);
        assert_eq!((found.wanted[0].line, found.unread[0].0, found.sourced[0].clone()), (3, 4, (7, "torch".into())));
        assert_eq!(found.indexes[0].url, "https://x/cpu");
    }
}
