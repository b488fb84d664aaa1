//! What is wrong with a `node_modules`: F209 to F211.

use super::{Finding, Saving, Severity};
use crate::node::modules::{Modules, copies};
use crate::report::bars::counted;

/// Names that are shown of many.
const SHOWN: usize = 5;

/// Looks at what is installed. If `shipped`, it is taken for what will run, else for a developer's folder.
pub fn check(modules: &Modules, shipped: bool, found: &mut Vec<Finding>) {
    let title = |at: usize| format!("{} {}", modules.all[at].name, modules.all[at].version);
    let content = |list: &[usize]| -> u64 { list.iter().map(|at| modules.all[*at].content).sum() };
    let mut largest = |mut list: Vec<usize>, id: &'static str, message: &str, mend: &str, severity: Severity| {
        let bytes = content(&list);
        if bytes == 0 {
            return;
        }
        list.sort_by_key(|at| (std::cmp::Reverse(modules.all[*at].retained), *at));
        let mut finding = Finding::new(id, "", 0, format!("{} {message}", counted(list.len() as u64, "package")))
            .suggest(mend)
            .saves(Saving::measured(bytes))
            .as_severe_as(severity);
        for at in list.iter().take(SHOWN) {
            let way = modules.graph.way_to(*at).unwrap_or_default();
            finding = finding.because(way.into_iter().map(title).collect::<Vec<_>>().join(" → "));
        }
        if list.len() > SHOWN {
            finding = finding.because(format!("and {} more", list.len() - SHOWN));
        }
        found.push(finding);
    };
    let severity = if shipped { Severity::Warning } else { Severity::Note };
    let dev = (0..modules.all.len()).filter(|at| modules.all[*at].dev).collect();
    largest(dev, "F211", "for developers only", "`npm ci --omit=dev`, `pnpm install --prod`", severity);
    if modules.rooted {
        let lost = (0..modules.all.len()).filter(|at| !modules.reached[*at]).collect();
        largest(lost, "F210", "that nothing needs", "`npm prune`", Severity::Note);
    }
    for (name, places, bytes) in copies(modules) {
        let mut finding = Finding::new("F209", "", 0, format!("{name} is there {} times", places.len()))
            .suggest("`npm dedupe`")
            .about(places.iter().map(|at| modules.folders[*at].clone()).collect())
            .saves(Saving::measured(bytes));
        for at in places.iter().take(SHOWN) {
            finding = finding.because(modules.folders[*at].clone());
        }
        found.push(finding);
    }
    super::sort(found);
}
