//! What programs get when all is well.

use crate::support::{app, app_with, ask, books, get, library};
use axum::http::{Method, StatusCode};
use libellus_server::ServerConfig;
use serde_json::json;
use std::sync::Arc;

#[tokio::test]
async fn search_finds_by_meaning_and_names_the_passage() {
    let reply = get("/api/search?q=man+wakes+up+as+an+insect&limit=2").await;
    assert_eq!((reply.status, reply.header("content-type")), (StatusCode::OK, "application/json"));
    let answer = reply.json();
    assert_eq!(answer["query"], "man wakes up as an insect");
    assert_eq!(answer["mode"], "hybrid");
    assert_eq!(answer["searched_books"], 5);
    let shown = ["hits", "related"].iter().filter_map(|part| answer[part].as_array()).flatten().count();
    assert_eq!(shown, 2, "{answer}");
    let best = &answer["hits"][0];
    assert_eq!((&best["rank"], &best["book"]["id"]), (&json!(1), &json!("metamorphosis")), "{answer}");
    assert!(best["passage"].as_str().is_some_and(|passage| passage.contains("beetle")), "{best}");
    assert!(answer["query_tokens"]["seen"].as_u64().is_some_and(|seen| seen > 6), "{answer}");
}

#[tokio::test]
async fn search_finds_by_words() {
    let answer = get("/api/search?q=Kafka&mode=keyword").await.json();
    let ids: Vec<_> = answer["hits"].as_array().expect("hits").iter().map(|hit| &hit["book"]["id"]).collect();
    assert_eq!(ids, ["metamorphosis"]);
    assert_eq!(answer["mode"], "keyword");
    assert!(answer["query_tokens"].is_null(), "{answer}");
}

#[tokio::test]
async fn answers_are_narrowed_down_counted_and_read_page_by_page() {
    let answer = get("/api/search?q=a&limit=1&mode=keyword&facets=language,decade").await;
    let all = answer.json();
    let total = all["total"]["books"].as_u64().expect("a total");
    assert!(total > 1, "{all}");
    assert_eq!(all["facets"][0]["field"], "language");
    let link = answer.header("link");
    let next = link.strip_prefix("<").and_then(|link| link.strip_suffix(">; rel=\"next\"")).expect("a link");
    assert!(next.contains(all["next"].as_str().expect("a cursor")), "{link}");
    let second = get(next).await.json();
    assert_eq!(second["hits"][0]["rank"], 2);
    assert_ne!(second["hits"][0]["book"]["id"], all["hits"][0]["book"]["id"]);

    let value = all["facets"][0]["values"][0]["value"].as_str().expect("a language");
    let narrowed = get(&format!("/api/search?q=a&language={value}")).await.json();
    let shown = ["hits", "related"].iter().filter_map(|part| narrowed[part].as_array()).flatten();
    let mut languages = shown.map(|hit| hit["book"]["language"].as_str().unwrap_or_default());
    assert!(languages.all(|language| language.split('-').next() == Some(value)), "{narrowed}");
    let counts = get("/api/facets?facets=decade&language=none").await.json();
    assert_eq!(counts, json!([{"field": "decade", "values": []}]));
}

#[tokio::test]
async fn books_have_books_like_them_and_beginnings_have_endings() {
    let similar = get("/api/books/metamorphosis/similar?limit=2").await.json();
    assert_eq!(similar, get("/api/similar?id=metamorphosis&limit=2").await.json());
    let hits = similar["hits"].as_array().expect("hits");
    assert!(hits.len() == 2 && hits.iter().all(|hit| hit["book"]["id"] != "metamorphosis"), "{similar}");
    let suggestions = get("/api/suggest?q=kaf").await.json();
    assert_eq!(suggestions["authors"], json!([{"text": "Franz Kafka", "books": 1}]));
    let nothing = json!({"titles": [], "authors": [], "subjects": [], "series": []});
    assert_eq!(get("/api/suggest").await.json(), nothing);
}

#[tokio::test]
async fn a_book_is_read_by_its_id_whatever_that_holds() {
    for (path, id) in [("/api/books/iliad", "iliad"), ("/api/books/a%2Fb%20c%3Fd%3D%C3%A9", "a/b c?d=é")] {
        let reply = get(path).await;
        assert_eq!(reply.status, StatusCode::OK, "{path}: {}", reply.body);
        let expected = books().into_iter().find(|book| book.id == id).expect("a test book");
        assert_eq!(reply.json(), serde_json::to_value(expected).expect("JSON"), "{path}");
    }
}

#[tokio::test]
async fn health_and_readiness_are_told_apart() {
    let health = get("/health").await;
    assert_eq!((health.status, health.body.as_str()), (StatusCode::OK, r#"{"status":"ok"}"#));
    let ready = get("/ready").await;
    assert_eq!((ready.status, ready.json()["ready"].as_bool()), (StatusCode::OK, Some(true)));
    assert_eq!(ready.json()["catalogue"]["books"], 5);

    let unprepared = app_with(Arc::new(library(&books(), false)), &ServerConfig::default());
    let health = ask(unprepared.clone(), Method::GET, "/health", None).await;
    assert_eq!(health.status, StatusCode::OK, "alive all the same");
    let ready = ask(unprepared, Method::GET, "/ready", None).await;
    assert_eq!((ready.status, ready.json()["ready"].as_bool()), (StatusCode::SERVICE_UNAVAILABLE, Some(false)));
    assert!(ready.json()["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{}", ready.body);
}

#[tokio::test]
async fn head_gives_the_headers_of_get_and_no_body() {
    for path in
        ["/", "/?q=sea", "/books/iliad", "/api/search?q=sea", "/api/books/iliad", "/health", "/ready", "/favicon.svg"]
    {
        let head = ask(app(), Method::HEAD, path, None).await;
        let get = ask(app(), Method::GET, path, None).await;
        assert_eq!((head.status, head.header("content-type")), (get.status, get.header("content-type")), "{path}");
        assert_eq!(head.status, StatusCode::OK, "{path}");
        assert_eq!(head.body, "", "{path}");
    }
}
