//! A question in, hits with reasons out.
//!
//! [`Library`] joins a catalogue (the truth), an encoder (text to vectors) and the indexes derived from both. To follow
//! a question, read `library.rs` from [`Library::search`] down; `snapshot.rs` says what an index is made of, `fresh.rs`
//! when it is made again. [`Library::backfill`] embeds what is new, [`Library::check`] says whether all is well,
//! [`evaluate`] measures how good the answers are, [`compare()`] how far those of two models differ, and `adopt` compares
//! another program's vectors with ours.
#![forbid(unsafe_code)]

#[cfg(feature = "postgres")]
pub mod adopt;
mod backfill;
mod check;
mod compare;
mod cutter;
mod error;
pub mod evaluate;
mod fresh;
mod library;
mod request;
mod snapshot;

pub use backfill::{BackfillOptions, BackfillProgress, BackfillReport};
pub use compare::{Comparison, QueryComparison, compare, sample_queries};
pub use cutter::EncoderCutter;
pub use error::Error;
pub use library::{Library, Readiness};
pub use request::{DEFAULT_LIMIT, Hit, MAX_LIMIT, MAX_QUERY_BYTES, Mode, SearchRequest, SearchResponse, Timings};
