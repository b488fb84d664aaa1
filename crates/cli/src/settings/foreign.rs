//! Variables that libellus does not read: misspelt ones of its own, and those that the replaced backend read.

use super::{Environment, Finding};
use serde::Serialize;

/// Every variable that is read.
pub(super) const KNOWN: [&str; 22] = [
    "PORT",
    "DATABASE_URL",
    "CORS_ORIGINS",
    "JWT_SECRET_KEY",
    "SECRET_KEY",
    super::JWKS,
    "LIBELLUS_ISA",
    "LIBELLUS_HOME",
    super::FACETS,
    super::RATE_LIMIT,
    super::READING,
    super::TOKEN_SCOPE,
    super::TRUSTED_PROXIES,
    super::PUBLIC_URL,
    super::ROBOTS,
    super::SITE_NAME,
    super::ACCENT,
    super::LOGO,
    super::INDEX_DIR,
    super::INDEX_MEMORY,
    super::CACHE,
    super::LOG,
];

/// What our own variables begin with.
const PREFIX: &str = "LIBELLUS_";

/// Where the tests of this repository find things.
const TEST_PREFIX: &str = "LIBELLUS_TEST_";

const NO_FLASK: &str = "there is no Flask";
const NO_WORKERS: &str = "there are no worker processes; one process uses every core";
const NO_CACHE: &str = "nothing is downloaded; the model is in the executable";
const FOR_PULLS: &str = "the service downloads nothing; `libellus model pull` alone reads it";
const MODEL_FLAG: &str = "the model is in the executable; `--model` opens another";

/// Variables of the replaced backend alone (others of Python are set on many machines), and why the service has no use for
/// them.
const UNUSED: [(&str, &str); 14] = [
    ("EMBEDDING_MODEL", MODEL_FLAG),
    ("FLASK_APP", NO_FLASK),
    ("FLASK_DEBUG", NO_FLASK),
    ("FLASK_ENV", NO_FLASK),
    ("GUNICORN_CMD_ARGS", NO_WORKERS),
    ("HF_HOME", FOR_PULLS),
    ("HF_HUB_OFFLINE", FOR_PULLS),
    ("HUGGINGFACE_HUB_CACHE", NO_CACHE),
    ("MODEL_NAME", MODEL_FLAG),
    ("SENTENCE_TRANSFORMERS_HOME", NO_CACHE),
    ("TOKENIZERS_PARALLELISM", "the tokenizer is libellus's own"),
    ("TRANSFORMERS_CACHE", NO_CACHE),
    ("TRANSFORMERS_OFFLINE", FOR_PULLS),
    ("WEB_CONCURRENCY", NO_WORKERS),
];

/// A variable that is set, but not used.
#[derive(Clone, Debug, Serialize)]
pub struct Unused {
    /// Its name.
    pub variable: String,
    /// Why.
    pub why: &'static str,
}

/// The variables of the replaced backend that are set.
pub(super) fn unused(environment: &Environment) -> Vec<Unused> {
    let set = UNUSED.iter().filter(|(name, _)| environment.get(name).is_some());
    set.map(|(name, why)| Unused { variable: (*name).to_owned(), why }).collect()
}

/// The variables that look like ours and are not.
pub(super) fn unknown(environment: &Environment) -> Vec<Finding> {
    let ours = environment.names().filter(|name| name.starts_with(PREFIX) && !name.starts_with(TEST_PREFIX));
    let unknown = ours.filter(|name| !KNOWN.contains(name) && !is_of_kubernetes(environment, name));
    let finding = |name: &str| {
        let meant = meant(name).map_or_else(String::new, |meant| format!("; did you mean {meant}?"));
        Finding::warning(name, format!("{name} is set, but libellus knows no such setting{meant}"))
    };
    unknown.map(finding).collect()
}

/// Kubernetes gives every container the addresses of services, so that of one called `libellus`, too.
fn is_of_kubernetes(environment: &Environment, name: &str) -> bool {
    name.starts_with("LIBELLUS_SERVICE_")
        || name.starts_with("LIBELLUS_PORT_")
        || (name == "LIBELLUS_PORT" && environment.get(name).is_some_and(|value| value.contains("://")))
}

/// The known variable that is spelt most alike.
fn meant(name: &str) -> Option<&'static str> {
    let bare = name.strip_prefix(PREFIX).unwrap_or(name);
    let distance = |known: &str| edits(name, known).min(edits(bare, known));
    KNOWN
        .into_iter()
        .map(|known| (distance(known), known))
        .min()
        .filter(|(edits, _)| *edits <= 2)
        .map(|(_, known)| known)
}

/// How many bytes have to be added, taken or changed to make one of the other (Levenshtein's distance).
fn edits(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.bytes().enumerate() {
            let changed = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_names_are_recognised() {
        for (name, expected) in [
            ("LIBELLUS_ISE", Some("LIBELLUS_ISA")),
            ("LIBELLUS_PORT", Some("PORT")),
            ("LIBELLUS_DATABASE_URL", Some("DATABASE_URL")),
            ("LIBELLUS_CORS_ORIGIN", Some("CORS_ORIGINS")),
            ("LIBELLUS_WORKERS", None),
        ] {
            assert_eq!(meant(name), expected, "{name}");
        }
        assert_eq!((edits("", "abc"), edits("kitten", "sitting"), edits("a", "a")), (3, 3, 0));
    }

    #[test]
    fn what_kubernetes_sets_is_not_ours() {
        let variables = [
            ("LIBELLUS_SERVICE_HOST", "10.0.0.1"),
            ("LIBELLUS_PORT", "tcp://10.0.0.1:80"),
            ("LIBELLUS_PORT_80_TCP", "tcp://10.0.0.1:80"),
            ("LIBELLUS_TEST_MODEL_DIR", "/models"),
        ];
        assert!(unknown(&Environment::of(&variables)).is_empty());
    }
}
