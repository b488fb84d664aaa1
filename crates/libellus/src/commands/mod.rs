//! One file per command: parse, call, print. Nothing here decides what a book, a vector or a rank is.

pub mod backfill;
pub mod config;
pub mod embed;
pub mod eval;
pub mod health;
pub mod import;
#[cfg(feature = "lambda")]
pub mod lambda;
pub mod model;
pub mod search;
pub mod serve;
