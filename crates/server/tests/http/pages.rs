//! What readers get when all is well.

use crate::support::{BROWSER, EVIL, app, app_with, ask, ask_with, browse, get, library};
use axum::body::Body;
use axum::http::{Method, StatusCode};
use libellus_server::{Logo, ServerConfig};
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
        let ours = ["<script src=\"/assets/", "<script type=\"application/ld+json\">{\"@context\""];
        let ours: usize = ours.iter().map(|ours| page.body.matches(ours).count()).sum();
        assert_eq!(page.body.matches("<script").count(), ours, "{path}: there is only our own:\n{}", page.body);
        assert_eq!(page.body.matches("</script").count(), ours, "{path}: and it ends where we end it:\n{}", page.body);
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

#[tokio::test]
async fn a_book_can_be_cited_in_every_format_and_is_described_for_machines() {
    let page = browse("/books/metamorphosis").await.body;
    for (format, media_type, file, beginning) in [
        ("ris", "application/x-research-info-systems", "metamorphosis.ris", "TY  - BOOK\r\nID  - metamorphosis"),
        ("bibtex", "application/x-bibtex", "metamorphosis.bib", "@book{"),
        ("csl-json", "application/vnd.citationstyles.csl+json", "metamorphosis.json", "[\n{"),
        ("marcxml", "application/marcxml+xml", "metamorphosis.xml", "<?xml"),
        ("json-ld", "application/ld+json", "metamorphosis.jsonld", "{\"@context\":\"https://schema.org\""),
    ] {
        let path = format!("/api/books/metamorphosis?format={format}");
        assert!(page.contains(&format!("<link rel=\"alternate\" type=\"{media_type}\" href=\"{path}\"")), "{page}");
        let reply = get(&path).await;
        assert_eq!((reply.status, reply.header("content-type")), (StatusCode::OK, media_type), "{format}");
        assert_eq!(reply.header("content-disposition"), format!("attachment; filename=\"{file}\""));
        assert!(reply.body.starts_with(beginning), "{format}: {}", reply.body);
    }
    let unknown = get("/api/books/metamorphosis?format=pdf").await;
    assert_eq!((unknown.status, &unknown.json()["code"]), (StatusCode::BAD_REQUEST, &"record_format_unknown".into()));
    assert_eq!(get("/api/books/metamorphosis?format=json").await.header("content-type"), "application/json");
    let (_, json_ld) = page.split_once("<script type=\"application/ld+json\">").expect("JSON-LD");
    let json_ld: serde_json::Value =
        serde_json::from_str(json_ld.split_once("</script>").expect("its end").0).expect("JSON");
    assert_eq!(json_ld["@graph"][0]["name"], "Metamorphosis");
    let coins = "<span class=\"Z3988\" title=\"ctx_ver=Z39.88-2004&#38;rft_val_fmt=info%3Aofi%2Ffmt%3Akev%3Amtx%3Abook\
                 &#38;rft.genre=book&#38;rft.btitle=Metamorphosis&#38;rft.au=Franz%20Kafka&#38;rft.date=1915\"></span>";
    assert!(page.contains(coins) && browse("/?q=beetle").await.body.contains(coins), "{page}");
}

#[tokio::test]
async fn pages_speak_the_language_that_the_address_or_the_browser_asks_for() {
    let ask = async |path: &str, accepted: &str| {
        let headers = [("accept", BROWSER), ("accept-language", accepted)];
        ask_with(app(), Method::GET, path, &headers, Body::empty()).await
    };
    for (path, accepted, parts) in [
        ("/", "de-DE,de;q=0.9", &["<html lang=\"de\" dir=\"ltr\">", "Wovon handelt das Buch?", "5 Bücher"][..]),
        ("/?lang=ar", "de", &["<html lang=\"ar\" dir=\"rtl\">", "5 كتب", "<a class=\"brand\" href=\"/?lang=ar\">"]),
        (
            "/?q=beetle&lang=fr",
            "",
            &["Livres pour <q", "href=\"/books/metamorphosis?lang=fr\"", "name=\"lang\" value=\"fr\""],
        ),
        ("/?q=beetle&mode=keyword", "te", &["వర్ణనలో", "href=\"/books/metamorphosis\""]),
        (
            "/books/metamorphosis?lang=hi",
            "",
            &["मूल शीर्षक", "जर्मन", "href=\"/?q=Franz%20Kafka&#38;mode=keyword&#38;lang=hi\""],
        ),
        ("/books/iliad", "ar", &["<h1 dir=\"ltr\" lang=\"grc\">Ἰλιάς</h1>", "اليونانية القديمة"]),
        ("/nowhere", "fr", &["Il n’y a pas de page à cette adresse", "lang=\"en\" dir=\"ltr\">There is nothing"]),
        ("/?q=sea&limit=x", "fr", &["<h1 id=\"problem\" lang=\"en\" dir=\"ltr\">That many books"]),
        ("/?q=100%&lang=de", "fr", &["<html lang=\"de\"", "name=\"lang\" value=\"de\""]),
        ("/", "pt-BR,pt", &["<html lang=\"en\" dir=\"ltr\">", "What is the book about?"]),
    ] {
        let page = ask(path, accepted).await;
        for part in parts {
            assert!(page.body.contains(part), "{path} in {accepted}: `{part}` is missing from:\n{}", page.body);
        }
        let vary: Vec<_> = page.headers.get_all("vary").iter().collect();
        assert!(vary.iter().any(|value| *value == "accept-language"), "{path}: {vary:?}");
    }
    let links = ask("/?q=sea&lang=de", "").await.body;
    assert!(links.contains("<a href=\"/?q=sea&#38;lang=te\" lang=\"te\" hreflang=\"te\""), "{links}");
    assert!(
        links.contains("<a href=\"/?q=sea&#38;lang=de\" lang=\"de\" hreflang=\"de\" dir=\"ltr\" aria-current"),
        "{links}"
    );
}

#[tokio::test]
async fn the_page_has_the_librarys_name_logo_and_colour() {
    let logo = Logo::new(b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>".to_vec());
    let config = ServerConfig {
        site_name: "Town <Library>".to_owned(),
        accent: Some("#7a1f3d".parse().expect("a colour")),
        logo: Some(logo.expect("a picture")),
        ..ServerConfig::default()
    };
    let app = app_with(Arc::new(library(&[], false)), &config);
    let page = ask(app.clone(), Method::GET, "/", Some(BROWSER)).await.body;
    assert!(page.contains("Town &#60;Library&#62;") && !page.contains("<Library>"), "{page}");
    let after = |part: &str| page.split(part).nth(1).and_then(|rest| rest.split('"').next()).map(str::to_owned);
    let style = after("rel=\"stylesheet\" href=\"").expect("a style");
    let style = ask(app.clone(), Method::GET, &style, None).await;
    assert!(style.status == StatusCode::OK && style.body.contains("--accent: #7a1f3d"), "{}", style.body);
    let logo = ask(app, Method::GET, &after("<img src=\"").expect("a logo"), None).await;
    assert_eq!((logo.status, logo.header("content-type")), (StatusCode::OK, "image/svg+xml"));
    // Whoever opens it alone runs nothing of it either.
    assert!(logo.header("content-security-policy").contains("default-src 'none'"));
    assert!(!get("/").await.body.contains("<img"));
}
