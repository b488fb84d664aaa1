//! What the operator sees of requests: their ids, their counts, and how long they took. Logs are tested with the
//! executable, which has an error output of its own.

use crate::support::{Reply, app, app_with, ask, books, get, library, post, send};
use axum::body::Body;
use axum::http::{Method, Request};
use libellus_server::ServerConfig;
use std::sync::Arc;

async fn get_with(header: (&str, &str), path: &str) -> Reply {
    send(app(), Request::get(path).header(header.0, header.1).body(Body::empty()).expect("a request")).await
}

#[tokio::test]
async fn every_reply_has_the_id_of_its_request() {
    for path in ["/api/search?q=sea", "/api/nowhere", "/", "/health", "/v1/models", "/metrics"] {
        let given = get_with(("x-request-id", "order-7:a_b"), path).await;
        assert_eq!(given.header("x-request-id"), "order-7:a_b", "{path}");
        let unfit = get_with(("x-request-id", "a b\"c"), path).await;
        let (made, other) = (unfit.header("x-request-id").to_owned(), get(path).await);
        assert!(made.len() == 32 && made.bytes().all(|byte| byte.is_ascii_hexdigit()), "{path}: {made}");
        assert_ne!(other.header("x-request-id"), made, "{path}");
    }
    let problem = get_with(("x-request-id", "order-7"), "/api/search").await;
    assert_eq!(problem.json()["request_id"], "order-7");
}

#[tokio::test]
async fn a_search_says_where_its_time_went() {
    for path in ["/api/search?q=insect", "/?q=insect"] {
        let reply = get(path).await;
        let timing = reply.header("server-timing");
        let stages: Vec<&str> = timing.split(", ").filter_map(|stage| stage.split_once(";dur=")).map(|s| s.0).collect();
        assert_eq!(stages, ["encode", "scan", "fuse", "fetch"], "{timing}");
        let times = timing.split(", ").filter_map(|stage| stage.split_once(";dur=")?.1.parse::<f64>().ok());
        assert!(times.clone().count() == 4 && times.clone().all(|ms| ms >= 0.0), "{timing}");
    }
    let timings = &get("/api/search?q=insect").await.json()["timings"];
    assert!(["encode_ms", "scan_ms", "fuse_ms", "fetch_ms"].iter().all(|name| timings[name].is_number()), "{timings}");
}

#[tokio::test]
async fn requests_are_counted_by_route_and_never_by_what_was_asked() {
    let app = app_with(Arc::new(library(&books(), true)), &ServerConfig::default());
    let secret = "whalesecret";
    for path in
        ["/api/search?q=whalesecret", "/api/books/whalesecret", "/whalesecret", "/api/search?q=", "/?q=whalesecret"]
    {
        ask(app.clone(), Method::GET, path, None).await;
    }
    ask(app.clone(), Method::from_bytes(b"WHALESECRET").expect("a token"), "/api/search", None).await;
    let embed = r#"{"input": ["a", "whalesecret"]}"#.to_owned();
    post(app.clone(), "/v1/embeddings", "application/json", embed).await;
    let reply = ask(app.clone(), Method::GET, "/metrics", None).await;
    assert_eq!(reply.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    assert!(!reply.body.to_lowercase().contains(secret), "{}", reply.body);
    for line in [
        "libellus_requests_total{route=\"/api/search\",method=\"GET\",status=\"200\"} 1",
        "libellus_requests_total{route=\"/api/search\",method=\"GET\",status=\"400\"} 1",
        "libellus_requests_total{route=\"/api/search\",method=\"other\",status=\"405\"} 1",
        "libellus_requests_total{route=\"/api/books/{id}\",method=\"GET\",status=\"404\"} 1",
        "libellus_requests_total{route=\"none\",method=\"GET\",status=\"404\"} 1",
        "libellus_requests_total{route=\"/v1/embeddings\",method=\"POST\",status=\"200\"} 1",
        "libellus_request_seconds_count{route=\"/api/search\"} 3",
        "libellus_search_stage_seconds_count{stage=\"fuse\"} 2",
        "libellus_embedded_texts_total 2",
        "libellus_queue_requests{state=\"waiting\"} 0",
        "libellus_catalogue_up 1",
        "libellus_catalogue_books 5",
        "libellus_index_books 5",
    ] {
        assert!(reply.body.lines().any(|found| found == line), "`{line}` is missing from:\n{}", reply.body);
    }
}
