//! Opening what is to be read: a file, or standard input as `-`.

use crate::error::Error;
use crate::files::STANDARD;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// An opened input.
pub struct Input {
    /// What to call it in messages.
    pub name: String,
    /// Its bytes.
    pub reader: Box<dyn Read>,
    /// How many there are, if that is known: not for pipes.
    pub size_bytes: Option<u64>,
}

impl Input {
    /// Whether the input begins with these bytes; it is read from its beginning all the same.
    pub fn starts_with(&mut self, mark: &[u8]) -> io::Result<bool> {
        let mut start = Vec::new();
        self.reader.by_ref().take(mark.len() as u64).read_to_end(&mut start)?;
        let is_so = start == mark;
        let rest = std::mem::replace(&mut self.reader, Box::new(io::empty()));
        self.reader = Box::new(io::Cursor::new(start).chain(rest));
        Ok(is_so)
    }

    /// Opens a file, or standard input if `path` is `-`.
    pub fn open(path: &Path) -> Result<Self, Error> {
        if path == Path::new(STANDARD) {
            return Ok(Self {
                name: "standard input".to_owned(),
                // Not locked: `-` may be given twice, and the second has nothing left to read.
                reader: Box::new(io::stdin()),
                size_bytes: None,
            });
        }
        let name = path.display().to_string();
        let unreadable = |source| Error::Input { name: name.clone(), source };
        let file = File::open(path).map_err(unreadable)?;
        let metadata = file.metadata().map_err(unreadable)?;
        if metadata.is_dir() {
            return Err(Error::IsADirectory { name });
        }
        Ok(Self { name, reader: Box::new(file), size_bytes: metadata.is_file().then_some(metadata.len()) })
    }
}
