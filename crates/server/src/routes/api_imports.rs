//! `POST /api/imports`: a file of books, uploaded; `GET /api/imports/{id}`: what becomes of it.

use super::json;
use crate::imports::receive;
use crate::parameters::pairs_of;
use crate::{AppState, Error};
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use libellus_catalogue::import::Format;

/// Takes a file in any format that an import knows, packed or not, and answers when all of it is received.
pub(crate) async fn post(
    State(state): State<AppState>,
    RawQuery(query): RawQuery,
    body: Body,
) -> Result<Response, Error> {
    let mut format = None;
    for (name, value) in pairs_of(query.as_deref())? {
        if name == "format" && !["", "auto"].contains(&value.as_str()) {
            format = Some(Format::from_name(&value).ok_or(Error::FormatUnknown)?);
        }
    }
    let job = receive(&state, format, state.most_upload_bytes(), body).await?;
    let mut reply = json(StatusCode::ACCEPTED, &job)?;
    let place = format!("/api/imports/{}", job.id);
    reply.headers_mut().insert(header::LOCATION, HeaderValue::try_from(place).map_err(Error::internal)?);
    Ok(reply)
}

/// How far an import is, and what it did.
pub(crate) async fn get(
    State(state): State<AppState>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Error> {
    let Path(id) = id.map_err(|_| Error::InvalidUtf8)?;
    json(StatusCode::OK, &state.imports().find(&id).ok_or(Error::ImportNotFound)?)
}

/// All imports of this service, whoever began them.
pub(crate) async fn list(State(state): State<AppState>) -> Result<Response, Error> {
    json(StatusCode::OK, &state.imports().all())
}
