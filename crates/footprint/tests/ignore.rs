//! `.dockerignore` beside a real builder: buildah builds `COPY . /` of random trees, and what is in its image is what we
//! say is sent.

mod common;

use libellus_footprint::ignore::Rules;
use libellus_footprint::tree::Tree;
use libellus_footprint::{Options, measure};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

/// The files that a builder puts into the image; `None` if it cannot be run here.
fn built(context: &Path, scratch: &Path) -> Option<BTreeSet<String>> {
    let (root, runroot, image) = (scratch.join("root"), scratch.join("run"), scratch.join("image"));
    let storage = ["--storage-driver", "vfs", "--root", root.to_str()?, "--runroot", runroot.to_str()?];
    let buildah = |arguments: &[&str]| {
        let output = Command::new("buildah").args(storage).args(arguments).output().ok()?;
        if !output.status.success() {
            eprintln!("skipped: buildah cannot build here: {}", String::from_utf8_lossy(&output.stderr));
            return None;
        }
        Some(())
    };
    let dockerfile = scratch.join("Dockerfile");
    fs::write(&dockerfile, "FROM scratch\nCOPY . /\n").expect("written");
    let _ = fs::remove_dir_all(&image);
    buildah(&[
        "bud",
        "--isolation",
        "chroot",
        "--layers=false",
        "--quiet",
        "-t",
        "x",
        "-f",
        dockerfile.to_str()?,
        context.to_str()?,
    ])?;
    buildah(&["push", "--quiet", "x", &format!("oci:{}:x", image.display())])?;
    let measured = measure(&image, &Options::default()).expect("an image");
    let files = measured.tree.ids().filter(|id| measured.tree.is_file(*id));
    Some(files.map(|id| measured.tree.path(id)).collect())
}

/// The files that we say are sent.
fn sent(context: &Path, rules: &str) -> BTreeSet<String> {
    let tree = Tree::of_directory(context).expect("read");
    let sent = Rules::parse(rules).sent_of(&tree);
    let files = tree.ids().filter(|id| tree.is_file(*id) && sent[*id as usize]);
    files.map(|id| tree.path(id)).collect()
}

#[test]
fn a_builder_takes_what_we_say_is_sent() {
    let names = prop::sample::select(vec!["a", "b.py", "c.pyc", ".env", "log", "x"]);
    let path = prop::collection::vec(names.clone(), 1..4).prop_map(|parts| parts.join("/"));
    let part = prop::sample::select(vec!["a", "*", "**", "*.py[co]", ".env", "?", "x", "log", "b*", "c.pyc"]);
    let pattern = (any::<bool>(), prop::collection::vec(part, 1..4))
        .prop_map(|(negated, parts)| format!("{}{}", if negated { "!" } else { "" }, parts.join("/")));
    let case = (prop::collection::vec(path, 4..14), prop::collection::vec(pattern, 1..6));
    let mut runner = TestRunner::deterministic();
    let scratch = tempfile::tempdir().expect("a folder");
    for number in 0..16 {
        let (paths, patterns) = case.new_tree(&mut runner).expect("a case").current();
        let context = scratch.path().join(format!("context{number}"));
        for path in &paths {
            let path = context.join(path);
            // A file may be in the way of a folder, or a folder of a file: then there is one of them.
            let folder = path.parent().expect("a folder");
            if fs::create_dir_all(folder).is_ok() && !path.is_dir() {
                fs::write(&path, "x").expect("written");
            }
        }
        let rules = patterns.join("\n") + "\n";
        fs::write(context.join(".dockerignore"), &rules).expect("written");
        let Some(theirs) = built(&context, scratch.path()) else { return };
        assert_eq!(sent(&context, &rules), theirs, "{rules}\n{paths:?}");
    }
}
