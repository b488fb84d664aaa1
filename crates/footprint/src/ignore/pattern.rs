//! One pattern: Go's `filepath.Match`, and `**` for any number of directories.

/// Longest pattern that is read: matching takes the length of the pattern times that of the path.
const MAX_CHARS: usize = 4096;

/// A pattern.
#[derive(Clone, Debug)]
pub struct Pattern {
    parts: Vec<Part>,
    /// As it is compared: cleaned, without a slash in front or behind.
    pub text: String,
}

#[derive(Clone, Debug)]
enum Part {
    /// This character.
    One(char),
    /// `?`: any but a slash.
    Any,
    /// `*`: any number of any but a slash.
    Star,
    /// `**/` before something starts here: nothing, or else what [`Part::UpToSlash`] takes.
    Directories,
    /// Anything that ends in a slash; it stands behind [`Part::Directories`].
    UpToSlash,
    /// `**` at the end, or before plain text: anything.
    Everything,
    /// `[a-z]`, `[^a-z]`; a slash is in none of them.
    Class(Vec<(char, char)>, bool),
}

impl Pattern {
    /// Reads a pattern. The error says why a builder refuses it.
    ///
    /// # Errors
    /// If a class has no end, or if it is longer than any that is meant.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = clean(text);
        let text = text.strip_prefix('/').filter(|rest| !rest.is_empty()).unwrap_or(&text).to_owned();
        if text.chars().count() > MAX_CHARS {
            return Err(format!("the pattern is longer than {MAX_CHARS} characters"));
        }
        let mut parts = Vec::new();
        let mut characters = text.chars().peekable();
        while let Some(c) = characters.next() {
            let part = match c {
                '*' if characters.next_if_eq(&'*').is_some() => {
                    let slash = characters.next_if_eq(&'/').is_some();
                    // Before plain text, the original compares the end of the path with it.
                    let at_start = parts.is_empty() && !slash;
                    let plain = !characters.clone().any(|c| "*?[\\".contains(c));
                    if characters.peek().is_none() || (at_start && plain) {
                        Part::Everything
                    } else {
                        parts.push(Part::Directories);
                        Part::UpToSlash
                    }
                }
                '*' => Part::Star,
                '?' => Part::Any,
                '[' => class(&mut characters).ok_or_else(|| format!("`{text}` has a `[` without its `]`"))?,
                '\\' => Part::One(characters.next().unwrap_or('\\')),
                c => Part::One(c),
            };
            parts.push(part);
        }
        Ok(Self { parts, text })
    }

    /// Whether it matches a whole path.
    pub fn matches(&self, path: &str) -> bool {
        // How many parts can have matched what was read so far.
        let count = self.parts.len();
        let mut reached = vec![false; count + 1];
        reached[0] = true;
        self.pass_over(&mut reached);
        for c in path.chars() {
            let mut next = vec![false; count + 1];
            for (place, part) in self.parts.iter().enumerate().filter(|(place, _)| reached[*place]) {
                match part {
                    Part::One(wanted) => next[place + 1] |= *wanted == c,
                    Part::Any => next[place + 1] |= c != '/',
                    Part::Star => next[place] |= c != '/',
                    Part::Everything => next[place] = true,
                    Part::Directories => {}
                    Part::UpToSlash => {
                        next[place] = true;
                        next[place + 1] |= c == '/';
                    }
                    Part::Class(ranges, negated) => {
                        let inside = ranges.iter().any(|(low, high)| (*low..=*high).contains(&c));
                        next[place + 1] |= inside != *negated && c != '/';
                    }
                }
            }
            self.pass_over(&mut next);
            reached = next;
        }
        reached[count]
    }

    /// What may match nothing is passed over.
    fn pass_over(&self, reached: &mut [bool]) {
        for (place, part) in self.parts.iter().enumerate() {
            match part {
                Part::Star | Part::Everything if reached[place] => reached[place + 1] = true,
                Part::Directories if reached[place] => {
                    reached[place + 1] = true;
                    reached[place + 2] = true;
                }
                _ => {}
            }
        }
    }
}

fn class(characters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<Part> {
    let negated = characters.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    loop {
        let low = match characters.next()? {
            ']' if !ranges.is_empty() => return Some(Part::Class(ranges, negated)),
            '\\' => characters.next()?,
            ']' | '-' => return None,
            c => c,
        };
        let high = match characters.next_if_eq(&'-') {
            Some(_) => match characters.next()? {
                ']' => return None,
                '\\' => characters.next()?,
                c => c,
            },
            None => low,
        };
        ranges.push((low, high));
    }
}

/// A path as Go's `filepath.Clean` leaves it.
pub fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => drop(parts.pop()),
            ".." if rooted => {}
            part => parts.push(part),
        }
    }
    match (rooted, parts.is_empty()) {
        (true, _) => format!("/{}", parts.join("/")),
        (false, true) => ".".to_owned(),
        (false, false) => parts.join("/"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_dockers_do() {
        for (pattern, path, expected) in [
            ("a/", "a", true),
            ("/a", "a", true),
            ("./a/../b", "b", true),
            ("*", "a/b", false),
            ("**", "a/b", true),
            ("a/**", "a/b/c", true),
            ("a/**", "a", false),
            ("**/a", "a", true),
            ("**/a", "x/y/a", true),
            ("**/a", "xa", false),
            ("**a", "x/ya", true),
            ("x/**/a", "x/a", true),
            ("x/**/a", "x/y/z/a", true),
            ("x/**/a", "x/ya", false),
            ("**/*.py[cod]", "a/b.pyc", true),
            ("**/*.py[cod]", "a/b.py", false),
            ("*.py[cod]", "a/b.pyc", false),
            ("[^a]b", "cb", true),
            ("[^a]b", "ab", false),
            ("a\\*", "a*", true),
            ("a\\*", "ab", false),
            ("?.c", "é.c", true),
            ("**/a*", "b/ac/d", false),
        ] {
            assert_eq!(Pattern::parse(pattern).expect(pattern).matches(path), expected, "{pattern} and {path}");
        }
        let long = "*".repeat(MAX_CHARS + 1);
        for pattern in ["[", "[]a]", "a[b", "[a-]", long.as_str()] {
            assert!(Pattern::parse(pattern).is_err(), "{}", &pattern[..pattern.len().min(9)]);
        }
    }
}
