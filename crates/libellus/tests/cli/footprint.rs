//! `libellus footprint`: reports, budgets, exit codes, and bad input.

use super::support::*;
use std::fs;
use std::path::Path;

/// Installs a package, as far as its metadata and one file go.
fn install(site: &Path, name: &str, requires: &[&str], bytes: usize) {
    let info = site.join(format!("{name}-1.0.dist-info"));
    fs::create_dir_all(&info).expect("made");
    let requires: String = requires.iter().map(|one| format!("Requires-Dist: {one}\n")).collect();
    fs::write(info.join("METADATA"), format!("Name: {name}\nVersion: 1.0\n{requires}")).expect("written");
    fs::write(info.join("RECORD"), format!("{name}.py,,{bytes}\n")).expect("written");
    fs::write(site.join(format!("{name}.py")), vec![b'#'; bytes]).expect("written");
}

/// A virtual environment of three packages.
fn environment(sandbox: &Sandbox) {
    let site = sandbox.path("venv/lib/python3.12/site-packages");
    install(&site, "app", &["torch"], 1000);
    install(&site, "torch", &["sympy", "triton; sys_platform == 'linux'"], 20_000);
    install(&site, "sympy", &[], 3000);
    install(&site, "triton", &[], 500_000);
}

#[test]
fn packages_are_shown_with_their_reasons_in_eighty_columns() {
    let sandbox = Sandbox::new();
    environment(&sandbox);
    let shown = sandbox.run(&["footprint", "venv"]).expect_code(0).stdout;
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    for part in ["Python 3.12, 4 packages", "stored unknown", "app 1.0", "RETAINED", "asked for"] {
        assert!(shown.contains(part), "`{part}` is not in {shown}");
    }
    let report = sandbox.run(&["footprint", "venv", "--json"]).expect_code(0);
    assert_eq!(report.stdout, sandbox.run(&["footprint", "venv", "--json"]).stdout, "the same each time");
    let report = report.json();
    assert_eq!(report["schema"], "libellus.footprint/1");
    let row = |name: &str| {
        let rows = report["packages"].as_array().expect("a list");
        rows.iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("{name} in {report}")).clone()
    };
    assert!(row("torch")["retained"].as_u64() > Some(523_000), "{report}");
    assert_eq!(row("sympy")["required_by"][0]["name"], "torch");
    assert!(report["meters"]["download"].is_null(), "what is unknown is null");

    // For a Mac, the compiler stays away, and nothing needs it.
    let mac = sandbox.run(&["footprint", "venv", "--json", "--target", "darwin/arm64"]).expect_code(0).json();
    let triton = mac["packages"].as_array().expect("a list").iter().find(|row| row["name"] == "triton").expect("it");
    assert_eq!(triton["required_by"].as_array().map(Vec::len), Some(0));
}

#[test]
fn why_names_who_needs_it_and_what_would_leave() {
    let sandbox = Sandbox::new();
    environment(&sandbox);
    let shown = sandbox.run(&["footprint", "venv", "--why", "Torch"]).expect_code(0).stdout;
    for part in ["The way: app → torch", "Only there because of it", "triton", "sympy"] {
        assert!(shown.contains(part), "`{part}` is not in {shown}");
    }
    sandbox.run(&["footprint", "venv", "--why", "torc"]).expect_error(2, &["did you mean `torch`?"]);
}

#[test]
fn exit_codes_are_those_of_the_help() {
    let sandbox = Sandbox::new();
    environment(&sandbox);
    let over = sandbox.run(&["footprint", "venv", "--budget", "10kB"]).expect_code(1).stdout;
    assert!(over.contains("budget 10 kB of content: FAIL, over by"), "{over}");
    let kept = sandbox.run(&["footprint", "venv", "--budget", "1MB", "--budget", "disk=100MB"]).expect_code(0).stdout;
    assert_eq!(kept.matches(": ok, ").count(), 2, "{kept}");
    // What is unknown keeps no budget.
    sandbox.run(&["footprint", "venv", "--budget", "download=1TB"]).expect_code(1);
    sandbox.run(&["footprint", "venv", "--budget", "much"]).expect_error(2, &["--budget"]);
    sandbox.run(&["footprint", "venv", "--target", "plan9/mips"]).expect_error(2, &["no platform"]);
    sandbox.run(&["footprint", "nowhere"]).expect_error(3, &["cannot read `nowhere`"]);
    sandbox.file("notes.txt", "nothing to measure");
    sandbox.run(&["footprint", "notes.txt"]).expect_error(3, &["`notes.txt`"]);
}

#[test]
fn what_cannot_be_read_is_named_and_the_rest_measured() {
    let sandbox = Sandbox::new();
    environment(&sandbox);
    let site = sandbox.path("venv/lib/python3.12/site-packages");
    fs::remove_file(site.join("sympy-1.0.dist-info/RECORD")).expect("it was there");
    fs::write(site.join("torch-1.0.dist-info/RECORD"), "torch.py,,\n../../../../../../etc/passwd,,\n")
        .expect("written");
    fs::write(site.join("app-1.0.dist-info/METADATA"), b"Name: app\nVersion: \xff\nRequires-Dist: ?\n")
        .expect("written");
    let shown = sandbox.run(&["footprint", "venv"]).expect_code(0).stdout;
    for part in ["no RECORD", "etc/passwd`, outside", "does not start with the name of a package", "sympy 1.0"] {
        assert!(shown.contains(part), "`{part}` is not in {shown}");
    }
}
