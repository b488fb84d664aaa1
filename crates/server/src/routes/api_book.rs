//! `GET /api/books/{id}?format=`: one record, as JSON or for a reference manager.

use super::json;
use crate::auth::Access;
use crate::parameters::pairs_of;
use crate::view::{CITATION_FORMATS, CitationFormat};
use crate::{AppState, Error};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use libellus_catalogue::Book;
use libellus_search::Filter;
use sha2::{Digest, Sha256};

/// The record as JSON, or in the format asked for.
pub(crate) async fn get(
    State(state): State<AppState>,
    access: Access,
    id: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let format = format_of(query.as_deref())?;
    let book = find(&state, &access, id).await?;
    if let Some(format) = format {
        return citation(&book, format);
    }
    let tag = etag(&book)?;
    let is_known =
        |known: &str| known.split(',').any(|one| ["*".as_bytes(), tag.as_bytes()].contains(&one.trim().as_bytes()));
    let mut reply = match headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok()) {
        Some(known) if is_known(known) => StatusCode::NOT_MODIFIED.into_response(),
        _ => json(StatusCode::OK, &book)?,
    };
    reply.headers_mut().insert(header::ETAG, tag);
    Ok(reply)
}

/// The format that is asked for; none for JSON.
fn format_of(query: Option<&str>) -> Result<Option<&'static CitationFormat>, Error> {
    let asked = pairs_of(query)?.into_iter().find_map(|(name, value)| (name == "format").then_some(value));
    let Some(asked) = asked.filter(|asked| asked != "json") else { return Ok(None) };
    CITATION_FORMATS.iter().find(|format| format.name == asked).map(Some).ok_or(Error::RecordFormatUnknown)
}

/// The record as a file.
fn citation(book: &Book, format: &CitationFormat) -> Result<Response, Error> {
    let mut reply = format.write(book).map_err(Error::internal)?.into_response();
    let disposition = format!("attachment; filename=\"{}\"", format.file_name(book));
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(format.media_type));
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::try_from(disposition).map_err(Error::internal)?);
    Ok(reply)
}

/// The id that a path names.
pub(super) fn path_id(id: Result<Path<String>, PathRejection>) -> Result<String, Error> {
    // The path has one segment, so the only way to refuse it is that it is not UTF-8.
    id.map(|Path(id)| id).map_err(|_| Error::InvalidUtf8)
}

/// What changes whenever the record does: a hash of it as it is sent.
pub(super) fn etag(book: &Book) -> Result<HeaderValue, Error> {
    let hash = Sha256::digest(serde_json::to_vec(book).map_err(Error::internal)?);
    let tag: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    HeaderValue::try_from(format!("\"{tag}\"")).map_err(Error::internal)
}

/// The book that a path names, if it may be seen.
pub(super) async fn find(
    state: &AppState,
    access: &Access,
    id: Result<Path<String>, PathRejection>,
) -> Result<Book, Error> {
    let id = path_id(id)?;
    let (wanted, filter) = (id.clone(), access.bound(Filter::default()));
    state.look_up(move |library| library.book_within(&wanted, &filter)).await?.ok_or(Error::BookNotFound { id })
}
