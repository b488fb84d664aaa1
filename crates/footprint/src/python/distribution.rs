//! Finding what is installed: `*.dist-info` and `*.egg-info` beside the packages themselves.

use super::metadata::{Metadata, record_paths};
use super::name::normalize;
use super::platform::{Os, Platform, Python};
use crate::files::{Files, MAX_TEXT_BYTES};
use crate::tree::{NodeId, Problem, ROOT, Tree};

/// An installed package, as its metadata describe it.
#[derive(Clone, Debug)]
pub struct Distribution {
    /// In its one form.
    pub name: String,
    /// As it is installed.
    pub version: String,
    /// What it says.
    pub metadata: Metadata,
    /// The directory that it is installed in.
    pub site: NodeId,
    /// Its dist-info or egg-info.
    pub info: NodeId,
    /// What RECORD lists; `None` without one.
    pub record: Option<Vec<String>>,
    /// Names of modules that it says it has; the way to its files without RECORD.
    pub top_level: Vec<String>,
    /// Whether it was asked for by name, as pip and uv note it.
    pub requested: bool,
    /// Where it really is, if it was installed as editable.
    pub editable: Option<String>,
    /// Tags of the wheel, e.g. `cp311-cp311-manylinux_2_17_x86_64`.
    pub tags: Vec<String>,
}

impl Distribution {
    /// The platform that its wheel was made for; `None` if it is for all.
    pub fn platform(&self) -> Option<Platform> {
        self.tags.iter().find_map(|tag| {
            let os = match tag {
                tag if tag.contains("linux") => Os::Linux,
                tag if tag.contains("macosx") => Os::Darwin,
                tag if tag.contains("-win") => Os::Windows,
                _ => return None,
            };
            let arm = tag.ends_with("aarch64") || tag.ends_with("arm64");
            Some(Platform { os, arm })
        })
    }
}

/// The directories of a tree that packages are installed in.
pub fn sites(tree: &Tree) -> Vec<NodeId> {
    let holds_packages = |id: NodeId| {
        tree.children(id).any(|child| {
            let name = tree.name(child);
            (tree.is_directory(child) && name.ends_with(".dist-info")) || name.ends_with(".egg-info")
        })
    };
    let named = |id: NodeId| matches!(tree.name(id), "site-packages" | "dist-packages");
    tree.ids().filter(|id| tree.is_directory(*id) && (*id == ROOT || named(*id)) && holds_packages(*id)).collect()
}

/// The version of Python that a directory of packages belongs to, by its path: `lib/python3.11/site-packages`.
pub fn python_of(tree: &Tree, site: NodeId) -> Option<Python> {
    let mut id = site;
    while id != ROOT {
        if let Some(version) = tree.name(id).strip_prefix("python") {
            return Python::parse(version);
        }
        id = tree.parent(id);
    }
    None
}

/// Reads all that is installed in a directory.
pub fn read_site(tree: &Tree, files: &dyn Files, site: NodeId, problems: &mut Vec<Problem>) -> Vec<Distribution> {
    let mut found = Vec::new();
    for info in tree.children(site) {
        let name = tree.name(info);
        let of_wheel = tree.is_directory(info) && name.ends_with(".dist-info");
        if of_wheel || name.ends_with(".egg-info") {
            match read_one(tree, files, site, info) {
                Ok(distribution) => {
                    let unread = &distribution.metadata.unread;
                    problems.extend(unread.iter().map(|reason| Problem::new(tree.path(info), reason.clone())));
                    if of_wheel && distribution.record.is_none() {
                        let reason = "there is no RECORD; its files were told by its names of modules";
                        problems.push(Problem::new(tree.path(info), reason));
                    }
                    found.push(distribution);
                }
                Err(reason) => problems.push(Problem::new(tree.path(info), reason)),
            }
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name).then_with(|| a.info.cmp(&b.info)));
    found
}

fn read_one(tree: &Tree, files: &dyn Files, site: NodeId, info: NodeId) -> Result<Distribution, String> {
    let read = |id: NodeId| files.read(tree, id, MAX_TEXT_BYTES).map_err(|error| error.to_string());
    let inside = |name: &str| tree.child(info, name).filter(|id| tree.is_file(*id));
    let text = |name: &str| {
        inside(name).and_then(|id| read(id).ok()).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    };
    // An egg-info can be a single file, which is the metadata.
    let described = if tree.is_file(info) { Some(info) } else { ["METADATA", "PKG-INFO"].into_iter().find_map(inside) };
    let described = described.ok_or("there is neither METADATA nor PKG-INFO")?;
    let mut metadata = Metadata::parse(&String::from_utf8_lossy(&read(described)?));
    if let Some(requires) = text("requires.txt") {
        metadata.read_requires_txt(&requires);
    }
    if metadata.name.is_empty() {
        return Err(format!("{} has no name", tree.name(described)));
    }
    let mut record = None;
    if let Some(id) = inside("RECORD") {
        let (paths, unread) = record_paths(&read(id)?);
        if unread > 0 {
            metadata
                .unread
                .push(format!("RECORD has {unread} rows without a path in UTF-8; their files belong to nobody"));
        }
        record = Some(paths);
    } else if let Some(listed) = text("installed-files.txt") {
        // Seen from the egg-info.
        let directory = tree.name(info);
        record = Some(listed.lines().map(|line| format!("{directory}/{}", line.trim())).collect());
    }
    let top_level = text("top_level.txt").unwrap_or_default();
    let mut top_level: Vec<String> = top_level.lines().map(|line| line.trim().to_owned()).collect();
    top_level.retain(|name| !name.is_empty() && !name.contains(".."));
    if top_level.is_empty() {
        top_level.push(normalize(&metadata.name).replace('-', "_"));
    }
    let direct: Option<serde_json::Value> = text("direct_url.json").and_then(|text| serde_json::from_str(&text).ok());
    let editable = direct.as_ref().filter(|direct| direct["dir_info"]["editable"] == true);
    let wheel = text("WHEEL").unwrap_or_default();
    let tags = wheel.lines().filter_map(|line| line.strip_prefix("Tag:")).map(|tag| tag.trim().to_owned());
    Ok(Distribution {
        name: normalize(&metadata.name),
        version: metadata.version.clone(),
        site,
        info,
        record,
        top_level,
        requested: inside("REQUESTED").is_some(),
        editable: editable.and_then(|direct| direct["url"].as_str()).map(str::to_owned),
        tags: tags.collect(),
        metadata,
    })
}
