//! MARC 21, the libraries' own format: binary records (`binary.rs`, `marc8.rs`) or MARCXML (`xml.rs`) become a
//! [`record::Marc`], and that a book (`book.rs`).

mod binary;
mod book;
mod marc8;
mod record;
mod xml;

pub(super) use binary::is_marc;
pub(super) use xml::record as xml_record;

use super::header::Mapping;
use super::source::{Line, Source};
use super::{Format, MAX_RECORD_BYTES, Place, RecordReader, Reject, Step};
use crate::Error;
use std::io::Read;

/// What may stand between two records: line breaks, blanks, and the padding of old tapes and file systems.
const BETWEEN: &[u8] = b"\0\r\n\t \x1a";

/// Reads the records of a binary file to their fields and no further, and gives how many records and fields there are:
/// what the benchmark of this crate compares with other readers of MARC.
///
/// # Errors
/// Those of reading the file.
#[doc(hidden)]
pub fn count_marc_fields(name: &str, input: &mut dyn Read) -> Result<(u64, u64), Error> {
    let mut reader = Reader::new(Source::open(name, input, Some(Format::Marc))?);
    let (mut records, mut fields) = (0, 0);
    while !matches!(reader.read()?, (Line::End, _)) {
        records += 1;
        fields += binary::parse(&reader.buffer).map_or(0, |marc| marc.fields.len() as u64);
    }
    Ok((records, fields))
}

pub(super) struct Reader<'a> {
    source: Source<'a>,
    mapping: Mapping,
    buffer: Vec<u8>,
    /// Bytes before the next record.
    offset: u64,
}

impl<'a> Reader<'a> {
    pub(super) fn new(source: Source<'a>) -> Self {
        Self { source, mapping: Mapping::default(), buffer: Vec::new(), offset: 0 }
    }

    /// Reads a record's bytes into the buffer, and gives their number, with that of the end mark.
    fn read(&mut self) -> Result<(Line, u64), Error> {
        let (line, length) = self.source.read_until(binary::END_OF_RECORD, &mut self.buffer)?;
        self.offset += length;
        Ok((line, length))
    }

    fn skip_between(&mut self) -> Result<(), Error> {
        loop {
            let bytes = self.source.fill()?;
            let skipped = bytes.iter().take_while(|byte| BETWEEN.contains(byte)).count();
            let more = skipped > 0 && skipped == bytes.len();
            self.offset += skipped as u64;
            self.source.consume(skipped);
            if !more {
                return Ok(());
            }
        }
    }
}

impl<'a> RecordReader<'a> for Reader<'a> {
    fn next(&mut self) -> Result<Step, Error> {
        self.skip_between()?;
        let place = Place::Byte(self.offset);
        let (line, length) = self.read()?;
        let rejected = |reason| Step::Rejected(Reject { place, id: None, field: None, reason });
        match line {
            Line::End => Ok(Step::End),
            Line::TooLong => {
                let limit = MAX_RECORD_BYTES >> 20;
                Ok(rejected(format!("no end of a record (0x1D) within {limit} MiB; reading went on behind the next")))
            }
            Line::Read if length as usize == self.buffer.len() => Ok(rejected(binary::cut(&self.buffer))),
            Line::Read => Ok(match binary::parse(&self.buffer) {
                Ok(marc) => book::step(marc, place, self.buffer.len()),
                Err(reason) => rejected(reason),
            }),
        }
    }

    fn source(&self) -> &Source<'a> {
        &self.source
    }

    fn mapping(&self) -> &Mapping {
        &self.mapping
    }
}
