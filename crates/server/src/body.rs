//! The bodies of requests: never longer than they may be, never waited for without end, and JSON if they are said to be.

use crate::Error;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, HeaderValue, header};
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// The largest body of JSON. The most texts of a request, each as long as the model reads, are about half of it.
pub(crate) const MAX_BODY_BYTES: usize = 8 * 1024 * 1024;

/// The longest part of a parser's message that is passed on: it may quote what was sent.
const MAX_REASON_CHARS: usize = 200;

/// How long the next piece of a body may be waited for.
const PIECE_TIMEOUT: Duration = Duration::from_secs(20);

/// How long a body of JSON may take as a whole, however steadily it drips.
const JSON_TIMEOUT: Duration = Duration::from_secs(60);

/// A body of JSON.
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = Error;

    async fn from_request(request: Request, _: &S) -> Result<Self, Error> {
        if !is_json(request.headers()) {
            return Err(Error::NotJson);
        }
        refuse_packed(request.headers())?;
        let read = tokio::time::timeout(JSON_TIMEOUT, whole(request.into_body()));
        let body = read.await.map_err(|_| Error::BodyTooSlow)??;
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

/// Refuses what would have to be unpacked first, and could be endless.
fn refuse_packed(headers: &HeaderMap) -> Result<(), Error> {
    let is_plain = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
    if headers.get_all(header::CONTENT_ENCODING).iter().all(is_plain) { Ok(()) } else { Err(Error::Packed) }
}

async fn whole(mut body: Body) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    while let Some(piece) = next_piece(&mut body).await? {
        if bytes.len() + piece.len() > MAX_BODY_BYTES {
            return Err(Error::BodyTooLarge { max: MAX_BODY_BYTES as u64 });
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

/// The next piece of a body; `None` at its end.
pub(crate) async fn next_piece(body: &mut Body) -> Result<Option<Bytes>, Error> {
    let broken = || Error::InvalidBody { reason: "it ended before it was whole".to_owned() };
    loop {
        let frame = tokio::time::timeout(PIECE_TIMEOUT, body.frame()).await.map_err(|_| Error::BodyTooSlow)?;
        let Some(frame) = frame else { return Ok(None) };
        // Trailers are passed over.
        if let Ok(piece) = frame.map_err(|_| broken())?.into_data() {
            return Ok(Some(piece));
        }
    }
}
