//! `GET /books/{id}`: a book's own page.

use super::api_book::find;
use crate::view::{self, Chrome};
use crate::{AppState, Error};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Html;

/// The record as a page.
pub(crate) async fn get(
    State(state): State<AppState>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Html<String>, Error> {
    let book = find(&state, id).await?;
    view::book_page(Chrome::new(&state), &book)
}
