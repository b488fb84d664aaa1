//! `GET /api/facets?facets=`: what the books have in common, with how many have it.

use super::json;
use crate::auth::Access;
use crate::parameters::SearchParameters;
use crate::{AppState, Error};
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;

/// Counts the values of the fields asked for, of all fields if none is, among the books that the filter leaves.
pub(crate) async fn get(
    State(state): State<AppState>,
    access: Access,
    RawQuery(query): RawQuery,
) -> Result<Response, Error> {
    let SearchParameters { mut facets, filter, .. } = SearchParameters::parse(query.as_deref())?;
    let filter = access.bound(filter);
    if facets.is_empty() {
        facets = state.facets();
    }
    json(StatusCode::OK, &state.look_up(move |library| library.facet_counts(&facets, &filter)).await?)
}
