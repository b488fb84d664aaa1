//! `GET /health`: whether the process is alive. Looks at nothing, so that a platform does not restart a
//! service whose database is away.

use super::json;
use crate::Error;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

#[derive(Serialize)]
struct Health {
    status: &'static str,
}

/// Says that the process is alive.
pub(crate) async fn get() -> Result<Response, Error> {
    json(StatusCode::OK, &Health { status: "ok" })
}
