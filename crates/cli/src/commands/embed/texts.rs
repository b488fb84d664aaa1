//! Reading texts: one per line, or one JSON object per line with `text` and perhaps `id`.
//!
//! The first line decides for the whole file, so that a stray line cannot turn from a record into a
//! text, or the other way round, without anyone noticing.

use crate::error::Error;
use crate::input::Input;
use crate::memory::BatchLimits;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::io::{BufRead, BufReader, Read};

/// A text to embed.
#[derive(Debug, PartialEq)]
pub struct Text {
    /// What the source calls it; its line number if the source has no name for it.
    pub id: Value,
    /// What is embedded.
    pub text: String,
}

/// A line of a file of JSON objects.
#[derive(Deserialize)]
struct Record {
    #[serde(default, deserialize_with = "string_or_number")]
    id: Option<Value>,
    text: String,
}

/// What the lines of a file are.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Layout {
    Lines,
    Records,
}

/// Reads texts in batches.
pub struct TextReader {
    name: String,
    reader: BufReader<Box<dyn Read>>,
    limits: BatchLimits,
    layout: Option<Layout>,
    line: u64,
    bytes_read: u64,
    /// A bad line, kept until the texts before it are out.
    failure: Option<Error>,
}

impl TextReader {
    /// Reads from an opened input, batches within the limits.
    pub fn new(input: Input, limits: BatchLimits) -> Self {
        Self {
            name: input.name,
            reader: BufReader::new(input.reader),
            limits,
            layout: None,
            line: 0,
            bytes_read: 0,
            failure: None,
        }
    }

    /// Bytes read so far.
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    /// The next texts; none at the end. A bad line is reported by the call after the texts before it.
    pub fn next_batch(&mut self) -> Result<Vec<Text>, Error> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        let mut batch = Vec::new();
        let batch_end = self.bytes_read + self.limits.batch_bytes as u64;
        while batch.len() < self.limits.texts && self.bytes_read < batch_end {
            match self.next_text() {
                Ok(Some(text)) => batch.push(text),
                Ok(None) => break,
                Err(failure) if batch.is_empty() => return Err(failure),
                Err(failure) => {
                    self.failure = Some(failure);
                    break;
                }
            }
        }
        Ok(batch)
    }

    fn next_text(&mut self) -> Result<Option<Text>, Error> {
        self.next_line()?.map(|line| self.parse(line)).transpose()
    }

    /// The next line without its end (LF or CRLF), and without a byte order mark before the first.
    fn next_line(&mut self) -> Result<Option<String>, Error> {
        let mut bytes = Vec::new();
        let limit = self.limits.text_bytes as u64 + 1;
        let read = (&mut self.reader)
            .take(limit)
            .read_until(b'\n', &mut bytes)
            .map_err(|source| Error::Input { name: self.name.clone(), source })?;
        if read == 0 {
            return Ok(None);
        }
        self.line += 1;
        self.bytes_read += read as u64;
        if read as u64 == limit && bytes.last() != Some(&b'\n') {
            return Err(Error::LineTooLong { name: self.name.clone(), line: self.line, limit: self.limits.text_bytes });
        }
        let line = String::from_utf8(bytes).map_err(|error| Error::InvalidUtf8 {
            name: self.name.clone(),
            line: self.line,
            column: error.utf8_error().valid_up_to() + 1,
        })?;
        let text = line.strip_suffix('\n').map_or(line.as_str(), |text| text.strip_suffix('\r').unwrap_or(text));
        let text = if self.line == 1 { text.trim_start_matches('\u{feff}') } else { text };
        Ok(Some(text.to_owned()))
    }

    fn parse(&mut self, line: String) -> Result<Text, Error> {
        let layout = *self.layout.get_or_insert_with(|| {
            if serde_json::from_str::<Map<String, Value>>(&line).is_ok() { Layout::Records } else { Layout::Lines }
        });
        match layout {
            Layout::Lines => Ok(Text { id: Value::from(self.line), text: line }),
            Layout::Records => match serde_json::from_str::<Record>(&line) {
                Ok(Record { id, text }) => Ok(Text { id: id.unwrap_or_else(|| Value::from(self.line)), text }),
                Err(error) => {
                    Err(Error::NotARecord { name: self.name.clone(), line: self.line, reason: reason(&error) })
                }
            },
        }
    }
}

/// What is wrong with a line of JSON: without the line that the parser counts, as it sees one line only.
fn reason(error: &serde_json::Error) -> String {
    let reason = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    match reason.strip_suffix(&place) {
        Some(reason) if error.column() > 0 => format!("{reason} (at byte {} of the line)", error.column()),
        Some(reason) => reason.to_owned(),
        None => reason,
    }
}

/// An id is a string or a number, and stays what it is.
fn string_or_number<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    match Value::deserialize(deserializer)? {
        id @ (Value::String(_) | Value::Number(_)) => Ok(Some(id)),
        _ => Err(serde::de::Error::custom("`id` must be a string or a number")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    const LIMITS: BatchLimits = BatchLimits { threads: 1, texts: 512, batch_bytes: 4 << 20, text_bytes: 16 << 20 };

    fn reader(bytes: &[u8]) -> TextReader {
        let reader = Box::new(Cursor::new(bytes.to_vec()));
        TextReader::new(Input { name: "texts".to_owned(), reader, size_bytes: None }, LIMITS)
    }

    fn read(bytes: &[u8]) -> Vec<(String, String)> {
        let batch = reader(bytes).next_batch().expect("good lines");
        batch.into_iter().map(|text| (text.id.to_string(), text.text)).collect()
    }

    #[test]
    fn lines_are_texts_and_empty_lines_are_empty_texts() {
        for (bytes, expected) in [
            (&b""[..], &[][..]),
            (b"\n", &[("1", "")]),
            (b"one\n\nthree", &[("1", "one"), ("2", ""), ("3", "three")]),
            (b"dos\r\nline\r\n", &[("1", "dos"), ("2", "line")]),
            (b"\xef\xbb\xbfmarked\n", &[("1", "marked")]),
            (b"{braces} are no object\n", &[("1", "{braces} are no object")]),
            (b"[1]\n{\"text\":\"late\"}\n", &[("1", "[1]"), ("2", "{\"text\":\"late\"}")]),
        ] {
            let expected: Vec<_> = expected.iter().map(|(id, text)| (id.to_string(), text.to_string())).collect();
            assert_eq!(read(bytes), expected, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn records_keep_their_ids() {
        let records =
            b"{\"id\":\"b-7\",\"text\":\"one\"}\n{\"text\":\"two\",\"id\":7,\"more\":1}\n{\"text\":\"three\"}\n";
        let expected = [("\"b-7\"", "one"), ("7", "two"), ("3", "three")];
        assert_eq!(read(records), expected.map(|(id, text)| (id.to_owned(), text.to_owned())));
    }

    #[test]
    fn bad_lines_are_named() {
        for (bytes, expected) in [
            (&b"good\nbad \xff\n"[..], "line 2 of `texts` is not valid UTF-8 (at byte 5"),
            (
                b"{\"id\":1,\"text\":\"a\"}\nplain\n",
                "line 2 of `texts` is not a record: expected value (at byte 1 of the line)",
            ),
            (b"{\"id\":1,\"text\":\"a\"}\n\n", "line 2 of `texts` is not a record: EOF while parsing a value;"),
            (b"{\"id\":1,\"text\":\"a\"}\n{\"id\":[],\"text\":\"\"}\n", "must be a string or a number"),
        ] {
            let mut reader = reader(bytes);
            assert_eq!(reader.next_batch().expect("the line before").len(), 1);
            let error = reader.next_batch().expect_err("a bad line").to_string();
            assert!(error.contains(expected), "{error}");
        }
        let error = reader(b"{\"id\":1}\n").next_batch().expect_err("a first line without a text").to_string();
        for part in ["line 1 of `texts`", "missing field `text`", "every line must be one with `text`"] {
            assert!(error.contains(part), "{error}");
        }
        let long = vec![b'a'; LIMITS.text_bytes + 1];
        assert!(matches!(reader(&long).next_batch(), Err(Error::LineTooLong { line: 1, .. })));
    }

    #[test]
    fn batches_are_bounded_and_lose_nothing() {
        let lines: String = (0..LIMITS.texts * 2 + 3).map(|i| format!("text {i}\n")).collect();
        let mut reader = reader(lines.as_bytes());
        let mut sizes = Vec::new();
        loop {
            let batch = reader.next_batch().expect("good lines");
            if batch.is_empty() {
                break;
            }
            sizes.push(batch.len());
        }
        assert_eq!(sizes, [LIMITS.texts, LIMITS.texts, 3]);
        assert_eq!(reader.bytes_read(), lines.len() as u64);
    }
}
