//! A file of our own, gone when it is not needed any more.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Removed when dropped.
pub(super) struct TemporaryFile(PathBuf);

impl TemporaryFile {
    /// A name that no other has, in the system's place for such files.
    pub(super) fn name() -> PathBuf {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        std::env::temp_dir().join(format!("libellus-{}-{number}.db", std::process::id()))
    }

    /// Makes a file that only its owner may read, and that was not there.
    pub(super) fn create(path: PathBuf) -> io::Result<(Self, File)> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path)?;
        Ok((Self(path), file))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        // Nobody could do anything about it.
        let _ = fs::remove_file(&self.0);
    }
}
