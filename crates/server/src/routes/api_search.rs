//! `GET /api/search?q=&limit=&mode=`: books, best first, each with the passage that matched.

use super::json;
use crate::parameters::SearchParameters;
use crate::{AppState, Error};
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;

/// Answers a question.
pub(crate) async fn get(State(state): State<AppState>, RawQuery(query): RawQuery) -> Result<Response, Error> {
    let request = SearchParameters::parse(query.as_deref())?.into_request()?;
    json(StatusCode::OK, &state.search(request).await?)
}
