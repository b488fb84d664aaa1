//! `GET /api/search?q=&limit=&mode=`: books, best first, each with the passage that matched.

use super::{json, with_timing};
use crate::auth::Access;
use crate::parameters::SearchParameters;
use crate::represent::Tag;
use crate::{AppState, Error};
use axum::extract::{RawQuery, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use libellus_search::{SearchResponse, Timings};

/// Answers a question. Where there are more answers, a `Link` header leads to the next page.
pub(crate) async fn get(
    State(state): State<AppState>,
    access: Access,
    RawQuery(query): RawQuery,
) -> Result<Response, Error> {
    let mut parameters = SearchParameters::parse(query.as_deref())?;
    let mut request = parameters.clone().into_request()?;
    request.filter = access.bound(request.filter);
    let response = state.search(request).await?;
    let mut reply = with_timing(json(StatusCode::OK, &response)?, &response.timings);
    // What it says is the same whenever it is asked; how long it took is not.
    let said = SearchResponse { timings: Timings::default(), ..response.clone() };
    if let Some(tag) = Tag::of(&serde_json::to_vec(&said).map_err(Error::internal)?) {
        reply.extensions_mut().insert(tag);
    }
    if response.next.is_some() {
        parameters.after = response.next;
        let link = format!("<{}>; rel=\"next\"", parameters.address("/api/search"));
        // An address is escaped down to what a header may hold.
        reply.headers_mut().insert(header::LINK, HeaderValue::try_from(link).map_err(Error::internal)?);
    }
    Ok(reply)
}
