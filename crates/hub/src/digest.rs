//! Hashes: SHA-256, by which the hub knows large files, and SHA-1 as Git computes it, by which it knows small ones.

use crate::Error;
use ring::digest::{Algorithm, Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// What a file's bytes should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// SHA-256 of the content, in hexadecimal digits.
    Sha256(String),
    /// SHA-1 of Git's blob.
    GitBlob(String),
}

impl Expected {
    /// By an `ETag`: 64 digits, or 40; of anything else nobody knows what it means.
    pub(crate) fn of_etag(etag: &str) -> Option<Self> {
        let digits = etag.trim_start_matches("W/").trim_matches('"').to_ascii_lowercase();
        match digits.len() {
            _ if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) => None,
            64 => Some(Self::Sha256(digits)),
            40 => Some(Self::GitBlob(digits)),
            _ => None,
        }
    }

    /// An error unless the file holds these bytes.
    pub(crate) fn check(&self, file: &str, path: &Path) -> Result<(), Error> {
        let (expected, found) = match self {
            Self::Sha256(expected) => (expected, sha256(path)?),
            Self::GitBlob(expected) => (expected, git_blob(path)?),
        };
        if *expected == found {
            return Ok(());
        }
        Err(Error::WrongHash { file: file.to_owned(), expected: expected.clone(), found })
    }
}

/// SHA-256 of a file.
pub(crate) fn sha256(path: &Path) -> Result<String, Error> {
    digest(&SHA256, path, |_| String::new())
}

fn git_blob(path: &Path) -> Result<String, Error> {
    digest(&SHA1_FOR_LEGACY_USE_ONLY, path, |size| format!("blob {size}\0"))
}

fn digest(algorithm: &'static Algorithm, path: &Path, head: impl Fn(u64) -> String) -> Result<String, Error> {
    let read = || {
        let mut file = File::open(path)?;
        let mut context = Context::new(algorithm);
        context.update(head(file.metadata()?.len()).as_bytes());
        let mut buffer = vec![0; 1 << 16];
        loop {
            match file.read(&mut buffer)? {
                0 => return Ok(context.finish()),
                count => context.update(&buffer[..count]),
            }
        }
    };
    let digest = read().map_err(|source| Error::Read { path: path.to_owned(), source })?;
    Ok(digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_sha256sum_and_git() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        std::fs::write(&path, "hello\n").expect("room");
        for (etag, right) in [
            ("\"ce013625030ba8dba906f756967f9e9ca394464a\"", true),
            ("W/\"ce013625030ba8dba906f756967f9e9ca394464a\"", true),
            ("5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03", true),
            ("5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be04", false),
        ] {
            let expected = Expected::of_etag(etag).expect("a hash");
            assert_eq!(expected.check("file", &path).is_ok(), right, "{etag}");
        }
        assert_eq!(Expected::of_etag("\"5f2-abc\""), None);
    }
}
