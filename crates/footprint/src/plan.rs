//! The plan: what each change saves *after the ones before it*.
//!
//! Savings do not add up: who takes CUDA away takes its headers and its bytecode away as well. So each option is a set of
//! files of the target, and the plan is their union. What a table says where nothing is installed is computed, and is
//! shown apart; estimates are not in it. What runs elsewhere afterwards is moved, not saved.

use crate::checks::{Finding, packages};
use crate::meters::Evidence;
use crate::node::modules::Modules;
use crate::python::environment::Packages;
use crate::tree::{InodeId, NodeId, Tree};
use serde::Serialize;
use std::collections::HashSet;

/// A line of the plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// The check that it belongs to; empty where there is none.
    pub id: &'static str,
    /// What is done.
    pub name: String,
    /// Where: a file and its line.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub place: String,
    /// What becomes of the bytes.
    pub effect: Effect,
    /// Bytes that go beyond those of the lines above; of what stands for all lines above, together with them.
    pub bytes: u64,
    /// Bytes of content that are left. Where nothing is installed, nobody knows.
    pub left: Option<u64>,
    /// How it is known.
    pub evidence: Evidence,
}

/// What becomes of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// They are gone.
    Saved,
    /// They are gone if this is done instead of all above.
    Instead,
    /// They are somewhere else, and cost there.
    Moved,
}

impl Effect {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Effect::Saved => "saved",
            Effect::Instead => "instead",
            Effect::Moved => "moved",
        }
    }

    /// What stands before the line, and before its bytes.
    pub fn marks(self) -> (&'static str, &'static str) {
        match self {
            Effect::Saved => ("", "-"),
            Effect::Instead => ("or ", "-"),
            Effect::Moved => ("or ", ""),
        }
    }
}

impl Step {
    /// How it is known, or that it is no saving.
    pub fn known(&self) -> &'static str {
        match self.effect {
            Effect::Moved => "moved, not saved",
            _ => self.evidence.name(),
        }
    }
}

/// Packages that are there to embed, and go with their framework.
const ENCODERS: [&str; 5] = ["sentence-transformers", "torch", "transformers", "onnxruntime", "fastembed"];

/// Makes the plan for what is installed, and for what checks found.
pub fn plan(tree: &Tree, packages: Option<&Packages>, modules: Option<&Modules>, findings: &[Finding]) -> Vec<Step> {
    let mut plan = Plan { tree, gone: HashSet::new(), content: tree.content(), steps: Vec::new() };
    let place = |id: &str| {
        findings.iter().find(|one| one.id == id && !one.file.is_empty()).map(Finding::place).unwrap_or_default()
    };
    if let Some(packages) = packages {
        if let Some(cuda) = packages::installed_cuda(tree, packages) {
            plan.save("F201", "CPU-only torch", place("F201"), &cuda.nodes, Evidence::Computed);
        }
        let bytecode = packages::bytecode(tree, packages);
        plan.save("F206", "ship no bytecode", place("F206"), &bytecode, Evidence::Measured);
        let extras = development_files(tree, packages);
        plan.save("", "tests, headers, stubs of packages", String::new(), &extras, Evidence::Measured);
    }
    if let Some(modules) = modules {
        let owned = |id: &NodeId| modules.owners.of(*id);
        let dev = |id: &NodeId| owned(id).is_some_and(|owner| modules.all[owner].dev);
        let nodes: Vec<NodeId> = tree.ids().filter(dev).collect();
        plan.save("F211", "no packages for developers", String::new(), &nodes, Evidence::Measured);
    }
    for finding in findings.iter().filter(|finding| matches!(finding.id, "F101" | "F102" | "F401")) {
        plan.save_finding(finding);
    }
    if let Some(packages) = packages {
        plan.without_encoder(packages, place("F205"));
    }
    // What is not installed here has no files to unite.
    for finding in
        findings.iter().filter(|finding| !finding.file.is_empty() && !matches!(finding.id, "F101" | "F102" | "F401"))
    {
        if let Some(saving) = finding.saving.filter(|saving| saving.evidence == Evidence::Computed) {
            let already = plan.steps.iter().any(|step| step.id == finding.id);
            if !already {
                let effect = if finding.id == "F205" { Effect::Instead } else { Effect::Saved };
                let step = Step {
                    id: finding.id,
                    name: finding.suggestion.clone().unwrap_or_else(|| finding.message.clone()),
                    place: finding.place(),
                    effect,
                    bytes: saving.bytes,
                    left: None,
                    evidence: Evidence::Computed,
                };
                plan.steps.push(step);
            }
        }
    }
    plan.steps.sort_by_key(|step| (step.left.is_none(), step.effect == Effect::Moved, step.effect == Effect::Instead));
    plan.steps
}

struct Plan<'t> {
    tree: &'t Tree,
    gone: HashSet<InodeId>,
    content: u64,
    steps: Vec<Step>,
}

impl Plan<'_> {
    /// Takes these files away, as far as they are still there.
    fn save(&mut self, id: &'static str, name: &str, place: String, nodes: &[NodeId], evidence: Evidence) {
        let bytes = self.take(nodes);
        if bytes > 0 {
            let (left, effect) = (Some(self.content), Effect::Saved);
            self.steps.push(Step { id, name: name.to_owned(), place, effect, bytes, left, evidence });
        }
    }

    fn take(&mut self, nodes: &[NodeId]) -> u64 {
        let mut bytes = 0;
        for id in nodes.iter().copied().filter(|id| self.tree.is_file(*id)) {
            if self.gone.insert(self.tree.inode_id(id)) {
                bytes += self.tree.inode(id).size;
            }
        }
        self.content -= bytes;
        bytes
    }

    /// What a finding names by paths of files that were measured.
    fn save_finding(&mut self, finding: &Finding) {
        let nodes: Vec<NodeId> = finding
            .paths
            .iter()
            .filter_map(|path| self.tree.lookup(crate::tree::ROOT, path).ok())
            .flat_map(|id| self.tree.below(id))
            .collect();
        let name = finding.suggestion.clone().unwrap_or_else(|| finding.message.clone());
        self.save(finding.id, &name, finding.place(), &nodes, Evidence::Measured);
    }

    /// The framework that embeds, with all that only it brings: replaced, or moved to another machine.
    fn without_encoder(&mut self, packages: &Packages, place: String) {
        let Some(index) = ENCODERS.iter().find_map(|name| packages.find(name)) else { return };
        let leaving = packages.graph.dominated_by(index);
        let nodes: Vec<NodeId> = self
            .tree
            .ids()
            .filter(|id| packages.owners.of(*id).is_some_and(|owner| leaving.binary_search(&owner).is_ok()))
            .collect();
        let whole = self.tree.content();
        let bytes = self.tree.content_of(nodes);
        let name = &packages.all[index].name;
        if bytes <= packages::REPLACEMENT_BYTES {
            return;
        }
        let saved = bytes - packages::REPLACEMENT_BYTES;
        self.steps.push(Step {
            id: "F205",
            name: format!("{name} replaced by libellus, one executable"),
            place,
            effect: Effect::Instead,
            bytes: saved,
            left: Some(whole - saved),
            evidence: Evidence::Computed,
        });
        for elsewhere in
            ["embeddings made offline (no free-text questions)", "a search service of its own", "a serverless function"]
        {
            self.steps.push(Step {
                id: "",
                name: format!("{name} moved: {elsewhere}"),
                place: String::new(),
                effect: Effect::Moved,
                bytes,
                left: Some(whole - bytes),
                evidence: Evidence::Measured,
            });
        }
    }
}

/// Tests, headers, static libraries and stubs of packages. `testing` is part of what packages offer, and stays.
fn development_files(tree: &Tree, packages: &Packages) -> Vec<NodeId> {
    let mut inside = vec![false; tree.len()];
    let mut found = Vec::new();
    for id in tree.ids().filter(|id| *id != crate::tree::ROOT) {
        let name = tree.name(id);
        let folder = tree.is_directory(id) && matches!(name, "tests" | "include");
        inside[id as usize] = inside[tree.parent(id) as usize] || folder;
        let ending = [".pyi", ".h", ".hpp", ".a", ".cuh"].iter().any(|ending| name.ends_with(ending));
        if tree.is_file(id) && (inside[id as usize] || ending) && packages.owners.of(id).is_some() {
            found.push(id);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Options, measure};
    use std::fs;
    use std::path::Path;

    fn install(site: &Path, name: &str, requires: &str, files: &[(&str, usize)]) {
        let info = site.join(format!("{name}-1.0.dist-info"));
        fs::create_dir_all(&info).expect("made");
        fs::write(info.join("METADATA"), format!("Name: {name}\nVersion: 1.0\n{requires}")).expect("written");
        let mut rows = String::new();
        for (path, size) in files {
            let file = site.join(path);
            fs::create_dir_all(file.parent().expect("a folder")).expect("made");
            fs::write(file, vec![0; *size]).expect("written");
            rows += &format!("{path},,\n");
        }
        fs::write(info.join("RECORD"), rows).expect("written");
    }

    #[test]
    fn each_line_counts_what_the_lines_above_left() {
        let folder = tempfile::tempdir().expect("a folder");
        let site = folder.path().join("lib/python3.12/site-packages");
        let torch = [
            ("torch/lib/libtorch_cuda.so", 5_000_000),
            ("torch/lib/libtorch_cpu.so", 60_000_000),
            ("torch/a.py", 10),
            ("torch/__pycache__/a.cpython-312.pyc", 6_000_000),
            ("torch/tests/t.py", 1000),
            ("torch/testing/t.py", 500),
        ];
        install(&site, "sentence_transformers", "Requires-Dist: torch\n", &[("sentence_transformers/x.py", 100)]);
        install(&site, "torch", "Requires-Dist: nvidia-x\n", &torch);
        let nvidia =
            [("nvidia/x/lib.so", 30_000_000), ("nvidia/x/include/x.h", 2_000_000), ("nvidia/x/__pycache__/y.pyc", 7)];
        install(&site, "nvidia_x", "", &nvidia);
        let measured = measure(folder.path(), &Options::default()).expect("read");
        let content = measured.tree.content();
        let plan = &measured.report.plan;
        let saved: Vec<(&str, u64)> =
            plan.iter().filter(|step| step.effect == Effect::Saved).map(|step| (step.id, step.bytes)).collect();
        let metadata = measured.tree.content_of(measured.tree.below(
            measured.tree.lookup(0, "lib/python3.12/site-packages/nvidia_x-1.0.dist-info").expect("it is there"),
        ));
        assert_eq!(saved, [("F201", 37_000_007 + metadata), ("F206", 6_000_000), ("", 1000)]);
        let left = plan.iter().rfind(|step| step.effect == Effect::Saved).and_then(|step| step.left);
        assert_eq!(left, Some(content - saved.iter().map(|(_, bytes)| bytes).sum::<u64>()));
        let instead = plan.iter().find(|step| step.effect == Effect::Instead).expect("libellus");
        assert_eq!(instead.left, Some(packages::REPLACEMENT_BYTES));
        assert_eq!(plan.iter().filter(|step| step.effect == Effect::Moved).count(), 3);
    }
}
