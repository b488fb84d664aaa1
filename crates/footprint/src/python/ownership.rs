//! Which package a file belongs to.
//!
//! Directories are shared (`google/`, `nvidia/`), so only RECORD can tell. What RECORD leaves out is told by what it
//! lies beside: bytecode belongs to whoever owns its source, and a dist-info to its package.

use super::distribution::Distribution;
use crate::packages::Owners;
use crate::tree::{Lost, Problem, Tree};

/// Finds the owner of every file.
pub fn find(tree: &Tree, distributions: &[Distribution], problems: &mut Vec<Problem>) -> Owners {
    let mut owners = Owners::nobody(tree.len());
    for (index, distribution) in distributions.iter().enumerate() {
        for id in tree.below(distribution.info) {
            owners.take(id, index);
        }
        match &distribution.record {
            Some(paths) => take_recorded(&mut owners, tree, distribution, index, paths, problems),
            None => take_named(&mut owners, tree, distribution, index),
        }
    }
    take_bytecode(&mut owners, tree);
    owners
}

fn take_recorded(
    owners: &mut Owners,
    tree: &Tree,
    distribution: &Distribution,
    index: usize,
    paths: &[String],
    problems: &mut Vec<Problem>,
) {
    let (mut outside, mut missing) = (Vec::new(), Vec::new());
    for path in paths {
        if path.starts_with('/') {
            outside.push(path);
            continue;
        }
        match tree.lookup(distribution.site, path) {
            Ok(id) if !tree.is_directory(id) => owners.take(id, index),
            Ok(_) => {}
            Err(Lost::Outside) => outside.push(path),
            // Bytecode is made and thrown away as one likes.
            Err(Lost::Missing) if path.ends_with(".pyc") => {}
            Err(Lost::Missing) => missing.push(path),
        }
    }
    let mut report = |paths: &[&String], what: &str| {
        if let Some(first) = paths.first() {
            let more = if paths.len() > 1 { format!(" and {} more", paths.len() - 1) } else { String::new() };
            let reason = format!("RECORD lists `{}`{more}, {what}", crate::tree::printable(first.as_bytes()));
            problems.push(Problem::new(tree.path(distribution.info), reason));
        }
    };
    report(&outside, "outside of what is measured");
    report(&missing, "which is not there");
}

/// Without RECORD: the modules of its names, and the libraries that wheels put beside them.
fn take_named(owners: &mut Owners, tree: &Tree, distribution: &Distribution, index: usize) {
    for name in &distribution.top_level {
        for child in [name.clone(), format!("{name}.py"), format!("{name}.libs")] {
            if let Ok(found) = tree.lookup(distribution.site, &child) {
                for id in tree.below(found).into_iter().filter(|id| !tree.is_directory(*id)) {
                    owners.take(id, index);
                }
            }
        }
    }
}

/// `__pycache__/x.cpython-311.pyc`, and `x.pyc` of old, belong to whoever owns `x.py`.
fn take_bytecode(owners: &mut Owners, tree: &Tree) {
    for id in tree.ids().filter(|id| tree.name(*id).ends_with(".pyc")) {
        if owners.of(id).is_some() {
            continue;
        }
        let directory = tree.parent(id);
        let cached = tree.name(directory) == "__pycache__";
        let stem = tree.name(id).split('.').next().unwrap_or_default();
        let beside = if cached { tree.parent(directory) } else { directory };
        let source = tree.child(beside, &format!("{stem}.py"));
        if let Some(owner) = source.and_then(|source| owners.of(source)) {
            owners.take(id, owner);
        }
    }
}
