//! Reading a file of a tree, wherever the tree comes from.

use crate::tree::{NodeId, Tree};
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

/// More than this is read of no description of a package, manifest or source file.
pub const MAX_TEXT_BYTES: u64 = 64 << 20;

/// Where the bytes of a tree's files are.
pub trait Files {
    /// A whole file, of at most `limit` bytes.
    ///
    /// # Errors
    /// If it cannot be read, or is longer.
    fn read(&self, tree: &Tree, id: NodeId, limit: u64) -> io::Result<Vec<u8>>;

    /// What a symbolic link says, with `/`.
    ///
    /// # Errors
    /// If it cannot be read, or is no text.
    fn link(&self, _tree: &Tree, _id: NodeId) -> io::Result<String> {
        Err(io::Error::other("links are not read here"))
    }
}

/// A directory of the file system.
#[derive(Clone, Debug)]
pub struct Folder(pub PathBuf);

impl Files for Folder {
    fn read(&self, tree: &Tree, id: NodeId, limit: u64) -> io::Result<Vec<u8>> {
        read_limited(File::open(self.0.join(tree.path(id)))?, limit)
    }

    fn link(&self, tree: &Tree, id: NodeId) -> io::Result<String> {
        let target = std::fs::read_link(self.0.join(tree.path(id)))?;
        let text = target.into_os_string().into_string();
        text.map_err(|_| io::Error::other("it is a link to a name that is no UTF-8"))
    }
}

/// Reads to the end, unless that is further than `limit`.
pub(crate) fn read_limited(input: impl Read, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    input.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::other(format!("it is longer than {limit} bytes")));
    }
    Ok(bytes)
}
