//! The bodies of requests: JSON, within bounds, and said to be JSON.

use crate::Error;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use serde::de::DeserializeOwned;

/// The largest body. The most texts of a request, each as long as the model reads, are about half of it.
pub(crate) const MAX_BODY_BYTES: usize = 8 * 1024 * 1024;

/// The longest part of a parser's message that is passed on: it may quote what was sent.
const MAX_REASON_CHARS: usize = 200;

/// A body of JSON.
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        if !is_json(request.headers()) {
            return Err(Error::NotJson);
        }
        let body = Bytes::from_request(request, state).await.map_err(unreadable)?;
        serde_json::from_slice(&body)
            .map(Self)
            .map_err(|error| Error::InvalidBody { reason: error.to_string().chars().take(MAX_REASON_CHARS).collect() })
    }
}

/// Whether the body is said to be JSON.
fn is_json(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

fn unreadable(rejection: BytesRejection) -> Error {
    match rejection.into_response().status() {
        StatusCode::PAYLOAD_TOO_LARGE => Error::BodyTooLarge { max: MAX_BODY_BYTES },
        _ => Error::InvalidBody { reason: "it ended before it was whole".to_owned() },
    }
}
