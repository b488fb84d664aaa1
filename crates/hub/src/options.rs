//! Which hub, with which token, and whether at all: read from the environment as the official client reads it.
//!
//! Proxies are not here: `connection.rs` takes them from HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY.

use crate::Error;
use hyper::Uri;
use std::fmt;
use std::fs;
use std::path::PathBuf;

/// The hub when nothing else is said.
const ENDPOINT: &str = "https://huggingface.co";

/// How the hub is reached.
#[derive(Clone, Debug)]
pub struct HubOptions {
    /// The hub's address, without a slash at its end.
    pub(crate) endpoint: Uri,
    pub(crate) token: Option<Token>,
    /// Whether the network may not be used.
    pub(crate) offline: bool,
}

/// A token. It is never shown.
#[derive(Clone)]
pub(crate) struct Token(pub(crate) String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

impl HubOptions {
    /// HF_ENDPOINT, HF_TOKEN (or else the file of `hf auth login`) and HF_HUB_OFFLINE; `get` gives a variable that is
    /// set to something.
    ///
    /// # Errors
    /// [`Error::Variable`] if an endpoint is no address.
    pub fn from_environment(get: &dyn Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let endpoint = get("HF_ENDPOINT").unwrap_or_else(|| ENDPOINT.to_owned());
        let expected = "an address that begins with `https://` or `http://`";
        let bad = || Error::Variable { name: "HF_ENDPOINT", value: endpoint.clone(), expected };
        let uri: Uri = endpoint.trim_end_matches('/').parse().map_err(|_| bad())?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.query().is_some() {
            return Err(bad());
        }
        let token = get("HF_TOKEN").or_else(|| fs::read_to_string(token_path(get)?).ok());
        let token = token.map(|token| token.trim().to_owned()).filter(|token| !token.is_empty()).map(Token);
        let offline =
            ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"].into_iter().filter_map(get).any(|value| is_true(&value));
        Ok(Self { endpoint: uri, token, offline })
    }

    /// The hub's name, for messages.
    pub(crate) fn host(&self) -> String {
        let Self { endpoint, .. } = self;
        endpoint.authority().map_or_else(|| endpoint.to_string(), |authority| authority.host().to_owned())
    }
}

/// Where `hf auth login` leaves its token.
fn token_path(get: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
    if let Some(path) = get("HF_TOKEN_PATH") {
        return Some(path.into());
    }
    let cache =
        || get("XDG_CACHE_HOME").map(PathBuf::from).or_else(|| Some(PathBuf::from(get("HOME")?).join(".cache")));
    let home = get("HF_HOME").map(PathBuf::from).or_else(|| Some(cache()?.join("huggingface")));
    Some(home?.join("token"))
}

fn is_true(value: &str) -> bool {
    ["1", "on", "yes", "true"].iter().any(|word| value.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_is_read_as_the_official_client_reads_it() {
        let home = tempfile::tempdir().expect("a folder");
        let path = |name: &str| home.path().join(name).display().to_string();
        fs::create_dir_all(home.path().join(".cache/huggingface")).expect("room");
        fs::write(home.path().join(".cache/huggingface/token"), "hf_of_home\n").expect("room");
        fs::write(home.path().join("token"), "hf_of_file").expect("room");
        let base = ("HOME", path(""));
        for (variables, endpoint, token, offline) in [
            (vec![], "https://huggingface.co", Some("hf_of_home"), false),
            (vec![("HF_TOKEN", "hf_x".to_owned())], "https://huggingface.co", Some("hf_x"), false),
            (vec![("HF_TOKEN_PATH", path("token"))], "https://huggingface.co", Some("hf_of_file"), false),
            (vec![("HF_HOME", path(""))], "https://huggingface.co", Some("hf_of_file"), false),
            (vec![("HF_HOME", path("nowhere"))], "https://huggingface.co", None, false),
            (
                vec![("HF_ENDPOINT", "http://mirror:8080/hf/".to_owned()), ("HF_HUB_OFFLINE", "ON".to_owned())],
                "http://mirror:8080/hf",
                Some("hf_of_home"),
                true,
            ),
            (vec![("HF_HUB_OFFLINE", "0".to_owned())], "https://huggingface.co", Some("hf_of_home"), false),
        ] {
            let get = |name: &str| {
                variables.iter().chain([&base]).find(|(known, _)| *known == name).map(|(_, value)| value.clone())
            };
            let options = HubOptions::from_environment(&get).expect("an address");
            assert_eq!(options.endpoint.to_string().trim_end_matches('/'), endpoint, "{variables:?}");
            assert_eq!(options.token.as_ref().map(|token| token.0.as_str()), token, "{variables:?}");
            assert_eq!(options.offline, offline, "{variables:?}");
            assert!(!format!("{options:?}").contains("hf_"), "a token is not shown");
        }
        for endpoint in ["ftp://x", "huggingface.co", "http://", "https://x/?a=b"] {
            let get = |name: &str| (name == "HF_ENDPOINT").then(|| endpoint.to_owned());
            assert!(matches!(HubOptions::from_environment(&get), Err(Error::Variable { .. })), "{endpoint}");
        }
    }
}
