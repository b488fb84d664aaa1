//! A tree of files with their inodes: what is measured, wherever it comes from.
//!
//! A million entries have to fit in little memory, so names lie in one text and the children of a directory side by
//! side, sorted by name: that is also what makes a report the same every time. A size belongs to an inode, not to a
//! name; a file with two names counts once.

use serde::Serialize;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A number of a node in a [`Tree`].
pub type NodeId = u32;
/// A number of an inode in a [`Tree`].
pub type InodeId = u32;

/// The root of every tree.
pub const ROOT: NodeId = 0;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link, which is never followed.
    Symlink,
    /// A device, a socket, a pipe.
    Other,
}

/// Something that could not be read, and why; the rest was measured.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Problem {
    /// Where.
    pub path: String,
    /// What is wrong.
    pub reason: String,
}

impl Problem {
    /// A problem at a path.
    pub fn new(path: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { path: path.into(), reason: reason.into() }
    }
}

#[derive(Debug)]
struct Node {
    parent: NodeId,
    name_start: u32,
    name_length: u16,
    kind: Kind,
    inode: InodeId,
    first_child: NodeId,
    children: u32,
}

/// A file apart from its names.
#[derive(Clone, Copy, Debug, Default)]
pub struct Inode {
    /// Bytes that a reader gets; 0 for what is no regular file.
    pub size: u64,
    /// Bytes that the file system gives away for it.
    pub disk: u64,
    /// How many names it has in this tree.
    pub names: u32,
}

/// An entry of a directory, on its way into a tree.
pub struct Entry<D> {
    /// Its name, without control characters.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Size and blocks.
    pub size: u64,
    /// Bytes on disk.
    pub disk: u64,
    /// What tells two names of one file: device and inode. `None` where there is only one name.
    pub identity: Option<(u64, u64)>,
    /// For a directory, how to list it.
    pub directory: Option<D>,
}

/// Where a tree comes from: a file system, an image.
pub trait Source {
    /// What names a directory of it.
    type Directory;
    /// The entries, in any order.
    fn list(&mut self, directory: &Self::Directory, problems: &mut Vec<Problem>) -> Vec<Entry<Self::Directory>>;
}

/// The tree.
#[derive(Debug)]
pub struct Tree {
    nodes: Vec<Node>,
    names: String,
    inodes: Vec<Inode>,
    /// What could not be read.
    pub problems: Vec<Problem>,
}

/// Why a path leads nowhere in a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// It climbs above the root.
    Outside,
    /// There is no such file.
    Missing,
}

impl Tree {
    /// Lists everything from `root` on, level by level; no depth of directories can exhaust the stack.
    pub fn build<S: Source>(source: &mut S, root: S::Directory) -> Self {
        let mut tree = Self { nodes: Vec::new(), names: String::new(), inodes: Vec::new(), problems: Vec::new() };
        tree.nodes.push(Node {
            parent: ROOT,
            name_start: 0,
            name_length: 0,
            kind: Kind::Directory,
            inode: 0,
            first_child: 0,
            children: 0,
        });
        tree.inodes.push(Inode::default());
        let mut seen: HashMap<(u64, u64), InodeId> = HashMap::new();
        let mut content: u64 = 0;
        let mut waiting = std::collections::VecDeque::from([(ROOT, root)]);
        while let Some((id, directory)) = waiting.pop_front() {
            let mut entries = source.list(&directory, &mut tree.problems);
            entries.sort_by(|a, b| a.name.cmp(&b.name));
            // A tree that large would need more memory than this promises; what is beyond is reported.
            let room = (u32::MAX as usize - tree.nodes.len()).min(u32::MAX as usize - tree.names.len()) / 256;
            if entries.len() > room {
                tree.problems.push(Problem::new(tree.path(id), format!("only {room} entries are counted")));
                entries.truncate(room);
            }
            tree.nodes[id as usize].first_child = tree.nodes.len() as NodeId;
            tree.nodes[id as usize].children = entries.len() as u32;
            for entry in entries {
                let inode = match entry.identity.and_then(|identity| seen.get(&identity).copied()) {
                    Some(inode) => inode,
                    None => {
                        let inode = tree.inodes.len() as InodeId;
                        // Files with holes may claim any size; all sums here are of a part of this one.
                        let size = if let Some(sum) = content.checked_add(entry.size) {
                            content = sum;
                            entry.size
                        } else {
                            let path = format!("{}/{}", tree.path(id), entry.name);
                            let reason = format!("it claims {} bytes, more than can be added up; none are", entry.size);
                            tree.problems.push(Problem::new(path.trim_start_matches('/'), reason));
                            0
                        };
                        tree.inodes.push(Inode { size, disk: entry.disk, names: 0 });
                        if let Some(identity) = entry.identity {
                            seen.insert(identity, inode);
                        }
                        inode
                    }
                };
                tree.inodes[inode as usize].names += 1;
                let child = tree.nodes.len() as NodeId;
                let name_start = tree.names.len() as u32;
                let longest = entry.name.len().min(usize::from(u16::MAX));
                let cut = (0..=longest).rev().find(|end| entry.name.is_char_boundary(*end)).unwrap_or(0);
                tree.names.push_str(&entry.name[..cut]);
                tree.nodes.push(Node {
                    parent: id,
                    name_start,
                    name_length: cut as u16,
                    kind: entry.kind,
                    inode,
                    first_child: 0,
                    children: 0,
                });
                if let Some(directory) = entry.directory {
                    waiting.push_back((child, directory));
                }
            }
        }
        tree.problems.sort();
        tree
    }

    /// A tree without files.
    pub fn empty() -> Self {
        struct Nothing;
        impl Source for Nothing {
            type Directory = ();
            fn list(&mut self, _: &(), _: &mut Vec<Problem>) -> Vec<Entry<()>> {
                Vec::new()
            }
        }
        Self::build(&mut Nothing, ())
    }

    /// Reads a directory of the file system.
    ///
    /// # Errors
    /// If the directory itself cannot be read; what is below is reported as a problem.
    pub fn of_directory(root: &Path) -> io::Result<Self> {
        fs::read_dir(root)?;
        let mut disk = Disk { root: root.to_owned() };
        let mut tree = Self::build(&mut disk, root.to_owned());
        if let Ok(metadata) = fs::symlink_metadata(root) {
            tree.inodes[0].disk = blocks(&metadata);
        }
        Ok(tree)
    }

    /// How many nodes there are, the root included.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is nothing but the root.
    pub fn is_empty(&self) -> bool {
        self.nodes.len() <= 1
    }

    /// All nodes: directories before what is in them.
    pub fn ids(&self) -> impl Iterator<Item = NodeId> + use<> {
        0..self.nodes.len() as NodeId
    }

    /// What an entry is.
    pub fn kind(&self, id: NodeId) -> Kind {
        self.nodes[id as usize].kind
    }

    /// Whether it is a regular file.
    pub fn is_file(&self, id: NodeId) -> bool {
        self.kind(id) == Kind::File
    }

    /// Whether it is a directory.
    pub fn is_directory(&self, id: NodeId) -> bool {
        self.kind(id) == Kind::Directory
    }

    /// The last part of its path; empty for the root.
    pub fn name(&self, id: NodeId) -> &str {
        let node = &self.nodes[id as usize];
        let start = node.name_start as usize;
        &self.names[start..start + usize::from(node.name_length)]
    }

    /// What it is in; the root is in itself.
    pub fn parent(&self, id: NodeId) -> NodeId {
        self.nodes[id as usize].parent
    }

    /// The entries of a directory, sorted by name.
    pub fn children(&self, id: NodeId) -> impl Iterator<Item = NodeId> + use<> {
        let node = &self.nodes[id as usize];
        node.first_child..node.first_child + node.children
    }

    /// Which file it is a name of.
    pub fn inode_id(&self, id: NodeId) -> InodeId {
        self.nodes[id as usize].inode
    }

    /// Its size and blocks.
    pub fn inode(&self, id: NodeId) -> Inode {
        self.inodes[self.nodes[id as usize].inode as usize]
    }

    /// How many inodes there are.
    pub fn inode_count(&self) -> usize {
        self.inodes.len()
    }

    /// The path from the root, with `/`; empty for the root itself.
    pub fn path(&self, id: NodeId) -> String {
        let mut parts = Vec::new();
        let mut id = id;
        while id != ROOT {
            parts.push(self.name(id));
            id = self.parent(id);
        }
        parts.reverse();
        parts.join("/")
    }

    /// The entry of this name in a directory.
    pub fn child(&self, id: NodeId, name: &str) -> Option<NodeId> {
        let node = &self.nodes[id as usize];
        let (mut low, mut high) = (node.first_child, node.first_child + node.children);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.name(middle).cmp(name) {
                std::cmp::Ordering::Equal => return Some(middle),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }

    /// Follows a relative path from `from`. It is normalised, so `..` climbs, but never above the root.
    ///
    /// # Errors
    /// If there is nothing, or if it leaves the tree.
    pub fn lookup(&self, from: NodeId, path: &str) -> Result<NodeId, Lost> {
        let mut id = from;
        for part in path.split('/') {
            match part {
                "" | "." => {}
                ".." if id == ROOT => return Err(Lost::Outside),
                ".." => id = self.parent(id),
                name => id = self.child(id, name).ok_or(Lost::Missing)?,
            }
        }
        Ok(id)
    }

    /// Everything below a directory, the directory itself first.
    pub fn below(&self, id: NodeId) -> Vec<NodeId> {
        let mut found = vec![id];
        let mut next = 0;
        while next < found.len() {
            found.extend(self.children(found[next]));
            next += 1;
        }
        found
    }

    /// Bytes of the regular files among these nodes, each inode once.
    pub fn content_of(&self, nodes: impl IntoIterator<Item = NodeId>) -> u64 {
        let mut counted = std::collections::HashSet::new();
        let files = nodes.into_iter().filter(|id| self.is_file(*id));
        files.filter(|id| counted.insert(self.inode_id(*id))).map(|id| self.inode(id).size).sum()
    }

    /// Bytes of all regular files, each inode once.
    pub fn content(&self) -> u64 {
        self.inodes.iter().map(|inode| inode.size).sum()
    }

    /// Bytes on disk of everything, directories included, as `du` counts.
    pub fn disk(&self) -> u64 {
        self.inodes.iter().fold(0, |sum, inode| sum.saturating_add(inode.disk))
    }

    /// How many regular files there are, names of one file counted once.
    pub fn file_count(&self) -> u64 {
        let mut counted = vec![false; self.inodes.len()];
        let mut count = 0;
        for id in self.ids().filter(|id| self.is_file(*id)) {
            let seen = &mut counted[self.inode_id(id) as usize];
            count += u64::from(!*seen);
            *seen = true;
        }
        count
    }
}

/// A name that a terminal shows and does not obey: control characters and what is not UTF-8 as `\xNN`.
pub fn printable(name: &[u8]) -> String {
    let mut shown = String::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c.is_control() {
                let mut bytes = [0; 4];
                c.encode_utf8(&mut bytes).bytes().for_each(|byte| shown.push_str(&format!("\\x{byte:02x}")));
            } else {
                shown.push(c);
            }
        }
        chunk.invalid().iter().for_each(|byte| shown.push_str(&format!("\\x{byte:02x}")));
    }
    shown
}

fn printable_os(name: &OsStr) -> String {
    printable(name.as_encoded_bytes())
}

/// Directories of the file system, by their path.
struct Disk {
    root: PathBuf,
}

impl Source for Disk {
    type Directory = PathBuf;

    fn list(&mut self, directory: &PathBuf, problems: &mut Vec<Problem>) -> Vec<Entry<PathBuf>> {
        let relative = |path: &Path| {
            let path = path.strip_prefix(&self.root).unwrap_or(path);
            path.iter().map(printable_os).collect::<Vec<_>>().join("/")
        };
        let listed = match fs::read_dir(directory) {
            Ok(listed) => listed,
            Err(error) => {
                problems.push(Problem::new(relative(directory), error.to_string()));
                return Vec::new();
            }
        };
        let mut entries = Vec::new();
        for entry in listed {
            let (path, metadata) = match entry.and_then(|entry| Ok((entry.path(), entry.metadata()?))) {
                Ok(found) => found,
                Err(error) => {
                    problems.push(Problem::new(relative(directory), error.to_string()));
                    continue;
                }
            };
            let kind = match metadata.file_type() {
                kind if kind.is_file() => Kind::File,
                kind if kind.is_dir() => Kind::Directory,
                kind if kind.is_symlink() => Kind::Symlink,
                _ => Kind::Other,
            };
            entries.push(Entry {
                name: path.file_name().map(printable_os).unwrap_or_default(),
                kind,
                size: if kind == Kind::File { metadata.len() } else { 0 },
                disk: blocks(&metadata),
                identity: identity(&metadata),
                directory: (kind == Kind::Directory).then_some(path),
            });
        }
        entries
    }
}

/// Bytes on disk.
#[cfg(unix)]
fn blocks(metadata: &fs::Metadata) -> u64 {
    use std::os::unix::fs::MetadataExt;
    // POSIX counts `st_blocks` in units of 512 bytes, whatever the block size is.
    metadata.blocks() * 512
}

#[cfg(not(unix))]
fn blocks(metadata: &fs::Metadata) -> u64 {
    metadata.len()
}

/// Device and inode, of what has more than one name.
#[cfg(unix)]
fn identity(metadata: &fs::Metadata) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    (!metadata.is_dir() && metadata.nlink() > 1).then(|| (metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
fn identity(_metadata: &fs::Metadata) -> Option<(u64, u64)> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_with_two_names_counts_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        fs::create_dir_all(root.join("a/b")).expect("made");
        fs::write(root.join("a/big"), [0; 5000]).expect("written");
        fs::write(root.join("a/b/small"), "x").expect("written");
        fs::hard_link(root.join("a/big"), root.join("a/b/link")).expect("linked");
        let tree = Tree::of_directory(root).expect("read");
        assert_eq!((tree.content(), tree.file_count(), tree.len()), (5001, 2, 6));
        let big = tree.lookup(ROOT, "a/big").expect("there");
        assert_eq!((tree.inode(big).size, tree.inode(big).names, tree.path(big).as_str()), (5000, 2, "a/big"));
        assert_eq!(tree.lookup(big, "../b/../b/small").map(|id| tree.path(id)), Ok("a/b/small".to_owned()));
        assert_eq!(tree.lookup(big, "../../../etc/passwd"), Err(Lost::Outside));
        assert_eq!(tree.lookup(ROOT, "a/none"), Err(Lost::Missing));
    }

    #[test]
    fn sizes_that_files_only_claim_are_no_trouble() {
        struct Claims;
        impl Source for Claims {
            type Directory = ();
            fn list(&mut self, _: &(), _: &mut Vec<Problem>) -> Vec<Entry<()>> {
                let file = |name: &str| Entry {
                    name: name.to_owned(),
                    kind: Kind::File,
                    size: u64::MAX / 2,
                    disk: u64::MAX / 2,
                    identity: None,
                    directory: None,
                };
                ["a", "b", "c"].map(file).into()
            }
        }
        let tree = Tree::build(&mut Claims, ());
        assert_eq!((tree.content(), tree.disk()), (u64::MAX - 1, u64::MAX));
        assert_eq!(tree.problems.iter().map(|problem| problem.path.as_str()).collect::<Vec<_>>(), ["c"]);
    }

    #[test]
    fn loops_of_links_and_names_without_a_text_are_no_trouble() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        #[cfg(unix)]
        {
            use std::os::unix::ffi::OsStrExt;
            std::os::unix::fs::symlink(".", root.join("loop")).expect("linked");
            fs::write(root.join(OsStr::from_bytes(b"\xff\x1b[2J")), "four").expect("written");
            let tree = Tree::of_directory(root).expect("read");
            assert_eq!(tree.content(), 4);
            let names: Vec<&str> = tree.children(ROOT).map(|id| tree.name(id)).collect();
            assert_eq!(names, ["\\xff\\x1b[2J", "loop"]);
        }
    }
}
