//! `POST /api/books`, and `PUT`, `PATCH` and `DELETE /api/books/{id}`: one record, written.
//!
//! A record is sent as `GET` sends it. Each write is one transaction, and looks at the record that is there inside it, so
//! that of two who change one record under `If-Match` the second hears of the first. What is written is found by its words
//! at once, and by its meaning as soon as the service has embedded it.

use super::json;
use crate::body::JsonBody;
use crate::routes::api_book::{etag, path_id};
use crate::{AppState, Error};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use libellus_catalogue::{Book, BookChange};
use libellus_search::EncoderCutter;
use serde_json::{Map, Value};
use std::sync::Arc;

/// The longest id, in bytes: it has to fit into an address.
const MAX_ID_BYTES: usize = 512;

/// So often a change is tried again that another one came before.
const ATTEMPTS: usize = 5;

const FIELDS: [&str; 12] = [
    "id",
    "title",
    "subtitle",
    "authors",
    "isbns",
    "publisher",
    "year",
    "language",
    "subjects",
    "audience",
    "description",
    "extra",
];

/// A JSON object.
type Fields = Map<String, Value>;

/// Adds a record; without an `id` it gets the one that an import would give it.
pub(crate) async fn post(
    State(state): State<AppState>,
    JsonBody(mut fields): JsonBody<Fields>,
) -> Result<Response, Error> {
    let has_id = fields.contains_key("id");
    fields.entry("id").or_insert_with(|| "-".into());
    let mut book = book_of(fields)?;
    if !has_id {
        book.id = libellus_catalogue::import::derived_id(&book);
    }
    let id = book.id.clone();
    match write(&state, book.clone(), |there| there.is_none()).await? {
        BookChange::Refused => Err(Error::BookExists { id }),
        _ => written(StatusCode::CREATED, &book),
    }
}

/// Adds or replaces a record. Sending the same again changes nothing.
pub(crate) async fn put(
    State(state): State<AppState>,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    JsonBody(mut fields): JsonBody<Fields>,
) -> Result<Response, Error> {
    let id = path_id(id)?;
    match fields.get("id") {
        None => drop(fields.insert("id".to_owned(), id.into())),
        Some(Value::String(given)) if *given == id => {}
        Some(_) => return Err(Error::BookInvalid { reason: "its `id` is not the one in the address".to_owned() }),
    }
    let book = book_of(fields)?;
    let wanted = Wanted::of(&headers)?;
    match write(&state, book.clone(), move |there| wanted.admits(there)).await? {
        BookChange::Refused => Err(Error::PreconditionFailed),
        BookChange::Added => written(StatusCode::CREATED, &book),
        _ => written(StatusCode::OK, &book),
    }
}

/// Changes some fields of a record; `null` takes one away.
pub(crate) async fn patch(
    State(state): State<AppState>,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    JsonBody(change): JsonBody<Fields>,
) -> Result<Response, Error> {
    let id = path_id(id)?;
    if change.get("id").is_some_and(|given| given.as_str() != Some(&id)) {
        return Err(Error::BookInvalid {
            reason: "a book keeps its `id`; add another one, and delete this".to_owned(),
        });
    }
    let wanted = Arc::new(Wanted::of(&headers)?);
    for _ in 0..ATTEMPTS {
        let asked = id.clone();
        let there = state.look_up(move |library| library.book(&asked)).await?;
        let there = there.ok_or_else(|| Error::BookNotFound { id: id.clone() })?;
        if !wanted.admits(Some(&there)) {
            return Err(Error::PreconditionFailed);
        }
        let mut fields = serde_json::to_value(&there).map_err(Error::internal)?;
        merge(&mut fields, Value::Object(change.clone()));
        let Value::Object(fields) = fields else { continue };
        let book = book_of(fields)?;
        match write(&state, book.clone(), move |now| now == Some(&there)).await? {
            BookChange::Refused => {}
            _ => return written(StatusCode::OK, &book),
        }
    }
    Err(Error::PreconditionFailed)
}

/// Deletes a record, with all that was made of it.
pub(crate) async fn delete(
    State(state): State<AppState>,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let id = path_id(id)?;
    let wanted = Wanted::of(&headers)?;
    let asked = id.clone();
    let change = move |there: Option<&Book>| wanted.admits(there);
    let change = state.look_up(move |library| Ok(library.catalogue().delete_book_if(&asked, &change)?)).await?;
    match change {
        BookChange::Refused => Err(Error::PreconditionFailed),
        BookChange::Missing => Err(Error::BookNotFound { id }),
        _ => Ok(StatusCode::NO_CONTENT.into_response()),
    }
}

async fn write(
    state: &AppState,
    book: Book,
    condition: impl Fn(Option<&Book>) -> bool + Send + Sync + 'static,
) -> Result<BookChange, Error> {
    let write = move |library: &libellus_search::Library| {
        let encoder = Arc::clone(library.serving()?);
        Ok(library.catalogue().put_book_if(&book, &EncoderCutter(&encoder), &condition)?)
    };
    // Cutting a long description takes a core for a while.
    let change = state.answer(write).await?;
    if matches!(change, BookChange::Added | BookChange::Updated) {
        state.note_written();
    }
    Ok(change)
}

fn written(status: StatusCode, book: &Book) -> Result<Response, Error> {
    let mut reply = json(status, book)?;
    let headers = reply.headers_mut();
    headers.insert(header::ETAG, etag(book)?);
    if status == StatusCode::CREATED {
        let place = format!("/api/books/{}", crate::parameters::encode(&book.id));
        headers.insert(header::LOCATION, HeaderValue::try_from(place).map_err(Error::internal)?);
    }
    Ok(reply)
}

/// What `If-Match` and `If-None-Match` want the record to be.
struct Wanted {
    matching: Option<String>,
    other_than: Option<String>,
}

impl Wanted {
    fn of(headers: &HeaderMap) -> Result<Self, Error> {
        let text = |name| match headers.get(name).map(HeaderValue::to_str) {
            None => Ok(None),
            Some(Ok(text)) => Ok(Some(text.to_owned())),
            Some(Err(_)) => Err(Error::PreconditionFailed),
        };
        Ok(Self { matching: text(header::IF_MATCH)?, other_than: text(header::IF_NONE_MATCH)? })
    }

    fn admits(&self, there: Option<&Book>) -> bool {
        let tag = there.and_then(|book| etag(book).ok());
        let tag = tag.as_ref().and_then(|tag| tag.to_str().ok());
        let names = |list: &String| tag.is_some_and(|tag| list.split(',').any(|one| ["*", tag].contains(&one.trim())));
        self.matching.as_ref().is_none_or(names) && !self.other_than.as_ref().is_some_and(names)
    }
}

/// A record of its fields, or what is wrong with them.
fn book_of(fields: Fields) -> Result<Book, Error> {
    let invalid = |reason: String| Error::BookInvalid { reason };
    if let Some(name) = fields.keys().find(|name| !FIELDS.contains(&name.as_str())) {
        let name: String = name.chars().take(40).collect();
        return Err(invalid(format!("`{name}` is no field of a book; put fields of your own into `extra`")));
    }
    let book: Book = serde_json::from_value(Value::Object(fields)).map_err(|error| {
        // A message of serde quotes the value, which may be long.
        invalid(error.to_string().chars().take(200).collect())
    })?;
    if book.title.trim().is_empty() {
        return Err(invalid("its `title` is empty".to_owned()));
    }
    if book.id.is_empty() || book.id.len() > MAX_ID_BYTES || book.id.chars().any(char::is_control) {
        return Err(invalid(format!("its `id` must have 1 to {MAX_ID_BYTES} bytes, and no control characters")));
    }
    Ok(book)
}

/// RFC 7396.
fn merge(target: &mut Value, change: Value) {
    let Value::Object(change) = change else {
        *target = change;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Some(fields) = target.as_object_mut() else { return };
    for (name, value) in change {
        match value {
            Value::Null => drop(fields.shift_remove(&name)),
            value => merge(fields.entry(name).or_insert(Value::Null), value),
        }
    }
}
