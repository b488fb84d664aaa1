//! A project's folder, as a builder would see it: its Dockerfiles with their contexts, what is sent, what is asked for.

pub mod context;
pub mod sources;

use crate::dockerfile::{Dockerfile, SyntaxError};
use crate::files::{Files, MAX_TEXT_BYTES};
use crate::ignore::Rules;
use crate::python::requirements_txt::Manifest;
use crate::tree::{NodeId, Problem, ROOT, Tree};
use context::{Declared, join};
use sources::Sources;
use std::collections::BTreeMap;

/// What a user said of the build, where files do not.
#[derive(Clone, Debug, Default)]
pub struct Said {
    /// `--dockerfile`, from the root of the project.
    pub dockerfile: Option<String>,
    /// `--context`, from the root of the project.
    pub context: Option<String>,
}

/// A project.
pub struct Project {
    /// Its builds, sorted by Dockerfile.
    pub builds: Vec<Build>,
    /// Files that ask for packages, by path.
    pub manifests: BTreeMap<String, Manifest>,
    /// What its own files say.
    pub sources: Sources,
    /// Texts of files that findings point into, by path.
    pub texts: BTreeMap<String, String>,
    /// Files of platforms and Compose.
    pub platforms: Vec<String>,
}

/// A Dockerfile, with what is sent to build it.
pub struct Build {
    /// Where it is.
    pub path: String,
    /// What it says.
    pub dockerfile: Dockerfile,
    /// The folder that is sent; empty for the root of the project.
    pub context: String,
    /// Who says so.
    pub context_by: String,
    /// The ignore file that holds for it.
    pub ignore: Option<IgnoreFile>,
    /// Ignore files that one might think would, and that do not.
    pub idle_ignores: Vec<IgnoreFile>,
    /// For each node of the tree, whether it is sent.
    pub sent: Vec<bool>,
}

/// An ignore file.
pub struct IgnoreFile {
    /// Where it is.
    pub path: String,
    /// The folder that its rules are about.
    pub folder: String,
    /// What it says.
    pub rules: Rules,
}

/// Folders that hold what was installed or made, not the project's own files.
pub fn is_foreign(tree: &Tree, id: NodeId) -> bool {
    let name = tree.name(id);
    tree.is_directory(id)
        && (matches!(
            name,
            ".git"
                | "node_modules"
                | "site-packages"
                | "dist-packages"
                | "__pycache__"
                | ".tox"
                | ".nox"
                | ".mypy_cache"
                | ".pytest_cache"
                | ".ruff_cache"
        ) || ["pyvenv.cfg", "CACHEDIR.TAG"].iter().any(|mark| tree.child(id, mark).is_some()))
}

impl Project {
    /// Reads a folder. `None` if there is nothing in it that a project has.
    pub fn read(tree: &Tree, files: &dyn Files, said: &Said, problems: &mut Vec<Problem>) -> Option<Self> {
        let own = own_files(tree);
        let mut project = Self {
            builds: Vec::new(),
            manifests: BTreeMap::new(),
            sources: Sources::default(),
            texts: BTreeMap::new(),
            platforms: Vec::new(),
        };
        let mut declared = Vec::new();
        let mut dockerfiles = Vec::new();
        for id in own.iter().copied().filter(|id| tree.is_file(*id)) {
            let name = tree.name(id);
            let path = tree.path(id);
            if is_dockerfile(name) || said.dockerfile.as_ref() == Some(&path) {
                dockerfiles.push(path);
            } else if context::may_declare(name) {
                let Some(text) = project.read_text(tree, files, id, problems) else { continue };
                match context::declared(&path, &text) {
                    Ok(found) => declared.extend(found),
                    Err(reason) => problems.push(Problem::new(path.clone(), reason)),
                }
                project.platforms.push(path);
            } else if is_requirements(name) || name == "pyproject.toml" {
                let Some(text) = project.read_text(tree, files, id, problems) else { continue };
                project.read_manifest(&path, &text, problems);
            }
        }
        let named = said.dockerfile.is_some() || said.context.is_some();
        let any = named || !dockerfiles.is_empty() || !project.manifests.is_empty();
        if !any && tree.child(ROOT, ".dockerignore").is_none() {
            return None;
        }
        project.sources = Sources::read(tree, files, &own);
        for (dockerfile, context, by) in builds(tree, &dockerfiles, declared, said) {
            project.read_build(tree, files, dockerfile, context, by, problems);
        }
        Some(project)
    }

    fn read_text(&mut self, tree: &Tree, files: &dyn Files, id: NodeId, problems: &mut Vec<Problem>) -> Option<String> {
        let path = tree.path(id);
        match files.read(tree, id, MAX_TEXT_BYTES) {
            Ok(bytes) => {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                if text.as_bytes() != bytes {
                    problems.push(Problem::new(path.clone(), "it is not UTF-8 throughout, so --fix leaves it alone"));
                }
                self.texts.insert(path, text.clone());
                Some(text)
            }
            Err(error) => {
                problems.push(Problem::new(path, error.to_string()));
                None
            }
        }
    }

    fn read_manifest(&mut self, path: &str, text: &str, problems: &mut Vec<Problem>) {
        let manifest = match path.ends_with(".toml") {
            true => Manifest::of_pyproject(path, text),
            false => Ok(Manifest::of_requirements(path, text)),
        };
        match manifest {
            Ok(manifest) => {
                let unread = manifest.unread.iter();
                problems.extend(unread.map(|(line, reason)| Problem::new(format!("{path}:{line}"), reason.clone())));
                self.manifests.insert(path.to_owned(), manifest);
            }
            Err(reason) => problems.push(Problem::new(path, reason)),
        }
    }

    fn read_build(
        &mut self,
        tree: &Tree,
        files: &dyn Files,
        path: String,
        context: String,
        context_by: String,
        problems: &mut Vec<Problem>,
    ) {
        let Ok(id) = tree.lookup(ROOT, &path) else {
            return problems
                .push(Problem::new(path, format!("{context_by} names this Dockerfile, and it is not there")));
        };
        let Some(text) = self.read_text(tree, files, id, problems) else { return };
        let dockerfile = match Dockerfile::parse(&text) {
            Ok(dockerfile) => dockerfile,
            Err(SyntaxError { line, reason }) => {
                return problems.push(Problem::new(format!("{path}:{line}"), reason));
            }
        };
        // A link may lead out of what is measured, and so would what is written into it.
        let Some(context_id) = tree.lookup(ROOT, &context).ok().filter(|id| tree.is_directory(*id)) else {
            let reason = format!("{context_by} names the context `{context}`, and there is no such folder");
            return problems.push(Problem::new(path, reason));
        };
        let own = format!("{path}.dockerignore");
        let at_root = join(&context, ".dockerignore");
        let beside = join(folder_of(&path), ".dockerignore");
        let mut read = |at: &str, folder: &str| {
            let id = tree.lookup(ROOT, at).ok().filter(|id| tree.is_file(*id))?;
            let text = self.read_text(tree, files, id, problems)?;
            let rules = Rules::parse(&text);
            let unread = rules.unread.iter();
            problems.extend(unread.map(|(line, reason)| Problem::new(format!("{at}:{line}"), reason.clone())));
            Some(IgnoreFile { path: at.to_owned(), folder: folder.to_owned(), rules })
        };
        let mut found: Vec<IgnoreFile> =
            [read(&own, &context), read(&at_root, &context)].into_iter().flatten().collect();
        let ignore = (!found.is_empty()).then(|| found.remove(0));
        let mut idle_ignores = found;
        if beside != at_root {
            idle_ignores.extend(read(&beside, folder_of(&path)));
        }
        let none = Rules::default();
        let rules = ignore.as_ref().map_or(&none, |file| &file.rules);
        let sent = rules.sent(tree, context_id);
        self.builds.push(Build { path, dockerfile, context, context_by, ignore, idle_ignores, sent });
    }
}

/// The folder that a path is in; empty for the root.
pub fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// Files and folders that are the project's own, in order.
fn own_files(tree: &Tree) -> Vec<NodeId> {
    let mut found = vec![ROOT];
    let mut next = 0;
    while next < found.len() {
        if next == 0 || !is_foreign(tree, found[next]) {
            found.extend(tree.children(found[next]));
        }
        next += 1;
    }
    found
}

fn is_dockerfile(name: &str) -> bool {
    let named = name == "Dockerfile" || name == "Containerfile" || name.starts_with("Dockerfile.");
    (named || name.ends_with(".Dockerfile")) && !name.ends_with(".dockerignore")
}

fn is_requirements(name: &str) -> bool {
    name.starts_with("requirements") && name.ends_with(".txt")
}

/// Which Dockerfiles are built with which context: what was said, else what files say, else what is usual.
fn builds(tree: &Tree, dockerfiles: &[String], declared: Vec<Declared>, said: &Said) -> Vec<(String, String, String)> {
    if said.dockerfile.is_some() || said.context.is_some() {
        let context = join("", said.context.as_deref().unwrap_or("."));
        let dockerfile = said.dockerfile.clone().unwrap_or_else(|| join(&context, "Dockerfile"));
        return vec![(join("", &dockerfile), context, "the command line".to_owned())];
    }
    let mut found: Vec<(String, String, String)> =
        declared.into_iter().map(|one| (one.dockerfile, one.context, one.by)).collect();
    found.sort();
    found.dedup_by(|a, b| (&a.0, &a.1) == (&b.0, &b.1));
    for dockerfile in dockerfiles {
        if found.iter().any(|(known, ..)| known == dockerfile) {
            continue;
        }
        let folder = folder_of(dockerfile);
        // A platform that is told of one Dockerfile in a folder builds it with the root as context; who builds several
        // builds each in its own.
        let root = folder.is_empty() || (dockerfiles.len() == 1 && tree.child(ROOT, "Dockerfile").is_none());
        let context = if root { String::new() } else { folder.to_owned() };
        found.push((dockerfile.clone(), context, "the folder that was given".to_owned()));
    }
    found.sort();
    found
}
