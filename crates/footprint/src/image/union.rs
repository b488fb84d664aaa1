//! The files of an image: layers put on each other, with inodes.
//!
//! A name can be hidden by a later layer while its file stays reachable by another name, so what is wasted is decided by
//! inodes: the bytes of those without a name at the end. `stored = reachable + unreachable` is asserted.

use super::tar::EntryKind;
use crate::tree::{Entry, Kind, Problem, Source, Tree, printable};
use std::collections::BTreeMap;

/// Deeper paths are no paths of an image; what goes down a tree here relies on it.
pub const MAX_DEPTH: usize = 1024;

/// A number of a node.
type Id = u32;

struct Node {
    kind: Kind,
    inode: u32,
    /// The layer that made it, or changed it last.
    layer: u32,
    children: BTreeMap<Box<[u8]>, Id>,
}

/// A file of an image, apart from its names.
#[derive(Clone, Debug)]
pub struct StoredFile {
    /// Bytes that a reader gets.
    pub size: u64,
    /// Bytes in the archive.
    pub stored: u64,
    /// The layer that brought it.
    pub layer: u32,
    /// How many names it has.
    pub names: u32,
    /// The layer that took the last of them.
    pub hidden_by: Option<u32>,
    /// Its first name.
    pub path: Box<str>,
    /// Of its content, if it is worth comparing.
    pub hash: Option<[u8; 16]>,
}

/// Layers, put on each other.
pub struct Union {
    nodes: Vec<Node>,
    /// All regular files that were ever stored.
    pub files: Vec<StoredFile>,
    /// Bytes of all regular files so far.
    stored: u64,
    /// Those of them that are hidden.
    unreachable: u64,
    layer: u32,
    /// Contents that were kept, by file.
    pub kept: BTreeMap<u32, Vec<u8>>,
}

/// For a node that is no regular file.
const NO_FILE: u32 = u32::MAX;

impl Default for Union {
    fn default() -> Self {
        let root = Node { kind: Kind::Directory, inode: NO_FILE, layer: 0, children: BTreeMap::new() };
        Self { nodes: vec![root], files: Vec::new(), stored: 0, unreachable: 0, layer: 0, kept: BTreeMap::new() }
    }
}

/// The parts of a path; an error if it leaves the image or is no path.
pub fn parts(path: &[u8]) -> Result<Vec<&[u8]>, &'static str> {
    let parts: Vec<&[u8]> = path.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".").collect();
    match &parts {
        parts if parts.contains(&&b".."[..]) => Err("it climbs out of the image with `..`; it is left out"),
        parts if parts.len() > MAX_DEPTH => Err("it lies deeper than any path; it is left out"),
        _ => Ok(parts),
    }
}

impl Union {
    /// From here on, entries are of the next layer.
    pub fn begin_layer(&mut self, layer: u32) {
        self.layer = layer;
    }

    /// Puts an entry in place.
    ///
    /// # Errors
    /// If a hard link leads nowhere, or a file claims more bytes than can be added up.
    pub fn add(
        &mut self,
        parts: &[&[u8]],
        kind: EntryKind,
        link: &[&[u8]],
        size: u64,
        stored: u64,
    ) -> Result<Option<u32>, &'static str> {
        let Some((name, folders)) = parts.split_last() else { return Ok(None) };
        let parent = self.folder(folders);
        if let Some(hidden) = name.strip_prefix(b".wh.") {
            self.whiteout(parent, hidden);
            return Ok(None);
        }
        match kind {
            EntryKind::Directory => {
                self.folder(parts);
                Ok(None)
            }
            EntryKind::HardLink => {
                let target = self.find(link).filter(|id| self.nodes[*id as usize].kind != Kind::Directory);
                let target = target.ok_or("it is a hard link to what is not there")?;
                let (kind, inode) = (self.nodes[target as usize].kind, self.nodes[target as usize].inode);
                if let Some(file) = self.files.get_mut(inode as usize) {
                    // First, as the name may be the only one that the file has.
                    file.names += 1;
                }
                self.put(parent, name, kind, inode);
                Ok(None)
            }
            EntryKind::File => {
                let stored_so_far = self.stored.checked_add(size);
                self.stored = stored_so_far.ok_or("it claims more bytes than can be added up; it is left out")?;
                let inode = self.files.len() as u32;
                let path = parts.iter().map(|part| printable(part)).collect::<Vec<_>>().join("/");
                let path = path.into_boxed_str();
                self.files.push(StoredFile {
                    size,
                    stored,
                    layer: self.layer,
                    names: 1,
                    hidden_by: None,
                    path,
                    hash: None,
                });
                self.put(parent, name, Kind::File, inode);
                Ok(Some(inode))
            }
            EntryKind::Symlink => {
                self.put(parent, name, Kind::Symlink, NO_FILE);
                Ok(None)
            }
            EntryKind::Other => {
                self.put(parent, name, Kind::Other, NO_FILE);
                Ok(None)
            }
        }
    }

    /// The file that was added last has so many bytes less than it claims: its archive ends before.
    pub fn cut_short(&mut self, file: u32, missing: u64) {
        let file = &mut self.files[file as usize];
        file.stored = file.stored.saturating_sub(missing);
        let size = file.size.min(file.stored);
        self.stored -= file.size - size;
        file.size = size;
    }

    /// The directory at a path. What is in the way is replaced, what is missing made.
    fn folder(&mut self, parts: &[&[u8]]) -> Id {
        let mut id = 0;
        for part in parts {
            let child = self.nodes[id as usize].children.get(*part).copied();
            id = match child.filter(|child| self.nodes[*child as usize].kind == Kind::Directory) {
                Some(child) => {
                    self.nodes[child as usize].layer = self.layer;
                    child
                }
                None => self.put(id, part, Kind::Directory, NO_FILE),
            };
        }
        id
    }

    fn find(&self, parts: &[&[u8]]) -> Option<Id> {
        parts.iter().try_fold(0, |id: Id, part| self.nodes[id as usize].children.get(*part).copied())
    }

    /// Puts a new node in place of what has the name.
    fn put(&mut self, parent: Id, name: &[u8], kind: Kind, inode: u32) -> Id {
        let id = self.nodes.len() as Id;
        self.nodes.push(Node { kind, inode, layer: self.layer, children: BTreeMap::new() });
        if let Some(before) = self.nodes[parent as usize].children.insert(name.into(), id) {
            self.take_away(before);
        }
        id
    }

    /// A node and all below it lose their names.
    fn take_away(&mut self, id: Id) {
        let mut waiting = vec![id];
        while let Some(id) = waiting.pop() {
            waiting.extend(std::mem::take(&mut self.nodes[id as usize].children).into_values());
            let inode = self.nodes[id as usize].inode;
            if let Some(file) = self.files.get_mut(inode as usize) {
                file.names -= 1;
                if file.names == 0 {
                    file.hidden_by = Some(self.layer);
                    self.unreachable += file.size;
                    self.kept.remove(&inode);
                }
            }
        }
    }

    /// `.wh.NAME` hides what lower layers have of that name, `.wh..wh..opq` all that they have in the directory.
    fn whiteout(&mut self, parent: Id, hidden: &[u8]) {
        if hidden == b".wh..opq" {
            self.hide_lower(parent);
        } else if !hidden.starts_with(b".wh.") {
            let Some(child) = self.nodes[parent as usize].children.get(hidden).copied() else { return };
            if self.nodes[child as usize].layer < self.layer {
                self.nodes[parent as usize].children.remove(hidden);
                self.take_away(child);
            } else {
                self.hide_lower(child);
            }
        }
    }

    /// Takes away what is below a directory and not of this layer, wherever the mark stands in it.
    fn hide_lower(&mut self, id: Id) {
        let children: Vec<(Box<[u8]>, Id)> =
            self.nodes[id as usize].children.iter().map(|(name, child)| (name.clone(), *child)).collect();
        for (name, child) in children {
            if self.nodes[child as usize].layer < self.layer {
                self.nodes[id as usize].children.remove(&name);
                self.take_away(child);
            } else {
                self.hide_lower(child);
            }
        }
    }

    /// Bytes of all regular files of all layers.
    pub fn stored(&self) -> u64 {
        self.stored
    }

    /// Bytes that can be reached at the end.
    ///
    /// # Panics
    /// If they and those that were hidden are not all that is stored, which would be a mistake here.
    pub fn reachable(&self) -> u64 {
        let mut seen = vec![false; self.files.len()];
        let mut reachable = 0;
        let mut waiting = vec![0];
        while let Some(id) = waiting.pop() {
            let node: &Node = &self.nodes[id as usize];
            waiting.extend(node.children.values());
            if let Some(file) = self.files.get(node.inode as usize)
                && !std::mem::replace(&mut seen[node.inode as usize], true)
            {
                reachable += file.size;
            }
        }
        assert_eq!(self.stored(), reachable + self.unreachable, "what is stored is either reachable or not");
        reachable
    }

    /// For each node of the tree that this was made into, the layer that brought its file; `u32::MAX` where there is none.
    pub fn layers_of(&self, tree: &Tree) -> Vec<u32> {
        let mut layers = vec![NO_FILE; tree.len()];
        // The tree has the children of a folder in the order of their names as they are shown.
        let mut waiting = vec![(crate::tree::ROOT, 0)];
        while let Some((folder, id)) = waiting.pop() {
            let mut children: Vec<(String, Id)> =
                self.nodes[id as usize].children.iter().map(|(name, id)| (printable(name), *id)).collect();
            children.sort_by(|a, b| a.0.cmp(&b.0));
            for (child, (_, id)) in tree.children(folder).zip(children) {
                let node = &self.nodes[id as usize];
                layers[child as usize] = self.files.get(node.inode as usize).map_or(NO_FILE, |file| file.layer);
                if node.kind == Kind::Directory {
                    waiting.push((child, id));
                }
            }
        }
        layers
    }

    /// The files at the end, as a tree.
    pub fn tree(&self) -> Tree {
        Tree::build(&mut Final(self), 0)
    }
}

struct Final<'u>(&'u Union);

impl Source for Final<'_> {
    type Directory = Id;

    fn list(&mut self, directory: &Id, _problems: &mut Vec<Problem>) -> Vec<Entry<Id>> {
        let union = self.0;
        let entry = |name: &[u8], id: Id| {
            let node = &union.nodes[id as usize];
            let file = union.files.get(node.inode as usize);
            Entry {
                name: printable(name),
                kind: node.kind,
                size: file.map_or(0, |file| file.size),
                disk: file.map_or(0, |file| file.stored),
                identity: file.map(|_| (0, u64::from(node.inode))),
                directory: (node.kind == Kind::Directory).then_some(id),
            }
        };
        union.nodes[*directory as usize].children.iter().map(|(name, id)| entry(name, *id)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn file(union: &mut Union, path: &str, size: u64) {
        union.add(&parts(path.as_bytes()).expect("good"), EntryKind::File, &[], size, size).expect("added");
    }

    #[test]
    fn a_file_with_another_name_is_not_lost() {
        let mut union = Union::default();
        file(&mut union, "a/big", 1000);
        union.add(&[b"a", b"hl"], EntryKind::HardLink, &[b"a", b"big"], 0, 0).expect("added");
        file(&mut union, "opt/x", 10);
        union.begin_layer(1);
        file(&mut union, "a/big", 1000);
        assert_eq!((union.stored(), union.reachable()), (2010, 2010));
        union.begin_layer(2);
        // The mark of an opaque directory counts wherever it stands.
        file(&mut union, "opt/y", 1);
        file(&mut union, "opt/.wh..wh..opq", 0);
        file(&mut union, "a/.wh.hl", 0);
        assert_eq!((union.stored(), union.reachable()), (2011, 1001));
        // A directory in place of a file, and the reverse.
        union.begin_layer(3);
        file(&mut union, "opt", 5);
        file(&mut union, "a/big/inside", 7);
        assert_eq!(union.reachable(), 12);
        assert!(union.add(&[b"x"], EntryKind::HardLink, &[b"none"], 0, 0).is_err());
        assert!(parts(b"../etc/passwd").is_err() && parts(b"/etc/./passwd").is_ok_and(|parts| parts.len() == 2));
    }

    /// The same by names alone: a set of paths for each layer, later over earlier.
    fn naive(layers: &[Vec<(u8, String, u64)>]) -> (u64, u64) {
        let mut names: BTreeMap<String, (usize, usize)> = BTreeMap::new();
        let mut sizes: Vec<u64> = Vec::new();
        for (layer, entries) in layers.iter().enumerate() {
            for (what, path, size) in entries {
                let below = format!("{path}/");
                match what {
                    0 => {
                        // What is in the way goes: files among the folders, and all below.
                        let folders: Vec<String> =
                            path.match_indices('/').map(|(end, _)| path[..end].to_owned()).collect();
                        folders.iter().for_each(|folder| {
                            names.remove(folder);
                        });
                        names.retain(|name, _| !name.starts_with(&below));
                        names.insert(path.clone(), (sizes.len(), layer));
                        sizes.push(*size);
                    }
                    1 => {
                        let folders: Vec<String> =
                            path.match_indices('/').map(|(end, _)| path[..end].to_owned()).collect();
                        folders.iter().for_each(|folder| {
                            names.remove(folder);
                        });
                        names.retain(|name, (_, of)| *of == layer || !(name == path || name.starts_with(&below)));
                    }
                    _ => {
                        let folders: Vec<String> =
                            path.match_indices('/').map(|(end, _)| path[..end].to_owned()).collect();
                        folders.iter().chain([path]).for_each(|folder| {
                            names.remove(folder);
                        });
                        names.retain(|name, (_, of)| *of == layer || !name.starts_with(&below));
                    }
                }
            }
        }
        (sizes.iter().sum(), names.values().map(|(inode, _)| sizes[*inode]).sum())
    }

    proptest! {
        #[test]
        fn random_layers_agree_with_names_alone(
            layers in prop::collection::vec(prop::collection::vec((0..3u8, "[abc](/[abc]){0,2}", 1..100u64), 0..8), 1..5)
        ) {
            let mut union = Union::default();
            for (number, entries) in layers.iter().enumerate() {
                union.begin_layer(number as u32);
                for (what, path, size) in entries {
                    let (folder, name) = path.rsplit_once('/').map_or((String::new(), path.as_str()), |(folder, name)| (format!("{folder}/"), name));
                    match what {
                        0 => file(&mut union, path, *size),
                        1 => file(&mut union, &format!("{folder}.wh.{name}"), 0),
                        _ => file(&mut union, &format!("{path}/.wh..wh..opq"), 0),
                    }
                }
            }
            prop_assert_eq!((union.stored(), union.reachable()), naive(&layers));
        }
    }
}
