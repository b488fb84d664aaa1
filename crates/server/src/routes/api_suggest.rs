//! `GET /api/suggest?q=&limit=`: titles, authors, subjects and series that go on as was typed.

use super::json;
use crate::auth::Access;
use crate::parameters::SearchParameters;
use crate::{AppState, Error};
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use libellus_search::SuggestRequest;

/// Completes what a reader is typing.
pub(crate) async fn get(
    State(state): State<AppState>,
    access: Access,
    RawQuery(query): RawQuery,
) -> Result<Response, Error> {
    let SearchParameters { query, limit, filter, .. } = SearchParameters::parse(query.as_deref())?;
    let filter = access.bound(filter);
    let mut request = SuggestRequest { typed: query.unwrap_or_default(), filter, ..SuggestRequest::default() };
    request.limit = limit.unwrap_or(request.limit);
    json(StatusCode::OK, &state.look_up(move |library| library.suggest(&request)).await?)
}
