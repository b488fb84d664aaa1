//! `POST /v1/embeddings` and `GET /v1/models`: OpenAI's API of embeddings, for the clients that speak it.
//!
//! <https://platform.openai.com/docs/api-reference/embeddings>. One model answers, whatever name a client asks for; the
//! reply says which. Texts that are longer than it reads are cut, and a header counts them.

use super::json;
use super::vectors::{self, Format, Written};
use crate::body::JsonBody;
use crate::inputs::{Inputs, Whole};
use crate::{AppState, Error};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use libellus_search::Overlong;
use serde::{Deserialize, Serialize};

/// What is asked. Other members, such as `user`, change nothing.
#[derive(Deserialize)]
pub(crate) struct Request {
    input: Inputs,
    encoding_format: Option<String>,
    dimensions: Option<Whole>,
}

#[derive(Serialize)]
struct Reply {
    object: &'static str,
    data: Vec<Embedding>,
    model: String,
    usage: Usage,
}

#[derive(Serialize)]
struct Embedding {
    object: &'static str,
    index: usize,
    embedding: Written,
}

/// Tokens that were read, special ones included.
#[derive(Serialize)]
struct Usage {
    prompt_tokens: usize,
    total_tokens: usize,
}

#[derive(Serialize)]
struct Model {
    id: String,
    object: &'static str,
    created: u64,
    owned_by: &'static str,
}

#[derive(Serialize)]
struct Models {
    object: &'static str,
    data: [Model; 1],
}

/// Embeds.
pub(crate) async fn embeddings(
    State(state): State<AppState>,
    JsonBody(request): JsonBody<Request>,
) -> Result<Response, Error> {
    let format = Format::parse(request.encoding_format.as_deref())?;
    let embedder = vectors::embedder(&state, request.dimensions)?;
    let model = embedder.name().to_owned();
    let encoded = state.embed(embedder, request.input.0, Overlong::CutEnd, false).await?;
    let tokens = encoded.iter().map(|encoded| encoded.tokens.used).sum();
    vectors::reply(encoded, format, move |vectors| {
        let embedding = |(index, embedding)| Embedding { object: "embedding", index, embedding };
        Reply {
            object: "list",
            data: vectors.into_iter().enumerate().map(embedding).collect(),
            model,
            usage: Usage { prompt_tokens: tokens, total_tokens: tokens },
        }
    })
    .await
}

/// The one model.
pub(crate) async fn models(State(state): State<AppState>) -> Result<Response, Error> {
    json(StatusCode::OK, &Models { object: "list", data: [model(&state)] })
}

/// The model of a name, if it is the one.
pub(crate) async fn model_named(
    State(state): State<AppState>,
    name: Result<Path<String>, PathRejection>,
) -> Result<Response, Error> {
    let Path(name) = name.map_err(|_| Error::InvalidUtf8)?;
    let model = model(&state);
    if model.id == name { json(StatusCode::OK, &model) } else { Err(Error::UnknownModel { name, known: model.id }) }
}

fn model(state: &AppState) -> Model {
    Model { id: state.model(), object: "model", created: 0, owned_by: "libellus" }
}
