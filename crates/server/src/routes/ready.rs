//! `GET /ready`: whether questions can be answered. A platform sends readers here only while it says 200.

use super::json;
use crate::{AppState, Error};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

/// 200 or 503, with the library's own account of what is there and what is missing.
pub(crate) async fn get(State(state): State<AppState>) -> Result<Response, Error> {
    let readiness = state.look_up(|library| library.readiness()).await?;
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    json(status, &readiness)
}
