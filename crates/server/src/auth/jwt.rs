//! JSON Web Tokens (RFC 7519), as Flask-JWT-Extended issues them: signed with HMAC and SHA-256, or with a private key.
//!
//! The algorithm is not the token's to choose: `HS256` is checked by the secret alone, `RS256` and `ES256` by a public key
//! of that kind alone (`keys.rs`), and anything else is refused before anything is computed, `none` among it. Signatures
//! are compared in constant time. What a token claims is read only
//! after that, and by the rules of the library that made it: no `type` is an access token, an `aud` is for someone else.

use super::keys::KeySet;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use libellus_catalogue::Scope;
use libellus_search::Filter;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use sha2::Sha256;

/// A longer token is none: it would not fit into the headers that servers before this one accept.
const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// How far the clocks of two machines may differ, in seconds.
const LEEWAY_S: f64 = 30.0;

/// What is wrong with what was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    /// Not three parts, or not what belongs into them.
    #[error("this is neither a token nor a key")]
    Malformed,
    /// More than one.
    #[error("the request carries more than one token or key")]
    Several,
    /// Any but those that can be checked here, by the key that is meant.
    #[error("the token is not signed with an algorithm that is accepted for it")]
    Algorithm,
    /// An extension that must be understood.
    #[error("the token needs an extension that is not understood here (`crit`)")]
    Critical,
    /// Another secret, or a changed token.
    #[error("the token's signature is not right")]
    Signature,
    /// `exp`.
    #[error("the token has run out")]
    Expired,
    /// `nbf` or `iat`.
    #[error("the token is not good yet; is a clock wrong?")]
    TooEarly,
    /// `type`.
    #[error("this is not an access token")]
    Type,
    /// `aud`.
    #[error("the token is for someone else (`aud`)")]
    Audience,
    /// A claim of another kind than it has to be.
    #[error("a claim of the token is not what it has to be")]
    Claims,
    /// `libellus_filter`.
    #[error("the filter in the token cannot be understood, so nothing is shown")]
    Filter,
    /// `fresh`.
    #[error("this wants a fresh token: one that was issued for a password")]
    NotFresh,
    /// Nothing to check it by.
    #[error("this service has no secret that tokens could be checked by")]
    NoSecret,
    /// `kid`.
    #[error("no key to check tokens by has the id that the token names (`kid`)")]
    KeyNotFound,
    /// A key of the set that is not used, and why.
    #[error("the key that the token names cannot be used: {0}")]
    KeyUnfit(&'static str),
    /// A key that is unknown, revoked or over.
    #[error("this key is not good, or not any more")]
    UnknownKey,
}

impl TokenFault {
    /// What programs go by; never changes.
    pub(crate) fn code(self) -> &'static str {
        match self {
            TokenFault::Malformed => "token_malformed",
            TokenFault::Several => "credentials_ambiguous",
            TokenFault::Algorithm => "token_algorithm",
            TokenFault::Critical => "token_extension",
            TokenFault::Signature => "token_signature",
            TokenFault::Expired => "token_expired",
            TokenFault::TooEarly => "token_not_yet_valid",
            TokenFault::Type => "token_type",
            TokenFault::Audience => "token_audience",
            TokenFault::Claims => "token_claims",
            TokenFault::Filter => "token_filter",
            TokenFault::NotFresh => "token_not_fresh",
            TokenFault::NoSecret => "token_unsupported",
            TokenFault::KeyNotFound => "token_key_unknown",
            TokenFault::KeyUnfit(_) => "token_key_unfit",
            TokenFault::UnknownKey => "key_unknown",
        }
    }
}

/// What a token claims, as far as it matters here.
#[derive(Deserialize)]
pub(super) struct Claims {
    exp: Option<f64>,
    nbf: Option<f64>,
    iat: Option<f64>,
    r#type: Option<String>,
    aud: Option<IgnoredAny>,
    fresh: Option<Fresh>,
    scope: Option<Scopes>,
    // `null` is something as well: whoever meant a filter and had none would show everything.
    #[serde(default, deserialize_with = "something")]
    libellus_filter: Option<Value>,
}

fn something<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// Whether a password was typed for it, or until when that counts.
#[derive(Clone, Copy, Deserialize)]
#[serde(untagged)]
enum Fresh {
    Flag(bool),
    Until(f64),
}

/// `"read write"` (RFC 8693), or a list.
#[derive(Deserialize)]
#[serde(untagged)]
enum Scopes {
    Words(String),
    List(Vec<String>),
}

impl Claims {
    /// The highest of the scopes that the token names, `or_else` if it names none at all; `None` if it names others only.
    pub(super) fn scope(&self, or_else: Scope) -> Option<Scope> {
        let highest = |words: &mut dyn Iterator<Item = &str>| words.filter_map(|word| word.parse().ok()).max();
        match &self.scope {
            None => Some(or_else),
            Some(Scopes::Words(words)) => highest(&mut words.split_whitespace()),
            Some(Scopes::List(words)) => highest(&mut words.iter().map(String::as_str)),
        }
    }

    /// The books that may be seen.
    pub(super) fn filter(&self) -> Result<Option<Filter>, libellus_search::Error> {
        self.libellus_filter.as_ref().map(|json| Filter::from_json(&json.to_string())).transpose()
    }

    /// Whether a password was typed for it.
    pub(super) fn is_fresh(&self, now: f64) -> bool {
        match self.fresh {
            None => false,
            Some(Fresh::Flag(is_fresh)) => is_fresh,
            Some(Fresh::Until(end)) => end > now,
        }
    }

    /// Whether a token of these claims is good now.
    fn check(&self, now: f64) -> Result<(), TokenFault> {
        if self.exp.is_some_and(|end| end + LEEWAY_S <= now) {
            return Err(TokenFault::Expired);
        }
        if [self.nbf, self.iat].into_iter().flatten().any(|begin| begin - LEEWAY_S > now) {
            return Err(TokenFault::TooEarly);
        }
        if self.r#type.as_deref().is_some_and(|kind| kind != "access") {
            return Err(TokenFault::Type);
        }
        if self.aud.is_some() { Err(TokenFault::Audience) } else { Ok(()) }
    }
}

/// What tokens are checked by.
#[derive(Clone, Copy)]
pub(super) struct Trust<'a> {
    pub(super) secret: Option<&'a [u8]>,
    pub(super) keys: Option<&'a KeySet>,
}

impl Trust<'_> {
    fn verify(self, header: &Header, message: &[u8], signature: &[u8]) -> Result<(), TokenFault> {
        match (header.algorithm.as_str(), self) {
            ("HS256", Trust { secret: Some(secret), .. }) => {
                let mut mac = Hmac::<Sha256>::new_from_slice(secret).map_err(|_| TokenFault::Signature)?;
                mac.update(message);
                mac.verify_slice(signature).map_err(|_| TokenFault::Signature)
            }
            (algorithm @ ("RS256" | "ES256"), Trust { keys: Some(keys), .. }) => {
                keys.verify(header.key_id.as_deref(), algorithm, message, signature)
            }
            _ => Err(TokenFault::Algorithm),
        }
    }
}

/// What a token claims that was signed by what is trusted and is good at `now`, in seconds since 1970.
pub(super) fn verify(token: &str, trust: Trust<'_>, now: f64) -> Result<Claims, TokenFault> {
    let (message, signature) = token.rsplit_once('.').ok_or(TokenFault::Malformed)?;
    let (header, payload) = message.split_once('.').ok_or(TokenFault::Malformed)?;
    if token.len() > MAX_TOKEN_BYTES || payload.contains('.') {
        return Err(TokenFault::Malformed);
    }
    let header = Header::read(header)?;
    header.check()?;
    trust.verify(&header, message.as_bytes(), &decode(signature)?)?;
    let claims: Claims = serde_json::from_slice(&decode(payload)?).map_err(|_| TokenFault::Claims)?;
    claims.check(now)?;
    Ok(claims)
}

/// Whether a public key would have to check this token.
pub(super) fn wants_a_public_key(token: &str) -> bool {
    let header = token.split('.').next().filter(|header| header.len() <= MAX_TOKEN_BYTES).map(Header::read);
    header.is_some_and(|read| read.is_ok_and(|header| matches!(&*header.algorithm, "RS256" | "ES256")))
}

fn decode(part: &str) -> Result<Vec<u8>, TokenFault> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenFault::Malformed)
}

/// What a token says of itself.
struct Header {
    algorithm: String,
    key_id: Option<String>,
    rest: Map<String, Value>,
}

impl Header {
    fn read(part: &str) -> Result<Self, TokenFault> {
        let rest: Map<String, Value> = serde_json::from_slice(&decode(part)?).map_err(|_| TokenFault::Malformed)?;
        let text = |name: &str| rest.get(name).map(|value| value.as_str().map(str::to_owned));
        let algorithm = text("alg").flatten().ok_or(TokenFault::Algorithm)?;
        let key_id = text("kid").map(|id| id.ok_or(TokenFault::Malformed)).transpose()?;
        Ok(Self { algorithm, key_id, rest })
    }

    fn check(&self) -> Result<(), TokenFault> {
        if !matches!(&*self.algorithm, "HS256" | "RS256" | "ES256") {
            return Err(TokenFault::Algorithm);
        }
        // `b64` changes what is signed, and has to be listed in `crit`.
        if self.rest.contains_key("crit") || self.rest.contains_key("b64") {
            return Err(TokenFault::Critical);
        }
        let is_jwt =
            |typ: &Value| typ.as_str().is_some_and(|typ| ["jwt", "at+jwt"].contains(&&*typ.to_ascii_lowercase()));
        if self.rest.get("typ").is_none_or(is_jwt) { Ok(()) } else { Err(TokenFault::Type) }
    }
}
