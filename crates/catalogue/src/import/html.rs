//! HTML in descriptions becomes plain text.
//!
//! What is done: elements such as `<script>` and `<style>` go with their content, comments and all other tags go
//! without it; tags that begin a paragraph become an empty line, `<br>`, list items and table rows a line break; named
//! entities that publishers use and numeric ones are decoded, once. Where there are such breaks, white space is only
//! white space; in a text without them, line breaks stay. A `<` that begins no tag known to HTML stays too.
//!
//! The result is text, not safe HTML: whoever shows it escapes it.

use super::field;

/// Plain text, with paragraphs apart by an empty line.
pub(super) fn to_text(html: &str) -> String {
    if field::is_plain_line(html.as_bytes()) && !html.contains(['<', '&']) {
        return html.to_owned();
    }
    let html = html.replace("\r\n", "\n").replace('\r', "\n");
    let mut writer =
        Writer { text: String::with_capacity(html.len()), pending: Gap::None, newlines_count: !has_breaks(&html) };
    let mut rest = html.as_str();
    while let Some(at) = rest.find(['<', '&']) {
        writer.write(&rest[..at]);
        rest = &rest[at..];
        let (length, meaning) = if rest.starts_with('<') { markup(rest) } else { entity(rest) };
        match meaning {
            Meaning::Character(c) => writer.write(c.encode_utf8(&mut [0; 4])),
            Meaning::Gap(gap) => writer.pending = writer.pending.max(gap),
            Meaning::Break if writer.pending >= Gap::Line => writer.pending = Gap::Paragraph,
            Meaning::Break => writer.pending = Gap::Line,
            Meaning::Nothing => {}
        }
        rest = &rest[length..];
    }
    writer.write(rest);
    writer.text
}

/// White space between two words.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Gap {
    None,
    Space,
    Line,
    Paragraph,
}

enum Meaning {
    Nothing,
    Gap(Gap),
    /// A line break; two make a paragraph.
    Break,
    Character(char),
}

/// Collects text; white space is held back until a word follows it.
struct Writer {
    text: String,
    pending: Gap,
    newlines_count: bool,
}

impl Writer {
    fn write(&mut self, text: &str) {
        for c in text.chars() {
            if c.is_whitespace() {
                let gap = match (c, self.pending) {
                    ('\n', Gap::Line | Gap::Paragraph) if self.newlines_count => Gap::Paragraph,
                    ('\n', _) if self.newlines_count => Gap::Line,
                    _ => Gap::Space,
                };
                self.pending = self.pending.max(gap);
                continue;
            }
            let gap = std::mem::replace(&mut self.pending, Gap::None);
            if !self.text.is_empty() {
                self.text.push_str(match gap {
                    Gap::None => "",
                    Gap::Space => " ",
                    Gap::Line => "\n",
                    Gap::Paragraph => "\n\n",
                });
            }
            self.text.push(c);
        }
    }
}

/// Elements whose content is not text.
const HIDDEN: &[&str] = &["script", "style", "template", "noscript", "iframe", "object", "svg", "head"];
/// Elements that stand apart.
#[rustfmt::skip]
const PARAGRAPHS: &[&str] = &[
    "p", "div", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "dl", "table", "blockquote", "pre", "section",
    "article", "header", "footer", "hr", "figure", "aside", "main", "nav", "form", "fieldset", "address", "center",
];
/// Elements that begin a line.
const LINES: &[&str] = &["li", "tr", "dt", "dd", "caption", "figcaption", "option", "summary"];
/// All others, which leave no trace.
#[rustfmt::skip]
const INLINE: &[&str] = &[
    "a", "abbr", "acronym", "audio", "b", "basefont", "bdi", "bdo", "big", "body", "button", "canvas", "cite", "code",
    "col", "colgroup", "data", "del", "details", "dfn", "em", "embed", "font", "html", "i", "img", "input", "ins",
    "kbd", "label", "legend", "link", "map", "mark", "meta", "nobr", "param", "picture", "q", "rp", "rt", "ruby", "s",
    "samp", "select", "small", "source", "span", "strike", "strong", "sub", "sup", "tbody", "textarea", "tfoot",
    "thead", "time", "title", "tt", "u", "var", "video", "wbr",
];

/// Whether the text marks its breaks with tags.
fn has_breaks(html: &str) -> bool {
    html.match_indices('<').any(|(at, _)| {
        tag_name(&html[at..]).is_some_and(|name| {
            let name = name.to_ascii_lowercase();
            name == "br" || PARAGRAPHS.contains(&name.as_str())
        })
    })
}

/// The name of the tag that `html` begins with.
fn tag_name(html: &str) -> Option<&str> {
    let name = html.strip_prefix('<')?;
    let name = name.strip_prefix('/').unwrap_or(name);
    let end = name.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, ':' | '-')).unwrap_or(name.len());
    let begins_with_a_letter = name.starts_with(|c: char| c.is_ascii_alphabetic());
    (begins_with_a_letter && end <= 40).then_some(&name[..end])
}

/// How far a tag may reach; one that does not end by then is no tag.
const MAX_TAG_BYTES: usize = 4096;
/// How far a comment, or an element whose content is hidden, may reach.
const MAX_HIDDEN_BYTES: usize = 16 * 1024;

/// Reads what begins with `<`: its length, and what it means.
fn markup(html: &str) -> (usize, Meaning) {
    let literal = (1, Meaning::Character('<'));
    if html.starts_with("<!--") {
        let end = head(html, MAX_HIDDEN_BYTES).find("-->");
        return end.map_or(literal, |end| (end + 3, Meaning::Nothing));
    }
    let Some(length) = head(html, MAX_TAG_BYTES).find('>').map(|end| end + 1) else { return literal };
    let Some(name) = tag_name(html) else {
        let is_declaration = html[1..].starts_with("!DOCTYPE") || html[1..].starts_with("?xml");
        return if is_declaration { (length, Meaning::Nothing) } else { literal };
    };
    let name = name.to_ascii_lowercase();
    match name.as_str() {
        "br" => (length, Meaning::Break),
        "td" | "th" => (length, Meaning::Gap(Gap::Space)),
        name if HIDDEN.contains(&name) => (hidden_length(html, name).unwrap_or(length), Meaning::Nothing),
        name if PARAGRAPHS.contains(&name) => (length, Meaning::Gap(Gap::Paragraph)),
        name if LINES.contains(&name) => (length, Meaning::Gap(Gap::Line)),
        name if INLINE.contains(&name) || name.contains(':') => (length, Meaning::Nothing),
        _ => literal,
    }
}

/// The length of a hidden element from its opening to its closing tag; `None` if it does not close.
fn hidden_length(html: &str, name: &str) -> Option<usize> {
    let closing = head(html, MAX_HIDDEN_BYTES)
        .match_indices("</")
        .map(|(at, _)| at)
        .find(|&at| tag_name(&html[at..]).is_some_and(|closing| closing.eq_ignore_ascii_case(name)))?;
    head(&html[closing..], MAX_TAG_BYTES).find('>').map(|end| closing + end + 1)
}

/// The start of `text`, of at most so many bytes.
fn head(text: &str, bytes: usize) -> &str {
    let end = (0..=bytes.min(text.len())).rev().find(|&end| text.is_char_boundary(end));
    &text[..end.unwrap_or(0)]
}

/// Entities for U+00A0 to U+00FF, in order.
#[rustfmt::skip]
const LATIN_1: [&str; 96] = [
    "nbsp", "iexcl", "cent", "pound", "curren", "yen", "brvbar", "sect", "uml", "copy", "ordf", "laquo", "not", "shy",
    "reg", "macr", "deg", "plusmn", "sup2", "sup3", "acute", "micro", "para", "middot", "cedil", "sup1", "ordm",
    "raquo", "frac14", "frac12", "frac34", "iquest", "Agrave", "Aacute", "Acirc", "Atilde", "Auml", "Aring", "AElig",
    "Ccedil", "Egrave", "Eacute", "Ecirc", "Euml", "Igrave", "Iacute", "Icirc", "Iuml", "ETH", "Ntilde", "Ograve",
    "Oacute", "Ocirc", "Otilde", "Ouml", "times", "Oslash", "Ugrave", "Uacute", "Ucirc", "Uuml", "Yacute", "THORN",
    "szlig", "agrave", "aacute", "acirc", "atilde", "auml", "aring", "aelig", "ccedil", "egrave", "eacute", "ecirc",
    "euml", "igrave", "iacute", "icirc", "iuml", "eth", "ntilde", "ograve", "oacute", "ocirc", "otilde", "ouml",
    "divide", "oslash", "ugrave", "uacute", "ucirc", "uuml", "yacute", "thorn", "yuml",
];

/// Other entities that publishers use.
#[rustfmt::skip]
const OTHERS: &[(&str, char)] = &[
    ("amp", '&'), ("lt", '<'), ("gt", '>'), ("quot", '"'), ("apos", '\''), ("ndash", '–'), ("mdash", '—'),
    ("lsquo", '‘'), ("rsquo", '’'), ("sbquo", '‚'), ("ldquo", '“'), ("rdquo", '”'), ("bdquo", '„'), ("lsaquo", '‹'),
    ("rsaquo", '›'), ("hellip", '…'), ("bull", '•'), ("dagger", '†'), ("prime", '′'), ("euro", '€'), ("trade", '™'),
    ("minus", '−'), ("ensp", ' '), ("emsp", ' '), ("thinsp", ' '), ("zwnj", '\u{200c}'), ("zwj", '\u{200d}'),
    ("OElig", 'Œ'), ("oelig", 'œ'), ("Scaron", 'Š'), ("scaron", 'š'), ("Yuml", 'Ÿ'),
];

/// Reads what begins with `&`: its length, and what it means. What is no entity stays as it is.
fn entity(html: &str) -> (usize, Meaning) {
    let end = head(html, 32).find(';');
    let decoded = end.and_then(|end| Some((end + 1, decode(&html[1..end])?)));
    decoded.map_or((1, Meaning::Character('&')), |(length, c)| (length, Meaning::Character(c)))
}

fn decode(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(digits) => u32::from_str_radix(digits, 16).ok()?,
            None => number.parse().ok()?,
        };
        return match u8::try_from(code) {
            // What HTML says these codes mean, since that is what their writers meant.
            Ok(byte @ 0x80..=0x9f) => encoding_rs::WINDOWS_1252.decode_without_bom_handling(&[byte]).0.chars().next(),
            _ => char::from_u32(code),
        };
    }
    let latin_1 = LATIN_1.iter().zip('\u{a0}'..).find(|(known, _)| **known == name).map(|(_, c)| c);
    latin_1.or_else(|| OTHERS.iter().find(|(known, _)| *known == name).map(|&(_, c)| c))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn html_becomes_text() {
        for (html, text) in [
            ("plain", "plain"),
            ("  two  spaces\tand a tab ", "two spaces and a tab"),
            ("line\nline\r\n\r\n\r\nparagraph", "line\nline\n\nparagraph"),
            ("<p>One\n two.</p>\n<p>Three.</p>", "One two.\n\nThree."),
            ("one<br>two<BR/>three<br /><br />four", "one\ntwo\nthree\n\nfour"),
            ("<ul><li>a</li><li>b</li></ul>after", "a\nb\n\nafter"),
            ("a <b>bold</b>, <i class=\"x > y\">it</i>alic", "a bold, y\">italic"),
            ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\nc"),
            ("before<script>alert('</p>')</script> after", "before after"),
            ("<STYLE>p { }</Style>text", "text"),
            ("never <script> closed", "never closed"),
            ("a<!-- not <b>shown</b> -->b", "ab"),
            ("open <!-- comment", "open <!-- comment"),
            ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
            ("<3 and <untitled> and <a", "<3 and <untitled> and <a"),
            ("word<o:p></o:p>", "word"),
            ("Ty&ouml;p&auml;iv&auml; &amp; y&ouml;", "Työpäivä & yö"),
            ("&ldquo;Quoted&rdquo;&nbsp;&ndash; &hellip;", "“Quoted” – …"),
            ("&#8217;&#x2019;&#146;", "’’’"),
            ("&amp;lt;b&amp;gt;", "&lt;b&gt;"),
            ("&lt;script&gt;", "<script>"),
            ("AT&T; R&D &unknown; &#xffffffff; &", "AT&T; R&D &unknown; &#xffffffff; &"),
            ("राम&zwj;क्\u{200c}ष", "राम\u{200d}क्\u{200c}ष"),
        ] {
            assert_eq!(to_text(html), text, "{html}");
        }
    }

    #[test]
    fn what_never_ends_is_looked_at_in_pieces() {
        // A search to the end of the text from each of these would take minutes.
        for (text, becomes) in
            [("<a", "<a"), ("<script>", ""), ("<!--", "<!--"), ("&", "&"), ("</", "</"), ("<p", "<p")]
        {
            assert!(to_text(&text.repeat(100_000)) == becomes.repeat(100_000), "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn text_without_markup_keeps_its_words(text in "[^<&]*") {
            let converted = to_text(&text);
            prop_assert!(converted.split_whitespace().eq(text.split_whitespace()), "{converted:?}");
        }

        #[test]
        fn anything_is_converted(text in "[<>/!a-c&;#\\-\"' \n\u{e9}]{0,80}") {
            prop_assert!(!to_text(&text).contains("\n\n\n"));
        }
    }
}
