//! Which pages of other sites may read which replies.

use crate::support::{Reply, app_with, books, library};
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use libellus_server::ServerConfig;
use std::sync::{Arc, LazyLock};
use tower::ServiceExt;

const FRIEND: &str = "https://school.example";

/// Asks a service with these `origins` from a page of `origin`; a preflight if the method is OPTIONS.
async fn ask_from(origin: Option<&str>, origins: &str, method: Method, path: &str) -> Reply {
    static LIBRARY: LazyLock<Arc<libellus_search::Library>> = LazyLock::new(|| Arc::new(library(&books(), true)));
    let allowed_origins = origins.parse().expect("origins");
    let app = app_with(Arc::clone(&LIBRARY), &ServerConfig { allowed_origins, ..ServerConfig::default() });
    let mut request = Request::builder().method(&method).uri(path);
    if let Some(origin) = origin {
        request = request.header("origin", origin);
    }
    if method == Method::OPTIONS {
        request = request.header("access-control-request-method", "GET");
    }
    let response = app.oneshot(request.body(Body::empty()).expect("a request")).await.expect("it never fails");
    let (status, headers) = (response.status(), response.headers().clone());
    let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.expect("a body");
    Reply { status, headers, body: String::from_utf8(body.to_vec()).expect("UTF-8") }
}

/// All values of `Vary`.
fn vary(reply: &Reply) -> Vec<&str> {
    reply.headers.get_all("vary").iter().map(|value| value.to_str().expect("readable")).collect()
}

#[tokio::test]
async fn only_listed_origins_are_echoed() {
    let listed = "https://school.example,https://town.example:8443";
    for (origin, origins, path, expected) in [
        (Some(FRIEND), listed, "/api/search?q=sea", FRIEND),
        (Some("https://town.example:8443"), listed, "/api/search?q=sea", "https://town.example:8443"),
        (Some("https://town.example"), listed, "/api/search?q=sea", ""),
        (Some("https://school.example.evil.example"), listed, "/api/search?q=sea", ""),
        (Some("http://school.example"), listed, "/api/search?q=sea", ""),
        (Some("null"), listed, "/api/search?q=sea", ""),
        (None, listed, "/api/search?q=sea", ""),
        (Some("https://any.example"), "*", "/api/search?q=sea", "*"),
        (None, "*", "/api/search?q=sea", "*"),
        (Some(FRIEND), "", "/api/search?q=sea", ""),
        (Some(FRIEND), listed, "/api/books/seeds", FRIEND),
        // Errors are readable too; pages are not for other sites.
        (Some(FRIEND), listed, "/api/search?q=", FRIEND),
        (Some(FRIEND), listed, "/api/books/none", FRIEND),
        (Some(FRIEND), listed, "/api/nothing", FRIEND),
        (Some(FRIEND), listed, "/v1/models", FRIEND),
        (Some(FRIEND), listed, "/info", FRIEND),
        (Some(FRIEND), listed, "/?q=sea", ""),
    ] {
        let reply = ask_from(origin, origins, Method::GET, path).await;
        assert_eq!(reply.header("access-control-allow-origin"), expected, "{origin:?} {origins} {path}");
        assert_eq!(reply.header("access-control-allow-credentials"), "", "never with credentials");
        let by_origin = vary(&reply).iter().filter(|value| **value == "origin").count();
        let is_listed_api = origins == listed && !path.starts_with("/?");
        assert_eq!(by_origin, usize::from(is_listed_api), "{origin:?} {origins} {path}: {:?}", vary(&reply));
    }
}

#[tokio::test]
async fn preflights_are_answered_for_who_may_ask() {
    for (origin, origins, path, status, allowed) in [
        (FRIEND, FRIEND, "/api/search", StatusCode::NO_CONTENT, true),
        ("https://x.example", "*", "/api/search", StatusCode::NO_CONTENT, true),
        ("https://x.example", FRIEND, "/api/search", StatusCode::NO_CONTENT, false),
        (FRIEND, "", "/api/search", StatusCode::METHOD_NOT_ALLOWED, false),
        (FRIEND, FRIEND, "/", StatusCode::METHOD_NOT_ALLOWED, false),
    ] {
        let reply = ask_from(Some(origin), origins, Method::OPTIONS, path).await;
        assert_eq!(reply.status, status, "{origin} {origins:?} {path}");
        let rules = ["allow-origin", "allow-methods", "allow-headers", "max-age"];
        for rule in rules.map(|rule| format!("access-control-{rule}")) {
            assert_eq!(!reply.header(&rule).is_empty(), allowed, "{rule}: {origin} {origins:?} {path}");
        }
    }
    let reply = ask_from(Some(FRIEND), FRIEND, Method::OPTIONS, "/api/search").await;
    assert_eq!(reply.header("access-control-allow-methods"), "GET, HEAD, POST, PUT, PATCH, DELETE");
    assert_eq!((vary(&reply), reply.body.as_str()), (vec!["origin"], ""));
    let reply = ask_from(Some(FRIEND), FRIEND, Method::OPTIONS, "/v1/embeddings").await;
    assert_eq!(reply.header("access-control-allow-methods"), "GET, HEAD, POST");
}

#[tokio::test]
async fn an_errors_reply_varies_by_both() {
    let reply = ask_from(Some(FRIEND), FRIEND, Method::GET, "/api/nothing").await;
    assert_eq!(vary(&reply), ["accept", "accept-encoding", "origin"]);
    assert_eq!(reply.json()["code"], "path_unknown");
}
