//! The service as an AWS Lambda function: the same router, asked with events instead of connections.
//!
//! `lambda_http` fetches events from the runtime interface, makes requests of them, and makes what API Gateway and
//! function URLs expect of the responses. Around that: [`Event`] brings an event into a form that every request can be
//! made of, [`RuntimeInterface`] knows where events come from before anything else starts, and a request that would
//! outlast its invocation is answered while there is still time.

mod event;
mod runtime_interface;

pub use runtime_interface::{LambdaError, RuntimeInterface};

use crate::{AppState, Error, ServerConfig, headers, problem, router};
use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::{Next, from_fn, from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use event::Event;
use lambda_http::lambda_runtime::Runtime;
use lambda_http::request::LambdaRequest;
use lambda_http::{Adapter, LambdaEvent, RequestExt, Service, service_fn};
use libellus_search::Library;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// How long before the end of an invocation an answer must be on its way.
const ANSWER_BEFORE: Duration = Duration::from_millis(100);

/// Answers invocations from `library` for as long as the function's environment lives.
///
/// An event that is no request is reported to the runtime interface as that invocation's error, and the next one is
/// asked for.
///
/// # Errors
/// [`LambdaError::Runtime`] if the runtime interface fails.
pub async fn serve_lambda(
    interface: &RuntimeInterface,
    config: &ServerConfig,
    library: Arc<Library>,
) -> Result<(), LambdaError> {
    let mut adapter = Adapter::from(function_router(AppState::new(library, config)));
    let function = service_fn(move |event: LambdaEvent<Event>| {
        adapter.call(LambdaEvent::new(LambdaRequest::from(event.payload), event.context))
    });
    let ended = Runtime::new(function).run().await;
    ended.map_err(|source| LambdaError::Runtime { address: interface.address().to_owned(), source })
}

/// The router, within the limits of an invocation. The outer layers give a late answer what every other one has.
fn function_router(state: AppState) -> Router {
    router(state.clone())
        .layer(from_fn(within_deadline))
        .layer(from_fn_with_state(state, problem::layer))
        .layer(from_fn(headers::layer))
        .layer(map_response(join_repeated_headers))
}

/// Answers with [`Error::OutOfTime`] what cannot be answered within its invocation. Otherwise Lambda would end the
/// process, and the reader would wait for nothing, as would the next one for a cold start.
async fn within_deadline(request: Request, next: Next) -> Response {
    let deadline = request.lambda_context_ref().map(|context| context.deadline());
    let left = deadline.map_or(Duration::MAX, |deadline| {
        deadline.duration_since(SystemTime::now()).unwrap_or_default().saturating_sub(ANSWER_BEFORE)
    });
    tokio::time::timeout(left, next.run(request)).await.unwrap_or_else(|_| Error::OutOfTime.into_response())
}

/// Makes one header of those that have several values, as the payload format has room for one of each name. Cookies
/// have a place of their own in it.
async fn join_repeated_headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for name in headers.keys().cloned().collect::<Vec<_>>() {
        if name != header::SET_COOKIE
            && let Some(joined) = joined(headers, &name)
        {
            headers.insert(name, joined);
        }
    }
    response
}

/// The values of `name` as one list (RFC 9110, section 5.2); `None` if it has a single value.
fn joined(headers: &HeaderMap, name: &header::HeaderName) -> Option<HeaderValue> {
    let values: Vec<&[u8]> = headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
    if values.len() < 2 {
        return None;
    }
    HeaderValue::from_bytes(&values.join(&b", "[..])).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use lambda_http::Context;
    use serde_json::{Value, json};

    /// What the runtime interface gets for `GET path`.
    async fn answer(router: Router, path: &str) -> Value {
        let event = json!({
            "version": "2.0", "rawPath": path, "rawQueryString": "", "headers": {}, "isBase64Encoded": false,
            "requestContext": {"stage": "$default", "http": {"method": "GET"}},
        });
        let event: Event = serde_json::from_value(event).expect("an event");
        let event = LambdaEvent::new(LambdaRequest::from(event), Context::default());
        let response = Adapter::from(router).call(event).await.expect("the router never fails");
        serde_json::to_value(response).expect("JSON")
    }

    #[tokio::test]
    async fn text_stays_readable_and_anything_else_becomes_base64() {
        const BYTES: &[u8] = b"\x89PNG\r\n";
        let with_type = |content_type| get(async move || ([(header::CONTENT_TYPE, content_type)], BYTES));
        let router = Router::new()
            .route("/icon", with_type("image/png"))
            .route("/text", get(async || "é"))
            .route("/json", get(async || ([(header::CONTENT_TYPE, "application/problem+json")], "{}")))
            .route("/gzip", get(async || ([(header::CONTENT_ENCODING, "gzip")], "\u{1f}")));
        for (path, is_base64, body) in
            [("/icon", true, "iVBORw0K"), ("/text", false, "é"), ("/json", false, "{}"), ("/gzip", true, "Hw==")]
        {
            let response = answer(router.clone(), path).await;
            assert_eq!(response["statusCode"], 200, "{response}");
            assert_eq!((&response["isBase64Encoded"], &response["body"]), (&json!(is_base64), &json!(body)), "{path}");
        }
    }

    #[tokio::test]
    async fn no_value_of_a_header_is_lost() {
        let headers = [
            (header::VARY, "accept"),
            (header::VARY, "origin"),
            (header::SET_COOKIE, "a=1"),
            (header::SET_COOKIE, "b=2"),
            (header::ALLOW, "GET"),
        ];
        let headers = axum::response::AppendHeaders(headers);
        let router =
            Router::new().route("/", get(async move || (headers, ""))).layer(map_response(join_repeated_headers));
        let response = answer(router, "/").await;
        assert_eq!(response["headers"]["vary"], "accept, origin");
        assert_eq!(response["headers"]["allow"], "GET");
        assert_eq!(response["cookies"], json!(["a=1", "b=2"]));
    }
}
