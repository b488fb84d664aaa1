//! What other programs read: Atom, OPDS, OpenSearch, and the maps of crawlers.

use crate::support::{EVIL, Reply, app, app_with, ask_with, books, browse, library, start};
use axum::body::Body;
use axum::http::{Method, StatusCode};
use libellus_server::{AccessConfig, Crawlers, Reading, ServerConfig};
use serde_json::json;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

const NAVIGATION: &str = "application/atom+xml;profile=opds-catalog;kind=navigation";

async fn get(path: &str) -> Reply {
    ask_with(app(), Method::GET, path, &[("host", "books.example:8080")], Body::empty()).await
}

#[tokio::test]
async fn a_search_is_a_feed_with_links_between_its_pages() {
    let feed = get("/feed.atom?q=a&mode=keyword&limit=1&year_from=-800").await;
    assert_eq!((feed.status, feed.header("content-type")), (StatusCode::OK, "application/atom+xml"));
    let own = "http://books.example:8080/feed.atom?q=a&#38;mode=keyword&#38;year_from=-800&#38;limit=1";
    for part in [
        &format!("<id>{own}</id>"),
        &format!("<link rel=\"self\" href=\"{own}\" type=\"application/atom+xml\"/>"),
        &format!("<link rel=\"next\" href=\"{own}&#38;after="),
        "<link rel=\"alternate\" href=\"http://books.example:8080/?q=a&#38;mode=keyword",
        "<title>a · Town Library</title>",
        "<author><name>Town Library</name></author>",
    ] {
        assert!(feed.body.contains(part), "`{part}` is missing from:\n{}", feed.body);
    }
    assert_eq!(feed.body.matches("<entry>").count(), 1, "{}", feed.body);
    let next = feed.body.split("rel=\"next\" href=\"http://books.example:8080").nth(1).expect("a next page");
    let next = next.split('"').next().expect("its address").replace("&#38;", "&");
    let second = get(&next).await;
    // One feed in pages has one id (RFC 5005), and no book twice.
    assert!(second.body.contains(&format!("<id>{own}</id>")), "{}", second.body);
    let entry = |feed: &Reply| feed.body.split("<entry>").nth(1).map(|entry| entry[..60].to_owned());
    assert_ne!(entry(&feed), entry(&second));
    // Who asks again and again is told that nothing changed.
    let (app, path) = (app(), "/feed.atom?q=a&mode=keyword");
    let ask = async |tag: &str| {
        let headers = [("host", "books.example"), ("if-none-match", tag)];
        ask_with(app.clone(), Method::GET, path, &headers, Body::empty()).await
    };
    let tag = ask("\"other\"").await.header("etag").to_owned();
    assert_eq!(ask(&tag).await.status, StatusCode::NOT_MODIFIED, "{tag}");
}

#[tokio::test]
async fn pages_lead_to_feeds_and_to_the_description_of_the_search() {
    let page = browse("/?q=sea&language=de&after=").await.body;
    for part in [
        "<link rel=\"alternate\" type=\"application/atom+xml\" href=\"/feed.atom?q=sea&#38;language=de\"",
        "<link rel=\"search\" href=\"/opensearch.xml\" type=\"application/opensearchdescription+xml\"",
    ] {
        assert!(page.contains(part), "`{part}` is missing from:\n{page}");
    }
    assert!(browse("/").await.body.contains("kind=navigation\" href=\"/opds\""));
    let description = get("/opensearch.xml").await;
    assert_eq!(description.header("content-type"), "application/opensearchdescription+xml");
    for part in [
        "type=\"text/html\" rel=\"results\" template=\"http://books.example:8080/?q={searchTerms}\"",
        "type=\"application/x-suggestions+json\" rel=\"suggestions\" template=\"http://books.example:8080/opensearch/suggestions?q={searchTerms}\"",
        "<ShortName>Town Library</ShortName>",
    ] {
        assert!(description.body.contains(part), "`{part}` is missing from:\n{}", description.body);
    }
    let suggestions = get("/opensearch/suggestions?q=kaf").await;
    assert_eq!(suggestions.header("content-type"), "application/x-suggestions+json");
    assert_eq!(suggestions.json(), json!(["kaf", ["Franz Kafka"]]));
}

#[tokio::test]
async fn opds_leads_from_subjects_to_books_and_narrows_them_down() {
    let mut shelf = books();
    for (at, book) in shelf.iter_mut().enumerate() {
        book.subjects = vec!["Reading".to_owned()];
        book.language = Some(if at % 2 == 0 { "de" } else { "en" }.to_owned());
    }
    let app = app_with(Arc::new(library(&shelf, true)), &ServerConfig::default());
    let ask =
        async |path: &str| ask_with(app.clone(), Method::GET, path, &[("host", "a.example")], Body::empty()).await;
    let root = ask("/opds").await;
    assert_eq!((root.status, root.header("content-type")), (StatusCode::OK, NAVIGATION));
    let subject = "/opds/books?q=Reading&mode=keyword&subject=Reading";
    let href = format!("rel=\"subsection\" href=\"http://a.example{}\"", subject.replace('&', "&#38;"));
    assert!(root.body.contains(&href), "`{href}` is missing from:\n{}", root.body);
    let found = ask(subject).await;
    assert_eq!(found.body.matches("<entry>").count(), 5, "{}", found.body);
    for part in [
        "type=\"text/html\"/>",
        "<link rel=\"start\" href=\"http://a.example/opds\"",
        "href=\"http://a.example/opds/books/iliad/similar\"",
        "title=\"German\" opds:facetGroup=\"Language\" thr:count=\"3\"",
        "title=\"All\" opds:facetGroup=\"Language\" opds:activeFacet=\"true\"",
    ] {
        assert!(found.body.contains(part), "`{part}` is missing from:\n{}", found.body);
    }
    // Nothing that says it can be acquired, for there are no files.
    assert!(!found.body.contains("opds-spec.org/acquisition"), "{}", found.body);
    let german = ask(&format!("{subject}&language=de")).await.body;
    assert_eq!(german.matches("<entry>").count(), 3, "{german}");
    assert!(german.contains("title=\"German\" opds:facetGroup=\"Language\" opds:activeFacet=\"true\""), "{german}");
    // A choice that leaves nothing can be given up.
    let telugu = ask(&format!("{subject}&language=te")).await.body;
    let all = format!(
        "href=\"http://a.example{}\" type=\"{NAVIGATION}\" title=\"All\" opds:facetGroup=\"Subject\"",
        "/opds/books?q=Reading&#38;mode=keyword&#38;language=te"
    );
    assert!(!telugu.contains("<entry>") && telugu.contains(&all), "{telugu}");
    assert_eq!(ask("/opds/books/iliad/similar").await.header("content-type"), NAVIGATION);
    assert_eq!(ask("/opds/books/nobody/similar").await.status, StatusCode::NOT_FOUND);

    let root = ask("/opds/v2").await;
    assert_eq!(root.header("content-type"), "application/opds+json");
    let root = root.json();
    assert_eq!(root["navigation"][1]["href"], "http://a.example/opds/v2/books?q=Reading&mode=keyword&subject=Reading");
    let search = root["links"].as_array().expect("links").iter().find(|link| link["rel"] == "search").cloned();
    let template = "http://a.example/opds/v2/books{?query}";
    assert_eq!(
        search,
        Some(json!({"rel": "search", "href": template, "type": "application/opds+json", "templated": true}))
    );
    let found = ask("/opds/v2/books?query=beetle").await.json();
    let own =
        json!({"rel": "self", "href": "http://a.example/opds/v2/books?q=beetle", "type": "application/opds+json"});
    assert_eq!(found["links"][0], own);
    let publication = &found["publications"][0];
    assert_eq!(publication["metadata"]["title"], "Metamorphosis");
    assert_eq!(publication["links"][1]["href"], "http://a.example/books/metamorphosis");
    let alone = ask("/opds/v2/books/metamorphosis").await;
    assert_eq!(alone.header("content-type"), "application/opds-publication+json");
    assert_eq!(alone.json(), *publication);
    let reading = ask("/opds/v2/books?q=Reading&mode=keyword").await.json();
    let languages =
        reading["facets"].as_array().expect("facets").iter().find(|group| group["metadata"]["title"] == "Language");
    let titles: Vec<_> =
        languages.expect("languages")["links"].as_array().expect("links").iter().map(|link| &link["title"]).collect();
    assert_eq!(titles, ["All", "German", "English"]);
}

#[tokio::test]
async fn nothing_from_outside_becomes_markup_or_an_address() {
    for path in
        ["/feed.atom?q=cheese", "/opds/books?q=cheese", "/feed.atom?q=%3Cscript%3Ealert(%27x%27)%3C/script%3E%00%08"]
    {
        let feed = get(path).await;
        assert_eq!(feed.status, StatusCode::OK, "{path}: {}", feed.body);
        assert!(!feed.body.contains(EVIL) && feed.body.contains("&#60;script&#62;"), "{path}: {}", feed.body);
        assert!(!feed.body.contains(['\0', '\u{8}']), "{path}: {}", feed.body);
    }
    for host in ["a.example/x", "a.example\"><b>", "user@a.example", "a.example:99999", "a b"] {
        let reply = ask_with(app(), Method::GET, "/opensearch.xml", &[("host", host)], Body::empty()).await;
        assert_eq!((reply.status, &reply.json()["code"]), (StatusCode::BAD_REQUEST, &json!("host_invalid")), "{host}");
    }
    // Nobody is a trusted proxy here.
    let forwarded = [("host", "a.example"), ("x-forwarded-host", "evil.example"), ("x-forwarded-proto", "https")];
    let reply = ask_with(app(), Method::GET, "/opensearch.xml", &forwarded, Body::empty()).await;
    assert!(reply.body.contains("http://a.example/?q=") && !reply.body.contains("evil"), "{}", reply.body);
    let public_url = Some("https://books.example".parse().expect("an address"));
    let known = app_with(Arc::new(library(&books(), false)), &ServerConfig { public_url, ..ServerConfig::default() });
    let reply = ask_with(known, Method::GET, "/opensearch.xml", &[("host", "evil.example")], Body::empty()).await;
    assert!(reply.body.contains("https://books.example/?q=") && !reply.body.contains("evil"), "{}", reply.body);
}

#[tokio::test]
async fn a_long_search_is_not_repeated_in_hundreds_of_links() {
    let mut shelf: Vec<_> = books().into_iter().cycle().take(40).collect();
    for (at, book) in shelf.iter_mut().enumerate() {
        (book.id, book.language) = (format!("book-{at}"), Some("en".to_owned()));
        book.subjects = vec!["Reading".to_owned(), format!("Reading in {}", 1900 + at)];
    }
    let app = app_with(Arc::new(library(&shelf, false)), &ServerConfig::default());
    let ask =
        async |path: &str| ask_with(app.clone(), Method::GET, path, &[("host", "a.example")], Body::empty()).await;
    for feed in ["/opds/books", "/opds/v2/books"] {
        let short = ask(&format!("{feed}?q=Reading&mode=keyword&language=en")).await.body;
        assert!(short.contains("Reading in 1939"), "{feed}: {short}");
        let long = ask(&format!("{feed}?q=Reading&mode=keyword&language=en&language={}", "(".repeat(40_000))).await;
        assert!(long.status == StatusCode::OK && long.body.contains("Reading"), "{feed}");
        assert!(long.body.len() < 1 << 20, "{feed}: {} bytes", long.body.len());
    }
}

#[tokio::test]
async fn feeds_are_as_closed_as_the_catalogue() {
    let access = AccessConfig { reading: Reading::Closed, ..AccessConfig::default() };
    let closed = app_with(Arc::new(library(&books(), false)), &ServerConfig { access, ..ServerConfig::default() });
    for path in [
        "/feed.atom?q=sea",
        "/opds",
        "/opds/books?q=sea",
        "/opds/books/iliad/similar",
        "/opds/v2",
        "/opds/v2/books?q=sea",
        "/opds/v2/books/iliad",
        "/opensearch/suggestions?q=k",
        "/sitemap.xml",
        "/sitemap/1",
    ] {
        let reply = ask_with(closed.clone(), Method::GET, path, &[("host", "a.example")], Body::empty()).await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{path}");
    }
}

#[tokio::test]
async fn crawlers_find_books_and_no_searches() {
    let robots = get("/robots.txt").await;
    assert_eq!((robots.status, robots.header("content-type")), (StatusCode::OK, "text/plain; charset=utf-8"));
    for line in ["User-agent: *", "Disallow: /?", "Sitemap: http://books.example:8080/sitemap.xml"] {
        assert!(robots.body.lines().any(|known| known == line), "{}", robots.body);
    }
    assert_eq!(crate::support::get("/robots.txt").await.status, StatusCode::OK, "without a host, too");
    let index = get("/sitemap.xml").await;
    assert_eq!((index.status, index.header("content-type")), (StatusCode::OK, "application/xml"));
    assert_eq!(index.body.matches("<sitemap><loc>http://books.example:8080/sitemap/1</loc></sitemap>").count(), 1);
    let part = get("/sitemap/1").await.body;
    assert_eq!(part.matches("<url>").count(), 6, "{part}");
    for path in ["/", "/books/iliad", "/books/a%2Fb%20c%3Fd%3D%C3%A9"] {
        assert!(part.contains(&format!("<url><loc>http://books.example:8080{path}</loc></url>")), "{part}");
        let page = browse(path).await;
        assert_eq!((page.status, page.header("x-robots-tag")), (StatusCode::OK, ""), "{path}");
        assert!(!page.body.contains("noindex"), "{path}");
    }
    assert!(browse("/?q=sea").await.body.contains("<meta name=\"robots\" content=\"noindex\">"));
    for path in ["/sitemap/0", "/sitemap/2", "/sitemap/x", "/sitemap/-1", "/sitemap/99999999999999999999"] {
        assert_eq!(get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn crawlers_are_kept_out_where_the_operator_or_closed_reading_says_so() {
    let books = Arc::new(library(&books(), false));
    let closed = AccessConfig { reading: Reading::Closed, ..AccessConfig::default() };
    for config in [
        ServerConfig { crawlers: Crawlers::None, ..ServerConfig::default() },
        ServerConfig { access: closed, ..ServerConfig::default() },
    ] {
        let app = app_with(Arc::clone(&books), &config);
        let ask =
            async |path: &str| ask_with(app.clone(), Method::GET, path, &[("host", "a.example")], Body::empty()).await;
        assert_eq!(ask("/robots.txt").await.body, "User-agent: *\nDisallow: /\n");
        for path in ["/sitemap.xml", "/sitemap/1"] {
            assert!(!ask(path).await.status.is_success(), "{path}");
        }
        assert_eq!(ask("/").await.header("x-robots-tag"), "none");
    }
}

/// feedparser, which feed readers are made with, where `LIBELLUS_TEST_FEED_READERS` names the folder that it is in.
#[tokio::test(flavor = "multi_thread")]
async fn a_feed_reader_reads_every_page() {
    let Some(packages) = std::env::var_os("LIBELLUS_TEST_FEED_READERS") else {
        return eprintln!("skipped: LIBELLUS_TEST_FEED_READERS names no folder");
    };
    let (address, stop) = start(library(&books(), true)).await;
    let mut python = Command::new("python3");
    python.arg("-B").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/feeds.py"));
    python.env("PYTHONPATH", packages).arg(format!("http://{address}"));
    let output = tokio::task::spawn_blocking(move || python.output()).await.expect("no panic").expect("it starts");
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(output.status.success() && said[0].ends_with("all is well\n"), "{}\n{}", said[0], said[1]);
    stop();
}
