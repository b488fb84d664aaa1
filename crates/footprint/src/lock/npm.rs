//! `package-lock.json` of npm 7 and newer: a tree of folders, which is looked into like one that is there. It lists no sizes.

use super::{Locked, retain};
use crate::files::Files;
use crate::node::manifest::json;
use crate::node::modules::Modules;
use crate::packages::{Installed, Owners};
use crate::python::environment::Target;
use crate::python::platform::{Os, Platform};
use crate::tree::{Entry, Kind, NodeId, Problem, ROOT, Source, Tree, printable};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::io;

/// Deeper paths are no paths of packages.
const DEEPEST: usize = 512;
/// Folders of all paths: many times as many as projects have, which have some thousands.
const MOST_FOLDERS: usize = 1 << 18;

/// Folders that are there on paper only.
#[derive(Default)]
struct Paper {
    /// What is in each folder; the first is the root.
    folders: Vec<BTreeMap<String, (Kind, usize)>>,
    /// What is in `package.json`, and where links lead, by path.
    texts: HashMap<String, String>,
}

pub(super) fn read(bytes: &[u8], target: Target) -> Result<Locked, String> {
    let value = json(bytes)?;
    let Some(packages) = value["packages"].as_object() else {
        return Err(
            "it has no `packages`, as locks of npm 7 and newer have: run `npm install --package-lock-only`".to_owned()
        );
    };
    let platform = target.platform.unwrap_or_default();
    let mut paper = Paper { folders: vec![BTreeMap::new()], ..Paper::default() };
    let mut problems = Vec::new();
    for (path, entry) in packages.iter().filter(|(_, entry)| fits(entry, platform)) {
        let parts: Vec<String> =
            path.split('/').filter(|part| !part.is_empty()).map(|part| printable(part.as_bytes())).collect();
        if parts.iter().any(|part| matches!(part.as_str(), "." | "..")) || parts.len() > DEEPEST {
            problems.push(Problem::new(printable(path.as_bytes()), "it is no path of a package"));
            continue;
        }
        match entry["resolved"].as_str().filter(|_| entry["link"] == true) {
            Some(to) => paper.put(&parts, Kind::Symlink, format!("{}{to}", "../".repeat(parts.len().max(1) - 1))),
            None => {
                let inside: Vec<String> = parts.into_iter().chain(["package.json".to_owned()]).collect();
                paper.put(&inside, Kind::File, entry.to_string());
            }
        }
        if paper.folders.len() > MOST_FOLDERS {
            return Err(format!("it lists more than {MOST_FOLDERS} folders"));
        }
    }
    let tree = Tree::build(&mut paper, 0);
    problems.extend(tree.problems.iter().cloned());
    let modules = Modules::read(&tree, &paper, false, None, &mut problems);
    let (mut all, graph) = modules.map(|modules| (modules.all, modules.graph)).unwrap_or_default();
    for package in &mut all {
        // A part of the project is not downloaded.
        package.download = package.editable.is_some().then_some(0);
        package.files = 0;
    }
    retain(&mut all, &graph);
    let installed = Installed { all, graph, owners: Owners::nobody(0), unowned: 0, measured: false };
    Ok(Locked { installed, platform: Some(platform.to_string()), python: None, problems })
}

/// Whether a package is for this platform.
fn fits(entry: &Value, platform: Platform) -> bool {
    let os = match platform.os {
        Os::Linux => "linux",
        Os::Darwin => "darwin",
        Os::Windows => "win32",
    };
    let allows = |list: &Value, own: &str| {
        let names: Vec<&str> = list.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let wanted: Vec<&&str> = names.iter().filter(|name| !name.starts_with('!')).collect();
        let refused = names.iter().any(|name| name.strip_prefix('!') == Some(own));
        !refused && (wanted.is_empty() || wanted.iter().any(|name| **name == own))
    };
    allows(&entry["os"], os)
        && allows(&entry["cpu"], if platform.arm { "arm64" } else { "x64" })
        && (platform.os != Os::Linux || allows(&entry["libc"], "glibc"))
}

impl Paper {
    fn put(&mut self, parts: &[String], kind: Kind, text: String) {
        let Some((name, folders)) = parts.split_last() else { return };
        let mut at = 0;
        for folder in folders {
            let new = self.folders.len();
            let (kind, next) = *self.folders[at].entry(folder.clone()).or_insert((Kind::Directory, new));
            if kind != Kind::Directory {
                return;
            }
            if next == new {
                self.folders.push(BTreeMap::new());
            }
            at = next;
        }
        self.folders[at].entry(name.clone()).or_insert((kind, 0));
        self.texts.insert(parts.join("/"), text);
    }
}

impl Source for Paper {
    type Directory = usize;

    fn list(&mut self, directory: &usize, _problems: &mut Vec<Problem>) -> Vec<Entry<usize>> {
        let entries = self.folders[*directory].iter().map(|(name, (kind, folder))| Entry {
            name: name.clone(),
            kind: *kind,
            size: 0,
            disk: 0,
            identity: None,
            directory: (*kind == Kind::Directory).then_some(*folder),
        });
        entries.collect()
    }
}

impl Files for Paper {
    fn read(&self, tree: &Tree, id: NodeId, _limit: u64) -> io::Result<Vec<u8>> {
        self.link(tree, id).map(String::into_bytes)
    }

    fn link(&self, tree: &Tree, id: NodeId) -> io::Result<String> {
        let path = if id == ROOT { String::new() } else { tree.path(id) };
        self.texts.get(&path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}
