//! Where the blobs of an image are: an OCI layout in a directory, or an archive of one, or what `docker save` writes, old
//! and new. Nothing is unpacked to disk: of an archive, the places of its files are noted, and they are read where they
//! lie.

use super::tar::{EntryKind, Tar};
use crate::files::read_limited;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Longest manifest or configuration that is read.
const MAX_JSON_BYTES: u64 = 16 << 20;

/// Files by their path.
pub enum Store {
    /// A directory.
    Directory(PathBuf),
    /// An archive, and the places of its files.
    Archive(PathBuf, HashMap<String, Place>),
}

/// Where a file lies in an archive.
#[derive(Clone, Debug)]
pub enum Place {
    /// From this byte on, so many.
    Here(u64, u64),
    /// Another name.
    Link(String),
}

impl Store {
    /// Looks whether a path is an image. `None` if it is something else.
    ///
    /// # Errors
    /// If it cannot be read, or is a damaged archive.
    pub fn open(path: &Path) -> io::Result<Option<Self>> {
        if path.is_dir() {
            let is_layout = path.join("index.json").is_file() && path.join("blobs").is_dir();
            return Ok(is_layout.then(|| Self::Directory(path.to_owned())));
        }
        let mut start = [0; 512];
        let read = File::open(path)?.take(512).read(&mut start)?;
        // Archives without this mark are older than images.
        if read < 512 || &start[257..262] != b"ustar" {
            return Ok(None);
        }
        let mut places = HashMap::new();
        let mut tar = Tar::new(File::open(path)?);
        while let Some(entry) = tar.next_entry()? {
            let name = normal(&String::from_utf8_lossy(&entry.path));
            let target = String::from_utf8_lossy(&entry.link).into_owned();
            let start = tar.get_mut().stream_position()?;
            match entry.kind {
                EntryKind::File => drop(places.insert(name, Place::Here(start, entry.stored))),
                EntryKind::HardLink => drop(places.insert(name, Place::Link(normal(&target)))),
                EntryKind::Symlink => {
                    let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
                    places.insert(name.clone(), Place::Link(normal(&format!("{folder}/{target}"))));
                }
                _ => {}
            }
            let rest = tar.forget_rest();
            tar.get_mut().seek(SeekFrom::Start(start + rest))?;
        }
        let is_image = places.contains_key("index.json") || places.contains_key("manifest.json");
        Ok(is_image.then(|| Self::Archive(path.to_owned(), places)))
    }

    /// Whether there is a file.
    pub fn has(&self, name: &str) -> bool {
        match self {
            Self::Directory(root) => root.join(name).is_file(),
            Self::Archive(_, places) => places.contains_key(name),
        }
    }

    /// Opens a file; its length comes with it.
    ///
    /// # Errors
    /// If it is not there, or cannot be read.
    pub fn read(&self, name: &str) -> io::Result<(Box<dyn Read>, u64)> {
        match self {
            Self::Directory(root) => {
                let file = File::open(root.join(name)).map_err(|error| about(name, &error, error.kind()))?;
                let length = file.metadata()?.len();
                Ok((Box::new(file), length))
            }
            Self::Archive(path, places) => {
                let mut name = name;
                // A link that leads on and on leads nowhere.
                for _ in 0..8 {
                    match places.get(name) {
                        Some(Place::Link(target)) => name = target,
                        Some(Place::Here(start, length)) => {
                            let mut file = File::open(path)?;
                            file.seek(SeekFrom::Start(*start))?;
                            return Ok((Box::new(file.take(*length)), *length));
                        }
                        None => break,
                    }
                }
                Err(io::Error::new(io::ErrorKind::NotFound, format!("`{name}` is not in the archive")))
            }
        }
    }

    /// A small file of JSON.
    ///
    /// # Errors
    /// If it cannot be read, or is no JSON.
    pub fn json(&self, name: &str) -> io::Result<serde_json::Value> {
        let (input, _) = self.read(name)?;
        let bytes = read_limited(input, MAX_JSON_BYTES).map_err(|error| about(name, &error, error.kind()))?;
        serde_json::from_slice(&bytes).map_err(|error| about(name, &error, io::ErrorKind::InvalidData))
    }
}

/// An error with the name of the file that it is about: an image has many.
fn about(name: &str, error: &dyn std::error::Error, kind: io::ErrorKind) -> io::Error {
    io::Error::new(kind, format!("`{name}`: {error}"))
}

/// A path without `.` and `..`.
fn normal(path: &str) -> String {
    crate::project::context::join("", path)
}
