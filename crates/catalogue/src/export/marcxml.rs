//! MARC 21 in XML: what `import/marc/book.rs` reads, the other way round.
//!
//! Records are of books in Unicode, with ISBD's punctuation left out (leader/18 is `c`). What nobody coded is `|` in
//! the fixed field 008. A paragraph of the description is a field 520 of its own; the parts of a heading that stand
//! apart by ` -- ` are subdivisions.

use crate::Book;
use crate::extra_field::{ExtraField, pages, url};
use crate::import::{is_body, language_code};
use std::fmt::Write as _;

pub(super) const FRAME: [&str; 3] = [
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<collection xmlns=\"http://www.loc.gov/MARC21/slim\">\n",
    "",
    "</collection>\n",
];

const LEADER: &str = "00000nam a2200000 c 4500";

pub(super) fn record(book: &Book) -> String {
    let mut record = Record { xml: format!("<record>\n  <leader>{LEADER}</leader>\n") };
    let (source, number) = numbered(&book.id);
    record.control("001", number);
    if let Some(source) = source {
        record.control("003", source);
    }
    record.control("008", &fixed(book));
    for (tag, indicators, code, known) in [("010", "  ", 'a', ExtraField::Lccn), ("022", "  ", 'a', ExtraField::Issn)] {
        known.of(book).iter().for_each(|text| record.field(tag, indicators, &[(code, text)]));
    }
    book.isbns.iter().for_each(|isbn| record.field("020", "  ", &[('a', isbn)]));
    ExtraField::Oclc
        .of(book)
        .iter()
        .for_each(|number| record.field("035", "  ", &[('a', &format!("(OCoLC){number}"))]));
    for original in ExtraField::OriginalLanguage.of(book) {
        let language = book.language.as_deref().map_or("und", language_code_of);
        record.field("041", "1 ", &[('a', language), ('h', language_code_of(&original))]);
    }
    ExtraField::CallNumber.of(book).iter().for_each(|number| record.field("050", " 4", &[('a', number)]));
    ExtraField::Dewey.of(book).iter().for_each(|number| record.field("082", "04", &[('a', number)]));
    let mut authors = book.authors.iter();
    if let Some(author) = authors.next() {
        let (tag, indicators) = heading(author, true);
        record.field(tag, indicators, &[('a', author)]);
    }
    let subtitle = book.subtitle.iter().map(|subtitle| ('b', subtitle.as_str()));
    let title: Vec<(char, &str)> = std::iter::once(('a', book.title.as_str())).chain(subtitle).collect();
    record.field("245", if book.authors.is_empty() { "00" } else { "10" }, &title);
    ExtraField::OtherTitles.of(book).iter().for_each(|title| record.field("246", "3 ", &[('a', title)]));
    ExtraField::Edition.of(book).iter().for_each(|edition| record.field("250", "  ", &[('a', edition)]));
    record.imprint(book);
    let extent = ExtraField::Extent.first(book).or_else(|| pages(book).map(|pages| format!("{pages} pages")));
    extent.iter().for_each(|extent| record.field("300", "  ", &[('a', extent)]));
    ExtraField::Series.of(book).iter().for_each(|series| record.series(series));
    ExtraField::Notes.of(book).iter().for_each(|note| record.field("500", "  ", &[('a', note)]));
    ExtraField::Contents.of(book).iter().for_each(|contents| record.field("505", "0 ", &[('a', contents)]));
    let paragraphs = book.description.iter().flat_map(|text| text.split("\n\n"));
    paragraphs.for_each(|paragraph| record.field("520", "  ", &[('a', paragraph)]));
    let audience = book.audience.iter().filter(|audience| audience_code(audience).is_none());
    audience.for_each(|audience| record.field("521", "8 ", &[('a', audience)]));
    for subject in &book.subjects {
        let parts = subject.split(" -- ").enumerate().map(|(at, part)| (if at == 0 { 'a' } else { 'x' }, part));
        record.field("650", " 4", &parts.collect::<Vec<_>>());
    }
    authors.for_each(|author| record.added_name(author, is_body(author).then_some("author")));
    for contributor in ExtraField::Contributors.of(book) {
        match contributor.rsplit_once(" (").and_then(|(name, role)| Some((name, role.strip_suffix(')')?))) {
            Some((name, role)) => record.added_name(name, Some(role)),
            None => record.added_name(&contributor, Some("contributor")),
        }
    }
    url(book).iter().for_each(|url| record.field("856", "40", &[('u', url)]));
    record.xml.push_str("</record>\n");
    record.xml
}

/// A record in the making.
struct Record {
    xml: String,
}

impl Record {
    fn control(&mut self, tag: &str, text: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.xml, "  <controlfield tag=\"{tag}\">{}</controlfield>", escaped(text));
    }

    /// A field, unless all its subfields are empty.
    fn field(&mut self, tag: &str, indicators: &str, subfields: &[(char, &str)]) {
        if subfields.iter().all(|(_, text)| text.trim().is_empty()) {
            return;
        }
        let (first, second) = indicators.split_at(1);
        let _ = writeln!(self.xml, "  <datafield tag=\"{tag}\" ind1=\"{first}\" ind2=\"{second}\">");
        for (code, text) in subfields.iter().filter(|(_, text)| !text.trim().is_empty()) {
            let _ = writeln!(self.xml, "    <subfield code=\"{code}\">{}</subfield>", escaped(text));
        }
        self.xml.push_str("  </datafield>\n");
    }

    /// Place, publisher, year.
    fn imprint(&mut self, book: &Book) {
        let places = ExtraField::Place.of(book);
        let mut subfields: Vec<(char, &str)> = places.iter().map(|place| ('a', place.as_str())).collect();
        subfields.extend(book.publisher.iter().map(|publisher| ('b', publisher.as_str())));
        let year = book.year.map(|year| if year < 0 { format!("{} BC", -i64::from(year)) } else { year.to_string() });
        subfields.extend(year.iter().map(|year| ('c', year.as_str())));
        self.field("264", " 1", &subfields);
    }

    /// A name beside the first author's, perhaps with its role; a body without one is taken for a contributor.
    fn added_name(&mut self, name: &str, role: Option<&str>) {
        let (tag, indicators) = heading(name, false);
        let subfields: Vec<(char, &str)> = [('a', name)].into_iter().chain(role.map(|role| ('e', role))).collect();
        self.field(tag, indicators, &subfields);
    }

    /// A series, perhaps with its number: `Dune ; 1`.
    fn series(&mut self, series: &str) {
        match series.rsplit_once(" ; ") {
            Some((name, number)) => self.field("490", "0 ", &[('a', name), ('v', number)]),
            None => self.field("490", "0 ", &[('a', series)]),
        }
    }
}

/// `(DLC)12345` is the number 12345 of the source DLC.
fn numbered(id: &str) -> (Option<&str>, &str) {
    let parts = id.strip_prefix('(').and_then(|rest| rest.split_once(')'));
    match parts.filter(|(source, number)| !source.is_empty() && !number.is_empty() && !source.contains('(')) {
        Some((source, number)) => (Some(source), number),
        None => (None, id),
    }
}

/// The fixed field 008 of a book: 40 characters.
fn fixed(book: &Book) -> String {
    let date = match book.year {
        Some(year @ 1..=9999) => format!("s{year:04}    "),
        _ => "nuuuuuuuu".to_owned(),
    };
    let audience = book.audience.as_deref().and_then(audience_code).unwrap_or('|');
    let language = book.language.as_deref().map_or("und", language_code_of);
    // Entered on a day that nobody noted; nothing is known of the country.
    format!("000000{date}xx ||||{audience}||||||||| ||{language} d")
}

fn audience_code(audience: &str) -> Option<char> {
    match audience {
        "children" => Some('j'),
        "young adult" => Some('d'),
        "adult" => Some('e'),
        _ => None,
    }
}

/// MARC's code for a BCP 47 tag.
fn language_code_of(tag: &str) -> &str {
    let language = tag.split('-').next().unwrap_or_default();
    match language_code(language) {
        Some(code) => code,
        None if language.len() == 3 && language.bytes().all(|b| b.is_ascii_lowercase()) => language,
        None => "und",
    }
}

/// Tag and indicators of a name: of the first author's or another, of a body or a person, family name first or not.
fn heading(name: &str, is_first: bool) -> (&'static str, &'static str) {
    match (is_body(name), is_first) {
        (true, true) => ("110", "2 "),
        (true, false) => ("710", "2 "),
        (false, _) => (if is_first { "100" } else { "700" }, if name.contains(", ") { "1 " } else { "0 " }),
    }
}

/// Text in XML, without what XML 1.0 has no place for.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\t' | '\n' => escaped.push(c),
            '\u{fffe}' | '\u{ffff}' => {}
            c if c.is_control() => {}
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fixed_field_is_forty_characters() {
        for (year, audience, language, expected) in [
            (Some(1851), Some("adult"), Some("en-GB"), "000000s1851    xx ||||e||||||||| ||eng d"),
            (None, None, None, "000000nuuuuuuuuxx |||||||||||||| ||und d"),
            (Some(-44), Some("Ages 9-12"), Some("grc"), "000000nuuuuuuuuxx |||||||||||||| ||grc d"),
        ] {
            let book = Book {
                year,
                audience: audience.map(str::to_owned),
                language: language.map(str::to_owned),
                ..Book::default()
            };
            assert_eq!(fixed(&book).len(), 40, "{}", fixed(&book));
            assert_eq!(fixed(&book), expected);
        }
    }

    #[test]
    fn numbers_have_their_source_apart() {
        for (id, expected) in [
            ("(DLC)12345", (Some("DLC"), "12345")),
            ("12345", (None, "12345")),
            ("(x)", (None, "(x)")),
            ("()1", (None, "()1")),
            ("((a)b", (None, "((a)b")),
        ] {
            assert_eq!(numbered(id), expected, "{id}");
        }
    }

    #[test]
    fn text_is_escaped() {
        assert_eq!(escaped("a<b>&c\u{0}\u{b}\u{ffff}\n\"'"), "a&lt;b&gt;&amp;c\n\"'");
    }
}
