//! One file for each resource.

pub(crate) mod api_book;
pub(crate) mod api_facets;
pub(crate) mod api_imports;
pub(crate) mod api_search;
pub(crate) mod api_similar;
pub(crate) mod api_suggest;
pub(crate) mod api_write;
pub(crate) mod assets;
pub(crate) mod book_page;
pub(crate) mod crawlers;
pub(crate) mod docs;
pub(crate) mod feed;
pub(crate) mod health;
pub(crate) mod metrics;
pub(crate) mod openai;
pub(crate) mod opensearch;
pub(crate) mod ready;
pub(crate) mod search_page;
pub(crate) mod tei;
mod vectors;

use crate::Error;
use crate::metrics as metrics_of;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use libellus_search::Timings;
use serde::Serialize;

/// Adds the times that the stages of a search took, where a browser's tools and a proxy show them.
fn with_timing(mut reply: Response, timings: &Timings) -> Response {
    let stages = metrics_of::stages(timings).map(|(stage, ms)| format!("{stage};dur={ms:.3}"));
    // Names and numbers are what a header may hold.
    if let Ok(value) = HeaderValue::try_from(stages.join(", ")) {
        reply.headers_mut().insert("server-timing", value);
    }
    reply
}

/// A JSON reply.
fn json(status: StatusCode, value: &impl Serialize) -> Result<Response, Error> {
    let body = serde_json::to_vec(value).map_err(Error::internal)?;
    Ok((status, [(header::CONTENT_TYPE, "application/json")], body).into_response())
}
