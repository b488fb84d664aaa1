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
use super::{MAX_RECORD_BYTES, Place, RecordReader, Reject, Step};
use crate::Error;

/// What may stand between two records: line breaks, blanks, and the padding of old tapes and file systems.
const BETWEEN: &[u8] = b"\0\r\n\t \x1a";

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
        let (line, length) = self.source.read_until(binary::END_OF_RECORD, &mut self.buffer)?;
        self.offset += length;
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
