//! What readers get when all is well.

use crate::support::{EVIL, app_with, ask, browse, get, library};
use axum::http::{Method, StatusCode};
use libellus_server::ServerConfig;
use std::sync::Arc;

/// The largest page and the largest stylesheet.
const BUDGET_BYTES: usize = 20 * 1024;

#[tokio::test]
async fn the_start_page_invites_to_search() {
    let page = browse("/").await;
    assert_eq!((page.status, page.header("content-type")), (StatusCode::OK, "text/html; charset=utf-8"));
    for part in [
        "Town Library",
        "name=\"q\"",
        "value=\"hybrid\" checked",
        "5 books",
        "/?q=growing%20old%20and%20looking%20back%20on%20love",
    ] {
        assert!(page.body.contains(part), "`{part}` is missing from:\n{}", page.body);
    }
}

#[tokio::test]
async fn an_empty_catalogue_says_how_to_fill_it() {
    let empty = app_with(Arc::new(library(&[], true)), &ServerConfig::default());
    let page = ask(empty, Method::GET, "/", None).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.body.contains("libellus import"), "{}", page.body);
}

#[tokio::test]
async fn results_lead_to_the_books() {
    let results = browse("/?q=man+wakes+up+as+an+insect&mode=semantic").await;
    assert_eq!(results.status, StatusCode::OK);
    for part in [
        "value=\"man wakes up as an insect\"",
        "searched among 5 in",
        "enormous beetle",
        "href=\"/books/metamorphosis\"",
    ] {
        assert!(results.body.contains(part), "`{part}` is missing from:\n{}", results.body);
    }
    let book = browse("/books/metamorphosis").await;
    assert_eq!(book.status, StatusCode::OK);
    assert!(book.body.contains("lang=\"de\">Die Verwandlung<"), "{}", book.body);
}

#[tokio::test]
async fn years_before_our_era_and_foreign_titles_are_marked() {
    let page = browse("/books/iliad").await.body;
    assert!(page.contains("750 BCE") && page.contains("lang=\"grc\">Ἰλιάς</h1>"), "{page}");
}

#[tokio::test]
async fn nothing_from_outside_becomes_markup() {
    let paths = [
        "/?q=cheese",
        "/?q=cheese&mode=keyword",
        "/books/a%2Fb%20c%3Fd%3D%C3%A9",
        "/?q=%3Cscript%3Ealert(%27x%27)%3C/script%3E",
        "/?q=%22%3E%3Cscript%3Ealert(%27x%27)%3C/script%3E&limit=abc",
        "/?q=x&mode=%3Cscript%3Ealert(%27x%27)%3C/script%3E",
        "/?q=x&limit=%3Cscript%3Ealert(%27x%27)%3C/script%3E",
        "/books/%3Cscript%3Ealert(%27x%27)%3C%2Fscript%3E",
    ];
    for path in paths {
        let page = browse(path).await;
        assert!(page.header("content-type").starts_with("text/html"), "{path}");
        assert!(!page.body.contains(EVIL), "{path}:\n{}", page.body);
        assert_eq!(page.body.matches("<script").count(), 1, "{path}: there is only our own:\n{}", page.body);
        assert!(page.body.contains("&#60;script&#62;"), "{path}: it is shown as text:\n{}", page.body);
    }
}

#[tokio::test]
async fn the_stylesheet_may_be_kept_and_the_pages_are_small() {
    let page = browse("/?q=sea").await;
    let (_, link) = page.body.split_once("<link rel=\"stylesheet\" href=\"").expect("a stylesheet");
    let (path, _) = link.split_once('"').expect("its path");
    let style = get(path).await;
    assert_eq!((style.status, style.header("content-type")), (StatusCode::OK, "text/css; charset=utf-8"));
    assert!(style.header("cache-control").contains("immutable"), "{}", style.header("cache-control"));
    for (name, reply) in [("page", &page), ("stylesheet", &style)] {
        assert!(reply.body.len() <= BUDGET_BYTES, "the {name} has {} bytes", reply.body.len());
    }
    assert_eq!(get("/favicon.svg").await.header("content-type"), "image/svg+xml");
    assert_eq!(get("/assets/0000000000000000.css").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_long_query_is_answered_with_a_note() {
    let page = browse(&format!("/?q={}", "sea+".repeat(400))).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.body.contains("longer than the model reads"), "{}", page.body);
}

#[tokio::test]
async fn no_hits_is_an_answer() {
    let page = browse("/?q=zzyzxqq&mode=keyword").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.body.contains("Nothing found for") && page.body.contains("href=\"/?q=zzyzxqq\""), "{}", page.body);
}
