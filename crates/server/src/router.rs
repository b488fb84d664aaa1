//! Which address leads to which route.

use crate::routes::{
    api_book, api_facets, api_search, api_similar, api_suggest, assets, book_page, health, ready, search_page,
};
use crate::{AppState, Error, cors, headers, problem};
use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::get;

/// The whole service, ready to be served or called in a test. HEAD works wherever GET does.
pub fn router(state: AppState) -> Router {
    Router::new()
        .route("/", get(search_page::get))
        .route("/books/{id}", get(book_page::get))
        .route("/api/search", get(api_search::get))
        .route("/api/suggest", get(api_suggest::get))
        .route("/api/facets", get(api_facets::get))
        .route("/api/similar", get(api_similar::get))
        .route("/api/books/{id}", get(api_book::get))
        .route("/api/books/{id}/similar", get(api_similar::of_book))
        .route("/health", get(health::get))
        .route("/ready", get(ready::get))
        .route(assets::STYLE_PATH.as_str(), get(assets::style))
        .route(assets::SCRIPT_PATH.as_str(), get(assets::script))
        .route(assets::ICON_PATH, get(assets::icon))
        .fallback(async || Error::UnknownPath)
        .method_not_allowed_fallback(async || Error::MethodNotAllowed)
        .layer(from_fn_with_state(state.clone(), problem::layer))
        .layer(from_fn_with_state(state.allowed_origins(), cors::layer))
        .layer(from_fn(headers::layer))
        .with_state(state)
}
