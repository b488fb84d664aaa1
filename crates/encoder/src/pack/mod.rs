//! The pack: a model in one file, in the very layout that the kernels read.
//!
//! # Format, version 1
//! All numbers are little-endian.
//!
//! | bytes | what |
//! | --- | --- |
//! | 0 ..  8 | `LIBELLUS` |
//! | 8 .. 12 | format version |
//! | 12 .. 16 | length of the header |
//! | 16 .. 32 | zeros |
//! | 32 .. 64 | SHA-256 of bytes 0 .. 32 and 64 .. end |
//! | 64 .. | header: JSON, the struct `Header` |
//! | … | tensors, each at a multiple of 64 bytes, at the offset that the header gives |
//!
//! A reader that knows version 1 refuses all others. A pack from disk is checked against its sum when it
//! is opened. The one inside the executable is not, at start: it is as trustworthy as the code around it,
//! and reading 23 MB would cost more than answering a query; a test checks it.

mod calibrate;
mod quantize;
mod read;
mod words;
mod write;

pub use read::verify;
pub(crate) use read::{Opened, check_values, load, read};
pub use write::{WordBits, write};

use crate::config::Config;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

const MAGIC: &[u8; 8] = b"LIBELLUS";
const VERSION: u32 = 1;
/// Bytes before the header.
const PREFIX: usize = 64;
const SUM: std::ops::Range<usize> = 32..64;

/// What stands in a pack besides its tensors.
#[derive(Serialize, Deserialize)]
pub(crate) struct Header {
    /// The model's name.
    name: String,
    /// The space that its vectors lie in: see [`crate::Fingerprint`].
    space: String,
    /// `int8`, or `int8-words4` for one whose word embeddings have 4 bits.
    precision: String,
    /// SHA-256 of the original `model.safetensors`, in hexadecimal.
    source_sha256: String,
    config: Config,
    tensors: Vec<Entry>,
}

/// Where a tensor lies.
#[derive(Serialize, Deserialize)]
struct Entry {
    name: String,
    /// From the start of the file; a multiple of 64.
    offset: usize,
    /// In bytes.
    len: usize,
}

/// The checksum of a whole pack.
fn sum(pack: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(&pack[..SUM.start]).chain_update(&pack[SUM.end..]).finalize().into()
}

/// Names of the tensors. One place, so that reader and writer cannot differ.
mod names {
    pub(super) const TOKENIZER: &str = "tokenizer";
    pub(super) const WORDS: &str = "words";
    pub(super) const POSITIONS: &str = "positions";
    pub(super) const EMBEDDING_NORM: &str = "embedding_norm";

    /// Parts of layer `i`.
    pub(super) fn layer(i: usize, part: &str) -> String {
        format!("layers.{i}.{part}")
    }

    pub(super) const QKV: &str = "qkv";
    pub(super) const ATTENTION_OUTPUT: &str = "attention_output";
    pub(super) const ATTENTION_NORM: &str = "attention_norm";
    pub(super) const FEED_FORWARD: &str = "feed_forward";
    pub(super) const OUTPUT: &str = "output";
    pub(super) const OUTPUT_NORM: &str = "output_norm";
}
