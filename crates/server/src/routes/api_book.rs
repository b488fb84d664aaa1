//! `GET /api/books/{id}`: one record.

use super::json;
use crate::{AppState, Error};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use libellus_catalogue::Book;

/// The record as JSON.
pub(crate) async fn get(
    State(state): State<AppState>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Error> {
    json(StatusCode::OK, &find(&state, id).await?)
}

/// The book that a path names.
pub(super) async fn find(state: &AppState, id: Result<Path<String>, PathRejection>) -> Result<Book, Error> {
    // The path has one segment, so the only way to refuse it is that it is not UTF-8.
    let Path(id) = id.map_err(|_| Error::InvalidUtf8)?;
    let wanted = id.clone();
    state.look_up(move |library| library.book(&wanted)).await?.ok_or(Error::BookNotFound { id })
}
