//! `GET /openapi.json`: what the API is, for programs; `GET /docs`: the same for people.

use crate::view::{self, Chrome, Speech};
use crate::{AppState, Error, openapi};
use axum::extract::State;
use axum::http::header;
use axum::response::{Html, IntoResponse, Response};

/// The description.
pub(crate) async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], openapi::TEXT).into_response()
}

/// The page made of it.
pub(crate) async fn page(State(state): State<AppState>) -> Result<Html<String>, Error> {
    view::docs_page(Chrome::new(&state, Speech::default()))
}
