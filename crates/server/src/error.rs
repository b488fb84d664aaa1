//! Everything that can go wrong with a request, and the one table that says how it is told.

use crate::auth::TokenFault;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use libellus_catalogue::Scope;
use std::sync::Arc;

/// What went wrong with a request.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The question, or what answers it.
    #[error(transparent)]
    Search(#[from] libellus_search::Error),
    /// `limit` is not a number.
    #[error("`{found}` is not a limit; it must be a whole number from 1 to {max}")]
    InvalidLimit {
        /// What was given.
        found: String,
        /// The largest limit.
        max: usize,
    },
    /// A parameter that is `true` or `false`.
    #[error("`{found}` is neither `true` nor `false`, which `{name}` must be")]
    InvalidFlag {
        /// The parameter.
        name: &'static str,
        /// What was given.
        found: String,
    },
    /// A parameter that is a whole number.
    #[error("`{found}` is not a whole number that `{name}` can be")]
    InvalidNumber {
        /// The parameter.
        name: &'static str,
        /// What was given.
        found: String,
    },
    /// A `%` that is not followed by two hexadecimal digits.
    #[error("the address holds `{escape}`, which is not a percent escape; write a `%` as `%25`")]
    BrokenEscape {
        /// The `%` and what follows it.
        escape: String,
    },
    /// A `Host` that no link can be made of.
    #[error("the request does not say which host it is for")]
    HostInvalid,
    /// Escapes that are not UTF-8 when decoded.
    #[error("the address holds escapes that are not UTF-8")]
    InvalidUtf8,
    /// No book has this id.
    #[error("the catalogue has no book with the id `{id}`")]
    BookNotFound {
        /// The id asked for.
        id: String,
    },
    /// Nothing lives at this path.
    #[error("there is nothing at this address")]
    UnknownPath,
    /// The path exists, the method does not.
    #[error("this address cannot be asked with that method")]
    MethodNotAllowed,
    /// A body that is not said to be JSON.
    #[error("the body is not said to be JSON")]
    NotJson,
    /// A body that cannot be read.
    #[error("the body cannot be read: {reason}")]
    InvalidBody {
        /// What is wrong with it, and where.
        reason: String,
    },
    /// A body beyond all need.
    #[error("the body is longer than {max} bytes")]
    BodyTooLarge {
        /// The longest that is read.
        max: u64,
    },
    /// Vectors of another length than the model's.
    #[error("vectors of `{model}` have {dim} dimensions and cannot be cut to {asked}")]
    Dimensions {
        /// What was asked.
        asked: u64,
        /// The model.
        model: String,
        /// How many it has.
        dim: usize,
    },
    /// Neither `float` nor `base64`.
    #[error("`{found}` is not a format of vectors")]
    UnknownFormat {
        /// What was given.
        found: String,
    },
    /// Neither `left` nor `right`.
    #[error("`{found}` is not an end of a text")]
    UnknownDirection {
        /// What was given.
        found: String,
    },
    /// A prompt by its name.
    #[error("the model has no prompt `{found}`")]
    UnknownPrompt {
        /// What was given.
        found: String,
    },
    /// Another model than the one.
    #[error("there is no model `{name}` here, only `{known}`")]
    UnknownModel {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// Nothing was shown where something has to be.
    #[error("this wants a token or a key")]
    CredentialsMissing,
    /// What was shown is not good.
    #[error(transparent)]
    Token(TokenFault),
    /// The keys that it would be checked by could not be had yet.
    #[error("the keys that tokens are checked by cannot be reached")]
    KeysAway,
    /// What was shown is good for less.
    #[error("the token or key does not allow this; it has to allow `{wanted}`, for all books")]
    ScopeInsufficient {
        /// What it has to allow.
        wanted: Scope,
    },
    /// Nobody may write.
    #[error("books can only be read here")]
    WritingOff,
    /// A client that asks too often.
    #[error("this client asks too often")]
    TooManyRequests {
        /// When it may ask again.
        retry_after_s: u64,
    },
    /// A packed body.
    #[error("the body is packed (`Content-Encoding`)")]
    Packed,
    /// A body that does not come.
    #[error("the body did not come in time")]
    BodyTooSlow,
    /// JSON that is no book.
    #[error("this is not a book: {reason}")]
    BookInvalid {
        /// What is wrong.
        reason: String,
    },
    /// A new book that is not new.
    #[error("there is a book with the id `{id}` already")]
    BookExists {
        /// The id.
        id: String,
    },
    /// `If-Match` or `If-None-Match` does not hold.
    #[error("the book is not, or no longer, as the request says it is")]
    PreconditionFailed,
    /// `format` names none.
    #[error("there is no such format")]
    FormatUnknown,
    /// `format` names none that a record can be had in.
    #[error("a record cannot be had in that format")]
    RecordFormatUnknown,
    /// No import has this id.
    #[error("there is no import of this id, or not any more")]
    ImportNotFound,
    /// More searches than the machine can do.
    #[error("too many searches are waiting at the moment")]
    Busy,
    /// No answer before the platform's time limit.
    #[error("the answer would have come too late")]
    OutOfTime,
    /// A fault of ours.
    #[error("something went wrong inside the service")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// How an error is told.
pub(crate) struct Told {
    /// The status of the reply.
    pub(crate) status: StatusCode,
    /// What programs go by; never changes.
    pub(crate) code: &'static str,
    /// The heading of the page, for readers.
    pub(crate) heading: &'static str,
    /// What to do.
    pub(crate) hint: &'static str,
}

impl Error {
    /// A fault of ours.
    pub(crate) fn internal(source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Error::Internal(Box::new(source))
    }

    /// The table: status, code, heading and hint of every error.
    pub(crate) fn told(&self) -> Told {
        use libellus_catalogue::Error as Catalogue;
        use libellus_search::Error as Search;
        let (status, code, heading, hint) = match self {
            Error::Search(Search::EmptyQuery) => (
                StatusCode::BAD_REQUEST,
                "query_empty",
                "What is the book about?",
                "put a few words in `q`, for example `q=surviving+alone+on+an+island`",
            ),
            Error::Search(Search::QueryTooLong) => (
                StatusCode::URI_TOO_LONG,
                "query_too_long",
                "That is too long",
                "a sentence or two is enough; the model reads about 200 words",
            ),
            Error::Search(Search::LimitOutOfRange { .. }) => (
                StatusCode::BAD_REQUEST,
                "limit_out_of_range",
                "That many books cannot be shown",
                "leave `limit` out, or choose one from 1 to 100",
            ),
            Error::InvalidLimit { .. } => (
                StatusCode::BAD_REQUEST,
                "limit_invalid",
                "That many books cannot be shown",
                "leave `limit` out, or choose one from 1 to 100",
            ),
            Error::InvalidFlag { .. } => (
                StatusCode::BAD_REQUEST,
                "flag_invalid",
                "That is neither yes nor no",
                "leave the parameter out, or write `true` or `false`",
            ),
            Error::InvalidNumber { .. } => (
                StatusCode::BAD_REQUEST,
                "number_invalid",
                "That is not a number",
                "leave the parameter out, or write a whole number such as `1984`",
            ),
            Error::Search(Search::YearsReversed { .. }) => {
                (StatusCode::BAD_REQUEST, "years_reversed", "No year lies between these", "put the earlier year first")
            }
            Error::Search(Search::UnknownFacet { .. }) => (
                StatusCode::BAD_REQUEST,
                "facet_unknown",
                "Books cannot be narrowed down like that",
                "use one of the fields named, or let the operator declare it in `LIBELLUS_FACETS`",
            ),
            Error::Search(Search::UnknownSort(_)) => (
                StatusCode::BAD_REQUEST,
                "sort_unknown",
                "There is no such order",
                "leave `sort` out, or choose `relevance`, `newest`, `oldest` or `title`",
            ),
            Error::Search(Search::UnknownCursor) => (
                StatusCode::BAD_REQUEST,
                "cursor_invalid",
                "This page cannot be found again",
                "begin at the first page, without `after`",
            ),
            Error::Search(Search::NoBook) => {
                (StatusCode::BAD_REQUEST, "id_missing", "Like which book?", "name a book with `id`, or several")
            }
            Error::Search(Search::UnknownMode(_)) => (
                StatusCode::BAD_REQUEST,
                "mode_unknown",
                "There is no such way to search",
                "leave `mode` out, or choose `hybrid` (both), `semantic` (by meaning) or `keyword` (by words)",
            ),
            Error::BrokenEscape { .. } => (
                StatusCode::BAD_REQUEST,
                "escape_invalid",
                "The address is damaged",
                "type the search again, or encode the parameters as UTF-8 with percent escapes",
            ),
            Error::HostInvalid => (
                StatusCode::BAD_REQUEST,
                "host_invalid",
                "The request is damaged",
                "send `Host` with a host name and perhaps a port, or let the operator set `LIBELLUS_PUBLIC_URL`",
            ),
            Error::InvalidUtf8 => (
                StatusCode::BAD_REQUEST,
                "utf8_invalid",
                "The address is damaged",
                "type the search again, or encode the parameters as UTF-8 with percent escapes",
            ),
            Error::BookNotFound { .. } | Error::Search(Search::UnknownBook(_)) => (
                StatusCode::NOT_FOUND,
                "book_not_found",
                "This book is not in the catalogue",
                "it may have been removed; search for it by its title or by what it is about",
            ),
            Error::UnknownPath => (
                StatusCode::NOT_FOUND,
                "path_unknown",
                "There is no page at this address",
                "the search page is at `/`, the API at `/api/search`, `/api/suggest`, `/api/facets`, `/api/similar` and `/api/books/{id}`; books are added at `/api/books` and `/api/imports`",
            ),
            Error::MethodNotAllowed => (
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "This page can only be read",
                "send one of the methods that the header `Allow` names",
            ),
            Error::NotJson => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "media_type_unsupported",
                "That cannot be read",
                "send JSON, with the header `Content-Type: application/json`",
            ),
            Error::InvalidBody { .. } => (
                StatusCode::BAD_REQUEST,
                "body_invalid",
                "That cannot be read",
                "mend what the message names; `docs/clients.md` and `docs/access.md` show what can be sent",
            ),
            Error::BodyTooLarge { .. } => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "body_too_large",
                "That is too long",
                "send it in parts; the largest files go to `libellus import`",
            ),
            Error::Dimensions { .. } => (
                StatusCode::BAD_REQUEST,
                "dimensions_unsupported",
                "There are no such vectors",
                "leave `dimensions` out: the model was not trained to have its vectors shortened",
            ),
            Error::UnknownFormat { .. } => (
                StatusCode::BAD_REQUEST,
                "format_unknown",
                "There is no such format",
                "leave `encoding_format` out, or choose `float` or `base64`",
            ),
            Error::UnknownDirection { .. } => (
                StatusCode::BAD_REQUEST,
                "direction_unknown",
                "A text has no such end",
                "leave `truncation_direction` out, or choose `Right` or `Left`",
            ),
            Error::UnknownPrompt { .. } => (
                StatusCode::BAD_REQUEST,
                "prompt_unknown",
                "There is no such prompt",
                "leave `prompt_name` out, and put the prompt in front of the text if there has to be one",
            ),
            Error::UnknownModel { .. } => {
                (StatusCode::NOT_FOUND, "model_not_found", "There is no such model", "`/v1/models` lists what there is")
            }
            Error::Search(Search::EmptyInput { .. }) => (
                StatusCode::BAD_REQUEST,
                "input_empty",
                "There is nothing to embed",
                "send only texts that say something",
            ),
            Error::Search(Search::UnknownToken { .. }) => (
                StatusCode::BAD_REQUEST,
                "token_unknown",
                "That is no token",
                "LangChain sends text with `check_embedding_ctx_length=False`",
            ),
            Error::Search(Search::InputTooLong { .. }) => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "input_too_long",
                "That is too long",
                "leave `truncate` out, or set it to true",
            ),
            Error::CredentialsMissing => (
                StatusCode::UNAUTHORIZED,
                "credentials_missing",
                "This is not open to everyone",
                "send `Authorization: Bearer` with a token, or with a key that the operator makes by `libellus key create`",
            ),
            Error::Token(fault) => (
                if *fault == TokenFault::Several { StatusCode::BAD_REQUEST } else { StatusCode::UNAUTHORIZED },
                fault.code(),
                "This is not open to everyone",
                "get another token or key; without any you can do what everyone may",
            ),
            Error::KeysAway => (
                StatusCode::SERVICE_UNAVAILABLE,
                "keys_away",
                "Tokens cannot be checked just now",
                "try again in a moment; the operator sees in the log why the keys at `JWT_JWKS` cannot be read",
            ),
            Error::ScopeInsufficient { .. } => (
                StatusCode::FORBIDDEN,
                "scope_insufficient",
                "You may not do this",
                "the operator makes a key for it by `libellus key create --scope`, or puts `scope` into the token",
            ),
            Error::WritingOff => (
                StatusCode::FORBIDDEN,
                "writing_off",
                "Books can only be read here",
                "writing is off until there is someone who may: the operator sets `JWT_SECRET_KEY` or runs `libellus key create`",
            ),
            Error::TooManyRequests { .. } => (
                StatusCode::TOO_MANY_REQUESTS,
                "rate_limited",
                "Slowly, please",
                "wait as long as `Retry-After` says, and ask less often",
            ),
            Error::Packed => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "encoding_unsupported",
                "That cannot be read",
                "send the body as it is; a file for `/api/imports` may be packed, without `Content-Encoding`",
            ),
            Error::BodyTooSlow => (
                StatusCode::REQUEST_TIMEOUT,
                "body_too_slow",
                "That took too long",
                "send the body without long pauses",
            ),
            Error::BookInvalid { .. } => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "book_invalid",
                "This is not a book",
                "send a record as `GET /api/books/{id}` gives it; only `title` is needed",
            ),
            Error::BookExists { .. } => (
                StatusCode::CONFLICT,
                "book_exists",
                "This book is there already",
                "change it with `PUT` or `PATCH` at its own address",
            ),
            Error::PreconditionFailed => (
                StatusCode::PRECONDITION_FAILED,
                "precondition_failed",
                "Somebody else was faster",
                "get the book again, and repeat the change with its new `ETag`",
            ),
            Error::FormatUnknown => (
                StatusCode::BAD_REQUEST,
                "import_format_unknown",
                "There is no such format",
                "leave `format` out to have it found out, or choose one that `libellus import --help` names",
            ),
            Error::RecordFormatUnknown => (
                StatusCode::BAD_REQUEST,
                "record_format_unknown",
                "There is no such format",
                "leave `format` out, or choose `json`, `ris`, `bibtex`, `csl-json`, `marcxml` or `json-ld`",
            ),
            Error::ImportNotFound => (
                StatusCode::NOT_FOUND,
                "import_not_found",
                "There is no such import",
                "the last hundred are remembered, until the service ends",
            ),
            Error::Search(Search::Catalogue(Catalogue::OpenedReadOnly { .. } | Catalogue::ReadOnly { .. })) => (
                StatusCode::FORBIDDEN,
                "catalogue_read_only",
                "Books can only be read here",
                "the operator lets the service write to its catalogue",
            ),
            Error::Search(Search::Catalogue(Catalogue::DiskFull { .. })) => (
                StatusCode::INSUFFICIENT_STORAGE,
                "storage_full",
                "There is no room left",
                "tell the operator; what was written before is safe",
            ),
            Error::Search(Search::Catalogue(error)) if error.is_transient() => (
                StatusCode::SERVICE_UNAVAILABLE,
                "catalogue_away",
                "The catalogue cannot be reached just now",
                "try again in a moment",
            ),
            Error::Busy => (
                StatusCode::SERVICE_UNAVAILABLE,
                "busy",
                "Many readers are searching just now",
                "try again in a moment",
            ),
            Error::OutOfTime => {
                (StatusCode::SERVICE_UNAVAILABLE, "out_of_time", "That took too long", "try again in a moment")
            }
            Error::Search(Search::NotEmbedded { .. }) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "not_embedded",
                "The books are still being prepared",
                "search by words meanwhile; the operator prepares the books with `libellus backfill`",
            ),
            Error::Search(Search::OtherSpace { .. }) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "other_space",
                "This service is being replaced",
                "search by words meanwhile; the operator starts the service with the model that the catalogue is searched by",
            ),
            Error::Search(_) | Error::Internal(_) => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                "Something went wrong on our side",
                "try again; if it happens again, tell the operator, whose log has the details",
            ),
        };
        Told { status, code, heading, hint }
    }

    /// What happened, for whoever asked. Of our own faults only that they happened: the causes may hold paths
    /// and names that are nobody's business.
    pub(crate) fn detail(&self) -> String {
        match self {
            Error::Search(libellus_search::Error::NotEmbedded { .. }) => {
                "no book of this catalogue can be compared by meaning yet".to_owned()
            }
            Error::Search(libellus_search::Error::OtherSpace { .. }) => {
                "this service has another model than the one that the catalogue is searched by".to_owned()
            }
            Error::Search(libellus_search::Error::Catalogue(_)) if self.told().code == "catalogue_read_only" => {
                "nothing can be written to this catalogue".to_owned()
            }
            _ if self.is_ours() => "something went wrong inside the service".to_owned(),
            _ => self.to_string(),
        }
    }

    /// The member of a request that is wrong, if it is one of those that OpenAI's API knows.
    pub(crate) fn parameter(&self) -> Option<&'static str> {
        use libellus_search::Error as Search;
        match self {
            Error::Dimensions { .. } => Some("dimensions"),
            Error::UnknownFormat { .. } => Some("encoding_format"),
            Error::UnknownModel { .. } => Some("model"),
            Error::Search(Search::EmptyInput { .. } | Search::UnknownToken { .. }) => Some("input"),
            _ => None,
        }
    }

    /// What `WWW-Authenticate` says (RFC 6750), if it says anything.
    pub(crate) fn challenge(&self) -> Option<String> {
        match self {
            Error::CredentialsMissing => Some("Bearer realm=\"libellus\"".to_owned()),
            Error::Token(TokenFault::Several) => None,
            // The messages are ours, without quotation marks and anything of the token.
            Error::Token(fault) => {
                Some(format!("Bearer realm=\"libellus\", error=\"invalid_token\", error_description=\"{fault}\""))
            }
            Error::ScopeInsufficient { wanted } => {
                Some(format!("Bearer realm=\"libellus\", error=\"insufficient_scope\", scope=\"{wanted}\""))
            }
            _ => None,
        }
    }

    /// The same of an import that ended with it: what is wrong with the file is told whole.
    pub(crate) fn detail_of_import(&self) -> String {
        match self {
            Error::Search(libellus_search::Error::Catalogue(error))
                if error.is_about_the_input() || matches!(error, libellus_catalogue::Error::Input { .. }) =>
            {
                let cause = std::error::Error::source(error).map_or_else(String::new, |cause| format!(": {cause}"));
                format!("{error}{cause}")
            }
            _ => self.detail(),
        }
    }

    /// How long whoever was turned away should wait, in seconds.
    pub(crate) fn retry_after_s(&self) -> Option<u64> {
        match self {
            Error::TooManyRequests { retry_after_s } => Some(*retry_after_s),
            Error::Busy | Error::OutOfTime => Some(1),
            Error::KeysAway => Some(2),
            _ if self.told().code == "catalogue_away" => Some(2),
            _ => None,
        }
    }

    /// Whether the operator has to do something about it.
    pub(crate) fn is_ours(&self) -> bool {
        self.told().status.is_server_error() && !matches!(self, Error::Busy | Error::OutOfTime | Error::KeysAway)
    }
}

/// Only the status, with the error attached: the `problem` module gives it a body, once it knows
/// who is asking.
impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let mut response = self.told().status.into_response();
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use libellus_search::Error as Search;

    #[test]
    fn every_error_is_told_with_its_own_code() {
        let cases = [
            (Error::Search(Search::EmptyQuery), 400, "query_empty"),
            (Error::Search(Search::QueryTooLong), 414, "query_too_long"),
            (Error::Search(Search::LimitOutOfRange { limit: 0 }), 400, "limit_out_of_range"),
            (Error::Search(Search::UnknownMode("x".to_owned())), 400, "mode_unknown"),
            (Error::Search(Search::UnknownSort("x".to_owned())), 400, "sort_unknown"),
            (Error::Search(Search::UnknownCursor), 400, "cursor_invalid"),
            (Error::Search(Search::YearsReversed { from: 2, to: 1 }), 400, "years_reversed"),
            (
                Error::Search(Search::UnknownFacet { field: "x".to_owned(), known: "y".to_owned() }),
                400,
                "facet_unknown",
            ),
            (Error::Search(Search::NoBook), 400, "id_missing"),
            (Error::Search(Search::UnknownBook("x".to_owned())), 404, "book_not_found"),
            (Error::InvalidNumber { name: "age", found: "x".to_owned() }, 400, "number_invalid"),
            (Error::InvalidLimit { found: "x".to_owned(), max: 100 }, 400, "limit_invalid"),
            (Error::InvalidFlag { name: "exact", found: "x".to_owned() }, 400, "flag_invalid"),
            (Error::BrokenEscape { escape: "%z".to_owned() }, 400, "escape_invalid"),
            (Error::HostInvalid, 400, "host_invalid"),
            (Error::InvalidUtf8, 400, "utf8_invalid"),
            (Error::BookNotFound { id: "x".to_owned() }, 404, "book_not_found"),
            (Error::UnknownPath, 404, "path_unknown"),
            (Error::MethodNotAllowed, 405, "method_not_allowed"),
            (Error::NotJson, 415, "media_type_unsupported"),
            (Error::InvalidBody { reason: "x".to_owned() }, 400, "body_invalid"),
            (Error::BodyTooLarge { max: 1 }, 413, "body_too_large"),
            (Error::Dimensions { asked: 2, model: "x".to_owned(), dim: 1 }, 400, "dimensions_unsupported"),
            (Error::UnknownFormat { found: "x".to_owned() }, 400, "format_unknown"),
            (Error::UnknownDirection { found: "x".to_owned() }, 400, "direction_unknown"),
            (Error::UnknownPrompt { found: "x".to_owned() }, 400, "prompt_unknown"),
            (Error::UnknownModel { name: "x".to_owned(), known: "y".to_owned() }, 404, "model_not_found"),
            (Error::Search(Search::EmptyInput { input: 0 }), 400, "input_empty"),
            (
                Error::Search(Search::UnknownToken { input: 0, id: 2, model: "x".to_owned(), last: 1 }),
                400,
                "token_unknown",
            ),
            (
                Error::Search(Search::InputTooLong { input: 0, tokens: 2, model: "x".to_owned(), max: 1 }),
                413,
                "input_too_long",
            ),
            (Error::CredentialsMissing, 401, "credentials_missing"),
            (Error::Token(TokenFault::Expired), 401, "token_expired"),
            (Error::Token(TokenFault::Several), 400, "credentials_ambiguous"),
            (Error::ScopeInsufficient { wanted: Scope::Write }, 403, "scope_insufficient"),
            (Error::WritingOff, 403, "writing_off"),
            (Error::TooManyRequests { retry_after_s: 1 }, 429, "rate_limited"),
            (Error::Packed, 415, "encoding_unsupported"),
            (Error::BodyTooSlow, 408, "body_too_slow"),
            (Error::BookInvalid { reason: "x".to_owned() }, 422, "book_invalid"),
            (Error::BookExists { id: "x".to_owned() }, 409, "book_exists"),
            (Error::PreconditionFailed, 412, "precondition_failed"),
            (Error::FormatUnknown, 400, "import_format_unknown"),
            (Error::RecordFormatUnknown, 400, "record_format_unknown"),
            (Error::ImportNotFound, 404, "import_not_found"),
            (Error::KeysAway, 503, "keys_away"),
            (Error::Busy, 503, "busy"),
            (Error::OutOfTime, 503, "out_of_time"),
            (Error::internal(std::fmt::Error), 500, "internal"),
        ];
        for (error, status, code) in cases {
            let told = error.told();
            assert_eq!((told.status.as_u16(), told.code), (status, code), "{error}");
            assert_eq!(error.is_ours(), code == "internal", "{error}");
        }
    }

    #[test]
    fn causes_of_our_own_faults_are_not_told() {
        let cause = std::io::Error::other("/srv/secret/libellus.db is gone");
        let detail = Error::internal(cause).detail();
        assert_eq!(detail, "something went wrong inside the service");
    }
}
