//! A report as one page: a treemap, the plan as a waterfall, the findings, and tables that say the same without a script.
//!
//! Nothing in it is fetched, and its policy allows its own style and script only, by their hashes. What comes from outside
//! (names of files, versions, instructions) is escaped by the template; the data of the treemap have no `<` in them.

use super::bars::{counted, thousands};
use super::map::{self, title};
use super::terminal::{self, View, show_saving, why};
use crate::Measured;
use crate::checks::table;
use crate::meters::Meter;
use crate::tree::printable;
use askama::Template;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use std::path::Path;

/// Rows of a table; what is smaller makes one.
const ROWS: usize = 500;
/// A bar's whole.
const WHOLE: u64 = 1000;

/// A style or a script, and what the policy calls it by.
struct Asset {
    text: &'static str,
    hash: String,
}

impl Asset {
    fn new(text: &'static str) -> Self {
        let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
        Self { text, hash: format!("sha256-{}", BASE64.encode(digest)) }
    }
}

#[derive(Template)]
#[template(path = "page.html")]
struct Page {
    title: String,
    lead: String,
    style: Asset,
    script: Asset,
    meters: Vec<Size>,
    groupings: Vec<&'static str>,
    data: String,
    plan: Vec<Planned>,
    counts: Option<String>,
    findings: Vec<Found>,
    packages: Vec<Row>,
    layers: Vec<Row>,
    stored: String,
    downloads: bool,
    parts: Vec<Row>,
    problems: Vec<(String, String)>,
    version: &'static str,
}

struct Size {
    name: &'static str,
    value: Option<String>,
    what: &'static str,
}

/// A line of the plan; the bar starts after what is left.
struct Planned {
    name: String,
    place: String,
    saves: String,
    left: String,
    known: &'static str,
    effect: &'static str,
    bar: Option<Bar>,
}

struct Bar {
    from: u64,
    width: u64,
}

struct Found {
    severity: &'static str,
    id: &'static str,
    place: String,
    saving: Option<String>,
    message: Marked,
    evidence: Vec<Marked>,
    suggestion: Option<Marked>,
    why: &'static str,
    mend: Marked,
}

/// A text in pieces; those that are `true` stood between backticks.
type Marked = Vec<(bool, String)>;

/// A row of a table with a bar: what it is, two sizes, a remark, and the parts of the bar.
struct Row {
    name: String,
    own: String,
    retained: String,
    why: String,
    wide: u64,
    narrow: u64,
}

/// The page. `version` is that of the program.
///
/// # Errors
/// None that this crate knows of: the template is compiled.
pub fn page(measured: &Measured, version: &'static str, view: View) -> Result<String, std::fmt::Error> {
    let report = &measured.report;
    let groupings = map::groupings(measured);
    let page = Page {
        title: shown(&name(&report.target.path)),
        lead: shown(&terminal::kind(report)),
        style: Asset::new(include_str!("../../templates/page.css")),
        script: Asset::new(include_str!("../../templates/page.js")),
        meters: Meter::ALL.map(|meter| size(report, meter, view)).into(),
        groupings: groupings.iter().map(|grouping| grouping.by).collect(),
        data: for_script(&map::json(&groupings, view)),
        plan: plan(measured, view),
        counts: (!report.findings.is_empty()).then(|| terminal::counts(report)),
        findings: findings(measured, view),
        packages: packages(measured, view),
        layers: layers(measured, view),
        stored: report.image.as_ref().map(|image| terminal::stored(image, view)).unwrap_or_default(),
        downloads: report.meters.content.is_none(),
        parts: parts(measured, view),
        problems: report.problems.iter().map(|problem| (shown(&problem.path), shown(&problem.reason))).collect(),
        version,
    };
    page.render().map_err(|_| std::fmt::Error)
}

/// What the page is called: the path as it was given; the folder's own name if that says nothing, as `.` does.
fn name(path: &str) -> String {
    if Path::new(path).file_name().is_some() {
        return path.to_owned();
    }
    let own = std::fs::canonicalize(path).ok();
    let own = own.as_deref().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    own.unwrap_or_else(|| path.to_owned())
}

/// A text from outside as a reader may see it: control characters by their numbers, and those that turn the direction of
/// writing, too. What is markup is escaped by the template.
pub(super) fn shown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in printable(text.as_bytes()).chars() {
        match turns(c) {
            true => shown.extend(c.escape_unicode()),
            false => shown.push(c),
        }
    }
    shown
}

/// Whether a character turns the direction of writing, or ends a line for some readers only.
fn turns(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A text with what stands between backticks apart; a backtick without another stays one.
fn marked(text: &str) -> Marked {
    let mut pieces: Vec<(bool, String)> = Vec::new();
    let parts: Vec<&str> = text.split('`').collect();
    let last = parts.len() - 1;
    for (place, part) in parts.iter().enumerate() {
        match place % 2 {
            1 if place == last => pieces.push((false, format!("`{}", shown(part)))),
            odd => pieces.push((odd == 1, shown(part))),
        }
    }
    pieces.retain(|(code, text)| *code || !text.is_empty());
    pieces
}

/// JSON that stands in a script: outside of its texts there are no such characters, and inside they are written by their
/// numbers, so nothing in it can end the script.
fn for_script(data: &serde_json::Value) -> String {
    let mut text = String::new();
    for c in data.to_string().chars() {
        match matches!(c, '<' | '>' | '&' | '\'' | '\u{7f}'..='\u{9f}') || turns(c) {
            true => text.push_str(&format!("\\u{:04x}", u32::from(c))),
            false => text.push(c),
        }
    }
    text
}

fn part(bytes: u64, whole: u64) -> u64 {
    let exact = u128::from(bytes.min(whole)) * u128::from(WHOLE) / u128::from(whole.max(1));
    // What is there shows.
    u64::try_from(exact).unwrap_or(WHOLE).max(u64::from(bytes > 0) * 2)
}

fn size(report: &super::Report, meter: Meter, view: View) -> Size {
    Size {
        name: meter.name(),
        value: report.meters.get(meter).map(|bytes| view.units.show(bytes)),
        what: match meter {
            Meter::Content => "bytes of files, each once",
            Meter::Stored => "in all layers, hidden ones too",
            Meter::Download => "what is transferred, compressed",
            Meter::Disk => "blocks of the file system",
        },
    }
}

fn plan(measured: &Measured, view: View) -> Vec<Planned> {
    let whole = measured.tree.content();
    let lines = measured.report.plan.iter().map(|step| {
        let (mark, sign) = step.effect.marks();
        let id = if step.id.is_empty() { String::new() } else { format!("{} ", step.id) };
        let from = step.left.map(|left| part(left, whole));
        Planned {
            name: shown(&format!("{mark}{id}{}", step.name)),
            place: shown(&step.place),
            saves: format!("{sign}{}", view.units.show(step.bytes)),
            left: view.known(step.left),
            known: step.known(),
            effect: step.effect.name(),
            bar: from.map(|from| Bar { from, width: part(step.bytes, whole).min(WHOLE.saturating_sub(from)) }),
        }
    });
    lines.collect()
}

fn findings(measured: &Measured, view: View) -> Vec<Found> {
    let mut seen = std::collections::BTreeSet::new();
    let lines = measured.report.findings.iter().map(|finding| {
        // Said once, where it is met first.
        let check = table::find(finding.id).filter(|check| seen.insert(check.id));
        Found {
            severity: finding.severity.name(),
            id: finding.id,
            place: shown(&finding.place()),
            saving: finding.saving.map(|saving| show_saving(saving, view)),
            message: marked(&finding.message),
            evidence: finding.evidence.iter().map(|line| marked(line)).collect(),
            suggestion: finding.suggestion.as_deref().map(marked),
            why: check.map_or("", |check| check.why),
            mend: marked(check.map_or("", |check| check.mend)),
        }
    });
    lines.collect()
}

fn packages(measured: &Measured, view: View) -> Vec<Row> {
    let report = &measured.report;
    let whole = report.whole();
    let mut sorted: Vec<_> = report.packages.iter().collect();
    sorted.sort_by(|a, b| b.retained_weight().cmp(&a.retained_weight()).then_with(|| a.name.cmp(&b.name)));
    let mut rows: Vec<Row> = sorted
        .iter()
        .take(ROWS)
        .map(|package| Row {
            name: shown(&title(package)),
            own: view.known(package.weight()),
            retained: view.known(package.retained_weight()),
            why: shown(&why(package)),
            wide: part(package.retained_weight().unwrap_or_default(), whole),
            narrow: part(package.weight().unwrap_or_default(), whole),
        })
        .collect();
    let mut more = |name: String, bytes: u64| {
        let (own, narrow) = (view.units.show(bytes), part(bytes, whole));
        rows.push(Row { name, retained: own.clone(), own, why: String::new(), wide: narrow, narrow });
    };
    if sorted.len() > ROWS {
        let rest = sorted[ROWS..].iter().filter_map(|package| package.weight()).sum();
        more(format!("{} more", thousands((sorted.len() - ROWS) as u64)), rest);
    }
    if report.unowned > 0 && !sorted.is_empty() {
        more("(of no package)".to_owned(), report.unowned);
    }
    rows
}

fn layers(measured: &Measured, view: View) -> Vec<Row> {
    let Some(image) = &measured.report.image else { return Vec::new() };
    let rows = image.layers.iter().enumerate().map(|(number, layer)| Row {
        name: shown(&format!("{} {}", number + 1, layer.title())),
        own: view.units.show(layer.stored),
        retained: view.units.show(layer.hidden),
        why: view.known(layer.download),
        wide: part(layer.stored, image.stored),
        narrow: part(layer.stored - layer.hidden, image.stored),
    });
    rows.collect()
}

fn parts(measured: &Measured, view: View) -> Vec<Row> {
    let whole = measured.report.meters.content.unwrap_or_default();
    let parts = &measured.report.parts;
    let mut rows: Vec<Row> = parts
        .iter()
        .take(ROWS)
        .map(|of| Row {
            name: shown(&of.path),
            own: view.units.show(of.content),
            retained: thousands(of.files),
            why: String::new(),
            wide: 0,
            narrow: part(of.content, whole),
        })
        .collect();
    if let Some(rest) = parts.get(ROWS..).filter(|rest| !rest.is_empty()) {
        let bytes = rest.iter().map(|of| of.content).sum();
        rows.push(Row {
            name: format!("{} more", counted(rest.len() as u64, "part")),
            own: view.units.show(bytes),
            retained: thousands(rest.iter().map(|of| of.files).sum()),
            why: String::new(),
            wide: 0,
            narrow: part(bytes, whole),
        });
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_the_data_can_end_the_script() {
        let hostile = "</script><script>alert(1)</script> ]]> <!-- & \" ' \\ \u{2028}\u{202e}\u{0}\u{7f}";
        let text = for_script(&serde_json::json!([hostile]));
        assert!(!text.contains(['<', '>', '&', '\'', '\u{2028}', '\u{202e}', '\u{0}', '\u{7f}']), "{text}");
        assert_eq!(serde_json::from_str::<Vec<String>>(&text).expect("JSON"), [hostile]);
        assert_eq!(shown("a\u{202e}b\u{1b}[2J\u{61c}"), "a\\u{202e}b\\x1b[2J\\u{61c}");
    }

    #[test]
    fn code_is_what_stands_between_backticks() {
        let text = |pieces: Marked| -> String {
            pieces.into_iter().map(|(code, text)| if code { format!("[{text}]") } else { text }).collect()
        };
        for (from, expected) in [("add `a` to `b`", "add [a] to [b]"), ("a`b", "a`b"), ("``", "[]"), ("", "")] {
            assert_eq!(text(marked(from)), expected, "{from}");
        }
    }

    #[test]
    fn a_page_of_this_folder_has_its_name() {
        for (path, expected) in
            [(".", "footprint"), ("./", "footprint"), ("src/..", "footprint"), ("/", "/"), ("a/b", "a/b")]
        {
            assert_eq!(name(path), expected, "{path}");
        }
    }

    #[test]
    fn bars_show_what_is_there_and_stay_inside() {
        assert_eq!((part(0, 10), part(1, u64::MAX), part(5, 10), part(u64::MAX, 3), part(1, 0)), (0, 2, 500, 1000, 2));
    }

    /// The two pages look alike, and no crate can own the colours of both.
    #[test]
    fn the_colours_are_those_of_the_search_page() {
        let search = Path::new(env!("CARGO_MANIFEST_DIR")).join("../server/templates/libellus.css");
        let search = std::fs::read_to_string(search).expect("it is there");
        let colours = |text: &str| -> Vec<String> {
            let lines = text.lines().map(str::trim).filter(|line| line.starts_with("--"));
            lines.map(str::to_owned).collect()
        };
        let own = colours(include_str!("../../templates/page.css"));
        let missing: Vec<String> = colours(&search).into_iter().filter(|line| !own.contains(line)).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}
