//! What an image stores for nothing: F301 to F303.

use super::{Finding, Saving};
use crate::image::Image;
use crate::tree::{NodeId, ROOT};
use std::collections::BTreeMap;

/// Less than this is not worth a finding.
const LEAST_BYTES: u64 = 100_000;
/// So many of a kind are shown.
const SHOWN: usize = 10;

/// Looks at an image.
pub fn check(image: &Image, found: &mut Vec<Finding>) {
    hidden(image, found);
    twice(image, found);
    leftovers(image, found);
}

/// A layer by its number, from 1, and what made it.
fn layer_name(image: &Image, number: u32) -> String {
    let instruction = image.report.layers.get(number as usize).map_or("", |layer| layer.instruction.as_str());
    let shown: String = instruction.chars().take(60).collect();
    let dots = if shown.len() < instruction.len() { "…" } else { "" };
    if shown.is_empty() { format!("layer {}", number + 1) } else { format!("layer {} ({shown}{dots})", number + 1) }
}

/// Bytes that one layer hides of another, and the files.
type Hidden<'a> = (u64, Vec<(u64, &'a str)>);

fn hidden(image: &Image, found: &mut Vec<Finding>) {
    let mut pairs: BTreeMap<(u32, u32), Hidden<'_>> = BTreeMap::new();
    for file in image.files.iter().filter(|file| file.names == 0) {
        let by = file.hidden_by.unwrap_or(file.layer);
        let pair = pairs.entry((file.layer, by)).or_default();
        pair.0 += file.size;
        pair.1.push((file.size, &file.path));
    }
    let mut pairs: Vec<_> = pairs.into_iter().filter(|(_, (bytes, _))| *bytes >= LEAST_BYTES).collect();
    pairs.sort_by_key(|(pair, (bytes, _))| (std::cmp::Reverse(*bytes), *pair));
    for ((stored, by), (bytes, mut files)) in pairs.into_iter().take(SHOWN) {
        files.sort_by(|a, b| b.cmp(a));
        let message = format!("stored by {}, hidden by {}", layer_name(image, stored), layer_name(image, by));
        let mut finding = Finding::new("F301", "", 0, message).saves(Saving::measured(bytes));
        finding.evidence = files.iter().take(3).map(|(size, path)| format!("{path}, {size} bytes")).collect();
        found.push(finding.suggest("delete in the instruction that creates"));
    }
}

fn twice(image: &Image, found: &mut Vec<Finding>) {
    let (groups, bytes) = (&image.duplicates, image.report.duplicates);
    if bytes >= LEAST_BYTES {
        let message = format!("the content of {} files is there more than once", groups.len());
        let mut finding = Finding::new("F302", "", 0, message).saves(Saving::measured(bytes));
        finding.evidence = groups
            .iter()
            .take(3)
            .map(|group| {
                format!("{} bytes: {}", group.bytes, group.paths.iter().take(3).cloned().collect::<Vec<_>>().join(", "))
            })
            .collect();
        found.push(finding);
    }
}

/// Folders whose files nothing reads when the application runs, and what they are.
const LEFTOVERS: [(&str, &str); 12] = [
    ("var/lib/apt/lists", "lists of apt"),
    ("var/cache/apt", "cache of apt"),
    ("var/cache/apk", "cache of apk"),
    ("var/cache/yum", "cache of yum"),
    ("var/cache/dnf", "cache of dnf"),
    ("root/.cache", "cache of root"),
    ("root/.npm", "cache of npm"),
    ("usr/local/share/.cache", "cache of yarn"),
    ("var/log", "logs"),
    ("tmp", "temporary files"),
    ("var/tmp", "temporary files"),
    ("usr/share/doc", "documentation of packages"),
];

fn leftovers(image: &Image, found: &mut Vec<Finding>) {
    for (path, what) in LEFTOVERS {
        let Ok(folder) = image.tree.lookup(ROOT, path) else { continue };
        let nodes: Vec<NodeId> = image.tree.below(folder);
        let bytes = image.tree.content_of(nodes);
        // A model that was fetched while building is kept in a cache, and is no leftover.
        let models = path == "root/.cache" && image.tree.child(folder, "huggingface").is_some();
        if bytes >= LEAST_BYTES && !models {
            let finding = Finding::new("F303", "", 0, format!("{what} in /{path}"));
            found.push(finding.about(vec![path.to_owned()]).saves(Saving::measured(bytes)));
        }
    }
}
