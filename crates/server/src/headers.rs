//! Headers that every reply carries: what a browser may do with it, and who may keep it.

use crate::config::Crawlers;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;

/// The pages load one stylesheet, one script and one picture from here, ask this service for suggestions and send forms to
/// it; nothing else exists for them.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const SECURITY_HEADERS: [(HeaderName, &str); 5] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    // Addresses hold queries; no other site needs to know them.
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
];

/// Unless a route says otherwise, a reply is its reader's own and is asked for again each time.
const CACHE_CONTROL: &str = "private, no-cache";

/// Adds the headers.
pub(crate) async fn layer(State(crawlers): State<Crawlers>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in SECURITY_HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let is_page = headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    // Pages speak the language that is asked for. A function has this layer twice.
    if is_page && !headers.get_all(header::VARY).iter().any(|value| value == "accept-language") {
        headers.append(header::VARY, HeaderValue::from_static("accept-language"));
    }
    if crawlers == Crawlers::None {
        headers.insert(HeaderName::from_static("x-robots-tag"), HeaderValue::from_static("none"));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static(CACHE_CONTROL));
    response
}
