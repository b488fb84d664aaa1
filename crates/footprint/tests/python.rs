//! Python packages, beside what Python itself says of them: its library `packaging` of versions and markers, its module
//! `importlib.metadata` of files, and `du` of sizes.
//!
//! They run where `LIBELLUS_TEST_PYTHON_PACKAGES` names a folder that pip installed packages into (`cargo xtask test`
//! makes one), and say that they skip where it does not.

use libellus_footprint::python::marker::Marker;
use libellus_footprint::python::platform::{Environment, Platform, Python};
use libellus_footprint::python::version::{Specifier, Version};
use libellus_footprint::{Options, measure};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The folder, if there is one.
fn installed() -> Option<PathBuf> {
    let folder = std::env::var_os("LIBELLUS_TEST_PYTHON_PACKAGES").map(PathBuf::from);
    if folder.is_none() {
        eprintln!("skipped: LIBELLUS_TEST_PYTHON_PACKAGES names no folder of Python packages");
    }
    folder
}

/// What a script prints for this input.
fn python(folder: &Path, script: &str, input: &str) -> String {
    // Without `site`: what a machine runs at each start of Python may change the packages that are being measured.
    let mut command = Command::new("python3");
    let script = format!("import sys; sys.path.insert(0, {:?})\n{script}", folder.display().to_string());
    command.args(["-S", "-B", "-c", &script]);
    let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("Python starts");
    let mut stdin = process.stdin.take().expect("piped");
    let input = input.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()).expect("it reads"));
    let output = process.wait_with_output().expect("it ends");
    writer.join().expect("written");
    assert!(output.status.success(), "the script failed");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// `count` values of a strategy, the same each time.
fn samples<T: std::fmt::Debug>(strategy: impl Strategy<Value = T>, count: usize) -> Vec<T> {
    let mut runner = TestRunner::deterministic();
    (0..count).map(|_| strategy.new_tree(&mut runner).expect("a value").current()).collect()
}

/// Versions of every shape, and a few that are none.
fn versions() -> impl Strategy<Value = String> {
    "(v|0!|1!)?[0-3](\\.[0-3]){0,3}([-_.]?(a|b|rc|alpha|c|pre)[-_.]?[0-2]?)?(([-_.]?(post|r|rev)[-_.]?[0-2]?)|-[0-2])?([-_.]?dev[-_.]?[0-2]?)?(\\+[a-c0-2]{1,2}([-_.][a-c0-2]{1,2})?)?"
}

#[test]
fn versions_are_compared_as_packaging_does() {
    let Some(folder) = installed() else { return };
    let pairs = samples((versions(), versions()), 4000);
    let input: String = pairs.iter().map(|(a, b)| format!("{a}\t{b}\n")).collect();
    let script = "\
import sys
from packaging.version import Version, InvalidVersion
for line in sys.stdin:
    try:
        a, b = map(Version, line.rstrip('\\n').split('\\t'))
        print('<' if a < b else '>' if a > b else '=')
    except InvalidVersion:
        print('invalid')
";
    for ((a, b), theirs) in pairs.iter().zip(python(&folder, script, &input).lines()) {
        let ours = match (Version::parse(a), Version::parse(b)) {
            (Some(a), Some(b)) => ["<", "=", ">"][(a.cmp(&b) as i8 + 1) as usize],
            _ => "invalid",
        };
        assert_eq!(ours, theirs, "{a} and {b}");
    }
}

#[test]
fn conditions_hold_as_packaging_says() {
    let Some(folder) = installed() else { return };
    let operator = prop::sample::select(vec!["==", "!=", "<=", ">=", "<", ">", "~=", "==="]);
    let suffix = prop::sample::select(vec!["", "", "", ".*"]);
    let cases = samples((operator, versions(), suffix, versions()), 8000);
    let cases: Vec<(String, String)> = cases
        .into_iter()
        .map(|(operator, wanted, suffix, version)| (format!("{operator}{wanted}{suffix}"), version))
        .collect();
    let input: String = cases.iter().map(|(specifier, version)| format!("{specifier}\t{version}\n")).collect();
    let script = "\
import sys
from packaging.specifiers import Specifier, InvalidSpecifier
for line in sys.stdin:
    specifier, version = line.rstrip('\\n').split('\\t')
    try:
        print(Specifier(specifier).contains(version, prereleases=True))
    except InvalidSpecifier:
        print('invalid')
";
    let mut held = 0;
    for ((specifier, version), theirs) in cases.iter().zip(python(&folder, script, &input).lines()) {
        let ours = match Specifier::parse(specifier) {
            Some(specifier) if specifier.contains(version) => "True",
            Some(_) => "False",
            None => "invalid",
        };
        assert_eq!(ours, theirs, "{version} {specifier}");
        held += usize::from(ours == "True");
    }
    assert!(held > 1000, "only {held} of the conditions held: the test says too little");
}

#[test]
fn markers_hold_as_packaging_says() {
    let Some(folder) = installed() else { return };
    let comparison = prop_oneof![
        (
            prop::sample::select(vec!["python_version", "python_full_version", "implementation_version"]),
            prop::sample::select(vec!["==", "!=", "<=", ">=", "<", ">", "~=", "in", "not in"]),
            prop::sample::select(vec!["'3.8'", "\"3.11\"", "'3.12'", "'3.12.0'", "'3.*'", "'3.9 3.12'", "'x'"]),
        ),
        (
            prop::sample::select(vec!["sys_platform", "os_name", "platform_system", "platform_machine", "extra"]),
            prop::sample::select(vec!["==", "!=", "in", "not in", ">="]),
            prop::sample::select(vec![
                "'linux'",
                "'posix'",
                "'Linux'",
                "'x86_64'",
                "'win32'",
                "'Foo_bar'",
                "'foo-bar'"
            ]),
        ),
    ];
    let comparison = comparison.prop_map(|(name, operator, text)| format!("{name} {operator} {text}"));
    let marker = comparison.prop_recursive(4, 12, 3, |inside| {
        (inside.clone(), prop::sample::select(vec!["and", "or"]), inside, any::<bool>()).prop_map(
            |(left, joint, right, brackets)| match brackets {
                true => format!("({left}) {joint} ({right})"),
                false => format!("{left} {joint} {right}"),
            },
        )
    });
    let markers = samples(marker, 4000);
    let script = "\
import sys
from packaging.markers import Marker, UndefinedComparison
environment = dict(os_name='posix', sys_platform='linux', platform_system='Linux', platform_machine='x86_64',
    python_version='3.12', python_full_version='3.12.0', implementation_version='3.12.0',
    implementation_name='cpython', platform_python_implementation='CPython', platform_release='',
    platform_version='', extra='foo.bar')
for line in sys.stdin:
    try:
        print(Marker(line.rstrip('\\n')).evaluate(environment))
    except UndefinedComparison:
        print('undefined')
";
    let environment = Environment { platform: Platform::default(), python: Python { major: 3, minor: 12 } };
    let mut held = 0;
    for (marker, theirs) in markers.iter().zip(python(&folder, script, &markers.join("\n")).lines()) {
        let ours = Marker::parse(marker).expect(marker).holds(&environment, &["foo-bar"]);
        // What `packaging` gives no meaning to does not hold here.
        if theirs != "undefined" {
            assert_eq!(if ours { "True" } else { "False" }, theirs, "{marker}");
        }
        held += usize::from(ours);
    }
    assert!(held > 400, "only {held} of the markers held: the test says too little");
}

#[test]
fn files_and_sizes_are_those_that_python_and_du_see() {
    let Some(folder) = installed() else { return };
    let measured = measure(&folder, &Options::default()).expect("it can be read");
    let packages = measured.packages.as_ref().expect("packages");

    let script = "\
import importlib.metadata as m, os, sys
for d in m.distributions(path=[sys.argv[1] if len(sys.argv) > 1 else sys.stdin.read().strip()]):
    for f in d.files or []:
        path = os.path.normpath(str(f.locate()))
        if os.path.isfile(path):
            print(d.metadata['Name'], path, sep='\\t')
";
    let listed = python(&folder, script, &folder.display().to_string());
    let mut compared = 0;
    for line in listed.lines() {
        let (name, path) = line.split_once('\t').expect("two columns");
        let Ok(path) = Path::new(path).strip_prefix(&folder) else { continue };
        let id = measured.tree.lookup(0, path.to_str().expect("UTF-8")).expect("it is in the tree");
        let owner = packages.owners.of(id).map(|owner| packages.all[owner].name.as_str());
        assert_eq!(owner, Some(libellus_footprint::python::name::normalize(name).as_str()), "{}", path.display());
        compared += 1;
    }
    assert!(compared > 500, "only {compared} files: the test says too little");

    // Every file counts once, and for somebody.
    let sum: u64 = packages.all.iter().map(|package| package.content).sum();
    assert_eq!(Some(sum + packages.unowned), measured.report.meters.content);
    // Bytecode belongs to its source's package: what is left is entry points that pip leaves in `bin`.
    let output = Command::new("du").args(["-s", "-B1"]).arg(&folder).output().expect("du runs");
    let du: u64 =
        String::from_utf8_lossy(&output.stdout).split('\t').next().and_then(|n| n.parse().ok()).expect("a number");
    assert_eq!(measured.report.meters.disk, Some(du));
    let files = Command::new("find").arg(&folder).args(["-type", "f", "-printf", "%s\n"]).output().expect("find runs");
    let bytes: u64 = String::from_utf8_lossy(&files.stdout).lines().filter_map(|line| line.parse::<u64>().ok()).sum();
    assert_eq!(measured.report.meters.content, Some(bytes));

    // requests needs what it says, its extras left out.
    let requests = &packages.all[packages.find("requests").expect("it is installed")];
    let needs: Vec<&str> = requests.requires.iter().map(|index| packages.all[*index].name.as_str()).collect();
    assert_eq!(needs, ["certifi", "charset-normalizer", "idna", "urllib3"]);
    assert!(requests.retained > requests.content);
    let nvtx = &packages.all[packages.find("nvidia_nvtx_cu12").expect("it is installed")];
    assert_eq!(nvtx.retained, nvtx.content);

    let again = measure(&folder, &Options::default()).expect("it can be read");
    let json = |report| serde_json::to_string(report).expect("JSON");
    assert_eq!(json(&measured.report), json(&again.report), "the same target gives the same bytes");
}
