//! ARCHITECTURE.md names files; they must exist.

use std::fs;
use std::path::Path;

#[test]
fn every_path_in_the_architecture_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let text = fs::read_to_string(root.join("ARCHITECTURE.md")).expect("it is at the root of the repository");
    let paths: Vec<&str> = paths_in(&text);
    assert!(paths.len() > 20, "the document names its files: {paths:?}");
    let missing: Vec<&&str> = paths.iter().filter(|path| !root.join(path).exists()).collect();
    assert!(missing.is_empty(), "ARCHITECTURE.md names what is not there: {missing:?}");
}

/// Words in backticks that look like paths from the root: with a slash, or with the ending of a file.
fn paths_in(text: &str) -> Vec<&str> {
    let outside_fences = text.split("```").step_by(2);
    let spans = outside_fences.flat_map(|part| part.split('`').skip(1).step_by(2));
    spans
        .filter(|span| {
            let plain = span.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
            let ending = [".rs", ".md", ".toml", ".jsonl", ".tsv", ".pack"].iter().any(|ending| span.ends_with(ending));
            plain && !span.starts_with('/') && (span.contains('/') || ending)
        })
        .collect()
}

#[test]
fn paths_are_told_from_other_words() {
    let text = "See `crates/index/src/lib.rs`, `README.md`, `models/` and `GET /health`, `/ready`, `f32`, `a b/c`.";
    assert_eq!(paths_in(text), ["crates/index/src/lib.rs", "README.md", "models/"]);
}
