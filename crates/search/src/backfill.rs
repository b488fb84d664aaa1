//! Embeds the passages that have no fresh embedding.
//!
//! The catalogue is the only record of what is done, so a backfill can be stopped anywhere, run again, and run by
//! several processes at once: each stores what it made, and what another stored meanwhile is not listed any more.

use crate::Error;
use libellus_catalogue::{Catalogue, NewEmbedding, PendingPassage};
use libellus_encoder::{Encoded, Encoder};
use std::cmp::Reverse;
use std::ops::ControlFlow;

/// How to backfill.
#[derive(Clone, Copy, Debug)]
pub struct BackfillOptions {
    /// Threads that encode, at least 1.
    pub threads: usize,
    /// Passages in a batch: one transaction.
    pub batch: usize,
}

impl Default for BackfillOptions {
    fn default() -> Self {
        Self { threads: std::thread::available_parallelism().map_or(1, usize::from), batch: 256 }
    }
}

/// How far a backfill is.
#[derive(Clone, Copy, Debug)]
pub struct BackfillProgress {
    /// Passages done.
    pub done: u64,
    /// Passages to do, as counted at the start.
    pub total: u64,
    /// Tokens encoded.
    pub tokens: u64,
}

/// What a backfill did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct BackfillReport {
    /// Passages embedded.
    pub embedded: u64,
    /// Tokens read by the model.
    pub tokens: u64,
    /// Passages longer than the model's window (their end was not read).
    pub truncated: u64,
    /// Whether the caller stopped it.
    pub interrupted: bool,
}

/// Embeds every passage without a fresh embedding in the encoder's space. See [`crate::Library::backfill`].
pub(crate) fn backfill(
    encoder: &Encoder,
    catalogue: &Catalogue,
    options: &BackfillOptions,
    progress: &mut dyn FnMut(BackfillProgress) -> ControlFlow<()>,
) -> Result<BackfillReport, Error> {
    let report = embed_pending(encoder, catalogue, options, progress)?;
    if report.embedded > 0 {
        catalogue.settle()?;
    }
    Ok(report)
}

/// Embeds batch after batch until nothing is left or the caller stops it.
fn embed_pending(
    encoder: &Encoder,
    catalogue: &Catalogue,
    options: &BackfillOptions,
    progress: &mut dyn FnMut(BackfillProgress) -> ControlFlow<()>,
) -> Result<BackfillReport, Error> {
    let space = &encoder.info().fingerprint.space;
    let statistics = catalogue.statistics(space)?;
    let total = statistics.passages.saturating_sub(statistics.embedded);
    let mut report = BackfillReport::default();
    let (mut after, mut stored_in_pass) = (0, 0);
    loop {
        let mut batch = catalogue.pending_passages(space, after, options.batch.max(1))?;
        let Some(last) = batch.last() else {
            // Books may have changed behind us; look again, unless this look found nothing that could be stored.
            if stored_in_pass == 0 {
                return Ok(report);
            }
            (after, stored_in_pass) = (0, 0);
            continue;
        };
        after = last.passage_id;
        stored_in_pass += embed(encoder, catalogue, &mut batch, options.threads.max(1), &mut report)?;
        let so_far = BackfillProgress { done: report.embedded, total, tokens: report.tokens };
        if progress(so_far).is_break() {
            report.interrupted = true;
            return Ok(report);
        }
    }
}

/// Embeds one batch and stores it in one transaction; returns how many were stored.
fn embed(
    encoder: &Encoder,
    catalogue: &Catalogue,
    batch: &mut [PendingPassage],
    threads: usize,
    report: &mut BackfillReport,
) -> Result<u64, Error> {
    // Passages of like length keep the threads evenly busy; the longest first, so that none is left to wait for.
    batch.sort_by_key(|passage| Reverse(passage.embedding_text.len()));
    let texts: Vec<&str> = batch.iter().map(|passage| passage.embedding_text.as_str()).collect();
    let encoded = encoder.encode_batch(&texts, threads);
    let embeddings: Vec<NewEmbedding<'_>> = batch.iter().zip(&encoded).map(new_embedding).collect();
    let fingerprint = &encoder.info().fingerprint;
    let stored = catalogue.put_embeddings(&fingerprint.space, fingerprint.precision.as_str(), &embeddings)?;
    report.embedded += stored;
    report.tokens += encoded.iter().map(|text| text.tokens.used as u64).sum::<u64>();
    report.truncated += encoded.iter().filter(|text| text.tokens.is_truncated()).count() as u64;
    Ok(stored)
}

fn new_embedding<'a>((passage, encoded): (&PendingPassage, &'a Encoded)) -> NewEmbedding<'a> {
    NewEmbedding { passage_id: passage.passage_id, text_hash: passage.text_hash, vector: &encoded.vector }
}
