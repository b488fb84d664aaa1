//! An invocation's event as a request, and a response as what is expected in return.
//!
//! Both have payload format 2.0, of HTTP APIs and of function URLs:
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>. What a
//! client typed is in there, and API Gateway decodes the path before it passes it on.

use crate::request_line::MAX_TARGET_BYTES;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::uri::Scheme;
use axum::http::{HeaderMap, HeaderName, header};
use axum::response::Response;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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

/// An event of an HTTP API or of a function URL; of its many fields those that make a request.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Event {
    raw_path: String,
    #[serde(default)]
    raw_query_string: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    cookies: Vec<String>,
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
    request_context: RequestContext,
}

#[derive(Debug, Deserialize)]
struct RequestContext {
    stage: Option<String>,
    http: Http,
}

#[derive(Debug, Deserialize)]
struct Http {
    method: String,
}

/// Why an event makes no request.
#[derive(Debug, thiserror::Error)]
pub(super) enum EventError {
    /// The body is not what the event says that it is.
    #[error("the body of the event is marked as Base64, which it is not")]
    NotBase64(#[from] base64::DecodeError),
    /// A method or a header that HTTP does not know.
    #[error("the event makes no HTTP request: {0}")]
    NotHttp(#[from] axum::http::Error),
}

impl TryFrom<Event> for Request {
    type Error = EventError;

    fn try_from(event: Event) -> Result<Self, EventError> {
        let body = match event.body {
            Some(body) if event.is_base64_encoded => BASE64_STANDARD.decode(body)?.into(),
            Some(body) => body.into(),
            None => Body::empty(),
        };
        let uri = address(&event.raw_path, &event.raw_query_string, event.request_context.stage.as_deref());
        let mut request = Request::builder().method(event.request_context.http.method.as_str()).uri(uri);
        for (name, value) in &event.headers {
            request = request.header(name, value);
        }
        // Function URLs also leave them among the headers.
        if !event.cookies.is_empty() && !event.headers.keys().any(|name| name.eq_ignore_ascii_case("cookie")) {
            request = request.header(header::COOKIE, event.cookies.join("; "));
        }
        // Neither HTTP APIs nor function URLs are reached any other way.
        Ok(request.extension(Scheme::HTTPS).body(body)?)
    }
}

/// The address as the router knows it.
fn address(raw_path: &str, query: &str, stage: Option<&str>) -> String {
    let path = fit(without_stage(raw_path, stage), UNFIT_FOR_PATH, MAX_PATH_BYTES);
    let slash = if path.starts_with('/') { "" } else { "/" };
    let question_mark = if query.is_empty() { "" } else { "?" };
    format!("{slash}{path}{question_mark}{}", fit(query, UNFIT_FOR_QUERY, MAX_TARGET_BYTES))
}

/// The path behind the name of a stage, which API Gateway puts in front.
fn without_stage<'a>(path: &'a str, stage: Option<&str>) -> &'a str {
    let behind = stage.filter(|&stage| stage != DEFAULT_STAGE).and_then(|stage| {
        let rest = path.strip_prefix('/')?.strip_prefix(stage)?;
        (rest.is_empty() || rest.starts_with('/')).then_some(rest)
    });
    behind.unwrap_or(path)
}

/// `text` with escapes for what is `unfit`, cut where it is too long for any answer but a refusal.
fn fit(text: &str, unfit: &'static AsciiSet, max_bytes: usize) -> String {
    let mut escaped = utf8_percent_encode(text, unfit).to_string();
    // All of it is ASCII now.
    escaped.truncate(max_bytes);
    escaped
}

/// A response as API Gateway and function URLs expect it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Answer {
    status_code: u16,
    headers: BTreeMap<String, String>,
    cookies: Vec<String>,
    body: String,
    is_base64_encoded: bool,
}

impl Answer {
    /// Reads a response to its end. Text stays text, everything else becomes Base64.
    pub(super) async fn read(response: Response) -> Result<Self, axum::Error> {
        let (mut parts, body) = response.into_parts();
        let cookies = texts(&parts.headers, &header::SET_COOKIE);
        parts.headers.remove(header::SET_COOKIE);
        let (body, is_base64_encoded) = match String::from_utf8(to_bytes(body, usize::MAX).await?.into()) {
            Ok(text) => (text, false),
            Err(binary) => (BASE64_STANDARD.encode(binary.as_bytes()), true),
        };
        // There is room for one value of each name: a list of them means the same (RFC 9110, section 5.2).
        let names = parts.headers.keys();
        let headers = names.map(|name| (name.to_string(), texts(&parts.headers, name).join(", "))).collect();
        Ok(Self { status_code: parts.status.as_u16(), headers, cookies, body, is_base64_encoded })
    }
}

/// The values of a header.
fn texts(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{Method, Uri};
    use axum::response::{AppendHeaders, IntoResponse};
    use serde_json::{Value, json};

    fn request(event: Value) -> Result<Request, Box<dyn std::error::Error>> {
        Ok(Request::try_from(serde_json::from_value::<Event>(event)?)?)
    }

    fn event(path: &str, query: &str, stage: &str) -> Value {
        json!({
            "version": "2.0", "rawPath": path, "rawQueryString": query, "isBase64Encoded": false,
            "headers": {"host": "not a [host", "accept": "text/html"}, "cookies": ["a=1", "b=2"],
            "requestContext": {"stage": stage, "domainName": "[", "http": {"method": "HEAD"}},
        })
    }

    #[test]
    fn every_address_makes_a_request() {
        let long = "x".repeat(100_000);
        let (long_path, long_query) = (&long[..MAX_PATH_BYTES - 1], &long[..MAX_TARGET_BYTES]);
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
            (&format!("/{long}"), "", "$default", &format!("/{long_path}")),
            ("/", &long, "$default", &format!("/?{long_query}")),
            (&format!("/{long}"), &long, "$default", &format!("/{long_path}?{long_query}")),
        ] {
            let request = request(event(path, query, stage)).unwrap_or_else(|error| panic!("{path} {query}: {error}"));
            let expected: Uri = expected.parse().expect("the expected address");
            assert_eq!(*request.uri(), expected, "{path} {query} {stage}");
        }
    }

    #[tokio::test]
    async fn method_headers_cookies_and_body_are_kept() {
        let mut event = event("/", "", "$default");
        event["body"] = "aGVsbG8=".into();
        event["isBase64Encoded"] = true.into();
        let request = request(event).expect("a request");
        assert_eq!(request.method(), Method::HEAD);
        for (name, value) in [("cookie", "a=1; b=2"), ("accept", "text/html"), ("host", "not a [host")] {
            assert_eq!(request.headers()[name], value, "{name}");
        }
        assert_eq!(to_bytes(request.into_body(), 100).await.expect("a body"), "hello");
    }

    #[test]
    fn what_is_no_request_is_refused() {
        let with = |name: &str, value: Value| {
            let mut event = event("/", "", "$default");
            event[name] = value;
            event
        };
        let mut not_base64 = with("body", "?".into());
        not_base64["isBase64Encoded"] = true.into();
        for (event, part) in [
            (not_base64, "marked as Base64, which it is not"),
            (with("headers", json!({"a b": "c"})), "no HTTP request: invalid HTTP header name"),
            (with("headers", json!({"a": "\n"})), "no HTTP request: failed to parse header value"),
            (with("requestContext", json!({"http": {"method": "A B"}})), "no HTTP request: invalid HTTP method"),
            (json!({"Records": []}), "missing field `rawPath`"),
            (json!("text"), "invalid type"),
            (json!(null), "invalid type"),
        ] {
            let message = request(event.clone()).expect_err("no request").to_string();
            assert!(message.contains(part), "{event}: {message}");
        }
    }

    #[tokio::test]
    async fn text_stays_readable_and_anything_else_becomes_base64() {
        for (body, expected, is_base64) in [
            (&b"\x89PNG\r\n"[..], "iVBORw0K", true),
            ("é".as_bytes(), "é", false),
            (b"", "", false),
            (b"\x1f\x8b", "H4s=", true),
        ] {
            let answer = Answer::read(Response::new(Body::from(body))).await.expect("a body");
            assert_eq!((answer.body.as_str(), answer.is_base64_encoded), (expected, is_base64));
        }
    }

    #[tokio::test]
    async fn no_value_of_a_header_is_lost() {
        let headers = AppendHeaders([
            (header::VARY, "accept"),
            (header::VARY, "origin"),
            (header::SET_COOKIE, "a=1"),
            (header::SET_COOKIE, "b=2"),
            (header::ALLOW, "GET"),
        ]);
        let answer = Answer::read((headers, "").into_response()).await.expect("a body");
        let answer = serde_json::to_value(answer).expect("JSON");
        assert_eq!((&answer["statusCode"], &answer["cookies"]), (&json!(200), &json!(["a=1", "b=2"])));
        assert_eq!(
            (&answer["headers"]["vary"], &answer["headers"]["allow"]),
            (&json!("accept, origin"), &json!("GET"))
        );
        assert!(answer["headers"]["set-cookie"].is_null(), "{answer}");
    }
}
