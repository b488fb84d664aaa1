//! Keys of the HTTP API: who may read, write and administer.
//!
//! A key is shown once, when it is made; the catalogue holds its SHA-256. One hash is enough, for a key is 256 random bits:
//! there is nothing to guess that salt or slowness would protect, as with passwords. It is looked up by that hash, so how
//! long a look-up takes says something of the hash of what was tried, and nothing of a key.
//!
//! Keys stay in their catalogue: snapshots and exports do not hold them.

use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

/// What every key begins with, so that people and scanners of leaked secrets know it.
pub const KEY_PREFIX: &str = "libellus_";

/// The random part, in bytes.
const RANDOM_BYTES: usize = 32;

/// What someone may do; each includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Search and read books.
    Read,
    /// Add, change and delete books.
    Write,
    /// All, and to see what others do.
    Admin,
}

impl Scope {
    /// Each of them.
    pub const ALL: [Scope; 3] = [Scope::Read, Scope::Write, Scope::Admin];

    /// The name used in commands, tokens and the catalogue.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Scope::Read => "read",
            Scope::Write => "write",
            Scope::Admin => "admin",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Scope {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Scope::ALL.into_iter().find(|scope| scope.as_str() == name).ok_or(())
    }
}

/// A key, without the key itself.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ApiKey {
    /// What it is listed and revoked by: the beginning of its hash.
    pub id: String,
    /// What it is for, in the operator's words.
    pub name: String,
    /// What it is good for.
    pub scope: Scope,
    /// Which books it shows, as `libellus_search::Filter` writes it; `None` for all.
    pub filter: Option<String>,
    /// When it was made, in seconds since 1970.
    pub created: i64,
    /// When it ends to be good, if ever.
    pub expires: Option<i64>,
}

impl ApiKey {
    /// Whether it is not good any more.
    #[must_use]
    pub fn is_expired(&self) -> bool {
        self.expires.is_some_and(|end| end <= now())
    }
}

/// The hash that a key is known by.
pub(crate) type KeyHash = [u8; 32];

/// The hash of a key; of what cannot be one, none.
pub(crate) fn hash_of(key: &str) -> Option<KeyHash> {
    let random = key.strip_prefix(KEY_PREFIX)?;
    let is_key =
        random.len() == 2 * RANDOM_BYTES && random.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    is_key.then(|| Sha256::digest(key).into())
}

/// A new key and what is kept of it.
pub(crate) fn make(
    name: &str,
    scope: Scope,
    filter: Option<&str>,
    expires: Option<i64>,
) -> Result<(String, ApiKey, KeyHash), getrandom::Error> {
    let mut random = [0; RANDOM_BYTES];
    getrandom::fill(&mut random)?;
    let key = format!("{KEY_PREFIX}{}", hex(&random));
    let hash: KeyHash = Sha256::digest(&key).into();
    let (name, filter) = (name.to_owned(), filter.map(str::to_owned));
    Ok((key, ApiKey { id: hex(&hash[..6]), name, scope, filter, created: now(), expires }, hash))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Seconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_known_by_its_hash_and_nothing_else_is_one() {
        let (key, kept, hash) = make("catalogue room", Scope::Write, None, None).expect("random bytes");
        assert_eq!(hash_of(&key), Some(hash));
        assert!(!format!("{kept:?}").contains(&key[KEY_PREFIX.len()..]), "the key is not kept");
        let other = make("catalogue room", Scope::Write, None, None).expect("random bytes");
        assert_ne!(key, other.0);
        for wrong in ["", "libellus_", &key[..key.len() - 1], &key.to_uppercase(), &format!("{key}0"), &key[1..]] {
            assert_eq!(hash_of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn scopes_include_those_before() {
        assert!(Scope::Read < Scope::Write && Scope::Write < Scope::Admin);
        for scope in Scope::ALL {
            assert_eq!(scope.as_str().parse(), Ok(scope));
        }
        assert_eq!("root".parse::<Scope>(), Err(()));
    }
}
