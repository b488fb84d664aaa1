//! Open Library's dumps (<https://openlibrary.org/developers/dumps>): five columns apart by tabs, the last one JSON.
//!
//! Works and editions are loaded; authors, redirects and deletions are rows as well and passed over. A work names its
//! authors by key only. Their names are in another dump, too large to keep in memory, so the keys are kept as they are.

use super::header::{Field, Mapping, Target};
use super::record::RawRecord;
use super::source::{Line, Source};
use super::{Place, RecordReader, Reject, Step, jsonl};
use crate::Error;
use serde_json::{Map, Value};

pub(super) struct Reader<'a> {
    source: Source<'a>,
    mapping: Mapping,
    buffer: Vec<u8>,
    line: u64,
}

pub(super) fn is_dump(start: &[u8]) -> bool {
    let line = start.split(|&byte| byte == b'\n').next().unwrap_or_default();
    line.starts_with(b"/type/") && line.iter().filter(|&&byte| byte == b'\t').count() >= 4
}

impl<'a> Reader<'a> {
    pub(super) fn new(source: Source<'a>) -> Self {
        Self { source, mapping: Mapping::default(), buffer: Vec::new(), line: 0 }
    }

    /// `None` for rows that are about something else than books.
    fn parse(&self) -> Option<Step> {
        let place = Place::Line(self.line);
        let rejected = |id, reason| Some(Step::Rejected(Reject { place, id, field: None, reason }));
        let columns: Vec<&[u8]> = self.buffer.splitn(5, |&byte| byte == b'\t').collect();
        let [kind, key, _, _, json] = columns[..] else {
            return rejected(None, format!("{} columns instead of 5: type, key, revision, time, JSON", columns.len()));
        };
        if kind != b"/type/work" && kind != b"/type/edition" {
            return None;
        }
        let id = String::from_utf8_lossy(key.rsplit(|&byte| byte == b'/').next().unwrap_or(key)).into_owned();
        match serde_json::from_slice::<Map<String, Value>>(json) {
            Ok(object) => Some(Step::Record(record(id, object, place, self.buffer.len()))),
            Err(error) => {
                rejected(Some(id), format!("the fifth column is not a JSON object: {}", jsonl::fault(&error)))
            }
        }
    }
}

fn record(id: String, object: Map<String, Value>, place: Place, bytes: usize) -> RawRecord {
    let mut record = RawRecord::new(place, bytes);
    record.push("key".to_owned(), Target::Field { field: Field::Id, rank: 0 }, Value::from(id));
    for (name, value) in object {
        let (field, value) = match name.as_str() {
            "title" => (Field::Title, value),
            "subtitle" => (Field::Subtitle, value),
            "description" => (Field::Description, value),
            "by_statement" => (Field::Authors, value),
            "isbn_10" | "isbn_13" => (Field::Isbns, value),
            "publishers" => (Field::Publisher, joined(value)),
            "publish_date" | "first_publish_date" => (Field::Year, value),
            "languages" => (Field::Language, keys(&value, "key")),
            "subjects" | "subject_places" | "subject_people" | "subject_times" => (Field::Subjects, value),
            "authors" => {
                let nested = value.as_array().into_iter().flatten().filter_map(|author| author.get("author").cloned());
                let nested = Value::from(nested.collect::<Vec<_>>());
                let keys = keys(if nested.as_array().is_some_and(Vec::is_empty) { &value } else { &nested }, "key");
                record.push("author keys".to_owned(), Target::Extra, keys);
                continue;
            }
            "works" => {
                record.push("work".to_owned(), Target::Extra, joined(keys(&value, "key")));
                continue;
            }
            "number_of_pages"
            | "physical_format"
            | "series"
            | "dewey_decimal_class"
            | "lc_classifications"
            | "edition_name"
            | "oclc_numbers"
            | "lccn" => {
                record.push(name, Target::Extra, value);
                continue;
            }
            // Covers, revisions, links to other parts of Open Library.
            _ => continue,
        };
        record.push(name, Target::Field { field, rank: 0 }, value);
    }
    record
}

/// `/languages/eng` → `eng`, of a list of references.
fn keys(value: &Value, name: &str) -> Value {
    let key = |reference: &Value| {
        let key = reference.get(name).unwrap_or(reference).as_str()?;
        Some(key.rsplit('/').next().unwrap_or(key).to_owned())
    };
    Value::from(value.as_array().into_iter().flatten().filter_map(key).collect::<Vec<_>>())
}

fn joined(value: Value) -> Value {
    let Value::Array(list) = value else { return value };
    Value::from(list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("; "))
}

impl<'a> RecordReader<'a> for Reader<'a> {
    fn next(&mut self) -> Result<Step, Error> {
        loop {
            let line = self.source.read_line(&mut self.buffer)?;
            self.line += 1;
            match line {
                Line::End => return Ok(Step::End),
                Line::TooLong => {
                    let (place, reason) = (Place::Line(self.line), "the line is far too long".to_owned());
                    return Ok(Step::Rejected(Reject { place, id: None, field: None, reason }));
                }
                Line::Read if self.buffer.trim_ascii().is_empty() => {}
                Line::Read => {
                    if let Some(step) = self.parse() {
                        return Ok(step);
                    }
                }
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
