//! Errors as replies: a problem document (RFC 9457) for programs, a page for readers.
//!
//! Routes return an [`Error`]; the layer here is the only place that gives it a body. A fault of
//! ours is written to the error output with its causes, and told without them.

use crate::dialect::Dialect;
use crate::observe::{self, Origin};
use crate::parameters::SearchParameters;
use crate::view::{self, Chrome, Speech};
use crate::{AppState, Error};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::middleware::Next;
use axum::response::Response;
use serde::Serialize;
use std::sync::Arc;

/// A problem document. Its `type` is `about:blank`, so `title` is the status in words; programs go by `code`.
#[derive(Serialize)]
struct Problem<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
    /// The path only: the query string holds what someone is looking for.
    instance: &'a str,
    code: &'static str,
    hint: &'static str,
    /// What the operator finds in the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
}

/// Gives every error that a route returned its body.
pub(crate) async fn layer(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let uri = request.uri().clone();
    let dialect = Dialect::of(request.method(), uri.path());
    let origin = request.extensions().get::<Arc<Origin>>().map(Arc::clone);
    let route = observe::route(&request);
    let for_reader = (dialect.is_none() && wants_page(&uri, request.headers()))
        .then(|| Speech::of(request.uri(), request.headers()));
    let mut response = next.run(request).await;
    let Some(error) = response.extensions_mut().remove::<Arc<Error>>() else {
        return response;
    };
    if error.is_ours() {
        state.log().fault(&error, uri.path(), &route, origin.as_deref());
    }
    let (content_type, body) = match dialect {
        Some(dialect) => ("application/json", dialect.problem(&error)),
        None => match for_reader {
            Some(speech) => ("text/html; charset=utf-8", page(&state, speech, &error, &uri)),
            None => problem(&error, uri.path(), origin.as_deref()),
        },
    };
    *response.body_mut() = Body::from(body);
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.append(header::VARY, HeaderValue::from_static("accept"));
    // A description is ASCII; were it not, the code in the body says the same.
    if let Some(challenge) = error.challenge().and_then(|challenge| HeaderValue::try_from(challenge).ok()) {
        headers.insert(header::WWW_AUTHENTICATE, challenge);
    }
    if let Some(seconds) = error.retry_after_s() {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// Whether a reader's browser is asking, outside the API.
fn wants_page(uri: &Uri, headers: &HeaderMap) -> bool {
    let accepts_html = headers
        .get_all(header::ACCEPT)
        .iter()
        .any(|value| value.to_str().is_ok_and(|value| value.to_ascii_lowercase().contains("text/html")));
    !is_api(uri.path()) && accepts_html
}

/// Whether a path belongs to the API.
pub(crate) fn is_api(path: &str) -> bool {
    path == "/api" || path.starts_with("/api/")
}

fn page(state: &AppState, speech: Speech, error: &Error, uri: &Uri) -> String {
    let typed = SearchParameters::salvage(uri.query());
    view::error_page(Chrome::new(state, speech), &error.told(), &error.detail(), &typed)
}

fn problem(error: &Error, path: &str, origin: Option<&Origin>) -> (&'static str, String) {
    let told = error.told();
    let problem = Problem {
        r#type: "about:blank",
        title: told.status.canonical_reason().unwrap_or("Error"),
        status: told.status.as_u16(),
        detail: &error.detail(),
        instance: path,
        code: told.code,
        hint: told.hint,
        request_id: origin.map(|origin| origin.id.as_str()),
    };
    // Strings and a number: there is nothing in a problem that JSON could not say.
    let body = serde_json::to_string(&problem).unwrap_or_default();
    ("application/problem+json", body)
}
