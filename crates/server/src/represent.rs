//! How a reply travels: compressed for those who read that, and not at all to those who have it already.
//!
//! An `ETag` stands for what a reply says, not for its bytes: it is weak, and the same whether compressed or not. Only
//! replies that lie in memory are looked at; what is streamed passes as it is.

use crate::routes::assets::fnv1a;
use axum::body::{Body, Bytes, HttpBody as _, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write as _;

/// Below this a reply fits into one packet in any case.
const SHORTEST_COMPRESSED: usize = 1024;

/// What is larger is compressed on a thread that serves no connections.
const LONGEST_AT_ONCE: usize = 64 * 1024;

/// A reply's tag, where it is not that of its whole body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tag(HeaderValue);

impl Tag {
    /// The tag of a reply that says this.
    pub(crate) fn of(content: &[u8]) -> Option<Self> {
        HeaderValue::try_from(format!("W/\"{:016x}\"", fnv1a(content))).ok().map(Self)
    }
}

/// Tags replies of the API and feeds, answers 304 where a tag is at hand, and compresses what is worth it.
pub(crate) async fn layer(request: Request, next: Next) -> Response {
    let is_read = [Method::GET, Method::HEAD].contains(request.method());
    let (at_hand, accepts_gzip) =
        (request.headers().get(header::IF_NONE_MATCH).cloned(), accepts_gzip(request.headers()));
    let response = next.run(request).await;
    let is_whole = response.body().size_hint().exact().is_some();
    let kind = Kind::of(response.headers());
    // A route may have a tag of its own: a record's is strong, as it is written under the condition that it is still so.
    let is_done = [header::CONTENT_ENCODING, header::ETAG].iter().any(|name| response.headers().contains_key(name));
    if !is_whole || kind == Kind::Other || is_done {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    // What lies in memory is read without fail.
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    parts.headers.append(header::VARY, HeaderValue::from_static("accept-encoding"));
    if is_read && parts.status == StatusCode::OK && kind == Kind::Data {
        let tag = parts.extensions.remove::<Tag>().or_else(|| Tag::of(&body));
        if let Some(Tag(tag)) = tag {
            let is_at_hand = at_hand.is_some_and(|at_hand| matches(&at_hand, &tag));
            parts.headers.insert(header::ETAG, tag);
            if is_at_hand {
                parts.status = StatusCode::NOT_MODIFIED;
                parts.headers.remove(header::CONTENT_TYPE);
                parts.headers.remove(header::CONTENT_LENGTH);
                return Response::from_parts(parts, Body::empty());
            }
        }
    }
    if accepts_gzip
        && body.len() >= SHORTEST_COMPRESSED
        && let Some(compressed) = compressed(body.clone()).await
    {
        parts.headers.remove(header::CONTENT_LENGTH);
        parts.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        return Response::from_parts(parts, Body::from(compressed));
    }
    Response::from_parts(parts, Body::from(body))
}

/// What is in a reply, as far as it matters here.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// What programs ask for again and again.
    Data,
    Text,
    Other,
}

impl Kind {
    fn of(headers: &HeaderMap) -> Self {
        let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        match content_type.split(';').next().unwrap_or_default() {
            "application/json"
            | "application/atom+xml"
            | "application/opds+json"
            | "application/opds-publication+json"
            | "application/x-suggestions+json" => Self::Data,
            "application/problem+json"
            | "application/opensearchdescription+xml"
            | "application/xml"
            | "image/svg+xml" => Self::Text,
            text if text.starts_with("text/") => Self::Text,
            _ => Self::Other,
        }
    }
}

/// Whether `If-None-Match` names a tag, compared weakly (RFC 9110, section 13.1.2).
fn matches(at_hand: &HeaderValue, tag: &HeaderValue) -> bool {
    let (Ok(at_hand), Ok(tag)) = (at_hand.to_str(), tag.to_str()) else { return false };
    let bare = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    at_hand.trim() == "*" || at_hand.split(',').any(|one| bare(one) == bare(tag))
}

/// Whether gzip is named, or everything is, and not with `q=0`.
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let mut by_star = false;
    for coding in values.flat_map(|value| value.split(',')) {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let is_refused = weight.trim().strip_prefix("q=").is_some_and(|q| q.trim().parse::<f32>() == Ok(0.0));
        match name.trim().to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => return !is_refused,
            "*" => by_star = !is_refused,
            _ => {}
        }
    }
    by_star
}

/// `body` in gzip; none if it would be longer.
async fn compressed(body: Bytes) -> Option<Vec<u8>> {
    let is_short = body.len() <= LONGEST_AT_ONCE;
    let compress = move || {
        let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 2), Compression::fast());
        encoder.write_all(&body).ok()?;
        encoder.finish().ok().filter(|compressed| compressed.len() < body.len())
    };
    if is_short { compress() } else { tokio::task::spawn_blocking(compress).await.ok()? }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codings_are_chosen_as_clients_say() {
        for (value, expected) in [
            ("gzip", true),
            ("br, GZIP;q=0.5", true),
            ("*", true),
            ("gzip;q=0, *", false),
            ("gzip; q=0.0", false),
            ("*;q=0", false),
            ("identity", false),
            ("", false),
        ] {
            let headers = [(header::ACCEPT_ENCODING, HeaderValue::from_static(value))].into_iter().collect();
            assert_eq!(accepts_gzip(&headers), expected, "{value}");
        }
        assert!(!accepts_gzip(&HeaderMap::new()));
    }

    #[test]
    fn tags_are_compared_weakly() {
        let tag = HeaderValue::from_static("W/\"1f\"");
        for (at_hand, expected) in [
            ("W/\"1f\"", true),
            ("\"1f\"", true),
            ("\"a\", W/\"1f\"", true),
            ("*", true),
            ("\"1\"", false),
            ("", false),
        ] {
            assert_eq!(matches(&HeaderValue::from_static(at_hand), &tag), expected, "{at_hand}");
        }
    }
}
