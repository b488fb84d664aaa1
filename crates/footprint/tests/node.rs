//! `node_modules` as npm, pnpm and hostile hands leave it.

use libellus_footprint::{Measured, Options, measure};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Installs a package: its manifest, and a file of so many bytes.
fn install(folder: &Path, manifest: &Value, bytes: usize) {
    fs::create_dir_all(folder).expect("made");
    fs::write(folder.join("package.json"), manifest.to_string()).expect("written");
    fs::write(folder.join("index.js"), vec![b'/'; bytes]).expect("written");
}

fn look(path: &Path) -> Measured {
    measure(path, &Options::default()).expect("measured")
}

/// Rows by name, or by name and version where there are several.
fn rows(measured: &Measured) -> BTreeMap<String, Value> {
    let report = serde_json::to_value(&measured.report).expect("JSON");
    let packages = report["packages"].as_array().expect("a list").clone();
    let count = |name: &Value| packages.iter().filter(|row| row["name"] == *name).count();
    let key = |row: &Value| match count(&row["name"]) {
        1 => row["name"].as_str().expect("a name").to_owned(),
        _ => format!("{}@{}", row["name"].as_str().expect("a name"), row["version"].as_str().expect("a version")),
    };
    packages.iter().map(|row| (key(row), row.clone())).collect()
}

fn ids(measured: &Measured) -> Vec<(&str, u64)> {
    let findings = measured.report.findings.iter();
    findings.map(|finding| (finding.id, finding.saving.map_or(0, |saving| saving.bytes))).collect()
}

/// A project as npm leaves it: `web` needs a nested copy of `left`, `eslint` is for developers, `lost` for nobody.
fn project(root: &Path) {
    let modules = root.join("node_modules");
    fs::create_dir_all(&modules).expect("made");
    let own = json!({"dependencies": {"web": "^1", "@scope/ui": "2"}, "devDependencies": {"eslint": "9"}});
    fs::write(root.join("package.json"), own.to_string()).expect("written");
    let web = json!({"version": "1.0.0", "dependencies": {"left": "^1"}, "optionalDependencies": {"fsevents": "*"},
        "peerDependencies": {"@scope/ui": ">=2", "react": "18"}});
    install(&modules.join("web"), &web, 1000);
    install(&modules.join("web/node_modules/left"), &json!({"version": "1.0.0"}), 200);
    install(&modules.join("left"), &json!({"version": "2.0.0"}), 300);
    install(&modules.join("@scope/ui"), &json!({"version": "2.0.0", "dependencies": {"left": "2"}}), 50);
    install(&modules.join("eslint"), &json!({"version": "9.0.0", "dependencies": {"deep": "1"}}), 5000);
    install(&modules.join("deep"), &json!({"version": "1.0.0", "dependencies": {"left": "2", "eslint": "*"}}), 700);
    install(&modules.join("lost"), &json!({"version": "1.0.0"}), 40);
    install(&modules.join("lost/node_modules/left"), &json!({"version": "2.0.0"}), 290);
    fs::create_dir_all(modules.join(".bin")).expect("made");
    fs::write(modules.join(".bin/tool"), "x").expect("written");
}

#[test]
fn packages_are_resolved_as_node_does_and_nested_copies_told_apart() {
    let folder = tempfile::tempdir().expect("a folder");
    project(folder.path());
    let measured = look(&folder.path().join("node_modules"));
    let found = rows(&measured);
    let keys: Vec<&str> = found.keys().map(String::as_str).collect();
    assert_eq!(keys, ["@scope/ui", "deep", "eslint", "left@1.0.0", "left@2.0.0", "lost", "web"]);
    let manifest = |path: &str| {
        fs::metadata(folder.path().join("node_modules").join(path).join("package.json")).expect("there").len()
    };
    assert_eq!(found["web"]["content"], 1000 + manifest("web"));
    let nested = 200 + manifest("web/node_modules/left");
    assert_eq!(found["web"]["retained"], 1000 + manifest("web") + nested, "its own copy leaves with it");
    assert_eq!(found["web"]["requires"], json!(["@scope/ui", "left"]));
    assert_eq!(found["web"]["missing"], json!(["react@18 (peer)"]), "what is optional is not missed");
    assert_eq!(found["@scope/ui"]["retained"], 50 + manifest("@scope/ui"), "developers need the other copy as well");
    assert_eq!(found["left@1.0.0"]["required_by"], json!([{"name": "web", "requirement": "left@^1"}]));
    // A ring is no trouble.
    assert_eq!(found["eslint"]["retained"], 5700 + manifest("eslint") + manifest("deep"));
    for (name, dev) in [("eslint", true), ("deep", true), ("web", false), ("left@1.0.0", false)] {
        assert_eq!(found[name]["dev"] == true, dev, "{name}");
    }
    let sum: u64 = measured.report.packages.iter().map(|row| row.content.expect("known")).sum();
    assert_eq!(sum + measured.report.unowned, measured.report.meters.content.expect("known"));
    assert_eq!(measured.report.unowned, 1);
    let lost = 330 + manifest("lost") + manifest("lost/node_modules/left");
    let copy = 290 + manifest("lost/node_modules/left");
    assert_eq!(
        ids(&measured),
        [("F211", 5700 + manifest("eslint") + manifest("deep")), ("F209", copy), ("F210", lost)]
    );
    assert_eq!(measured.why("left@1.0.0").expect("there").way, ["web", "left"]);
    assert_eq!(measured.why("left").expect("there").required_by.len(), 2, "the one that is nearest");
    assert_eq!(measured.report.target.kind.name(), "node_modules");

    // Of the project the same, and what developers need is to be expected.
    let whole = look(folder.path());
    assert_eq!(rows(&whole)["web"], found["web"]);
    assert_eq!(whole.report.findings[0].severity.name(), "note");
    assert_eq!(whole.report.plan[0].id, "F211");
}

#[test]
fn without_a_manifest_beside_it_npms_own_notes_are_believed() {
    let folder = tempfile::tempdir().expect("a folder");
    project(folder.path());
    fs::remove_file(folder.path().join("package.json")).expect("there");
    let modules = folder.path().join("node_modules");
    let lock =
        json!({"packages": {"node_modules/eslint": {"dev": true}, "node_modules/web": {}, "../../etc": {"dev": true}}});
    fs::write(modules.join(".package-lock.json"), lock.to_string()).expect("written");
    let found = rows(&look(&modules));
    assert_eq!((&found["eslint"]["dev"], &found["web"]["dev"]), (&json!(true), &Value::Null));
    assert_eq!(found["web"]["direct"], true, "nothing needs it, so somebody asked");
    fs::write(modules.join(".package-lock.json"), "{").expect("written");
    let problems = look(&modules).report.problems;
    assert!(problems.iter().any(|problem| problem.path == ".package-lock.json"), "{problems:?}");
}

#[cfg(unix)]
#[test]
fn links_of_pnpm_and_of_workspaces_are_followed_and_never_out() {
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("app");
    let modules = root.join("node_modules");
    let store = modules.join(".pnpm");
    let own = json!({"dependencies": {"a": "1", "part": "workspace:*", "out": "1"}});
    fs::create_dir_all(&modules).expect("made");
    fs::write(root.join("package.json"), own.to_string()).expect("written");
    install(&store.join("a@1.0.0/node_modules/a"), &json!({"version": "1.0.0", "dependencies": {"b": "2"}}), 100);
    install(&store.join("b@2.0.0/node_modules/b"), &json!({"version": "2.0.0", "dependencies": {"a": "1"}}), 900);
    symlink("../../b@2.0.0/node_modules/b", store.join("a@1.0.0/node_modules/b")).expect("linked");
    symlink("../../a@1.0.0/node_modules/a", store.join("b@2.0.0/node_modules/a")).expect("linked");
    symlink(".pnpm/a@1.0.0/node_modules/a", modules.join("a")).expect("linked");
    install(&root.join("packages/part"), &json!({"version": "0.1.0", "dependencies": {"c": "1"}}), 5000);
    install(&root.join("packages/part/node_modules/c"), &json!({"version": "1.0.0"}), 10);
    symlink("../packages/part", modules.join("part")).expect("linked");
    // What leads nowhere: out, to nothing, in a circle, to a name without a text.
    install(&folder.path().join("outside"), &json!({"version": "6.6.6"}), 70_000);
    symlink("../../outside", modules.join("out")).expect("linked");
    symlink(folder.path().join("outside"), modules.join("absolute")).expect("linked");
    symlink("nothing", modules.join("dangling")).expect("linked");
    symlink("ring2", modules.join("ring1")).expect("linked");
    symlink("ring1", modules.join("ring2")).expect("linked");
    symlink(".", modules.join("self")).expect("linked");
    symlink(std::ffi::OsStr::from_bytes(b"\xff"), modules.join("bytes")).expect("linked");
    let strange = modules.join(std::ffi::OsStr::from_bytes(b"na\xff\x1bme"));
    fs::create_dir_all(&strange).expect("made");
    fs::write(strange.join("package.json"), "{\"version\": \"1\"}").expect("written");
    install(&modules.join("broken"), &json!("x"), 5);
    fs::create_dir_all(modules.join("bare")).expect("made");

    let measured = look(&root);
    let found = rows(&measured);
    let keys: Vec<&str> = found.keys().map(String::as_str).collect();
    assert_eq!(keys, ["a", "b", "bare", "broken", "c", "na\\xff\\x1bme", "part"]);
    assert_eq!(found["a"]["requires"], json!(["b"]));
    assert_eq!(found["b"]["required_by"][0]["name"], "a");
    assert!(found["a"]["retained"].as_u64() > Some(1000), "{found:?}");
    assert_eq!(found["part"]["editable"], "packages/part");
    assert_eq!((&found["part"]["content"], &found["part"]["requires"]), (&json!(0), &json!(["c"])));
    let reasons: BTreeMap<&str, &str> =
        measured.report.problems.iter().map(|problem| (problem.path.as_str(), problem.reason.as_str())).collect();
    for (path, reason) in [
        ("node_modules/out", "leads out"),
        ("node_modules/absolute", "leads out"),
        ("node_modules/dangling", "`nothing`, which is not there"),
        ("node_modules/ring1", "in a circle"),
        ("node_modules/bytes", "no UTF-8"),
        ("node_modules/broken", "no JSON object"),
        ("node_modules/bare", "no package.json"),
    ] {
        assert!(reasons.get(path).is_some_and(|found| found.contains(reason)), "{path}: {reasons:?}");
    }
    assert_eq!(measured.report.meters.content, Some(measured.tree.content()));
    assert!(measured.tree.content() < 70_000, "nothing outside is counted");
}

#[test]
fn both_kinds_of_packages_in_one_folder_are_one_list() {
    let folder = tempfile::tempdir().expect("a folder");
    project(folder.path());
    let info = folder.path().join(".venv/lib/python3.12/site-packages/left-1.dist-info");
    fs::create_dir_all(&info).expect("made");
    fs::write(info.join("METADATA"), "Name: left\nVersion: 7\n").expect("written");
    fs::write(info.join("RECORD"), "").expect("written");
    let measured = look(folder.path());
    let found = rows(&measured);
    assert_eq!(found["left@7"]["ecosystem"], "python");
    assert_eq!(found["web"]["requires"], json!(["@scope/ui", "left"]));
    assert_eq!(found["left@1.0.0"]["required_by"][0]["name"], "web");
    let sum: u64 = measured.report.packages.iter().map(|row| row.content.expect("known")).sum();
    assert_eq!(sum + measured.report.unowned, measured.tree.content());
}
