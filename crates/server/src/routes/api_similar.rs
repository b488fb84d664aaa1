//! `GET /api/similar?id=&limit=` and `GET /api/books/{id}/similar`: books like one or several others.

use super::json;
use crate::auth::Access;
use crate::parameters::SearchParameters;
use crate::{AppState, Error};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use libellus_search::{DEFAULT_LIMIT, SimilarRequest};

/// Books like those that the parameters name.
pub(crate) async fn get(
    State(state): State<AppState>,
    access: Access,
    RawQuery(query): RawQuery,
) -> Result<Response, Error> {
    answer(&state, &access, SearchParameters::parse(query.as_deref())?).await
}

/// Books like the one that the path names.
pub(crate) async fn of_book(
    State(state): State<AppState>,
    access: Access,
    id: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Response, Error> {
    let mut parameters = SearchParameters::parse(query.as_deref())?;
    let Path(id) = id.map_err(|_| Error::InvalidUtf8)?;
    parameters.ids.insert(0, id);
    answer(&state, &access, parameters).await
}

async fn answer(state: &AppState, access: &Access, parameters: SearchParameters) -> Result<Response, Error> {
    let SearchParameters { ids, limit, filter, .. } = parameters;
    let request = SimilarRequest { ids, limit: limit.unwrap_or(DEFAULT_LIMIT), filter: access.bound(filter) };
    json(StatusCode::OK, &state.answer(move |library| library.similar(&request)).await?)
}
