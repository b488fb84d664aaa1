//! `GET /`: the search page. The whole search is in the address, so every page of results is a permalink.

use super::with_timing;
use crate::auth::Access;
use crate::parameters::SearchParameters;
use crate::view::{self, Chrome, Speech};
use crate::{AppState, Error};
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use libellus_search::SearchRequest;

/// The invitation to search or, when something was asked, the answer.
pub(crate) async fn get(
    State(state): State<AppState>,
    access: Access,
    speech: Speech,
    RawQuery(query): RawQuery,
) -> Result<Response, Error> {
    let parameters = SearchParameters::parse(query.as_deref())?;
    if parameters.query.is_none() {
        let readiness = state.look_up(|library| library.readiness()).await?;
        return Ok(
            view::start_page(Chrome::new(&state, speech), readiness.catalogue.books, &parameters)?.into_response()
        );
    }
    let mut request =
        SearchRequest { sentences: true, facets: state.reader_facets(), ..parameters.clone().into_request()? };
    request.filter = access.bound(request.filter);
    let answered = state.search(request).await?;
    let page = view::results_page(Chrome::new(&state, speech), &parameters, &answered.answer.response)?;
    let mut reply = page.into_response();
    with_timing(&mut reply, &answered);
    Ok(reply)
}
