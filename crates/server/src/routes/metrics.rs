//! `GET /metrics`: what the service counts, for Prometheus.

use crate::metrics::{CONTENT_TYPE, Gauges};
use crate::{AppState, Error};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

/// The counts, and what is there at the moment. A catalogue that cannot be asked is left out rather than an error: that
/// is when the rest is looked at.
pub(crate) async fn get(State(state): State<AppState>) -> Result<Response, Error> {
    let catalogue = state.look_up(|library| library.catalogue_size()).await.ok();
    let embedder = state.embedder();
    let gauges = Gauges {
        model: (embedder.name().to_owned(), embedder.fingerprint()),
        queue: state.queue(),
        caches: state.cache_counts(),
        index: state.index_size(),
        catalogue: catalogue.map(|size| (size.books, size.passages, size.embedded)),
    };
    Ok(([(header::CONTENT_TYPE, CONTENT_TYPE)], state.metrics().text(&gauges)).into_response())
}
