//! Imports over HTTP: what is uploaded goes to the importer piece by piece, and a job tells how far it is.
//!
//! The importer reads on a thread of its own from a short queue that the connection fills, so that neither a large file
//! nor a slow disk takes memory. An upload that breaks off ends its import like a disk that fails: batches that were
//! written stay, and the job says so. Jobs are kept in memory, the last hundred of them.

use crate::body::next_piece;
use crate::{AppState, Error};
use axum::body::{Body, Bytes};
use libellus_catalogue::import::{Format, ImportOptions, ImportOutcome, ImportReport, import};
use libellus_search::{EncoderCutter, Library};
use serde::Serialize;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::{Semaphore, mpsc};

/// Imports at once: they take turns at the catalogue anyway.
const AT_ONCE: usize = 2;
/// Jobs that are remembered.
const REMEMBERED: usize = 100;
/// Rejects and warnings that a job shows of each kind; it counts the rest.
const SHOWN: usize = 1000;
/// Pieces of an upload that wait for the importer.
const QUEUED_PIECES: usize = 8;
/// Of an upload whose import has ended already so much is still received, so that the client gets to read why.
const LINGER_BYTES: u64 = 8 * 1024 * 1024;

/// How an import stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    /// It is under way.
    Running,
    /// Every record was loaded.
    Done,
    /// Some records were loaded, and some were not: `rejects` has them.
    DoneWithRejects,
    /// Nothing was loaded, or it broke off: `error` or `rejects` say why. What was written before stays.
    Failed,
}

/// An import, as it is shown.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Job {
    pub(crate) id: String,
    pub(crate) status: Status,
    /// When it began, in seconds since 1970.
    started: u64,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    ended: Option<u64>,
    /// Bytes that were received.
    received_bytes: u64,
    /// Records that were read.
    records: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// What was done, once it has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<ImportReport>,
}

/// All imports of this service.
pub(crate) struct Imports {
    turns: Arc<Semaphore>,
    next: AtomicU64,
    jobs: Mutex<VecDeque<Arc<Mutex<Job>>>>,
}

impl Imports {
    pub(crate) fn new() -> Self {
        Self { turns: Arc::new(Semaphore::new(AT_ONCE)), next: AtomicU64::new(1), jobs: Mutex::default() }
    }

    /// The job of this id.
    pub(crate) fn find(&self, id: &str) -> Option<Job> {
        let jobs = lock(&self.jobs);
        jobs.iter().map(|job| lock(job)).find(|job| job.id == id).map(|job| job.clone())
    }

    /// All that are remembered, the latest first, without what each rejected.
    pub(crate) fn all(&self) -> Vec<Job> {
        let brief = |job: &Arc<Mutex<Job>>| Job { report: None, ..lock(job).clone() };
        lock(&self.jobs).iter().rev().map(brief).collect()
    }

    fn begin(&self) -> Arc<Mutex<Job>> {
        let job = Arc::new(Mutex::new(Job {
            id: self.next.fetch_add(1, Ordering::Relaxed).to_string(),
            status: Status::Running,
            started: now(),
            ended: None,
            received_bytes: 0,
            records: 0,
            error: None,
            report: None,
        }));
        let mut jobs = lock(&self.jobs);
        if jobs.len() >= REMEMBERED {
            jobs.pop_front();
        }
        jobs.push_back(Arc::clone(&job));
        job
    }
}

/// Receives an upload, and gives its job when all is received; it may still be read then.
///
/// # Errors
/// [`Error::Busy`] if others are under way; what is wrong with the upload itself.
pub(crate) async fn receive(
    state: &AppState,
    format: Option<Format>,
    most_bytes: u64,
    mut body: Body,
) -> Result<Job, Error> {
    let imports = state.imports();
    let turn = Arc::clone(&imports.turns).try_acquire_owned().map_err(|_| Error::Busy)?;
    let job = imports.begin();
    let (pieces, queue) = mpsc::channel(QUEUED_PIECES);
    let (own, library, state) = (Arc::clone(&job), state.library(), state.clone());
    let reading = tokio::task::spawn_blocking(move || {
        let _held_until_done = turn;
        run(&own, &library, format, queue);
        // Batches may be written even if it failed.
        state.note_written();
    });
    let sent = send(&mut body, &pieces, &job, most_bytes).await;
    if let Err(Stopped::Upload(error)) = sent {
        // The importer is told that this is not the end of the file.
        drop(pieces.send(Err(ErrorKind::ConnectionAborted.into())).await);
        reading.await.map_err(Error::internal)?;
        return Err(error);
    }
    if let Err(Stopped::Importer) = sent {
        reading.await.map_err(Error::internal)?;
    }
    Ok(lock(&job).clone())
}

/// Why an upload was not sent to its end.
enum Stopped {
    /// Something is wrong with it.
    Upload(Error),
    /// The importer wants no more of it.
    Importer,
}

async fn send(
    body: &mut Body,
    pieces: &mpsc::Sender<io::Result<Bytes>>,
    job: &Mutex<Job>,
    most_bytes: u64,
) -> Result<(), Stopped> {
    let (mut received, mut unread) = (0, 0);
    while let Some(piece) = next_piece(body).await.map_err(Stopped::Upload)? {
        let bytes = piece.len() as u64;
        received += bytes;
        if received > most_bytes {
            return Err(Stopped::Upload(Error::BodyTooLarge { max: most_bytes }));
        }
        lock(job).received_bytes = received;
        if unread > 0 || pieces.send(Ok(piece)).await.is_err() {
            unread += bytes;
            if unread > LINGER_BYTES {
                return Err(Stopped::Importer);
            }
        }
    }
    // An empty piece is the end: without it the upload was broken off.
    if unread > 0 || pieces.send(Ok(Bytes::new())).await.is_err() { Err(Stopped::Importer) } else { Ok(()) }
}

/// Imports what comes, and notes in the job what became of it.
fn run(job: &Mutex<Job>, library: &Library, format: Option<Format>, queue: mpsc::Receiver<io::Result<Bytes>>) {
    let options = ImportOptions { format, ..ImportOptions::default() };
    let mut upload = Upload { queue, piece: Bytes::new(), has_ended: false };
    let result = library.serving().map_err(Error::from).and_then(|encoder| {
        let cutter = EncoderCutter(encoder);
        let report = import("the upload", &mut upload, library.catalogue(), &cutter, &options, &mut |progress| {
            lock(job).records = progress.records;
            ControlFlow::Continue(())
        });
        report.map_err(|error| Error::Search(error.into()))
    });
    let mut job = lock(job);
    job.ended = Some(now());
    match result {
        Ok(mut report) => {
            job.records = report.records;
            job.status = match report.outcome() {
                ImportOutcome::Clean => Status::Done,
                ImportOutcome::LoadedWithRejects => Status::DoneWithRejects,
                ImportOutcome::NothingUsable => Status::Failed,
            };
            report.rejects.truncate(SHOWN);
            report.warnings.truncate(SHOWN);
            report.preview.clear();
            job.report = Some(report);
        }
        Err(error) => {
            job.status = Status::Failed;
            job.error = Some(error.detail_of_import());
        }
    }
}

/// An upload, as the importer reads it.
struct Upload {
    queue: mpsc::Receiver<io::Result<Bytes>>,
    piece: Bytes,
    has_ended: bool,
}

impl Read for Upload {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.piece.is_empty() && !self.has_ended {
            // A connection that is gone, and a service that stops, drop the other end.
            let next = self.queue.blocking_recv();
            self.piece = next.unwrap_or_else(|| Err(ErrorKind::ConnectionAborted.into()))?;
            self.has_ended = self.piece.is_empty();
        }
        let read = self.piece.len().min(buffer.len());
        buffer[..read].copy_from_slice(&self.piece.split_to(read));
        Ok(read)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
