//! What the pages say, in the languages that they speak.
//!
//! A file for each language lies in `messages/`: a line for each message, `key = text` with `{names}` of what is put in. A
//! message with a number has a line for each of the language's plurals, by the categories of CLDR. In other languages
//! than English there are names of languages, too, and headings of errors; English has its own tables of them.
//!
//! A page speaks the language of `lang` in its address, or else the one that the browser likes best (`Accept-Language`).

use super::language;
use crate::AppState;
use crate::parameters::SearchParameters;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri, header};
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::LazyLock;

/// A language that pages speak.
struct Spoken {
    /// Its tag.
    tag: &'static str,
    /// Its own name for itself.
    name: &'static str,
    is_right_to_left: bool,
    /// What stands between groups of digits, and before a fraction.
    separators: (char, char),
    /// How many digits a group has, but for the last one of three.
    group: usize,
    plural: fn(u64) -> &'static str,
    messages: &'static str,
}

/// One file's lines.
type Texts = HashMap<&'static str, &'static str>;

const NARROW_SPACE: char = '\u{202F}';

static LANGUAGES: [Spoken; 6] = [
    Spoken {
        tag: "en",
        name: "English",
        is_right_to_left: false,
        separators: (',', '.'),
        group: 3,
        plural: |n| if n == 1 { "one" } else { "other" },
        messages: include_str!("../../messages/en.txt"),
    },
    Spoken {
        tag: "de",
        name: "Deutsch",
        is_right_to_left: false,
        separators: ('.', ','),
        group: 3,
        plural: |n| if n == 1 { "one" } else { "other" },
        messages: include_str!("../../messages/de.txt"),
    },
    Spoken {
        tag: "fr",
        name: "Français",
        is_right_to_left: false,
        separators: (NARROW_SPACE, ','),
        group: 3,
        plural: |n| match n {
            0 | 1 => "one",
            n if n % 1_000_000 == 0 => "many",
            _ => "other",
        },
        messages: include_str!("../../messages/fr.txt"),
    },
    Spoken {
        tag: "hi",
        name: "हिन्दी",
        is_right_to_left: false,
        separators: (',', '.'),
        group: 2,
        plural: |n| if n < 2 { "one" } else { "other" },
        messages: include_str!("../../messages/hi.txt"),
    },
    Spoken {
        tag: "te",
        name: "తెలుగు",
        is_right_to_left: false,
        separators: (',', '.'),
        group: 2,
        plural: |n| if n == 1 { "one" } else { "other" },
        messages: include_str!("../../messages/te.txt"),
    },
    Spoken {
        tag: "ar",
        name: "العربية",
        is_right_to_left: true,
        separators: (',', '.'),
        group: 3,
        plural: |n| match (n, n % 100) {
            (0, _) => "zero",
            (1, _) => "one",
            (2, _) => "two",
            (_, 3..=10) => "few",
            (_, 11..) => "many",
            _ => "other",
        },
        messages: include_str!("../../messages/ar.txt"),
    },
];

static TEXTS: LazyLock<[Texts; LANGUAGES.len()]> =
    LazyLock::new(|| std::array::from_fn(|at| LANGUAGES[at].messages.lines().filter_map(line).collect()));

fn line(line: &'static str) -> Option<(&'static str, &'static str)> {
    line.split_once(" = ")
}

/// The words of one language; small, and copied freely.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Words(usize);

impl Words {
    /// The language of this tag, if pages speak it.
    pub(crate) fn known(tag: &str) -> Option<Self> {
        let primary = language::primary(tag.trim());
        LANGUAGES.iter().position(|known| known.tag.eq_ignore_ascii_case(primary)).map(Self)
    }

    /// All languages.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        (0..LANGUAGES.len()).map(Self)
    }

    /// The language that a browser likes best (RFC 9110, section 12.5.4).
    fn preferred(headers: &HeaderMap) -> Self {
        let values = headers.get_all(header::ACCEPT_LANGUAGE).iter().filter_map(|value| value.to_str().ok());
        let mut best = (Self::default(), 0.0);
        for item in values.flat_map(|value| value.split(',')) {
            let (tag, weight) = item.split_once(';').unwrap_or((item, ""));
            let weight = weight.trim().strip_prefix("q=").map_or(1.0, |q| q.trim().parse().unwrap_or(0.0));
            if let Some(words) = Self::known(tag).filter(|_| weight > best.1) {
                best = (words, weight);
            }
        }
        best.0
    }

    fn spoken(self) -> &'static Spoken {
        &LANGUAGES[self.0]
    }

    /// The tag of the language.
    pub(crate) fn tag(self) -> &'static str {
        self.spoken().tag
    }

    /// The language's own name.
    pub(super) fn name(self) -> &'static str {
        self.spoken().name
    }

    /// The direction that it is written in.
    pub(super) fn direction(self) -> &'static str {
        if self.spoken().is_right_to_left { "rtl" } else { "ltr" }
    }

    /// Whether it is the language of our errors, and of the examples.
    pub(super) fn is_english(self) -> bool {
        self.0 == 0
    }

    /// A message, if there is one.
    pub(super) fn find(self, key: &str) -> Option<&'static str> {
        TEXTS[self.0].get(key).copied()
    }

    /// A message. What this language lacks, which a test rules out, is said in English.
    pub(super) fn text(self, key: &str) -> &'static str {
        self.find(key).or_else(|| Self::default().find(key)).unwrap_or_default()
    }

    /// A message with what is put in.
    pub(super) fn fill(self, key: &str, values: &[(&str, &str)]) -> String {
        self.pieces(key).iter().map(|piece| filled(piece, values)).collect()
    }

    /// A message cut at what is put in, so that a template can put in links: `{names}` stay as they are.
    pub(super) fn pieces(self, key: &str) -> Vec<&'static str> {
        pieces(self.text(key))
    }

    /// A number of things, of messages `KEY.one`, `KEY.other` and so on.
    pub(super) fn count(self, key: &str, count: u64) -> String {
        let key = format!("{key}.{}", (self.spoken().plural)(count));
        self.fill(&key, &[("count", &self.number(count))])
    }

    /// A number with its thousands set apart: `1,234,567`, in India `12,34,567`.
    pub(super) fn number(self, number: u64) -> String {
        let Spoken { separators: (separator, _), group, .. } = self.spoken();
        let digits = number.to_string();
        let mut grouped = String::with_capacity(digits.len() * 2);
        for (index, digit) in digits.chars().enumerate() {
            let left = digits.len() - index;
            if index > 0 && left >= 3 && (left - 3).is_multiple_of(*group) {
                grouped.push(*separator);
            }
            grouped.push(digit);
        }
        grouped
    }

    /// A year: `1813`, `800 BCE`; nothing for the year 0, which no calendar of books has.
    pub(super) fn year(self, year: Option<i32>) -> Option<String> {
        match year? {
            0 => None,
            year if year < 0 => Some(self.fill("year.bce", &[("n", &year.unsigned_abs().to_string())])),
            year => Some(year.to_string()),
        }
    }

    /// How long something took.
    pub(super) fn duration(self, elapsed_ms: f64) -> String {
        let (_, point) = self.spoken().separators;
        match elapsed_ms {
            ms if ms < 1.0 => self.text("duration.less").to_owned(),
            ms if ms < 1000.0 => self.fill("duration.ms", &[("n", &format!("{ms:.0}"))]),
            ms => {
                let seconds = format!("{:.1}", ms / 1000.0).replace('.', point.encode_utf8(&mut [0; 4]));
                self.fill("duration.s", &[("n", &seconds)])
            }
        }
    }

    /// A comma and a semicolon.
    pub(super) fn joints(self) -> [&'static str; 2] {
        if self.spoken().is_right_to_left { ["، ", "؛ "] } else { [", ", "; "] }
    }

    /// Words of a book within a sentence of the page: their direction does not turn the sentence round.
    pub(super) fn isolated(self, words: &str) -> String {
        if words.is_ascii() && !self.spoken().is_right_to_left {
            return words.to_owned();
        }
        format!("\u{2068}{words}\u{2069}")
    }

    /// `a`, `a and b`, `a, b and c`
    pub(super) fn list(self, items: &[&str]) -> String {
        let [comma, _] = self.joints();
        match items {
            [] => String::new(),
            [only] => (*only).to_owned(),
            [first @ .., last] => self.fill("and", &[("list", &first.join(comma)), ("last", last)]),
        }
    }

    /// The name of the language of a BCP 47 tag; in English if this language has none for it.
    pub(super) fn language(self, tag: &str) -> &str {
        let code = language::primary(tag).to_ascii_lowercase();
        self.find(&format!("language.{code}")).unwrap_or_else(|| language::name(tag))
    }
}

/// `text` cut before and behind each `{name}`.
fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((start, end)) = rest.find('{').and_then(|start| Some((start, start + rest[start..].find('}')? + 1)))
    {
        pieces.extend([&rest[..start], &rest[start..end]]);
        rest = &rest[end..];
    }
    pieces.push(rest);
    pieces
}

/// The value of a piece that is a name, or the piece.
fn filled<'a>(piece: &'a str, values: &[(&str, &'a str)]) -> &'a str {
    let name = piece.strip_prefix('{').and_then(|piece| piece.strip_suffix('}'));
    name.and_then(|name| values.iter().find(|(known, _)| *known == name)).map_or(piece, |(_, value)| value)
}

/// How a request wants to be spoken to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Speech {
    /// The language.
    pub(crate) words: Words,
    /// Whether the address says so; then links say it, too.
    pub(crate) is_asked: bool,
}

impl Speech {
    /// By the address and the headers of a request.
    pub(crate) fn of(uri: &Uri, headers: &HeaderMap) -> Self {
        // Whatever else is wrong with the address: the page that tells of it speaks, too.
        let asked = SearchParameters::salvage(uri.query()).lang;
        Self { words: asked.unwrap_or_else(|| Words::preferred(headers)), is_asked: asked.is_some() }
    }

    /// What links say of it.
    pub(crate) fn asked(self) -> Option<Words> {
        self.is_asked.then_some(self.words)
    }
}

impl FromRequestParts<AppState> for Speech {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.uri, &parts.headers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// What only languages other than English have.
    fn is_beside(key: &str) -> bool {
        key.starts_with("language.") || key.starts_with("error.")
    }

    fn names(text: &str) -> BTreeSet<&str> {
        pieces(text).into_iter().filter(|piece| piece.starts_with('{')).collect()
    }

    /// A key without its plural.
    fn stem(key: &'static str) -> &'static str {
        match key.rsplit_once('.') {
            Some((stem, "zero" | "one" | "two" | "few" | "many" | "other")) => stem,
            _ => key,
        }
    }

    #[test]
    fn every_language_has_every_message_with_everything_that_is_put_in() {
        let english = &TEXTS[0];
        let stems = |texts: &'static Texts, beside: bool| -> BTreeSet<&str> {
            texts.keys().filter(|key| is_beside(key) == beside).map(|key| stem(key)).collect()
        };
        for (language, texts) in LANGUAGES.iter().zip(TEXTS.iter()) {
            let lines: Vec<_> = language.messages.lines().collect();
            assert!(
                lines.iter().all(|text| line(text).is_some_and(|(_, text)| !text.trim().is_empty())),
                "{}",
                language.tag
            );
            assert_eq!(lines.len(), texts.len(), "{}: no message twice", language.tag);
            assert_eq!(stems(texts, false), stems(english, false), "{}", language.tag);
            if language.tag != "en" {
                assert_eq!(stems(texts, true), stems(&TEXTS[1], true), "{}", language.tag);
            }
            // Of counted things a language has the plurals that its rule gives, and no other; some say the number in words.
            let plurals: BTreeSet<_> = (0..=200).chain([1_000_000]).map(language.plural).collect();
            for counted in ["books", "conditions"] {
                let known: BTreeSet<_> =
                    texts.keys().filter_map(|key| key.strip_prefix(counted)?.strip_prefix('.')).collect();
                assert_eq!(known, plurals, "{} of {}", counted, language.tag);
                let of = |plural: &str| names(texts[format!("{counted}.{plural}").as_str()]);
                assert!(
                    plurals.iter().all(|plural| of(plural).is_subset(&of("other"))),
                    "{counted} of {}",
                    language.tag
                );
                assert!(of("other").contains("{count}"), "{counted} of {}", language.tag);
            }
            for (key, text) in texts.iter().filter(|(key, _)| !is_beside(key) && stem(key) == **key) {
                assert_eq!(names(text), names(english[key]), "{key} of {}", language.tag);
            }
        }
    }

    #[test]
    fn plurals_are_those_of_cldr() {
        let cases: [(&str, &[(u64, &str)]); 6] = [
            ("en", &[(0, "other"), (1, "one"), (2, "other"), (101, "other")]),
            ("de", &[(0, "other"), (1, "one"), (2, "other")]),
            ("fr", &[(0, "one"), (1, "one"), (2, "other"), (1_000_000, "many"), (1_000_001, "other")]),
            ("hi", &[(0, "one"), (1, "one"), (2, "other")]),
            ("te", &[(0, "other"), (1, "one"), (2, "other")]),
            (
                "ar",
                &[
                    (0, "zero"),
                    (1, "one"),
                    (2, "two"),
                    (3, "few"),
                    (10, "few"),
                    (11, "many"),
                    (99, "many"),
                    (100, "other"),
                    (102, "other"),
                    (103, "few"),
                    (111, "many"),
                ],
            ),
        ];
        for (tag, counts) in cases {
            let words = Words::known(tag).expect(tag);
            for &(count, expected) in counts {
                assert_eq!((words.spoken().plural)(count), expected, "{count} in {tag}");
            }
        }
    }

    #[test]
    fn numbers_years_and_durations_are_written_as_each_language_does() {
        let said = |tag: &str| {
            let words = Words::known(tag).expect(tag);
            (words.number(1_234_567), words.count("books", 1), words.count("books", 2000), words.duration(1240.0))
        };
        let of = |parts: [&str; 4]| {
            let [number, one, many, duration] = parts.map(str::to_owned);
            (number, one, many, duration)
        };
        assert_eq!(said("en"), of(["1,234,567", "1 book", "2,000 books", "in 1.2 s"]));
        assert_eq!(said("de"), of(["1.234.567", "1 Buch", "2.000 Bücher", "in 1,2 s"]));
        assert_eq!(said("hi").0, "12,34,567");
        assert_eq!(said("te").2, "2,000 పుస్తకాలు");
        assert_eq!((said("ar").1, said("ar").2), ("كتاب واحد".to_owned(), "2,000 كتاب".to_owned()));
        let english = Words::default();
        for (given, expected) in [(0, "0"), (999, "999"), (1000, "1,000")] {
            assert_eq!(english.number(given), expected);
        }
        for (given, expected) in [(0.2, "in less than 1 ms"), (2.7, "in 3 ms"), (1240.0, "in 1.2 s")] {
            assert_eq!(english.duration(given), expected);
        }
        let years = [
            (None, None),
            (Some(0), None),
            (Some(1813), Some("1813")),
            (Some(-800), Some("800 BCE")),
            (Some(i32::MIN), Some("2147483648 BCE")),
        ];
        for (given, expected) in years {
            assert_eq!(english.year(given).as_deref(), expected, "{given:?}");
        }
        assert_eq!(english.list(&["a", "b", "c"]), "a, b and c");
        assert_eq!(Words::known("fr").expect("French").language("te-IN"), "Télougou");
        assert_eq!(Words::known("fr").expect("French").language("nn"), "Norwegian", "better than a code");
    }

    #[test]
    fn the_address_wins_then_what_the_browser_likes_best() {
        for (query, accepted, expected) in [
            ("", "", ("en", false)),
            ("", "de-AT,de;q=0.9,en;q=0.5", ("de", false)),
            ("", "pt, fr;q=0.4, te;q=0.8", ("te", false)),
            ("", "de;q=0, *", ("en", false)),
            ("", "x;q=abc,\"", ("en", false)),
            ("?q=sea&lang=ar", "de", ("ar", true)),
            ("?lang=tlh", "hi-IN", ("hi", false)),
            ("?lang=%FF", "de", ("de", false)),
        ] {
            let uri = format!("/{query}").parse().expect("an address");
            let headers = [(header::ACCEPT_LANGUAGE, accepted.parse().expect("a header"))].into_iter().collect();
            let speech = Speech::of(&uri, &headers);
            assert_eq!((speech.words.tag(), speech.is_asked), expected, "{query} {accepted}");
        }
    }

    #[test]
    fn templates_and_views_say_only_what_there_is() {
        let sources = [
            include_str!("../../templates/base.html"),
            include_str!("../../templates/book.html"),
            include_str!("../../templates/form.html"),
            include_str!("../../templates/hit.html"),
            include_str!("../../templates/narrowing.html"),
            include_str!("../../templates/results.html"),
            include_str!("../../templates/start.html"),
            include_str!("book.rs"),
            include_str!("facets.rs"),
            include_str!("results.rs"),
            include_str!("start.rs"),
        ];
        let mut said = BTreeSet::new();
        for source in sources {
            for call in ["text(\"", "pieces(\"", "fill(\"", "count(\""] {
                let keys = source.split(call).skip(1).filter_map(|rest| rest.split('"').next());
                said.extend(keys);
            }
        }
        let known: BTreeSet<&str> = TEXTS[0].keys().map(|key| stem(key)).collect();
        let unknown: Vec<_> = said.difference(&known).collect();
        assert!(unknown.is_empty() && said.len() > 40, "{unknown:?}");
    }
}
