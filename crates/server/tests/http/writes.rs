//! Books written over HTTP: one at a time, and as a file with a job.

use crate::support::{Reply, app_with, ask_with, books, library};
use axum::Router;
use axum::body::Body;
use axum::http::Method;
use libellus_catalogue::{Access, Catalogue, Scope};
use libellus_encoder::Encoder;
use libellus_search::Library;
use libellus_server::ServerConfig;
use serde_json::{Value, json};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

/// A service, a key for each scope, and what tells that books were written.
struct Writable {
    app: Router,
    library: Arc<Library>,
    keys: Vec<(Scope, String)>,
    written: mpsc::Receiver<()>,
}

impl Writable {
    fn new() -> Self {
        let library = Arc::new(library(&books(), false));
        let key = |scope| library.catalogue().create_key("a test's", scope, None, None).expect("stores").0;
        let keys = Scope::ALL.map(|scope| (scope, key(scope))).to_vec();
        let (sender, written) = mpsc::channel();
        let config = ServerConfig { written: Some(sender), most_upload_bytes: 1_000_000, ..ServerConfig::default() };
        Self { app: app_with(Arc::clone(&library), &config), library, keys, written }
    }

    async fn ask_as(
        &self,
        scope: Scope,
        method: Method,
        path: &str,
        more: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Reply {
        let key = &self.keys.iter().find(|(of, _)| *of == scope).expect("a key").1;
        let authorization = format!("Bearer {key}");
        let headers = [&[("authorization", authorization.as_str())], more].concat();
        ask_with(self.app.clone(), method, path, &headers, body).await
    }

    async fn write(&self, method: Method, path: &str, body: &Value) -> Reply {
        let kind = if method == Method::PATCH { "application/merge-patch+json" } else { "application/json" };
        self.ask_as(Scope::Write, method, path, &[("content-type", kind)], body.to_string()).await
    }

    async fn upload(&self, query: &str, body: impl Into<Body>) -> Reply {
        self.ask_as(Scope::Write, Method::POST, &format!("/api/imports{query}"), &[], body).await
    }

    /// The job once it has ended.
    async fn job(&self, reply: &Reply) -> Value {
        assert_eq!(reply.status.as_u16(), 202, "{}", reply.body);
        let place = reply.header("location").to_owned();
        let start = Instant::now();
        loop {
            let job = self.ask_as(Scope::Write, Method::GET, &place, &[], "").await.json();
            if job["status"] != "running" {
                return job;
            }
            assert!(start.elapsed() < Duration::from_secs(60), "{job}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

fn assert_code(reply: &Reply, status: u16, code: &str, what: &str) {
    assert_eq!(reply.status.as_u16(), status, "{what}: {}", reply.body);
    assert_eq!(reply.header("content-type"), "application/problem+json", "{what}");
    assert_eq!(reply.json()["code"], code, "{what}: {}", reply.body);
}

#[tokio::test]
async fn a_book_is_added_changed_and_deleted_and_found_meanwhile() {
    let service = Writable::new();
    let book =
        json!({"id": "bees/1", "title": "The Life of the Bee", "authors": ["Maurice Maeterlinck"], "year": 1901});
    let added = service.write(Method::POST, "/api/books", &book).await;
    assert_eq!((added.status.as_u16(), added.header("location")), (201, "/api/books/bees%2F1"), "{}", added.body);
    service.written.try_recv().expect("somebody was told");
    let place = added.header("location");
    let got = ask_with(service.app.clone(), Method::GET, place, &[], "").await;
    assert_eq!((got.body.as_str(), got.header("etag")), (added.body.as_str(), added.header("etag")));
    assert_eq!(got.header("etag").len(), 34, "32 digits in quotation marks: {}", got.header("etag"));
    let known = [("if-none-match", got.header("etag"))];
    let again = ask_with(service.app.clone(), Method::GET, place, &known, "").await;
    assert_eq!((again.status.as_u16(), again.body.as_str()), (304, ""));
    let found = ask_with(service.app.clone(), Method::GET, "/api/search?q=maeterlinck+bee", &[], "").await.json();
    assert_eq!(found["hits"][0]["book"]["id"], "bees/1", "{found}");
    assert_code(&service.write(Method::POST, "/api/books", &book).await, 409, "book_exists", "twice");

    // The record as it came may be sent back, as often as one likes.
    let record: Value = got.json();
    let same = service.write(Method::PUT, place, &record).await;
    assert_eq!((same.status.as_u16(), same.header("etag")), (200, got.header("etag")), "{}", same.body);
    assert!(service.written.try_recv().is_err(), "nothing was written");
    let changed = service.write(Method::PATCH, place, &json!({"year": null, "extra": {"shelf": "B 3"}})).await;
    let expected = json!({"id": "bees/1", "title": "The Life of the Bee", "authors": ["Maurice Maeterlinck"], "subjects": [],
                          "extra": {"shelf": "B 3"}});
    assert_eq!((changed.status.as_u16(), changed.json()), (200, expected), "{}", changed.body);
    let changed = service.write(Method::PATCH, place, &json!({"extra": {"shelf": null}})).await.json();
    assert_eq!(changed.get("extra"), None, "{changed}");

    let deleted = service.ask_as(Scope::Write, Method::DELETE, place, &[], "").await;
    assert_eq!((deleted.status.as_u16(), deleted.body.as_str()), (204, ""));
    assert_code(&service.ask_as(Scope::Write, Method::DELETE, place, &[], "").await, 404, "book_not_found", "gone");
    assert_code(&service.write(Method::PATCH, place, &json!({"year": 1})).await, 404, "book_not_found", "gone");
    let made = service.write(Method::PUT, "/api/books/new", &json!({"title": "New"})).await;
    assert_eq!((made.status.as_u16(), made.header("location")), (201, "/api/books/new"), "{}", made.body);
    // Without an id it gets that of an import.
    let made = service.write(Method::POST, "/api/books", &json!({"title": "X", "isbns": ["0141439580"]})).await;
    assert_eq!(made.json()["id"], "isbn-9780141439587", "{}", made.body);
}

#[tokio::test]
async fn of_two_who_change_a_book_the_second_hears_of_the_first() {
    let service = Writable::new();
    let place = "/api/books/iliad";
    let tag = ask_with(service.app.clone(), Method::GET, place, &[], "").await.header("etag").to_owned();
    let put = async |condition: (&str, &str), title: &str| {
        let headers = [("content-type", "application/json"), condition];
        service.ask_as(Scope::Write, Method::PUT, place, &headers, json!({"title": title}).to_string()).await
    };
    assert_code(&put(("if-none-match", "*"), "None yet").await, 412, "precondition_failed", "there is one");
    let first = put(("if-match", &tag), "First").await;
    assert_eq!(first.status.as_u16(), 200, "{}", first.body);
    assert_code(&put(("if-match", &tag), "Second").await, 412, "precondition_failed", "it changed");
    let other = [("if-match", tag.as_str())];
    let deleted = service.ask_as(Scope::Write, Method::DELETE, place, &other, "").await;
    assert_code(&deleted, 412, "precondition_failed", "it changed");
    assert_eq!(put(("if-match", &format!("\"x\", {}", first.header("etag"))), "Third").await.status.as_u16(), 200);
    assert_eq!(service.library.book("iliad").expect("reads").expect("there").title, "Third");
    // Changes at once of different fields are all there in the end.
    let changes = (0..8).map(|n| {
        let change = json!({"extra": {n.to_string(): n}});
        let service = &service;
        async move { service.write(Method::PATCH, place, &change).await.status.as_u16() }
    });
    for change in changes {
        assert_eq!(change.await, 200);
    }
    assert_eq!(service.library.book("iliad").expect("reads").expect("there").extra.len(), 8);
}

#[tokio::test]
async fn who_may_not_write_is_refused_before_anything_is_read() {
    let service = Writable::new();
    let routes = [
        (Method::POST, "/api/books"),
        (Method::PUT, "/api/books/iliad"),
        (Method::PATCH, "/api/books/iliad"),
        (Method::DELETE, "/api/books/iliad"),
        (Method::POST, "/api/imports"),
        (Method::GET, "/api/imports/1"),
        (Method::GET, "/api/imports"),
    ];
    // Neither secret nor key: writing is off.
    let closed = app_with(Arc::new(library(&books(), false)), &ServerConfig::default());
    for (method, path) in routes {
        let what = format!("{method} {path}");
        // A body without end: it is not waited for.
        let endless = || Body::from_stream(nothing());
        let off = ask_with(closed.clone(), method.clone(), path, &[], endless()).await;
        assert_code(&off, 403, "writing_off", &what);
        let nothing = ask_with(service.app.clone(), method.clone(), path, &[], endless()).await;
        assert_code(&nothing, 401, "credentials_missing", &what);
        let reader = service.ask_as(Scope::Read, method.clone(), path, &[], endless()).await;
        assert_code(&reader, 403, "scope_insufficient", &what);
        assert!(reader.header("www-authenticate").contains("insufficient_scope"), "{:?}", reader.headers);
    }
    let list = service.ask_as(Scope::Write, Method::GET, "/api/imports", &[], "").await;
    assert_code(&list, 403, "scope_insufficient", "a writer");
    assert_eq!(service.ask_as(Scope::Admin, Method::GET, "/api/imports", &[], "").await.body, "[]");
    let (key, _) =
        service.library.catalogue().create_key("x", Scope::Admin, Some("{\"age\":9}"), None).expect("stores");
    let authorization = format!("Bearer {key}");
    let bound = [("authorization", authorization.as_str())];
    let reply = ask_with(service.app.clone(), Method::DELETE, "/api/books/iliad", &bound, "").await;
    assert_code(&reply, 403, "scope_insufficient", "who sees some books changes none");
    assert!(service.library.book("iliad").expect("reads").is_some());
}

/// A body that never comes.
fn nothing() -> impl futures_util::Stream<Item = Result<Vec<u8>, std::io::Error>> {
    futures_util::stream::pending()
}

#[tokio::test]
async fn bodies_that_cannot_be_read_are_refused_with_a_reason() {
    let service = Writable::new();
    let json_type: &[_] = &[("content-type", "application/json; charset=utf-8")];
    let deep = format!("{{\"title\":\"x\",\"extra\":{{\"a\":{}{}}}}}", "[".repeat(50_000), "]".repeat(50_000));
    let long_id = json!({"title": "x", "id": "x".repeat(600)}).to_string();
    let huge = json!({"title": "x".repeat(8_400_000)}).to_string();
    type Case<'a> = (&'a [(&'a str, &'a str)], &'a [u8], u16, &'a str);
    let cases: Vec<Case<'_>> = vec![
        (&[], b"{\"title\":\"x\"}", 415, "media_type_unsupported"),
        (&[("content-type", "text/html")], b"{\"title\":\"x\"}", 415, "media_type_unsupported"),
        (&[("content-type", "application/jsonp")], b"{\"title\":\"x\"}", 415, "media_type_unsupported"),
        (&[("content-type", "application/json"), ("content-encoding", "gzip")], b"x", 415, "encoding_unsupported"),
        (json_type, b"", 400, "body_invalid"),
        (json_type, b"title=x", 400, "body_invalid"),
        (json_type, b"{\"title\":\"x\"", 400, "body_invalid"),
        (json_type, b"{\"title\":\"x\"}{}", 400, "body_invalid"),
        (json_type, b"{\"title\":\"\xff\"}", 400, "body_invalid"),
        (json_type, b"{\"title\":\"\\ud800\"}", 400, "body_invalid"),
        (json_type, b"[]", 400, "body_invalid"),
        (json_type, b"null", 400, "body_invalid"),
        (json_type, b"\"<script>alert(1)</script>\"", 400, "body_invalid"),
        (json_type, deep.as_bytes(), 400, "body_invalid"),
        (json_type, huge.as_bytes(), 413, "body_too_large"),
        (json_type, b"{}", 422, "book_invalid"),
        (json_type, b"{\"title\":\" \"}", 422, "book_invalid"),
        (json_type, b"{\"title\":1}", 422, "book_invalid"),
        (json_type, b"{\"title\":\"x\",\"authors\":\"Homer\"}", 422, "book_invalid"),
        (json_type, b"{\"title\":\"x\",\"year\":\"1900\"}", 422, "book_invalid"),
        (json_type, b"{\"title\":\"x\",\"year\":1e99}", 422, "book_invalid"),
        (json_type, b"{\"title\":\"x\",\"year\":99999999999}", 422, "book_invalid"),
        (json_type, b"{\"title\":\"x\",\"extra\":[]}", 422, "book_invalid"),
        (json_type, b"{\"title\":\"x\",\"colour\":\"red\"}", 422, "book_invalid"),
        (json_type, b"{\"title\":\"x\",\"\":\"red\"}", 422, "book_invalid"),
        (json_type, b"{\"title\":\"x\",\"id\":\"\"}", 422, "book_invalid"),
        (json_type, b"{\"title\":\"x\",\"id\":7}", 422, "book_invalid"),
        (json_type, b"{\"title\":\"x\",\"id\":\"a\\r\\nSet-Cookie: x=1\"}", 422, "book_invalid"),
        (json_type, long_id.as_bytes(), 422, "book_invalid"),
    ];
    for (headers, body, status, code) in cases {
        let what = format!("{headers:?} {:.60}", String::from_utf8_lossy(body));
        let reply = service.ask_as(Scope::Write, Method::POST, "/api/books", headers, body.to_vec()).await;
        assert_code(&reply, status, code, &what);
        assert!(reply.body.len() < 1500, "{what}: {}", reply.body);
    }
    let put = service.write(Method::PUT, "/api/books/a", &json!({"title": "x", "id": "b"})).await;
    assert_code(&put, 422, "book_invalid", "another id");
    let patch = service.write(Method::PATCH, "/api/books/iliad", &json!({"id": "b"})).await;
    assert_code(&patch, 422, "book_invalid", "another id");
    let patch = service.write(Method::PATCH, "/api/books/iliad", &json!({"title": null})).await;
    assert_code(&patch, 422, "book_invalid", "no title");
    // Paths are names of books and nothing else.
    for path in ["/api/books/..%2f..%2fetc%2fpasswd", "/api/books/%2e%2e", "/api/books/a%0d%0aX-Injected:%201"] {
        let reply = ask_with(service.app.clone(), Method::GET, path, &[], "").await;
        assert_code(&reply, 404, "book_not_found", path);
        assert!(!reply.headers.contains_key("x-injected"), "{path}");
    }
    // Markup is text, wherever it comes out.
    let evil = json!({"title": crate::support::EVIL, "description": crate::support::EVIL, "id": "evil"});
    assert_eq!(service.write(Method::POST, "/api/books", &evil).await.status.as_u16(), 201);
    let page =
        ask_with(service.app.clone(), Method::GET, "/books/evil", &[("accept", crate::support::BROWSER)], "").await;
    assert!(page.status.as_u16() == 200 && !page.body.contains(crate::support::EVIL), "{}", page.body);
}

#[tokio::test]
async fn a_catalogue_that_cannot_be_written_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("books.db");
    let (key, _) = Catalogue::open(&path, Access::ReadWrite)
        .and_then(|catalogue| catalogue.create_key("x", Scope::Write, None, None))
        .expect("stores");
    let catalogue = Catalogue::open(&path, Access::ReadOnly).expect("opens");
    let app = app_with(Arc::new(Library::new(Arc::new(Encoder::builtin()), catalogue)), &ServerConfig::default());
    let authorization = format!("Bearer {key}");
    let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
    let reply = ask_with(app.clone(), Method::POST, "/api/books", &headers, "{\"title\":\"x\"}").await;
    assert_code(&reply, 403, "catalogue_read_only", "read only");
    assert!(!reply.body.contains("books.db"), "where it lies is nobody's business: {}", reply.body);
}

#[tokio::test]
async fn a_file_is_uploaded_and_its_job_watched() {
    let service = Writable::new();
    let csv = "id,title,year,isbn\na,Alpha,1901,\nb,,1902,\nc,Gamma,long ago,\n";
    let job = service.job(&service.upload("", csv).await).await;
    assert_eq!((&job["status"], &job["records"]), (&json!("done_with_rejects"), &json!(3)), "{job}");
    assert_eq!(job["received_bytes"], csv.len(), "{job}");
    let report = &job["report"];
    assert_eq!((&report["format"], &report["written"]["added"]), (&json!("csv"), &json!(2)), "{job}");
    assert_eq!((&report["rejects"][0]["line"], &report["rejects"][0]["id"]), (&json!(3), &json!("b")), "{job}");
    assert!(report["rejects"][0]["reason"].as_str().expect("a reason").contains("no title"), "{job}");
    assert_eq!(report["warnings"][0]["field"], "year", "{job}");
    service.written.recv_timeout(Duration::from_secs(10)).expect("somebody was told");
    assert_eq!(service.library.book("a").expect("reads").expect("there").title, "Alpha");

    let lines = "{\"id\":\"d\",\"title\":\"Delta\"}\n{\"id\":\"a\",\"title\":\"Alpha\",\"year\":1901}\n";
    let job = service.job(&service.upload("?format=jsonl", lines).await).await;
    assert_eq!((&job["status"], &job["report"]["written"]["added"]), (&json!("done"), &json!(1)), "{job}");
    let packed = {
        use std::io::Write;
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(b"id,title\ne,Epsilon\n").expect("memory");
        encoder.finish().expect("memory")
    };
    let job = service.job(&service.upload("?format=auto", packed).await).await;
    assert_eq!(job["status"], "done", "{job}");

    let nothing = service.job(&service.upload("", "").await).await;
    assert!(nothing["status"] == "failed" && nothing["error"].is_string(), "{nothing}");
    let image = service.job(&service.upload("", &b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"[..]).await).await;
    assert_eq!(image["status"], "failed", "{image}");
    assert_code(&service.upload("?format=docx", "x").await, 400, "import_format_unknown", "a format");
    let large = format!("id,title\n{}", "a,Alpha\n".repeat(200_000));
    assert_code(&service.upload("", large).await, 413, "body_too_large", "too much");
    let missing = service.ask_as(Scope::Write, Method::GET, "/api/imports/none", &[], "").await;
    assert_code(&missing, 404, "import_not_found", "no job");
    let all = service.ask_as(Scope::Admin, Method::GET, "/api/imports", &[], "").await.json();
    assert_eq!(all.as_array().map(Vec::len), Some(6), "{all}");
    assert_eq!((&all[5]["id"], &all[0]["status"]), (&json!("1"), &json!("failed")), "the latest first: {all}");
}
