//! A question in, hits with reasons out.
//!
//! [`Library`] joins a catalogue (the truth), an encoder (text to vectors) and the indexes derived from both. To follow
//! a question, read `search.rs` from [`Library::search`] down; `ranking.rs` and `fusion.rs` make one list of what words and
//! meaning found; `snapshot.rs` says what an index is made of, `fresh.rs`
//! when it is made again. [`Library::backfill`] embeds what is new, [`Library::check`] says whether all is well,
//! [`evaluate`] measures how good the answers are, [`compare()`] how far those of two models differ, and `adopt` compares
//! another program's vectors with ours. [`Library::embedder`] makes vectors for other programs.
#![forbid(unsafe_code)]

#[cfg(feature = "postgres")]
pub mod adopt;
mod age;
mod backfill;
mod check;
mod compare;
mod cursor;
mod cutter;
mod embed;
mod error;
pub mod evaluate;
mod facets;
mod filter;
mod floor;
mod fresh;
mod fusion;
mod index_files;
mod library;
mod query_vectors;
mod ranking;
mod request;
mod search;
mod similar;
mod snapshot;
mod suggest;
mod truncation;

pub use backfill::{BackfillOptions, BackfillProgress, BackfillReport};
pub use compare::{Comparison, QueryComparison, compare, sample_queries};
pub use cutter::EncoderCutter;
pub use embed::{Embedder, EmbeddingInput, Overlong, Token};
pub use error::Error;
pub use facets::{FacetCounts, MAX_FACET_VALUES, ValueCount};
pub use filter::{FACETS, Filter};
pub use index_files::IndexOptions;
pub use libellus_encoder::Encoded;
pub use libellus_index::{Field, Fields};
pub use library::{Library, Readiness};
pub use query_vectors::CacheCounts;
pub use request::{
    Corrected, DEFAULT_LIMIT, FoundBy, Highlights, Hit, MAX_LIMIT, MAX_QUERY_BYTES, MatchedWord, Mode, Reason,
    SearchRequest, SearchResponse, Sort, Timings, Total,
};
pub use similar::{SimilarRequest, SimilarResponse};
pub use suggest::{SuggestRequest, Suggested, Suggestions};
pub use truncation::{ShortenedBook, TruncationReport};
