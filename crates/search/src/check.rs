//! Whether the catalogue, and the indexes made of it, are what they should be.

use crate::cutter::EncoderCutter;
use crate::snapshot::{Embeddings, Words};
use crate::{Error, Library};
use libellus_catalogue::check::{self, CheckReport, Expected, Fault, Repaired};
use libellus_encoder::Encoder;
use std::sync::Arc;

impl Library {
    /// Reads all of the catalogue, makes both indexes as searches do, and compares.
    ///
    /// # Errors
    /// [`Error::OtherSpace`] if the catalogue is searched by another model; what keeps it from being read. What is wrong
    /// with it is in the report.
    pub fn check(&self) -> Result<CheckReport, Error> {
        let encoder = self.serving()?;
        let mut report = check::check(self.catalogue(), &expected(encoder, &EncoderCutter(encoder)))?;
        self.check_indexes(encoder, &mut report)?;
        Ok(report)
    }

    /// Mends what a [check](Library::check) found and what can be made again; a backfill makes the embeddings.
    ///
    /// # Errors
    /// [`Error::OtherSpace`]; those of writing: what was mended before is kept.
    pub fn repair(&self, report: &CheckReport) -> Result<Repaired, Error> {
        let encoder = self.serving()?;
        Ok(check::repair(self.catalogue(), &expected(encoder, &EncoderCutter(encoder)), report)?)
    }

    /// An index has every fresh embedding, and the other every book, each once. After a change by others meanwhile there
    /// is nothing to compare with; an index is not made of what cannot be read.
    fn check_indexes(&self, encoder: &Arc<Encoder>, report: &mut CheckReport) -> Result<(), Error> {
        if report.found > 0 {
            return Ok(());
        }
        let embeddings = Embeddings::load(self.catalogue(), encoder)?;
        let words = Words::load(self.catalogue(), &[])?;
        if self.catalogue().revision()? != report.revision {
            return Ok(());
        }
        let places = embeddings.index.groups().iter().zip(&embeddings.ordinals);
        let sum = places
            .map(|(&group, &ordinal)| check::place_hash(embeddings.books[group as usize], ordinal))
            .fold(0, u64::wrapping_add);
        let (indexed, expected) = ((embeddings.index.len() as u64, sum), report.fresh_places);
        if indexed != expected {
            let detail = format!(
                "the index of meanings has {} passages, the catalogue {} with fresh embeddings, or not the same ones",
                indexed.0, expected.0
            );
            report.add(Fault::Index, None, detail);
        }
        if words.books.len() as u64 != report.books {
            let detail = format!("the index of words has {} books, the catalogue {}", words.books.len(), report.books);
            report.add(Fault::Index, None, detail);
        }
        Ok(())
    }
}

fn expected<'a>(encoder: &'a Encoder, cutter: &'a EncoderCutter<'a>) -> Expected<'a> {
    let model = encoder.info();
    Expected { cutter, space: &model.fingerprint.space, dim: model.dim, is_normalized: model.is_normalized }
}
