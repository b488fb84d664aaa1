//! One file per command: parse, call, print. Nothing here decides what a book, a vector or a rank is.

#[cfg(all(feature = "chores", feature = "postgres"))]
pub mod adopt;
pub mod backfill;
#[cfg(feature = "chores")]
pub mod check;
pub mod config;
pub mod embed;
pub mod eval;
pub mod export;
#[cfg(feature = "footprint")]
pub mod footprint;
pub mod health;
pub mod import;
pub mod import_embeddings;
pub mod key;
#[cfg(feature = "lambda")]
pub mod lambda;
#[cfg(feature = "chores")]
pub mod migrate;
pub mod model;
pub mod search;
pub mod serve;
pub mod similar;
#[cfg(feature = "chores")]
pub mod snapshot;
