//! The service under conditions that one request alone does not make.

use crate::support::{app_with, ask, books, library};
use axum::http::{Method, StatusCode};
use libellus_search::Library;
use libellus_server::{ServerConfig, bind, serve};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test]
async fn books_without_embeddings_are_not_a_fault_of_the_reader() {
    let unprepared = app_with(Arc::new(library(&books(), false)), &ServerConfig::default());
    let by_meaning = ask(unprepared.clone(), Method::GET, "/api/search?q=sea&mode=semantic", None).await;
    assert_eq!(by_meaning.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(by_meaning.json()["code"], "not_embedded");
    let both_ways = ask(unprepared, Method::GET, "/api/search?q=sea", None).await;
    assert_eq!(both_ways.status, StatusCode::OK);
    let why = both_ways.json()["degraded"].as_str().map(str::to_owned);
    assert_eq!(why.as_deref(), Some("nothing is embedded for `all-MiniLM-L6-v2` yet"));
    for reply in [by_meaning, both_ways] {
        for private in ["memory", "--db"] {
            assert!(!reply.body.contains(private), "where the catalogue lies is not told: {}", reply.body);
        }
    }
}

#[tokio::test]
async fn an_empty_catalogue_is_ready_and_lacks_nothing() {
    let empty = app_with(Arc::new(library(&[], false)), &ServerConfig::default());
    let reply = ask(empty, Method::GET, "/ready", None).await;
    assert_eq!(reply.status, StatusCode::OK);
    let readiness = reply.json();
    assert_eq!((&readiness["ready"], &readiness["reason"]), (&true.into(), &serde_json::Value::Null), "{readiness}");
}

#[tokio::test]
async fn more_searches_than_the_queue_holds_are_sent_away_for_a_moment() {
    let config = ServerConfig {
        concurrent_searches: 1,
        queued_searches: 1,
        queue_wait: Duration::from_secs(30),
        ..ServerConfig::default()
    };
    let app = app_with(Arc::new(library(&books(), true)), &config);
    let searches: Vec<_> = (0..30)
        .map(|_| {
            let app = app.clone();
            tokio::spawn(async move { ask(app, Method::GET, "/api/search?q=a+long+sea+voyage", None).await })
        })
        .collect();
    let (mut answered, mut refused) = (0, 0);
    for search in searches {
        let reply = search.await.expect("no panic");
        match reply.status {
            StatusCode::OK => answered += 1,
            StatusCode::SERVICE_UNAVAILABLE => {
                assert_eq!((reply.json()["code"].as_str(), reply.header("retry-after")), (Some("busy"), "1"));
                refused += 1;
            }
            other => panic!("{other}: {}", reply.body),
        }
    }
    assert!(answered >= 2 && refused >= 1, "{answered} answered, {refused} refused");
    let later = ask(app, Method::GET, "/api/search?q=sea", None).await;
    assert_eq!(later.status, StatusCode::OK, "there is room again");
}

#[tokio::test]
async fn serves_on_a_port_until_told_to_stop() {
    let config = ServerConfig { port: 0, ..ServerConfig::default() };
    let listener = bind(&config).await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let library: Arc<Library> = Arc::new(library(&books(), true));
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(async move {
        let shutdown = async {
            stopped.await.ok();
        };
        serve(listener, &config, library, shutdown).await;
    });
    let mut stream = TcpStream::connect(address).await.expect("connected");
    let request = b"GET /api/search?q=insect&limit=1 HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await.expect("sent");
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.expect("a reply");
    assert!(reply.starts_with("HTTP/1.1 200 OK") && reply.contains("metamorphosis"), "{reply}");
    stop.send(()).expect("running");
    running.await.expect("ends");
    assert!(TcpStream::connect(address).await.is_err(), "the port is free again");
}

#[tokio::test]
async fn a_query_of_a_megabyte_is_refused_with_what_to_do() {
    let config = ServerConfig { port: 0, ..ServerConfig::default() };
    let listener = bind(&config).await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let library: Arc<Library> = Arc::new(library(&books(), true));
    let running = tokio::spawn(async move { serve(listener, &config, library, std::future::pending()).await });
    for (path, len) in [("/api/search?q=", 70_000), ("/api/search?limit=3&q=", 1 << 20)] {
        let mut stream = TcpStream::connect(address).await.expect("connected");
        let request = format!("GET {path}{} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n", "a".repeat(len));
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut reply = String::new();
        stream.read_to_string(&mut reply).await.expect("a reply");
        assert!(reply.starts_with("HTTP/1.1 414 URI Too Long"), "{len}: {reply:.300}");
        assert!(reply.contains("query_too_long") && reply.contains("hint"), "{len}: {reply:.2000}");
        assert!(reply.contains("longer than 16384 bytes"), "{len}: what was cut is not counted: {reply:.2000}");
    }
    running.abort();
}
