//! A bare list of ISBNs, one or more a line. There are no titles in it, so a book is called by its number until another
//! file has the rest: with the same ISBN it gets the same id, unless that file has ids of its own.

use super::header::{Field, Mapping, Target};
use super::record::RawRecord;
use super::source::{Line, Source};
use super::{Place, RecordReader, Reject, Step};
use crate::{Error, isbn};
use serde_json::Value;
use std::collections::VecDeque;

pub(super) struct Reader<'a> {
    source: Source<'a>,
    mapping: Mapping,
    buffer: Vec<u8>,
    line: u64,
    waiting: VecDeque<Step>,
}

/// Whether every line is ISBNs and nothing else; a heading such as `ISBN` may be the first.
pub(super) fn is_list(text: &[u8], is_cut: bool) -> bool {
    let Ok(text) = std::str::from_utf8(text) else { return false };
    // The last line may be cut.
    let text = if is_cut { text.rsplit_once('\n').map_or("", |(whole, _)| whole) } else { text };
    let mut lines = text.lines().filter(|line| !line.trim().is_empty()).peekable();
    if lines.peek().is_some_and(|line| is_heading(line)) {
        lines.next();
    }
    let is_isbns = |line: &str| {
        let is_number = |c: char| !c.is_alphabetic() || matches!(c, 'X' | 'x');
        line.chars().all(is_number) && !isbn::extract(line).is_empty()
    };
    lines.peek().is_some() && lines.all(is_isbns)
}

fn is_heading(line: &str) -> bool {
    let word: String = line.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
    ["isbn", "isbns", "isbn13", "isbn10"].contains(&word.as_str())
}

impl<'a> Reader<'a> {
    pub(super) fn new(source: Source<'a>) -> Self {
        Self { source, mapping: Mapping::default(), buffer: Vec::new(), line: 0, waiting: VecDeque::new() }
    }

    fn read(&mut self) {
        let place = Place::Line(self.line);
        let text = String::from_utf8_lossy(&self.buffer);
        if text.trim().is_empty() || (self.line == 1 && is_heading(&text)) {
            return;
        }
        let isbns = isbn::extract(&text);
        if isbns.is_empty() {
            let shown: String = text.trim().chars().take(40).collect();
            let reason = format!("`{shown}` is not an ISBN (ten or thirteen digits)");
            self.waiting.push_back(Step::Rejected(Reject { place, id: None, field: Some("isbns".to_owned()), reason }));
        }
        for isbn in isbns {
            let mut record = RawRecord::new(place, self.buffer.len());
            let field = |field| Target::Field { field, rank: 0 };
            record.push("title".to_owned(), field(Field::Title), Value::from(format!("ISBN {isbn}")));
            record.push("isbns".to_owned(), field(Field::Isbns), Value::from(isbn));
            self.waiting.push_back(Step::Record(record));
        }
    }
}

impl<'a> RecordReader<'a> for Reader<'a> {
    fn next(&mut self) -> Result<Step, Error> {
        loop {
            if let Some(step) = self.waiting.pop_front() {
                return Ok(step);
            }
            let line = self.source.read_line(&mut self.buffer)?;
            self.line += 1;
            match line {
                Line::End => return Ok(Step::End),
                Line::TooLong => {
                    let place = Place::Line(self.line);
                    let reason = "the line is far too long for an ISBN".to_owned();
                    return Ok(Step::Rejected(Reject { place, id: None, field: None, reason }));
                }
                Line::Read => self.read(),
            }
        }
    }

    fn source(&self) -> &Source<'a> {
        &self.source
    }

    fn mapping(&self) -> &Mapping {
        &self.mapping
    }
}
