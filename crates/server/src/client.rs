//! Who is asking, by address, and how often one may.
//!
//! A client is the other end of the connection or, where that is a proxy that the operator trusts, who the proxy says it
//! is: in `X-Forwarded-For`, or else in `Forwarded` (RFC 7239), the last address that is no trusted proxy's. What anyone
//! else writes there counts for nothing. Of IPv6 a client is a network of 64 bits, as one customer has that many.
//!
//! Each client has a bucket of tokens that fills steadily; a request takes one, and is refused at once if there is none.

use crate::{AppState, Error};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// Clients that are told apart; beyond it those that asked least lately are forgotten.
const MOST_CLIENTS: usize = 50_000;

/// The other end of a connection, beside each of its requests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// How often a client may ask. Written `20`, or `20/100`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateLimit {
    /// Requests a second, in the long run.
    pub per_second: f64,
    /// Requests at once.
    pub burst: u32,
}

impl FromStr for RateLimit {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WRONG: &str = "write requests a second, and perhaps how many at once: `20` or `20/100`";
        let (rate, burst) = text.split_once('/').map_or((text, None), |(rate, burst)| (rate, Some(burst)));
        let per_second: f64 = rate.trim().parse().map_err(|_| WRONG)?;
        if !(0.01..=1e6).contains(&per_second) {
            return Err(WRONG);
        }
        // A page of results asks for a style, a script and suggestions, too.
        let usual = || Ok((per_second * 5.0).ceil().max(10.0) as u32);
        let burst = burst.map_or_else(usual, |burst| burst.trim().parse().map_err(|_| WRONG))?;
        if burst == 0 { Err(WRONG) } else { Ok(Self { per_second, burst }) }
    }
}

impl fmt::Display for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.per_second, self.burst)
    }
}

/// Addresses of proxies that are believed: `10.0.0.0/8, 192.168.1.4, fd00::/8`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Arc<[(IpAddr, u8)]>);

impl FromStr for TrustedProxies {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let network = |item: &str| {
            let wrong = || format!("`{item}` is no address, nor a network like `10.0.0.0/8`");
            let (address, bits) = item.split_once('/').map_or((item, None), |(address, bits)| (address, Some(bits)));
            let address: IpAddr = address.parse().map_err(|_| wrong())?;
            let most = if address.is_ipv4() { 32 } else { 128 };
            let bits = bits.map_or(Ok(most), |bits| bits.parse().map_err(|_| wrong()))?;
            if bits > most { Err(wrong()) } else { Ok((address, bits)) }
        };
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        Ok(Self(items.map(network).collect::<Result<Vec<_>, String>>()?.into()))
    }
}

impl fmt::Display for TrustedProxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let networks: Vec<String> = self.0.iter().map(|(address, bits)| format!("{address}/{bits}")).collect();
        f.write_str(if networks.is_empty() { "none" } else { "" })?;
        f.write_str(&networks.join(","))
    }
}

impl TrustedProxies {
    /// Whether what this end of a connection says of a request is believed.
    pub(crate) fn believe(&self, peer: IpAddr) -> bool {
        self.has(peer.to_canonical())
    }

    fn has(&self, address: IpAddr) -> bool {
        self.0.iter().any(|&(network, bits)| match (network, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
                network.to_bits() & mask == address.to_bits() & mask
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
                network.to_bits() & mask == address.to_bits() & mask
            }
            _ => false,
        })
    }

    /// Who asks, given the other end of the connection.
    fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        for hop in hops(headers).into_iter().rev() {
            if !self.has(client) {
                break;
            }
            // Who cannot be read is not guessed: the proxy answers for him.
            let Some(hop) = hop else { break };
            client = hop;
        }
        client
    }
}

/// The addresses that proxies wrote down, the nearest last.
fn hops(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
    let list = |name: HeaderName| -> Vec<&str> {
        let values = headers.get_all(name).iter().map(|value| value.to_str().unwrap_or_default());
        values.flat_map(|value| value.split(',')).map(str::trim).collect()
    };
    let forwarded_for = list(FORWARDED_FOR);
    if !forwarded_for.is_empty() {
        return forwarded_for.into_iter().map(address).collect();
    }
    let of_element = |element: &str| {
        element.split(';').find_map(|pair| {
            let (name, value) = pair.split_once('=')?;
            name.trim().eq_ignore_ascii_case("for").then(|| address(value.trim().trim_matches('"')))?
        })
    };
    list(header::FORWARDED).into_iter().map(of_element).collect()
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:80`.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    bare.parse::<IpAddr>().ok().or_else(with_port).map(|address| address.to_canonical())
}

/// What counts as one client.
fn network(client: IpAddr) -> IpAddr {
    match client {
        IpAddr::V4(_) => client,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

/// The buckets.
pub(crate) struct RateLimiter {
    limit: RateLimit,
    buckets: Mutex<HashMap<IpAddr, Bucket>>,
}

#[derive(Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

/// Whether a client may ask, and what it should know.
struct Verdict {
    is_allowed: bool,
    /// Requests that are left.
    left: u32,
    /// Seconds until there is one more (refused) or the bucket is full.
    wait_s: u64,
}

impl RateLimiter {
    pub(crate) fn new(limit: RateLimit) -> Self {
        Self { limit, buckets: Mutex::default() }
    }

    fn take(&self, client: IpAddr, now: Instant) -> Verdict {
        let RateLimit { per_second, burst } = self.limit;
        let full = f64::from(burst);
        let filled = |bucket: &Bucket| {
            (bucket.tokens + now.saturating_duration_since(bucket.at).as_secs_f64() * per_second).min(full)
        };
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MOST_CLIENTS && !buckets.contains_key(&client) {
            // Whose bucket is full again is as one who was never here; if nobody's is, all begin anew.
            buckets.retain(|_, bucket| filled(bucket) < full);
            if buckets.len() >= MOST_CLIENTS {
                buckets.clear();
            }
        }
        let bucket = buckets.entry(client).or_insert(Bucket { tokens: full, at: now });
        let tokens = filled(bucket);
        let is_allowed = tokens >= 1.0;
        let tokens = if is_allowed { tokens - 1.0 } else { tokens };
        *bucket = Bucket { tokens, at: now };
        let missing = if is_allowed { full - tokens } else { 1.0 - tokens };
        Verdict { is_allowed, left: tokens as u32, wait_s: (missing / per_second).ceil().max(1.0) as u64 }
    }
}

/// Refuses clients that ask too often, and tells the others how much is left. Probes of platforms are always answered.
pub(crate) async fn layer(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let peer = request.extensions().get().map(|&Peer(peer)| peer.ip());
    let (Some(limiter), Some(peer)) = (state.rate_limiter(), peer) else { return next.run(request).await };
    if matches!(request.uri().path(), "/health" | "/ready") {
        return next.run(request).await;
    }
    let client = network(state.trusted_proxies().client(peer, request.headers()));
    let Verdict { is_allowed, left, wait_s } = limiter.take(client, Instant::now());
    let mut response = match is_allowed {
        true => next.run(request).await,
        false => Error::TooManyRequests { retry_after_s: wait_s }.into_response(),
    };
    // The three fields of draft-ietf-httpapi-ratelimit-headers up to its sixth version, which clients know.
    let fields = [
        (HeaderName::from_static("ratelimit-limit"), u64::from(limiter.limit.burst)),
        (HeaderName::from_static("ratelimit-remaining"), u64::from(left)),
        (HeaderName::from_static("ratelimit-reset"), wait_s),
    ];
    response.headers_mut().extend(fields.map(|(name, value)| (name, HeaderValue::from(value))));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |&(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        let mut headers = HeaderMap::new();
        for (name, value) in pairs.iter().map(pair) {
            headers.append(name, value);
        }
        headers
    }

    #[test]
    fn only_trusted_proxies_say_who_asks() {
        let proxies: TrustedProxies = "10.0.0.0/8, 192.0.2.7, fd00::/8,".parse().expect("networks");
        const FOR: &str = "x-forwarded-for";
        for (peer, given, expected) in [
            ("203.0.113.9", &[][..], "203.0.113.9"),
            ("203.0.113.9", &[(FOR, "198.51.100.1")], "203.0.113.9"),
            ("10.1.2.3", &[], "10.1.2.3"),
            ("10.1.2.3", &[(FOR, "198.51.100.1")], "198.51.100.1"),
            ("10.1.2.3", &[(FOR, "1.1.1.1, 198.51.100.1")], "198.51.100.1"),
            ("10.1.2.3", &[(FOR, "198.51.100.1, 10.9.9.9, 192.0.2.7")], "198.51.100.1"),
            ("10.1.2.3", &[(FOR, "198.51.100.1"), (FOR, "10.9.9.9")], "198.51.100.1"),
            ("10.1.2.3", &[(FOR, "unknown")], "10.1.2.3"),
            ("10.1.2.3", &[(FOR, "198.51.100.1, x")], "10.1.2.3"),
            ("10.1.2.3", &[(FOR, "198.51.100.1:4711")], "198.51.100.1"),
            ("::ffff:10.1.2.3", &[(FOR, "::ffff:198.51.100.1")], "198.51.100.1"),
            ("fd00::1", &[("forwarded", "for=\"[2001:db8::1]:80\";proto=https")], "2001:db8::1"),
            ("fd00::1", &[("forwarded", "for=1.1.1.1, By=x;For=198.51.100.1")], "198.51.100.1"),
            ("fd00::1", &[("forwarded", "for=_hidden")], "fd00::1"),
            ("fd00::1", &[("forwarded", "for=1.1.1.1"), (FOR, "198.51.100.1")], "198.51.100.1"),
            ("192.0.2.8", &[(FOR, "198.51.100.1")], "192.0.2.8"),
        ] {
            let client = proxies.client(peer.parse().expect("an address"), &headers(given));
            assert_eq!(client.to_string(), expected, "{peer} {given:?}");
        }
        for wrong in ["10.0.0.0/33", "fd00::/129", "proxy", "10.0.0/8", "10.0.0.1/x", "10.0.0.1/-1"] {
            assert!(wrong.parse::<TrustedProxies>().is_err(), "{wrong}");
        }
        let all: TrustedProxies = "0.0.0.0/0".parse().expect("everyone");
        assert!(all.has("203.0.113.9".parse().expect("an address")));
    }

    #[test]
    fn a_bucket_is_emptied_and_fills_again() {
        let limiter = RateLimiter::new("2/3".parse().expect("a limit"));
        let (client, other) = ("192.0.2.1".parse().expect("one"), "192.0.2.2".parse().expect("another"));
        let start = Instant::now();
        let asked = |client, ms| limiter.take(client, start + Duration::from_millis(ms)).is_allowed;
        assert_eq!([0, 0, 0, 0, 0].map(|ms| asked(client, ms)), [true, true, true, false, false]);
        assert!(asked(other, 0), "each has a bucket");
        assert_eq!([480, 520, 530, 1100].map(|ms| asked(client, ms)), [false, true, false, true]);
        let whole = [60_000; 4].map(|ms| asked(client, ms));
        assert_eq!(whole, [true, true, true, false], "it holds no more than three");
    }

    #[test]
    fn a_customer_of_ipv6_is_one_client() {
        let network_of = |text: &str| network(text.parse().expect("an address"));
        assert_eq!(network_of("2001:db8:1:2:3:4:5:6"), network_of("2001:db8:1:2::1"));
        assert_ne!(network_of("2001:db8:1:2::1"), network_of("2001:db8:1:3::1"));
    }

    #[test]
    fn many_clients_take_no_more_than_their_memory() {
        let limiter = RateLimiter::new("1/1".parse().expect("a limit"));
        let now = Instant::now();
        for number in 0..MOST_CLIENTS as u32 + 10 {
            limiter.take(IpAddr::V4(number.into()), now);
        }
        let known = limiter.buckets.lock().expect("not poisoned").len();
        assert!(known <= MOST_CLIENTS, "{known}");
    }

    #[test]
    fn limits_are_read() {
        for (text, expected) in [("20", Some((20.0, 100))), ("20/30", Some((20.0, 30))), ("0.5", Some((0.5, 10)))] {
            assert_eq!(
                text.parse().ok(),
                expected.map(|(per_second, burst)| RateLimit { per_second, burst }),
                "{text}"
            );
        }
        for wrong in ["", "0", "-1", "many", "20/0", "20/x", "nan", "inf", "1e9", "20/-3"] {
            assert!(wrong.parse::<RateLimit>().is_err(), "{wrong}");
        }
    }
}
