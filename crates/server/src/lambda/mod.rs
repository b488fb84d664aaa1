//! The service as an AWS Lambda function: the same router, asked with events instead of connections.
//!
//! `lambda_runtime` fetches events from the runtime interface and posts what they are answered with. [`Event`] is made a
//! request, and the response an [`Answer`]; [`RuntimeInterface`] knows where events come from before anything else
//! starts; a request that would outlast its invocation is answered while there is still time.

mod event;
mod runtime_interface;

pub use runtime_interface::{LambdaError, RuntimeInterface};

use crate::{AppState, Error, ServerConfig, cors, headers, problem, router};
use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use event::{Answer, Event};
use lambda_runtime::tower::ServiceExt as _;
use lambda_runtime::{LambdaEvent, Runtime, service_fn};
use libellus_search::Library;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// How long before the end of an invocation an answer must be on its way.
const ANSWER_BEFORE: Duration = Duration::from_millis(100);

/// When an invocation ends.
#[derive(Clone, Copy)]
struct Deadline(SystemTime);

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
    let router = function_router(AppState::new(library, config));
    let ended = Runtime::new(service_fn(|event| answer(router.clone(), event))).run().await;
    ended.map_err(|source| LambdaError::Runtime { address: interface.address().to_owned(), source })
}

/// The router, within the limits of an invocation. The outer layers give a late answer what every other one has.
fn function_router(state: AppState) -> Router {
    router(state.clone())
        .layer(from_fn(within_deadline))
        .layer(from_fn_with_state(state.clone(), problem::layer))
        .layer(from_fn_with_state(state.allowed_origins(), cors::layer))
        .layer(from_fn_with_state(state.crawlers(), headers::layer))
}

/// Answers one invocation.
async fn answer(router: Router, event: LambdaEvent<Event>) -> Result<Answer, lambda_runtime::Error> {
    let mut request = Request::try_from(event.payload)?;
    request.extensions_mut().insert(Deadline(event.context.deadline()));
    let response = router.oneshot(request).await?;
    Ok(Answer::read(response).await?)
}

/// Answers with [`Error::OutOfTime`] what cannot be answered within its invocation. Otherwise Lambda would end the
/// process, and the reader would wait for nothing, as would the next one for a cold start.
async fn within_deadline(request: Request, next: Next) -> Response {
    let left = request.extensions().get().map_or(Duration::MAX, |&Deadline(end)| {
        end.duration_since(SystemTime::now()).unwrap_or_default().saturating_sub(ANSWER_BEFORE)
    });
    if left.is_zero() {
        return Error::OutOfTime.into_response();
    }
    tokio::time::timeout(left, next.run(request)).await.unwrap_or_else(|_| Error::OutOfTime.into_response())
}
