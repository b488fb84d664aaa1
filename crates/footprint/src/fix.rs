//! Mending what can be mended without guessing: lines of ignore files and Dockerfiles, everything else in them left as it
//! is. First a diff is shown; only the files that it names are written, each in one step.

use crate::checks::Finding;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

/// A change of a file; lines are from 1 and those of the file as it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fix {
    /// The first occurrence of a text in a line becomes another.
    Replace {
        /// The file.
        path: String,
        /// Which line.
        line: u32,
        /// What stands there.
        from: String,
        /// What is to stand there.
        to: String,
    },
    /// A new line before another.
    Insert {
        /// The file.
        path: String,
        /// Before which line.
        line: u32,
        /// The line.
        text: String,
    },
    /// One more command at the end of a `RUN`.
    Also {
        /// The file.
        path: String,
        /// The last line of the instruction.
        line: u32,
        /// The command.
        command: String,
    },
    /// A new line at the end; the file is made if there is none.
    Append {
        /// The file.
        path: String,
        /// The line.
        text: String,
    },
}

impl Fix {
    fn path(&self) -> &str {
        match self {
            Fix::Replace { path, .. }
            | Fix::Insert { path, .. }
            | Fix::Also { path, .. }
            | Fix::Append { path, .. } => path,
        }
    }

    fn line(&self) -> u32 {
        match self {
            Fix::Replace { line, .. } | Fix::Insert { line, .. } | Fix::Also { line, .. } => *line,
            Fix::Append { .. } => u32::MAX,
        }
    }
}

/// A file before and after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// From the root of the project.
    pub path: String,
    /// As it is; `None` if there is none.
    pub before: Option<String>,
    /// As it is to be.
    pub after: String,
}

/// What the findings' fixes come to, a file each; `texts` are the files as they are.
pub fn edits(findings: &[Finding], texts: &BTreeMap<String, String>) -> Vec<Edit> {
    let mut by_file: BTreeMap<&str, Vec<&Fix>> = BTreeMap::new();
    for fix in findings.iter().flat_map(|finding| &finding.fixes) {
        let fixes = by_file.entry(fix.path()).or_default();
        if !fixes.contains(&fix) {
            fixes.push(fix);
        }
    }
    let mut edits = Vec::new();
    for (path, mut fixes) in by_file {
        let before = texts.get(path).cloned();
        // Where this stands, bytes were no UTF-8 when the file was read, and writing it would lose them.
        if before.as_ref().is_some_and(|text| text.contains(char::REPLACEMENT_CHARACTER)) {
            continue;
        }
        // From the end on, so that lines keep their numbers. What is inserted before a line comes after changes of it.
        fixes.sort_by_key(|fix| (std::cmp::Reverse(fix.line()), matches!(fix, Fix::Insert { .. })));
        let after = apply(before.as_deref().unwrap_or_default(), &fixes);
        if before.as_deref() != Some(after.as_str()) {
            edits.push(Edit { path: path.to_owned(), before, after });
        }
    }
    edits
}

fn apply(text: &str, fixes: &[&Fix]) -> String {
    let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
    // Each line keeps its own ending, so that what no fix is about stays as it is to the byte.
    let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
    let mut appended = Vec::new();
    for fix in fixes {
        let place = (fix.line() as usize).saturating_sub(1);
        match fix {
            Fix::Replace { from, to, .. } => {
                if let Some(line) = lines.get_mut(place) {
                    *line = line.replacen(from.as_str(), to, 1);
                }
            }
            Fix::Insert { text, .. } => lines.insert(place.min(lines.len()), format!("{text}{newline}")),
            Fix::Also { command, .. } => {
                if let Some(line) = lines.get_mut(place) {
                    let ending = line.split_off(without_ending(line).len());
                    line.push_str(" \\");
                    line.push_str(newline);
                    lines.insert(place + 1, format!("    && {command}{ending}"));
                }
            }
            Fix::Append { text, .. } => appended.push(text),
        }
    }
    appended.retain(|text| lines.iter().all(|line| without_ending(line) != text.as_str()));
    if let Some(last) = lines.last_mut().filter(|last| !appended.is_empty() && !last.ends_with('\n')) {
        last.push_str(newline);
    }
    lines.extend(appended.into_iter().map(|text| format!("{text}{newline}")));
    lines.concat()
}

fn without_ending(line: &str) -> &str {
    let line = line.strip_suffix('\n').unwrap_or(line);
    line.strip_suffix('\r').unwrap_or(line)
}

/// Lines around a change that are shown.
const CONTEXT: usize = 2;

/// All edits as one diff, as `diff -u` writes it.
pub fn diff(edits: &[Edit]) -> String {
    let mut text = String::new();
    for edit in edits {
        let from = if edit.before.is_some() { format!("a/{}", edit.path) } else { "/dev/null".to_owned() };
        let _ = writeln!(text, "--- {from}\n+++ b/{}", edit.path);
        let before: Vec<&str> = edit.before.as_deref().unwrap_or_default().split_inclusive('\n').collect();
        let after: Vec<&str> = edit.after.split_inclusive('\n').collect();
        hunks(&mut text, &before, &after);
    }
    text
}

/// A line of a diff: its sign, and the line.
type Line<'a> = (char, &'a str);

fn hunks(text: &mut String, before: &[&str], after: &[&str]) {
    let lines = compare(before, after);
    let changed: Vec<usize> = (0..lines.len()).filter(|place| lines[*place].0 != ' ').collect();
    let mut next = 0;
    while let Some(&first) = changed.get(next) {
        let start = first.saturating_sub(CONTEXT);
        let mut end = first;
        while let Some(&place) = changed.get(next).filter(|place| **place <= end + 2 * CONTEXT + 1) {
            end = place;
            next += 1;
        }
        let end = (end + CONTEXT + 1).min(lines.len());
        let count = |lines: &[Line<'_>], not: char| lines.iter().filter(|(sign, _)| *sign != not).count();
        let (old, new) = (count(&lines[..start], '+'), count(&lines[..start], '-'));
        let (old_count, new_count) = (count(&lines[start..end], '+'), count(&lines[start..end], '-'));
        let from = if old_count == 0 { old } else { old + 1 };
        let _ = writeln!(text, "@@ -{from},{old_count} +{},{new_count} @@", new + 1);
        for (sign, line) in &lines[start..end] {
            let _ = writeln!(text, "{sign}{}", without_ending(line));
            if !line.ends_with('\n') {
                text.push_str("\\ No newline at end of file\n");
            }
        }
    }
}

/// More pairs of lines than this are not compared: a table of them would take the machine's memory.
const MAX_PAIRS: usize = 4_000_000;

/// The longest common lines stay, the others go or come. What is the same in front and behind is not compared; if too much
/// is left in between, all of it goes and comes.
fn compare<'a>(before: &[&'a str], after: &[&'a str]) -> Vec<Line<'a>> {
    let start = before.iter().zip(after).take_while(|(a, b)| a == b).count();
    let (front, before, after) = (&before[..start], &before[start..], &after[start..]);
    let end = before.iter().rev().zip(after.iter().rev()).take_while(|(a, b)| a == b).count();
    let (before, behind) = before.split_at(before.len() - end);
    let after = &after[..after.len() - end];
    let same = |lines: &[&'a str]| lines.iter().map(|line| (' ', *line)).collect::<Vec<_>>();
    let mut lines = same(front);
    if before.len().saturating_mul(after.len()) > MAX_PAIRS {
        lines.extend(before.iter().map(|line| ('-', *line)));
        lines.extend(after.iter().map(|line| ('+', *line)));
    } else {
        lines.extend(compare_all(before, after));
    }
    lines.extend(same(behind));
    lines
}

fn compare_all<'a>(before: &[&'a str], after: &[&'a str]) -> Vec<Line<'a>> {
    let mut longest = vec![vec![0u32; after.len() + 1]; before.len() + 1];
    for i in (0..before.len()).rev() {
        for j in (0..after.len()).rev() {
            longest[i][j] = match before[i] == after[j] {
                true => longest[i + 1][j + 1] + 1,
                false => longest[i + 1][j].max(longest[i][j + 1]),
            };
        }
    }
    let (mut i, mut j, mut lines) = (0, 0, Vec::new());
    while i < before.len() || j < after.len() {
        if i < before.len() && j < after.len() && before[i] == after[j] {
            lines.push((' ', before[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == after.len() || (i < before.len() && longest[i + 1][j] >= longest[i][j + 1]) {
            lines.push(('-', before[i]));
            i += 1;
        } else {
            lines.push(('+', after[j]));
            j += 1;
        }
    }
    lines
}

/// Writes the edits below `root`, each file as a whole or not at all. If one is no longer as it was shown, all are left
/// alone.
///
/// # Errors
/// If a file cannot be written, or has changed.
pub fn write(root: &Path, edits: &[Edit]) -> io::Result<()> {
    let of = |edit: &Edit, error: io::Error| io::Error::new(error.kind(), format!("`{}`: {error}", edit.path));
    for edit in edits {
        check_unchanged(&root.join(&edit.path), edit).map_err(|error| of(edit, error))?;
    }
    edits.iter().try_for_each(|edit| replace(&root.join(&edit.path), &edit.after).map_err(|error| of(edit, error)))
}

fn check_unchanged(path: &Path, edit: &Edit) -> io::Result<()> {
    // Its target may be anywhere, and was not shown.
    if fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink()) {
        return Err(io::Error::other("it is a symbolic link; nothing was written"));
    }
    let now = match fs::read(path) {
        Ok(bytes) => Some(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    match now.as_deref() == edit.before.as_deref().map(str::as_bytes) {
        true => Ok(()),
        false => Err(io::Error::other("it has changed in the meantime; nothing was written")),
    }
}

/// Writes beside the file, so that the new one takes its place in one step.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("file");
    let fresh = path.with_file_name(format!(".{name}.footprint"));
    let mut file = fs::File::create_new(&fresh)?;
    let written = file
        .write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .and_then(|()| match fs::metadata(path) {
            Ok(metadata) => fs::set_permissions(&fresh, metadata.permissions()),
            Err(_) => Ok(()),
        })
        .and_then(|()| fs::rename(&fresh, path));
    if written.is_err() {
        let _ = fs::remove_file(&fresh);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_leave_everything_else_as_it_is() {
        let text = "# keep\r\n__pycache__/  \r\nRUN a\r\nRUN b\r\n".to_owned();
        let path = || "f".to_owned();
        let finding = |fixes| Finding { fixes, ..Finding::new("F102", "f", 1, "") };
        let fixes = vec![
            Fix::Replace { path: path(), line: 2, from: "__pycache__/".into(), to: "**/__pycache__".into() },
            Fix::Insert { path: path(), line: 4, text: "ENV A=b".into() },
            Fix::Also { path: path(), line: 3, command: "rm x".into() },
            Fix::Append { path: path(), text: "**/.env".into() },
            Fix::Append { path: "new".into(), text: "x".into() },
        ];
        let texts = BTreeMap::from([("f".to_owned(), text)]);
        let edits = edits(&[finding(fixes)], &texts);
        assert_eq!(
            edits[0].after,
            "# keep\r\n**/__pycache__  \r\nRUN a \\\r\n    && rm x\r\nENV A=b\r\nRUN b\r\n**/.env\r\n"
        );
        assert_eq!((edits[1].path.as_str(), edits[1].before.clone(), edits[1].after.as_str()), ("new", None, "x\n"));
        let shown = diff(&edits);
        assert!(shown.contains("--- /dev/null\n+++ b/new\n@@ -0,0 +1,1 @@\n+x\n"), "{shown}");
        assert!(shown.contains("-__pycache__/  \n") && shown.contains("+ENV A=b\n"), "{shown}");

        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("f"), "another text").expect("written");
        assert!(write(folder.path(), &edits).is_err_and(|error| error.to_string().contains("has changed")));
        fs::write(folder.path().join("f"), texts["f"].as_bytes()).expect("written");
        write(folder.path(), &edits).expect("written");
        assert_eq!(fs::read_to_string(folder.path().join("f")).expect("there"), edits[0].after);
        assert_eq!(fs::read_dir(folder.path()).expect("listed").count(), 2, "nothing is left beside");
    }

    fn edit_one(text: &str, fix: Fix) -> Vec<Edit> {
        let finding = Finding { fixes: vec![fix], ..Finding::new("F110", "f", 1, "") };
        edits(&[finding], &BTreeMap::from([("f".to_owned(), text.to_owned())]))
    }

    #[test]
    fn what_is_not_touched_stays_to_the_byte() {
        let also = |line| Fix::Also { path: "f".into(), line, command: "x".into() };
        let append = Fix::Append { path: "f".into(), text: "c".into() };
        for (text, fix, after) in [
            ("a\nb\r\nc", also(1), "a \\\r\n    && x\nb\r\nc"),
            ("a\nb", also(2), "a\nb \\\n    && x"),
            ("a\nb", append.clone(), "a\nb\nc\n"),
        ] {
            assert_eq!(edit_one(text, fix)[0].after, after, "{text:?}");
        }
        assert!(edit_one("a\nc\r\n", append.clone()).is_empty(), "it is there already");
        assert!(edit_one("\u{fffd}\n", append.clone()).is_empty(), "bytes that were no UTF-8 would be lost");
        let shown = diff(&edit_one("a\nb", append));
        assert!(shown.ends_with("-b\n\\ No newline at end of file\n+b\n+c\n"), "{shown}");
    }

    #[test]
    fn long_files_are_compared_in_little_memory() {
        let long: Vec<String> = (0..100_000).map(|line| format!("{line}\n")).collect();
        let before: Vec<&str> = long.iter().map(String::as_str).collect();
        let after: Vec<&str> = before.iter().rev().copied().collect();
        assert_eq!(compare(&before, &after).len(), 200_000);
        assert_eq!(compare(&before, &before[1..]).iter().filter(|(sign, _)| *sign != ' ').count(), 1);
    }

    #[test]
    fn one_file_that_has_changed_stops_all() {
        let folder = tempfile::tempdir().expect("a folder");
        let edit = |path: &str| Edit { path: path.to_owned(), before: Some("a".into()), after: "b".into() };
        fs::write(folder.path().join("x"), "a").expect("written");
        fs::write(folder.path().join("y"), "changed").expect("written");
        assert!(write(folder.path(), &[edit("x"), edit("y")]).is_err_and(|error| error.to_string().starts_with("`y`")));
        assert_eq!(fs::read_to_string(folder.path().join("x")).expect("there"), "a");
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink("x", folder.path().join("link")).expect("linked");
            assert!(write(folder.path(), &[edit("link")]).is_err(), "a link leads elsewhere");
        }
    }
}
