//! The sample catalogue, inside the executable, so that `serve --sample` needs no file.

use crate::error::Error;
use libellus_catalogue::Catalogue;
use libellus_catalogue::import::{Format, ImportOptions, ImportReport, import};
use libellus_encoder::Encoder;
use libellus_search::EncoderCutter;
use std::ops::ControlFlow;

/// `samples/books.jsonl` of the repository, compressed; an import unpacks it.
#[cfg(feature = "sample")]
const BOOKS: Option<&[u8]> = Some(include_bytes!(concat!(env!("OUT_DIR"), "/books.jsonl.gz")));
#[cfg(not(feature = "sample"))]
const BOOKS: Option<&[u8]> = None;

/// Loads the sample into a catalogue.
pub fn load(catalogue: &Catalogue, encoder: &Encoder) -> Result<ImportReport, Error> {
    let mut books = BOOKS.ok_or(Error::WithoutSample)?;
    let options = ImportOptions { format: Some(Format::Jsonl), ..ImportOptions::default() };
    let mut go_on = |_| ControlFlow::Continue(());
    Ok(import("the sample", &mut books, catalogue, &EncoderCutter(encoder), &options, &mut go_on)?)
}
