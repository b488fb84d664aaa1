//! `--memory`: a ceiling for the commands that encode much, which their batches obey.
//!
//! What the encoder takes is known beforehand ([`MemoryUse`]), so the ceiling is shared out once, at the start, between
//! the process itself, the threads and a batch of texts. A ceiling under which not even one text fits is an error.

use crate::error::Error;
use crate::threads::ThreadsArgs;
use libellus_encoder::{Encoder, MemoryUse};

/// What the process takes without model and batches: code, allocator, the catalogue's cache, output. Measured: 9 MB.
const PROCESS_BYTES: usize = 14_000_000;
/// Most texts in a batch: enough to keep every core busy.
const BATCH_TEXTS: usize = 512;
/// A batch ends when its texts have this many bytes, whatever their number.
const BATCH_BYTES: usize = 4 << 20;
/// Longest text. A whole novel is about 1 MB; anything longer is another kind of file.
const TEXT_BYTES: usize = 16 << 20;
/// The shortest text that a ceiling must leave room for: about what the model reads of a text.
const LEAST_TEXT_BYTES: usize = 2 << 10;
/// A text stands in memory this often while it is read: as a line, taken apart, and in the batch.
const COPIES: usize = 3;

/// `--memory`, for every command that encodes much.
#[derive(Clone, Debug, clap::Args)]
pub struct MemoryArgs {
    /// Take no more memory than this, e.g. 64M or 1G; batches become smaller [default: no ceiling]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    memory: Option<usize>,
}

/// How much is encoded at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchLimits {
    /// Threads that encode.
    pub threads: usize,
    /// Most texts in a batch.
    pub texts: usize,
    /// A batch ends when its texts have this many bytes.
    pub batch_bytes: usize,
    /// Bytes of the longest text that is taken.
    pub text_bytes: usize,
}

impl MemoryArgs {
    /// Shares the ceiling out. Threads that were not asked for give way.
    pub fn share_out(&self, threads: &ThreadsArgs, encoder: &Encoder) -> Result<BatchLimits, Error> {
        let Some(ceiling) = self.memory else {
            let (texts, batch_bytes, text_bytes) = (BATCH_TEXTS, BATCH_BYTES, TEXT_BYTES);
            return Ok(BatchLimits { threads: threads.count(), texts, batch_bytes, text_bytes });
        };
        let usage = encoder.memory_use();
        let fewest = threads.asked_for().unwrap_or(1);
        let least = least_bytes(&usage, fewest);
        if ceiling < least {
            return Err(Error::MemoryTooSmall { threads: fewest, least, ceiling });
        }
        let spare = (ceiling - least) / usage.per_thread;
        let threads = threads.asked_for().unwrap_or_else(|| threads.count().min(1 + spare));
        // Half of what is left is for the texts themselves, half for what is made of them.
        let half = (ceiling - least_bytes(&usage, threads)) / 2;
        let text_bytes = LEAST_TEXT_BYTES + half / COPIES;
        Ok(BatchLimits {
            threads,
            texts: (1 + half / usage.per_text).min(BATCH_TEXTS),
            batch_bytes: text_bytes.min(BATCH_BYTES),
            text_bytes: text_bytes.min(TEXT_BYTES),
        })
    }
}

/// What `threads` threads and one text take, the least to be of any use.
fn least_bytes(usage: &MemoryUse, threads: usize) -> usize {
    let threads = threads.saturating_mul(usage.per_thread);
    (PROCESS_BYTES + usage.weights + usage.per_text + COPIES * LEAST_TEXT_BYTES).saturating_add(threads)
}

/// Reads a number of bytes, with `K`, `M` or `G` for thousands, millions or milliards of them, or `Ki`, `Mi`, `Gi`
/// for the powers of 1,024.
pub fn parse_size(text: &str) -> Result<usize, String> {
    let wrong = || "it has to be a number of bytes, such as 64M, 64MiB or 1G".to_owned();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: usize = text[..digits].parse().map_err(|_| wrong())?;
    let unit = match text[digits..].trim_end_matches(['B', 'b']).to_ascii_lowercase().as_str() {
        "" => 1,
        "k" => 1_000,
        "m" => 1_000_000,
        "g" => 1_000_000_000,
        "ki" => 1 << 10,
        "mi" => 1 << 20,
        "gi" => 1 << 30,
        _ => return Err(wrong()),
    };
    number.checked_mul(unit).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(clap::Parser)]
    struct Typed {
        #[command(flatten)]
        threads: ThreadsArgs,
        #[command(flatten)]
        memory: MemoryArgs,
    }

    fn limits(words: &[&str]) -> Result<BatchLimits, Error> {
        let typed = Typed::parse_from(["libellus"].iter().chain(words));
        typed.memory.share_out(&typed.threads, &Encoder::builtin())
    }

    #[test]
    fn sizes_are_read() {
        for (text, expected) in
            [("1", 1), ("64M", 64_000_000), ("64MB", 64_000_000), ("64MiB", 64 << 20), ("2g", 2_000_000_000), ("0", 0)]
        {
            assert_eq!(parse_size(text), Ok(expected), "{text}");
        }
        for text in ["", "M", "-1", "1.5G", "1T", "64 M", "99999999999999999999", "99999999999G"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_ceiling_makes_batches_smaller_and_is_never_exceeded() {
        let usage = Encoder::builtin().memory_use();
        let without = limits(&["--threads", "2"]).expect("no ceiling");
        assert_eq!((without.threads, without.texts), (2, BATCH_TEXTS));
        let mut texts_before = 0;
        for megabytes in [48, 50, 60, 80, 200] {
            let ceiling = format!("{megabytes}M");
            let limits = limits(&["--threads", "2", "--memory", &ceiling]).expect(&ceiling);
            let batch = limits.texts * usage.per_text + COPIES * limits.batch_bytes;
            let most = PROCESS_BYTES + usage.weights + 2 * usage.per_thread + batch;
            assert!(most <= megabytes * 1_000_000 + COPIES * LEAST_TEXT_BYTES, "{ceiling}: {limits:?} take {most}");
            assert!(limits.texts >= texts_before, "{ceiling}: {limits:?}");
            texts_before = limits.texts;
        }
    }

    #[test]
    fn threads_give_way_unless_they_were_asked_for() {
        let least = least_bytes(&Encoder::builtin().memory_use(), 1);
        assert_eq!(limits(&["--memory", &least.to_string()]).expect("enough for one").threads, 1);
        for words in [&["--memory", "20M"][..], &["--memory", "100M", "--threads", "1000"]] {
            let message = limits(words).expect_err("too little").to_string();
            assert!(message.contains("MB"), "{message}");
        }
    }
}
