//! The packages of `node_modules`, and who needs whom.
//!
//! A package is a folder in a `node_modules`, at whatever depth; what it asks for is looked up in the `node_modules` beside
//! and above it, as Node.js does. pnpm keeps packages in `.pnpm` and links them there, which this finds without knowing it.

use super::manifest::{Manifest, Need, json};
use crate::files::{Files, MAX_TEXT_BYTES};
use crate::graph::Graph;
use crate::packages::{Ecosystem, Owners, Package, share_out};
use crate::tree::{Kind, Lost, NodeId, Problem, ROOT, Tree};
use std::collections::{BTreeSet, HashMap};

/// Links behind links, at most.
const MOST_LINKS: usize = 40;
/// Where packages are.
const MODULES: &str = "node_modules";
/// What npm writes about what it has installed.
const LOCK: &str = ".package-lock.json";

/// The packages of a tree.
pub struct Modules {
    /// Sorted by name and version.
    pub all: Vec<Package>,
    /// Their folders, in the same order, with what is in `node_modules` of their own.
    pub folders: Vec<String>,
    /// Who needs whom.
    pub graph: Graph,
    /// Whose each node is.
    pub owners: Owners,
    /// Whether it is known who asked for what: then whatever is not reached is not needed.
    pub rooted: bool,
    /// For each, whether somebody asked for it, or needs it who is needed.
    pub reached: Vec<bool>,
}

/// A package on its way into the list.
struct Found {
    folder: NodeId,
    manifest: Manifest,
    /// Where it really is, if that is no `node_modules`: a part of the project.
    linked: Option<String>,
}

impl Modules {
    /// Reads everything; `None` if there is no `node_modules`. `beside` is the manifest beside a target that itself is one.
    pub fn read(
        tree: &Tree,
        files: &dyn Files,
        is_modules: bool,
        beside: Option<&[u8]>,
        problems: &mut Vec<Problem>,
    ) -> Option<Self> {
        let mut reader = Reader { tree, files, is_modules, problems, found: Vec::new(), by_folder: HashMap::new() };
        let folders: Vec<NodeId> =
            tree.ids().filter(|id| tree.is_directory(*id) && reader.is_modules_folder(*id)).collect();
        if folders.is_empty() {
            return None;
        }
        folders.iter().for_each(|folder| reader.read_folder(*folder));
        reader.read_linked(&folders);
        let roots = reader.roots(&folders, beside);
        // Whoever knows who asked for what knows better than what npm noted.
        let locked = if roots.is_empty() { reader.locked(&folders) } else { HashMap::new() };
        let mut order: Vec<usize> = (0..reader.found.len()).collect();
        order.sort_by(|a, b| {
            let key = |at: &usize| (&reader.found[*at].manifest.name, &reader.found[*at].manifest.version);
            key(a)
                .cmp(&key(b))
                .then_with(|| tree.path(reader.found[*a].folder).cmp(&tree.path(reader.found[*b].folder)))
        });
        let mut place = vec![0; order.len()];
        order.iter().enumerate().for_each(|(new, old)| place[*old] = new);
        let mut all: Vec<Package> = order.iter().map(|old| reader.found[*old].package()).collect();
        let mut graph = Graph { needs: vec![Vec::new(); all.len()], roots: Vec::new() };
        for (old, found) in reader.found.iter().enumerate() {
            let new = place[old];
            for wanted in &found.manifest.wants {
                match reader.resolve(found.folder, &wanted.name).map(|needed| place[needed]) {
                    Some(needed) if needed != new => {
                        graph.needs[new].push(needed);
                        all[needed].required_by.push((new, wanted.to_string()));
                    }
                    Some(_) => {}
                    None if wanted.need == Need::Optional => {}
                    None => all[new].missing.push(wanted.to_string()),
                }
            }
            graph.needs[new].sort_unstable();
            graph.needs[new].dedup();
        }
        let (mut run, mut develop) = (BTreeSet::new(), BTreeSet::new());
        for (folder, manifest) in &roots {
            for (wants, into) in [(&manifest.wants, &mut run), (&manifest.develops_with, &mut develop)] {
                into.extend(
                    wants.iter().filter_map(|wanted| reader.resolve(*folder, &wanted.name)).map(|at| place[at]),
                );
            }
        }
        let rooted = !roots.is_empty();
        run.iter().chain(&develop).for_each(|root| all[*root].direct = true);
        graph.roots = run.iter().copied().collect();
        let runs = graph.reached();
        graph.roots.extend(develop.iter().copied().filter(|root| !run.contains(root)));
        let reached = graph.reached();
        for (at, package) in all.iter_mut().enumerate() {
            let noted = locked.get(&reader.found[order[at]].folder).copied().unwrap_or_default();
            package.dev = if rooted { reached[at] && !runs[at] } else { noted };
        }
        graph.root_everything();
        for (at, package) in all.iter_mut().enumerate() {
            package.direct |= !rooted && graph.roots.binary_search(&at).is_ok();
            package.requires = graph.needs[at].clone();
            package.required_by.sort();
        }
        let folders = order.iter().map(|old| tree.path(reader.found[*old].folder)).collect();
        let owners = reader.owners(&place);
        share_out(tree, &owners, &mut all);
        let sizes: Vec<u64> = all.iter().map(|package| package.content).collect();
        for (package, retained) in all.iter_mut().zip(graph.retained(&sizes)) {
            package.retained = retained;
        }
        Some(Self { all, folders, graph, owners, rooted, reached })
    }
}

impl Found {
    fn package(&self) -> Package {
        Package {
            name: self.manifest.name.clone(),
            version: self.manifest.version.clone(),
            editable: self.linked.clone(),
            ..Package::new(Ecosystem::Npm)
        }
    }
}

struct Reader<'r> {
    tree: &'r Tree,
    files: &'r dyn Files,
    /// Whether the target itself is a `node_modules`.
    is_modules: bool,
    problems: &'r mut Vec<Problem>,
    found: Vec<Found>,
    by_folder: HashMap<NodeId, usize>,
}

impl Reader<'_> {
    fn is_modules_folder(&self, id: NodeId) -> bool {
        if id == ROOT { self.is_modules } else { self.tree.name(id) == MODULES }
    }

    /// The packages that lie in a `node_modules`; what is linked there lies elsewhere.
    fn read_folder(&mut self, folder: NodeId) {
        for child in self.tree.children(folder).filter(|child| self.tree.is_directory(*child)) {
            let name = self.tree.name(child).to_owned();
            if name.starts_with('@') {
                for scoped in self.tree.children(child).filter(|scoped| self.tree.is_directory(*scoped)) {
                    let name = format!("{name}/{}", self.tree.name(scoped));
                    self.read_package(scoped, name, None);
                }
            } else if !name.starts_with('.') && name != MODULES {
                self.read_package(child, name, None);
            }
        }
    }

    /// Parts of the project that are linked into a `node_modules`.
    fn read_linked(&mut self, folders: &[NodeId]) {
        let tree = self.tree;
        let scopes = folders.iter().flat_map(|folder| {
            let scopes = tree.children(*folder).filter(|id| tree.is_directory(*id) && tree.name(*id).starts_with('@'));
            std::iter::once(*folder).chain(scopes)
        });
        let links: Vec<NodeId> =
            scopes.flat_map(|folder| tree.children(folder)).filter(|id| tree.kind(*id) == Kind::Symlink).collect();
        for link in links {
            match self.follow(link) {
                Ok(target) if self.by_folder.contains_key(&target) || !tree.is_directory(target) => {}
                // A folder of the store that holds packages, or a scope.
                Ok(target) if tree.child(target, "package.json").is_none() => {}
                Ok(target) => {
                    let scope = tree.name(tree.parent(link));
                    let scope = if scope.starts_with('@') { format!("{scope}/") } else { String::new() };
                    self.read_package(target, format!("{scope}{}", tree.name(link)), Some(tree.path(target)));
                }
                Err(reason) => self.problems.push(Problem::new(tree.path(link), reason)),
            }
        }
    }

    fn read_package(&mut self, folder: NodeId, name: String, linked: Option<String>) {
        let manifest = match self.manifest(folder) {
            Ok(manifest) => manifest,
            Err(reason) => {
                self.problems.push(Problem::new(self.tree.path(folder), reason));
                None
            }
        };
        let mut manifest = manifest.unwrap_or_default();
        // It goes by the name of its folder, whatever it calls itself.
        manifest.name = name;
        if manifest.version.is_empty() {
            manifest.version = "(no version)".to_owned();
        }
        self.by_folder.insert(folder, self.found.len());
        self.found.push(Found { folder, manifest, linked });
    }

    fn manifest(&self, folder: NodeId) -> Result<Option<Manifest>, String> {
        let Some(id) = self.tree.child(folder, "package.json") else {
            return Err("there is no package.json in it, so nobody knows its version and whom it needs".to_owned());
        };
        let bytes = self.files.read(self.tree, id, MAX_TEXT_BYTES).map_err(|error| format!("package.json: {error}"))?;
        Manifest::parse(&bytes).map(Some).map_err(|reason| format!("package.json: {reason}"))
    }

    /// Where a link leads in the end, within the target.
    fn follow(&self, link: NodeId) -> Result<NodeId, String> {
        let mut id = link;
        for _ in 0..MOST_LINKS {
            if self.tree.kind(id) != Kind::Symlink {
                return Ok(id);
            }
            let to = self.files.link(self.tree, id).map_err(|error| error.to_string())?;
            if to.starts_with('/') {
                return Err("it is a link that leads out of what is measured".to_owned());
            }
            id = self.tree.lookup(self.tree.parent(id), &to).map_err(|lost| match lost {
                Lost::Outside => "it is a link that leads out of what is measured".to_owned(),
                Lost::Missing => {
                    format!("it is a link to `{}`, which is not there", crate::tree::printable(to.as_bytes()))
                }
            })?;
        }
        Err("it is a link that leads in a circle".to_owned())
    }

    /// Which package another means by a name: the nearest of that name, as Node.js looks for it.
    fn resolve(&self, from: NodeId, name: &str) -> Option<usize> {
        let mut folder = from;
        loop {
            let modules = match self.is_modules_folder(folder) {
                true => Some(folder),
                false => self.tree.child(folder, MODULES),
            };
            let there = modules.and_then(|modules| self.tree.lookup(modules, name).ok());
            let found = there.and_then(|id| self.follow(id).ok()).and_then(|id| self.by_folder.get(&id));
            if found.is_some() || folder == ROOT {
                return found.copied();
            }
            folder = self.tree.parent(folder);
        }
    }

    /// The manifests of whoever asked for all this: beside each outermost `node_modules`, and of linked parts.
    fn roots(&mut self, folders: &[NodeId], beside: Option<&[u8]>) -> Vec<(NodeId, Manifest)> {
        let mut roots = Vec::new();
        if let Some(bytes) = beside.filter(|_| self.is_modules) {
            match Manifest::parse(bytes) {
                Ok(manifest) => roots.push((ROOT, manifest)),
                Err(reason) => self.problems.push(Problem::new("../package.json", reason)),
            }
        }
        for &folder in folders {
            if folder == ROOT || self.is_inside(folder) {
                continue;
            }
            let parent = self.tree.parent(folder);
            if self.by_folder.contains_key(&parent) || self.tree.child(parent, "package.json").is_none() {
                continue;
            }
            match self.manifest(parent) {
                Ok(manifest) => roots.extend(manifest.map(|manifest| (parent, manifest))),
                Err(reason) => self.problems.push(Problem::new(self.tree.path(parent), reason)),
            }
        }
        let linked = self.found.iter().filter(|found| found.linked.is_some());
        let own: Vec<(NodeId, Manifest)> = linked.map(|found| (found.folder, found.manifest.clone())).collect();
        roots.extend(own);
        roots
    }

    /// Whether it lies in another `node_modules`.
    fn is_inside(&self, id: NodeId) -> bool {
        let mut id = id;
        while id != ROOT {
            id = self.tree.parent(id);
            if self.is_modules_folder(id) {
                return true;
            }
        }
        false
    }

    /// What npm noted of each folder: whether only developers need it.
    fn locked(&mut self, folders: &[NodeId]) -> HashMap<NodeId, bool> {
        let mut locked = HashMap::new();
        for &folder in folders {
            let Some(lock) = self.tree.child(folder, LOCK) else { continue };
            let read = self.files.read(self.tree, lock, MAX_TEXT_BYTES).map_err(|error| error.to_string());
            match read.and_then(|bytes| json(&bytes)) {
                Ok(value) => {
                    for (path, entry) in value["packages"].as_object().into_iter().flatten() {
                        // Paths are seen from the folder with `node_modules`, which may be outside of the target.
                        let path = path.strip_prefix("node_modules/").unwrap_or(path);
                        if let Ok(id) = self.tree.lookup(folder, path) {
                            locked.insert(id, entry["dev"] == true);
                        }
                    }
                }
                Err(reason) => self.problems.push(Problem::new(self.tree.path(lock), reason)),
            }
        }
        locked
    }

    /// Every file belongs to the package whose folder it lies in, unless a `node_modules` is in between.
    fn owners(&self, place: &[usize]) -> Owners {
        let mut owners = Owners::nobody(self.tree.len());
        for id in self.tree.ids() {
            let owner = match self.by_folder.get(&id) {
                // Parts of a project are not what was installed.
                Some(&at) if self.found[at].linked.is_none() => Some(place[at]),
                Some(_) => None,
                None if self.is_modules_folder(id) => None,
                None => owners.of(self.tree.parent(id)),
            };
            if let Some(owner) = owner {
                owners.take(id, owner);
            }
        }
        owners
    }
}

/// Copies of one version, where there is more than one: name and version, their places, and bytes of all but the largest.
pub fn copies(modules: &Modules) -> Vec<(String, Vec<usize>, u64)> {
    let mut copies = Vec::new();
    let same = |a: &Package, b: &Package| a.name == b.name && a.version == b.version;
    let mut at = 0;
    while at < modules.all.len() {
        let package = &modules.all[at];
        let end = at + modules.all[at..].iter().take_while(|other| same(package, other)).count();
        let sizes = modules.all[at..end].iter().map(|package| package.content);
        let bytes = sizes.clone().sum::<u64>() - sizes.max().unwrap_or_default();
        if end - at > 1 && bytes > 0 {
            copies.push((format!("{} {}", package.name, package.version), (at..end).collect(), bytes));
        }
        at = end;
    }
    copies.sort_by(|a, b| b.2.cmp(&a.2).then_with(|| a.0.cmp(&b.0)));
    copies
}
