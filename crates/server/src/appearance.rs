//! How the page looks: the library's name, its logo and its colour.
//!
//! A colour is refused where it could not be read (WCAG 2.2, success criteria 1.4.3 and 1.4.11): links are written in it,
//! and buttons have it behind their words. What goes with it, in dark mode too, is derived.

use crate::routes::assets::fnv1a;
use axum::body::Bytes;
use std::fmt::{self, Write as _};
use std::str::FromStr;

/// The least contrast of text.
const LEAST_CONTRAST: f64 = 4.5;

/// What is behind text in light and in dark mode: `--tint` of `templates/libellus.css`, which of all has the least contrast.
const BEHIND_LIGHT: Colour = Colour([0xee, 0xf1, 0xe8]);
const BEHIND_DARK: Colour = Colour([0x22, 0x2a, 0x25]);

const WHITE: Colour = Colour([255; 3]);
const BLACK: Colour = Colour([0; 3]);

/// The largest logo: it comes with every page that a browser has not seen.
const MOST_LOGO_BYTES: usize = 256 * 1024;

/// A colour in sRGB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Colour([u8; 3]);

impl Colour {
    /// Relative luminance, as WCAG defines it.
    fn luminance(self) -> f64 {
        let linear = |part: u8| match f64::from(part) / 255.0 {
            part if part <= 0.04045 => part / 12.92,
            part => ((part + 0.055) / 1.055).powf(2.4),
        };
        let [red, green, blue] = self.0.map(linear);
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }

    fn contrast(self, other: Self) -> f64 {
        let (a, b) = (self.luminance(), other.luminance());
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    /// So many tenths of the way to another colour.
    fn towards(self, other: Self, tenths: u16) -> Self {
        let mix = |at: usize| (u16::from(self.0[at]) * (10 - tenths) + u16::from(other.0[at]) * tenths) / 10;
        // A mean of bytes is a byte.
        Self([0, 1, 2].map(|at| mix(at) as u8))
    }

    /// Black or white, whichever is easier to read on it.
    fn ink(self) -> Self {
        if self.contrast(WHITE) >= self.contrast(BLACK) { WHITE } else { BLACK }
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [red, green, blue] = self.0;
        write!(f, "#{red:02x}{green:02x}{blue:02x}")
    }
}

/// The colour of links and buttons: `#7a1f3d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accent(Colour);

impl FromStr for Accent {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.trim().strip_prefix('#').filter(|digits| digits.len() == 6);
        let number = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let number = number.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let [_, parts @ ..] = number.ok_or("write a colour as `#7a1f3d`")?.to_be_bytes();
        let colour = Colour(parts);
        let ratio = colour.contrast(BEHIND_LIGHT);
        if ratio < LEAST_CONTRAST {
            return Err(format!(
                "text in this colour has a contrast of {ratio:.2}:1 to the page, and needs {LEAST_CONTRAST}:1 to be \
                 read; choose a darker one"
            ));
        }
        Ok(Self(colour))
    }
}

impl fmt::Display for Accent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Accent {
    /// The same colour, bright enough for a dark page.
    fn in_the_dark(self) -> Colour {
        let lighter = (0..=10).map(|tenths| self.0.towards(WHITE, tenths));
        lighter.into_iter().find(|colour| colour.contrast(BEHIND_DARK) >= LEAST_CONTRAST + 1.0).unwrap_or(WHITE)
    }

    /// What the style sheet needs, for screens: on paper all is black.
    pub(crate) fn style(self) -> String {
        let mut style = "\n@media screen {\n".to_owned();
        let dark = self.in_the_dark();
        let modes = [("light", self.0, self.0.towards(BLACK, 3)), ("dark", dark, dark.towards(WHITE, 3))];
        for (mode, accent, strong) in modes {
            let ink = accent.ink();
            // Writing to a text does not fail.
            let _ = writeln!(
                style,
                "@media (prefers-color-scheme: {mode}) {{ :root {{ --accent: {accent}; --accent-strong: {strong}; --on-accent: {ink}; }} }}"
            );
        }
        style + "}\n"
    }
}

/// A picture beside the library's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logo {
    media_type: &'static str,
    bytes: Bytes,
    path: String,
}

impl Logo {
    /// A picture in one of the formats that every browser shows.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn new(bytes: Vec<u8>) -> Result<Self, String> {
        let beginning = String::from_utf8_lossy(&bytes[..bytes.len().min(1024)]).into_owned();
        let (media_type, extension) = match bytes.as_slice() {
            [0x89, b'P', b'N', b'G', ..] => ("image/png", "png"),
            [0xff, 0xd8, 0xff, ..] => ("image/jpeg", "jpg"),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => ("image/webp", "webp"),
            _ if beginning.contains("<svg") => ("image/svg+xml", "svg"),
            _ => return Err("it has to be a picture in SVG, PNG, JPEG or WebP".to_owned()),
        };
        if bytes.len() > MOST_LOGO_BYTES {
            return Err(format!("it has {} bytes; a logo may have {MOST_LOGO_BYTES}", bytes.len()));
        }
        let path = format!("/assets/{:016x}.{extension}", fnv1a(&bytes));
        Ok(Self { media_type, bytes: bytes.into(), path })
    }

    /// Where browsers find it; another one when it changes.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Its media type, and what is in it.
    pub(crate) fn content(&self) -> (&'static str, Bytes) {
        (self.media_type, self.bytes.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contrasts_are_those_of_wcag() {
        assert!((WHITE.contrast(BLACK) - 21.0).abs() < 1e-9);
        assert!((Colour([0x76; 3]).contrast(WHITE) - 4.54).abs() < 0.01, "the lightest grey that passes on white");
        let css = include_str!("../templates/libellus.css");
        for (colour, mode) in [(BEHIND_LIGHT, "light"), (BEHIND_DARK, "dark")] {
            assert!(css.contains(&format!("--tint: {colour};")), "{mode}: {colour}");
        }
    }

    #[test]
    fn colours_that_cannot_be_read_are_refused_with_their_ratio() {
        for (text, expected) in [
            ("#7a1f3d", None),
            ("#000000", None),
            ("#1D4ED8", None),
            ("#ffd400", Some("1.2")),
            ("#808080", Some("3.4")),
            ("7a1f3d", Some("write a colour as")),
            ("#7a1f3", Some("write a colour as")),
            ("#7a1fxx", Some("write a colour as")),
            ("red;}*{display:none", Some("write a colour as")),
        ] {
            let refused = text.parse::<Accent>().err();
            match (refused.as_deref(), expected) {
                (None, None) => {}
                (Some(message), Some(part)) if message.contains(part) => {}
                other => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn what_is_derived_can_be_read_in_both_modes() {
        for text in ["#000000", "#7a1f3d", "#00008b", "#5a5a00", "#6b3fa0", "#b00000"] {
            let accent: Accent = text.parse().expect(text);
            let dark = accent.in_the_dark();
            for (colour, behind) in [(accent.0, BEHIND_LIGHT), (dark, BEHIND_DARK)] {
                assert!(colour.contrast(behind) >= LEAST_CONTRAST, "{text}: {colour} on {behind}");
                assert!(colour.contrast(colour.ink()) >= LEAST_CONTRAST, "{text}: words on {colour}");
            }
        }
    }

    #[test]
    fn a_logo_is_known_by_its_bytes() {
        let of = |bytes: &[u8]| Logo::new(bytes.to_vec());
        assert_eq!(of(b"\x89PNG\r\n").expect("PNG").media_type, "image/png");
        assert!(of(b"<?xml version='1.0'?><svg/>").expect("SVG").path.ends_with(".svg"));
        assert!(of(b"<html>").expect_err("no picture").contains("SVG, PNG"));
        assert!(of(&[b"<svg>".as_slice(), &vec![b' '; MOST_LOGO_BYTES]].concat()).expect_err("long").contains("bytes"));
    }
}
