//! JSON that is one list of objects, or one object that holds them by number as LibraryThing exports: read an object at a
//! time, however long the whole is.
//!
//! An object is cut out first, by its brackets and quotation marks, and parsed then: one that is no JSON costs no other.

use super::header::Mapping;
use super::source::Source;
use super::{MAX_RECORD_BYTES, Place, RecordReader, Reject, Step, jsonl};
use crate::Error;

pub(super) struct Reader<'a> {
    source: Source<'a>,
    mapping: Mapping,
    line: u64,
    state: State,
    buffer: Vec<u8>,
}

/// Where reading is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the bracket that opens the whole.
    Start,
    /// Inside it; whether what it holds has names.
    Inside { named: bool },
    /// Behind the bracket that closes it.
    Closed,
    /// Nothing more is read.
    Ended,
}

/// Whether text begins like one of these: a list, or an object whose first name is a number and stands for an object.
pub(super) fn is_list(start: &[u8]) -> bool {
    let start = start.trim_ascii_start();
    let behind = |text: &'_ [u8], mark: u8| -> Option<usize> {
        let spaces = text.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        (text.get(spaces) == Some(&mark)).then_some(spaces + 1)
    };
    let is_object_of_objects = || {
        let name = start.get(1..)?;
        let name = &name[behind(name, b'"')?..];
        let digits = name.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let rest = &name[digits..];
        let rest = &rest[behind(rest, b'"')?..];
        let rest = &rest[behind(rest, b':')?..];
        behind(rest, b'{').filter(|_| digits > 0)
    };
    match start.first() {
        Some(b'[') => true,
        Some(b'{') => is_object_of_objects().is_some(),
        _ => false,
    }
}

/// What is being read of the next object.
struct Scan {
    /// Its name, if it has one, was read.
    is_named: bool,
    began: bool,
    line: u64,
    depth: usize,
    in_text: bool,
    escaped: bool,
}

/// What a byte is the end of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Nothing,
    /// An object or a list, which this byte belongs to.
    Value,
    /// Another value, which it does not belong to.
    Before,
    /// The whole.
    Whole,
}

impl Scan {
    fn take(&mut self, byte: u8, line: u64) -> End {
        if self.in_text {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_text = false,
                _ => {}
            }
            return End::Nothing;
        }
        let is_between = self.depth == 0 && !self.began;
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => {}
            b']' | b'}' if is_between => return End::Whole,
            b',' | b']' | b'}' if self.depth == 0 && self.began => return End::Before,
            b',' if is_between => {}
            b'"' if is_between && !self.is_named => self.in_text = true,
            b':' if is_between && !self.is_named => self.is_named = true,
            b']' | b'}' => {
                self.depth -= 1;
                return if self.depth == 0 { End::Value } else { End::Nothing };
            }
            _ => {
                if is_between {
                    (self.began, self.line) = (true, line);
                }
                self.in_text = byte == b'"';
                self.depth += usize::from(matches!(byte, b'{' | b'['));
            }
        }
        End::Nothing
    }
}

impl<'a> Reader<'a> {
    pub(super) fn new(source: Source<'a>) -> Self {
        Self { source, mapping: Mapping::default(), line: 1, state: State::Start, buffer: Vec::new() }
    }

    /// Passes over white space; the byte behind it is next.
    fn skip_space(&mut self) -> Result<Option<u8>, Error> {
        loop {
            let text = self.source.fill()?;
            let spaces = text.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            self.line += text[..spaces].iter().filter(|&&byte| byte == b'\n').count() as u64;
            let (next, is_empty) = (text.get(spaces).copied(), text.is_empty());
            self.source.consume(spaces);
            if next.is_some() || is_empty {
                return Ok(next);
            }
        }
    }

    /// Reads the next object into the buffer.
    fn read_value(&mut self, named: bool) -> Result<Step, Error> {
        let mut scan =
            Scan { is_named: !named, began: false, line: self.line, depth: 0, in_text: false, escaped: false };
        self.buffer.clear();
        let mut length = 0;
        loop {
            let text = self.source.fill()?;
            if text.is_empty() {
                self.state = State::Ended;
                let reason = "the list is not closed: the file is cut, or a bracket or quotation mark is missing";
                return Ok(reject(scan.line, reason.to_owned()));
            }
            let (mut used, mut end) = (0, End::Nothing);
            while used < text.len() && end == End::Nothing {
                let byte = text[used];
                end = scan.take(byte, self.line);
                if end == End::Before {
                    break;
                }
                used += 1;
                self.line += u64::from(byte == b'\n');
                if scan.began {
                    length += 1;
                    if length <= MAX_RECORD_BYTES {
                        self.buffer.push(byte);
                    }
                }
            }
            self.source.consume(used);
            match end {
                End::Nothing => {}
                End::Whole => {
                    self.state = State::Closed;
                    return self.next();
                }
                End::Value | End::Before if length > MAX_RECORD_BYTES => {
                    return Ok(reject(scan.line, format!("the record is longer than {} MiB", MAX_RECORD_BYTES >> 20)));
                }
                End::Value | End::Before => {
                    return Ok(match jsonl::step(&self.buffer, scan.line, &mut self.mapping) {
                        Step::Rejected(mut reject) => {
                            // Here it may take as many lines as it likes.
                            reject.reason = reject.reason.replace(" on one line", "");
                            Step::Rejected(reject)
                        }
                        step => step,
                    });
                }
            }
        }
    }
}

fn reject(line: u64, reason: String) -> Step {
    Step::Rejected(Reject { place: Place::Line(line), id: None, field: None, reason })
}

impl<'a> RecordReader<'a> for Reader<'a> {
    fn next(&mut self) -> Result<Step, Error> {
        match self.state {
            State::Start => {
                let named = self.skip_space()? == Some(b'{');
                self.source.consume(1);
                self.state = State::Inside { named };
                self.next()
            }
            State::Inside { named } => self.read_value(named),
            State::Closed => {
                self.state = State::Ended;
                match self.skip_space()? {
                    None => Ok(Step::End),
                    Some(_) => {
                        Ok(reject(self.line, "something stands behind the end of the list; it was not read".to_owned()))
                    }
                }
            }
            State::Ended => Ok(Step::End),
        }
    }

    fn source(&self) -> &Source<'a> {
        &self.source
    }

    fn mapping(&self) -> &Mapping {
        &self.mapping
    }
}
