//! The HTTP API and the search page.
//!
//! A request's way: [`serve()`] accepts it, [`router()`] finds its file in `routes`, `auth` says whether who asks
//! may, and which books are theirs to see, the file reads its `parameters`, asks the [`Library`](libellus_search::Library) through the `admission` gate (searching
//! keeps a core busy, so it never runs on the threads that serve connections), and answers with JSON or
//! with a page from `view`. Whatever goes wrong becomes one [`Error`]; its table in `error` says with
//! which status and code, and `problem` says it as a problem document or as a page.
//!
//! Beside our own API there are `dialect`s: what clients of other services of embeddings speak.
//!
//! The page needs no JavaScript, sets no cookie and asks no third party for anything. What readers
//! search for is their own business: no query is written to a log.
#![forbid(unsafe_code)]

mod admission;
mod answers;
mod appearance;
mod auth;
mod body;
mod client;
mod config;
mod cors;
mod dialect;
mod error;
mod headers;
mod imports;
mod inputs;
#[cfg(feature = "lambda")]
mod lambda;
mod listen;
mod log;
mod metrics;
mod observe;
mod openapi;
mod parameters;
mod problem;
mod represent;
mod request_line;
mod router;
mod routes;
mod serve;
mod shutdown;
mod site;
mod state;
mod view;

pub use appearance::{Accent, Logo};
pub use auth::{AccessConfig, MOST_KEY_SET_BYTES, PublicKeys, Reading, Secret};
pub use client::{RateLimit, TrustedProxies};
pub use config::{Crawlers, ServerConfig};
pub use cors::{AllowedOrigins, OriginsError};
pub use error::Error;
#[cfg(feature = "lambda")]
pub use lambda::{LambdaError, RuntimeInterface, serve_lambda};
pub use listen::{BindError, bind};
pub use log::{Log, UnknownLog};
pub use router::router;
pub use serve::serve;
pub use shutdown::shutdown_signal;
pub use site::PublicUrl;
pub use state::AppState;
