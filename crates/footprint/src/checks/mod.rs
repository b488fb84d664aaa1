//! Checks: what is wrong with a build, where, how one knows, and what it would save.
//!
//! `table.rs` lists them all. The others look: `context.rs` at what is sent (F101 to F106), `build.rs` at instructions
//! (F107 to F115), `packages.rs` and `node.rs` at what is installed and asked for (F2xx), `image.rs` at images
//! (F3xx), `models.rs` at models and the service (F4xx, F5xx). `suppress.rs` silences what a user accepts.

pub mod build;
pub mod context;
pub mod facts;
pub mod image;
pub mod models;
pub mod node;
pub mod packages;
pub mod suppress;
pub mod table;

use crate::fix::Fix;
use crate::image::Image;
use crate::meters::Evidence;
use crate::project::Project;
use crate::python::environment::Packages;
use crate::tree::Tree;
use facts::Facts;
use serde::Serialize;

/// How grave a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It breaks, leaks, or costs much on every build: the exit code is 1.
    Error,
    /// It costs.
    Warning,
    /// Worth knowing.
    Note,
}

impl Severity {
    /// As SARIF calls it, too.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        }
    }
}

/// What a finding would save.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Saving {
    /// Bytes; of an estimate, the lower end.
    pub bytes: u64,
    /// The upper end of an estimate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub up_to: Option<u64>,
    /// How it is known.
    pub evidence: Evidence,
}

impl Saving {
    /// What was measured.
    pub fn measured(bytes: u64) -> Self {
        Self { bytes, up_to: None, evidence: Evidence::Measured }
    }

    /// What follows from something.
    pub fn computed(bytes: u64) -> Self {
        Self { bytes, up_to: None, evidence: Evidence::Computed }
    }

    /// A range.
    pub fn estimated(from: u64, to: u64) -> Self {
        Self { bytes: from, up_to: Some(to), evidence: Evidence::Estimated }
    }
}

/// Something that a check found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// Of the check.
    pub id: &'static str,
    /// How grave.
    pub severity: Severity,
    /// The file, from the root of the project; empty where there is none.
    pub file: String,
    /// From 1; 0 where there is none.
    pub line: u32,
    /// The last line of what is meant.
    pub last_line: u32,
    /// What is wrong.
    pub message: String,
    /// How one knows.
    pub evidence: Vec<String>,
    /// What to write instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<String>,
    /// What of the target it is about, where that are files.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
    /// What `--fix` would change; nothing where it takes a person to decide.
    #[serde(skip)]
    pub fixes: Vec<Fix>,
    /// What it would save, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub saving: Option<Saving>,
}

impl Finding {
    /// A finding of a check, as grave as the check is.
    pub fn new(id: &'static str, file: impl Into<String>, line: u32, message: impl Into<String>) -> Self {
        let severity = table::find(id).map_or(Severity::Warning, |check| check.severity);
        Self {
            id,
            severity,
            file: file.into(),
            line,
            last_line: line,
            message: message.into(),
            evidence: Vec::new(),
            suggestion: None,
            paths: Vec::new(),
            fixes: Vec::new(),
            saving: None,
        }
    }

    /// Up to this line.
    pub fn to(mut self, last_line: u32) -> Self {
        self.last_line = last_line.max(self.line);
        self
    }

    /// With a line of evidence.
    pub fn because(mut self, evidence: impl Into<String>) -> Self {
        self.evidence.push(evidence.into());
        self
    }

    /// With what to write instead.
    pub fn suggest(mut self, suggestion: impl Into<String>) -> Self {
        self.suggestion = Some(suggestion.into());
        self
    }

    /// With what mends it, if that can be.
    pub fn fixed_by(mut self, fix: Option<Fix>) -> Self {
        self.fixes.extend(fix);
        self
    }

    /// About these files.
    pub fn about(mut self, paths: Vec<String>) -> Self {
        self.paths = paths;
        self
    }

    /// With what it would save.
    pub fn saves(mut self, saving: Saving) -> Self {
        self.saving = Some(saving);
        self
    }

    /// As grave as this.
    pub fn as_severe_as(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// `file:line`, or the file, or nothing.
    pub fn place(&self) -> String {
        match (self.file.is_empty(), self.line) {
            (true, _) => String::new(),
            (false, 0) => self.file.clone(),
            (false, line) => format!("{}:{line}", self.file),
        }
    }
}

/// Whether the target has a GPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Gpu {
    /// Look for signs of one.
    #[default]
    Unknown,
    /// It has.
    Present,
    /// It has none.
    Absent,
}

/// Runs all checks on a project, and what is installed in it. Returned are the findings, and how many were accepted.
pub fn run(tree: &Tree, project: Option<&Project>, packages: Option<&Packages>, gpu: Gpu) -> (Vec<Finding>, usize) {
    let mut found = Vec::new();
    if let Some(project) = project {
        check_project(tree, project, gpu, &mut found);
    }
    models::check_files(tree, &mut found);
    if let Some(packages) = packages {
        packages::check_installed(tree, packages, gpu, &mut found);
    }
    sort(&mut found);
    // Two builds of one file say the same.
    found.dedup();
    let all = found.len();
    if let Some(project) = project {
        suppress::retain(&mut found, &project.texts);
    }
    let accepted = all - found.len();
    (found, accepted)
}

/// Runs the checks that an image answers, and those of what is installed in it.
pub fn run_on_image(image: &Image, packages: Option<&Packages>, gpu: Gpu) -> Vec<Finding> {
    let mut found = Vec::new();
    image::check(image, &mut found);
    models::check_files(&image.tree, &mut found);
    if let Some(packages) = packages {
        packages::check_installed(&image.tree, packages, gpu, &mut found);
    }
    sort(&mut found);
    found
}

/// The gravest first.
fn sort(found: &mut [Finding]) {
    found.sort_by(|a, b| a.severity.cmp(&b.severity).then_with(|| a.cmp(b)));
}

fn check_project(tree: &Tree, project: &Project, gpu: Gpu, found: &mut Vec<Finding>) {
    for build in &project.builds {
        let facts = Facts::gather(build, project);
        context::check(tree, project, build, &facts, found);
        build::check(project, build, &facts, found);
        packages::check_wanted(project, &facts, gpu, found);
        models::check(project, build, &facts, found);
    }
    if project.builds.is_empty() {
        packages::check_wanted(project, &Facts::without_build(project), gpu, found);
    }
    models::check_sources(project, found);
}

/// `text` in lines of at most `width` characters, each behind `indent`.
pub fn wrap(text: &str, width: usize, indent: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last().map_or(0, |line| line.chars().count());
        if line > 0 && line + 1 + word.chars().count() > width - indent.len() {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines.iter().map(|line| format!("{indent}{line}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::table::CHECKS;
    use super::*;

    #[test]
    fn ids_are_in_order_and_pages_complete() {
        assert!(CHECKS.windows(2).all(|pair| pair[0].id < pair[1].id));
        for check in CHECKS {
            let page = check.page();
            assert!(page.lines().all(|line| line.chars().count() <= 80), "{page}");
            assert!(check.finds.ends_with('.') && check.why.len() > 40 && !check.mend.is_empty(), "{}", check.id);
        }
        assert!(table::find("f102").is_some() && table::find("F999").is_none());
    }

    #[test]
    fn the_docs_have_the_table() {
        let docs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/footprint.md");
        let docs = std::fs::read_to_string(docs).expect("it is there");
        assert!(
            docs.contains(&table::markdown()),
            "docs/footprint.md lacks the table of checks:\n{}",
            table::markdown()
        );
    }
}
