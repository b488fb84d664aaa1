//! Projects as people lay them out: the usual guide with all its traps, one that is well kept, and single mistakes.

use libellus_footprint::checks::{Finding, Severity};
use libellus_footprint::project::Said;
use libellus_footprint::{Measured, Options, measure};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A project of these files.
fn project(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), files);
    folder
}

fn write(root: &Path, files: &[(&str, &str)]) {
    for (path, text) in files {
        let path = root.join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, text).expect("written");
    }
}

fn look(root: &Path) -> Measured {
    measure(root, &Options::default()).expect("it can be read")
}

fn findings(root: &Path) -> Vec<Finding> {
    look(root).report.findings
}

/// Ids of the findings, of errors only or of all.
fn ids(findings: &[Finding], errors_only: bool) -> Vec<&str> {
    let wanted = findings.iter().filter(|finding| !errors_only || finding.severity == Severity::Error);
    wanted.map(|finding| finding.id).collect::<BTreeSet<_>>().into_iter().collect()
}

/// The files of the usual guide, which are not part of this repository.
fn guide() -> Option<PathBuf> {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/guide");
    if !guide.is_dir() {
        eprintln!("skipped: there is no `{}`", guide.display());
        return None;
    }
    Some(guide)
}

/// Copies the guide's files, as its readers lay them out.
fn laid_out(guide: &Path) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for path in ["backend/Dockerfile", "backend/.dockerignore", "backend/requirements.txt"] {
        let to = folder.path().join(path);
        fs::create_dir_all(to.parent().expect("a folder")).expect("made");
        fs::write(to, fs::read(guide.join(path)).expect("it is there")).expect("written");
    }
    folder
}

/// What must be found, and nothing else at the level of errors.
const GUIDE: [&str; 11] = ["F102", "F103", "F104", "F106", "F113", "F114", "F115", "F202", "F204", "F401", "F501"];

#[test]
fn every_trap_of_the_guide_is_caught() {
    let Some(guide) = guide() else { return };
    // Nothing but its files.
    let bare = laid_out(&guide);
    assert_eq!(ids(&findings(bare.path()), true), GUIDE);

    // With an application around them, as the platform builds it.
    let whole = laid_out(&guide);
    let files = [
        ("railway.json", r#"{"build": {"builder": "DOCKERFILE", "dockerfilePath": "backend/Dockerfile"}}"#),
        ("backend/app/__init__.py", "from sentence_transformers import SentenceTransformer\n"),
        ("backend/app/__pycache__/__init__.cpython-312.pyc", "bytecode"),
        ("backend/app/.env", "JWT_SECRET_KEY=hidden"),
        ("backend/app/debug.log", "log"),
        ("README.md", "Books"),
    ];
    write(whole.path(), &files);
    let found = findings(whole.path());
    assert_eq!(ids(&found, true), GUIDE);

    let place = |id: &str| {
        found
            .iter()
            .filter(|finding| finding.id == id)
            .map(Finding::place)
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect::<Vec<_>>()
    };
    // `__pycache__/`, `*.log` and `.env` miss what is nested; the other patterns have nothing to miss here.
    assert_eq!(
        place("F102"),
        ["backend/.dockerignore:2", "backend/.dockerignore:3", "backend/.dockerignore:32", "backend/.dockerignore:36"]
    );
    assert_eq!(place("F104"), ["backend/.dockerignore:1"]);
    assert_eq!(place("F106"), ["backend/Dockerfile:14"]);
    assert_eq!(place("F113"), ["backend/Dockerfile:37"]);
    assert_eq!(place("F115"), ["backend/Dockerfile:24"]);
    assert_eq!(place("F202"), ["backend/requirements.txt:2", "backend/requirements.txt:3"]);
    assert_eq!(place("F501"), ["backend/Dockerfile:40"]);
    // The model: 22,713,216 parameters, 35 bytes each in all formats, 4 in one.
    let formats = found.iter().find(|finding| finding.id == "F401").expect("found");
    assert_eq!(formats.saving.map(|saving| saving.bytes), Some(22_713_216 * 31));
    assert!(found.iter().all(|finding| !format!("{finding:?}").contains("hidden")), "secrets are never shown");
}

/// Mends what can be mended, and looks again.
fn mended(root: &Path) -> Vec<Finding> {
    let measured = look(root);
    libellus_footprint::fix::write(root, &measured.edits()).expect("written");
    findings(root)
}

#[test]
fn after_fixing_the_guide_none_of_the_fixable_is_left() {
    let Some(guide) = guide() else { return };
    let folder = laid_out(&guide);
    let files =
        [("backend/app/__init__.py", "x = 1\n"), ("backend/app/__pycache__/a.pyc", "x"), ("backend/app/.env", "A=b")];
    write(folder.path(), &files);
    let before = fs::read_to_string(folder.path().join("backend/Dockerfile")).expect("there");
    let left = mended(folder.path());
    assert_eq!(ids(&left, true), ["F104", "F106", "F113", "F114", "F115", "F202", "F204", "F401", "F501"]);
    for id in ["F101", "F102", "F103", "F109", "F402"] {
        assert!(!ids(&left, false).contains(&id), "{id}: {left:#?}");
    }
    assert!(look(folder.path()).edits().is_empty(), "there is nothing left to mend");
    // Every line is still as it was, comments too, but for the one that was mended and the one that was added.
    let after = fs::read_to_string(folder.path().join("backend/Dockerfile")).expect("there");
    let added: Vec<&str> = after.lines().filter(|line| !before.contains(line)).collect();
    let option = "RUN apt-get update && apt-get install --no-install-recommends -y \\";
    assert_eq!(added, [option, "ENV HF_HOME=/opt/models"]);
    assert_eq!(after.lines().count(), before.lines().count() + 1);
    // What the application reads is still sent.
    let measured = look(folder.path());
    let build = &measured.project.as_ref().expect("a project").builds[0];
    let source = measured.tree.lookup(0, "backend/app/__init__.py").expect("there");
    assert!(build.sent[source as usize]);
}

/// A backend that does it right.
const CLEAN: [(&str, &str); 7] = [
    (
        "Dockerfile",
        "# syntax=docker/dockerfile:1\nFROM python:3.12-slim AS build\nRUN python -m venv /opt/venv\nENV PATH=/opt/venv/bin:$PATH\nCOPY requirements.txt .\nRUN --mount=type=cache,target=/root/.cache/pip pip install -r requirements.txt\n\nFROM python:3.12-slim\nRUN useradd --system app\nCOPY --from=build /opt/venv /opt/venv\nENV PATH=/opt/venv/bin:$PATH\nWORKDIR /app\nCOPY --chown=app . .\nUSER app\nCMD [\"sh\", \"-c\", \"exec gunicorn --preload -w 4 -b 0.0.0.0:$PORT app:app\"]\n",
    ),
    (".dockerignore", ".git\n**/__pycache__\n**/*.py[cod]\n**/.env\n**/.env.*\n**/.venv\nREADME.md\n"),
    ("requirements.txt", "flask==3.1.0\ngunicorn==23.0.0\n"),
    ("railway.json", r#"{"build": {"dockerfilePath": "Dockerfile"}}"#),
    ("app/__init__.py", "from flask import Flask\napp = Flask(__name__)\n"),
    ("app/__pycache__/__init__.cpython-312.pyc", "bytecode"),
    (".env", "SECRET_KEY=x\n"),
];

#[test]
fn a_well_kept_project_raises_nothing() {
    let folder = project(&CLEAN);
    let report = look(folder.path()).report;
    assert_eq!(report.findings, [], "{:#?}", report.findings);
    assert_eq!(report.problems, []);
}

/// Ignore files that keep everything out and take some back are no mistake, and what is not sent loads nothing.
#[test]
fn a_list_of_what_is_sent_raises_nothing() {
    let folder = project(&CLEAN);
    let files = [
        (".dockerignore", "*\n!requirements.txt\n!app\n**/__pycache__\n"),
        ("tools/check.py", "open('data/x.csv')\n"),
        ("data/x.csv", "1\n"),
        ("target/CACHEDIR.TAG", "Signature: 8a477f597d28d172789f06886806bc55"),
        ("target/Dockerfile", "FROM scratch\nCOPY nothing /\n"),
    ];
    write(folder.path(), &files);
    assert_eq!(findings(folder.path()), []);
}

/// One file of the clean project exchanged, and what that raises.
#[test]
fn each_mistake_raises_its_finding() {
    let dockerfile = CLEAN[0].1;
    let after = |from: &str, to: &str| {
        assert!(dockerfile.contains(from), "{from}");
        dockerfile.replace(from, to)
    };
    let last = "USER app\n";
    let cases: Vec<(&str, &str, String)> = vec![
        ("F101", ".dockerignore", CLEAN[1].1.replace(".git\n", "")),
        ("F102", ".dockerignore", CLEAN[1].1.replace("**/__pycache__\n**/*.py[cod]", "__pycache__/\n*.py[cod]")),
        ("F103", ".dockerignore", CLEAN[1].1.replace("**/.env\n**/.env.*\n", "")),
        ("F104", "Dockerfile.dockerignore", CLEAN[1].1.to_owned()),
        ("F105", ".dockerignore", format!("{}requirements.txt\n", CLEAN[1].1)),
        ("F106", "Dockerfile", after("COPY requirements.txt .", "COPY __init__.py .\nCOPY requirements.txt .")),
        ("F107", "Dockerfile", after("FROM python:3.12-slim\n", "FROM python:3.12\n")),
        ("F108", "Dockerfile", after(last, "RUN apt-get update && apt-get install -y --no-install-recommends gcc && rm -rf /var/lib/apt/lists/*\nUSER app\n").replace("COPY --chown=app . .\n", "") .replace("USER app\n", "COPY --chown=app . .\nUSER app\n")),
        ("F109", "Dockerfile", after("RUN useradd --system app\n", "RUN apt-get update && apt-get install -y libpq5\nRUN useradd --system app\n")),
        ("F110", "Dockerfile", after("RUN useradd --system app\n", "RUN pip install flask==3.1.0\nRUN useradd --system app\n")),
        ("F111", "Dockerfile", after(last, "RUN rm /app/NOTES.txt\nUSER app\n").replace("COPY --chown=app . .", "COPY NOTES.txt /app/\nCOPY --chown=app . .")),
        ("F112", "Dockerfile", after("COPY --chown=app . .", "COPY . .\nRUN chown -R app /app")),
        ("F113", "Dockerfile", after("USER app", "RUN pip install --no-cache-dir -r requirements.txt\nUSER app")),
        ("F114", "Dockerfile", after(last, "")),
        ("F115", "Dockerfile", after("RUN useradd --system app\n", "RUN apt-get update && apt-get install -y --no-install-recommends postgresql-client && rm -rf /var/lib/apt/lists/*\nRUN useradd --system app\n")),
        ("F201", "requirements.txt", "torch==2.6.0\n".to_owned()),
        ("F202", "requirements.txt", "--index-url https://wheels.example/whl/cpu\ntorch==2.0.1\nnumpy<2\n".to_owned()),
        ("F203", "requirements.txt", "--extra-index-url https://wheels.example/whl/cpu\nflask\n".to_owned()),
        ("F204", "requirements.txt", "flask==2.2.5\n".to_owned()),
        ("F205", "requirements.txt", "--index-url https://wheels.example/whl/cpu\nsentence-transformers==5.1.0\n".to_owned()),
        ("F211", "requirements.txt", "flask\npytest\n".to_owned()),
        ("F402", "Dockerfile", after("COPY --chown=app . .\nUSER app", "RUN python -c \"from sentence_transformers import SentenceTransformer as S; SentenceTransformer('x')\"\nCOPY --chown=app . .\nUSER app")),
        ("F406", "app/search.py", "import sentence_transformers\n".to_owned()),
        ("F501", "Dockerfile", after("--preload ", "")),
        ("F503", "Dockerfile", after("$PORT", "5001")),
        ("F503", "app/load.sql", "COPY books FROM '/srv/books.csv' CSV;\n".to_owned()),
    ];
    for (id, path, text) in cases {
        let folder = project(&CLEAN);
        write(folder.path(), &[(".git/objects/pack", "x"), ("NOTES.txt", "Books"), (path, &text)]);
        if id == "F501" {
            write(folder.path(), &[("requirements.txt", "--index-url https://wheels.example/whl/cpu\ntorch==2.6.0\n")]);
        }
        let found = findings(folder.path());
        assert_eq!(ids(&found, false), [id], "{path}:\n{text}\n{found:#?}");
        // And a comment accepts it.
        let place = found[0].clone();
        if place.file.ends_with("Dockerfile") || place.file.ends_with(".txt") || place.file.ends_with("ignore") {
            let whole = fs::read_to_string(folder.path().join(&place.file)).expect("it is there");
            fs::write(folder.path().join(&place.file), format!("{whole}\n# footprint: ignore-file={id} known\n"))
                .expect("written");
            let report = look(folder.path()).report;
            assert_eq!((ids(&report.findings, false), report.accepted), (vec![], found.len()), "{id}");
        }
    }
}

/// What `--fix` makes of a Dockerfile.
fn mended_text(dockerfile: &str) -> String {
    let folder = project(&[("Dockerfile", dockerfile)]);
    let edits = look(folder.path()).edits();
    edits.into_iter().next().map_or_else(|| dockerfile.to_owned(), |edit| edit.after)
}

#[test]
fn fixes_mend_the_command_that_they_are_about() {
    for (run, expected) in [
        (
            "apt-get update && apt-get install -y curl && pip install a && pip install -U b && rm -rf /var/lib/apt/lists/*",
            "apt-get update && apt-get install --no-install-recommends -y curl && pip install --no-cache-dir a && pip install --no-cache-dir -U b && rm -rf /var/lib/apt/lists/*",
        ),
        ("apk add \\\n  curl", "apk add --no-cache \\\n  curl"),
        ("npm ci", "npm ci \\\n    && npm cache clean --force"),
        // What follows a comment is part of it, and the shell takes no `&&` behind a separator.
        ("npm ci # all of them", "npm ci # all of them"),
        ("npm ci ;", "npm ci ;"),
        ("pip 'install' a", "pip 'install' a"),
        // A mistake, and no reason to fail: no package follows.
        ("apt-get -t install", "apt-get -t install --no-install-recommends"),
    ] {
        let text = |run: &str| format!("FROM alpine:3\nRUN {run}\nCMD [\"x\"]\n");
        assert_eq!(mended_text(&text(run)), text(expected), "{run}");
    }
    let other = "# escape=`\nFROM windows\nRUN npm ci\n";
    assert_eq!(mended_text(other), other, "a backslash continues nothing there");
}

#[test]
fn nothing_is_written_where_a_link_leads() {
    let compose = "services:\n  w:\n    build:\n      context: ./link\n      dockerfile: ../Dockerfile\n";
    let dockerfile = "FROM python:3.12-slim\nCOPY . .\nCMD [\"x\"]\n";
    let folder = project(&[("Dockerfile", dockerfile), (".dockerignore", ".env\n"), ("compose.yaml", compose)]);
    #[cfg(unix)]
    std::os::unix::fs::symlink("..", folder.path().join("link")).expect("linked");
    let measured = look(folder.path());
    assert_eq!(measured.edits(), []);
    let reasons: Vec<&str> = measured.report.problems.iter().map(|problem| problem.reason.as_str()).collect();
    assert_eq!(reasons, ["compose.yaml names the context `link`, and there is no such folder"]);
}

#[test]
fn names_with_signs_of_patterns_are_ignored_as_they_are() {
    let folder = project(&[("Dockerfile", "FROM python:3.12-slim\nCOPY . .\n"), ("#a[1]*.sql", ""), ("b.key", "")]);
    let dump = fs::File::options().write(true).open(folder.path().join("#a[1]*.sql")).expect("opened");
    dump.set_len(20_000_000).expect("made long");
    fs::rename(folder.path().join("b.key"), folder.path().join("b[1].key")).expect("renamed");
    let measured = look(folder.path());
    assert_eq!(measured.edits()[0].after, "**/b\\[1].key\n\\#a\\[1]\\*.sql\n");
    libellus_footprint::fix::write(folder.path(), &measured.edits()).expect("written");
    assert_eq!(ids(&findings(folder.path()), false), Vec::<&str>::new());
}

#[test]
fn what_is_included_may_include_more() {
    let folder = project(&[
        ("Dockerfile", "FROM python:3.12-slim\nCOPY . .\nRUN pip install --no-cache-dir -r requirements.txt\n"),
        ("requirements.txt", "-r more/requirements-a.txt\n"),
        ("more/requirements-a.txt", "-r requirements-b.txt\n"),
        ("more/requirements-b.txt", "torch!=2.0.0,==2.0.1\n-r ../requirements.txt\n"),
    ]);
    let found = findings(folder.path());
    assert!(ids(&found, true).contains(&"F202"), "{found:#?}");
}

#[test]
fn what_was_named_and_is_not_there_is_told() {
    let folder = project(&[]);
    let said = Said { dockerfile: Some("prod.Dockerfile".to_owned()), context: None };
    let report = measure(folder.path(), &Options { said, ..Options::default() }).expect("read").report;
    assert_eq!(report.problems[0].path, "prod.Dockerfile");
}

#[test]
fn bytes_that_are_no_utf_8_are_not_lost() {
    let folder = project(&[]);
    fs::write(folder.path().join("Dockerfile"), b"FROM alpine:3\n# caf\xe9\nRUN apk add curl\n").expect("written");
    let measured = look(folder.path());
    assert_eq!((ids(&measured.report.findings, false), measured.edits()), (vec!["F110"], vec![]));
    assert!(measured.report.problems[0].reason.contains("not UTF-8"), "{:?}", measured.report.problems);
}

/// Dockerfiles that others keep: no more than one finding each.
#[test]
fn well_kept_dockerfiles_of_others_raise_next_to_nothing() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/dockerfiles/dockerfilelint");
    let Ok(entries) = fs::read_dir(&folder) else {
        eprintln!("skipped: there is no `{}`", folder.display());
        return;
    };
    let official = ["busybox", "debian", "mongo", "mysql", "nginx", "node", "redis", "registry", "swarm", "ubuntu"];
    let mut seen = 0;
    for entry in entries {
        let path = entry.expect("listed").path();
        let name = path.extension().and_then(|name| name.to_str()).unwrap_or_default();
        if official.contains(&name) {
            let text = fs::read_to_string(&path).expect("UTF-8");
            let project = project(&[("Dockerfile", &text)]);
            let found = findings(project.path());
            // This one installs what it does not need, and runs as root: both are true.
            let known = if name == "registry" { 2 } else { 1 };
            assert!(found.len() <= known, "{name}: {found:#?}");
            seen += 1;
        }
    }
    assert_eq!(seen, official.len());
}
