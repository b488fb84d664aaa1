//! Lock files of uv, PEP 751, npm and Cargo: who needs whom, what is downloaded, and what is not known.

use libellus_footprint::python::environment::Target;
use libellus_footprint::python::platform::Python;
use libellus_footprint::report::{PackageRow, html, terminal::View};
use libellus_footprint::{Error, Measured, Options, measure};
use std::fs;

/// Measures a lock with this name and text, for a platform.
fn look(name: &str, text: impl AsRef<[u8]>, platform: &str) -> Result<Measured, Error> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(name);
    fs::write(&path, text).expect("written");
    let target = Target { platform: Some(platform.parse().expect("a platform")), python: None };
    measure(&path, &Options { target, ..Options::default() })
}

fn row<'m>(measured: &'m Measured, name: &str) -> &'m PackageRow {
    let row = measured.report.packages.iter().find(|row| row.name == name);
    row.unwrap_or_else(|| panic!("{name} in {:?}", names(measured)))
}

fn names(measured: &Measured) -> Vec<&str> {
    measured.report.packages.iter().map(|row| row.name.as_str()).collect()
}

const UV: &str = r#"
version = 1
requires-python = ">=3.11"
resolution-markers = ["sys_platform == 'linux'", "sys_platform != 'linux'"]

[[package]]
name = "app"
version = "0.1.0"
source = { virtual = "." }
dependencies = [
    { name = "torch", version = "2.9.0", source = { registry = "x" }, marker = "sys_platform != 'linux'" },
    { name = "torch", version = "2.9.0+cu1", source = { registry = "x" }, marker = "sys_platform == 'linux'" },
    { name = "web", extra = ["fast"] },
    { name = "colour", marker = "sys_platform == 'win32'" },
]
[package.optional-dependencies]
never = [{ name = "unasked" }]
[package.dev-dependencies]
dev = [{ name = "pytest" }]

[[package]]
name = "torch"
version = "2.9.0"
source = { registry = "x" }
resolution-markers = ["sys_platform != 'linux'"]
wheels = [
    { url = "https://x/torch-2.9.0-cp311-none-macosx_11_0_arm64.whl", hash = "sha256:0", size = 74000000 },
]

[[package]]
name = "torch"
version = "2.9.0+cu1"
source = { registry = "x" }
resolution-markers = ["sys_platform == 'linux'"]
dependencies = [{ name = "nvidia-cublas" }, { name = "shared" }]
wheels = [
    { url = "https://x/torch-2.9.0%2Bcu1-cp311-cp311-manylinux_2_28_x86_64.whl", size = 900000000 },
    { url = "https://x/torch-2.9.0%2Bcu1-cp312-cp312-manylinux_2_28_x86_64.whl", size = 910000000 },
    { url = "https://x/torch-2.9.0%2Bcu1-cp311-cp311-manylinux_2_28_aarch64.whl", size = 100000000 },
]

[[package]]
name = "nvidia-cublas"
version = "13"
source = { registry = "x" }
dependencies = [{ name = "torch", version = "2.9.0+cu1", marker = "sys_platform == 'linux'" }]
wheels = [{ url = "https://x/nvidia_cublas-13-py3-none-manylinux_2_27_x86_64.whl", size = 500000000 }]

[[package]]
name = "web"
version = "3.0"
source = { registry = "x" }
dependencies = [{ name = "shared" }]
sdist = { url = "https://x/web-3.0.tar.gz", size = 700 }
wheels = [{ url = "https://x/web-3.0-py3-none-any.whl", size = 400 }]
[package.optional-dependencies]
fast = [{ name = "uvloop" }]
slow = [{ name = "unasked" }]

[[package]]
name = "shared"
version = "1"
source = { registry = "x" }
sdist = { url = "https://x/shared-1.tar.gz", size = 30 }

[[package]]
name = "uvloop"
version = "1"
source = { git = "https://x/uvloop?rev=1" }

[[package]]
name = "unasked"
version = "1"
source = { registry = "x" }

[[package]]
name = "colour"
version = "1"
source = { registry = "x" }
wheels = [{ url = "https://x/colour-1-py3-none-any.whl", size = 5 }]

[[package]]
name = "pytest"
version = "9"
source = { registry = "x" }
dependencies = [{ name = "colour", marker = "sys_platform == 'win32'" }, { name = "shared" }]
wheels = [{ url = "https://x/pytest-9-py3-none-any.whl", size = 20 }]
"#;

#[test]
fn uv_says_what_each_platform_downloads_and_why() {
    let linux = look("uv.lock", UV, "linux/amd64").expect("read");
    assert_eq!(names(&linux), ["app", "nvidia-cublas", "pytest", "shared", "torch", "uvloop", "web"]);
    let torch = row(&linux, "torch");
    assert_eq!((torch.version.as_str(), torch.content, torch.retained), ("2.9.0+cu1", None, None), "unknown, not 0");
    assert_eq!((torch.download, torch.retained_download), (Some(900_000_000), Some(1_400_000_000)));
    assert_eq!(row(&linux, "web").download, Some(400), "a wheel rather than the source");
    assert_eq!(row(&linux, "web").retained_download, None, "what its extra brings is unknown");
    assert_eq!(row(&linux, "web").required_by[0].requirement, "web[fast]");
    assert_eq!(row(&linux, "shared").download, Some(30));
    assert!(row(&linux, "pytest").dev && !row(&linux, "shared").dev);
    let meters = linux.report.meters;
    assert_eq!((meters.download, meters.content, meters.disk), (None, None, None), "a part of it is unknown");
    assert_eq!(linux.report.target.python.as_deref(), Some("3.11"), "the oldest that the lock is for");
    assert_eq!(linux.why("nvidia-cublas").expect("there").way, ["torch", "nvidia-cublas"]);
    assert_eq!(linux.report.problems, []);

    let mac = look("uv.lock", UV.replace("fast\"]", "none\"]"), "darwin/arm64").expect("read");
    assert_eq!(names(&mac), ["app", "pytest", "shared", "torch", "web"]);
    assert_eq!(mac.report.meters.download, Some(74_000_000 + 400 + 30 + 20));
    let windows = look("uv.lock", UV, "windows/amd64").expect("read");
    assert!(names(&windows).contains(&"colour"));
    let reasons: Vec<&str> = windows.report.problems.iter().map(|problem| problem.reason.as_str()).collect();
    assert_eq!(reasons, ["`torch` has no file for windows/amd64"]);

    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("uv.lock");
    fs::write(&path, UV).expect("written");
    let target = Target { platform: None, python: Some(Python { major: 3, minor: 12 }) };
    let newer = measure(&path, &Options { target, ..Options::default() }).expect("read");
    assert_eq!(row(&newer, "torch").download, Some(910_000_000));
    let page = html::page(&newer, "1", View::default()).expect("a page");
    assert!(page.contains("as they are downloaded") && page.contains("torch 2.9.0+cu1"), "{page}");
}

#[test]
fn pylock_lists_what_is_installed_whoever_asked() {
    let text = r#"
lock-version = "1.0"
requires-python = ">=3.12"
[[packages]]
name = "attrs"
version = "25.1.0"
dependencies = [{ name = "cattrs" }, { name = "lost" }]
wheels = [{ name = "attrs-25.1.0-py3-none-any.whl", url = "https://x/attrs-25.1.0-py3-none-any.whl", size = 63152 }]
[[packages]]
name = "cattrs"
version = "24.1.2"
marker = "python_version >= '3.12'"
wheels = [{ url = "https://x/cattrs-24.1.2-py3-none-any.whl", size = 66446 }]
[[packages]]
name = "old"
marker = "python_version < '3.12'"
[[packages]]
name = "odd"
version = "1"
marker = "'dev' ~~ extras"
archive = { url = "https://x/odd.zip", size = 7 }
[[packages]]
version = "9"
"#;
    for name in ["pylock.toml", "pylock.deploy.toml"] {
        let measured = look(name, text, "linux/amd64").expect("read");
        assert_eq!(names(&measured), ["attrs", "cattrs", "odd"]);
        assert_eq!(row(&measured, "attrs").retained_download, Some(63_152 + 66_446));
        assert_eq!(measured.report.meters.download, Some(63_152 + 66_446 + 7));
        let problems: Vec<&str> = measured.report.problems.iter().map(|problem| problem.path.as_str()).collect();
        assert_eq!(problems, ["line 20", "line 22", "line 7"], "{:?}", measured.report.problems);
    }
}

const NPM: &str = r#"{"name": "shop", "lockfileVersion": 3, "packages": {
  "": {"dependencies": {"web": "^1", "part": "*"}, "devDependencies": {"eslint": "9"}, "optionalDependencies": {"esbuild": "*"}},
  "node_modules/web": {"version": "1.0.0", "resolved": "https://x/web.tgz", "dependencies": {"left": "^1"}},
  "node_modules/web/node_modules/left": {"version": "1.0.0"},
  "node_modules/left": {"version": "2.0.0"},
  "node_modules/eslint": {"version": "9.0.0", "dev": true, "dependencies": {"left": "2"}},
  "node_modules/esbuild": {"version": "0.2.0", "optionalDependencies": {"@esbuild/linux-x64": "*", "@esbuild/darwin-arm64": "*"}},
  "node_modules/@esbuild/linux-x64": {"version": "0.2.0", "os": ["linux"], "cpu": ["x64"], "optional": true},
  "node_modules/@esbuild/darwin-arm64": {"version": "0.2.0", "os": ["darwin"], "cpu": ["arm64"], "optional": true},
  "node_modules/notwindows": {"version": "1.0.0", "os": ["!win32"]},
  "node_modules/part": {"resolved": "packages/part", "link": true},
  "packages/part": {"version": "0.1.0", "dependencies": {"left": "2"}},
  "node_modules/../../../etc": {"version": "1"}
}}"#;

#[test]
fn npm_says_who_needs_whom_and_no_sizes() {
    // Some editors write a mark of the order of bytes, which npm reads over.
    for (name, mark) in [("package-lock.json", ""), ("npm-shrinkwrap.json", "\u{feff}")] {
        let linux = look(name, format!("{mark}{NPM}"), "linux/amd64").expect("read");
        let expected = ["@esbuild/linux-x64", "esbuild", "eslint", "left", "left", "notwindows", "part", "web"];
        assert_eq!(names(&linux), expected);
        assert_eq!((row(&linux, "web").download, row(&linux, "web").content), (None, None));
        assert_eq!(row(&linux, "web").requires, ["left"]);
        assert_eq!(row(&linux, "part").editable.as_deref(), Some("packages/part"));
        assert!(row(&linux, "eslint").dev && !row(&linux, "web").dev);
        assert_eq!(linux.report.meters, Default::default(), "nothing is guessed");
        let problems: Vec<&str> = linux.report.problems.iter().map(|problem| problem.path.as_str()).collect();
        assert_eq!(problems, ["node_modules/../../../etc"]);
    }
    let mac = look("package-lock.json", NPM, "darwin/arm64").expect("read");
    assert!(names(&mac).contains(&"@esbuild/darwin-arm64") && !names(&mac).contains(&"@esbuild/linux-x64"));
    assert!(!names(&look("package-lock.json", NPM, "windows/amd64").expect("read")).contains(&"notwindows"));
}

/// The lock of this very repository: members need everything in it.
#[test]
fn cargos_own_lock_is_read_whole() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.lock");
    let text = fs::read_to_string(&path).expect("it is there");
    let measured = measure(&path, &Options::default()).expect("read");
    assert_eq!(measured.report.packages.len(), text.matches("[[package]]").count());
    assert_eq!(measured.report.problems, []);
    let own = row(&measured, "libellus-footprint");
    assert!(own.direct && own.download == Some(0));
    let serde = row(&measured, "serde_json");
    assert!(serde.download.is_none() && serde.required_by.iter().any(|by| by.name == "libellus-footprint"));
    assert_eq!(measured.why("toml").expect("there").way.first().map(String::as_str), Some("libellus-footprint"));
}

#[test]
fn what_is_no_lock_is_said() {
    let bad = |name: &str, text: &[u8]| match look(name, text, "linux/amd64") {
        Err(Error::UnknownTarget { reason, .. }) => reason,
        Err(other) => panic!("{other}"),
        Ok(measured) => panic!("{:?}", names(&measured)),
    };
    for (name, text, part) in [
        ("uv.lock", &b"[[package]\n"[..], "line 1"),
        ("uv.lock", b"version = 1\n", "no list `package`"),
        ("uv.lock", b"# \xff", "byte 2 is not UTF-8"),
        ("pylock.toml", b"[[package]]\nname = 'a'\n", "no list `packages`"),
        ("package-lock.json", b"{", "no JSON"),
        ("package-lock.json", b"{\"lockfileVersion\": 1, \"dependencies\": {}}", "npm 7"),
        ("Cargo.lock", b"", "no packages"),
        ("package.json", b"{}", "nor a lock file by its name (uv.lock, "),
    ] {
        let reason = bad(name, text);
        assert!(reason.contains(part), "{name}: {reason}");
    }
    // What can be read of one that is damaged is.
    let cargo = "[[package]]\nname = 'a'\nversion = '1'\ndependencies = ['b', 'c 2']\n[[package]]\nname = 'b'\nversion = '1'\n\
                 source = 'r'\ndependencies = ['a']\n[[package]]\nname = 5\n";
    let measured = look("Cargo.lock", cargo, "linux/amd64").expect("read");
    assert_eq!(names(&measured), ["a", "b"]);
    assert_eq!(measured.report.problems.len(), 2, "{:?}", measured.report.problems);
    // Folders that take a hundred times as much memory as their names.
    let paths: Vec<String> = (0..600).map(|at| format!("\"{at}/{}\": {{}}", "a/".repeat(500))).collect();
    let reason = bad("package-lock.json", format!("{{\"packages\": {{{}}}}}", paths.join(", ")).as_bytes());
    assert!(reason.contains("folders"), "{reason}");
    // A path deep enough to exhaust a stack, and one that is a file and a folder.
    let deep = "a/".repeat(100_000);
    let npm = format!(
        "{{\"packages\": {{\"{deep}\": {{}}, \"node_modules/x\": {{\"link\": true, \"resolved\": \"y\"}}, \"node_modules/x/node_modules/z\": {{}}}}}}"
    );
    assert!(look("package-lock.json", npm, "linux/amd64").is_ok());
}

/// A lock of a large project has as many wheels: to find the line of each must not mean to read all before it.
#[test]
fn a_large_lock_is_read_at_once() {
    let package = |number: usize| {
        let wheel = |minor: usize| {
            format!(
                "  {{ url = \"https://x/p{number}-1-cp3{minor}-cp3{minor}-manylinux_2_17_x86_64.whl\", size = {minor} }},\n"
            )
        };
        let wheels: String = (0..20).map(wheel).collect();
        format!("[[package]]\nname = \"p{number}\"\nversion = \"1\"\nwheels = [\n{wheels}]\n")
    };
    let lock: String = (0..1200).map(package).collect();
    let started = std::time::Instant::now();
    let measured = look("uv.lock", lock, "linux/amd64").expect("read");
    assert_eq!((measured.report.packages.len(), row(&measured, "p7").download), (1200, Some(12)));
    assert!(started.elapsed().as_secs() < 10, "{:?}", started.elapsed());
}

/// Each would take a minute and more if every package were compared with every other.
#[test]
fn rings_and_what_everybody_needs_are_no_trouble() {
    let package = |name: &str, needs: &str| {
        format!("[[package]]\nname = \"{name}\"\nversion = \"1\"\nsource = \"x\"\ndependencies = [{needs}]\n")
    };
    let count = 60_000;
    let ring = |at: usize| {
        package(&format!("a{at}"), &format!("\"b{at}\"")) + &package(&format!("b{at}"), &format!("\"a{at}\""))
    };
    let popular = |at: usize| package(&format!("c{at}"), "\"all\"");
    let needs: String = (0..count).map(|at| format!("\"c{at}\", ")).collect();
    let started = std::time::Instant::now();
    for lock in [(0..count).map(ring).collect(), (0..count).map(popular).collect::<String>() + &package("all", &needs)]
    {
        let measured = look("Cargo.lock", lock, "linux/amd64").expect("read");
        assert!(measured.report.packages.len() > count, "{}", measured.report.packages.len());
    }
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}

#[test]
fn sizes_and_tags_that_are_made_up_are_no_trouble() {
    let wheel = |name: &str, tags: &str, size: u64| {
        format!(
            "[[package]]\nname = \"{name}\"\nversion = \"1\"\nwheels = [{{ url = \"https://x/{name}-1-{tags}.whl\", size = {size} }}]\n"
        )
    };
    let most = i64::MAX as u64;
    let lock: String = ["a", "b", "c"].map(|name| wheel(name, "py3-none-any", most)).concat();
    let measured = look("uv.lock", lock, "linux/amd64").expect("read");
    let sizes = ["a", "b", "c"].map(|name| row(&measured, name).download);
    assert_eq!(sizes, [Some(most), Some(most), None], "what cannot be added up is not known");
    assert_eq!(measured.report.meters.download, None);
    let problems: Vec<String> = measured.report.problems.iter().map(|one| format!("{one:?}")).collect();
    assert!(problems.len() == 1 && problems[0].contains("more than can be added up"), "{problems:?}");

    let huge = u32::MAX;
    for (requires, tags, platform) in [
        ("3.9", format!("py3-none-manylinux_{huge}_17_x86_64"), "linux/amd64"),
        ("3.9", format!("py3-none-manylinux_2_{huge}_x86_64"), "linux/amd64"),
        ("3.9", format!("py3-none-macosx_{huge}_{huge}_arm64"), "darwin/arm64"),
        (&format!("3.{huge}"), format!("cp3{huge}-abi3-any"), "linux/amd64"),
    ] {
        let lock = format!("requires-python = \">={requires}\"\n{}", wheel("a", &tags, 5));
        let measured = look("uv.lock", lock, platform).expect("read");
        assert_eq!(measured.report.packages.len(), 1, "{tags}");
    }
}
