//! Writing for people and for machines: standard output with errors kept, JSON, wrapped text.
//!
//! `println!` panics when nobody listens any more; everything here returns the error instead, so that
//! `libellus … | head` ends quietly and a full disk is reported.

use crate::error::Error;
use serde::Serialize;
use std::borrow::Cow;
use std::env;
use std::io::{self, IsTerminal, Write};

/// Narrowest and widest lines of text for people.
const WIDTHS: std::ops::RangeInclusive<usize> = 40..=100;

/// Writes `text` to standard output, and makes sure that it got there.
pub fn print(text: &str) -> Result<(), Error> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(Error::stdout)
}

/// Writes a value as indented JSON to standard output.
pub fn print_json(value: &impl Serialize) -> Result<(), Error> {
    let mut json = serde_json::to_string_pretty(value).map_err(|source| Error::stdout(source.into()))?;
    json.push('\n');
    print(&json)
}

/// `text` as one word of a shell's command line, quoted if it must be.
pub fn shell_word(text: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:=,@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(format!("'{}'", text.replace('\'', "'\\''")))
    }
}

/// `text` without control characters: a record must not be able to move a terminal's cursor.
pub fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// `text` in lines of at most `width` characters, broken at spaces, each after `indent` spaces.
///
/// A word longer than a line is left whole: the terminal breaks it where it must.
pub fn wrap(text: &str, width: usize, indent: usize) -> String {
    let room = width.saturating_sub(indent).max(1);
    let mut lines: Vec<String> = Vec::new();
    let mut line_chars = 0;
    for word in plain(text).split_whitespace() {
        let word_chars = word.chars().count();
        match lines.last_mut() {
            Some(line) if line_chars + 1 + word_chars <= room => {
                line.push(' ');
                line.push_str(word);
                line_chars += 1 + word_chars;
            }
            _ => {
                lines.push(word.to_owned());
                line_chars = word_chars;
            }
        }
    }
    let margin = " ".repeat(indent);
    lines.iter().map(|line| format!("{margin}{line}\n")).collect()
}

/// How to write for whoever reads standard output.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// Characters in a line.
    pub width: usize,
    colours: bool,
}

impl Style {
    /// Colours on a terminal only, and not if `NO_COLOR` is set (<https://no-color.org>).
    pub fn of_stdout() -> Self {
        let width = terminal_size::terminal_size().map_or(80, |(width, _)| usize::from(width.0));
        let no_color = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self {
            width: width.clamp(*WIDTHS.start(), *WIDTHS.end()),
            colours: io::stdout().is_terminal() && !no_color && !dumb,
        }
    }

    /// `text` in bold.
    pub fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    /// `text` in a fainter colour.
    pub fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.colours { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shell_words_are_quoted_only_if_they_must_be() {
        for (text, expected) in
            [("data/books.db", "data/books.db"), ("my books.db", "'my books.db'"), ("it's", "'it'\\''s'"), ("", "''")]
        {
            assert_eq!(shell_word(text), expected, "{text:?}");
        }
    }

    #[test]
    fn text_wraps_at_spaces_and_loses_control_characters() {
        for (text, width, indent, expected) in [
            ("one two three", 9, 2, "  one two\n  three\n"),
            ("unbreakable", 4, 0, "unbreakable\n"),
            ("été où là", 6, 0, "été où\nlà\n"),
            ("red \x1b[31malert\x07", 40, 0, "red [31malert\n"),
            ("", 40, 4, ""),
        ] {
            assert_eq!(wrap(text, width, indent), expected, "{text:?}");
        }
    }
}
