//! `GET /opensearch.xml`: how browsers and other programs search here (OpenSearch 1.1), and the suggestions that they ask for.

use super::feed::xml;
use crate::auth::Access;
use crate::parameters::SearchParameters;
use crate::site::Site;
use crate::view::opensearch_description;
use crate::{AppState, Error};
use axum::extract::{RawQuery, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use libellus_search::{SuggestRequest, Suggestions};

/// Suggestions of each kind.
const SUGGESTIONS: usize = 3;

/// The description.
pub(crate) async fn description(State(state): State<AppState>, site: Site) -> Result<Response, Error> {
    Ok(xml("application/opensearchdescription+xml", opensearch_description(&site, state.site_name())?))
}

/// What goes on as was typed: the text itself, and a list of texts.
pub(crate) async fn suggestions(
    State(state): State<AppState>,
    access: Access,
    RawQuery(query): RawQuery,
) -> Result<Response, Error> {
    let SearchParameters { query, filter, .. } = SearchParameters::parse(query.as_deref())?;
    let typed = query.unwrap_or_default();
    let request = SuggestRequest { typed: typed.clone(), filter: access.bound(filter), limit: SUGGESTIONS };
    let Suggestions { titles, authors, subjects, series } =
        state.look_up(move |library| library.suggest(&request)).await?;
    let texts: Vec<String> =
        [titles, authors, subjects, series].into_iter().flatten().map(|suggested| suggested.text).collect();
    let body = serde_json::to_vec(&(typed, texts)).map_err(Error::internal)?;
    Ok(([(header::CONTENT_TYPE, "application/x-suggestions+json")], body).into_response())
}
