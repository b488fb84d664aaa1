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
use crate::answers::Answered;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// Says how long the search took.
fn with_timing(reply: &mut Response, answered: &Answered) {
    if let Some(timing) = answered.server_timing() {
        reply.headers_mut().insert("server-timing", timing);
    }
}

/// A JSON reply.
fn json(status: StatusCode, value: &impl Serialize) -> Result<Response, Error> {
    let body = serde_json::to_vec(value).map_err(Error::internal)?;
    Ok((status, [(header::CONTENT_TYPE, "application/json")], body).into_response())
}
