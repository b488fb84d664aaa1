//! Vectors in a reply: what the dialects have in common.

use crate::inputs::Whole;
use crate::{AppState, Error};
use axum::http::HeaderValue;
use axum::response::Response;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use libellus_search::{Embedder, Encoded};
use serde::{Serialize, Serializer};

/// Says how many texts of a request were longer than the model reads, and were cut.
const TRUNCATED: &str = "x-truncated-inputs";

/// How a vector is written.
#[derive(Clone, Copy)]
pub(super) enum Format {
    /// A list of numbers.
    Float,
    /// Base64 of 32-bit floats, the lowest byte first.
    Base64,
}

impl Format {
    /// Reads `encoding_format`.
    pub(super) fn parse(name: Option<&str>) -> Result<Self, Error> {
        match name {
            None | Some("float") => Ok(Self::Float),
            Some("base64") => Ok(Self::Base64),
            Some(other) => Err(Error::UnknownFormat { found: other.chars().take(40).collect() }),
        }
    }
}

/// A vector, as it is written.
pub(super) struct Written {
    pub(super) vector: Vec<f32>,
    pub(super) format: Format,
}

impl Serialize for Written {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.format {
            Format::Float => self.vector.serialize(serializer),
            Format::Base64 => {
                let bytes: Vec<u8> = self.vector.iter().flat_map(|value| value.to_le_bytes()).collect();
                serializer.serialize_str(&BASE64_STANDARD.encode(bytes))
            }
        }
    }
}

/// Whether vectors of `dimensions` numbers can be had. These models were not trained to be cut short: the first numbers
/// of a vector mean nothing by themselves.
pub(super) fn check_dimensions(embedder: &Embedder, dimensions: Option<Whole>) -> Result<(), Error> {
    match dimensions {
        Some(Whole(asked)) if asked != embedder.dim() as u64 => {
            Err(Error::Dimensions { asked, model: embedder.name().to_owned(), dim: embedder.dim() })
        }
        _ => Ok(()),
    }
}

/// A reply made of what was embedded. Megabytes of numbers are written on a thread that serves no connections.
pub(super) async fn reply<T: Serialize>(
    encoded: Vec<Encoded>,
    format: Format,
    body: impl FnOnce(Vec<Written>) -> T + Send + 'static,
) -> Result<Response, Error> {
    let truncated = encoded.iter().filter(|encoded| encoded.tokens.is_truncated()).count();
    let written = move || {
        let vectors = encoded.into_iter().map(|Encoded { vector, .. }| Written { vector, format });
        super::json(axum::http::StatusCode::OK, &body(vectors.collect()))
    };
    let mut reply = tokio::task::spawn_blocking(written).await.map_err(Error::internal)??;
    if truncated > 0 {
        reply.headers_mut().insert(TRUNCATED, HeaderValue::from(truncated));
    }
    Ok(reply)
}

/// The model at hand.
pub(super) fn embedder(state: &AppState, dimensions: Option<Whole>) -> Result<Embedder, Error> {
    let embedder = state.embedder();
    check_dimensions(&embedder, dimensions)?;
    Ok(embedder)
}
