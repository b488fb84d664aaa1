//! Which other sites' pages may read the API in a browser (Cross-Origin Resource Sharing).
//!
//! Nothing here keeps a program out: CORS is a rule that browsers apply to pages of other origins. No credentials are
//! ever allowed, so an allowed page reads what anyone may read. The replies to errors carry the headers too, as a page
//! could not tell otherwise what it did wrong.

use crate::dialect::Dialect;
use crate::problem;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// What the API can be asked with.
const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE";
/// What the dialects can be asked with.
const DIALECT_METHODS: &str = "GET, HEAD, POST";
/// The star covers every header but this one.
const HEADERS: &str = "*, Authorization";
/// Seconds for which a browser may remember a preflight's answer.
const MAX_AGE_S: &str = "600";
/// What a page may read besides the body.
const EXPOSED: &str = "ETag, Link, Location, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, Retry-After, \
                       Server-Timing, X-Request-Id, X-Truncated-Inputs";

/// The origins whose pages may read the API.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AllowedOrigins {
    /// Only the service's own.
    #[default]
    Own,
    /// Every origin.
    Any,
    /// These, spelt as browsers spell them.
    Listed(Arc<[String]>),
}

/// Text that is no list of origins.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum OriginsError {
    /// A list in JSON that is none.
    #[error(
        "it starts with `[`, but is not a list of texts in JSON; write e.g. `https://books.example,https://school.example`"
    )]
    NotAList,
    /// The star beside others.
    #[error("`*` allows every site, so nothing can stand beside it; leave it out, or everything else")]
    AnyAmongOthers,
    /// Something else than `scheme://host[:port]`.
    #[error("`{origin}` is not an origin: {reason}")]
    NotAnOrigin {
        /// What was given.
        origin: String,
        /// What is wrong with it.
        reason: &'static str,
    },
}

impl FromStr for AllowedOrigins {
    type Err = OriginsError;

    /// Reads `*`, a list with commas, or a list in JSON, as deployments of Flask-CORS have them.
    fn from_str(text: &str) -> Result<Self, OriginsError> {
        let items: Vec<String> = match text.trim() {
            list if list.starts_with('[') => serde_json::from_str(list).map_err(|_| OriginsError::NotAList)?,
            list => list.split(',').map(str::to_owned).collect(),
        };
        let mut origins: Vec<String> = Vec::new();
        let mut any = false;
        for item in items.iter().map(|item| item.trim()).filter(|item| !item.is_empty()) {
            if item == "*" {
                any = true;
                continue;
            }
            let origin = as_browsers_spell(item)
                .map_err(|reason| OriginsError::NotAnOrigin { origin: item.to_owned(), reason })?;
            if !origins.contains(&origin) {
                origins.push(origin);
            }
        }
        match (any, origins.is_empty()) {
            (true, true) => Ok(Self::Any),
            (true, false) => Err(OriginsError::AnyAmongOthers),
            (false, true) => Ok(Self::Own),
            (false, false) => Ok(Self::Listed(origins.into())),
        }
    }
}

impl fmt::Display for AllowedOrigins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own => f.write_str("none but its own"),
            Self::Any => f.write_str("*"),
            Self::Listed(origins) => f.write_str(&origins.join(",")),
        }
    }
}

impl AllowedOrigins {
    /// The value of `Access-Control-Allow-Origin` for a page of `origin`, if it may read.
    fn allowed(&self, origin: Option<&HeaderValue>) -> Option<HeaderValue> {
        match self {
            Self::Own => None,
            Self::Any => Some(HeaderValue::from_static("*")),
            Self::Listed(origins) => {
                origin.filter(|asking| origins.iter().any(|o| o.as_bytes() == asking.as_bytes())).cloned()
            }
        }
    }
}

/// `scheme://host[:port]` in small letters and without the scheme's own port (RFC 6454, section 6.2), or what is wrong.
pub(crate) fn as_browsers_spell(origin: &str) -> Result<String, &'static str> {
    let lower = origin.to_ascii_lowercase();
    let (scheme, own_port, authority) = match lower.split_once("://") {
        Some(("https", authority)) => ("https", ":443", authority),
        Some(("http", authority)) => ("http", ":80", authority),
        _ => return Err("it has to start with `https://` or `http://`"),
    };
    if authority.ends_with('/') && authority.matches('/').count() == 1 {
        return Err("leave the `/` at its end out");
    }
    if authority.contains(['/', '?', '#']) {
        return Err("it has to end after the host and port, without a path");
    }
    if authority.contains(['*', '\\', '(', '^', '$']) {
        return Err("patterns are not read; list each site");
    }
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !authority.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let is_host = !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || "-._:[]".contains(c));
    if !is_host || port.is_some_and(|port| port.parse::<u16>().is_err()) {
        return Err("write `https://HOST` or `https://HOST:PORT`, with the host in ASCII");
    }
    Ok(format!("{scheme}://{}", authority.strip_suffix(own_port).unwrap_or(authority)))
}

/// Answers preflights to the API, and says on its replies who may read them.
pub(crate) async fn layer(State(origins): State<AllowedOrigins>, request: Request, next: Next) -> Response {
    // The method counts for the page only, which no other site needs.
    let dialect = Dialect::of(&Method::GET, request.uri().path());
    if origins == AllowedOrigins::Own || !(problem::is_api(request.uri().path()) || dialect.is_some()) {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let allowed = origins.allowed(parts.headers.get(header::ORIGIN));
    let is_preflight = is_preflight(&parts);
    let mut response = match is_preflight {
        true => StatusCode::NO_CONTENT.into_response(),
        false => next.run(Request::from_parts(parts, body)).await,
    };
    let headers = response.headers_mut();
    if matches!(origins, AllowedOrigins::Listed(_)) {
        vary_by_origin(headers);
    }
    if let Some(origin) = allowed {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        let rules: &[_] = match is_preflight {
            true => &[
                (header::ACCESS_CONTROL_ALLOW_METHODS, if dialect.is_some() { DIALECT_METHODS } else { METHODS }),
                (header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS),
                (header::ACCESS_CONTROL_MAX_AGE, MAX_AGE_S),
            ],
            false => &[(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED)],
        };
        for (name, value) in rules {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
    response
}

/// Whether a browser asks if a page may ask.
fn is_preflight(request: &Parts) -> bool {
    request.method == Method::OPTIONS
        && [header::ORIGIN, header::ACCESS_CONTROL_REQUEST_METHOD].iter().all(|name| request.headers.contains_key(name))
}

/// Keeps a cache from giving one site's reply to another. Said once, however many layers say it.
fn vary_by_origin(headers: &mut HeaderMap) {
    let origin = HeaderValue::from_static("origin");
    if !headers.get_all(header::VARY).iter().any(|value| value == origin) {
        headers.append(header::VARY, origin);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_origins_are_read_as_deployments_have_them() {
        for (text, expected) in [
            ("", "none but its own"),
            (" , ", "none but its own"),
            ("[]", "none but its own"),
            ("*", "*"),
            ("[\"*\"]", "*"),
            ("https://books.example", "https://books.example"),
            ("https://a.example, http://localhost:3000,", "https://a.example,http://localhost:3000"),
            ("[\"https://a.example\", \"https://b.example\"]", "https://a.example,https://b.example"),
            ("HTTPS://Books.Example:443,http://x:80,https://x:80", "https://books.example,http://x,https://x:80"),
            ("https://a.example,https://a.example", "https://a.example"),
            ("http://[::1]:3000,http://[::1]", "http://[::1]:3000,http://[::1]"),
        ] {
            assert_eq!(text.parse::<AllowedOrigins>().expect(text).to_string(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_origin_is_named() {
        for (text, part) in [
            ("https://site.example/", "`https://site.example/` is not an origin: leave the `/`"),
            ("https://site.example/books", "without a path"),
            ("https://site.example?x", "without a path"),
            ("site.example", "start with `https://`"),
            ("null", "start with `https://`"),
            ("ftp://site.example", "start with `https://`"),
            ("https://*.site.example", "patterns are not read"),
            ("https://.*\\.site\\.example", "patterns are not read"),
            ("https://", "write `https://HOST`"),
            ("https://site.example:http", "write `https://HOST`"),
            ("https://user@site.example", "write `https://HOST`"),
            ("https://bücher.example", "in ASCII"),
            ("*,https://site.example", "nothing can stand beside it"),
            ("[\"https://site.example\"", "not a list of texts in JSON"),
            ("[1]", "not a list of texts in JSON"),
        ] {
            let message = text.parse::<AllowedOrigins>().expect_err(text).to_string();
            assert!(message.contains(part), "{text}: {message}");
        }
    }
}
