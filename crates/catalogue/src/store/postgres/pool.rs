//! A few connections to one database, shared between threads, and what keeps them useful.
//!
//! The client is asynchronous and the catalogue is not. The connections live in a small runtime of their own, and a
//! caller's thread sleeps until its answer is there ([`block_on`]); that works from any thread, inside another runtime
//! too, which a client that brings its own runtime does not.
//!
//! A transaction pooler may stand in front of the server. So nothing outlives a transaction: no named statement, no
//! setting, no lock, no notification. Time limits are set inside each transaction.

use super::address::PostgresAddress;
use super::failure::{Failure, Kind};
use super::tls::{self, Way};
use crate::Error;
use futures_util::future::join3;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::time::timeout;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Config};

/// What a statement comes to.
pub(super) type Answer<T> = Result<T, tokio_postgres::Error>;

/// A statement's parameter, with its type: nothing is asked of the server before the statement itself.
pub(super) type Parameter<'a> = (&'a (dyn ToSql + Sync), Type);

/// Connections at most; walks over everything have one more each.
const CONNECTIONS: usize = 4;

/// How long a statement may take.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a walk over everything may take.
pub(super) const WALK_TIMEOUT: Duration = Duration::from_secs(3600);
/// How long an operation waits for another's lock, unless [set](Pool::set_lock_timeout).
const LOCK_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a server may be away when the catalogue is opened.
pub(super) const OPENING_PATIENCE: Duration = Duration::from_secs(5);
/// How long a server may be away later on, e.g. to be started anew.
const PATIENCE: Duration = Duration::from_secs(15);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// After this long without an answer the other side is taken for gone.
const SILENCE: Duration = Duration::from_secs(30);

/// How long encryption and login may take, once the server has answered.
const LOGIN_TIMEOUT: Duration = Duration::from_secs(20);

/// Connections to one database.
pub(super) struct Pool {
    pub address: PostgresAddress,
    ways: (Way, Option<Way>),
    lock_timeout_ms: AtomicU64,
    handle: Handle,
    /// Taken out when the pool is dropped.
    runtime: Option<Runtime>,
    connections: Mutex<Connections>,
    returned: Condvar,
}

#[derive(Default)]
struct Connections {
    idle: Vec<Client>,
    lent: usize,
}

impl Pool {
    /// A pool without connections: they are made when they are needed.
    pub fn new(address: &PostgresAddress) -> Result<Self, Error> {
        let ways = tls::ways(address)?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("postgres")
            .enable_all()
            .build()
            .map_err(|source| Error::Threads { location: address.to_string(), source })?;
        Ok(Self {
            address: address.clone(),
            ways,
            lock_timeout_ms: AtomicU64::new(LOCK_TIMEOUT.as_millis() as u64),
            handle: runtime.handle().clone(),
            runtime: Some(runtime),
            connections: Mutex::default(),
            returned: Condvar::new(),
        })
    }

    pub fn set_lock_timeout(&self, timeout: Duration) {
        // To PostgreSQL, 0 is for ever.
        let timeout_ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX).clamp(1, i32::MAX as u64);
        self.lock_timeout_ms.store(timeout_ms, Ordering::Relaxed);
    }

    /// Runs statements outside a transaction, for a server that may be away for so long.
    pub fn run<T>(&self, patience: Duration, work: impl AsyncFn(&Client) -> Answer<T>) -> Result<T, Failure> {
        patiently(patience, || {
            let answer = self.with_client(|client| {
                let answer = block_on(work(client));
                let is_clean = answer.is_ok();
                (answer, is_clean)
            })?;
            Ok(answer?)
        })
    }

    /// Runs one statement in a transaction that only reads, and again if the server went away meanwhile.
    ///
    /// Beginning and end travel with the statement, so that all costs one round trip; it must be one for that reason.
    pub fn read<T>(&self, statement: impl AsyncFn(&Client) -> Answer<T>) -> Result<T, Failure> {
        let begin = format!("BEGIN READ ONLY; {}", self.limits(STATEMENT_TIMEOUT));
        patiently(PATIENCE, || {
            let answer = self.with_client(|client| {
                let steps = join3(client.batch_execute(&begin), statement(client), client.batch_execute("COMMIT"));
                // The last tells whether the connection is free again, the first to fail tells why.
                let (begun, value, ended) = block_on(steps);
                (begun.and(value), ended.is_ok())
            })?;
            Ok(answer?)
        })
    }

    /// Runs statements in one transaction that only reads and sees one state, and again if the server went away.
    pub fn look<T>(&self, look: impl AsyncFn(&Client) -> Answer<T>) -> Result<T, Failure> {
        let begin = format!("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {}", self.limits(WALK_TIMEOUT));
        patiently(PATIENCE, || {
            let answer = self.with_client(|client| {
                block_on(async {
                    let answer = async {
                        client.batch_execute(&begin).await?;
                        look(client).await
                    };
                    let answer = answer.await;
                    // Nothing was written, so there is nothing to commit.
                    let is_clean = client.batch_execute("ROLLBACK").await.is_ok();
                    (answer, is_clean)
                })
            })?;
            Ok(answer?)
        })
    }

    /// Runs `write` in one transaction, and again if it was undone by what cut it short.
    ///
    /// If the connection is lost during the commit, the server is asked what became of the transaction.
    pub fn write<T>(&self, write: impl AsyncFn(&Client) -> Answer<T>) -> Result<T, Failure> {
        patiently(PATIENCE, || {
            let outcome = self.with_client(|client| {
                let outcome = block_on(self.transaction(client, &write));
                let is_clean = matches!(outcome, Ok(_) | Err(Unfinished::Undone { is_clean: true, .. }));
                (outcome, is_clean)
            })?;
            match outcome {
                Ok(value) => Ok(value),
                Err(Unfinished::Undone { source, .. }) => Err(source.into()),
                Err(Unfinished::Unknown { transaction, value, source }) => {
                    if self.was_committed(transaction)? {
                        Ok(value)
                    } else {
                        Err(source.into())
                    }
                }
            }
        })
    }

    async fn transaction<T>(
        &self,
        client: &Client,
        write: &impl AsyncFn(&Client) -> Answer<T>,
    ) -> Result<T, Unfinished<T>> {
        let work = async {
            client.batch_execute(&format!("BEGIN; {}", self.limits(STATEMENT_TIMEOUT))).await?;
            let transaction: i64 = client.query_typed_one("SELECT txid_current()", &[]).await?.try_get(0)?;
            Ok((transaction, write(client).await?))
        };
        let (transaction, value) = match work.await {
            Ok(done) => done,
            Err(source) => {
                let is_clean = client.batch_execute("ROLLBACK").await.is_ok();
                return Err(Unfinished::Undone { source, is_clean });
            }
        };
        match client.batch_execute("COMMIT").await {
            Ok(()) => Ok(value),
            // An answer that is not about the connection: the server undid it, and says so.
            Err(source) if source.code().is_some() && !Kind::of_library(&source).is_transient() => {
                Err(Unfinished::Undone { source, is_clean: false })
            }
            Err(source) => Err(Unfinished::Unknown { transaction, value, source }),
        }
    }

    /// What became of a transaction whose end we did not see.
    fn was_committed(&self, transaction: i64) -> Result<bool, Failure> {
        let give_up = Instant::now() + PATIENCE;
        loop {
            let fate: Option<String> = self.read(async |client| {
                let parameters: &[Parameter<'_>] = &[(&transaction, Type::INT8)];
                client.query_typed_one("SELECT txid_status($1)", parameters).await?.try_get(0)
            })?;
            match fate.as_deref() {
                Some("in progress") if Instant::now() < give_up => thread::sleep(FIRST_PAUSE),
                fate => return Ok(fate == Some("committed")),
            }
        }
    }

    /// A connection for a walk, outside the count: a walk may call back for other reads, and a few walks that waited
    /// for one another's would wait for ever.
    pub fn connect_apart(&self) -> Result<Client, Failure> {
        patiently(PATIENCE, || self.connect())
    }

    /// The time limits of a transaction. No statement of ours is worth being compiled, whatever the server's guess at its
    /// cost.
    pub fn limits(&self, statement_timeout: Duration) -> String {
        format!(
            "SET LOCAL jit = off; SET LOCAL statement_timeout = {}; SET LOCAL lock_timeout = {}",
            statement_timeout.as_millis(),
            self.lock_timeout_ms.load(Ordering::Relaxed)
        )
    }

    /// Lends a connection to `work`, which says whether its last transaction has surely ended: else it is closed.
    fn with_client<T>(&self, work: impl FnOnce(&Client) -> (T, bool)) -> Result<T, Failure> {
        let (_place, idle) = self.take_place();
        let client = match idle {
            Some(client) => client,
            None => self.connect()?,
        };
        let (value, is_clean) = work(&client);
        if is_clean && !client.is_closed() {
            self.lock().idle.push(client);
        }
        Ok(value)
    }

    /// Waits for room, and takes a connection along if one is idle.
    fn take_place(&self) -> (Place<'_>, Option<Client>) {
        let mut connections = self.lock();
        while connections.lent >= CONNECTIONS {
            connections = self.returned.wait(connections).unwrap_or_else(PoisonError::into_inner);
        }
        connections.lent += 1;
        connections.idle.retain(|client| !client.is_closed());
        (Place(self), connections.idle.pop())
    }

    fn lock(&self) -> MutexGuard<'_, Connections> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connect(&self) -> Result<Client, Failure> {
        let (first, second) = &self.ways;
        match (self.connect_by(first), second) {
            (Err(failure), Some(second)) if failure.is_about_the_way() => {
                self.connect_by(second).map_err(|_as_well| failure)
            }
            (result, _) => result,
        }
    }

    fn connect_by(&self, way: &Way) -> Result<Client, Failure> {
        let mut config = with_keepalives(&self.address.config);
        config.ssl_mode(way.mode);
        let limit = config.get_connect_timeout().copied().unwrap_or_default() + LOGIN_TIMEOUT;
        // Sockets and clocks belong to the runtime that this thread is inside of.
        let _inside = self.handle.enter();
        let connected = block_on(timeout(limit, config.connect(way.tls.clone())));
        let (client, connection) = connected.map_err(|_elapsed| Failure::Silence)??;
        // How it ends shows in the client.
        self.handle.spawn(async move { drop(connection.await) });
        Ok(client)
    }
}

impl Drop for Pool {
    /// Waits for nothing: this may happen inside another runtime, where waiting is not allowed.
    fn drop(&mut self) {
        self.lock().idle.clear();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("address", &self.address).finish_non_exhaustive()
    }
}

/// How a transaction did not end well.
enum Unfinished<T> {
    /// It changed nothing.
    Undone { source: tokio_postgres::Error, is_clean: bool },
    /// The connection was lost while it was being committed.
    Unknown { transaction: i64, value: T, source: tokio_postgres::Error },
}

/// One of the connections that a pool may have; given back when dropped.
struct Place<'a>(&'a Pool);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.lock().lent -= 1;
        self.0.returned.notify_one();
    }
}

/// Without these a server that vanishes, rather than closes, is noticed after two hours.
fn with_keepalives(config: &Config) -> Config {
    let mut config = config.clone();
    if config.get_keepalives_idle() > SILENCE {
        config.keepalives_idle(SILENCE);
    }
    if config.get_keepalives_interval().is_none() {
        config.keepalives_interval(SILENCE / 3);
    }
    if config.get_keepalives_retries().is_none() {
        config.keepalives_retries(3);
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(SILENCE);
    }
    config
}

/// Tries again, with growing pauses, while waiting may help and patience lasts.
fn patiently<T>(patience: Duration, mut attempt: impl FnMut() -> Result<T, Failure>) -> Result<T, Failure> {
    let give_up = Instant::now() + patience;
    let mut pause = FIRST_PAUSE;
    loop {
        match attempt() {
            Err(failure) if Kind::of(&failure).is_transient() && Instant::now() + pause < give_up => {
                thread::sleep(pause);
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            result => return result,
        }
    }
}

/// Wakes a thread.
struct Unpark {
    thread: Thread,
    was_woken: AtomicBool,
}

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.was_woken.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

/// Waits on this thread for a future that other threads move on. See the module.
pub(super) fn block_on<F: Future>(future: F) -> F::Output {
    let unpark = Arc::new(Unpark { thread: thread::current(), was_woken: AtomicBool::new(false) });
    let waker = Waker::from(Arc::clone(&unpark));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        while !unpark.was_woken.swap(false, Ordering::Acquire) {
            thread::park();
        }
    }
}
