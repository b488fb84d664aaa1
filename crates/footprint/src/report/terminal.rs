//! A report for people: 80 columns, the largest first, and nothing that scrolls away what matters.

use super::bars::{bar, counted, fit};
use super::{Kind, PackageRow, Report};
use crate::checks::{Saving, Severity, wrap};
use crate::image::ImageReport;
use crate::meters::{Meter, Meters};
use crate::size::Units;
use crate::tree::printable;
use std::fmt::Write as _;

/// How a report is shown.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// MB or MiB.
    pub units: Units,
    /// How many rows of a table.
    pub rows: usize,
}

impl View {
    /// A size, or that it is unknown.
    pub fn known(self, bytes: Option<u64>) -> String {
        bytes.map_or_else(|| "unknown".to_owned(), |bytes| self.units.show(bytes))
    }
}

impl Default for View {
    fn default() -> Self {
        Self { units: Units::Decimal, rows: 20 }
    }
}

/// Widths of the columns: together with two spaces between them, 80.
const NAME: usize = 27;
const SIZE: usize = 8;
const WHY: usize = 19;
const BAR: usize = 10;

/// The report in lines of at most 80 characters, except for paths that are longer.
pub fn show(report: &Report, view: View) -> String {
    let mut text = head(report, view);
    if !report.packages.is_empty() {
        text.push('\n');
        packages(&mut text, report, view);
    }
    if report.packages.is_empty() && !report.parts.is_empty() {
        text.push('\n');
        parts(&mut text, report, view);
    }
    if let Some(image) = &report.image {
        layers(&mut text, image, view);
    }
    findings(&mut text, report, view);
    problems(&mut text, report, view);
    plain(&text)
}

/// Versions, instructions and names come from outside: none may move a terminal's cursor.
pub(super) fn plain(text: &str) -> String {
    text.split('\n').map(|line| printable(line.as_bytes())).collect::<Vec<_>>().join("\n")
}

fn head(report: &Report, view: View) -> String {
    let target = &report.target;
    format!("{}: {}\n{}\n", target.path, kind(report), meters(&report.meters, view))
}

/// What the target is, and how much there is of it.
pub(super) fn kind(report: &Report) -> String {
    let target = &report.target;
    let mut text = target.kind.name().to_owned();
    if let Some(platform) = &target.platform {
        let _ = write!(text, " for {platform}");
    }
    if let Some(python) = &target.python {
        let _ = write!(text, ", Python {python}");
    }
    if !report.packages.is_empty() {
        let _ = write!(text, ", {}", counted(report.packages.len() as u64, "package"));
    }
    if target.kind != Kind::Lock {
        let _ = write!(text, ", {}", counted(report.files, "file"));
    }
    text
}

/// The four, unknown ones as such.
pub(super) fn meters(meters: &Meters, view: View) -> String {
    let shown = Meter::ALL.map(|meter| {
        let value = view.known(meters.get(meter));
        format!("{} {value}", meter.name())
    });
    shown.join("   ")
}

fn packages(text: &mut String, report: &Report, view: View) {
    let whole = report.whole();
    let _ = writeln!(
        text,
        "{}  {:>SIZE$}  {:>SIZE$}  {}  SHARE",
        fit("PACKAGE", NAME),
        "SELF",
        "RETAINED",
        fit("WHY", WHY)
    );
    let mut rows = grouped(&report.packages);
    rows.sort_by(|a, b| b.retained.cmp(&a.retained).then(b.content.cmp(&a.content)).then(a.name.cmp(&b.name)));
    let mut line = |name: &str, content: Option<u64>, retained: Option<u64>, why: &str| {
        let columns = format!(
            "{}  {:>SIZE$}  {:>SIZE$}  {}  {}",
            fit(name, NAME),
            view.known(content),
            view.known(retained),
            fit(why, WHY),
            bar(retained.unwrap_or_default(), whole, BAR)
        );
        text.push_str(columns.trim_end());
        text.push('\n');
    };
    for row in rows.iter().take(view.rows) {
        line(&row.name, row.content, row.retained, &row.why);
    }
    if rows.len() > view.rows {
        let rest: Option<u64> = rows[view.rows..].iter().map(|row| row.content).sum();
        line(&format!("… {} more", rows.len() - view.rows), rest, rest, "");
    }
    if report.unowned > 0 {
        line("(of no package)", Some(report.unowned), Some(report.unowned), "");
    }
    text.push_str(match report.meters.content {
        Some(_) => "\nSELF is a package's own files, RETAINED what would leave with it.\n",
        None => "\nSELF is what is downloaded for a package, RETAINED what only it brings with it.\n",
    });
}

/// A row of the table.
struct Row {
    name: String,
    content: Option<u64>,
    retained: Option<u64>,
    why: String,
}

/// Families of at least this many packages, `nvidia-*`, make one row.
const FAMILY: usize = 4;

fn grouped(packages: &[PackageRow]) -> Vec<Row> {
    let family = |package: &PackageRow| {
        let prefix = package.name.split_once('-').map(|(prefix, _)| prefix.to_owned())?;
        (!package.direct).then_some(prefix)
    };
    let mut rows: Vec<Row> = Vec::new();
    let mut rest = packages;
    // Packages come sorted by name, so families stand together but for the directly asked for among them.
    while let Some(first) = rest.first() {
        let prefix = family(first);
        let same = |package: &&PackageRow| prefix.is_some() && family(package) == prefix;
        let count = rest.iter().take_while(same).count();
        if count < FAMILY {
            rows.push(Row {
                name: format!("{} {}", first.name, first.version),
                content: first.weight(),
                retained: first.retained_weight(),
                why: why(first),
            });
            rest = &rest[1..];
            continue;
        }
        let (members, others) = rest.split_at(count);
        let content = members.iter().map(PackageRow::weight).sum();
        let mut needing: Vec<&str> =
            members.iter().flat_map(|package| &package.required_by).map(|by| by.name.as_str()).collect();
        needing.retain(|name| members.iter().all(|member| member.name != *name));
        needing.sort_unstable();
        needing.dedup();
        rows.push(Row {
            name: format!("{}-* ({count})", prefix.unwrap_or_default()),
            content,
            // What else only one of them brings is left out: here each is counted once.
            retained: content,
            why: needing.join(", "),
        });
        rest = others;
    }
    rows
}

/// Why a package is there, in a few words.
pub(super) fn why(package: &PackageRow) -> String {
    let mut names: Vec<&str> = package.required_by.iter().map(|by| by.name.as_str()).collect();
    names.dedup();
    let asked = if package.dev { "for developers" } else { "asked for" };
    match (package.direct, names.is_empty()) {
        (true, true) => asked.to_owned(),
        (true, false) => format!("{asked}; {}", names.join(", ")),
        (false, true) => "nothing needs it".to_owned(),
        (false, false) => names.join(", "),
    }
}

fn parts(text: &mut String, report: &Report, view: View) {
    let whole = report.meters.content.unwrap_or_default();
    let wide = NAME + WHY + 2;
    let _ = writeln!(text, "{}  {:>SIZE$}  {:>SIZE$}  SHARE", fit("PART", wide), "FILES", "CONTENT");
    for part in report.parts.iter().take(view.rows) {
        let columns = format!(
            "{}  {:>SIZE$}  {:>SIZE$}  {}",
            fit(&part.path, wide),
            part.files,
            view.units.show(part.content),
            bar(part.content, whole, BAR)
        );
        let _ = writeln!(text, "{}", columns.trim_end());
    }
    if report.parts.len() > view.rows {
        let _ = writeln!(text, "… {} more", report.parts.len() - view.rows);
    }
}

/// Layers from the bottom to the top, and what of them is hidden.
fn layers(text: &mut String, image: &ImageReport, view: View) {
    let wide = 32;
    let _ = writeln!(
        text,
        "\n{}  {:>SIZE$}  {:>SIZE$}  {:>SIZE$}  SHARE",
        fit("LAYER", wide),
        "STORED",
        "HIDDEN",
        "DOWNLOAD"
    );
    for (number, layer) in image.layers.iter().enumerate() {
        let name = format!("{:>2} {}", number + 1, layer.title());
        let download = view.known(layer.download);
        let columns = format!(
            "{}  {:>SIZE$}  {:>SIZE$}  {download:>SIZE$}  {}",
            fit(&name, wide),
            view.units.show(layer.stored),
            view.units.show(layer.hidden),
            bar(layer.stored, image.stored, BAR)
        );
        let _ = writeln!(text, "{}", columns.trim_end());
    }
    let _ = writeln!(text, "{}", stored(image, view));
    if !image.other_platforms.is_empty() {
        let _ = writeln!(text, "the index has {} as well", image.other_platforms.join(", "));
    }
}

/// What is stored, and what of that can be reached.
pub(super) fn stored(image: &ImageReport, view: View) -> String {
    let shown = |bytes| view.units.show(bytes);
    format!(
        "stored {} = reachable {} + hidden {}; {} of the reachable is there twice",
        shown(image.stored),
        shown(image.reachable),
        shown(image.unreachable),
        shown(image.duplicates)
    )
}

fn findings(text: &mut String, report: &Report, view: View) {
    if !report.findings.is_empty() {
        text.push('\n');
    }
    for finding in &report.findings {
        let mut first = format!("{:<7} {} ", finding.severity.name(), finding.id);
        if !finding.file.is_empty() {
            let _ = write!(first, "{} ", finding.place());
        }
        let saving = finding.saving.map(|saving| format!(" [{}]", show_saving(saving, view))).unwrap_or_default();
        let _ = writeln!(text, "{}", wrap_after(&format!("{first} {}{saving}", finding.message)));
        for evidence in &finding.evidence {
            let _ = writeln!(text, "{}", wrap(evidence, WIDTH, "          "));
        }
        if let Some(suggestion) = &finding.suggestion {
            let _ = writeln!(text, "{}", wrap(&format!("→ {suggestion}"), WIDTH, "          "));
        }
    }
    if !report.findings.is_empty() {
        let _ = writeln!(text, "\n{}; `libellus footprint explain ID` says more.", counts(report));
    }
}

/// How many findings there are of which kind.
pub(super) fn counts(report: &Report) -> String {
    let count = |severity| report.findings.iter().filter(|finding| finding.severity == severity).count() as u64;
    let mut counts =
        [Severity::Error, Severity::Warning, Severity::Note].map(|one| counted(count(one), one.name())).join(", ");
    if report.accepted > 0 {
        let _ = write!(counts, ", {} accepted", report.accepted);
    }
    counts
}

/// Width of what is done, in the plan.
const PLANNED: usize = 41;

/// The plan as a table: each line after the ones above it.
pub fn show_plan(report: &Report, view: View) -> String {
    if report.plan.is_empty() {
        return "\nPLAN: there is nothing to save that is known here.\n".to_owned();
    }
    let mut text = format!(
        "\n{}  {:>9}  {:>8}  HOW IT IS KNOWN\n",
        fit("PLAN (each line after the ones above it)", PLANNED),
        "SAVES",
        "LEFT"
    );
    for step in &report.plan {
        let (mark, sign) = step.effect.marks();
        let id = if step.id.is_empty() { String::new() } else { format!("{} ", step.id) };
        let bytes = format!("{sign}{}", view.units.show(step.bytes));
        let left = view.known(step.left);
        let how = step.known();
        let name = format!("{mark}{id}{}", step.name);
        let _ = writeln!(text, "{}  {bytes:>9}  {left:>8}  {how}", fit(&name, PLANNED));
        if !step.place.is_empty() {
            let _ = writeln!(text, "{}in {}", " ".repeat(mark.len() + id.len()), step.place);
        }
    }
    plain(&text)
}

/// Columns of a terminal.
const WIDTH: usize = 80;

/// The first line as far as it goes, and what follows indented.
fn wrap_after(line: &str) -> String {
    wrap(line, WIDTH, "        ").trim_start().to_owned()
}

/// A saving with how it is known.
pub fn show_saving(saving: Saving, view: View) -> String {
    let bytes = view.units.show(saving.bytes);
    match saving.up_to {
        Some(to) => format!("{bytes} to {}, {}", view.units.show(to), saving.evidence.name()),
        None => format!("{bytes}, {}", saving.evidence.name()),
    }
}

fn problems(text: &mut String, report: &Report, view: View) {
    if report.problems.is_empty() {
        return;
    }
    text.push_str("\nNot read, or not as it should be; the rest is measured:\n");
    for problem in report.problems.iter().take(view.rows) {
        let _ = writeln!(text, "  {}: {}", if problem.path.is_empty() { "." } else { &problem.path }, problem.reason);
    }
    if report.problems.len() > view.rows {
        let _ = writeln!(text, "  … {} more", report.problems.len() - view.rows);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Reason, SCHEMA, Target};

    fn package(name: &str, content: u64, retained: u64, by: &[&str]) -> PackageRow {
        let required_by =
            by.iter().map(|name| Reason { name: (*name).to_owned(), requirement: "x".to_owned() }).collect();
        PackageRow {
            name: name.to_owned(),
            version: "1.2.3".to_owned(),
            content: Some(content),
            disk: Some(content),
            files: Some(1),
            retained: Some(retained),
            download: None,
            retained_download: None,
            direct: by.is_empty(),
            dev: false,
            ecosystem: crate::packages::Ecosystem::Python,
            editable: None,
            requires: vec![],
            missing: vec![],
            required_by,
        }
    }

    #[test]
    fn lines_fit_eighty_columns_and_families_make_one_row() {
        let nvidia = (0..5).map(|n| package(&format!("nvidia-part{n}"), 640_000_000, 640_000_000, &["torch"]));
        let mut packages = vec![package("a-package-with-a-very-long-name-indeed", 5, 5, &["torch"])];
        packages.extend(nvidia);
        packages.push(package("sentence-transformers", 2_000_000, 5_592_000_005, &[]));
        packages.push(package("torch", 1_210_000_000, 5_590_000_000, &["sentence-transformers"]));
        let report = Report {
            schema: SCHEMA,
            target: Target { path: ".venv".into(), kind: Kind::PythonEnvironment, platform: None, python: None },
            meters: Meters { content: Some(6_000_000_000), ..Meters::default() },
            files: 38_810,
            packages,
            unowned: 3,
            parts: vec![],
            image: None,
            findings: vec![],
            plan: vec![],
            accepted: 0,
            problems: vec![],
        };
        let text = show(&report, View { rows: 3, ..View::default() });
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(text.contains("nvidia-* (5)") && text.contains("3.20 GB"), "{text}");
        assert!(text.contains("… 1 more") && text.contains("38,810 files"), "{text}");
        assert!(text.contains("stored unknown"), "{text}");
        let target = Target { path: "a\x1b[2Jb".into(), ..report.target };
        let text = show(&Report { target, ..report }, View::default());
        assert!(text.starts_with("a\\x1b[2Jb: Python environment, 8 packages"), "{text}");
    }
}
