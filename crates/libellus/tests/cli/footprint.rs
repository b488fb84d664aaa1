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

/// A project with a mistake in its ignore file and one in its Dockerfile.
fn project(sandbox: &Sandbox) {
    fs::create_dir_all(sandbox.path("shop/app/__pycache__")).expect("made");
    sandbox.file("shop/Dockerfile", "FROM python:3.12-slim\nCOPY . .\nCMD [\"python\", \"-m\", \"app\"]\n");
    sandbox.file("shop/.dockerignore", "__pycache__/\n");
    sandbox.file("shop/app/__init__.py", "");
    sandbox.file("shop/app/__pycache__/__init__.cpython-312.pyc", "bytecode");
}

#[test]
fn mistakes_have_lines_pages_and_comments_that_accept_them() {
    let sandbox = Sandbox::new();
    project(&sandbox);
    let shown = sandbox.run(&["footprint", "shop"]).expect_code(1).stdout;
    for part in ["error F102 .dockerignore:1", "error F114 Dockerfile:3", "→ `**/__pycache__`", "2 errors, 0 warnings"]
    {
        assert!(shown.contains(part), "`{part}` is not in {shown}");
    }
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    let sarif = sandbox.run(&["footprint", "shop", "--sarif"]).expect_code(1).json();
    let results = sarif["runs"][0]["results"].as_array().expect("a list");
    assert_eq!(results.len(), 2, "{sarif}");
    assert_eq!(results[0]["locations"][0]["physicalLocation"]["region"]["startLine"], 1);
    let rules = sarif["runs"][0]["tool"]["driver"]["rules"].as_array().expect("a list");
    assert_eq!(rules[results[0]["ruleIndex"].as_u64().expect("a number") as usize]["id"], "F102");

    let page = sandbox.run(&["footprint", "explain", "f102"]).expect_code(0).stdout;
    assert!(page.contains("ignore=F102") && page.contains("What to do"), "{page}");
    assert!(sandbox.run(&["footprint", "explain"]).expect_code(0).stdout.lines().count() > 25);
    sandbox.run(&["footprint", "explain", "F999"]).expect_error(2, &["no such check"]);

    sandbox.file("shop/.dockerignore", "# footprint: ignore=F102 nothing nested yet\n__pycache__/\n");
    sandbox.file("shop/Dockerfile", "FROM python:3.12-slim\nCOPY . .\nUSER 1000\nCMD [\"python\", \"-m\", \"app\"]\n");
    let report = sandbox.run(&["footprint", "shop", "--json"]).expect_code(0).json();
    assert_eq!((&report["accepted"], report["findings"].as_array().map(Vec::len)), (&1.into(), Some(0)), "{report}");
}

#[test]
fn the_plan_and_the_difference_are_shown() {
    let sandbox = Sandbox::new();
    environment(&sandbox);
    fs::write(sandbox.path("venv/lib/python3.12/site-packages/torch.pyi"), [b'#'; 5000]).expect("written");
    let plan = sandbox.run(&["footprint", "venv", "--no-gpu", "--plan"]).expect_code(0).stdout;
    assert!(plan.contains("F201 CPU-only torch") && plan.contains("computed"), "{plan}");
    assert!(plan.lines().all(|line| line.chars().count() <= 80), "{plan}");

    let before = sandbox.run(&["footprint", "venv", "--json"]).expect_code(0).stdout;
    sandbox.file("before.json", before);
    install(&sandbox.path("venv/lib/python3.12/site-packages"), "numpy", &[], 70_000);
    let shown = sandbox.run(&["footprint", "diff", "before.json", "venv"]).expect_code(0).stdout;
    assert!(shown.contains("| content |") && shown.contains("| `numpy` | – | 70 kB | +70 kB |"), "{shown}");
    let over = sandbox.run(&["footprint", "diff", "before.json", "venv", "--budget", "1kB"]).expect_code(1).stdout;
    assert!(over.contains("FAIL, over by"), "{over}");
    sandbox.file("other.json", "{}");
    sandbox.run(&["footprint", "diff", "other.json", "venv"]).expect_error(3, &["no report of `--json`"]);
}

#[test]
fn what_can_be_mended_is_shown_first_and_written_only_when_told() {
    let sandbox = Sandbox::new();
    project(&sandbox);
    let shown = sandbox.run(&["footprint", "shop", "--fix"]).expect_code(1).stdout;
    for part in ["--- a/.dockerignore", "-__pycache__/", "+**/__pycache__", "nothing was written"] {
        assert!(shown.contains(part), "`{part}` is not in {shown}");
    }
    assert_eq!(fs::read_to_string(sandbox.path("shop/.dockerignore")).expect("there"), "__pycache__/\n");
    // Who runs it as root still has to decide something.
    sandbox.run(&["footprint", "shop", "--fix", "--yes"]).expect_code(1);
    assert_eq!(fs::read_to_string(sandbox.path("shop/.dockerignore")).expect("there"), "**/__pycache__\n");
    let left = sandbox.run(&["footprint", "shop", "--json"]).json();
    assert_eq!(left["findings"][0]["id"], "F114", "{left}");
    let again = sandbox.run(&["footprint", "shop", "--fix", "--yes"]).expect_code(1).stdout;
    assert!(again.contains("nothing here can be mended"), "{again}");
}

#[test]
fn a_project_holds_itself_to_what_its_file_says() {
    let sandbox = Sandbox::new();
    environment(&sandbox);
    sandbox.file(
        "venv/footprint.toml",
        "ignore = [\"F201\"]\n[budget]\ncontent = \"10MB\"\n[budget.package]\ntriton = 0\n",
    );
    let shown = sandbox.run(&["footprint", "venv"]).expect_code(1).stdout;
    assert!(shown.contains("content: ok") && shown.contains("package triton: FAIL, over by 500 kB"), "{shown}");
    assert!(!shown.contains("F201"), "{shown}");
    sandbox.file("venv/footprint.toml", "[budget]\ngrowth = \"2%\"\n");
    let before = sandbox.run(&["footprint", "venv", "--json"]).expect_code(0).stdout;
    sandbox.file("before.json", before);
    sandbox.run(&["footprint", "diff", "before.json", "venv"]).expect_code(0);
    install(&sandbox.path("venv/lib/python3.12/site-packages"), "numpy", &[], 70_000);
    let grown = sandbox.run(&["footprint", "diff", "before.json", "venv"]).expect_code(1).stdout;
    assert!(grown.contains("growth of content by at most 2 %: FAIL"), "{grown}");
    sandbox.file("venv/footprint.toml", "[budget]\nram = 1\n");
    sandbox.run(&["footprint", "venv"]).expect_error(2, &["footprint.toml", "line 2"]);
}

#[test]
fn a_page_is_one_file_the_same_each_time_and_names_stay_names() {
    let sandbox = Sandbox::new();
    environment(&sandbox);
    let site = sandbox.path("venv/lib/python3.12/site-packages");
    let hostile = "</script><img src=x onerror=alert(1)>";
    fs::create_dir_all(site.join("<")).expect("made");
    fs::write(site.join(hostile), [0; 60_000]).expect("written");
    fs::write(site.join("a\u{1b}[2J\"'&amp;\u{202e}`${x}`"), [0; 60_000]).expect("written");
    let metadata = "Name: app\nVersion: 1</script><script>alert(2)</script>\nRequires-Dist: torch\n";
    fs::write(site.join("app-1.0.dist-info/METADATA"), metadata).expect("written");
    let shown = sandbox.run(&["footprint", "venv", "--plan", "--html", "page.html"]).expect_code(0).stdout;
    assert!(shown.contains("RETAINED") && shown.contains("PLAN"), "the terminal is told as well: {shown}");
    let page = fs::read_to_string(sandbox.path("page.html")).expect("there");
    sandbox.run(&["footprint", "venv", "--html", "again.html"]).expect_code(0);
    assert_eq!(page, fs::read_to_string(sandbox.path("again.html")).expect("there"), "the same each time");
    assert_eq!(page, sandbox.run(&["footprint", "venv", "--html", "-"]).expect_code(0).stdout);

    // Its own style and script, the data, and nothing that a name has put there.
    let count = |part: &str| page.matches(part).count();
    assert_eq!(
        (count("<script"), count("</script>"), count("<style>"), count("<img"), count("<link")),
        (2, 2, 1, 0, 1)
    );
    assert!(!page.contains(['\u{1b}', '\u{202e}']) && !page.contains("alert(2)</script>"), "{page}");
    for outside in ["http:", "https:", "src=", "@import", "url(", "unsafe-"] {
        assert!(!page.replace("src=x", "").contains(outside), "`{outside}` is in the page");
    }
    let data = page.split_once("id=\"data\">").and_then(|(_, rest)| rest.split_once("</script>")).expect("data").0;
    let data: serde_json::Value = serde_json::from_str(data).expect("JSON");
    let names = data.to_string();
    assert!(names.contains(hostile) && names.contains("\\\\u{202e}"), "{names}");
    assert_eq!(data.as_array().map(Vec::len), Some(3), "by package, reason and folder");
    // Whoever has no script reads tables.
    for row in ["torch 1.0", "app 1&lt;/script&gt;", "sympy 1.0", "lib/", "asked for"] {
        let row = row.replace("&lt;", "&#60;").replace("&gt;", "&#62;");
        assert!(page.contains(&row), "`{row}` is not in the page");
    }

    sandbox.run(&["footprint", "venv", "--html", "."]).expect_error(2, &["is a directory"]);
    sandbox.run(&["footprint", "venv", "--html", "none/page.html"]).expect_error(1, &["cannot write `none/page.html`"]);
    sandbox.run(&["footprint", "diff", "venv", "venv", "--html", "x.html"]).expect_error(2, &["a page of one target"]);
    sandbox.run(&["footprint", "explain", "F102", "--html", "x.html"]).expect_error(2, &["a page of one target"]);
    assert!(!sandbox.path("x.html").exists());
}

#[test]
fn the_page_of_a_project_has_its_plan_and_findings_with_evidence() {
    let sandbox = Sandbox::new();
    project(&sandbox);
    let page = sandbox.run(&["footprint", "shop", "--html", "-"]).expect_code(1).stdout;
    for part in
        ["class=\"finding error\"", "F102 <code>.dockerignore:1</code>", "<code>**/__pycache__</code>", "2 errors"]
    {
        assert!(page.contains(part), "`{part}` is not in {page}");
    }
}

#[test]
fn node_modules_and_locks_are_targets() {
    let sandbox = Sandbox::new();
    fs::create_dir_all(sandbox.path("shop/node_modules/web")).expect("made");
    sandbox.file("shop/package.json", r#"{"devDependencies": {"web": "1"}}"#);
    sandbox.file("shop/node_modules/web/package.json", r#"{"version": "1.2.3"}"#);
    sandbox.file("shop/node_modules/web/index.js", [b'/'; 30_000]);
    let shown = sandbox.run(&["footprint", "shop/node_modules"]).expect_code(0).stdout;
    for part in ["node_modules, 1 package", "web 1.2.3", "for developers", "warning F211", "npm ci --omit=dev"] {
        assert!(shown.contains(part), "`{part}` is not in {shown}");
    }
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");

    let lock = |size: &str| {
        format!(
            "version = 1\n[[package]]\nname = \"app\"\nversion = \"1\"\nsource = {{ virtual = \".\" }}\n\
             dependencies = [{{ name = \"torch\" }}]\n[[package]]\nname = \"torch\"\nversion = \"2\"\n\
             wheels = [{{ url = \"https://x/torch-2-py3-none-any.whl\"{size} }}]\n"
        )
    };
    sandbox.file("uv.lock", lock(", size = 5000000"));
    let shown = sandbox.run(&["footprint", "uv.lock"]).expect_code(0).stdout;
    for part in ["lock file for linux/amd64", "content unknown", "download 5.0 MB", "asked for; app", "is downloaded"] {
        assert!(shown.contains(part), "`{part}` is not in {shown}");
    }
    let json = sandbox.run(&["footprint", "uv.lock", "--json"]).expect_code(0).json();
    assert!(json["packages"][1]["content"].is_null() && json["packages"][1]["download"] == 5_000_000, "{json}");
    sandbox.run(&["footprint", "uv.lock", "--budget", "package.torch=4MB"]).expect_code(1);
    sandbox.run(&["footprint", "uv.lock", "--budget", "download=5MB"]).expect_code(0);
    fs::create_dir_all(sandbox.path("before")).expect("made");
    sandbox.file("before/uv.lock", lock(""));
    let changed = sandbox.run(&["footprint", "diff", "before/uv.lock", "uv.lock"]).expect_code(0).stdout;
    assert!(changed.contains("| download | unknown | 5.0 MB | unknown |"), "{changed}");
    sandbox.run(&["footprint", "before/uv.lock", "--budget", "package.torch=0"]).expect_code(1);
    sandbox.file("package-lock.json", "{}");
    sandbox.run(&["footprint", "package-lock.json"]).expect_error(3, &["no lock file", "npm 7"]);
}
