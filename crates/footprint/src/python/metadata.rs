//! What a package says of itself: the headers of METADATA or PKG-INFO, and the rows of RECORD.

use super::requirement::Requirement;
use csv_core::ReadFieldResult;

/// The headers that matter here.
#[derive(Clone, Debug, Default)]
pub struct Metadata {
    /// As it is written.
    pub name: String,
    /// As it is written.
    pub version: String,
    /// What it needs, extras' needs included.
    pub requires: Vec<Requirement>,
    /// What cannot be read, requirements as a rule, and why.
    pub unread: Vec<String>,
}

impl Metadata {
    /// Reads the headers, up to the first empty line.
    pub fn parse(text: &str) -> Self {
        let mut found = Self::default();
        for (name, value) in headers(text) {
            match name.to_ascii_lowercase().as_str() {
                "name" => found.name = value,
                "version" => found.version = value,
                "requires-dist" => match Requirement::parse(&value) {
                    Ok(requirement) => found.requires.push(requirement),
                    Err(reason) => found.unread.push(reason),
                },
                _ => {}
            }
        }
        found
    }

    /// Reads `requires.txt` of an egg-info: requirements under headings `[extra:marker]`.
    pub fn read_requires_txt(&mut self, text: &str) {
        let mut condition = String::new();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            if let Some(heading) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                let (extra, marker) = heading.split_once(':').unwrap_or((heading, ""));
                let extra = (!extra.is_empty()).then(|| format!("extra == '{extra}'"));
                let marker = (!marker.is_empty()).then(|| format!("({marker})"));
                condition = [extra, marker].into_iter().flatten().collect::<Vec<_>>().join(" and ");
                continue;
            }
            let text = if condition.is_empty() { line.to_owned() } else { format!("{line}; {condition}") };
            match Requirement::parse(&text) {
                Ok(requirement) => self.requires.push(requirement),
                Err(reason) => self.unread.push(reason),
            }
        }
    }
}

/// Headers as mail has them; a line that starts with a space goes on with the one before.
fn headers(text: &str) -> Vec<(String, String)> {
    let mut headers: Vec<(String, String)> = Vec::new();
    for line in text.trim_start_matches('\u{feff}').lines() {
        if line.trim().is_empty() {
            break;
        }
        if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = headers.last_mut() {
                value.push(' ');
                value.push_str(line.trim());
            }
        } else if let Some((name, value)) = line.split_once(':') {
            headers.push((name.trim().to_owned(), value.trim().to_owned()));
        }
    }
    headers
}

/// The paths that RECORD lists, and how many of its rows cannot be read. Sizes are not taken from it: pip leaves those of
/// bytecode out.
pub fn record_paths(bytes: &[u8]) -> (Vec<String>, usize) {
    let mut reader = csv_core::Reader::new();
    let (mut paths, mut unread) = (Vec::new(), 0);
    let (mut field, mut length, mut column) = (vec![0; 256], 0, 0);
    let mut rest = bytes;
    loop {
        let (result, read, written) = reader.read_field(rest, &mut field[length..]);
        rest = &rest[read..];
        length += written;
        match result {
            // An empty input says that there is no more.
            ReadFieldResult::InputEmpty => {}
            ReadFieldResult::OutputFull => field.resize(field.len() * 2, 0),
            ReadFieldResult::Field { record_end } => {
                if column == 0 {
                    match std::str::from_utf8(&field[..length]) {
                        // Windows writes either.
                        Ok(path) if !path.is_empty() => paths.push(path.replace('\\', "/")),
                        _ => unread += 1,
                    }
                }
                length = 0;
                column = if record_end { 0 } else { column + 1 };
            }
            ReadFieldResult::End => return (paths, unread),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_end_at_the_first_empty_line() {
        let text = "Metadata-Version: 2.1\nName: Foo\nVersion: 1.0\nRequires-Dist: bar (>=1);\n  extra == 'x'\n\
                    Requires-Dist: !!\n\nName: not this\n";
        let found = Metadata::parse(text);
        assert_eq!((found.name.as_str(), found.version.as_str()), ("Foo", "1.0"));
        assert_eq!((found.requires.len(), found.unread.len()), (1, 1));
        assert!(found.requires[0].marker.is_some());
    }

    #[test]
    fn record_is_real_csv() {
        let record = b"a.py,sha256=x,3\n\"with, comma.py\",,\n\"quo\"\"te.py\",,\n../../../bin/x,,\n,,\n\xff.py,,\n";
        let (paths, unread) = record_paths(record);
        assert_eq!(paths, ["a.py", "with, comma.py", "quo\"te.py", "../../../bin/x"]);
        assert_eq!(unread, 2);
    }

    #[test]
    fn headings_become_conditions() {
        let mut found = Metadata::default();
        found.read_requires_txt("six\n\n[tls:python_version > '3']\nring>=1\n");
        let shown: Vec<(String, bool)> =
            found.requires.iter().map(|one| (one.to_string(), one.marker.is_some())).collect();
        assert_eq!(shown, [("six".to_owned(), false), ("ring>=1".to_owned(), true)]);
    }
}
