//! What the treemap of the page shows: areas within areas, for each way of grouping that a target has.
//!
//! A page has to open at once, so what no pixel shows is added up: areas below a part of the whole become one, and
//! folders with nothing but a folder in them are one step.

use super::html::shown;
use super::terminal::{View, why};
use crate::Measured;
use crate::graph::Graph;
use crate::packages::{Installed, owners_of_inodes};
use crate::report::PackageRow;
use crate::tree::{NodeId, ROOT, Tree};
use serde_json::{Value, json};
use std::collections::HashMap;

/// Areas below this part of the whole are added up.
const FINEST: u64 = 1500;
/// Areas in one, at most; the others are added up.
const MOST: usize = 60;
/// Deeper than anyone zooms.
const DEEPEST: usize = 12;

/// A way of grouping what is there.
pub struct Grouping {
    /// By what.
    pub by: &'static str,
    /// Everything.
    pub whole: Area,
}

/// A part of a target, and what is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Area {
    /// What it is called.
    pub name: String,
    /// How large it is.
    pub bytes: u64,
    /// More about it.
    pub note: String,
    /// Its parts; empty if it has none that are worth showing.
    pub inside: Vec<Area>,
}

/// All ways in which a target can be grouped.
pub fn groupings(measured: &Measured) -> Vec<Grouping> {
    let report = &measured.report;
    let tree = &measured.tree;
    let mut groupings = Vec::new();
    if let Some(installed) = &measured.installed {
        let notes: Vec<String> = report.packages.iter().map(note).collect();
        let name = |index: usize| title(&report.packages[index]);
        let whole = match installed.measured {
            true => by_package(tree, installed, name, &notes),
            false => by_download(&report.packages, &notes),
        };
        groupings.push(Grouping { by: "package", whole });
        groupings.push(Grouping { by: "reason", whole: by_reason(&installed.graph, &report.packages, &notes) });
    }
    if let Some(image) = &report.image {
        let mut files = Files::new(tree, |id| measured.layers.get(id as usize).copied().unwrap_or(NONE));
        files.least = finest(image.stored);
        let layers = image.layers.iter().enumerate().map(|(number, layer)| {
            let reachable = files.area(number as u32, ROOT, String::new(), 0);
            // What lies deep in one place keeps its path.
            let mut inside = match (reachable.name.is_empty(), reachable.inside.is_empty()) {
                (true, false) => reachable.inside,
                (true, true) => vec![Area { name: "small files".to_owned(), ..reachable }],
                (false, _) => vec![reachable],
            };
            if layer.hidden > 0 {
                let name = "hidden by later layers".to_owned();
                inside.push(Area { name, bytes: layer.hidden, ..Area::default() });
            }
            let name = format!("{} {}", number + 1, layer.title());
            Area { name, bytes: layer.stored, note: String::new(), inside: tidy(inside, files.least) }
        });
        groupings.push(Grouping { by: "layer", whole: around(layers.collect(), files.least) });
    }
    if tree.content() > 0 {
        let files = Files::new(tree, |id| if tree.is_file(id) { 0 } else { NONE });
        groupings
            .push(Grouping { by: "folder", whole: around(files.area(0, ROOT, String::new(), 0).inside, files.least) });
    }
    groupings.retain(|grouping| grouping.whole.bytes > 0);
    groupings
}

/// The areas for the page's script: `[name, bytes, size as it is shown, note, parts]`.
pub fn json(groupings: &[Grouping], view: View) -> Value {
    fn value(area: &Area, view: View) -> Value {
        let inside: Vec<Value> = area.inside.iter().map(|area| value(area, view)).collect();
        json!([shown(&area.name), area.bytes, view.units.show(area.bytes), shown(&area.note), inside])
    }
    groupings.iter().map(|grouping| value(&grouping.whole, view)).collect()
}

/// Name and version of a package, in one.
pub(super) fn title(package: &PackageRow) -> String {
    format!("{} {}", package.name, package.version)
}

fn note(package: &PackageRow) -> String {
    match (package.direct, package.required_by.is_empty()) {
        (false, false) => format!("needed by {}", why(package)),
        _ => why(package),
    }
}

fn finest(whole: u64) -> u64 {
    (whole / FINEST).max(1)
}

/// One area around these.
fn around(inside: Vec<Area>, least: u64) -> Area {
    let bytes = inside.iter().map(|area| area.bytes).sum();
    Area { name: "everything".to_owned(), bytes, note: String::new(), inside: tidy(inside, least) }
}

/// The largest first, and the smallest as one.
fn tidy(mut areas: Vec<Area>, least: u64) -> Vec<Area> {
    areas.retain(|area| area.bytes > 0);
    areas.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.name.cmp(&b.name)));
    let large = areas.iter().take(MOST).take_while(|area| area.bytes >= least).count();
    if areas.len() - large > 1 {
        let rest = areas.split_off(large);
        let bytes = rest.iter().map(|area| area.bytes).sum();
        let name = format!("{} more", rest.len());
        areas.push(Area { name, bytes, ..Area::default() });
    }
    areas
}

fn by_package(tree: &Tree, installed: &Installed, name: impl Fn(usize) -> String, notes: &[String]) -> Area {
    let owner_of = owners_of_inodes(tree, &installed.owners);
    let files = Files::new(tree, |id| {
        let owner = owner_of[tree.inode_id(id) as usize];
        // A file with names in several packages lies where its owner has it.
        let here = owner.is_none() || installed.owners.of(id) == owner;
        if tree.is_file(id) && here { owner.map_or(NONE - 1, |owner| owner as u32) } else { NONE }
    });
    let mut areas: Vec<Area> = (0..installed.all.len())
        .map(|index| {
            let area = files.area(index as u32, ROOT, String::new(), 0);
            Area { name: name(index), note: notes[index].clone(), ..area }
        })
        .collect();
    let unowned = files.area(NONE - 1, ROOT, String::new(), 0);
    areas.push(Area { name: "(of no package)".to_owned(), ..unowned });
    around(areas, files.least)
}

/// Packages that are not there, by what is downloaded for them.
fn by_download(packages: &[PackageRow], notes: &[String]) -> Area {
    let areas = packages.iter().zip(notes).map(|(package, note)| Area {
        name: title(package),
        bytes: package.weight().unwrap_or_default(),
        note: note.clone(),
        inside: Vec::new(),
    });
    let areas: Vec<Area> = areas.collect();
    let least = finest(areas.iter().map(|area| area.bytes).sum());
    around(areas, least)
}

/// Who brings what: each package lies in the one with which it would leave.
fn by_reason(graph: &Graph, packages: &[PackageRow], notes: &[String]) -> Area {
    let dominators = graph.dominators_of_all();
    let mut brings: Vec<Vec<usize>> = vec![Vec::new(); packages.len()];
    let mut first = Vec::new();
    for (index, dominator) in dominators.iter().enumerate() {
        match dominator {
            Some(dominator) => brings[*dominator].push(index),
            None => first.push(index),
        }
    }
    let least = finest(packages.iter().filter_map(PackageRow::weight).sum());
    let (direct, shared): (Vec<usize>, Vec<usize>) =
        first.into_iter().partition(|index| packages[*index].required_by.is_empty() || packages[*index].direct);
    let area = |index| reason(index, &brings, packages, notes, least, 0);
    let mut areas: Vec<Area> = direct.into_iter().map(area).collect();
    let shared: Vec<Area> = shared.into_iter().map(area).collect();
    if !shared.is_empty() {
        let note = "each is needed by several, and leaves when all of those do".to_owned();
        areas.push(Area { name: "shared by several".to_owned(), note, ..around(shared, least) });
    }
    around(areas, least)
}

fn reason(
    index: usize,
    brings: &[Vec<usize>],
    packages: &[PackageRow],
    notes: &[String],
    least: u64,
    depth: usize,
) -> Area {
    let package = &packages[index];
    let name = title(package);
    let mut area = Area {
        name,
        bytes: package.retained_weight().unwrap_or_default(),
        note: notes[index].clone(),
        inside: Vec::new(),
    };
    if !brings[index].is_empty() && depth < DEEPEST && area.bytes >= least {
        let mut inside: Vec<Area> =
            brings[index].iter().map(|other| reason(*other, brings, packages, notes, least, depth + 1)).collect();
        inside.push(Area {
            name: format!("{} itself", package.name),
            bytes: package.weight().unwrap_or_default(),
            ..Area::default()
        });
        area.inside = tidy(inside, least);
    }
    area
}

/// Of no group.
const NONE: u32 = u32::MAX;

/// Files in groups, and what the folders have of each.
struct Files<'t> {
    tree: &'t Tree,
    /// The group in which a node counts.
    group: Vec<u32>,
    /// What a group has below a folder.
    folders: HashMap<(u32, NodeId), Share>,
    least: u64,
}

/// A group's share of a folder.
#[derive(Default)]
struct Share {
    bytes: u64,
    /// Which of its entries have something of the group: one of ten thousand packages is not looked for in all of them.
    entries: Vec<NodeId>,
}

impl<'t> Files<'t> {
    /// Puts each file into the group of its first name that has one.
    fn new(tree: &'t Tree, group_of: impl Fn(NodeId) -> u32) -> Self {
        let mut counted = vec![false; tree.inode_count()];
        let mut group = vec![NONE; tree.len()];
        for id in tree.ids().filter(|id| tree.is_file(*id)) {
            let its = group_of(id);
            if its != NONE && !std::mem::replace(&mut counted[tree.inode_id(id) as usize], true) {
                group[id as usize] = its;
            }
        }
        let mut folders: HashMap<(u32, NodeId), Share> = HashMap::new();
        for id in tree.ids().filter(|id| group[*id as usize] != NONE) {
            let its = group[id as usize];
            let bytes = tree.inode(id).size;
            let (mut entry, mut is_new) = (id, true);
            while entry != ROOT {
                let folder = tree.parent(entry);
                let share = folders.entry((its, folder)).or_default();
                let is_first = share.entries.is_empty();
                share.bytes += bytes;
                if is_new {
                    share.entries.push(entry);
                }
                (entry, is_new) = (folder, is_first);
            }
        }
        Self { tree, group, folders, least: finest(tree.content()) }
    }

    /// Bytes of a group in a file, or below a folder.
    fn bytes(&self, group: u32, id: NodeId) -> u64 {
        let of_file = if self.group[id as usize] == group { self.tree.inode(id).size } else { 0 };
        self.folders.get(&(group, id)).map_or(of_file, |share| share.bytes)
    }

    /// What a folder has of a group.
    fn area(&self, group: u32, mut folder: NodeId, mut name: String, depth: usize) -> Area {
        let bytes = self.bytes(group, folder);
        let parts = |folder: NodeId| -> Vec<(NodeId, u64)> {
            let entries = self.folders.get(&(group, folder)).into_iter().flat_map(|share| &share.entries);
            let sized = entries.map(|id| (*id, self.bytes(group, *id)));
            sized.filter(|(_, bytes)| *bytes > 0).collect()
        };
        let mut inside = parts(folder);
        while let [(only, _)] = inside[..] {
            let slash = if name.is_empty() { "" } else { "/" };
            name = format!("{name}{slash}{}", self.tree.name(only));
            folder = only;
            inside = parts(folder);
        }
        let mut area = Area { name, bytes, ..Area::default() };
        if depth < DEEPEST && bytes >= self.least {
            let name = |id| self.tree.name(id).to_owned();
            let areas = inside.into_iter().map(|(id, bytes)| match bytes >= self.least {
                true => self.area(group, id, name(id), depth + 1),
                false => Area { name: name(id), bytes, ..Area::default() },
            });
            area.inside = tidy(areas.collect(), self.least);
            if area.inside.len() == 1 {
                area.inside.clear();
            }
        }
        area
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Options, measure};
    use std::fs;

    /// Names and bytes of an area with all in it; what is inside makes up the whole.
    fn walk(area: &Area, names: &mut Vec<String>) {
        let sum: u64 = area.inside.iter().map(|area| area.bytes).sum();
        assert!(area.inside.is_empty() || sum == area.bytes, "{sum} in {area:?}");
        names.push(area.name.clone());
        area.inside.iter().for_each(|area| walk(area, names));
    }

    #[test]
    fn the_parts_make_up_the_whole_in_every_grouping() {
        let folder = tempfile::tempdir().expect("a folder");
        let site = folder.path().join("lib/python3.12/site-packages");
        for (name, requires, bytes) in
            [("app", "torch", 900), ("torch", "sympy", 50_000), ("sympy", "", 7000), ("lone", "sympy", 400)]
        {
            let info = site.join(format!("{name}-1.dist-info"));
            fs::create_dir_all(&info).expect("made");
            fs::create_dir_all(site.join(name).join("deep/deeper")).expect("made");
            let requires = if requires.is_empty() { String::new() } else { format!("Requires-Dist: {requires}\n") };
            fs::write(info.join("METADATA"), format!("Name: {name}\nVersion: 1\n{requires}")).expect("written");
            fs::write(info.join("RECORD"), format!("{name}/__init__.py,,\n{name}/deep/deeper/x.so,,\n"))
                .expect("written");
            fs::write(site.join(name).join("__init__.py"), vec![0; bytes]).expect("written");
            fs::write(site.join(name).join("deep/deeper/x.so"), vec![0; bytes * 2]).expect("written");
        }
        for number in 0..3000 {
            fs::write(folder.path().join(format!("small{number}")), "x").expect("written");
        }
        fs::hard_link(site.join("torch/__init__.py"), folder.path().join("another-name")).expect("linked");
        let measured = measure(folder.path(), &Options::default()).expect("measured");
        let content = measured.tree.content();
        let all = groupings(&measured);
        assert_eq!(all.iter().map(|grouping| grouping.by).collect::<Vec<_>>(), ["package", "reason", "folder"]);
        for grouping in &all {
            let mut names = Vec::new();
            walk(&grouping.whole, &mut names);
            let expected = if grouping.by == "reason" { content - measured.report.unowned } else { content };
            assert_eq!(grouping.whole.bytes, expected, "{}", grouping.by);
            assert!(names.len() < 100, "{names:?}");
            let has = |name: &str| names.iter().any(|other| other == name);
            match grouping.by {
                "package" => assert!(has("torch 1") && has("(of no package)") && has("deep/deeper/x.so"), "{names:?}"),
                "reason" => assert!(has("shared by several") && has("app itself"), "{names:?}"),
                _ => assert!(has("3000 more") && has("lib/python3.12/site-packages"), "{names:?}"),
            }
        }
    }
}
