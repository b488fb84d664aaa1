//! Public keys that tokens are checked by: a JSON Web Key Set (RFC 7517) in a file or at an address.
//!
//! What a key is good for is said by the key, never by the token: RSA of at least 2048 bits for RS256, EC on P-256 for ES256.
//! Sets of identity providers hold other keys, too; those are passed over, and a token that names one is told why.
//!
//! The set is read again when it is old, and when a token names a key that is not in it. If that fails, the keys of before
//! stay good.

use super::jwt::TokenFault;
use crate::Log;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey};
use serde::Deserialize;
use serde_json::Value;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The largest set, in bytes: some hundreds of keys.
pub const MOST_KEY_SET_BYTES: usize = 256 * 1024;

/// After how long a set is read again.
const OLD: Duration = Duration::from_secs(600);

/// How soon it is read again for a key that is not in it, and after a failure.
const SOON: Duration = Duration::from_secs(60);

/// Bits of an RSA key.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// Bytes of a coordinate on P-256.
const COORDINATE_BYTES: usize = 32;

type Read = dyn Fn() -> Result<Vec<u8>, String> + Send + Sync;

/// The keys of one place, as they were read last.
#[derive(Clone)]
pub struct PublicKeys(Arc<Inner>);

struct Inner {
    read: Box<Read>,
    held: Mutex<Held>,
    /// Whoever reads; others wait or go on with what is there.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Held {
    keys: Option<Arc<KeySet>>,
    read_at: Option<Instant>,
    failures: u32,
}

impl Held {
    fn is_due(&self) -> bool {
        let pause = match (&self.keys, self.failures) {
            (Some(_), 0) => OLD,
            (Some(_), _) => SOON,
            (None, failures) => SOON.min(Duration::from_secs(1 << failures.min(6))),
        };
        self.older_than(pause)
    }

    fn older_than(&self, pause: Duration) -> bool {
        self.read_at.is_none_or(|read_at| read_at.elapsed() >= pause)
    }
}

impl fmt::Debug for PublicKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublicKeys")
    }
}

impl PublicKeys {
    /// Keys that `read` gives, each time anew. It may block.
    pub fn new(read: impl Fn() -> Result<Vec<u8>, String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(Inner { read: Box::new(read), held: Mutex::default(), turn: tokio::sync::Mutex::default() }))
    }

    /// Reads the keys now. If that fails, those of before stay.
    pub fn load(&self) -> Result<(), String> {
        let read = (self.0.read)().and_then(|json| KeySet::parse(&json));
        let mut held = self.held();
        held.read_at = Some(Instant::now());
        match read {
            Ok(keys) => (held.keys, held.failures) = (Some(Arc::new(keys)), 0),
            Err(error) => {
                held.failures = held.failures.saturating_add(1);
                return Err(error);
            }
        }
        Ok(())
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The keys, read anew if they are old; none if they could never be read.
    pub(crate) async fn current(&self, log: Log) -> Option<Arc<KeySet>> {
        let (keys, is_due) = {
            let held = self.held();
            (held.keys.clone(), held.is_due())
        };
        if !is_due {
            return keys;
        }
        let _turn = match (keys, self.0.turn.try_lock()) {
            (_, Ok(turn)) => turn,
            (Some(keys), Err(_)) => return Some(keys),
            (None, Err(_)) => self.0.turn.lock().await,
        };
        if self.held().is_due() {
            self.load_beside(log).await;
        }
        self.held().keys.clone()
    }

    /// The keys after a token named one that is not there.
    pub(super) async fn renewed(&self, log: Log) -> Option<Arc<KeySet>> {
        let _turn = self.0.turn.lock().await;
        if self.held().older_than(SOON) {
            self.load_beside(log).await;
        }
        self.held().keys.clone()
    }

    async fn load_beside(&self, log: Log) {
        let keys = self.clone();
        if let Ok(Err(error)) = tokio::task::spawn_blocking(move || keys.load()).await {
            let kept = if self.held().keys.is_some() { "; those of before stay good" } else { "" };
            log.warning(&format!("the keys of tokens (JWT_JWKS) cannot be read{kept}: {error}"));
        }
    }
}

/// A set of keys.
#[derive(Debug)]
pub(crate) struct KeySet(Vec<Key>);

#[derive(Debug)]
struct Key {
    id: Option<String>,
    /// Or why it is not used.
    public: Result<PublicKey, &'static str>,
}

#[derive(Debug)]
enum PublicKey {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    P256(Vec<u8>),
}

/// A key as it is written. Whatever is of another kind than it has to be, is as if it were missing.
#[derive(Deserialize)]
struct Jwk(serde_json::Map<String, Value>);

impl Jwk {
    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    fn number(&self, name: &str) -> Result<Vec<u8>, &'static str> {
        let bytes = self.text(name).and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
        bytes.ok_or("a number of it is missing, or is not in base64url")
    }

    fn public(&self) -> Result<PublicKey, &'static str> {
        let is_for = |name: &str, wanted: &str| self.0.get(name).is_none_or(|value| value.as_str() == Some(wanted));
        if !is_for("use", "sig") {
            return Err("it is not for signatures (`use`)");
        }
        let may_verify =
            |operations: &Value| operations.as_array().is_some_and(|list| list.iter().any(|o| o == "verify"));
        if !self.0.get("key_ops").is_none_or(may_verify) {
            return Err("it is not for checking signatures (`key_ops`)");
        }
        match self.text("kty") {
            Some("RSA") if !is_for("alg", "RS256") => Err("it is for another algorithm than RS256 (`alg`)"),
            Some("RSA") => {
                let (n, e) = (without_zeros(self.number("n")?), without_zeros(self.number("e")?));
                let bits = n.len() * 8 - n.first().map_or(0, |byte| byte.leading_zeros() as usize);
                match () {
                    () if bits < *RSA_BITS.start() => Err("it is an RSA key of less than 2048 bits"),
                    () if bits > *RSA_BITS.end() => Err("it is an RSA key of more than 8192 bits"),
                    () => Ok(PublicKey::Rsa { n, e }),
                }
            }
            Some("EC") if self.text("crv") != Some("P-256") => Err("it is on another curve than P-256"),
            Some("EC") if !is_for("alg", "ES256") => Err("it is for another algorithm than ES256 (`alg`)"),
            Some("EC") => {
                let (x, y) = (self.number("x")?, self.number("y")?);
                if [x.len(), y.len()] != [COORDINATE_BYTES; 2] {
                    return Err("its point is not of 32 bytes each way");
                }
                Ok(PublicKey::P256([vec![4], x, y].concat()))
            }
            _ => Err("it is neither RSA nor EC"),
        }
    }
}

fn without_zeros(bytes: Vec<u8>) -> Vec<u8> {
    bytes.into_iter().skip_while(|&byte| byte == 0).collect()
}

impl KeySet {
    fn parse(json: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Written {
            keys: Vec<Jwk>,
        }
        if json.len() > MOST_KEY_SET_BYTES {
            return Err(format!("a set of keys has at most {MOST_KEY_SET_BYTES} bytes"));
        }
        let written: Written =
            serde_json::from_slice(json).map_err(|error| format!("this is no JSON Web Key Set: {error}"))?;
        let keys = written.keys.iter().map(|jwk| Key { id: jwk.text("kid").map(str::to_owned), public: jwk.public() });
        let keys = Self(keys.collect());
        for (place, key) in keys.fit().enumerate() {
            if keys.fit().skip(place + 1).any(|other| other.id == key.id) {
                return Err(match &key.id {
                    Some(id) => format!("two keys have the id `{}`", id.escape_debug()),
                    None => "two keys have no id (`kid`)".to_owned(),
                });
            }
        }
        if keys.fit().next().is_some() {
            return Ok(keys);
        }
        let reason = keys.0.iter().find_map(|key| key.public.as_ref().err());
        Err(reason.map_or_else(|| "there is no key".to_owned(), |reason| format!("there is no key to use: {reason}")))
    }

    fn fit(&self) -> impl Iterator<Item = &Key> {
        self.0.iter().filter(|key| key.public.is_ok())
    }

    /// Whether a key of this id, or the only one, signed `message` by the algorithm that the key is for.
    pub(super) fn verify(
        &self,
        id: Option<&str>,
        algorithm: &str,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), TokenFault> {
        let of_id = |key: &&Key| key.id.as_deref() == id;
        let mut fit = self.fit();
        let key = match (id, fit.next(), fit.next()) {
            (None, Some(only), None) => only,
            _ => {
                let key = self.fit().find(of_id).or_else(|| self.0.iter().find(|key| id.is_some() && of_id(key)));
                key.ok_or(TokenFault::KeyNotFound)?
            }
        };
        let is_right = match key.public.as_ref().map_err(|&reason| TokenFault::KeyUnfit(reason))? {
            PublicKey::Rsa { n, e } if algorithm == "RS256" => {
                RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
            }
            PublicKey::P256(point) if algorithm == "ES256" => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature)
            }
            _ => return Err(TokenFault::Algorithm),
        };
        is_right.map_err(|_| TokenFault::Signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(extra: &str) -> String {
        let zeros = "A".repeat(43);
        format!(r#"{{"kty": "EC", "crv": "P-256", "x": "{zeros}", "y": "{zeros}" {extra}}}"#)
    }

    fn rsa(bytes: usize) -> String {
        format!(r#"{{"kty": "RSA", "e": "AQAB", "n": "{}"}}"#, URL_SAFE_NO_PAD.encode(vec![0xff; bytes]))
    }

    #[test]
    fn sets_without_a_key_to_use_are_refused_with_the_reason() {
        for (keys, expected) in [
            (vec![], "there is no key"),
            (vec![key(r#", "use": "enc""#)], "it is not for signatures (`use`)"),
            (vec![key(r#", "key_ops": ["encrypt"]"#)], "(`key_ops`)"),
            (vec![key(r#", "alg": "ES384""#)], "another algorithm than ES256"),
            (vec![key("").replace("P-256", "P-384")], "another curve than P-256"),
            (vec![key("").replacen("AAAA", "", 1)], "32 bytes"),
            (vec![key("").replacen("AA", "!!", 1)], "base64url"),
            (vec![key("").replace("EC", "oct")], "neither RSA nor EC"),
            (vec![rsa(255)], "less than 2048 bits"),
            (vec![rsa(1025)], "more than 8192 bits"),
            (vec![key(r#", "kid": "a""#), key(r#", "kid": "a""#)], "two keys have the id `a`"),
            (vec![key(""), rsa(256)], "two keys have no id"),
        ] {
            let set = format!(r#"{{"keys": [{}]}}"#, keys.join(","));
            let error = KeySet::parse(set.as_bytes()).expect_err(&set);
            assert!(error.contains(expected), "{error}, not {expected}");
        }
        for text in ["", "[]", "{}", r#"{"keys": {}}"#, r#"{"keys": [1]}"#, "-----BEGIN PUBLIC KEY-----"] {
            assert!(KeySet::parse(text.as_bytes()).expect_err(text).contains("no JSON Web Key Set"), "{text}");
        }
        let many = format!(r#"{{"keys": [{}]}}"#, " ".repeat(MOST_KEY_SET_BYTES));
        assert!(KeySet::parse(many.as_bytes()).expect_err("too long").contains("at most"));
    }

    #[test]
    fn keys_that_cannot_be_used_stand_beside_others_and_are_told_of() {
        let mixed =
            [key(r#", "kid": "a""#), key(r#", "kid": "a", "use": "enc""#), key(r#", "kid": "b", "use": "enc""#)];
        let set = KeySet::parse(format!(r#"{{"keys": [{}]}}"#, mixed.join(",")).as_bytes()).expect("a key");
        for (id, algorithm, expected) in [
            (Some("a"), "ES256", TokenFault::Signature),
            (None, "ES256", TokenFault::Signature),
            (Some("a"), "RS256", TokenFault::Algorithm),
            (Some("b"), "ES256", TokenFault::KeyUnfit("it is not for signatures (`use`)")),
            (Some("c"), "ES256", TokenFault::KeyNotFound),
        ] {
            assert_eq!(set.verify(id, algorithm, b"", &[0; 64]), Err(expected), "{id:?} {algorithm}");
        }
    }

    #[test]
    fn what_cannot_be_read_leaves_the_keys_of_before() {
        let good = format!(r#"{{"keys": [{}]}}"#, key(""));
        let answers = Mutex::new(vec![Err("away".to_owned()), Ok(good.into_bytes()), Ok(b"no".to_vec())].into_iter());
        let keys = PublicKeys::new(move || answers.lock().expect("no panic").next().expect("asked as often"));
        assert_eq!(keys.load(), Err("away".to_owned()));
        assert!(keys.held().keys.is_none() && !keys.held().is_due(), "it waits a little");
        keys.load().expect("a set");
        assert!(keys.load().is_err());
        assert!(keys.held().keys.is_some() && keys.held().failures == 1);
    }
}
