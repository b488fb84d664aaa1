//! Text to unit vectors: a BERT encoder in a few hundred kilobytes of code.
//!
//! ```
//! let encoder = libellus_encoder::Encoder::builtin();
//! let a = encoder.encode("a whale hunt that becomes an obsession").vector;
//! let b = encoder.encode("a captain pursues a white whale").vector;
//! let c = encoder.encode("how to bake bread").vector;
//! let cosine = |x: &[f32], y: &[f32]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f32>();
//! assert!(cosine(&a, &b) > 0.5 && cosine(&a, &c) < 0.2);
//! ```
//!
//! Read [`Encoder`] first, then `forward.rs`: the model, top to bottom, on one page. A model comes from a
//! sentence-transformers directory (`directory.rs`) or from a [`pack`], our own file of int8 weights.
#![forbid(unsafe_code)]

mod builtin;
mod bytes;
mod config;
mod directory;
mod encoder;
mod error;
mod fingerprint;
mod forward;
mod memory;
mod model;
pub mod pack;
mod tensor;
pub mod tokenizer;
mod weights;

pub use bytes::{ALIGNMENT, Bytes};
pub use config::Pooling;
pub use encoder::{Encoded, Encoder, ModelInfo, Tokens};
pub use error::Error;
pub use fingerprint::{Fingerprint, Precision};
pub use libellus_kernels::Isa;
pub use memory::MemoryUse;
pub use tokenizer::{TokenCount, Tokenizer};
