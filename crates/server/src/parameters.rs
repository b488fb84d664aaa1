//! The query string, read strictly.
//!
//! The usual decoders replace what they cannot read; a reader would then get answers to something that
//! nobody asked. Here broken escapes and broken UTF-8 are errors.

use crate::Error;
use crate::view::Words;
use libellus_search::{DEFAULT_LIMIT, FACETS, Filter, MAX_LIMIT, Mode, SearchRequest, Sort};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use std::str::FromStr;

/// What must be escaped in a path segment or a parameter: all but RFC 3986's unreserved characters.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The longest piece of someone's input that a message quotes, in characters.
const MAX_QUOTED_CHARS: usize = 40;

/// The parameters of a search, as given; a name that means nothing here is ignored.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct SearchParameters {
    /// `q`: the reader's words, or `None` when nothing was asked yet.
    pub(crate) query: Option<String>,
    /// `limit`: most hits wanted. The library checks its range.
    pub(crate) limit: Option<usize>,
    /// `mode`: how to search.
    pub(crate) mode: Mode,
    /// `exact`: whether spelling is left as it was typed.
    pub(crate) exact: bool,
    /// `language`, `subject` and the other facets, `filter.NAME` for any field, `year`, `year_from`, `year_to`, `age` and
    /// `unknown_age`: which books may be found.
    pub(crate) filter: Filter,
    /// `facets`: the fields that are counted, with commas between.
    pub(crate) facets: Vec<String>,
    /// `sort`: the order.
    pub(crate) sort: Sort,
    /// `after`: where the page before ended.
    pub(crate) after: Option<String>,
    /// `sentences`: whether the first books found by meaning are given with their nearest sentence.
    pub(crate) sentences: bool,
    /// `id`: the books that others shall be like.
    pub(crate) ids: Vec<String>,
    /// `lang`: the language of the page, if pages speak it.
    pub(crate) lang: Option<Words>,
}

impl SearchParameters {
    /// Reads a query string (without its `?`).
    pub(crate) fn parse(query_string: Option<&str>) -> Result<Self, Error> {
        let mut parameters = Self::default();
        for (name, value) in pairs_of(query_string)? {
            parameters.set(&name, value)?;
        }
        Ok(parameters)
    }

    fn set(&mut self, name: &str, value: String) -> Result<(), Error> {
        match name {
            "q" => self.query = Some(value),
            // A form sends its empty fields too: nothing was chosen.
            _ if value.is_empty() => {}
            "exact" => self.exact = parse_flag("exact", &value)?,
            "sentences" => self.sentences = parse_flag("sentences", &value)?,
            "limit" => self.limit = Some(parse_limit(&value)?),
            "mode" => self.mode = quoted(&value).parse()?,
            "sort" => self.sort = quoted(&value).parse()?,
            "after" => self.after = Some(value),
            "id" => self.ids.push(value),
            "lang" => self.lang = Words::known(&value),
            "facets" => self.facets.extend(value.split(',').map(|name| name.trim().to_owned())),
            "year" => {
                let year = parse_number("year", &value)?;
                (self.filter.year_from, self.filter.year_to) = (Some(year), Some(year));
            }
            "year_from" => self.filter.year_from = Some(parse_number("year_from", &value)?),
            "year_to" => self.filter.year_to = Some(parse_number("year_to", &value)?),
            "age" => self.filter.age = Some(parse_number("age", &value)?),
            "unknown_age" => self.filter.unknown_age = parse_flag("unknown_age", &value)?,
            name => {
                let field = name.strip_prefix("filter.").or(Some(name).filter(|name| FACETS.contains(name)));
                field.into_iter().for_each(|field| self.filter.add(field, value.as_str()));
            }
        }
        Ok(())
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
                Some(("lang", value)) => parameters.lang = Words::known(value),
                Some(("mode", value)) => parameters.mode = quoted(value).parse().unwrap_or_default(),
                _ => {}
            }
        }
        parameters
    }

    /// The question, or an error when there is none.
    pub(crate) fn into_request(self) -> Result<SearchRequest, Error> {
        let query = self.query.ok_or(libellus_search::Error::EmptyQuery)?;
        Ok(SearchRequest {
            query,
            limit: self.limit.unwrap_or(DEFAULT_LIMIT),
            mode: self.mode,
            exact: self.exact,
            sentences: self.sentences,
            filter: self.filter,
            facets: self.facets,
            sort: self.sort,
            after: self.after,
        })
    }

    /// What a form has to send along so that the search stays the same but for its query and mode: names and values.
    pub(crate) fn kept(&self) -> Vec<(String, String)> {
        let Filter { any_of, year_from, year_to, age, unknown_age, within: _ } = &self.filter;
        let of_field = |(field, values): (&String, &Vec<String>)| {
            let name = parameter_of(field);
            values.iter().map(|value| (name.clone(), value.clone())).collect::<Vec<_>>()
        };
        let mut kept: Vec<(String, String)> = any_of.iter().flat_map(of_field).collect();
        let mut keep = |name: &str, value: Option<String>| kept.extend(value.map(|value| (name.to_owned(), value)));
        keep("year_from", year_from.map(|year| year.to_string()));
        keep("year_to", year_to.map(|year| year.to_string()));
        keep("age", age.map(|age| age.to_string()));
        keep("unknown_age", unknown_age.then(|| true.to_string()));
        keep("limit", self.limit.filter(|limit| *limit != DEFAULT_LIMIT).map(|limit| limit.to_string()));
        keep("lang", self.lang.map(|words| words.tag().to_owned()));
        keep("sort", (self.sort != Sort::default()).then(|| self.sort.as_str().to_owned()));
        kept
    }

    /// The whole search as names and values; those that have their usual value are left out.
    pub(crate) fn pairs(&self) -> Vec<(String, String)> {
        let mut pairs = vec![("q".to_owned(), self.query.clone().unwrap_or_default())];
        pairs.extend((self.mode != Mode::default()).then(|| ("mode".to_owned(), self.mode.to_string())));
        pairs.extend(self.kept());
        let mut put = |name: &str, value: Option<String>| pairs.extend(value.map(|value| (name.to_owned(), value)));
        put("exact", self.exact.then(|| true.to_string()));
        put("sentences", self.sentences.then(|| true.to_string()));
        put("facets", (!self.facets.is_empty()).then(|| self.facets.join(",")));
        put("after", self.after.clone());
        pairs
    }

    /// The address of this search under `path`.
    pub(crate) fn address(&self, path: &str) -> String {
        let pairs = self.pairs();
        let pairs: Vec<String> =
            pairs.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
        format!("{path}?{}", pairs.join("&"))
    }
}

/// The names and values of a query string (without its `?`).
pub(crate) fn pairs_of(query_string: Option<&str>) -> Result<Vec<(String, String)>, Error> {
    let pairs = query_string.unwrap_or_default().split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.map(|(name, value)| Ok((decode(name)?, decode(value)?))).collect()
}

/// The name of the parameter that filters by a field.
pub(crate) fn parameter_of(field: &str) -> String {
    if FACETS.contains(&field) { field.to_owned() } else { format!("filter.{field}") }
}

/// `text` as a path segment or a parameter's value.
pub(crate) fn encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

fn parse_flag(name: &'static str, value: &str) -> Result<bool, Error> {
    value.parse().map_err(|_| Error::InvalidFlag { name, found: quoted(value) })
}

fn parse_limit(value: &str) -> Result<usize, Error> {
    value.parse().map_err(|_| Error::InvalidLimit { found: quoted(value), max: MAX_LIMIT })
}

fn parse_number<T: FromStr>(name: &'static str, value: &str) -> Result<T, Error> {
    value.trim().parse().map_err(|_| Error::InvalidNumber { name, found: quoted(value) })
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
            ("", None, None, Mode::Hybrid),
            ("q=sea", Some("sea"), None, Mode::Hybrid),
            ("q=a+b%20c%2Bd", Some("a b c+d"), None, Mode::Hybrid),
            ("q=Caf%C3%A9&mode=keyword&limit=3", Some("Café"), Some(3), Mode::Keyword),
            ("q=1%2B1%3D2%26more", Some("1+1=2&more"), None, Mode::Hybrid),
            ("q=a=b", Some("a=b"), None, Mode::Hybrid),
            ("%71=sea", Some("sea"), None, Mode::Hybrid),
            ("q", Some(""), None, Mode::Hybrid),
            ("q=sea&limit=&mode=&year_from=&language=", Some("sea"), None, Mode::Hybrid),
            ("q=sea&limit&mode", Some("sea"), None, Mode::Hybrid),
            ("utm_source=x&q=sea&&", Some("sea"), None, Mode::Hybrid),
        ];
        for (query_string, query, limit, mode) in cases {
            let parsed = SearchParameters::parse(Some(query_string)).expect(query_string);
            let expected =
                SearchParameters { query: query.map(str::to_owned), limit, mode, ..SearchParameters::default() };
            assert_eq!(parsed, expected, "{query_string}");
        }
        assert_eq!(SearchParameters::parse(None).expect("no query string"), SearchParameters::default());
    }

    #[test]
    fn filters_are_read_and_written_the_same() {
        let address = "/?q=sea&mode=keyword&language=de&language=en&filter.shelf%20mark=B%203&year_from=-700&year_to=1900&age=9\
                       &unknown_age=true&limit=30&sort=newest&exact=true&sentences=true&facets=subject,language&after=00ff";
        let query_string = address.split_once('?').expect("a question").1;
        let parsed = SearchParameters::parse(Some(query_string)).expect("all in order");
        assert_eq!(parsed.filter.any_of["language"], ["de", "en"]);
        assert_eq!(parsed.filter.any_of["shelf mark"], ["B 3"]);
        assert_eq!(
            (parsed.filter.year_from, parsed.filter.year_to, parsed.filter.age),
            (Some(-700), Some(1900), Some(9))
        );
        assert!(parsed.filter.unknown_age && parsed.exact);
        assert_eq!(parsed.address("/"), address.replace("subject,language", "subject%2Clanguage"));
        let one_year = SearchParameters::parse(Some("q=x&year=1813")).expect("all in order").filter;
        assert_eq!((one_year.year_from, one_year.year_to), (Some(1813), Some(1813)));
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
            ("sort=best", "`best`"),
            ("year=MCMX", "`MCMX`"),
            ("age=-1", "`-1`"),
            ("age=300", "`300`"),
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
        assert_eq!((salvaged.limit, salvaged.mode), (None, Mode::Keyword));
    }

    #[test]
    fn encoding_is_the_inverse_of_decoding() {
        for text in ["", "a b", "100% + more & ?", "Æther/ñ", "日本語", "<script>"] {
            assert_eq!(decode(&encode(text)).expect(text), text);
        }
    }
}
