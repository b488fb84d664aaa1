//! The whole program: the real executable in a temporary folder, its output, errors and exit codes.

mod access;
#[cfg(all(feature = "chores", feature = "postgres"))]
mod adopt;
mod bad_input;
mod catalogue;
mod config;
#[path = "../../../catalogue/tests/common/server.rs"]
mod database_server;
mod documents;
mod embed;
#[cfg(feature = "chores")]
mod export_books;
#[cfg(feature = "footprint")]
mod footprint;
mod health;
mod help;
#[cfg(feature = "chores")]
mod hub;
#[cfg(feature = "lambda")]
mod lambda;
mod memory;
#[cfg(feature = "chores")]
mod migrate;
mod model;
mod move_embeddings;
mod postgres;
#[cfg(feature = "chores")]
mod pull;
#[cfg(feature = "lambda")]
#[path = "../../../../xtask/src/runtime_api.rs"]
mod runtime_api;
mod service;
mod signals;
#[cfg(feature = "chores")]
mod snapshot;
mod support;
mod workers;
