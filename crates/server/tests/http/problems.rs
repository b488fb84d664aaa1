//! Every way to ask wrongly, as a program and as a reader.

use crate::support::{BROWSER, Reply, app, ask, browse, get};
use axum::http::{Method, StatusCode};

/// Path, status, code.
fn cases() -> Vec<(String, u16, &'static str)> {
    let too_long = "a".repeat(20_000);
    [
        ("/api/search", 400, "query_empty"),
        ("/api/search?q=", 400, "query_empty"),
        ("/api/search?q=+%20%09", 400, "query_empty"),
        (&format!("/api/search?q={too_long}"), 414, "query_too_long"),
        ("/api/search?q=sea&limit=abc", 400, "limit_invalid"),
        ("/api/search?q=sea&limit=-1", 400, "limit_invalid"),
        ("/api/search?q=sea&limit=0", 400, "limit_out_of_range"),
        ("/api/search?q=sea&limit=1000", 400, "limit_out_of_range"),
        ("/api/search?q=sea&mode=foo", 400, "mode_unknown"),
        ("/api/search?q=100%", 400, "escape_invalid"),
        ("/api/search?q=%zz", 400, "escape_invalid"),
        ("/api/search?q=%ff%fe", 400, "utf8_invalid"),
        ("/api/books/nobody-wrote-this", 404, "book_not_found"),
        ("/api/books/%ff", 400, "utf8_invalid"),
        ("/api/books/", 404, "path_unknown"),
        ("/api/books/a/b", 404, "path_unknown"),
        ("/api", 404, "path_unknown"),
        ("/api/nowhere", 404, "path_unknown"),
    ]
    .map(|(path, status, code)| (path.to_owned(), status, code))
    .to_vec()
}

/// A reply is a problem document with everything in it, and nothing of the query.
fn assert_problem(reply: &Reply, path: &str, status: u16, code: &str) {
    let name = &path[..path.len().min(80)];
    assert_eq!(reply.status.as_u16(), status, "{name}: {}", reply.body);
    assert_eq!(reply.header("content-type"), "application/problem+json", "{name}");
    let problem = reply.json();
    assert_eq!(problem["code"], code, "{name}: {problem}");
    assert_eq!(problem["status"], status, "{name}");
    assert_eq!(problem["type"], "about:blank", "{name}");
    assert_eq!(problem["title"], reply.status.canonical_reason().expect("a known status"), "{name}");
    assert_eq!(problem["instance"], path.split('?').next().expect("a path"), "{name}");
    for member in ["detail", "hint"] {
        assert!(problem[member].as_str().is_some_and(|text| text.len() > 10), "{name}: {member}: {problem}");
    }
    assert!(reply.body.len() < 1000, "{name}: a problem is short: {}", reply.body);
}

#[tokio::test]
async fn the_api_answers_with_problem_documents_whoever_asks() {
    for (path, status, code) in cases() {
        assert_problem(&get(&path).await, &path, status, code);
        assert_problem(&browse(&path).await, &path, status, code);
    }
}

#[tokio::test]
async fn pages_answer_programs_with_problem_documents_too() {
    let cases = [
        ("/?q=", 400, "query_empty"),
        ("/?q=sea&limit=abc", 400, "limit_invalid"),
        ("/books/nobody-wrote-this", 404, "book_not_found"),
        ("/nowhere", 404, "path_unknown"),
    ];
    for (path, status, code) in cases {
        assert_problem(&get(path).await, path, status, code);
    }
}

#[tokio::test]
async fn readers_get_a_page_that_keeps_what_they_typed() {
    let too_long = format!("/?q={}&mode=keyword", "a".repeat(20_000));
    let cases = [
        ("/?q=", 400, "What is the book about?", "name=\"q\""),
        ("/?q=grey+sea&limit=abc", 400, "That many books cannot be shown", "value=\"grey sea\""),
        ("/?q=grey+sea&limit=0", 400, "That many books cannot be shown", "value=\"grey sea\""),
        ("/?q=grey+sea&mode=foo", 400, "There is no such way to search", "value=\"grey sea\""),
        ("/?q=100%+wool", 400, "The address is damaged", "value=\"100% wool\""),
        (&too_long, 414, "That is too long", "value=\"keyword\" checked"),
        ("/books/nobody-wrote-this", 404, "This book is not in the catalogue", "name=\"q\""),
        ("/nowhere", 404, "There is no page at this address", "name=\"q\""),
    ];
    for (path, status, heading, kept) in cases {
        let page = browse(path).await;
        let name = &path[..path.len().min(80)];
        assert_eq!(page.status.as_u16(), status, "{name}");
        assert_eq!(page.header("content-type"), "text/html; charset=utf-8", "{name}");
        for part in [heading, kept] {
            assert!(page.body.contains(part), "{name}: `{part}` is missing from:\n{:.3000}", page.body);
        }
    }
}

#[tokio::test]
async fn a_wrong_method_names_the_right_ones() {
    for path in ["/api/search?q=sea", "/api/facets", "/health"] {
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
            let reply = ask(app(), method.clone(), path, None).await;
            assert_problem(&reply, path, 405, "method_not_allowed");
            assert_eq!(reply.header("allow"), "GET,HEAD", "{method} {path}");
        }
    }
    // Text Embeddings Inference embeds what is sent to the page's address.
    for method in [Method::PUT, Method::DELETE, Method::OPTIONS] {
        let reply = ask(app(), method.clone(), "/", None).await;
        assert_problem(&reply, "/", 405, "method_not_allowed");
        assert_eq!(reply.header("allow"), "GET,HEAD,POST", "{method} /");
    }
    for method in [Method::GET, Method::PUT] {
        let reply = ask(app(), method.clone(), "/v1/embeddings", None).await;
        assert_eq!((reply.status.as_u16(), reply.header("allow")), (405, "POST"), "{method}");
        assert_eq!(reply.json()["error"]["code"], "method_not_allowed", "{method}");
    }
    for (path, allowed) in [
        ("/api/books/iliad", "GET,HEAD,PUT,PATCH,DELETE"),
        ("/api/books", "POST"),
        ("/api/imports", "POST,GET,HEAD"),
        ("/api/imports/1", "GET,HEAD"),
    ] {
        let reply = ask(app(), Method::OPTIONS, path, None).await;
        assert_problem(&reply, path, 405, "method_not_allowed");
        let sorted = |list: &str| {
            let mut methods: Vec<String> = list.split(',').map(str::to_owned).collect();
            methods.sort();
            methods
        };
        assert_eq!(sorted(reply.header("allow")), sorted(allowed), "{path}");
    }
}

#[tokio::test]
async fn every_reply_carries_the_security_headers() {
    for path in
        ["/", "/?q=sea", "/nowhere", "/books/iliad", "/api/search?q=sea", "/api/search", "/health", "/favicon.svg"]
    {
        for accept in [None, Some(BROWSER)] {
            let reply = ask(app(), Method::GET, path, accept).await;
            let policy = reply.header("content-security-policy");
            assert!(policy.contains("default-src 'none'"), "{path}: {policy}");
            // Nothing but what comes from here: no inline code, no other site.
            let mut sources = policy.split(';').flat_map(|directive| directive.split_whitespace().skip(1));
            assert!(sources.all(|source| ["'none'", "'self'"].contains(&source)), "{path}: {policy}");
            assert_eq!(reply.header("x-content-type-options"), "nosniff", "{path}");
            assert_eq!(reply.header("referrer-policy"), "no-referrer", "{path}");
            assert_ne!(reply.header("cache-control"), "", "{path}");
            assert!(!reply.headers.contains_key("set-cookie"), "{path}");
        }
    }
    assert_eq!(get("/nowhere").await.status, StatusCode::NOT_FOUND);
}
