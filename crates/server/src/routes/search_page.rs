//! `GET /`: the search page. The whole search is in the address, so every page of results is a permalink.

use crate::parameters::SearchParameters;
use crate::view::{self, Chrome};
use crate::{AppState, Error};
use axum::extract::{RawQuery, State};
use axum::response::Html;
use libellus_search::SearchRequest;

/// The invitation to search or, when something was asked, the answer.
pub(crate) async fn get(State(state): State<AppState>, RawQuery(query): RawQuery) -> Result<Html<String>, Error> {
    let parameters = SearchParameters::parse(query.as_deref())?;
    if parameters.query.is_none() {
        let readiness = state.look_up(|library| library.readiness()).await?;
        return view::start_page(Chrome::new(&state), readiness.catalogue.books, &parameters);
    }
    let facets = state.facets().into_iter().filter(|field| field != "author").collect();
    let request = SearchRequest { sentences: true, facets, ..parameters.clone().into_request()? };
    let response = state.answer(move |library| library.search(&request)).await?;
    view::results_page(Chrome::new(&state), &parameters, &response)
}
