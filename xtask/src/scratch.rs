//! A directory to work in, below `target`, that is gone afterwards.

use crate::{Failure, target};
use std::fs;
use std::path::PathBuf;

/// The directory; removed when dropped.
pub struct Scratch {
    directory: PathBuf,
}

impl Scratch {
    /// A new one, for a chore of this name.
    pub fn new(name: &str) -> Result<Self, Failure> {
        let directory = target().join(format!("xtask-{name}-{}", std::process::id()));
        fs::create_dir_all(&directory).map_err(|error| format!("cannot make `{}`: {error}", directory.display()))?;
        Ok(Self { directory })
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // It lies in `target`, so nothing is lost if it stays.
        let _ = fs::remove_dir_all(&self.directory);
    }
}
