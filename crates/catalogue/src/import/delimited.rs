//! CSV and TSV: a header, then a record a row; fields may be quoted and then hold delimiters and line breaks.
//!
//! The rows are read with `csv-core`, a state machine that leaves the buffers to us: that is what bounds the memory of
//! a row, and what lets a quotation mark that never closes, which would swallow all rows behind it, cost one row only:
//! the reader goes back to the row's second line and reads on from there.

use super::header::{Mapping, Target};
use super::record::RawRecord;
use super::source::Source;
use super::{Format, MAX_RECORD_BYTES, Place, RecordReader, Reject, Step};
use crate::{Error, export};
use csv_core::{ReadRecordResult, ReaderBuilder};
use serde_json::Value;

/// Quotation marks that never close which are put right, each by reading up to a whole record again; with more, the
/// file is not what it seems, and rows are given up without going back.
const MAX_RESCUES: usize = 100;

/// Delimiters, in the order tried when nothing tells them apart.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

pub(super) struct Reader<'a> {
    source: Source<'a>,
    parser: csv_core::Reader,
    delimiter: u8,
    columns: Vec<(String, Target)>,
    /// Whether libellus wrote the file.
    as_written: bool,
    mapping: Mapping,
    row: Row,
    /// The row as it stands in the file.
    raw: Vec<u8>,
    /// The next line's number, from 1.
    line: u64,
    rescues: usize,
}

/// The fields of a row, end to end.
#[derive(Default)]
struct Row {
    text: Vec<u8>,
    ends: Vec<usize>,
    fields: usize,
}

impl Row {
    fn get(&self, at: usize) -> Option<&[u8]> {
        let end = *self.ends[..self.fields].get(at)?;
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        Some(&self.text[start..end])
    }

    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.fields).filter_map(|at| self.get(at))
    }

    fn is_blank(&self) -> bool {
        self.iter().all(|field| field.trim_ascii().is_empty())
    }
}

/// How reading a row ended.
enum Ending {
    Whole,
    UnclosedQuote,
    TooLong,
    NoMore,
}

impl<'a> Reader<'a> {
    /// Reads the header.
    pub(super) fn new(mut source: Source<'a>) -> Result<Self, Error> {
        let declared = declared_delimiter(source.window());
        let first_line = match declared {
            Some((_, length)) => {
                source.consume(length);
                2
            }
            None => 1,
        };
        let delimiter = match (source.format(), declared) {
            (Format::Tsv, _) => b'\t',
            (_, Some((delimiter, _))) => delimiter,
            _ => find_delimiter(source.window()),
        };
        source.set_format(if delimiter == b'\t' { Format::Tsv } else { Format::Csv });
        let mut reader = Self {
            source,
            parser: ReaderBuilder::new().delimiter(delimiter).build(),
            delimiter,
            columns: Vec::new(),
            as_written: false,
            mapping: Mapping::default(),
            row: Row { text: vec![0; 4096], ends: vec![0; 64], fields: 0 },
            raw: Vec::new(),
            line: first_line,
            rescues: 0,
        };
        reader.read_header()?;
        Ok(reader)
    }

    fn read_header(&mut self) -> Result<(), Error> {
        let mut ending = self.read_row()?;
        while matches!(ending, Ending::Whole) && self.row.is_blank() {
            ending = self.read_row()?;
        }
        match ending {
            Ending::NoMore => return Err(Error::NoRecords { name: self.source.name().to_owned() }),
            Ending::Whole => {}
            Ending::UnclosedQuote | Ending::TooLong => {
                let detail = "its first line, the header, has a quotation mark that never closes, or is far too long";
                return Err(Error::NotText { name: self.source.name().to_owned(), detail: detail.to_owned() });
            }
        }
        let names: Vec<String> = self.row.iter().map(|name| String::from_utf8_lossy(name).trim().to_owned()).collect();
        self.as_written = names.iter().any(|name| name == export::csv::MARK);
        if self.as_written {
            names.iter().for_each(|name| self.mapping.decided(name, Target::AsWritten));
        }
        self.mapping.look_at(names.iter().map(String::as_str));
        self.columns = names
            .into_iter()
            .map(|name| {
                let target = self.mapping.target(&name);
                (name, target)
            })
            .collect();
        Ok(())
    }

    /// Reads a row into `self.row`.
    fn read_row(&mut self) -> Result<Ending, Error> {
        self.skip_line_breaks()?;
        self.raw.clear();
        self.row.fields = 0;
        let mut written = 0;
        loop {
            let input = self.source.fill()?;
            if input.is_empty() && self.raw.is_empty() {
                return Ok(Ending::NoMore);
            }
            // Behind the last row a line break is made up: only inside quotation marks does it not end the row.
            let at_end = input.is_empty();
            let input = if at_end { b"\n" } else { input };
            let (text, ends) = (&mut self.row.text[written..], &mut self.row.ends[self.row.fields..]);
            let (result, read, wrote, ended) = self.parser.read_record(input, text, ends);
            if !at_end {
                self.raw.extend_from_slice(&input[..read]);
                self.source.consume(read);
            }
            written += wrote;
            self.row.fields += ended;
            match result {
                ReadRecordResult::Record => {
                    self.line += line_breaks(&self.raw);
                    return Ok(Ending::Whole);
                }
                ReadRecordResult::End => return Ok(Ending::NoMore),
                ReadRecordResult::OutputFull => self.row.text.resize(self.row.text.len() * 2, 0),
                ReadRecordResult::OutputEndsFull => self.row.ends.resize(self.row.ends.len() * 2, 0),
                ReadRecordResult::InputEmpty if at_end => return Ok(Ending::UnclosedQuote),
                ReadRecordResult::InputEmpty => {}
            }
            if self.raw.len() > MAX_RECORD_BYTES {
                return Ok(Ending::TooLong);
            }
        }
    }

    /// Empty lines are no rows, and must not count as the place where the next one begins.
    fn skip_line_breaks(&mut self) -> Result<(), Error> {
        loop {
            let input = self.source.fill()?;
            let breaks = input.iter().take_while(|&&byte| byte == b'\n' || byte == b'\r').count();
            // The second half of the last row's `\r\n` was counted with the first.
            let counted = usize::from(self.raw.last() == Some(&b'\r') && input.first() == Some(&b'\n'));
            self.line += line_breaks(&input[counted..breaks]);
            if breaks > 0 {
                self.raw.clear();
                self.raw.push(input[breaks - 1]);
            }
            let more = breaks > 0 && breaks == input.len();
            self.source.consume(breaks);
            if !more {
                return Ok(());
            }
        }
    }

    /// Deals with a row that does not end: its first line is judged alone, and reading goes on behind that.
    fn rescue(&mut self, first_line: u64, ending: &Ending) -> Result<Step, Error> {
        self.parser.reset();
        let raw = std::mem::take(&mut self.raw);
        let end_of_line = raw.iter().position(|&byte| byte == b'\n' || byte == b'\r');
        let Some(end) = end_of_line.filter(|_| self.rescues < MAX_RESCUES) else {
            return self.give_up(first_line, &raw, ending);
        };
        self.rescues += 1;
        self.source.push_back(&raw[end..]);
        self.line = first_line;
        self.row = read_literally(&raw[..end], self.delimiter);
        let reason = "a quotation mark opens a field here and never closes it; close it, or double it if it is meant";
        if self.row.fields != self.columns.len() {
            return Ok(Step::Rejected(self.reject(first_line, None, reason.to_owned())));
        }
        let mut step = self.record(first_line, end);
        if let Step::Record(record) = &mut step {
            record.warn(None, format!("{reason} (the line was read with the marks as they are)"));
        }
        Ok(step)
    }

    fn give_up(&mut self, first_line: u64, raw: &[u8], ending: &Ending) -> Result<Step, Error> {
        self.line += line_breaks(raw);
        if let Ending::TooLong = ending {
            self.skip_to_line_break()?;
        }
        self.row.fields = 0;
        let lines = self.line.max(first_line + 1) - first_line;
        let reason = match ending {
            Ending::TooLong => {
                format!(
                    "the record is longer than {} MiB; it was skipped up to the end of its line",
                    MAX_RECORD_BYTES >> 20
                )
            }
            _ => format!(
                "a quotation mark opens a field and never closes it; {lines} lines were read as this one record"
            ),
        };
        Ok(Step::Rejected(self.reject(first_line, None, reason)))
    }

    fn skip_to_line_break(&mut self) -> Result<(), Error> {
        loop {
            let input = self.source.fill()?;
            let end = input.iter().position(|&byte| byte == b'\n' || byte == b'\r');
            let length = end.unwrap_or(input.len());
            let done = end.is_some() || input.is_empty();
            self.source.consume(length);
            if done {
                return Ok(());
            }
        }
    }

    /// The row as a record; `bytes` is its length in the file.
    fn record(&self, line: u64, bytes: usize) -> Step {
        let surplus = self.row.iter().skip(self.columns.len()).filter(|field| !field.trim_ascii().is_empty()).count();
        if surplus > 0 {
            let reason = format!(
                "{} fields, but the header has {}; is a delimiter inside a field, and the field not quoted?",
                self.row.fields,
                self.columns.len()
            );
            return Step::Rejected(self.reject(line, None, reason));
        }
        if self.as_written {
            return self.record_as_written(line, bytes);
        }
        let mut record = RawRecord::new(Place::Line(line), bytes);
        for ((name, target), field) in self.columns.iter().zip(self.row.iter()) {
            match std::str::from_utf8(field) {
                Ok(text) => record.push(name.clone(), *target, Value::from(text)),
                Err(fault) => {
                    let reason = format!(
                        "not valid UTF-8 at byte {} of the field; save the file as UTF-8",
                        fault.valid_up_to() + 1
                    );
                    return Step::Rejected(self.reject(line, Some(name.clone()), reason));
                }
            }
        }
        if self.row.fields < self.columns.len() {
            let reason = format!(
                "{} fields, but the header has {}; the others were taken as empty",
                self.row.fields,
                self.columns.len()
            );
            record.warn(None, reason);
        }
        Step::Record(record)
    }

    /// The row of a file that libellus wrote.
    fn record_as_written(&self, line: u64, bytes: usize) -> Step {
        if self.row.fields < self.columns.len() {
            let reason = format!("{} fields, but the header has {}: it is cut", self.row.fields, self.columns.len());
            return Step::Rejected(self.reject(line, None, reason));
        }
        let texts: Result<Vec<&str>, _> = self.row.iter().take(self.columns.len()).map(std::str::from_utf8).collect();
        let book = match texts {
            Ok(texts) => export::csv::book(self.columns.iter().map(|(name, _)| name.as_str()).zip(texts)),
            Err(_) => Err("not valid UTF-8; save the file as UTF-8".to_owned()),
        };
        match RawRecord::as_written(Place::Line(line), bytes, book) {
            Ok(record) => Step::Record(record),
            Err(reject) => Step::Rejected(self.reject(line, None, reject.reason)),
        }
    }

    fn reject(&self, line: u64, field: Option<String>, reason: String) -> Reject {
        let ids = self.columns.iter().zip(self.row.iter()).filter(|((name, _), _)| Mapping::is_id(name));
        let id = ids.map(|(_, id)| String::from_utf8_lossy(id).trim().to_owned()).find(|id| !id.is_empty());
        Reject { place: Place::Line(line), id, field, reason }
    }
}

impl<'a> RecordReader<'a> for Reader<'a> {
    fn next(&mut self) -> Result<Step, Error> {
        loop {
            self.skip_line_breaks()?;
            let line = self.line;
            match self.read_row()? {
                // Spreadsheets end in rows of nothing but delimiters.
                Ending::Whole if self.row.is_blank() => {}
                Ending::Whole => return Ok(self.record(line, self.raw.len())),
                Ending::NoMore => return Ok(Step::End),
                ending => return self.rescue(line, &ending),
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

/// Splits a line at every delimiter; quotation marks mean nothing.
fn read_literally(line: &[u8], delimiter: u8) -> Row {
    let mut row = Row::default();
    for field in line.split(|&byte| byte == delimiter) {
        row.text.extend_from_slice(field);
        row.ends.push(row.text.len());
    }
    row.fields = row.ends.len();
    // Room to read into: never empty.
    row.text.resize(row.text.len().max(4096), 0);
    row
}

/// Line ends in `bytes`: `\n`, `\r\n` and, as on old Macs, `\r`.
fn line_breaks(bytes: &[u8]) -> u64 {
    let is_second = |at: usize| bytes[at] == b'\n' && at.checked_sub(1).is_some_and(|before| bytes[before] == b'\r');
    memchr::memchr2_iter(b'\n', b'\r', bytes).filter(|&at| !is_second(at)).count() as u64
}

/// The delimiter that a first line such as `sep=;` declares, for and by spreadsheets, and that line's length.
fn declared_delimiter(window: &[u8]) -> Option<(u8, usize)> {
    let [delimiter, rest @ ..] = window.strip_prefix(b"sep=")? else { return None };
    let line_break = rest.iter().take_while(|&&byte| byte == b'\r' || byte == b'\n').count().min(2);
    (line_break > 0).then_some((*delimiter, b"sep=;".len() + line_break))
}

/// The delimiter that makes the most of the header: most columns with a known name, then most columns.
fn find_delimiter(window: &[u8]) -> u8 {
    let window = [window, b"\n"].concat();
    let header = |delimiter| {
        let (mut text, mut ends) = (vec![0; window.len()], vec![0; 4096]);
        let mut parser = ReaderBuilder::new().delimiter(delimiter).build();
        let (_, _, _, fields) = parser.read_record(&window, &mut text, &mut ends);
        let row = Row { text, ends, fields };
        let known = row.iter().filter(|name| Mapping::is_known(&String::from_utf8_lossy(name))).count();
        (known, fields)
    };
    // `max_by_key` takes the last of equals: the first in `DELIMITERS` comes last.
    DELIMITERS.into_iter().rev().max_by_key(|&delimiter| header(delimiter)).unwrap_or(b',')
}
