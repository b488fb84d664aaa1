//! The address that readers know the service by, for what is read elsewhere: feeds, descriptions, maps for crawlers.
//!
//! It is the one that the operator set, or else that of the request: what `Host` says, if it is a host at all. `https`,
//! and another host, are believed of proxies that the operator trusts, and of nobody else; where requests come over
//! `https` only, as those of AWS Lambda do, a [`Scheme`] beside the request says so.

use crate::client::Peer;
use crate::cors::as_browsers_spell;
use crate::{AppState, Error, TrustedProxies};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::uri::Scheme;
use axum::http::{HeaderMap, header};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

/// `https://books.example`: a scheme, a host and perhaps a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl(Arc<str>);

impl FromStr for PublicUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        Ok(Self(as_browsers_spell(text.strip_suffix('/').unwrap_or(text))?.into()))
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a request's links lead.
#[derive(Clone, Debug)]
pub(crate) struct Site(PublicUrl);

impl Site {
    /// The whole address of a path with its query.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }

    fn of(headers: &HeaderMap, peer: Option<IpAddr>, trusted: &TrustedProxies, known: Option<&Scheme>) -> Option<Self> {
        let is_believed = peer.is_some_and(|peer| trusted.believe(peer));
        // The nearest proxy appends, so that what is last is its own word.
        let forwarded = |name: &str| {
            let value = headers.get_all(name).iter().next_back().filter(|_| is_believed)?;
            value.to_str().ok()?.rsplit(',').next().map(str::trim).filter(|value| !value.is_empty())
        };
        let scheme =
            known.map(Scheme::as_str).or_else(|| forwarded("x-forwarded-proto")).filter(|name| *name == "https");
        let scheme = scheme.unwrap_or("http");
        let host = forwarded("x-forwarded-host").or_else(|| headers.get(header::HOST)?.to_str().ok())?;
        Some(Self(format!("{scheme}://{host}").parse().ok()?))
    }
}

impl FromRequestParts<AppState> for Site {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Error> {
        if let Some(url) = state.public_url() {
            return Ok(Self(url.clone()));
        }
        let peer = parts.extensions.get().map(|&Peer(peer)| peer.ip());
        Self::of(&parts.headers, peer, state.trusted_proxies(), parts.extensions.get()).ok_or(Error::HostInvalid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderName, HeaderValue};

    #[test]
    fn only_a_host_becomes_part_of_an_address_and_only_trusted_proxies_say_more() {
        let cases: [(&[(&str, &str)], _, _); 12] = [
            (&[("host", "Books.example:8080")], "192.0.2.1", Some("http://books.example:8080/x")),
            (&[("host", "[2001:db8::1]:80")], "192.0.2.1", Some("http://[2001:db8::1]/x")),
            (&[], "192.0.2.1", None),
            (&[("host", "")], "192.0.2.1", None),
            (&[("host", "a.example/evil")], "192.0.2.1", None),
            (&[("host", "a.example\"><script>")], "192.0.2.1", None),
            (&[("host", "user@a.example")], "192.0.2.1", None),
            (&[("host", "a.example:99999")], "192.0.2.1", None),
            (
                &[("host", "a.example"), ("x-forwarded-proto", "https"), ("x-forwarded-host", "b.example")],
                "192.0.2.1",
                Some("http://a.example/x"),
            ),
            (
                &[("host", "a.example"), ("x-forwarded-proto", "https"), ("x-forwarded-host", "evil, b.example")],
                "10.0.0.1",
                Some("https://b.example/x"),
            ),
            (&[("host", "a.example"), ("x-forwarded-proto", "javascript")], "10.0.0.1", Some("http://a.example/x")),
            (&[("host", "a.example"), ("x-forwarded-host", "<b>")], "10.0.0.1", None),
        ];
        let trusted = "10.0.0.0/8".parse().expect("a network");
        for (headers, peer, expected) in cases {
            let header = |(name, value): &(&str, &str)| {
                (HeaderName::try_from(*name).expect("a name"), HeaderValue::from_str(value).expect("a value"))
            };
            let map = headers.iter().map(header).collect();
            let site = Site::of(&map, peer.parse().ok(), &trusted, None);
            assert_eq!(site.map(|site| site.url("/x")).as_deref(), expected, "{headers:?} of {peer}");
        }
        let map = [(header::HOST, HeaderValue::from_static("a.example"))].into_iter().collect();
        let site = Site::of(&map, None, &trusted, Some(&Scheme::HTTPS)).expect("a host");
        assert_eq!(site.url("/x"), "https://a.example/x");
        for (text, expected) in [
            ("https://Books.example", Some("https://books.example")),
            ("https://books.example/", Some("https://books.example")),
            ("https://books.example:443", Some("https://books.example")),
            ("books.example", None),
            ("https://books.example/library", None),
            ("javascript:alert(1)", None),
        ] {
            assert_eq!(text.parse::<PublicUrl>().ok().map(|url| url.to_string()).as_deref(), expected, "{text}");
        }
    }
}
