//! The parser of Dockerfiles beside BuildKit's: its own test files, each with what it makes of them.
//!
//! They are read where they are: `../shared/data/dockerfiles/`, beside the repository. Where there are none, the tests
//! say that they skip.

use libellus_footprint::dockerfile::{Dockerfile, Instruction};
use std::fs;
use std::path::{Path, PathBuf};

/// The files with this in their name.
fn files(part: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/dockerfiles/buildkit");
    let Ok(entries) = fs::read_dir(&folder) else {
        eprintln!("skipped: there is no `{}`", folder.display());
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("listed").path()).collect();
    files.retain(|file| file.to_str().is_some_and(|name| name.contains(part) && name.ends_with("Dockerfile")));
    files.sort();
    files
}

/// As BuildKit prints it.
fn shown(instruction: &Instruction) -> String {
    // As Go quotes.
    let quoted = |text: &String| {
        let escape = |c: char| match c {
            '\\' | '"' => format!("\\{c}"),
            '\n' => "\\n".to_owned(),
            '\r' => "\\r".to_owned(),
            '\t' => "\\t".to_owned(),
            '\u{8}' => "\\b".to_owned(),
            '\u{c}' => "\\f".to_owned(),
            c if c.is_control() => format!("\\x{:02x}", u32::from(c)),
            c => c.to_string(),
        };
        format!(" \"{}\"", text.chars().map(escape).collect::<String>())
    };
    let mut text = format!("({}", instruction.keyword);
    if !instruction.flags.is_empty() {
        let flags: Vec<String> = instruction.flags.iter().map(|flag| quoted(flag).trim().to_owned()).collect();
        text += &format!(" [{}]", flags.join(" "));
    }
    if let Some(inner) = &instruction.inner {
        text += &format!(" {}", shown(inner));
    }
    text.extend(instruction.arguments.iter().map(quoted));
    text + ")"
}

#[test]
fn what_buildkit_reads_is_read_in_the_same_way() {
    let files = files("testfiles__");
    for file in &files {
        let text = fs::read_to_string(file).expect("UTF-8");
        let parsed = Dockerfile::parse(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let ours: Vec<String> = parsed.instructions.iter().map(shown).collect();
        let result = file.to_str().expect("UTF-8").replace("__Dockerfile", "__result");
        let theirs = fs::read_to_string(result).expect("each has a result");
        assert_eq!(ours, theirs.lines().collect::<Vec<_>>(), "{}", file.display());
    }
    assert!(files.is_empty() || files.len() >= 30, "only {}", files.len());
}

#[test]
fn what_buildkit_refuses_is_refused() {
    let files = files("testfiles-negative__");
    for file in &files {
        let text = fs::read_to_string(file).expect("UTF-8");
        assert!(Dockerfile::parse(&text).is_err(), "{}", file.display());
    }
}
