//! Who asks, how often and how long it takes: each request has an id, is counted, and is logged if the operator wants it.

use crate::AppState;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, LazyLock};
use std::time::Instant;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The longest id that is taken over.
const MAX_ID_BYTES: usize = 128;

/// What is counted together of addresses that lead nowhere.
const NO_ROUTE: &str = "none";

/// Where a request comes from, as far as that is logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    /// The id that the client or a proxy gave it, or else one of ours.
    pub(crate) id: String,
    /// The trace that it belongs to, and the step of it that asks (W3C Trace Context).
    pub(crate) trace: Option<(String, String)>,
}

impl Origin {
    fn of(headers: &HeaderMap) -> Self {
        let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        let given = text(REQUEST_ID).filter(|id| is_well_formed(id));
        Self { id: given.map_or_else(new_id, str::to_owned), trace: text(TRACEPARENT).and_then(parse_traceparent) }
    }
}

/// The route of a request, as the router names it: without what stands in the address.
pub(crate) fn route(request: &Request) -> String {
    request.extensions().get::<MatchedPath>().map_or(NO_ROUTE, MatchedPath::as_str).to_owned()
}

/// Gives a request its id, and counts it once it is answered.
pub(crate) async fn layer(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    let start = Instant::now();
    let origin = Arc::new(Origin::of(request.headers()));
    let (route, method) = (route(&request), name_of(request.method()));
    request.extensions_mut().insert(Arc::clone(&origin));
    let mut response = next.run(request).await;
    let (status, took) = (response.status().as_u16(), start.elapsed());
    state.metrics().request(&route, method, status, took);
    state.log().request(&origin, &route, method, status, took);
    // What is well-formed fits into a header.
    if let Ok(id) = HeaderValue::from_str(&origin.id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// A method's name; those that nobody has heard of are counted together.
fn name_of(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// Letters, digits and a few signs: nothing that could be taken for something else in a log.
fn is_well_formed(id: &str) -> bool {
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:+/=".contains(&byte);
    (1..=MAX_ID_BYTES).contains(&id.len()) && id.bytes().all(is_good)
}

/// An id that no other request of this process has, and by all likelihood none of another.
fn new_id() -> String {
    static KEYS: LazyLock<[RandomState; 2]> = LazyLock::new(|| [RandomState::new(), RandomState::new()]);
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let number = COUNT.fetch_add(1, Relaxed);
    let [high, low] = [&KEYS[0], &KEYS[1]].map(|keys| keys.hash_one(number));
    format!("{high:016x}{low:016x}")
}

/// The trace and the parent of `00-TRACE-PARENT-FLAGS`; later versions may have more behind.
/// <https://www.w3.org/TR/trace-context/#traceparent-header>
fn parse_traceparent(text: &str) -> Option<(String, String)> {
    let mut parts = text.split('-');
    let is_hex = |part: &&str, len: usize| {
        part.len() == len && part.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    let is_set = |part: &&str| part.bytes().any(|byte| byte != b'0');
    let version = parts.next().filter(|part| is_hex(part, 2) && *part != "ff")?;
    let trace = parts.next().filter(|part| is_hex(part, 32) && is_set(part))?;
    let parent = parts.next().filter(|part| is_hex(part, 16) && is_set(part))?;
    parts.next().filter(|part| is_hex(part, 2))?;
    (version != "00" || parts.next().is_none()).then(|| (trace.to_owned(), parent.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_taken_if_they_cannot_be_mistaken() {
        for (given, is_taken) in [
            ("7f3c-a_b.c:d+e/f=", true),
            ("a", true),
            (&*"a".repeat(128), true),
            (&*"a".repeat(129), false),
            ("", false),
            ("a b", false),
            ("a\"b", false),
            ("a{b}", false),
        ] {
            let headers: HeaderMap =
                [(REQUEST_ID, HeaderValue::from_str(given).expect("a header"))].into_iter().collect();
            let id = Origin::of(&headers).id;
            assert_eq!(id == given, is_taken, "{given}");
            assert!(is_well_formed(&id), "{id}");
        }
        assert_ne!(new_id(), new_id());
    }

    #[test]
    fn traces_are_read_as_the_recommendation_has_them() {
        let (trace, parent) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
        for (text, is_good) in [
            (format!("00-{trace}-{parent}-01"), true),
            (format!("01-{trace}-{parent}-01-more"), true),
            (format!("00-{trace}-{parent}-01-more"), false),
            (format!("ff-{trace}-{parent}-01"), false),
            (format!("00-{}-{parent}-01", trace.to_uppercase()), false),
            (format!("00-{}-{parent}-01", "0".repeat(32)), false),
            (format!("00-{trace}-{}-01", "0".repeat(16)), false),
            (format!("00-{trace}-{parent}"), false),
            (String::new(), false),
        ] {
            let expected = is_good.then(|| (trace.to_owned(), parent.to_owned()));
            assert_eq!(parse_traceparent(&text), expected, "{text}");
        }
    }
}
