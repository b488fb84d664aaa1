//! Which address leads to which route.

use crate::body::MAX_BODY_BYTES;
use crate::routes::{
    api_book, api_facets, api_search, api_similar, api_suggest, assets, book_page, docs, health, metrics, openai,
    ready, search_page, tei,
};
use crate::{AppState, Error, cors, headers, observe, problem, represent};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};

/// The whole service, ready to be served or called in a test. HEAD works wherever GET does.
pub fn router(state: AppState) -> Router {
    Router::new()
        .route("/", get(search_page::get).post(tei::embed))
        .route("/books/{id}", get(book_page::get))
        .route("/api/search", get(api_search::get))
        .route("/api/suggest", get(api_suggest::get))
        .route("/api/facets", get(api_facets::get))
        .route("/api/similar", get(api_similar::get))
        .route("/api/books/{id}", get(api_book::get))
        .route("/api/books/{id}/similar", get(api_similar::of_book))
        .route("/openapi.json", get(docs::openapi))
        .route("/docs", get(docs::page))
        .route("/v1/embeddings", post(openai::embeddings))
        .route("/v1/models", get(openai::models))
        .route("/v1/models/{*name}", get(openai::model_named))
        .route("/embed", post(tei::embed))
        .route("/similarity", post(tei::similarity))
        .route("/tokenize", post(tei::tokenize))
        .route("/info", get(tei::info))
        .route("/health", get(health::get))
        .route("/metrics", get(metrics::get))
        .route("/ready", get(ready::get))
        .route(assets::STYLE_PATH.as_str(), get(assets::style))
        .route(assets::SCRIPT_PATH.as_str(), get(assets::script))
        .route(assets::ICON_PATH, get(assets::icon))
        .fallback(async || Error::UnknownPath)
        .method_not_allowed_fallback(async || Error::MethodNotAllowed)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(from_fn_with_state(state.clone(), problem::layer))
        .layer(from_fn(represent::layer))
        .layer(from_fn_with_state(state.allowed_origins(), cors::layer))
        .layer(from_fn(headers::layer))
        .layer(from_fn_with_state(state.clone(), observe::layer))
        .with_state(state)
}
