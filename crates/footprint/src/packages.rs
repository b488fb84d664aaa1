//! Installed packages as such, of whichever kind: what each takes, why it is there, and what would leave with it.

use crate::graph::Graph;
use crate::python::name::normalize;
use crate::tree::{NodeId, Tree};
use serde::Serialize;

/// Where a package comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Ecosystem {
    /// Python's.
    Python,
    /// Node.js's.
    Npm,
    /// Rust's.
    Cargo,
}

/// An installed package with its sizes.
#[derive(Clone, Debug)]
pub struct Package {
    /// In its one form.
    pub name: String,
    /// As it is installed.
    pub version: String,
    /// Bytes of its own files, each inode once.
    pub content: u64,
    /// Bytes on disk of the same.
    pub disk: u64,
    /// How many files those are.
    pub files: u64,
    /// Bytes that would leave with it.
    pub retained: u64,
    /// Bytes that are downloaded for it, where a lock says that.
    pub download: Option<u64>,
    /// Those that would not be downloaded without it.
    pub retained_download: Option<u64>,
    /// Whether it was asked for by name, as far as that was noted; else whether nothing needs it.
    pub direct: bool,
    /// Whether only developers need it, as far as that is known.
    pub dev: bool,
    /// Who installs such packages.
    pub ecosystem: Ecosystem,
    /// Where it really is, if it is editable.
    pub editable: Option<String>,
    /// Which installed packages it needs here.
    pub requires: Vec<usize>,
    /// What it needs here and is not installed.
    pub missing: Vec<String>,
    /// Who needs it, and how that is written.
    pub required_by: Vec<(usize, String)>,
}

impl Package {
    /// One of which nothing is known yet.
    pub fn new(ecosystem: Ecosystem) -> Self {
        Self {
            name: String::new(),
            version: String::new(),
            content: 0,
            disk: 0,
            files: 0,
            retained: 0,
            download: None,
            retained_download: None,
            direct: false,
            dev: false,
            ecosystem,
            editable: None,
            requires: Vec::new(),
            missing: Vec::new(),
            required_by: Vec::new(),
        }
    }
}

/// For each node of a tree, the index of the package that owns it.
pub struct Owners(Vec<Option<u32>>);

impl Owners {
    /// Nobody owns anything yet.
    pub(crate) fn nobody(nodes: usize) -> Self {
        Self(vec![None; nodes])
    }

    /// Who owns a node.
    pub fn of(&self, id: NodeId) -> Option<usize> {
        self.0[id as usize].map(|index| index as usize)
    }

    /// The first who claims a node has it.
    pub(crate) fn take(&mut self, id: NodeId, index: usize) {
        self.0[id as usize].get_or_insert(index as u32);
    }
}

/// The packages of a target, however they were found.
pub struct Installed {
    /// In the order of the report.
    pub all: Vec<Package>,
    /// Who needs whom, by their places in the list.
    pub graph: Graph,
    /// Whose each node is.
    pub owners: Owners,
    /// Bytes that belong to none.
    pub unowned: u64,
    /// Whether they are there; else nobody knows how large they will be.
    pub measured: bool,
}

impl Installed {
    /// The packages of several ecosystems in one list; `None` if there are none.
    pub fn join(tree: &Tree, parts: Vec<(&[Package], &Graph, &Owners)>) -> Option<Self> {
        let mut joined = Self {
            all: Vec::new(),
            graph: Graph::default(),
            owners: Owners::nobody(tree.len()),
            unowned: 0,
            measured: true,
        };
        let several = parts.len() > 1;
        for (packages, graph, owners) in parts {
            let first = joined.all.len();
            let moved = |list: &[usize]| -> Vec<usize> { list.iter().map(|at| at + first).collect() };
            joined.graph.needs.extend(graph.needs.iter().map(|needs| moved(needs)));
            joined.graph.roots.extend(moved(&graph.roots));
            for package in packages {
                let required_by = package.required_by.iter().map(|(by, written)| (by + first, written.clone()));
                joined.all.push(Package {
                    requires: moved(&package.requires),
                    required_by: required_by.collect(),
                    ..package.clone()
                });
            }
            for id in tree.ids() {
                if let Some(owner) = owners.of(id) {
                    joined.owners.take(id, owner + first);
                }
            }
        }
        for package in &mut joined.all {
            (package.content, package.disk, package.files) = (0, 0, 0);
        }
        joined.unowned = share_out(tree, &joined.owners, &mut joined.all);
        if several {
            let sizes: Vec<u64> = joined.all.iter().map(|package| package.content).collect();
            let retained = joined.graph.retained(&sizes);
            joined.all.iter_mut().zip(retained).for_each(|(package, retained)| package.retained = retained);
        }
        (!joined.all.is_empty()).then_some(joined)
    }

    /// What a package takes, or what is downloaded for it where it is not there.
    pub fn weight(&self, at: usize) -> Option<u64> {
        let package = &self.all[at];
        if self.measured { Some(package.content) } else { package.download }
    }

    /// What would leave with a package, or not be downloaded without it.
    pub fn retained(&self, at: usize) -> Option<u64> {
        let package = &self.all[at];
        if self.measured { Some(package.retained) } else { package.retained_download }
    }

    /// The package of a name, or of `name@version`: of several copies the one that is nearest to who asked for it, and is needed most.
    pub fn find(&self, name: &str) -> Option<usize> {
        let normal = normalize(name);
        let is_meant = |package: &Package| {
            let python = package.ecosystem == Ecosystem::Python && package.name == normal;
            let versioned = name.strip_prefix(&package.name).and_then(|rest| rest.strip_prefix('@'));
            python || package.name == name || versioned == Some(&package.version)
        };
        let all = (0..self.all.len()).filter(|at| is_meant(&self.all[*at]));
        all.min_by_key(|at| {
            let package = &self.all[*at];
            let unneeded = package.required_by.is_empty() && !package.direct;
            let steps = self.graph.way_to(*at).map_or(usize::MAX, |way| way.len());
            (unneeded, steps, std::cmp::Reverse(package.required_by.len()))
        })
    }
}

/// For each inode, the owner of its first name that has one.
pub fn owners_of_inodes(tree: &Tree, owners: &Owners) -> Vec<Option<usize>> {
    let mut owner_of: Vec<Option<usize>> = vec![None; tree.inode_count()];
    for id in tree.ids().filter(|id| !tree.is_directory(*id)) {
        let inode = tree.inode_id(id) as usize;
        owner_of[inode] = owner_of[inode].or(owners.of(id));
    }
    owner_of
}

/// Gives each inode to its owner; returns the bytes that nobody owns.
pub fn share_out(tree: &Tree, owners: &Owners, packages: &mut [Package]) -> u64 {
    let owner_of = owners_of_inodes(tree, owners);
    let mut counted = vec![false; tree.inode_count()];
    let mut unowned = 0;
    for id in tree.ids().filter(|id| !tree.is_directory(*id)) {
        let inode = tree.inode_id(id) as usize;
        if std::mem::replace(&mut counted[inode], true) {
            continue;
        }
        match owner_of[inode] {
            Some(owner) => {
                packages[owner].content += tree.inode(id).size;
                packages[owner].disk = packages[owner].disk.saturating_add(tree.inode(id).disk);
                packages[owner].files += u64::from(tree.is_file(id));
            }
            None => unowned += tree.inode(id).size,
        }
    }
    unowned
}
