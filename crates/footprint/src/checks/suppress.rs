//! Findings that a user accepts: `# footprint: ignore=F108 reason` in the line, above it, or among the lines that are
//! meant; `# footprint: ignore-file=F108` for a whole file.

use super::Finding;
use std::collections::BTreeMap;

/// Takes out what is accepted.
pub fn retain(found: &mut Vec<Finding>, texts: &BTreeMap<String, String>) {
    found.retain(|finding| texts.get(&finding.file).is_none_or(|text| !is_accepted(finding, text)));
}

fn is_accepted(finding: &Finding, text: &str) -> bool {
    let first = finding.line.saturating_sub(1).max(1);
    text.lines().enumerate().any(|(index, line)| {
        let number = index as u32 + 1;
        let near = finding.line > 0 && (first..=finding.last_line).contains(&number);
        names(line, "ignore-file=", finding.id) || (near && names(line, "ignore=", finding.id))
    })
}

fn names(line: &str, what: &str, id: &str) -> bool {
    let Some((_, comment)) = line.split_once("# footprint:") else { return false };
    let Some(list) = comment.trim_start().strip_prefix(what) else { return false };
    let list = list.split_whitespace().next().unwrap_or_default();
    list.split(',').any(|one| one.eq_ignore_ascii_case(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_named_is_silenced() {
        let text =
            "FROM a\n# footprint: ignore=F108,F109 we need it\nRUN x \\\n  # footprint: ignore=F110\n  y\nRUN z\n";
        let texts = BTreeMap::from([("Dockerfile".to_owned(), text.to_owned())]);
        let at = |id, line, last| Finding::new(id, "Dockerfile", line, "").to(last);
        for (finding, kept) in [
            (at("F108", 3, 5), false),
            (at("F109", 3, 3), false),
            (at("F110", 3, 5), false),
            (at("F111", 3, 5), true),
            (at("F108", 6, 6), true),
        ] {
            let mut found = vec![finding.clone()];
            retain(&mut found, &texts);
            assert_eq!(!found.is_empty(), kept, "{finding:?}");
        }
        let texts = BTreeMap::from([("Dockerfile".to_owned(), "# footprint: ignore-file=F114 a tool\n".to_owned())]);
        let mut found = vec![at("F114", 9, 9), at("F113", 9, 9)];
        retain(&mut found, &texts);
        assert_eq!(found.len(), 1);
    }
}
