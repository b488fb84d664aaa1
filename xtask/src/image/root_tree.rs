//! The files of the image, as `cargo xtask image` and `deploy/Dockerfile` both put them in.

use super::facts::Facts;
use super::{ca_roots, licences};
use crate::{Failure, root};
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Who runs it: a number, as there is no `/etc/passwd` in the image; nobody that a system knows.
pub const USER: u32 = 65532;

/// A file or directory.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry {
    /// From the root, without a slash before or after.
    pub path: &'static str,
    pub owner: u32,
    pub mode: u32,
    /// Nothing for a directory.
    pub content: Option<Vec<u8>>,
}

/// Everything in the image, sorted by path: the executable, CA roots if it speaks TLS, licence texts, and a place for the volume.
pub fn collect(executable: Vec<u8>, facts: &Facts) -> Result<Vec<Entry>, Failure> {
    let file = |path, mode, content| Entry { path, owner: 0, mode, content: Some(content) };
    let text = |path, source: &str| {
        let content = fs::read(root().join(source)).map_err(|error| format!("cannot read `{source}`: {error}"))?;
        Ok::<_, Failure>(file(path, 0o644, content))
    };
    let directory = |path, owner| Entry { path, owner, mode: 0o755, content: None };
    let mut entries = vec![
        // A named volume takes its owner from here.
        directory("data", USER),
        directory("etc", 0),
        directory("etc/ssl", 0),
        directory("etc/ssl/certs", 0),
        file("etc/ssl/certs/ca-certificates.crt", 0o644, ca_roots::pem().into_bytes()),
        file("libellus", 0o755, executable),
        directory("licences", 0),
        text("licences/LGPL-2.1", "deploy/licences/LGPL-2.1")?,
        text("licences/LICENSE-APACHE", "LICENSE-APACHE")?,
        text("licences/LICENSE-MIT", "LICENSE-MIT")?,
        text("licences/NOTICE", "NOTICE")?,
        file("licences/THIRD-PARTY", 0o644, licences::third_party(facts)?.into_bytes()),
    ];
    if !facts.edition.speaks_tls() {
        entries.retain(|entry| !entry.path.starts_with("etc"));
    }
    debug_assert!(entries.is_sorted_by_key(|entry| entry.path));
    Ok(entries)
}

/// Writes the entries into a new directory, for `COPY` in a Dockerfile. Owners need root; without it, all is the
/// caller's.
pub fn write(entries: &[Entry], directory: &Path, timestamp: u64) -> Result<(), Failure> {
    let fail = |path: &Path, error| format!("cannot write `{}`: {error}", path.display());
    if fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(format!("`{}` is not empty, and the root of an image holds nothing else", directory.display()));
    }
    fs::create_dir_all(directory).map_err(|error| fail(directory, error))?;
    for entry in entries {
        let path = directory.join(entry.path);
        let written = match &entry.content {
            Some(content) => fs::write(&path, content),
            None => fs::create_dir(&path),
        };
        written
            .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(entry.mode)))
            .and_then(
                |()| if crate::tools::is_root() { chown(&path, Some(entry.owner), Some(entry.owner)) } else { Ok(()) },
            )
            .map_err(|error| fail(&path, error))?;
    }
    // Last, and from the leaves up: writing into a directory changes its time.
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(timestamp);
    for entry in entries.iter().rev() {
        let path = directory.join(entry.path);
        fs::File::open(&path).and_then(|file| file.set_modified(time)).map_err(|error| fail(&path, error))?;
    }
    Ok(())
}
