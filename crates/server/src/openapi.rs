//! What the API is, in OpenAPI 3.1: a file of this crate, which a test holds against the router.

use serde_json::Value;
use std::sync::LazyLock;

/// The description as it is sent.
pub(crate) const TEXT: &str = include_str!("openapi.json");

/// The same to look at.
pub(crate) static DOCUMENT: LazyLock<Value> = LazyLock::new(|| serde_json::from_str(TEXT).unwrap_or_default());

/// What `reference` (`#/components/…`) names; what is no reference stands for itself.
pub(crate) fn resolve(value: &Value) -> &Value {
    let reference = value["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
    reference.and_then(|pointer| DOCUMENT.pointer(pointer)).unwrap_or(value)
}
