//! The licence texts of everything that others made and that is in the image, as one file.
//!
//! They are read from the sources of the crates, which cargo has fetched to build them. A text that several crates
//! share stands there once; the Apache licence, which two thirds of them come with, has a file of its own.

use super::facts::Facts;
use crate::Failure;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// What is in a static executable besides crates.
const BESIDE_CRATES: &str = "\
Besides crates, the executable holds:

- the standard library of Rust, by the Rust project: MIT OR Apache-2.0 (LICENSE-APACHE);
- SQLite, which its authors have put in the public domain;
- the GNU C Library, by its authors and the Free Software Foundation: LGPL-2.1-or-later (LGPL-2.1). Its sources are
  those of the package glibc in Debian. To link libellus with another version of it, build libellus from its own
  sources with `cargo xtask dist`;
- the unwinder of GCC: GPL-3.0-or-later WITH GCC-exception-3.1, which leaves programs free that are linked with it.

";

/// The file: who has which licence, and then the texts.
pub fn third_party(facts: &Facts) -> Result<String, Failure> {
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut file =
        "The works of others in this image, with their licences. libellus itself: LICENSE-MIT, LICENSE-APACHE, \
                    NOTICE.\n\n"
            .to_owned();
    file.push_str(BESIDE_CRATES);
    file.push_str(
        "Crates and their licences. Apache-2.0 is in LICENSE-APACHE; the other texts that they come with follow.\n\n",
    );
    for package in facts.packages.iter().filter(|package| package.checksum.is_some()) {
        let name = format!("{} {}", package.name, package.version);
        let licence = package.licence.as_deref().unwrap_or("see its text");
        let repository = package.repository.as_deref().unwrap_or("no address given");
        // Writing to a string cannot fail.
        let _ = writeln!(file, "- {name}: {licence} ({repository})");
        for path in licence_files(&package.directory)? {
            let text = fs::read(&path).map_err(|error| format!("cannot read `{}`: {error}", path.display()))?;
            let text = String::from_utf8_lossy(&text).replace("\r\n", "\n");
            if !is_apache(&text) {
                texts.entry(text.trim().to_owned()).or_default().push(name.clone());
            }
        }
    }
    let mut texts: Vec<(String, Vec<String>)> = texts.into_iter().collect();
    texts.sort_by(|(_, a), (_, b)| a.cmp(b));
    for (text, packages) in texts {
        let _ = write!(file, "\n{}\n{}\n\n{text}\n", "=".repeat(80), packages.join(", "));
    }
    Ok(file)
}

/// The files beside the manifest that look like licences, sorted.
fn licence_files(directory: &Path) -> Result<Vec<PathBuf>, Failure> {
    let fail =
        |error| format!("cannot read the sources in `{}`: {error}; `cargo fetch` gets them", directory.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        let name = entry.file_name().to_string_lossy().to_ascii_lowercase();
        let is_licence =
            ["licen", "unlicen", "copying", "notice", "copyright"].iter().any(|word| name.starts_with(word));
        if is_licence && entry.path().is_file() {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}

/// Whether a text is the Apache licence and nothing more; copies differ in their spaces, and in the form to fill in at
/// the end.
fn is_apache(text: &str) -> bool {
    const TITLE: &str = "Apache License Version 2.0, January 2004";
    const WHOLE_BYTES: usize = 10_600;
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    words.starts_with(TITLE) && words.len() < WHOLE_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_apache_licence_is_told_from_files_with_more() {
        let own = fs::read_to_string(crate::root().join("LICENSE-APACHE")).expect("it is ours");
        assert!(is_apache(&own));
        assert!(!is_apache(&format!("{own}{}", "And another licence, whose text is here. ".repeat(50))));
        assert!(!is_apache("Permission is hereby granted"));
    }
}
