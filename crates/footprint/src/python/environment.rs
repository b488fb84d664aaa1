//! An environment as a whole: its packages with the sizes of their files, and the graph of who needs whom.

use super::distribution::{self, Distribution};
use super::ownership;
use super::platform::{Environment, Platform, Python};
use crate::files::Files;
use crate::graph::Graph;
use crate::packages::{Ecosystem, Owners, Package, share_out};
use crate::tree::{NodeId, Problem, Tree};
use std::collections::{BTreeSet, HashMap};

/// What an environment is evaluated for, where it is known better than its files say.
#[derive(Clone, Copy, Debug, Default)]
pub struct Target {
    /// The machine.
    pub platform: Option<Platform>,
    /// The version of Python.
    pub python: Option<Python>,
}

/// The packages of a tree.
pub struct Packages {
    /// Sorted by name.
    pub all: Vec<Package>,
    /// As their metadata describe them, in the same order.
    pub distributions: Vec<Distribution>,
    /// Who needs whom.
    pub graph: Graph,
    /// What it was evaluated for.
    pub environment: Environment,
    /// Bytes that belong to no package.
    pub unowned: u64,
    /// Whose each node is.
    pub owners: Owners,
}

impl Packages {
    /// Reads everything; `None` if there is no directory of packages.
    pub fn read(tree: &Tree, files: &dyn Files, target: Target, problems: &mut Vec<Problem>) -> Option<Self> {
        let sites = distribution::sites(tree);
        if sites.is_empty() {
            return None;
        }
        let mut distributions: Vec<Distribution> =
            sites.iter().flat_map(|site| distribution::read_site(tree, files, *site, problems)).collect();
        distributions.sort_by(|a, b| a.name.cmp(&b.name).then_with(|| a.site.cmp(&b.site)));
        let owners = ownership::find(tree, &distributions, problems);
        let environment = environment(tree, files, &sites, &distributions, target);
        let links = Links::follow(&distributions, &environment);
        let mut graph =
            Graph { needs: links.needs.iter().map(|needs| needs.iter().copied().collect()).collect(), roots: vec![] };
        let noted = distributions.iter().any(|distribution| distribution.requested);
        if noted {
            graph.roots = (0..distributions.len()).filter(|index| distributions[*index].requested).collect();
        }
        graph.root_everything();
        let mut all: Vec<Package> = distributions
            .iter()
            .enumerate()
            .map(|(index, distribution)| Package {
                name: distribution.name.clone(),
                version: distribution.version.clone(),
                direct: if noted { distribution.requested } else { graph.roots.contains(&index) },
                editable: distribution.editable.clone(),
                requires: graph.needs[index].clone(),
                missing: links.missing[index].iter().cloned().collect(),
                required_by: links.needed_by[index].clone(),
                ..Package::new(Ecosystem::Python)
            })
            .collect();
        let unowned = share_out(tree, &owners, &mut all);
        let sizes: Vec<u64> = all.iter().map(|package| package.content).collect();
        for (package, retained) in all.iter_mut().zip(graph.retained(&sizes)) {
            package.retained = retained;
        }
        Some(Self { all, distributions, graph, environment, unowned, owners })
    }

    /// The package of this name.
    pub fn find(&self, name: &str) -> Option<usize> {
        let name = super::name::normalize(name);
        self.all.iter().position(|package| package.name == name)
    }
}

/// What was asked for, or else what paths and wheels say, or else Linux and a recent Python.
fn environment(
    tree: &Tree,
    files: &dyn Files,
    sites: &[NodeId],
    distributions: &[Distribution],
    target: Target,
) -> Environment {
    let of_path = || sites.iter().find_map(|site| distribution::python_of(tree, *site));
    let of_settings = || {
        let id = tree.child(crate::tree::ROOT, "pyvenv.cfg")?;
        let text = String::from_utf8(files.read(tree, id, 1 << 16).ok()?).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("version"))?;
        Python::parse(line.trim_start_matches(|c: char| !c.is_ascii_digit()))
    };
    let of_wheels = || {
        let mut tags = distributions.iter().flat_map(|distribution| &distribution.tags);
        tags.find_map(|tag| {
            let (major, minor) = tag.strip_prefix("cp")?.split('-').next()?.split_at_checked(1)?;
            Some(Python { major: major.parse().ok()?, minor: minor.parse().ok()? })
        })
    };
    let python = target.python.or_else(of_path).or_else(of_settings).or_else(of_wheels);
    let of_tags = || distributions.iter().find_map(Distribution::platform);
    Environment {
        platform: target.platform.or_else(of_tags).unwrap_or_default(),
        python: python.unwrap_or(Python { major: 3, minor: 12 }),
    }
}

/// Requirements, followed through the extras that are asked for.
struct Links {
    needs: Vec<BTreeSet<usize>>,
    needed_by: Vec<Vec<(usize, String)>>,
    missing: Vec<BTreeSet<String>>,
}

impl Links {
    fn follow(distributions: &[Distribution], environment: &Environment) -> Self {
        let count = distributions.len();
        let mut by_name: HashMap<&str, usize> = HashMap::new();
        for (index, distribution) in distributions.iter().enumerate() {
            by_name.entry(&distribution.name).or_insert(index);
        }
        let mut links = Self {
            needs: vec![BTreeSet::new(); count],
            needed_by: vec![Vec::new(); count],
            missing: vec![BTreeSet::new(); count],
        };
        // Who asks for an extra of a package can only turn more of its requirements on.
        let mut extras: Vec<BTreeSet<&str>> = vec![BTreeSet::new(); count];
        let mut waiting: Vec<usize> = (0..count).rev().collect();
        while let Some(index) = waiting.pop() {
            let on: Vec<&str> = extras[index].iter().copied().collect();
            for requirement in &distributions[index].metadata.requires {
                if !requirement.marker.as_ref().is_none_or(|marker| marker.holds(environment, &on)) {
                    continue;
                }
                let Some(&needed) = by_name.get(requirement.name.as_str()) else {
                    links.missing[index].insert(requirement.to_string());
                    continue;
                };
                let more = requirement.extras.iter().filter(|extra| extras[needed].insert(extra)).count();
                if more > 0 {
                    waiting.push(needed);
                }
                if needed != index {
                    links.needs[index].insert(needed);
                    let written = (index, requirement.to_string());
                    if !links.needed_by[needed].contains(&written) {
                        links.needed_by[needed].push(written);
                    }
                }
            }
        }
        links.needed_by.iter_mut().for_each(|by| by.sort());
        links
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::Folder;
    use std::fs;
    use std::path::Path;

    /// Installs a package, as far as its metadata go.
    fn install(site: &Path, name: &str, requires: &[&str], files: &[(&str, usize)], record: bool) {
        let info = site.join(format!("{}-1.0.dist-info", name.replace('-', "_")));
        fs::create_dir_all(&info).expect("made");
        let requires: String = requires.iter().map(|one| format!("Requires-Dist: {one}\n")).collect();
        fs::write(info.join("METADATA"), format!("Name: {name}\nVersion: 1.0\n{requires}")).expect("written");
        let mut rows = String::new();
        for (path, size) in files {
            let file = site.join(path);
            fs::create_dir_all(file.parent().expect("a directory")).expect("made");
            fs::write(file, vec![0; *size]).expect("written");
            rows += &format!("{path},,\n");
        }
        if record {
            fs::write(info.join("RECORD"), rows).expect("written");
        }
    }

    fn read(root: &Path) -> (Tree, Packages, Vec<Problem>) {
        let tree = Tree::of_directory(root).expect("read");
        let mut problems = Vec::new();
        let packages = Packages::read(&tree, &Folder(root.to_owned()), Target::default(), &mut problems);
        (tree, packages.expect("packages"), problems)
    }

    #[test]
    fn a_shared_directory_is_told_apart_and_extras_are_followed() {
        let folder = tempfile::tempdir().expect("a folder");
        let site = folder.path().join("lib/python3.11/site-packages");
        install(&site, "torch", &["cuda-toolkit[cufft]; platform_system == 'Linux'"], &[("torch/a.so", 100)], true);
        install(&site, "cuda-toolkit", &["nvidia-cufft; extra == 'cufft'", "nvidia-x; extra == 'x'"], &[], true);
        install(&site, "nvidia-cufft", &[], &[("nvidia/cufft/lib.so", 3000)], true);
        install(&site, "nvidia-x", &["nvidia-y"], &[("nvidia/x/lib.so", 20_000), ("../../../bin/x", 7)], true);
        install(&site, "nvidia-y", &["nvidia-x"], &[], true);
        fs::create_dir_all(site.join("torch/__pycache__")).expect("made");
        fs::write(site.join("torch/b.py"), "").expect("written");
        let record = site.join("torch-1.0.dist-info/RECORD");
        fs::write(&record, "torch/a.so,,\ntorch/b.py,,\n../../../../outside,,\n").expect("written");
        fs::write(site.join("torch/__pycache__/b.cpython-311.opt-1.pyc"), [0; 50]).expect("written");
        fs::write(site.join("stray.txt"), [0; 11]).expect("written");

        let (tree, packages, problems) = read(folder.path());
        let of = |name: &str| &packages.all[packages.find(name).expect(name)];
        let metadata = |name: &str| {
            let id = packages.distributions[packages.find(name).expect(name)].info;
            tree.content_of(tree.below(id))
        };
        assert_eq!(of("torch").content, 150 + metadata("torch"));
        assert_eq!(of("nvidia-x").content, 20_007 + metadata("nvidia-x"));
        let closure = ["torch", "cuda-toolkit", "nvidia-cufft"].map(|name| of(name).content).iter().sum::<u64>();
        assert_eq!(of("torch").retained, closure, "cuFFT is reached through an extra, x is not");
        // A ring that nothing needs still has someone who retains it.
        assert_eq!(of("nvidia-x").retained, of("nvidia-x").content + of("nvidia-y").content);
        assert_eq!(packages.unowned, 11);
        let sum: u64 = packages.all.iter().map(|package| package.content).sum();
        assert_eq!(sum + packages.unowned, tree.content());
        assert_eq!(packages.environment.python.to_string(), "3.11");
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].reason.contains("../../../../outside"), "{problems:?}");
    }

    #[test]
    fn without_a_record_names_of_modules_tell() {
        let folder = tempfile::tempdir().expect("a folder");
        install(folder.path(), "Some.Thing", &[], &[("some_thing/a.py", 40)], false);
        fs::create_dir_all(folder.path().join("broken-1.dist-info")).expect("made");
        let (tree, packages, problems) = read(folder.path());
        assert_eq!(packages.all.len(), 1);
        assert_eq!(packages.all[0].content, tree.content());
        let reasons: Vec<&str> = problems.iter().map(|problem| problem.reason.as_str()).collect();
        assert!(reasons.iter().any(|reason| reason.contains("no RECORD")), "{reasons:?}");
        assert!(reasons.iter().any(|reason| reason.contains("neither METADATA")), "{reasons:?}");
    }
}
