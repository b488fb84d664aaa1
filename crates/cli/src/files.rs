//! Which file a path means, so that nothing is written over what is being read.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

/// The path that stands for standard input or standard output.
pub const STANDARD: &str = "-";

/// What to call an output in messages.
pub fn output_name(path: &Path) -> String {
    if path == Path::new(STANDARD) { "standard output".to_owned() } else { path.display().to_string() }
}

/// Whether writing to `output` would write over `existing`: one file by name, links followed, or by hard link.
///
/// A file that is not there yet counts by its name. Devices and pipes never count: nothing in them is overwritten.
pub fn same_file(existing: &Path, output: &Path) -> bool {
    match (fs::metadata(existing), fs::metadata(output)) {
        (Ok(one), Ok(other)) if one.is_file() && other.is_file() => {
            same_inode(&one, &other) || resolved(existing) == resolved(output)
        }
        (Ok(_), Ok(_)) => false,
        _ => resolved(existing) == resolved(output),
    }
}

/// Whether writing to `output` would write over an input, which may be `-`.
pub fn is_input(input: &Path, output: &Path) -> bool {
    if output == Path::new(STANDARD) {
        return false;
    }
    // Not a file called `-`, but what the shell connected.
    same_file(if input == Path::new(STANDARD) { Path::new("/dev/stdin") } else { input }, output)
}

/// Whether an input can be read twice: a file can; standard input and pipes cannot, not even when opened by a name.
pub fn is_regular(input: &Path) -> bool {
    input != Path::new(STANDARD) && fs::metadata(input).is_ok_and(|metadata| metadata.is_file())
}

/// `path` with `suffix` at its end.
pub fn with_suffix(path: &Path, suffix: impl AsRef<OsStr>) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// The whole path without links; of a file that is not there yet, that of its directory and its name.
pub fn resolved(path: &Path) -> PathBuf {
    if let Ok(whole) = path.canonicalize() {
        return whole;
    }
    let Some(name) = path.file_name() else { return path.to_owned() };
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    parent.canonicalize().map_or_else(|_| path.to_owned(), |parent| parent.join(name))
}

#[cfg(unix)]
fn same_inode(one: &fs::Metadata, other: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

#[cfg(not(unix))]
fn same_inode(_: &fs::Metadata, _: &fs::Metadata) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn files_are_the_same_by_name_by_link_and_before_they_exist() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        fs::write(at("one"), "1").expect("room");
        fs::write(at("two"), "1").expect("room");
        fs::hard_link(at("one"), at("hard")).expect("room");
        symlink(at("one"), at("soft")).expect("room");
        for (existing, output, expected) in [
            ("one", "one", true),
            ("one", "./one", true),
            ("one", "hard", true),
            ("one", "soft", true),
            ("one", "two", false),
            ("one", "new", false),
            ("new", "./new", true),
            ("new", "newer", false),
        ] {
            assert_eq!(same_file(&at(existing), &at(output)), expected, "{existing} {output}");
        }
        assert!(!same_file(Path::new("/dev/null"), Path::new("/dev/null")));
    }
}
