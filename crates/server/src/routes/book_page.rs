//! `GET /books/{id}`: a book's own page.

use super::api_book::find;
use crate::auth::Access;
use crate::view::{self, Chrome, Speech};
use crate::{AppState, Error};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Html;
use libellus_search::{Filter, SimilarRequest};

/// Books like the one shown.
const SIMILAR: usize = 6;

/// The record as a page.
pub(crate) async fn get(
    State(state): State<AppState>,
    access: Access,
    speech: Speech,
    id: Result<Path<String>, PathRejection>,
) -> Result<Html<String>, Error> {
    let book = find(&state, &access, id).await?;
    let request =
        SimilarRequest { ids: vec![book.id.clone()], limit: SIMILAR, filter: access.bound(Filter::default()) };
    // The record is worth showing without them, when nothing is embedded yet or many readers are searching.
    let similar =
        state.answer(move |library| library.similar(&request)).await.map_or_else(|_| Vec::new(), |found| found.hits);
    view::book_page(Chrome::new(&state, speech), &book, &similar)
}
