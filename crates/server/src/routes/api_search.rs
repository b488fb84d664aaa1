//! `GET /api/search?q=&limit=&mode=`: books, best first, each with the passage that matched.

use super::with_timing;
use crate::auth::Access;
use crate::parameters::SearchParameters;
use crate::{AppState, Error};
use axum::extract::{RawQuery, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

/// Answers a question. Where there are more answers, a `Link` header leads to the next page.
pub(crate) async fn get(
    State(state): State<AppState>,
    access: Access,
    RawQuery(query): RawQuery,
) -> Result<Response, Error> {
    let mut parameters = SearchParameters::parse(query.as_deref())?;
    let mut request = parameters.clone().into_request()?;
    request.filter = access.bound(request.filter);
    let answered = state.search(request).await?;
    let answer = &answered.answer;
    let mut reply = ([(header::CONTENT_TYPE, "application/json")], answer.json.clone()).into_response();
    with_timing(&mut reply, &answered);
    if let Some(tag) = &answer.tag {
        reply.extensions_mut().insert(tag.clone());
    }
    if answer.response.next.is_some() {
        parameters.after = answer.response.next.clone();
        let link = format!("<{}>; rel=\"next\"", parameters.address("/api/search"));
        // An address is escaped down to what a header may hold.
        reply.headers_mut().insert(header::LINK, HeaderValue::try_from(link).map_err(Error::internal)?);
    }
    Ok(reply)
}
