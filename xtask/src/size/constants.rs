//! Whose the constants without a name are.
//!
//! A text in a program is a constant called `anon.HASH.NUMBER`, and the hash is its crate's. Which crate that is stands
//! in the compiled crates: they are searched for the hashes that they use.

use super::owner;
use crate::run::{capture, command};
use crate::{Failure, dist, target};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What stands before a hash.
const PREFIX: &[u8] = b"anon.";
/// The hash's length, in hexadecimal digits.
const HASH_LENGTH: usize = 32;

/// The crate of each hash, over all crates that were compiled for `arch` and those of the standard library.
pub fn owners(arch: dist::Arch) -> Result<BTreeMap<String, String>, Failure> {
    let mut owners = BTreeMap::new();
    for directory in [standard_library(arch)?, target().join(arch.triple()).join("release/deps")] {
        for path in rlibs(&directory)? {
            let name = owner::of_rlib(&path.file_name().unwrap_or_default().to_string_lossy());
            let contents = fs::read(&path).map_err(|error| format!("cannot read `{}`: {error}", path.display()))?;
            for hash in hashes(&contents) {
                owners.entry(hash.to_owned()).or_insert_with(|| name.clone());
            }
        }
    }
    Ok(owners)
}

/// Where the compiled standard library is.
fn standard_library(arch: dist::Arch) -> Result<PathBuf, Failure> {
    let directory = capture(&mut command("rustc", &["--print", "target-libdir", "--target", arch.triple()]))?;
    Ok(PathBuf::from(directory.trim()))
}

/// The compiled crates in a directory.
fn rlibs(directory: &Path) -> Result<Vec<PathBuf>, Failure> {
    let entries = fs::read_dir(directory).map_err(|error| format!("cannot list `{}`: {error}", directory.display()))?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut rlibs: Vec<PathBuf> = paths.filter(|path| path.extension().is_some_and(|end| end == "rlib")).collect();
    rlibs.sort();
    Ok(rlibs)
}

/// The hashes of constants in a compiled crate; one may come several times.
fn hashes(contents: &[u8]) -> impl Iterator<Item = &str> {
    let is_hash = |hash: &&[u8]| hash.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let dots = contents.iter().enumerate().filter(|&(_, &byte)| byte == b'.').map(|(at, _)| at + 1);
    let starts = dots.filter(|&start| contents[..start].ends_with(PREFIX));
    starts.filter_map(move |start| {
        let hash = contents.get(start..start + HASH_LENGTH).filter(is_hash)?;
        std::str::from_utf8(hash).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_found_in_compiled_crates() {
        let hash = "0123456789abcdef0123456789abcdef";
        let contents = format!("\0anon.{hash}.1 anon.0123.2 .anon.{hash}.3anon.");
        assert_eq!(hashes(contents.as_bytes()).collect::<Vec<_>>(), [hash, hash]);
    }
}
