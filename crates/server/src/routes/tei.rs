//! `POST /embed`, `/similarity` and `/tokenize`, `GET /info`: the API of Hugging Face's Text Embeddings Inference, for
//! the clients that speak it.
//!
//! <https://huggingface.github.io/text-embeddings-inference>. As there, `POST /` embeds, too.

use super::json;
use super::vectors::{self, Format};
use crate::body::JsonBody;
use crate::inputs::{Inputs, MAX_INPUTS, Whole};
use crate::{AppState, Error};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use libellus_search::{EmbeddingInput, Overlong, Token};
use serde::{Deserialize, Serialize};

/// What may be said of texts beside themselves.
#[derive(Default, Deserialize)]
struct Options {
    /// Whether a text that is too long is cut; one is, unless this is false.
    truncate: Option<bool>,
    truncation_direction: Option<String>,
    prompt_name: Option<String>,
}

/// A request to embed.
#[derive(Deserialize)]
pub(crate) struct EmbedRequest {
    inputs: Inputs,
    normalize: Option<bool>,
    dimensions: Option<Whole>,
    encoding_format: Option<String>,
    truncate: Option<bool>,
    truncation_direction: Option<String>,
    prompt_name: Option<String>,
}

/// A request to compare.
#[derive(Deserialize)]
pub(crate) struct SimilarityRequest {
    inputs: Sentences,
    #[serde(default)]
    parameters: Option<Options>,
}

#[derive(Deserialize)]
struct Sentences {
    source_sentence: String,
    sentences: Vec<String>,
}

/// A request for tokens.
#[derive(Deserialize)]
pub(crate) struct TokenizeRequest {
    inputs: Inputs,
    add_special_tokens: Option<bool>,
    prompt_name: Option<String>,
}

/// Where a token stands in its text is not known here, so `start` and `stop` are null, as they may be.
#[derive(Serialize)]
struct WrittenToken {
    id: u32,
    text: String,
    special: bool,
    start: Option<usize>,
    stop: Option<usize>,
}

#[derive(Serialize)]
struct Info {
    model_id: String,
    model_sha: Option<String>,
    model_dtype: &'static str,
    model_type: ModelType,
    max_concurrent_requests: usize,
    max_input_length: usize,
    max_batch_tokens: usize,
    max_batch_requests: Option<usize>,
    max_client_batch_size: usize,
    auto_truncate: bool,
    tokenization_workers: usize,
    version: &'static str,
    sha: Option<String>,
    docker_label: Option<String>,
    /// Not in Text Embeddings Inference: what the vectors may be compared with.
    fingerprint: String,
}

#[derive(Serialize)]
struct ModelType {
    embedding: Pooling,
}

#[derive(Serialize)]
struct Pooling {
    pooling: &'static str,
}

impl Options {
    fn overlong(&self) -> Result<Overlong, Error> {
        check_prompt(self.prompt_name.as_deref())?;
        let direction = self.truncation_direction.as_deref().unwrap_or("Right").to_ascii_lowercase();
        match (direction.as_str(), self.truncate.unwrap_or(true)) {
            ("right" | "left", false) => Ok(Overlong::Refuse),
            ("right", true) => Ok(Overlong::CutEnd),
            ("left", true) => Ok(Overlong::CutStart),
            (other, _) => Err(Error::UnknownDirection { found: other.chars().take(40).collect() }),
        }
    }
}

/// No model here has prompts by name.
fn check_prompt(name: Option<&str>) -> Result<(), Error> {
    name.map_or(Ok(()), |name| Err(Error::UnknownPrompt { found: name.chars().take(40).collect() }))
}

/// Embeds.
pub(crate) async fn embed(
    State(state): State<AppState>,
    JsonBody(request): JsonBody<EmbedRequest>,
) -> Result<Response, Error> {
    let format = Format::parse(request.encoding_format.as_deref())?;
    let EmbedRequest { truncate, truncation_direction, prompt_name, .. } = request;
    let overlong = Options { truncate, truncation_direction, prompt_name }.overlong()?;
    let embedder = vectors::embedder(&state, request.dimensions)?;
    let is_unscaled = request.normalize == Some(false);
    let encoded = state.embed(embedder, request.inputs.0, overlong, is_unscaled).await?;
    vectors::reply(encoded, format, |vectors| vectors).await
}

/// Cosines of one text and others.
pub(crate) async fn similarity(
    State(state): State<AppState>,
    JsonBody(request): JsonBody<SimilarityRequest>,
) -> Result<Response, Error> {
    let overlong = request.parameters.unwrap_or_default().overlong()?;
    let Sentences { source_sentence, sentences } = request.inputs;
    if sentences.is_empty() || sentences.len() >= MAX_INPUTS {
        let reason = format!("`sentences` has {} texts; send 1 to {}", sentences.len(), MAX_INPUTS - 1);
        return Err(Error::InvalidBody { reason });
    }
    let inputs = [source_sentence].into_iter().chain(sentences).map(EmbeddingInput::Text).collect();
    let encoded = state.embed(state.embedder(), inputs, overlong, false).await?;
    let cosine = |other: &[f32]| encoded[0].vector.iter().zip(other).map(|(a, b)| a * b).sum::<f32>();
    let cosines: Vec<f32> = encoded[1..].iter().map(|encoded| cosine(&encoded.vector)).collect();
    json(StatusCode::OK, &cosines)
}

/// The tokens of texts.
pub(crate) async fn tokenize(
    State(state): State<AppState>,
    JsonBody(request): JsonBody<TokenizeRequest>,
) -> Result<Response, Error> {
    check_prompt(request.prompt_name.as_deref())?;
    let texts: Option<Vec<String>> = request.inputs.0.into_iter().map(text).collect();
    let texts = texts.ok_or_else(|| Error::InvalidBody { reason: "`inputs` are tokens already".to_owned() })?;
    let with_special = request.add_special_tokens.unwrap_or(true);
    let embedder = state.embedder();
    let tokens = move || {
        let tokens = texts.iter().map(|text| embedder.tokenize(text, with_special).into_iter().map(written).collect());
        json(StatusCode::OK, &tokens.collect::<Vec<Vec<WrittenToken>>>())
    };
    state.compute(tokens).await?
}

fn text(input: EmbeddingInput) -> Option<String> {
    match input {
        EmbeddingInput::Text(text) => Some(text),
        EmbeddingInput::TokenIds(_) => None,
    }
}

fn written(token: Token) -> WrittenToken {
    WrittenToken { id: token.id, text: token.text, special: token.is_special, start: None, stop: None }
}

/// What the model is and what a request may hold.
pub(crate) async fn info(State(state): State<AppState>) -> Result<Response, Error> {
    let embedder = state.embedder();
    json(
        StatusCode::OK,
        &Info {
            model_id: embedder.name().to_owned(),
            model_sha: None,
            model_dtype: "float32",
            model_type: ModelType { embedding: Pooling { pooling: embedder.pooling() } },
            max_concurrent_requests: state.places(),
            max_input_length: embedder.max_tokens(),
            max_batch_tokens: MAX_INPUTS * embedder.max_tokens(),
            max_batch_requests: None,
            max_client_batch_size: MAX_INPUTS,
            auto_truncate: true,
            tokenization_workers: embedder.threads(),
            version: env!("CARGO_PKG_VERSION"),
            sha: None,
            docker_label: None,
            fingerprint: embedder.fingerprint(),
        },
    )
}
