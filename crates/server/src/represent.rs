//! How a reply travels: not at all to those who have it already.
//!
//! An `ETag` stands for what a reply says, not for its bytes: it is weak. Only replies that lie in memory are looked at;
//! what is streamed passes as it is.

use crate::routes::assets::fnv1a;
use axum::body::{Body, HttpBody as _, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;

/// A reply's tag, where it is not that of its whole body.
#[derive(Clone)]
pub(crate) struct Tag(HeaderValue);

impl Tag {
    /// The tag of a reply that says this.
    pub(crate) fn of(content: &[u8]) -> Option<Self> {
        HeaderValue::try_from(format!("W/\"{:016x}\"", fnv1a(content))).ok().map(Self)
    }
}

/// Tags replies of the API, and answers 304 where a tag is at hand.
pub(crate) async fn layer(request: Request, next: Next) -> Response {
    let is_read = [Method::GET, Method::HEAD].contains(request.method());
    let at_hand = request.headers().get(header::IF_NONE_MATCH).cloned();
    let response = next.run(request).await;
    let is_whole = response.body().size_hint().exact().is_some();
    if !is_read || response.status() != StatusCode::OK || !is_whole || !is_json(response.headers()) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    // What lies in memory is read without fail.
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let Some(Tag(tag)) = parts.extensions.remove::<Tag>().or_else(|| Tag::of(&body)) else {
        return Response::from_parts(parts, Body::from(body));
    };
    let is_at_hand = at_hand.is_some_and(|at_hand| matches(&at_hand, &tag));
    parts.headers.insert(header::ETAG, tag);
    if is_at_hand {
        parts.status = StatusCode::NOT_MODIFIED;
        parts.headers.remove(header::CONTENT_TYPE);
        parts.headers.remove(header::CONTENT_LENGTH);
        return Response::from_parts(parts, Body::empty());
    }
    Response::from_parts(parts, Body::from(body))
}

/// Whether a reply is JSON that says something.
fn is_json(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/json")
}

/// Whether `If-None-Match` names a tag, compared weakly (RFC 9110, section 13.1.2).
fn matches(at_hand: &HeaderValue, tag: &HeaderValue) -> bool {
    let (Ok(at_hand), Ok(tag)) = (at_hand.to_str(), tag.to_str()) else { return false };
    let bare = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    at_hand.trim() == "*" || at_hand.split(',').any(|one| bare(one) == bare(tag))
}

#[cfg(test)]
mod tests {
    use super::*;

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
