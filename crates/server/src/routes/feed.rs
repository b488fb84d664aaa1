//! `GET /feed.atom?q=`: a search as an Atom feed, and the same for programs that browse catalogues of books: OPDS 1.2
//! below `/opds`, OPDS 2.0 below `/opds/v2`. They take the parameters of `/api/search`.

use super::api_book::find;
use super::json;
use crate::answers::Answer;
use crate::auth::Access;
use crate::parameters::{SearchParameters, pairs_of};
use crate::site::Site;
use crate::view::{ATOM, FeedOf, OPDS_JSON, OPDS_NAVIGATION, OPDS_PUBLICATION};
use crate::{AppState, Error};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use libellus_search::{DEFAULT_LIMIT, FacetCounts, Filter, SearchRequest, SimilarRequest};
use serde_json::Value;
use std::sync::Arc;

/// Subjects that a catalogue begins with.
const SUBJECTS: usize = 20;

/// A search with a longer address is not narrowed down any further: each of hundreds of links would hold all of it.
const LONGEST_NARROWED_BYTES: usize = 2048;

/// A search as an Atom feed.
pub(crate) async fn atom(
    State(state): State<AppState>,
    access: Access,
    site: Site,
    RawQuery(query): RawQuery,
) -> Result<Response, Error> {
    let (asked, answer) = search(&state, &access, query.as_deref(), Vec::new()).await?;
    Ok(xml(ATOM, of(&state, &site).await?.atom(&asked, &answer.response)?))
}

/// The beginning of the catalogue.
pub(crate) async fn opds(State(state): State<AppState>, access: Access, site: Site) -> Result<Response, Error> {
    let subjects = subjects(&state, &access).await?;
    Ok(xml(OPDS_NAVIGATION, of(&state, &site).await?.opds_root(&subjects)?))
}

/// A search.
pub(crate) async fn opds_books(
    State(state): State<AppState>,
    access: Access,
    site: Site,
    RawQuery(query): RawQuery,
) -> Result<Response, Error> {
    let (asked, answer) = search(&state, &access, query.as_deref(), narrowing(&state, query.as_deref())).await?;
    Ok(xml(OPDS_NAVIGATION, of(&state, &site).await?.opds(&asked, &answer.response)?))
}

/// Books like one.
pub(crate) async fn opds_similar(
    State(state): State<AppState>,
    access: Access,
    site: Site,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Error> {
    let book = find(&state, &access, id).await?;
    let filter = access.bound(Filter::default());
    let request = SimilarRequest { ids: vec![book.id.clone()], limit: DEFAULT_LIMIT, filter };
    let found = state.answer(move |library| library.similar(&request)).await?;
    Ok(xml(OPDS_NAVIGATION, of(&state, &site).await?.opds_similar(&book, &found)?))
}

/// The beginning of the catalogue, in JSON.
pub(crate) async fn opds2(State(state): State<AppState>, access: Access, site: Site) -> Result<Response, Error> {
    let subjects = subjects(&state, &access).await?;
    reply(OPDS_JSON, &of(&state, &site).await?.opds2_root(&subjects))
}

/// A search, in JSON.
pub(crate) async fn opds2_books(
    State(state): State<AppState>,
    access: Access,
    site: Site,
    RawQuery(query): RawQuery,
) -> Result<Response, Error> {
    let (asked, answer) = search(&state, &access, query.as_deref(), narrowing(&state, query.as_deref())).await?;
    reply(OPDS_JSON, &of(&state, &site).await?.opds2(&asked, &answer.response))
}

/// One book, in JSON.
pub(crate) async fn opds2_book(
    State(state): State<AppState>,
    access: Access,
    site: Site,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Error> {
    let book = find(&state, &access, id).await?;
    reply(OPDS_PUBLICATION, &of(&state, &site).await?.publication(&book))
}

async fn of<'a>(state: &'a AppState, site: &'a Site) -> Result<FeedOf<'a>, Error> {
    Ok(FeedOf { site, site_name: state.site_name(), changed: state.changed().await? })
}

async fn search(
    state: &AppState,
    access: &Access,
    query: Option<&str>,
    facets: Vec<String>,
) -> Result<(SearchParameters, Arc<Answer>), Error> {
    let mut asked = SearchParameters::parse(query)?;
    if asked.query.is_none() {
        // The name that OPDS 2.0 has for it.
        asked.query = pairs_of(query)?.into_iter().find_map(|(name, value)| (name == "query").then_some(value));
    }
    let mut request = SearchRequest { facets, ..asked.clone().into_request()? };
    request.filter = access.bound(request.filter);
    Ok((asked, state.search(request).await?.answer))
}

/// The fields that a search can be narrowed down by.
fn narrowing(state: &AppState, query: Option<&str>) -> Vec<String> {
    let is_short = query.is_none_or(|query| query.len() <= LONGEST_NARROWED_BYTES);
    if is_short { state.reader_facets() } else { Vec::new() }
}

/// The most frequent subjects of the books that may be seen.
async fn subjects(state: &AppState, access: &Access) -> Result<FacetCounts, Error> {
    let filter = access.bound(Filter::default());
    let counts = state.look_up(move |library| library.facet_counts(&["subject".to_owned()], &filter)).await?;
    let mut counts = counts.into_iter().next().unwrap_or(FacetCounts { field: String::new(), values: Vec::new() });
    counts.values.truncate(SUBJECTS);
    Ok(counts)
}

pub(super) fn xml(media_type: &'static str, document: String) -> Response {
    ([(header::CONTENT_TYPE, media_type)], document).into_response()
}

fn reply(media_type: &'static str, value: &Value) -> Result<Response, Error> {
    let mut reply = json(StatusCode::OK, value)?;
    reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    Ok(reply)
}
