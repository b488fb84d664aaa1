//! What other services of embeddings speak, so that their clients work here unchanged: which address is whose, and how
//! each of them tells an error.

use crate::Error;
use axum::http::Method;
use serde::Serialize;

/// Another service's way of speaking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// OpenAI's API.
    OpenAi,
    /// Text Embeddings Inference of Hugging Face.
    Tei,
}

#[derive(Serialize)]
struct OpenAiProblem<'a> {
    error: OpenAiError<'a>,
}

#[derive(Serialize)]
struct OpenAiError<'a> {
    message: &'a str,
    r#type: &'static str,
    param: Option<&'static str>,
    code: &'static str,
}

#[derive(Serialize)]
struct TeiProblem<'a> {
    error: &'a str,
    error_type: &'static str,
}

impl Dialect {
    /// Whose the address is, if it is not our own API's.
    pub(crate) fn of(method: &Method, path: &str) -> Option<Self> {
        match path {
            // The page lives there, too.
            "/" if method == Method::POST => Some(Self::Tei),
            "/embed" | "/similarity" | "/tokenize" | "/info" => Some(Self::Tei),
            path if path == "/v1" || path.starts_with("/v1/") => Some(Self::OpenAi),
            _ => None,
        }
    }

    /// The body of an error.
    pub(crate) fn problem(self, error: &Error) -> String {
        let told = error.told();
        let message = format!("{}; {}", error.detail(), told.hint);
        let is_ours = told.status.is_server_error();
        let body = match self {
            Self::OpenAi => serde_json::to_string(&OpenAiProblem {
                error: OpenAiError {
                    message: &message,
                    r#type: if is_ours { "server_error" } else { "invalid_request_error" },
                    param: error.parameter(),
                    code: told.code,
                },
            }),
            Self::Tei => serde_json::to_string(&TeiProblem {
                error: &message,
                error_type: match error {
                    Error::Busy | Error::OutOfTime => "Overloaded",
                    _ if is_ours => "Backend",
                    _ => "Validation",
                },
            }),
        };
        // Strings only: there is nothing in it that JSON could not say.
        body.unwrap_or_default()
    }
}
