//! The query string, read strictly.
//!
//! The usual decoders replace what they cannot read; a reader would then get answers to something that
//! nobody asked. Here broken escapes and broken UTF-8 are errors.

use crate::Error;
use libellus_search::{DEFAULT_LIMIT, MAX_LIMIT, Mode, SearchRequest};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What must be escaped in a path segment or a parameter: all but RFC 3986's unreserved characters.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The longest piece of someone's input that a message quotes, in characters.
const MAX_QUOTED_CHARS: usize = 40;

/// The parameters of a search, as given; a name that means nothing here is ignored.
#[derive(Debug, PartialEq)]
pub(crate) struct SearchParameters {
    /// `q`: the reader's words, or `None` when nothing was asked yet.
    pub(crate) query: Option<String>,
    /// `limit`: most hits wanted. The library checks its range.
    pub(crate) limit: usize,
    /// `mode`: how to search.
    pub(crate) mode: Mode,
    /// `exact`: whether spelling is left as it was typed.
    pub(crate) exact: bool,
}

impl Default for SearchParameters {
    fn default() -> Self {
        Self { query: None, limit: DEFAULT_LIMIT, mode: Mode::default(), exact: false }
    }
}

impl SearchParameters {
    /// Reads a query string (without its `?`).
    pub(crate) fn parse(query_string: Option<&str>) -> Result<Self, Error> {
        let mut parameters = Self::default();
        for pair in query_string.unwrap_or_default().split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match decode(name)?.as_str() {
                "q" => parameters.query = Some(decode(value)?),
                // A form sends its empty fields too: nothing was chosen.
                "limit" | "mode" | "exact" if value.is_empty() => {}
                "exact" => parameters.exact = parse_flag("exact", &decode(value)?)?,
                "limit" => parameters.limit = parse_limit(&decode(value)?)?,
                "mode" => parameters.mode = parse_mode(&decode(value)?)?,
                _ => {}
            }
        }
        Ok(parameters)
    }

    /// What can still be read of a query string that [`parse`](Self::parse) refused: an error page gives it back
    /// to be mended.
    pub(crate) fn salvage(query_string: Option<&str>) -> Self {
        let mut parameters = Self::default();
        for pair in query_string.unwrap_or_default().split('&') {
            match pair.split_once('=') {
                Some(("q", value)) => {
                    let value = value.replace('+', " ");
                    parameters.query = Some(percent_decode_str(&value).decode_utf8_lossy().into_owned());
                }
                Some(("mode", value)) => parameters.mode = parse_mode(value).unwrap_or_default(),
                _ => {}
            }
        }
        parameters
    }

    /// The question, or an error when there is none.
    pub(crate) fn into_request(self) -> Result<SearchRequest, Error> {
        let query = self.query.ok_or(libellus_search::Error::EmptyQuery)?;
        Ok(SearchRequest { query, limit: self.limit, mode: self.mode, exact: self.exact, ..SearchRequest::default() })
    }
}

/// `text` as a path segment or a parameter's value.
pub(crate) fn encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

fn parse_mode(value: &str) -> Result<Mode, Error> {
    Ok(quoted(value).parse()?)
}

fn parse_flag(name: &'static str, value: &str) -> Result<bool, Error> {
    value.parse().map_err(|_| Error::InvalidFlag { name, found: quoted(value) })
}

fn parse_limit(value: &str) -> Result<usize, Error> {
    value.parse().map_err(|_| Error::InvalidLimit { found: quoted(value), max: MAX_LIMIT })
}

/// The beginning of `value`, for a message.
fn quoted(value: &str) -> String {
    value.chars().take(MAX_QUOTED_CHARS).collect()
}

/// Decodes a name or value of a query string: `+` and percent escapes.
fn decode(text: &str) -> Result<String, Error> {
    let text = text.replace('+', " ");
    if let Some(escape) = broken_escape(&text) {
        return Err(Error::BrokenEscape { escape });
    }
    let decoded = percent_decode_str(&text).decode_utf8().map_err(|_| Error::InvalidUtf8)?;
    Ok(decoded.into_owned())
}

/// The first `%` of `text` that two hexadecimal digits do not follow, with what follows instead.
fn broken_escape(text: &str) -> Option<String> {
    text.split('%').skip(1).find_map(|rest| {
        let digits = rest.bytes().take(2).take_while(u8::is_ascii_hexdigit).count();
        (digits < 2).then(|| format!("%{}", rest.chars().take(2).collect::<String>()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_forms_and_clients_send() {
        let cases = [
            ("", None, DEFAULT_LIMIT, Mode::Hybrid),
            ("q=sea", Some("sea"), DEFAULT_LIMIT, Mode::Hybrid),
            ("q=a+b%20c%2Bd", Some("a b c+d"), DEFAULT_LIMIT, Mode::Hybrid),
            ("q=Caf%C3%A9&mode=keyword&limit=3", Some("Café"), 3, Mode::Keyword),
            ("q=1%2B1%3D2%26more", Some("1+1=2&more"), DEFAULT_LIMIT, Mode::Hybrid),
            ("q=a=b", Some("a=b"), DEFAULT_LIMIT, Mode::Hybrid),
            ("%71=sea", Some("sea"), DEFAULT_LIMIT, Mode::Hybrid),
            ("q", Some(""), DEFAULT_LIMIT, Mode::Hybrid),
            ("q=sea&limit=&mode=", Some("sea"), DEFAULT_LIMIT, Mode::Hybrid),
            ("q=sea&limit&mode", Some("sea"), DEFAULT_LIMIT, Mode::Hybrid),
            ("utm_source=x&q=sea&&", Some("sea"), DEFAULT_LIMIT, Mode::Hybrid),
        ];
        for (query_string, query, limit, mode) in cases {
            let parsed = SearchParameters::parse(Some(query_string)).expect(query_string);
            assert_eq!(
                parsed,
                SearchParameters { query: query.map(str::to_owned), limit, mode, exact: false },
                "{query_string}"
            );
        }
        assert_eq!(SearchParameters::parse(None).expect("no query string"), SearchParameters::default());
    }

    #[test]
    fn refuses_what_it_cannot_read_and_says_what() {
        let cases = [
            ("q=100%", "`%`"),
            ("q=%zz", "`%zz`"),
            ("q=%4", "`%4`"),
            ("q=%C3%28", "not UTF-8"),
            ("q=%FF", "not UTF-8"),
            ("limit=abc", "`abc`"),
            ("limit=-1", "`-1`"),
            ("limit=1e3", "`1e3`"),
            ("limit=99999999999999999999999", "`99999999999999999999999`"),
            ("mode=foo", "`foo`"),
            ("exact=yes", "`yes`"),
        ];
        for (query_string, expected) in cases {
            let message = SearchParameters::parse(Some(query_string)).expect_err(query_string).to_string();
            assert!(message.contains(expected), "{query_string}: {message}");
        }
    }

    #[test]
    fn messages_quote_only_the_beginning() {
        let message = SearchParameters::parse(Some(&format!("mode={}", "x".repeat(5000)))).expect_err("no mode");
        assert!(message.to_string().len() < 200, "{message}");
    }

    #[test]
    fn what_was_typed_survives_an_error() {
        let salvaged = SearchParameters::salvage(Some("q=100%+wool+%FF&limit=abc&mode=keyword"));
        assert_eq!(salvaged.query.as_deref(), Some("100% wool \u{FFFD}"));
        assert_eq!((salvaged.limit, salvaged.mode), (DEFAULT_LIMIT, Mode::Keyword));
    }

    #[test]
    fn encoding_is_the_inverse_of_decoding() {
        for text in ["", "a b", "100% + more & ?", "Æther/ñ", "日本語", "<script>"] {
            assert_eq!(decode(&encode(text)).expect(text), text);
        }
    }
}
