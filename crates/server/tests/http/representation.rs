//! How replies travel: compressed, tagged, and described.

use crate::support::{Reply, app, get, send};
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, StatusCode};
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::Read;
use tower::ServiceExt;

async fn get_with(header: (&str, &str), path: &str) -> Reply {
    send(app(), Request::get(path).header(header.0, header.1).body(Body::empty()).expect("a request")).await
}

#[tokio::test]
async fn what_is_at_hand_is_not_sent_again() {
    for path in ["/api/books/iliad", "/api/search?q=insect", "/api/facets", "/api/suggest?q=kaf", "/openapi.json"] {
        let reply = get(path).await;
        let tag = reply.header("etag").to_owned();
        // A record's is strong: it is written under the condition that it is still so.
        assert_eq!(
            (tag.starts_with("W/\""), reply.status),
            (!path.starts_with("/api/books/"), StatusCode::OK),
            "{path}: {tag}"
        );
        // A search takes another time each time, and says the same.
        for at_hand in [tag.as_str(), &format!("\"other\", {tag}"), "*"] {
            let again = get_with(("if-none-match", at_hand), path).await;
            assert_eq!((again.status, again.body.as_str()), (StatusCode::NOT_MODIFIED, ""), "{path}: {at_hand}");
            assert_eq!(again.header("etag"), tag, "{path}");
            assert_ne!(again.header("cache-control"), "", "{path}");
        }
        let other = get_with(("if-none-match", "\"other\""), path).await;
        assert_eq!((other.status, other.header("etag")), (StatusCode::OK, &*tag), "{path}");
    }
    let other = get("/api/search?q=lighthouse").await;
    assert_ne!(other.header("etag"), get("/api/search?q=insect").await.header("etag"));
    let refused = get_with(("if-none-match", "*"), "/api/search?q=").await;
    assert_eq!((refused.status, refused.header("etag")), (StatusCode::BAD_REQUEST, ""));
}

#[tokio::test]
async fn long_replies_are_compressed_for_those_who_read_that() {
    for path in ["/api/search?q=insect", "/?q=insect", "/openapi.json", "/docs", "/metrics"] {
        let plain = get(path).await;
        assert_eq!(plain.header("content-encoding"), "", "{path}");
        let request = Request::get(path).header("accept-encoding", "br, gzip").body(Body::empty()).expect("a request");
        let reply = app().oneshot(request).await.expect("the router never fails");
        assert_eq!(reply.headers()["content-encoding"], "gzip", "{path}");
        let vary: Vec<_> = reply.headers().get_all("vary").iter().collect();
        assert!(vary.iter().any(|value| *value == "accept-encoding"), "{path}: {vary:?}");
        let tag = reply.headers().get("etag").map(|tag| tag.to_str().expect("readable").to_owned());
        assert_eq!(tag.unwrap_or_default(), plain.header("etag"), "{path}");
        let bytes = to_bytes(reply.into_body(), 1 << 20).await.expect("a body");
        let mut text = String::new();
        flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut text).expect("gzip");
        assert!(bytes.len() < text.len() && text.len() > 1024, "{path}: {} of {}", bytes.len(), text.len());
        if !path.contains("insect") && path != "/metrics" {
            assert_eq!(text, plain.body, "{path}");
        }
    }
    let short = get_with(("accept-encoding", "gzip"), "/health").await;
    assert_eq!((short.header("content-encoding"), short.body.as_str()), ("", r#"{"status":"ok"}"#));
}

/// Every route as the router's source has it: methods and path.
fn routes() -> BTreeSet<String> {
    let source = include_str!("../../src/router.rs");
    let mut routes = BTreeSet::new();
    // A route may take several lines.
    for route in source.split(".route(").filter_map(|route| route.trim_start().strip_prefix('"')) {
        let (path, handlers) = route.split_once("\",").expect("a path and its handlers");
        for method in ["get", "post", "put", "patch", "delete"] {
            if handlers.contains(&format!("{method}(")) {
                routes.insert(format!("{method} {}", path.replace("{*", "{")));
            }
        }
    }
    routes
}

#[tokio::test]
async fn the_description_has_every_route_and_no_other() {
    let document = get("/openapi.json").await.json();
    let paths = document["paths"].as_object().expect("paths");
    let described: BTreeSet<String> = paths
        .iter()
        .flat_map(|(path, methods)| {
            methods.as_object().expect("methods").keys().map(move |method| format!("{method} {path}"))
        })
        .collect();
    let routes = routes();
    assert!(routes.len() > 15, "{routes:?}");
    assert_eq!(routes, described);
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
}

#[tokio::test]
async fn every_reference_of_the_description_leads_somewhere_and_every_component_is_used() {
    let reply = get("/openapi.json").await;
    let document = reply.json();
    let mut references = BTreeSet::new();
    collect(&document, &mut references);
    for reference in &references {
        assert!(document.pointer(&reference[1..]).is_some(), "{reference}");
    }
    for kind in ["parameters", "responses", "schemas"] {
        for name in document["components"][kind].as_object().expect("components").keys() {
            assert!(references.contains(&format!("#/components/{kind}/{name}")), "{kind}/{name} is used nowhere");
        }
    }
}

fn collect(value: &Value, references: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => members.iter().for_each(|(name, value)| match value.as_str() {
            Some(reference) if name == "$ref" => drop(references.insert(reference.to_owned())),
            _ => collect(value, references),
        }),
        Value::Array(items) => items.iter().for_each(|item| collect(item, references)),
        _ => {}
    }
}

#[tokio::test]
async fn the_page_of_the_api_has_every_operation_and_needs_nothing_from_elsewhere() {
    let page = get("/docs").await;
    assert_eq!((page.status, page.header("content-type")), (StatusCode::OK, "text/html; charset=utf-8"));
    for part in
        ["GET /api/search", "POST /v1/embeddings", "If-None-Match", "id=\"schema-Book\"", "href=\"#schema-Problem\""]
    {
        assert!(page.body.contains(part), "{part} is missing from:\n{:.3000}", page.body);
    }
    for attribute in ["src", "href", "action"] {
        assert!(!page.body.contains(&format!("{attribute}=\"http")), "{attribute} leads elsewhere");
    }
    let head =
        send(app(), Request::builder().method(Method::HEAD).uri("/docs").body(Body::empty()).expect("one")).await;
    assert_eq!((head.status, head.body.as_str()), (StatusCode::OK, ""));
}
