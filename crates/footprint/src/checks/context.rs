//! What is sent to the builder, and what of it gets into the image: F101 to F106.

use super::facts::Facts;
use super::{Finding, Saving, Severity};
use crate::fix::Fix;
use crate::ignore::{Pattern, Rule, Rules};
use crate::project::context::join;
use crate::project::sources::has_word;
use crate::project::{Build, IgnoreFile, Project, folder_of};
use crate::tree::{NodeId, ROOT, Tree};

/// Looks at a build's context.
pub fn check(tree: &Tree, project: &Project, build: &Build, facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let Ok(context) = tree.lookup(ROOT, &build.context) else { return };
    let taken = Taken::find(tree, build, context, facts);
    heavy(tree, build, &taken, found);
    for ignore in build.ignore.iter().chain(&build.idle_ignores) {
        root_only(tree, ignore, facts, &taken, found);
    }
    secrets(tree, build, &taken, found);
    misplaced(build, found);
    missing(tree, build, context, facts, found);
    hidden_from_code(tree, project, build, context, found);
}

/// What the COPYs of a build take.
struct Taken {
    /// For each node, the line of the COPY that takes it.
    by: Vec<u32>,
    /// The line of the first COPY of a whole folder.
    whole_folder: Option<u32>,
}

impl Taken {
    fn find(tree: &Tree, build: &Build, context: NodeId, facts: &Facts<'_>) -> Self {
        let mut taken = Self { by: vec![0; tree.len()], whole_folder: None };
        for step in &facts.steps {
            for source in copied(step.instruction) {
                let line = step.instruction.line;
                let path = source.trim_start_matches('/');
                let nodes = matching(tree, context, path);
                if nodes.contains(&context) {
                    taken.whole_folder.get_or_insert(line);
                }
                for id in nodes.into_iter().flat_map(|id| tree.below(id)).filter(|id| build.sent[*id as usize]) {
                    let by = &mut taken.by[id as usize];
                    *by = if *by == 0 { line } else { *by };
                }
            }
        }
        taken
    }

    fn line(&self, id: NodeId) -> Option<u32> {
        Some(self.by[id as usize]).filter(|line| *line > 0)
    }
}

/// The sources of a COPY or ADD that lie in the context; those with variables are not known.
pub fn copied(instruction: &crate::dockerfile::Instruction) -> Vec<&str> {
    let copies = matches!(instruction.keyword.as_str(), "copy" | "add");
    if !copies || instruction.flag("from").is_some() {
        return Vec::new();
    }
    let Some((_, sources)) = instruction.arguments.split_last() else { return Vec::new() };
    let in_context = |source: &&str| {
        !source.contains("://") && !source.contains('$') && !source.starts_with("<<") && !source.starts_with("git@")
    };
    sources.iter().map(String::as_str).filter(in_context).collect()
}

/// The nodes that a source means, with wildcards.
fn matching(tree: &Tree, context: NodeId, source: &str) -> Vec<NodeId> {
    if !source.contains(['*', '?', '[']) {
        return tree.lookup(context, source).into_iter().collect();
    }
    let Ok(pattern) = Pattern::parse(source) else { return Vec::new() };
    let depth = pattern.text.matches('/').count();
    let mut nodes = vec![(context, String::new())];
    for _ in 0..=depth {
        let below = |(id, path): (NodeId, String)| {
            tree.children(id).map(move |child| (child, join(&path, tree.name(child)))).collect::<Vec<_>>()
        };
        nodes = nodes.into_iter().flat_map(below).collect();
    }
    nodes.into_iter().filter(|(_, path)| pattern.matches(path)).map(|(id, _)| id).collect()
}

/// Folders that are never meant to be in an image.
const HEAVY_FOLDERS: [&str; 16] = [
    ".git",
    "node_modules",
    "venv",
    ".venv",
    "env",
    "__pycache__",
    ".pytest_cache",
    ".mypy_cache",
    ".ruff_cache",
    ".tox",
    ".nox",
    ".cache",
    ".terraform",
    ".gradle",
    "htmlcov",
    ".ipynb_checkpoints",
];
/// Endings of files that are media, dumps or archives.
const HEAVY_ENDINGS: [&str; 14] =
    ["mp4", "mov", "avi", "mkv", "wav", "psd", "sql", "dump", "bak", "tar", "gz", "zip", "iso", "ipynb"];
/// Smaller files than this are not worth a word.
const HEAVY_BYTES: u64 = 10_000_000;

fn heavy(tree: &Tree, build: &Build, taken: &Taken, found: &mut Vec<Finding>) {
    let mut inside = vec![false; tree.len()];
    for id in tree.ids().filter(|id| *id != ROOT) {
        // What is in a heavy folder is not named again.
        inside[id as usize] = inside[tree.parent(id) as usize];
        let Some(line) = taken.line(id) else { continue };
        let name = tree.name(id);
        let folder = tree.is_directory(id)
            && HEAVY_FOLDERS.contains(&name)
            && (name != "env" || tree.child(id, "pyvenv.cfg").is_some());
        let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
        let large = tree.is_file(id) && tree.inode(id).size >= HEAVY_BYTES && HEAVY_ENDINGS.contains(&ending);
        if inside[id as usize] || !(folder || large) {
            continue;
        }
        // A rule that means it and misses it is F102's.
        let meant = |rule: &Rule| is_of_root_only(rule) && rule.pattern.matches(name);
        if build.ignore.as_ref().is_some_and(|ignore| ignore.rules.rules.iter().any(meant)) {
            continue;
        }
        inside[id as usize] = true;
        let below: Vec<NodeId> = tree.below(id).into_iter().filter(|id| taken.line(*id).is_some()).collect();
        let bytes = tree.content_of(below);
        let pattern = if folder { format!("**/{name}") } else { literal(&relative(&tree.path(id), &build.context)) };
        let message = format!("`{}` goes into the image", tree.path(id));
        let finding = Finding::new("F101", &build.path, line, message)
            .because(format!("the context is `{}`, as {} says", shown(&build.context), build.context_by))
            .suggest(format!("add `{pattern}` to `{}`", ignore_path(build)))
            .about(vec![tree.path(id)])
            .fixed_by(Some(Fix::Append { path: ignore_path(build), text: pattern }))
            .saves(Saving::measured(bytes));
        found.push(finding);
    }
}

/// The pattern that matches this path and no other.
fn literal(path: &str) -> String {
    let mut pattern = String::with_capacity(path.len());
    for c in path.chars() {
        // At the start of a line, the last two would make a comment of it, or take it back.
        if matches!(c, '*' | '?' | '[' | '\\') || (pattern.is_empty() && matches!(c, '#' | '!')) {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern
}

fn shown(folder: &str) -> &str {
    if folder.is_empty() { "." } else { folder }
}

/// The ignore file that holds, or the one that would.
pub fn ignore_path(build: &Build) -> String {
    build.ignore.as_ref().map_or_else(|| join(&build.context, ".dockerignore"), |file| file.path.clone())
}

/// Names that are found at any depth: who ignores them means all of them.
const NESTED: [&str; 30] = [
    "__pycache__",
    "a.pyc",
    "a.pyo",
    "a$py.class",
    ".DS_Store",
    "Thumbs.db",
    "a.swp",
    "a.log",
    "logs",
    ".env",
    ".env.local",
    "venv",
    ".venv",
    "node_modules",
    ".pytest_cache",
    ".mypy_cache",
    ".ruff_cache",
    ".coverage",
    "htmlcov",
    ".tox",
    ".cache",
    "a.egg-info",
    ".idea",
    ".vscode",
    "a.bin",
    "a.tmp",
    "a.pem",
    "a.key",
    "a.so",
    ".ipynb_checkpoints",
];

/// What Python makes in every folder with modules, sooner or later.
const PYTHON_MAKES: [&str; 2] = ["__pycache__", "a.pyc"];

/// Whether a rule is written as if it were for every folder, and is for the root only.
fn is_of_root_only(rule: &Rule) -> bool {
    let text = &rule.pattern.text;
    let one_part = !text.contains('/') && !text.contains("**") && !rule.text.starts_with('/');
    // `*`, after which files are taken back one by one, means what it says.
    let everything = rule.pattern.matches("ordinary");
    !rule.negated && one_part && !everything && NESTED.iter().any(|name| rule.pattern.matches(name))
}

fn root_only(tree: &Tree, ignore: &IgnoreFile, facts: &Facts<'_>, taken: &Taken, found: &mut Vec<Finding>) {
    let Ok(folder) = tree.lookup(ROOT, &ignore.folder) else { return };
    let sent = ignore.rules.sent(tree, folder);
    let mut any = false;
    let rules: Vec<&Rule> = ignore.rules.rules.iter().filter(|rule| is_of_root_only(rule)).collect();
    for rule in &rules {
        let nested: Vec<NodeId> = sent_below(tree, folder, &sent)
            .into_iter()
            .filter(|id| tree.parent(*id) != folder && rule.pattern.matches(tree.name(*id)))
            .collect();
        if nested.is_empty() {
            continue;
        }
        any = true;
        let bytes = tree.content_of(nested.iter().flat_map(|id| tree.below(*id)));
        let message = format!(
            "`{}` matches at the root of the context only; {} nested {} sent all the same",
            rule.text,
            nested.len(),
            if nested.len() == 1 { "path is" } else { "paths are" }
        );
        let mut finding = Finding::new("F102", &ignore.path, rule.line, message)
            .suggest(format!("`**/{}`", rule.pattern.text))
            .about(nested.iter().map(|id| tree.path(*id)).collect())
            .fixed_by(Some(anywhere(ignore, rule)))
            .saves(Saving::measured(bytes));
        finding.evidence = nested.iter().take(3).map(|id| tree.path(*id)).collect();
        found.push(finding);
    }
    // Where there is no checkout to look at, the rules themselves tell: Python has made none of these yet.
    let python = facts.python.is_some() || !facts.manifests.is_empty();
    let covered = |name: &str| ignore.rules.ignores(&format!("folder/{name}"));
    let waiting: Vec<&&Rule> = rules
        .iter()
        .filter(|rule| PYTHON_MAKES.iter().any(|name| rule.pattern.matches(name) && !covered(name)))
        .collect();
    if let (false, true, Some(first), true) = (any, python, waiting.first(), taken.whole_folder.is_some()) {
        let message =
            format!("`{}` matches at the root of the context only; Python makes them in every folder", first.text);
        let mut finding =
            Finding::new("F102", &ignore.path, first.line, message).suggest(format!("`**/{}`", first.pattern.text));
        finding.fixes = waiting.iter().map(|rule| anywhere(ignore, rule)).collect();
        finding.evidence =
            waiting.iter().skip(1).map(|rule| format!("line {} as well: `{}`", rule.line, rule.text)).collect();
        found.push(finding);
    }
}

/// The same pattern, at any depth.
fn anywhere(ignore: &IgnoreFile, rule: &Rule) -> Fix {
    let to = format!("**/{}", rule.pattern.text);
    Fix::Replace { path: ignore.path.clone(), line: rule.line, from: rule.text.clone(), to }
}

/// What is sent of a folder, but for what is in a folder that is listed itself.
fn sent_below(tree: &Tree, folder: NodeId, sent: &[bool]) -> Vec<NodeId> {
    tree.below(folder).into_iter().filter(|id| *id != folder && sent[*id as usize]).collect()
}

/// Whether a file of this name holds secrets, as a rule.
fn is_secret(name: &str) -> bool {
    let example =
        ["example", "sample", "template", "dist", "defaults", "test", "ci"].iter().any(|end| name.ends_with(end));
    let env = name == ".env" || (name.starts_with(".env.") && !example);
    let named = matches!(
        name,
        "id_rsa"
            | "id_ed25519"
            | "id_ecdsa"
            | ".netrc"
            | ".pypirc"
            | ".git-credentials"
            | ".htpasswd"
            | "credentials.json"
            | "service-account.json"
            | "secrets.json"
            | "secrets.toml"
            | "secrets.yaml"
            | "secrets.yml"
            | ".pgpass"
    );
    env || named
        || name.ends_with(".p12")
        || name.ends_with(".pfx")
        || name.ends_with(".kdbx")
        || (name.ends_with(".key") && !name.starts_with("public"))
}

fn secrets(tree: &Tree, build: &Build, taken: &Taken, found: &mut Vec<Finding>) {
    let foreign = |id: NodeId| {
        let path = tree.path(id);
        path.contains("site-packages/") || path.contains("node_modules/")
    };
    let mut any = false;
    for id in tree.ids().filter(|id| tree.is_file(*id) && is_secret(tree.name(*id)) && !foreign(*id)) {
        let Some(line) = taken.line(id) else { continue };
        any = true;
        let pattern = format!("**/{}", literal(tree.name(id)));
        let finding = Finding::new("F103", &build.path, line, format!("`{}` goes into the image", tree.path(id)))
            .because("files of this name hold secrets; what is in it was not looked at")
            .suggest(format!("add `{pattern}` to `{}`", ignore_path(build)))
            .fixed_by(Some(Fix::Append { path: ignore_path(build), text: pattern }));
        found.push(finding);
    }
    // Whoever wrote the rule means to keep them out, and nothing does.
    let idle = build.idle_ignores.iter().find_map(|file| Some((file, secret_rule(&file.rules)?)));
    let held = build.ignore.as_ref().is_some_and(|file| file.rules.ignores(".env"));
    if let (false, false, Some((file, rule)), Some(line)) = (any, held, idle, taken.whole_folder) {
        let message =
            format!("nothing keeps `{}` out of the image: the rule is in a file that no build reads", rule.text);
        let finding = Finding::new("F103", &file.path, rule.line, message).because(format!(
            "{}:{line} copies the whole context `{}`",
            build.path,
            shown(&build.context)
        ));
        let text = format!("**/{}", rule.pattern.text);
        let finding = finding.suggest(format!("add `{text}` to `{}`", ignore_path(build)));
        found.push(finding.fixed_by(Some(Fix::Append { path: ignore_path(build), text })));
    }
}

fn secret_rule(rules: &Rules) -> Option<&Rule> {
    rules.rules.iter().find(|rule| !rule.negated && rule.pattern.matches(".env"))
}

fn misplaced(build: &Build, found: &mut Vec<Finding>) {
    for idle in &build.idle_ignores {
        let finding = match &build.ignore {
            Some(ignore) if idle.folder == build.context => {
                let message = format!("`{}` takes its place; this one is not read for `{}`", ignore.path, build.path);
                Finding::new("F104", &idle.path, 1, message).as_severe_as(Severity::Warning)
            }
            _ => {
                let root = join(&build.context, ".dockerignore");
                let message =
                    format!("no build reads this file; the context of `{}` is `{}`", build.path, shown(&build.context));
                Finding::new("F104", &idle.path, 1, message)
                    .because(format!("{} says so", build.context_by))
                    .suggest(format!("move it to `{root}`, or build with the context `{}`", shown(&idle.folder)))
            }
        };
        found.push(finding);
    }
}

fn missing(tree: &Tree, build: &Build, context: NodeId, facts: &Facts<'_>, found: &mut Vec<Finding>) {
    for step in &facts.steps {
        for source in copied(step.instruction) {
            let path = source.trim_start_matches('/');
            let line = step.instruction.line;
            let nodes = matching(tree, context, path);
            if !nodes.is_empty() {
                let hidden = nodes
                    .iter()
                    .all(|id| !build.sent[*id as usize] && !tree.below(*id).iter().any(|id| build.sent[*id as usize]));
                if hidden && let Some(ignore) = &build.ignore {
                    let rule = ignore.rules.decide(&relative(&tree.path(nodes[0]), &build.context));
                    let by = rule.map_or_else(String::new, |rule| format!(":{} `{}`", rule.line, rule.text));
                    let finding =
                        Finding::new("F105", &build.path, line, format!("`{source}` is not sent to the builder"))
                            .as_severe_as(Severity::Error)
                            .because(format!("{}{by} ignores it", ignore.path))
                            .suggest(format!("add `!{}` to `{}`", path.trim_end_matches('/'), ignore.path));
                    found.push(finding);
                }
                continue;
            }
            let name = path.trim_end_matches('/').rsplit('/').next().unwrap_or(path);
            let near: Vec<String> = tree
                .ids()
                .filter(|id| !name.is_empty() && tree.name(*id) == name)
                .map(|id| tree.path(id))
                .take(3)
                .collect();
            // A checkout lacks what is built first; without any likeness, who knows.
            if near.is_empty() {
                continue;
            }
            let mut finding = Finding::new(
                "F106",
                &build.path,
                line,
                format!("`{source}` is not in the context `{}`", shown(&build.context)),
            )
            .because(format!("{} says what the context is", build.context_by));
            let inside =
                near.iter().find(|path| build.context.is_empty() || path.starts_with(&format!("{}/", build.context)));
            finding.suggestion = Some(match inside {
                Some(path) => format!(
                    "COPY {}, or build with the context `{}`",
                    relative(path, &build.context),
                    shown(folder_of(path))
                ),
                None => format!("`{}` has one; build with that context", near[0]),
            });
            found.push(finding);
        }
    }
}

fn relative(path: &str, folder: &str) -> String {
    let inside = path.strip_prefix(folder).filter(|_| !folder.is_empty());
    inside.map_or(path, |rest| rest.trim_start_matches('/')).to_owned()
}

/// An ignored folder whose name stands as a path in the code: a model is ignored and loaded.
fn hidden_from_code(tree: &Tree, project: &Project, build: &Build, context: NodeId, found: &mut Vec<Finding>) {
    let Some(ignore) = &build.ignore else { return };
    for id in tree.children(context).filter(|id| tree.is_directory(*id) && !build.sent[*id as usize]) {
        let name = tree.name(id);
        let ordinary = name.starts_with('.')
            || HEAVY_FOLDERS.contains(&name)
            || ["tests", "test", "docs", "logs", "dist", "build"].contains(&name);
        if ordinary {
            continue;
        }
        let loads = |line: &str| {
            [format!("\"{name}/"), format!("'{name}/"), format!("\"./{name}"), format!("'./{name}")]
                .iter()
                .any(|start| line.contains(start.as_str()))
                && !line.trim_start().starts_with('#')
                && has_word(line, name)
        };
        // What is not sent itself loads nothing.
        let is_sent = |path: &str| tree.lookup(ROOT, path).is_ok_and(|id| build.sent[id as usize]);
        let sources = project.sources.texts.iter().filter(|(path, _)| path.ends_with(".py") && is_sent(path));
        let place = sources.into_iter().find_map(|(path, text)| {
            let line = text.lines().position(loads)?;
            Some(format!("{path}:{}", line + 1))
        });
        if let (Some(place), Some(rule)) = (place, ignore.rules.decide(&relative(&tree.path(id), &build.context))) {
            let finding = Finding::new(
                "F105",
                &ignore.path,
                rule.line,
                format!("`{}` keeps `{name}/` out, and {place} loads from it", rule.text),
            );
            found.push(finding.suggest(format!("`!{name}`, or fetch it in one place only")));
        }
    }
}
