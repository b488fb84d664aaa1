//! The stylesheet, the script and the icon, which are part of the executable.

use crate::{Accent, AppState, Error};
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use std::sync::LazyLock;

const STYLE: &str = include_str!("../../templates/libellus.css");
const SCRIPT: &str = include_str!("../../templates/suggest.js");
const ICON: &str = include_str!("../../templates/icon.svg");

/// For what has another address when it changes.
const FOR_GOOD: &str = "public, max-age=31536000, immutable";

/// The stylesheet, with the library's colour.
pub(crate) struct Style {
    text: Bytes,
    /// It changes with the content, so that browsers may keep it for good.
    path: String,
}

impl Style {
    /// With this colour, or our own.
    pub(crate) fn new(accent: Option<Accent>) -> Self {
        let text = format!("{STYLE}{}", accent.map(Accent::style).unwrap_or_default());
        Self { path: format!("/assets/{:016x}.css", fnv1a(text.as_bytes())), text: text.into() }
    }

    /// Where browsers find it.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }
}

/// The script's path; it changes likewise.
pub(crate) static SCRIPT_PATH: LazyLock<String> =
    LazyLock::new(|| format!("/assets/{:016x}.js", fnv1a(SCRIPT.as_bytes())));

/// The icon's path.
pub(crate) const ICON_PATH: &str = "/favicon.svg";

/// The stylesheet.
pub(crate) async fn style(State(state): State<AppState>) -> Response {
    reply("text/css; charset=utf-8", FOR_GOOD, state.style().text.clone())
}

/// The library's logo, where it has one.
pub(crate) async fn logo(State(state): State<AppState>) -> Result<Response, Error> {
    let (media_type, bytes) = state.logo().ok_or(Error::UnknownPath)?.content();
    Ok(reply(media_type, FOR_GOOD, bytes))
}

/// The script, which suggests while one types.
pub(crate) async fn script() -> Response {
    reply("text/javascript; charset=utf-8", FOR_GOOD, SCRIPT)
}

/// The icon.
pub(crate) async fn icon() -> Response {
    reply("image/svg+xml", "public, max-age=86400", ICON)
}

fn reply(content_type: &'static str, cache_control: &'static str, body: impl IntoResponse) -> Response {
    ([(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, cache_control)], body).into_response()
}

/// FNV-1a, 64 bits: enough to tell two versions of a file or a reply apart.
pub(crate) fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
