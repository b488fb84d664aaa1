//! Limits for clients, over connections: how often one may ask, and what cannot be a request.

use crate::support::{books, library};
use libellus_server::{ServerConfig, bind, serve};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

async fn start(config: ServerConfig) -> (SocketAddr, JoinHandle<()>) {
    let config = ServerConfig { port: 0, ..config };
    let listener = bind(&config).await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let library = Arc::new(library(&books(), false));
    let running = tokio::spawn(async move { serve(listener, &config, library, std::future::pending()).await });
    (address, running)
}

/// Sends bytes, and reads what comes until the end.
async fn exchange(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.expect("connected");
    stream.write_all(request).await.expect("sent");
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).await.expect("a reply, then the end");
    String::from_utf8(reply).expect("UTF-8")
}

async fn get(address: SocketAddr, path: &str, more: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{more}\r\n");
    exchange(address, request.as_bytes()).await
}

fn status(reply: &str) -> u16 {
    reply.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("no status: {reply}"))
}

#[tokio::test]
async fn a_client_that_asks_too_often_waits_and_others_do_not() {
    let limit = "0.05/3".parse().expect("a limit");
    let (address, running) = start(ServerConfig { rate_limit: Some(limit), ..ServerConfig::default() }).await;
    const PATH: &str = "/api/search?q=sea&mode=keyword";
    for left in [2, 1, 0] {
        let reply = get(address, PATH, "").await;
        assert_eq!(status(&reply), 200, "{reply}");
        assert!(reply.contains("ratelimit-limit: 3\r\n"), "{reply}");
        assert!(reply.contains(&format!("ratelimit-remaining: {left}\r\n")), "{reply}");
    }
    // Nobody said that this address is a proxy's.
    for more in ["", "X-Forwarded-For: 198.51.100.1\r\n", "Forwarded: for=198.51.100.2\r\n"] {
        let reply = get(address, PATH, more).await;
        assert_eq!(status(&reply), 429, "{reply}");
        assert!(reply.contains("application/problem+json") && reply.contains("\"rate_limited\""), "{reply}");
        let wait = reply.split("retry-after: ").nth(1).and_then(|rest| rest.split('\r').next());
        let wait: u64 = wait.and_then(|wait| wait.parse().ok()).unwrap_or_else(|| panic!("no time to wait: {reply}"));
        assert!((1..=20).contains(&wait) && reply.contains(&format!("ratelimit-reset: {wait}\r\n")), "{reply}");
        assert!(reply.contains("content-security-policy: default-src 'none'"), "{reply}");
    }
    for _ in 0..5 {
        assert_eq!(status(&get(address, "/health", "").await), 200, "a platform may always ask");
    }
    running.abort();

    let trusted_proxies = "127.0.0.0/8".parse().expect("a network");
    let (address, running) =
        start(ServerConfig { rate_limit: Some(limit), trusted_proxies, ..ServerConfig::default() }).await;
    for (client, expected) in [("198.51.100.1", [200, 200, 200, 429]), ("198.51.100.2", [200, 200, 200, 429])] {
        for (number, expected) in expected.into_iter().enumerate() {
            // What the client itself wrote stands before what the proxy added.
            let more = format!("X-Forwarded-For: 203.0.113.{number}, {client}\r\n");
            assert_eq!(status(&get(address, PATH, &more).await), expected, "{client}");
        }
    }
    running.abort();
}

#[tokio::test]
async fn what_is_no_request_is_refused_and_the_service_goes_on() {
    let (address, running) = start(ServerConfig::default()).await;
    let headers = |name: &str, value: &str| format!("GET /health HTTP/1.1\r\nHost: x\r\n{name}: {value}\r\n\r\n");
    let many: String = (0..500).map(|n| format!("X-{n}: x\r\n")).collect();
    let cases: Vec<(Vec<u8>, &[u16])> = vec![
        (b"\0\x01\x02\r\n\r\n".to_vec(), &[400]),
        (b"GET / HTTP/9.9\r\n\r\n".to_vec(), &[400, 505]),
        (b"GET  / HTTP/1.1\r\n\r\n".to_vec(), &[400]),
        (headers("X-A", "a\0b").into_bytes(), &[400]),
        (b"GET /health HTTP/1.1\r\nHost: x\r\nX A: b\r\n\r\n".to_vec(), &[400]),
        (b"POST /api/books HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n".to_vec(), &[400]),
        (b"POST /api/books HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx".to_vec(), &[400]),
        (format!("GET /health HTTP/1.1\r\nHost: x\r\n{many}\r\n").into_bytes(), &[431]),
        (headers("X-Long", &"a".repeat(1 << 20)).into_bytes(), &[431]),
    ];
    for (request, expected) in cases {
        let reply = exchange(address, &request).await;
        let shown = String::from_utf8_lossy(&request[..request.len().min(60)]).into_owned();
        assert!(expected.contains(&status(&reply)), "{shown}: {reply}");
        for private in ["panicked", "src/", ".rs", "hyper"] {
            assert!(!reply.contains(private), "{shown}: {reply}");
        }
    }
    // Both lengths given: what hyper makes of it must not let a second request be smuggled in.
    let smuggled = b"POST /api/books HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\nGET /api/books/iliad HTTP/1.1\r\nHost: x\r\n\r\n";
    let reply = exchange(address, smuggled).await;
    assert!(!reply.contains("Homer") && reply.matches("HTTP/1.1 ").count() == 1, "{reply}");
    assert_eq!(status(&get(address, "/health", "").await), 200);
    running.abort();
}
