//! Which address leads to which route.

use crate::auth::{administering, reading, writing};
use crate::routes::{
    api_book, api_facets, api_imports, api_search, api_similar, api_suggest, api_write, assets, book_page, crawlers,
    docs, feed, health, metrics, openai, opensearch, ready, search_page, tei,
};
use crate::{AppState, Error, client, cors, headers, observe, problem, represent};
use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post, put};

/// The whole service, ready to be served or called in a test. HEAD works wherever GET does.
///
/// What is not behind a rule of `auth` says nothing of the books, and is for everyone.
pub fn router(state: AppState) -> Router {
    let logo = state.logo().map(|logo| Router::new().route(logo.path(), get(assets::logo))).unwrap_or_default();
    Router::new()
        .merge(logo)
        .route("/", reading(&state, get(search_page::get).post(tei::embed)))
        .route("/books/{id}", reading(&state, get(book_page::get)))
        .route("/robots.txt", get(crawlers::robots))
        .route("/sitemap.xml", reading(&state, get(crawlers::index)))
        .route("/sitemap/{part}", reading(&state, get(crawlers::part)))
        .route("/feed.atom", reading(&state, get(feed::atom)))
        .route("/opds", reading(&state, get(feed::opds)))
        .route("/opds/books", reading(&state, get(feed::opds_books)))
        .route("/opds/books/{id}/similar", reading(&state, get(feed::opds_similar)))
        .route("/opds/v2", reading(&state, get(feed::opds2)))
        .route("/opds/v2/books", reading(&state, get(feed::opds2_books)))
        .route("/opds/v2/books/{id}", reading(&state, get(feed::opds2_book)))
        .route("/opensearch.xml", get(opensearch::description))
        .route("/opensearch/suggestions", reading(&state, get(opensearch::suggestions)))
        .route("/api/search", reading(&state, get(api_search::get)))
        .route("/api/suggest", reading(&state, get(api_suggest::get)))
        .route("/api/facets", reading(&state, get(api_facets::get)))
        .route("/api/similar", reading(&state, get(api_similar::get)))
        .route("/api/books", writing(&state, post(api_write::post)))
        .route(
            "/api/books/{id}",
            reading(&state, get(api_book::get))
                .merge(writing(&state, put(api_write::put).patch(api_write::patch).delete(api_write::delete))),
        )
        .route(
            "/api/imports",
            writing(&state, post(api_imports::post)).merge(administering(&state, get(api_imports::list))),
        )
        .route("/api/imports/{id}", writing(&state, get(api_imports::get)))
        .route("/api/books/{id}/similar", reading(&state, get(api_similar::of_book)))
        .route("/openapi.json", get(docs::openapi))
        .route("/docs", get(docs::page))
        .route("/v1/embeddings", reading(&state, post(openai::embeddings)))
        .route("/v1/models", reading(&state, get(openai::models)))
        .route("/v1/models/{*name}", reading(&state, get(openai::model_named)))
        .route("/embed", reading(&state, post(tei::embed)))
        .route("/similarity", reading(&state, post(tei::similarity)))
        .route("/tokenize", reading(&state, post(tei::tokenize)))
        .route("/info", get(tei::info))
        .route("/health", get(health::get))
        .route("/metrics", reading(&state, get(metrics::get)))
        .route("/ready", get(ready::get))
        .route(state.style().path(), get(assets::style))
        .route(assets::SCRIPT_PATH.as_str(), get(assets::script))
        .route(assets::ICON_PATH, get(assets::icon))
        .fallback(async || Error::UnknownPath)
        .method_not_allowed_fallback(async || Error::MethodNotAllowed)
        .layer(from_fn_with_state(state.clone(), client::layer))
        .layer(from_fn_with_state(state.clone(), problem::layer))
        .layer(from_fn(represent::layer))
        .layer(from_fn_with_state(state.allowed_origins(), cors::layer))
        .layer(from_fn_with_state(state.crawlers(), headers::layer))
        .layer(from_fn_with_state(state.clone(), observe::layer))
        .with_state(state)
}
