//! A small library, and what it takes to ask it over HTTP without a network.

use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use axum::{Router, http::Method};
use http_body_util::BodyExt;
use libellus_catalogue::{Book, Catalogue};
use libellus_encoder::Encoder;
use libellus_search::{BackfillOptions, EncoderCutter, Library};
use libellus_server::{AppState, ServerConfig, bind, router, serve};
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::sync::{Arc, LazyLock};
use tower::ServiceExt;

/// Markup that must never come out as markup.
pub const EVIL: &str = "<script>alert('x')</script>";

/// What a browser sends.
pub const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

/// A reply, read to its end.
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Reply {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("a readable header"))
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {}", self.body))
    }
}

/// The service over the test library.
pub fn app() -> Router {
    static LIBRARY: LazyLock<Arc<Library>> = LazyLock::new(|| Arc::new(library(&books(), true)));
    app_with(Arc::clone(&LIBRARY), &ServerConfig { site_name: "Town Library".to_owned(), ..ServerConfig::default() })
}

/// The service over `library`.
pub fn app_with(library: Arc<Library>, config: &ServerConfig) -> Router {
    router(AppState::new(library, config))
}

/// Serves `library` on a port of its own; its address, and what stops it.
pub async fn start(library: Library) -> (SocketAddr, impl FnOnce()) {
    let config = ServerConfig { port: 0, ..ServerConfig::default() };
    let listener = bind(&config).await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let running =
        tokio::spawn(async move { serve(listener, &config, Arc::new(library), std::future::pending()).await });
    (address, move || running.abort())
}

/// A library of `books` in memory, embedded or not.
pub fn library(books: &[Book], is_embedded: bool) -> Library {
    let encoder = Arc::new(Encoder::builtin());
    let catalogue = Catalogue::in_memory().expect("a catalogue in memory");
    catalogue.put_books(books, &EncoderCutter(&encoder)).expect("the books are stored");
    let library = Library::new(encoder, catalogue);
    if is_embedded {
        library.backfill(&BackfillOptions::default(), &mut |_| ControlFlow::Continue(())).expect("embedded");
    }
    library
}

/// Asks for `path` as a program does.
pub async fn get(path: &str) -> Reply {
    ask(app(), Method::GET, path, None).await
}

/// Asks for `path` as a browser does.
pub async fn browse(path: &str) -> Reply {
    ask(app(), Method::GET, path, Some(BROWSER)).await
}

/// Asks `app` for `path`.
pub async fn ask(app: Router, method: Method, path: &str, accept: Option<&str>) -> Reply {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(accept) = accept {
        request = request.header("accept", accept);
    }
    send(app, request.body(Body::empty()).expect("a request")).await
}

/// Asks with these headers and this body.
pub async fn ask_with(
    app: Router,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Body>,
) -> Reply {
    let request = Request::builder().method(method).uri(path);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    send(app, request.body(body.into()).expect("a request")).await
}

/// Sends `body` to `path` of `app`.
pub async fn post(app: Router, path: &str, content_type: &str, body: String) -> Reply {
    let request = Request::post(path).header("content-type", content_type);
    send(app, request.body(Body::from(body)).expect("a request")).await
}

/// Sends a request, and reads the reply to its end.
pub async fn send(app: Router, request: Request<Body>) -> Reply {
    let response = app.oneshot(request).await.expect("the router never fails");
    let (status, headers) = (response.status(), response.headers().clone());
    let body = response.into_body().collect().await.expect("a body").to_bytes();
    Reply { status, headers, body: String::from_utf8(body.to_vec()).expect("UTF-8") }
}

/// A few books, odd ones among them.
pub fn books() -> Vec<Book> {
    let mut metamorphosis = book(
        "metamorphosis",
        "Metamorphosis",
        "Franz Kafka",
        1915,
        "A travelling salesman finds one morning that he has become an enormous beetle, and his family hides him in \
         his room.",
    );
    metamorphosis.language = Some("de".to_owned());
    metamorphosis.extra.insert("original_title".to_owned(), "Die Verwandlung".into());
    let mut iliad = book(
        "iliad",
        "Ἰλιάς",
        "Homer",
        -750,
        "Quarrelling kings and gods fight over a besieged city, and one hero sulks.",
    );
    iliad.language = Some("grc".to_owned());
    let mut evil = book("a/b c?d=é", EVIL, EVIL, 2001, &format!("A cookery book about cheese. {EVIL}"));
    evil.subjects = vec![EVIL.to_owned()];
    vec![
        metamorphosis,
        iliad,
        evil,
        book(
            "lighthouse",
            "The Light",
            "A. Keeper",
            1950,
            "A man alone tends the lamp of a tower on a rock in the sea.",
        ),
        book("seeds", "Seeds", "B. Gardener", 1990, "How crops, spices and flowers changed the history of mankind."),
    ]
}

fn book(id: &str, title: &str, author: &str, year: i32, description: &str) -> Book {
    Book {
        id: id.to_owned(),
        title: title.to_owned(),
        authors: vec![author.to_owned()],
        year: Some(year),
        description: Some(description.to_owned()),
        ..Book::default()
    }
}
