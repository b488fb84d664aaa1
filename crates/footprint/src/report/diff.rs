//! What has changed between two reports, as Markdown for a pull request: the sizes first, then what has grown most, the
//! rest folded. Either may be a file that `--json` wrote.

use super::terminal::{View, plain};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Rows that are shown at once.
const SHOWN: usize = 5;

/// The change from one report to another, both in JSON.
pub fn markdown(before: &Value, after: &Value, view: View) -> String {
    let name = |report: &Value| report["target"]["path"].as_str().unwrap_or("?").replace('`', "'");
    let mut text = format!(
        "### Footprint: `{}` → `{}`\n\n| size | before | after | change |\n| --- | ---: | ---: | ---: |\n",
        name(before),
        name(after)
    );
    for meter in crate::meters::Meter::ALL {
        let get = |report: &Value| report["meters"][meter.name()].as_u64();
        let show = |bytes: Option<u64>| bytes.map_or_else(|| "unknown".to_owned(), |bytes| view.units.show(bytes));
        let change = get(before)
            .zip(get(after))
            .map_or_else(|| "unknown".to_owned(), |(before, after)| show_change(before, after, view));
        if get(before).is_some() || get(after).is_some() {
            let _ = writeln!(text, "| {} | {} | {} | {change} |", meter.name(), show(get(before)), show(get(after)));
        }
    }
    let mut rows = changes(before, after, "packages", "name", "content");
    if rows.is_empty() {
        rows = changes(before, after, "parts", "path", "content");
    }
    if rows.is_empty() {
        return text + "\nNo part has changed.\n";
    }
    let table = |rows: &[Row]| {
        let mut text = String::from("| part | before | after | change |\n| --- | ---: | ---: | ---: |\n");
        for row in rows {
            let show = |bytes: Option<u64>| bytes.map_or_else(|| "–".to_owned(), |bytes| view.units.show(bytes));
            let change = show_change(row.before.unwrap_or(0), row.after.unwrap_or(0), view);
            let _ = writeln!(
                text,
                "| `{}` | {} | {} | {change} |",
                row.name.replace(['`', '|'], "'"),
                show(row.before),
                show(row.after)
            );
        }
        text
    };
    let (first, rest) = rows.split_at(rows.len().min(SHOWN));
    let _ = write!(text, "\n{}", table(first));
    if !rest.is_empty() {
        let _ = write!(text, "\n<details><summary>{} more</summary>\n\n{}\n</details>\n", rest.len(), table(rest));
    }
    plain(&text)
}

struct Row {
    name: String,
    before: Option<u64>,
    after: Option<u64>,
}

fn show_change(before: u64, after: u64, view: View) -> String {
    let change = i64::try_from(i128::from(after) - i128::from(before)).unwrap_or(i64::MAX);
    let percent =
        if before > 0 { format!(" ({:+.1} %)", change as f64 / before as f64 * 100.0) } else { String::new() };
    format!("{}{percent}", view.units.show_change(change))
}

/// What is in one list and not in the other, or larger or smaller there; the largest change first.
fn changes(before: &Value, after: &Value, list: &str, key: &str, size: &str) -> Vec<Row> {
    let read = |report: &Value| -> BTreeMap<String, u64> {
        let mut sizes = BTreeMap::new();
        for row in report[list].as_array().into_iter().flatten() {
            if let (Some(name), Some(bytes)) =
                (row[key].as_str(), row[size].as_u64().or_else(|| row["download"].as_u64()))
            {
                let sum: &mut u64 = sizes.entry(name.to_owned()).or_default();
                *sum = sum.saturating_add(bytes);
            }
        }
        sizes
    };
    let (before, after) = (read(before), read(after));
    let names = before.keys().chain(after.keys()).collect::<std::collections::BTreeSet<_>>();
    let rows = names.into_iter().map(|name| Row {
        name: name.clone(),
        before: before.get(name).copied(),
        after: after.get(name).copied(),
    });
    let mut rows: Vec<Row> = rows.filter(|row| row.before != row.after).collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.before.unwrap_or(0).abs_diff(row.after.unwrap_or(0))));
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn changes_are_shown_largest_first_and_the_rest_folded() {
        let package = |name: &str, content: u64| json!({"name": name, "content": content});
        let before = json!({"target": {"path": "a"}, "meters": {"content": 1000, "disk": null},
            "packages": [package("old", 500), package("same", 1), package("grown", 10)]});
        let mut packages: Vec<Value> = (0..6).map(|number| package(&format!("new{number}"), 20 + number)).collect();
        packages.extend([package("same", 1), package("grown", 2_000)]);
        let after = json!({"target": {"path": "b"}, "meters": {"content": 3000, "disk": 9}, "packages": packages});
        let text = markdown(&before, &after, View::default());
        assert!(text.contains("| content | 1.0 kB | 3.0 kB | +2.0 kB (+200.0 %) |"), "{text}");
        assert!(text.contains("| disk | unknown | 9 B | unknown |"), "{text}");
        let place = |part: &str| text.find(part).unwrap_or_else(|| panic!("{part} in {text}"));
        assert!(place("`grown`") < place("`old`") && place("`old`") < place("`new5`"), "{text}");
        // A saved report may say anything.
        let huge = json!({"packages": [package("a", u64::MAX), package("a", 1)]});
        assert!(markdown(&huge, &huge, View::default()).ends_with("No part has changed.\n"));
        assert!(place("<details><summary>3 more") < place("`new0`") && !text.contains("`same`"), "{text}");
    }
}
