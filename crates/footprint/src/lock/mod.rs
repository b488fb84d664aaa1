//! Lock files: what would be installed, why, and what of it is downloaded.
//!
//! A lock says nothing of installed sizes, so those are unknown. uv and pylock list every file of a package with its size;
//! npm and Cargo list none. What other platforms or extras need that nobody asks for is left out.

mod cargo;
mod npm;
mod python;
mod wheel;

use crate::graph::Graph;
use crate::packages::{Ecosystem, Installed, Owners, Package};
use crate::python::environment::Target;
use crate::tree::Problem;
use std::collections::BTreeSet;
use std::path::Path;

/// A kind of lock file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `uv.lock`.
    Uv,
    /// `pylock.toml` of PEP 751.
    Pylock,
    /// `package-lock.json`.
    Npm,
    /// `Cargo.lock`.
    Cargo,
}

impl Format {
    /// By the name of a file.
    pub fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        match name {
            "uv.lock" => Some(Format::Uv),
            "package-lock.json" | "npm-shrinkwrap.json" => Some(Format::Npm),
            "Cargo.lock" => Some(Format::Cargo),
            _ if name.starts_with("pylock.") && name.ends_with(".toml") => Some(Format::Pylock),
            _ => None,
        }
    }
}

/// What a lock says.
pub struct Locked {
    /// Its packages.
    pub installed: Installed,
    /// The machine that it was read for.
    pub platform: Option<String>,
    /// The Python that it was read for.
    pub python: Option<String>,
    /// What in it could not be understood.
    pub problems: Vec<Problem>,
}

/// Reads a lock.
///
/// # Errors
/// If it is no such file; what is wrong, and where.
pub fn read(format: Format, bytes: &[u8], target: Target) -> Result<Locked, String> {
    let text = || std::str::from_utf8(bytes).map_err(|error| format!("byte {} is not UTF-8", error.valid_up_to()));
    match format {
        Format::Uv => python::uv(text()?, target),
        Format::Pylock => python::pylock(text()?, target),
        Format::Npm => npm::read(bytes, target),
        Format::Cargo => cargo::read(text()?),
    }
}

/// Packages on their way into a list.
#[derive(Default)]
struct Draft {
    packages: Vec<Package>,
    /// Whom each needs, and how that is written.
    needs: Vec<Vec<(usize, String)>>,
    /// What is asked for.
    run: BTreeSet<usize>,
    /// What developers ask for.
    develop: BTreeSet<usize>,
}

impl Draft {
    /// Adds a package, and gives its number.
    fn add(&mut self, ecosystem: Ecosystem, name: &str, version: &str, download: Option<u64>) -> usize {
        self.packages.push(Package {
            name: name.to_owned(),
            version: version.to_owned(),
            download,
            ..Package::new(ecosystem)
        });
        self.needs.push(Vec::new());
        self.packages.len() - 1
    }

    /// Sorts what is reached, and adds up what would leave with each.
    fn finish(mut self) -> Installed {
        for needs in &mut self.needs {
            needs.sort_unstable();
            needs.dedup();
        }
        let of = |needs: &[(usize, String)]| needs.iter().map(|(at, _)| *at).collect::<Vec<_>>();
        let mut graph = Graph {
            needs: self.needs.iter().map(|needs| of(needs)).collect(),
            roots: self.run.iter().copied().collect(),
        };
        let runs = graph.reached();
        graph.roots.extend(self.develop.iter().copied());
        if graph.roots.is_empty() {
            graph.root_everything();
        }
        graph.roots.sort_unstable();
        graph.roots.dedup();
        let reached = graph.reached();
        for (at, package) in self.packages.iter_mut().enumerate() {
            package.direct = graph.roots.binary_search(&at).is_ok();
            package.dev = reached[at] && !runs[at] && !self.develop.is_empty();
        }
        let mut order: Vec<usize> = (0..self.packages.len()).filter(|at| reached[*at]).collect();
        let key = |at: &usize| (&self.packages[*at].name, &self.packages[*at].version);
        order.sort_by(|a, b| key(a).cmp(&key(b)));
        let mut place = vec![usize::MAX; self.packages.len()];
        order.iter().enumerate().for_each(|(new, old)| place[*old] = new);
        let mut all: Vec<Package> = order.iter().map(|old| self.packages[*old].clone()).collect();
        let mut needs = vec![Vec::new(); all.len()];
        for (new, old) in order.iter().enumerate() {
            for (needed, written) in self.needs[*old].iter().filter(|(needed, _)| needed != old) {
                let needed = place[*needed];
                needs[new].push(needed);
                all[needed].required_by.push((new, written.clone()));
            }
            needs[new].sort_unstable();
            needs[new].dedup();
        }
        let mut roots: Vec<usize> = graph.roots.iter().map(|root| place[*root]).collect();
        roots.sort_unstable();
        let graph = Graph { needs, roots };
        retain(&mut all, &graph);
        for (package, needs) in all.iter_mut().zip(&graph.needs) {
            package.requires = needs.clone();
            package.required_by.sort();
        }
        Installed { all, graph, owners: Owners::nobody(0), unowned: 0, measured: false }
    }
}

/// What would not be downloaded without each; unknown if that of any part is.
fn retain(all: &mut [Package], graph: &Graph) {
    let sizes: Vec<u64> = all.iter().map(|package| package.download.unwrap_or_default()).collect();
    let unknown: Vec<u64> = all.iter().map(|package| u64::from(package.download.is_none())).collect();
    let retained = graph.retained(&sizes).into_iter().zip(graph.retained(&unknown));
    for (package, (bytes, unknown)) in all.iter_mut().zip(retained) {
        package.retained_download = (unknown == 0).then_some(bytes);
    }
}
