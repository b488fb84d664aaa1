//! How much memory encoding takes: known beforehand, so that batches can be cut to a ceiling.

use crate::config::Config;
use crate::encoder::{BATCH_TOKENS, Encoded};
use libellus_kernels::attention_bytes;

/// Memory that [`Encoder::encode_batch`](crate::Encoder::encode_batch) takes at most, in bytes. What is passed to it
/// and what it returns is counted, the caller's texts are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryUse {
    /// The weights. Those of the built-in model lie in the executable; the pages that were read count all the same.
    pub weights: usize,
    /// For each thread that encodes, its stack included.
    pub per_thread: usize,
    /// For each text of a call: its tokens, its vector, and where they belong.
    pub per_text: usize,
}

/// Stack that a thread has used, generously.
const STACK: usize = 128 << 10;
/// What the allocator keeps for one block of memory, generously.
const BLOCK: usize = 32;

impl MemoryUse {
    pub(crate) fn of(config: &Config, weights: usize) -> Self {
        let (h, f) = (config.hidden, config.feed_forward);
        let tokens = config.max_tokens.max(BATCH_TOKENS);
        let float = size_of::<f32>();
        let activations = tokens * float * (h + h + f.max(3 * h)); // hidden, branch, wide
        let quantized = tokens * (f.max(h) + size_of::<f32>() + size_of::<i32>());
        let per_thread = activations + quantized + attention_bytes(tokens, h / config.heads) + STACK;
        let vector = h * float + BLOCK;
        // The ids grow by doubling, and stand a second time in their micro-batch.
        let ids = 3 * config.max_tokens * size_of::<u32>() + BLOCK;
        let bookkeeping = 2 * size_of::<Encoded>() + 4 * size_of::<usize>();
        Self { weights, per_thread, per_text: 2 * vector + ids + bookkeeping }
    }
}
