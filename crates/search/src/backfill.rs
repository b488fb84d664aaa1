//! Embeds the passages that have no fresh embedding.
//!
//! The catalogue is the only record of what is done, and of who does it: each worker claims a batch, embeds it, and
//! stores what it made. So a backfill can be stopped anywhere, killed too, run again, and run by several processes on
//! several machines at once. What a worker had in hand when it died is claimed by another when its lease ends.
//!
//! A passage that fails is noted with the reason and tried again later; the others do not wait for it.

use crate::{EncoderCutter, Error};
use libellus_catalogue::import::{Reject, keep_first};
use libellus_catalogue::{Catalogue, Claim, Failure, NewEmbedding, PendingPassage};
use libellus_encoder::{Encoded, Encoder};
use std::cmp::Reverse;
use std::ops::ControlFlow;
use std::thread;
use std::time::{Duration, Instant};

/// The first batch is small, to learn how long one takes: so many passages for each thread, with this lease.
const FIRST_BATCH: usize = 16;
const FIRST_LEASE: Duration = Duration::from_secs(30);
/// A lease is so many times what a batch is expected to take: too short costs double work, too long a wait for the dead.
const LEASE_FACTOR: u32 = 20;
/// Leases are not shorter than this, nor longer than that.
const LEASES: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(600));

/// How long a worker with nothing to do waits before it looks at whether it should stop, or the catalogue changed.
const NAP: Duration = Duration::from_millis(250);
/// How long it waits at most before it looks for work, though the catalogue is the same: leases end, pauses too.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// How often what is left is counted again, as others work, too.
const COUNT_AGAIN: Duration = Duration::from_secs(30);
/// The same while an adopted table's changes add to it.
const COUNT_CHANGES: Duration = Duration::from_secs(1);

/// How to backfill.
#[derive(Clone, Copy, Debug)]
pub struct BackfillOptions {
    /// Threads that encode, at least 1.
    pub threads: usize,
    /// Passages in a batch: one transaction.
    pub batch: usize,
    /// Go on for ever, embedding what comes in.
    pub watch: bool,
}

impl Default for BackfillOptions {
    fn default() -> Self {
        Self { threads: thread::available_parallelism().map_or(1, usize::from), batch: 256, watch: false }
    }
}

/// How far a backfill is.
#[derive(Clone, Copy, Debug)]
pub struct BackfillProgress<'a> {
    /// Passages done.
    pub done: u64,
    /// Passages done and to do, as last counted: at the start, and now and then.
    pub total: u64,
    /// Tokens encoded.
    pub tokens: u64,
    /// Rows of an adopted table that were found to be no books (any more) since the last time.
    pub rejects: &'a [Reject],
}

/// What a backfill did.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct BackfillReport {
    /// Passages embedded.
    pub embedded: u64,
    /// Tokens read by the model.
    pub tokens: u64,
    /// Tokens of these passages, read or not.
    pub tokens_seen: u64,
    /// Passages longer than the model's window (their end was not read).
    pub truncated: u64,
    /// Passages that could not be embedded, now or before: to be tried again, or given up.
    pub failed: u64,
    /// Changes of an adopted table that were dealt with.
    pub changes: u64,
    /// Of the rows that changed, those that cannot be books (any more).
    pub rejected_rows: u64,
    /// The first of those, with the reasons.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rejects: Vec<Reject>,
    /// Whether the caller stopped it.
    pub interrupted: bool,
}

/// Embeds every passage without a fresh embedding in the encoder's space. See [`crate::Library::backfill`].
pub(crate) fn backfill(
    encoder: &Encoder,
    serving: Option<&Encoder>,
    catalogue: &Catalogue,
    options: &BackfillOptions,
    progress: Progress<'_>,
) -> Result<BackfillReport, Error> {
    let mut worker = Worker::new(encoder, serving, catalogue, options)?;
    let worked = worker.work(progress);
    if !worker.rejects.is_empty() {
        // It ends here anyway.
        let _ = worker.tell(progress);
    }
    worker.report.interrupted = worked.map_err(|error| about_the_model(error, encoder))?.is_break();
    let mut report = worker.report;
    let queue = catalogue.queue_counts(&encoder.info().fingerprint.space)?;
    report.failed = queue.retrying + queue.given_up;
    if report.embedded > 0 {
        catalogue.settle()?;
    }
    Ok(report)
}

/// What is told how far it is, and may stop it.
pub(crate) type Progress<'p> = &'p mut dyn FnMut(BackfillProgress<'_>) -> ControlFlow<()>;

/// The space had a use when the work began; if the catalogue has been migrated since, it is for the model that was given
/// to be another.
fn about_the_model(error: Error, encoder: &Encoder) -> Error {
    match error {
        Error::Catalogue(libellus_catalogue::Error::UnknownSpace { location, active, .. }) => {
            Error::other_space(&location, *active, encoder)
        }
        error => error,
    }
}

/// One of those that share the work.
struct Worker<'a> {
    encoder: &'a Encoder,
    /// The model that books are cut for. One that fills another space leaves an adopted table's changes to the others.
    serving: Option<&'a Encoder>,
    catalogue: &'a Catalogue,
    options: &'a BackfillOptions,
    report: BackfillReport,
    /// Where the next claim begins.
    after: i64,
    /// How long a passage took in the batch before.
    pace: Option<Duration>,
    /// Passages left when last counted, how many were done then, and when that was.
    left: (u64, u64, Instant),
    /// What the caller was not told of yet.
    rejects: Vec<Reject>,
}

impl<'a> Worker<'a> {
    fn new(
        encoder: &'a Encoder,
        serving: Option<&'a Encoder>,
        catalogue: &'a Catalogue,
        options: &'a BackfillOptions,
    ) -> Result<Self, Error> {
        let (report, rejects) = (BackfillReport::default(), Vec::new());
        let left = (0, 0, Instant::now());
        let mut worker = Self { encoder, serving, catalogue, options, report, after: 0, pace: None, left, rejects };
        worker.count_left()?;
        Ok(worker)
    }

    fn space(&self) -> &'a str {
        &self.encoder.info().fingerprint.space
    }

    /// Embeds batch after batch until nothing is left, in anyone's hands either, or the caller stops it.
    fn work(&mut self, progress: Progress<'_>) -> Result<ControlFlow<()>, Error> {
        loop {
            // Read before the look, so that what comes in during it is seen by the next.
            let revision = self.catalogue.revision()?;
            let mut followed = Ok(true);
            // Whether what changes added is among what is left.
            let mut is_counted = true;
            loop {
                // By turns, so that neither waits for the end of the other. If the adopted table cannot be read, what is
                // there is embedded all the same, and then it is said.
                if let Ok(true) = followed {
                    followed = self.take_changes();
                }
                let batch = self.claim()?;
                let has_more = matches!(followed, Ok(true));
                if let Some(mut batch) = batch {
                    let begin = Instant::now();
                    self.embed(&mut batch)?;
                    self.pace = Some(begin.elapsed() / u32::try_from(batch.len()).unwrap_or(u32::MAX));
                } else if !has_more {
                    break;
                }
                is_counted &= !has_more;
                let patience = if is_counted { COUNT_AGAIN } else { COUNT_CHANGES };
                if self.left.2.elapsed() > patience || !(is_counted || has_more) {
                    self.count_left()?;
                    is_counted = true;
                }
                if self.tell(progress).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            followed?;
            if !self.options.watch && self.catalogue.queue_counts(self.space())?.claimed == 0 {
                return Ok(ControlFlow::Continue(()));
            }
            if self.wait(revision, progress)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
            self.count_left()?;
        }
    }

    /// Deals with a batch of changes in a table that was adopted and is followed; says whether there was one.
    fn take_changes(&mut self) -> Result<bool, Error> {
        let Some(serving) = self.serving else { return Ok(false) };
        let taken = self.catalogue.take_changes(&EncoderCutter(serving))?;
        let BackfillReport { changes, rejected_rows, rejects, .. } = &mut self.report;
        *changes += taken.changes;
        keep_first(rejects, rejected_rows, taken.rejects.iter().cloned());
        self.rejects.extend(taken.rejects);
        Ok(taken.changes > 0)
    }

    /// The next batch: what was not tried in vain yet, and last of all what was, one by one.
    fn claim(&mut self) -> Result<Option<Vec<PendingPassage>>, Error> {
        let (limit, lease) = self.limit_and_lease();
        let everything = Claim { after: 0, limit, lease, suspects: false };
        let mut claims = vec![Claim { after: self.after, ..everything }];
        if self.after > 0 {
            // Books may have changed behind us.
            claims.push(everything);
        }
        claims.push(Claim { limit: 1, suspects: true, ..everything });
        for claim in claims {
            let batch = self.catalogue.claim_passages(self.space(), &claim)?;
            if let Some(last) = batch.last() {
                self.after = if claim.suspects { 0 } else { last.passage_id };
                return Ok(Some(batch));
            }
        }
        self.after = 0;
        Ok(None)
    }

    fn limit_and_lease(&self) -> (usize, Duration) {
        let limit = self.options.batch.max(1);
        let Some(pace) = self.pace else {
            return (limit.min(FIRST_BATCH * self.options.threads.max(1)), FIRST_LEASE);
        };
        let expected = pace.saturating_mul(u32::try_from(limit).unwrap_or(u32::MAX));
        (limit, expected.saturating_mul(LEASE_FACTOR).clamp(LEASES.0, LEASES.1))
    }

    /// Waits until there may be something to do again.
    fn wait(&mut self, revision: i64, progress: Progress<'_>) -> Result<ControlFlow<()>, Error> {
        let begin = Instant::now();
        while begin.elapsed() < LOOK_AGAIN {
            if self.tell(progress).is_break() {
                return Ok(ControlFlow::Break(()));
            }
            thread::sleep(NAP);
            // An error comes again at the next turn, which embeds first what there is.
            if !matches!(self.take_changes(), Ok(false)) || self.catalogue.revision()? != revision {
                break;
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Embeds one batch and stores it in one transaction.
    fn embed(&mut self, batch: &mut [PendingPassage]) -> Result<(), Error> {
        // Passages of like length keep the threads evenly busy; the longest first, so that none is left to wait for.
        batch.sort_by_key(|passage| Reverse(passage.embedding_text.len()));
        let texts: Vec<&str> = batch.iter().map(|passage| passage.embedding_text.as_str()).collect();
        let encoded = self.encoder.encode_batch(&texts, self.options.threads.max(1));
        self.report.tokens += encoded.iter().map(|text| text.tokens.used as u64).sum::<u64>();
        self.report.tokens_seen += encoded.iter().map(|text| text.tokens.seen as u64).sum::<u64>();
        self.report.truncated += encoded.iter().filter(|text| text.tokens.is_truncated()).count() as u64;

        let (good, bad): (Vec<_>, Vec<_>) =
            batch.iter().zip(&encoded).partition(|(_, encoded)| encoded.vector.iter().all(|number| number.is_finite()));
        let mut failures: Vec<Failure> =
            bad.iter().map(|(passage, _)| failure(passage, "the model's vector has a number that is none")).collect();
        failures.extend(self.store(&good)?);
        if !failures.is_empty() {
            self.catalogue.put_failures(self.space(), &failures)?;
        }
        Ok(())
    }

    /// Stores vectors together or, if one of them is refused, each by itself; returns those that were refused.
    ///
    /// If all of several are, something else is wrong, and that is an error.
    fn store(&mut self, good: &[(&PendingPassage, &Encoded)]) -> Result<Vec<Failure>, Error> {
        let fingerprint = &self.encoder.info().fingerprint;
        let put = |some: &[(&PendingPassage, &Encoded)]| {
            let embeddings: Vec<NewEmbedding<'_>> = some.iter().copied().map(new_embedding).collect();
            self.catalogue.put_embeddings(&fingerprint.space, fingerprint.precision.as_str(), &embeddings)
        };
        let refusal = match put(good) {
            Ok(stored) => {
                self.report.embedded += stored;
                return Ok(Vec::new());
            }
            Err(error) if error.is_about_a_row() => error,
            Err(error) => return Err(error.into()),
        };
        let (mut stored, mut failures) = (0, Vec::new());
        for one in good {
            match put(std::slice::from_ref(one)) {
                Ok(count) => stored += count,
                Err(error) if error.is_about_a_row() => failures.push(failure(one.0, &with_causes(&error))),
                Err(error) => return Err(error.into()),
            }
        }
        self.report.embedded += stored;
        if good.len() > 1 && failures.len() == good.len() { Err(refusal.into()) } else { Ok(failures) }
    }

    fn count_left(&mut self) -> Result<(), Error> {
        let statistics = self.catalogue.statistics(self.space())?;
        self.left = (statistics.passages.saturating_sub(statistics.embedded), self.report.embedded, Instant::now());
        Ok(())
    }

    /// Tells the caller how far it is, and asks whether to go on.
    fn tell(&mut self, progress: Progress<'_>) -> ControlFlow<()> {
        let (left, done_then, _) = self.left;
        let (done, tokens) = (self.report.embedded, self.report.tokens);
        let rejects = std::mem::take(&mut self.rejects);
        progress(BackfillProgress { done, total: done.max(done_then + left), tokens, rejects: &rejects })
    }
}

fn failure(passage: &PendingPassage, reason: &str) -> Failure {
    Failure { passage_id: passage.passage_id, text_hash: passage.text_hash, reason: reason.to_owned() }
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

fn new_embedding<'a>((passage, encoded): (&PendingPassage, &'a Encoded)) -> NewEmbedding<'a> {
    NewEmbedding { passage_id: passage.passage_id, text_hash: passage.text_hash, vector: &encoded.vector }
}
