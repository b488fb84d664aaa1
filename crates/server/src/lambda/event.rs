//! An invocation's event, brought into a form that `lambda_http` can make a request of.
//!
//! `lambda_http` takes for granted that an event's address and body are well-formed, and panics if they are not. They
//! hold what a client typed, though, and API Gateway decodes the path before it passes it on.

use crate::request_line::MAX_TARGET_BYTES;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use lambda_http::http::header::HOST;
use lambda_http::request::LambdaRequest;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::Deserialize;

/// What a query must not hold literally, `%` excepted: it begins the escapes that are there.
const UNFIT_FOR_QUERY: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// The same of a path.
const UNFIT_FOR_PATH: &AsciiSet = &UNFIT_FOR_QUERY.add(b'?');

/// The longest path that is told from others: no book has so long an id, and with the longest query it makes an address
/// of less than 64 KiB, as an address must be.
const MAX_PATH_BYTES: usize = 4 * 1024;

/// The stage that leaves no trace in a path.
const DEFAULT_STAGE: &str = "$default";

/// An event of an HTTP API or of a function URL (payload format 2.0).
#[derive(Debug, Deserialize)]
#[serde(try_from = "ApiGatewayV2httpRequest")]
pub(super) struct Event(LambdaRequest);

/// Why an event is refused.
#[derive(Debug, thiserror::Error)]
#[error("the body of the event is marked as Base64, which it is not")]
pub(super) struct NotBase64(#[from] base64::DecodeError);

impl TryFrom<ApiGatewayV2httpRequest> for Event {
    type Error = NotBase64;

    fn try_from(mut event: ApiGatewayV2httpRequest) -> Result<Self, NotBase64> {
        if let (true, Some(body)) = (event.is_base64_encoded, &event.body) {
            BASE64_STANDARD.decode(body)?;
        }
        let stage = event.request_context.stage.take();
        event.raw_path = Some(path(event.raw_path.as_deref().unwrap_or_default(), stage.as_deref()));
        event.raw_query_string = event.raw_query_string.map(|query| fit(&query, UNFIT_FOR_QUERY, MAX_TARGET_BYTES));
        // Of the host nothing depends, and one that is spelt oddly would make the address invalid.
        event.headers.remove(HOST);
        event.request_context.domain_name = None;
        Ok(Self(LambdaRequest::ApiGatewayV2(event)))
    }
}

impl From<Event> for LambdaRequest {
    fn from(event: Event) -> Self {
        event.0
    }
}

/// The path as the router knows it: API Gateway puts the name of a stage in front, and decodes escapes.
fn path(raw: &str, stage: Option<&str>) -> String {
    let in_stage = stage.filter(|&stage| stage != DEFAULT_STAGE).and_then(|stage| {
        let rest = raw.strip_prefix('/')?.strip_prefix(stage)?;
        (rest.is_empty() || rest.starts_with('/')).then_some(rest)
    });
    let path = fit(in_stage.unwrap_or(raw), UNFIT_FOR_PATH, MAX_PATH_BYTES);
    if path.starts_with('/') { path } else { format!("/{path}") }
}

/// `text` with escapes for what is `unfit`, cut where it is too long for any answer but a refusal.
fn fit(text: &str, unfit: &'static AsciiSet, max_bytes: usize) -> String {
    let mut escaped = utf8_percent_encode(text, unfit).to_string();
    // All of it is ASCII now.
    escaped.truncate(max_bytes);
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use lambda_http::http::{Method, Uri};
    use serde_json::json;

    /// The request that `lambda_http` makes of an event.
    fn request(event: serde_json::Value) -> Result<lambda_http::Request, serde_json::Error> {
        serde_json::from_value::<Event>(event).map(|event| LambdaRequest::from(event).into())
    }

    fn event(path: &str, query: &str, stage: &str) -> serde_json::Value {
        json!({
            "version": "2.0", "rawPath": path, "rawQueryString": query, "isBase64Encoded": false,
            "headers": {"host": "not a [host", "x-forwarded-proto": "no scheme", "accept": "text/html"},
            "cookies": ["a=1", "b=2"],
            "requestContext": {"stage": stage, "domainName": "[", "http": {"method": "HEAD"}},
        })
    }

    #[test]
    fn every_address_makes_a_request() {
        let long = "x".repeat(100_000);
        for (path, query, stage, expected) in [
            ("/", "", "$default", "/"),
            ("/api/search", "q=a+b%20c&q=%C3%A9", "$default", "/api/search?q=a+b%20c&q=%C3%A9"),
            ("/prod/health", "", "prod", "/health"),
            ("/prod", "", "prod", "/"),
            ("/prod/", "", "prod", "/"),
            ("/production", "", "prod", "/production"),
            ("/health", "", "prod", "/health"),
            ("/$default/health", "", "$default", "/$default/health"),
            ("", "", "$default", "/"),
            (":8080/x", "", "$default", "/:8080/x"),
            ("//elsewhere.example/x", "", "$default", "//elsewhere.example/x"),
            ("/books/a b?é#\\", "", "$default", "/books/a%20b%3F%C3%A9%23%5C"),
            ("/books/100%", "", "$default", "/books/100%"),
            (
                "/",
                "q=\"moby dick\" <é>#{|}^`\\\u{0}",
                "$default",
                "/?q=%22moby%20dick%22%20%3C%C3%A9%3E%23%7B%7C%7D%5E%60%5C%00",
            ),
            ("/", "q=%zz", "$default", "/?q=%zz"),
            (&format!("/{long}"), "", "$default", &format!("/{}", &long[..MAX_PATH_BYTES - 1])),
            ("/", &long, "$default", &format!("/?{}", &long[..MAX_TARGET_BYTES])),
            (
                &format!("/{long}"),
                &long,
                "$default",
                &format!("/{}?{}", &long[..MAX_PATH_BYTES - 1], &long[..MAX_TARGET_BYTES]),
            ),
        ] {
            let request = request(event(path, query, stage)).unwrap_or_else(|error| panic!("{path} {query}: {error}"));
            let expected: Uri = expected.parse().expect("the expected address");
            assert_eq!(*request.uri(), expected, "{path} {query} {stage}");
        }
    }

    #[test]
    fn method_headers_cookies_and_body_are_kept() {
        let mut event = event("/", "", "$default");
        event["body"] = "aGVsbG8=".into();
        event["isBase64Encoded"] = true.into();
        let request = request(event.clone()).expect("a request");
        assert_eq!(request.method(), Method::HEAD);
        assert_eq!(
            (&request.headers()["cookie"], &request.headers()["accept"]),
            (&"a=1; b=2".parse().expect("a value"), &"text/html".parse().expect("a value"))
        );
        assert_eq!(request.body().as_ref(), b"hello");
    }

    #[test]
    fn what_is_no_request_is_refused() {
        let mut not_base64 = event("/", "", "$default");
        not_base64["body"] = "?".into();
        not_base64["isBase64Encoded"] = true.into();
        for (event, part) in [
            (not_base64, "marked as Base64, which it is not"),
            (json!({"Records": []}), "missing field"),
            (json!("text"), "invalid type"),
            (json!(null), "invalid type"),
        ] {
            let message = request(event.clone()).expect_err("no request").to_string();
            assert!(message.contains(part), "{event}: {message}");
        }
    }
}
