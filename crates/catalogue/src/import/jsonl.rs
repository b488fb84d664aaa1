//! JSONL: one JSON object a line.

use super::header::{Mapping, Target};
use super::record::RawRecord;
use super::source::{Line, Source};
use super::{MAX_RECORD_BYTES, Place, RecordReader, Reject, Step, librarything};
use crate::{Error, export};
use serde_json::{Map, Value};

pub(super) struct Reader<'a> {
    source: Source<'a>,
    mapping: Mapping,
    buffer: Vec<u8>,
    line: u64,
}

impl<'a> Reader<'a> {
    pub(super) fn new(source: Source<'a>) -> Self {
        Self { source, mapping: Mapping::default(), buffer: Vec::new(), line: 0 }
    }
}

/// What one object in JSON says of a book; `line` is where it begins.
pub(super) fn step(json: &[u8], line: u64, mapping: &mut Mapping) -> Step {
    let place = Place::Line(line);
    match serde_json::from_slice::<Map<String, Value>>(json) {
        Ok(object) if object.contains_key(export::jsonl::MARK) => as_written(object, place, json.len(), mapping),
        Ok(object) if librarything::is_book(&object) => {
            Step::Record(librarything::record(object, place, json.len(), mapping))
        }
        Ok(object) => {
            if !mapping.names_seen() {
                mapping.look_at(object.keys().map(String::as_str));
            }
            let mut record = RawRecord::new(place, json.len());
            for (name, value) in object {
                let target = mapping.target(&name);
                record.push(name, target, value);
            }
            Step::Record(record)
        }
        Err(error) => Step::Rejected(explain(json, place, &error)),
    }
}

/// An object that libellus wrote.
fn as_written(object: Map<String, Value>, place: Place, bytes: usize, mapping: &mut Mapping) -> Step {
    object.keys().for_each(|name| mapping.decided(name, Target::AsWritten));
    let id = id_of(&object);
    match RawRecord::as_written(place, bytes, export::jsonl::book(object)) {
        Ok(record) => Step::Record(record),
        Err(reject) => Step::Rejected(Reject { id, ..reject }),
    }
}

fn explain(json: &[u8], place: Place, error: &serde_json::Error) -> Reject {
    match std::str::from_utf8(json) {
        Err(fault) => {
            // Readable but for the broken characters, most often: then the field can be named.
            let repaired = String::from_utf8_lossy(json);
            let object: Map<String, Value> = serde_json::from_str(&repaired).unwrap_or_default();
            let field = object.iter().find(|(_, value)| value.to_string().contains('\u{fffd}'));
            let reason =
                format!("not valid UTF-8 at byte {} of the line; save the file as UTF-8", fault.valid_up_to() + 1);
            Reject { place, id: id_of(&object), field: field.map(|(name, _)| name.clone()), reason }
        }
        Ok(_) => {
            let reason = format!("not a JSON object on one line: {}", fault(error));
            Reject { place, id: None, field: None, reason }
        }
    }
}

fn id_of(object: &Map<String, Value>) -> Option<String> {
    let (_, id) = object.iter().find(|(name, _)| Mapping::is_id(name))?;
    id.as_str().map(str::to_owned).or_else(|| id.is_number().then(|| id.to_string()))
}

/// What is wrong with one line of JSON, and in which column of it.
pub(super) fn fault(error: &serde_json::Error) -> String {
    // The message ends in a place whose line is always 1.
    let message = error.to_string();
    format!("{} (column {})", message.split(" at line ").next().unwrap_or_default(), error.column())
}

impl<'a> RecordReader<'a> for Reader<'a> {
    fn next(&mut self) -> Result<Step, Error> {
        loop {
            let line = self.source.read_line(&mut self.buffer)?;
            self.line += 1;
            match line {
                Line::End => return Ok(Step::End),
                Line::TooLong => {
                    let reason = format!("the line is longer than {} MiB", MAX_RECORD_BYTES >> 20);
                    return Ok(Step::Rejected(Reject { place: Place::Line(self.line), id: None, field: None, reason }));
                }
                Line::Read if self.buffer.iter().all(u8::is_ascii_whitespace) => {}
                Line::Read => return Ok(step(&self.buffer, self.line, &mut self.mapping)),
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
