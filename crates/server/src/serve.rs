//! Accepting connections, and ending well.
//!
//! A loop of our own around hyper, because three things matter here that `axum::serve` does not do: a
//! client that never finishes its request is let go, stopping takes a bounded time, and a client that
//! sent far too much still gets to read the refusal.

use crate::client::Peer;
use crate::request_line::BoundedRequestLine;
use crate::{AppState, Log, ServerConfig, router};
use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use libellus_search::Library;
use std::future::poll_fn;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// The largest request head. Longest query, every byte escaped as `%XX`, and room for headers. Beyond it
/// hyper itself replies 431, without a body; an overlong address is cut before (see `request_line.rs`).
const MAX_HEAD_BYTES: usize = 128 * 1024;
/// How long a client may take to send its request's head; also how long an idle connection is kept.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);
/// How much of a refused request is still read, and for how long.
const LINGER_BYTES: u64 = 8 * 1024 * 1024;
const LINGER_TIMEOUT: Duration = Duration::from_secs(2);
/// What is said to a connection that there is no room for.
const TOO_MANY_CONNECTIONS: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
/// The pause when no connection can be accepted, for want of file handles as a rule.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves `library` on `listener` until `shutdown` completes; then takes no more connections, finishes the
/// requests in flight within `config.drain`, and returns.
pub async fn serve(
    listener: TcpListener,
    config: &ServerConfig,
    library: Arc<Library>,
    shutdown: impl Future<Output = ()>,
) {
    // Nobody has to wait for them then; what fails is in the log, and tried again.
    if let Some(keys) = config.access.public_keys.clone() {
        let log = config.log;
        tokio::spawn(async move { keys.current(log).await });
    }
    let router = router(AppState::new(library, config));
    serve_router(listener, router, config, shutdown).await;
}

async fn serve_router(
    listener: TcpListener,
    router: Router,
    config: &ServerConfig,
    shutdown: impl Future<Output = ()>,
) {
    let (drain, log) = (config.drain, config.log);
    let (stop, stopping) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            (stream, peer) = accept(&listener, log) => {
                while connections.try_join_next().is_some() {}
                if connections.len() >= config.most_connections {
                    // It has just been connected, so there is room for so little; whoever does not read it sees it closed.
                    let _ = stream.try_write(TOO_MANY_CONNECTIONS);
                    continue;
                }
                connections.spawn(serve_connection(stream, Peer(peer), router.clone(), stopping.clone()));
            }
            Some(_ended) = connections.join_next() => {}
        }
    }
    drop(listener);
    stop.send_replace(true);
    let drained = tokio::time::timeout(drain, async { while connections.join_next().await.is_some() {} }).await;
    if drained.is_err() {
        let busy = connections.len();
        log.warning(&format!("{busy} connections were still busy after {drain:?} and were closed"));
    }
}

/// The next connection. One that is lost while it waits is not an error; being out of file handles passes.
async fn accept(listener: &TcpListener, log: Log) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset) => {}
            Err(error) => {
                log.warning(&format!("cannot accept a connection: {error}"));
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Answers the requests of one connection, until either side ends it.
async fn serve_connection(stream: TcpStream, peer: Peer, router: Router, mut stopping: watch::Receiver<bool>) {
    // Replies are written in one piece, so there is nothing to wait for.
    let _only_slower_without = stream.set_nodelay(true);
    let service = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        Box::pin(service.call(request))
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(BoundedRequestLine::new(stream)), service);
    let mut told_to_stop = false;
    let ended = loop {
        let ended = tokio::select! {
            ended = poll_fn(|context| connection.poll_without_shutdown(context)) => Some(ended),
            _ = stopping.wait_for(|stopping| *stopping), if !told_to_stop => None,
        };
        if let Some(ended) = ended {
            break ended;
        }
        told_to_stop = true;
        Pin::new(&mut connection).graceful_shutdown();
    };
    let stream = connection.into_parts().io.into_inner().into_inner();
    if ended.is_err_and(|error| error.is_parse()) {
        linger(stream).await;
    }
}

/// Closes a connection whose request was refused half-read. Closing at once would discard the refusal
/// (the system resets a connection that is closed with bytes unread), so some of the rest is read first.
async fn linger(mut stream: TcpStream) {
    // Whether this works makes no difference any more: the connection ends here either way.
    let _ = stream.shutdown().await;
    let mut rest = stream.take(LINGER_BYTES);
    let _ = tokio::time::timeout(LINGER_TIMEOUT, tokio::io::copy(&mut rest, &mut tokio::io::sink())).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use std::time::Instant;
    use tokio::sync::oneshot;
    use tokio::task::JoinHandle;

    const SLOW: Duration = Duration::from_millis(300);
    const LONG: Duration = Duration::from_secs(30);

    /// A running service with one slow and one very slow route, and the way to stop it.
    async fn start(drain: Duration) -> (SocketAddr, oneshot::Sender<()>, JoinHandle<()>) {
        start_with(ServerConfig { drain, ..ServerConfig::default() }).await
    }

    async fn start_with(config: ServerConfig) -> (SocketAddr, oneshot::Sender<()>, JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let wait = |time| async move {
            tokio::time::sleep(time).await;
            "done"
        };
        let router = Router::new().route("/slow", get(move || wait(SLOW))).route("/long", get(move || wait(LONG)));
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async {
            stopped.await.ok();
        };
        (address, stop, tokio::spawn(async move { serve_router(listener, router, &config, shutdown).await }))
    }

    async fn send(address: SocketAddr, request: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.expect("connected");
        stream.write_all(request).await.expect("sent");
        stream
    }

    async fn reply(mut stream: TcpStream) -> String {
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply).await.expect("a reply, then the end");
        String::from_utf8(reply).expect("UTF-8")
    }

    fn get_request(path: &str) -> Vec<u8> {
        format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n").into_bytes()
    }

    #[tokio::test]
    async fn stopping_finishes_what_is_in_flight_and_takes_nothing_new() {
        let (address, stop, running) = start(LONG).await;
        let in_flight = send(address, &get_request("/slow")).await;
        let idle = TcpStream::connect(address).await.expect("connected");
        tokio::time::sleep(SLOW / 3).await;
        let begun = Instant::now();
        stop.send(()).expect("running");
        let reply = reply(in_flight).await;
        assert!(reply.starts_with("HTTP/1.1 200 OK") && reply.ends_with("done"), "{reply}");
        running.await.expect("ends");
        assert!(begun.elapsed() < LONG / 2, "an idle connection does not hold up the end");
        drop(idle);
        assert!(TcpStream::connect(address).await.is_err(), "the port is free again");
    }

    #[tokio::test]
    async fn more_connections_than_there_is_room_for_are_refused_until_one_ends() {
        let (address, _stop, _running) =
            start_with(ServerConfig { most_connections: 2, ..ServerConfig::default() }).await;
        let held = [TcpStream::connect(address).await.expect("connected"), send(address, b"GET /sl").await];
        let refused = reply(TcpStream::connect(address).await.expect("connected")).await;
        assert!(refused.starts_with("HTTP/1.1 503 ") && refused.contains("\r\nRetry-After: 1\r\n"), "{refused}");
        drop(held);
        let give_up = Instant::now() + LONG;
        while !reply(send(address, b"GET /slow HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").await)
            .await
            .starts_with("HTTP/1.1 200 ")
        {
            assert!(Instant::now() < give_up, "there is room again");
        }
    }

    #[tokio::test]
    async fn stopping_takes_a_bounded_time() {
        let (address, stop, running) = start(SLOW).await;
        let in_flight = send(address, &get_request("/long")).await;
        tokio::time::sleep(SLOW / 3).await;
        let begun = Instant::now();
        stop.send(()).expect("running");
        running.await.expect("ends");
        assert!(begun.elapsed() < LONG / 2, "took {:?}", begun.elapsed());
        assert_eq!(reply(in_flight).await, "", "the connection was closed");
    }

    #[tokio::test]
    async fn headers_that_are_far_too_long_are_refused_readably() {
        let (address, _stop, _running) = start(SLOW).await;
        for bytes in [1_000_000, 6_000_000] {
            let request = format!("GET /slow HTTP/1.1\r\nHost: test\r\nX-Long: {}\r\n\r\n", "a".repeat(bytes));
            let reply = reply(send(address, request.as_bytes()).await).await;
            assert!(reply.starts_with("HTTP/1.1 431 "), "{bytes} bytes: {reply}");
        }
    }

    #[tokio::test]
    async fn an_address_that_is_far_too_long_reaches_the_router() {
        let (address, _stop, _running) = start(SLOW).await;
        for bytes in [100_000, 6_000_000] {
            let stream = send(address, &get_request(&format!("/slow?q={}", "a".repeat(bytes)))).await;
            let reply = reply(stream).await;
            assert!(reply.starts_with("HTTP/1.1 200 ") && reply.ends_with("done"), "{bytes} bytes: {reply}");
        }
    }

    #[tokio::test]
    async fn what_is_not_http_is_refused() {
        let (address, _stop, _running) = start(SLOW).await;
        let reply = reply(send(address, b"\x16\x03\x01 this is not HTTP\r\n\r\n").await).await;
        assert!(reply.starts_with("HTTP/1.1 400 "), "{reply}");
    }
}
