//! The stylesheet, the script and the icon, which are part of the executable.

use axum::http::header;
use axum::response::{IntoResponse, Response};
use std::sync::LazyLock;

const STYLE: &str = include_str!("../../templates/libellus.css");
const SCRIPT: &str = include_str!("../../templates/suggest.js");
const ICON: &str = include_str!("../../templates/icon.svg");

/// For what has another address when it changes.
const FOR_GOOD: &str = "public, max-age=31536000, immutable";

/// The stylesheet's path. It changes with the content, so that browsers may keep it for good.
pub(crate) static STYLE_PATH: LazyLock<String> =
    LazyLock::new(|| format!("/assets/{:016x}.css", fnv1a(STYLE.as_bytes())));

/// The script's path; it changes likewise.
pub(crate) static SCRIPT_PATH: LazyLock<String> =
    LazyLock::new(|| format!("/assets/{:016x}.js", fnv1a(SCRIPT.as_bytes())));

/// The icon's path.
pub(crate) const ICON_PATH: &str = "/favicon.svg";

/// The stylesheet.
pub(crate) async fn style() -> Response {
    reply("text/css; charset=utf-8", FOR_GOOD, STYLE)
}

/// The script, which suggests while one types.
pub(crate) async fn script() -> Response {
    reply("text/javascript; charset=utf-8", FOR_GOOD, SCRIPT)
}

/// The icon.
pub(crate) async fn icon() -> Response {
    reply("image/svg+xml", "public, max-age=86400", ICON)
}

fn reply(content_type: &'static str, cache_control: &'static str, body: &'static str) -> Response {
    ([(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, cache_control)], body).into_response()
}

/// FNV-1a, 64 bits: enough to tell two versions of a file or a reply apart.
pub(crate) fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
