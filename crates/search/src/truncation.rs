//! What the model does not read.
//!
//! A description is cut into passages and read whole. What stands in front of each passage, subjects, title and authors, has
//! to leave room for it: of very many subjects or authors the last are left out. Words find them all the same.

use crate::{EncoderCutter, Error, Library};
use libellus_catalogue::BookTokens;
use serde::Serialize;
use std::ops::ControlFlow;

/// So many books are listed.
const LISTED: usize = 1_000;

/// How much of the catalogue the model reads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TruncationReport {
    /// Books that were looked at.
    pub books: u64,
    /// Of all of them.
    pub tokens: BookTokens,
    /// Books that are not read whole.
    pub shortened: u64,
    /// The first of those.
    pub listed: Vec<ShortenedBook>,
}

/// A book that is not read whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShortenedBook {
    /// Its id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// How much of it is read.
    pub tokens: BookTokens,
}

impl Library {
    /// Looks at every book for what the model does not read of it.
    ///
    /// # Errors
    /// [`Error::OtherSpace`] if the catalogue is searched by another model; if the catalogue cannot be read.
    pub fn truncation(&self) -> Result<TruncationReport, Error> {
        let cutter = EncoderCutter(self.serving()?);
        let mut report = TruncationReport::default();
        self.catalogue().each_book(&mut |_, book| {
            let tokens = BookTokens::of(&book, &cutter);
            report.books += 1;
            report.tokens.seen += tokens.seen;
            report.tokens.used += tokens.used;
            if tokens.used < tokens.seen {
                report.shortened += 1;
                if report.listed.len() < LISTED {
                    report.listed.push(ShortenedBook { id: book.id, title: book.title, tokens });
                }
            }
            ControlFlow::Continue(())
        })?;
        Ok(report)
    }
}
