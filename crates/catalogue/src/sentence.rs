//! Where sentences end, and where a sentence that is too long may be cut.
//!
//! Passages are cut between sentences, so a wrong cut costs a little meaning, while a missed one only makes a passage
//! less full: in doubt, [`sentences`] does not cut. Every function here cuts the whole text into pieces that, put
//! together, are the text again; white space belongs to the piece before it.

use std::ops::Range;
use unicode_normalization::char::is_combining_mark;

/// Words whose full stop does not end a sentence; compared in lower case, without the stop.
#[rustfmt::skip]
const ABBREVIATIONS: &[&str] = &[
    // English
    "mr", "mrs", "ms", "dr", "prof", "rev", "hon", "st", "jr", "sr", "gen", "col", "capt", "lt", "sgt", "maj", "gov",
    "sen", "rep", "vs", "vol", "vols", "no", "nos", "pp", "ch", "fig", "ed", "eds", "trans", "approx", "ca", "cf",
    "e.g", "i.e", "viz", "al", "mt", "ft", "messrs", "esq", "dept", "univ", "b.c", "a.d",
    // German
    "z.b", "u.a", "d.h", "bzw", "bd", "bde", "hrsg", "hg", "nr", "str", "geb", "gest", "jh", "jhd", "vgl", "sog",
    "zit", "übers", "aufl", "inkl", "ggf", "evtl", "frl",
    // French
    "mme", "mlle", "mm", "éd", "env", "av", "apr", "p.ex",
    // Spanish
    "sra", "srta", "dra", "ud", "uds", "d.ª", "pág", "núm", "p.ej", "aprox",
    // Hindi
    "डॉ", "प्रो", "श्री", "पं", "स्व",
];

/// The sentences of `text`, without the white space between them.
///
/// ```
/// assert_eq!(libellus_catalogue::sentences_of("Call me Ishmael. Some years ago…"), ["Call me Ishmael.", "Some years ago…"]);
/// ```
pub fn sentences_of(text: &str) -> Vec<&str> {
    sentences(text).into_iter().map(|range| text[range].trim()).filter(|sentence| !sentence.is_empty()).collect()
}

/// The sentences of `text`, each with the white space behind it.
pub(crate) fn sentences(text: &str) -> Vec<Range<usize>> {
    cut(text, |rest, at| sentence_end(text, rest, at))
}

/// Pieces that end at clause marks: commas, semicolons, colons, dashes, in several scripts.
pub(crate) fn clauses(text: &str) -> Vec<Range<usize>> {
    cut(text, |rest, _| {
        let mark = rest.chars().next()?;
        let end = mark.len_utf8() + spaces(&rest[mark.len_utf8()..]);
        match mark {
            '、' | '，' | '；' | '：' => Some(end),
            // A comma between digits is no clause mark.
            ',' | ';' | ':' | '،' | '؛' | '—' | '–' if end > mark.len_utf8() => Some(end),
            _ => None,
        }
    })
}

/// Words, each with the white space behind it.
pub(crate) fn words(text: &str) -> Vec<Range<usize>> {
    cut(text, |rest, _| match spaces(rest) {
        0 => None,
        end => Some(end),
    })
}

/// Characters, each with the marks that combine with it.
pub(crate) fn characters(text: &str) -> Vec<Range<usize>> {
    cut(text, |rest, _| {
        let mut chars = rest.chars();
        let first = chars.next()?;
        let joined = chars.next().is_some_and(|next| is_combining_mark(next) || is_joiner(next)) || is_joiner(first);
        (!joined).then_some(first.len_utf8())
    })
}

/// Zero-width joiner and non-joiner.
fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}')
}

/// Cuts `text` wherever `end_at` says so: it is asked at every character, with the rest of the text and its place,
/// and answers with the bytes that still belong to the piece.
fn cut(text: &str, end_at: impl Fn(&str, usize) -> Option<usize>) -> Vec<Range<usize>> {
    let mut pieces = Vec::new();
    let (mut start, mut at) = (0, 0);
    while let Some(c) = text[at..].chars().next() {
        match end_at(&text[at..], at) {
            Some(length) => {
                at += length;
                pieces.push(start..at);
                start = at;
            }
            None => at += c.len_utf8(),
        }
    }
    if start < text.len() {
        pieces.push(start..text.len());
    }
    pieces
}

/// If a sentence ends with the mark that `rest` begins with: the bytes from there to the next sentence.
fn sentence_end(text: &str, rest: &str, at: usize) -> Option<usize> {
    let mark = rest.chars().next()?;
    if mark == '\n' {
        return is_paragraph_break(rest).then(|| spaces(rest));
    }
    // A run of marks is judged once, at its first.
    if !is_end_mark(mark) || text[..at].ends_with(is_end_mark) {
        return None;
    }
    let marks = rest.find(|c: char| !is_end_mark(c)).unwrap_or(rest.len());
    let closed = marks + length_while(&rest[marks..], is_closing);
    let end = closed + spaces(&rest[closed..]);
    if is_wide_mark(mark) || end == rest.len() {
        return Some(end);
    }
    if end == closed {
        return None; // No space behind it, as in `3.14` and `U.S.A`.
    }
    if is_paragraph_break(&rest[closed..]) {
        return Some(end);
    }
    let next = rest[end..].chars().find(|&c| !is_opening(c));
    let goes_on = match mark {
        '.' if marks == 1 => next.is_some_and(char::is_lowercase) || keeps_its_stop(last_word(&text[..at])),
        _ => next.is_some_and(char::is_lowercase), // `“Who?” she asked`, `Well ... perhaps`
    };
    (!goes_on).then_some(end)
}

/// Whether the full stop behind `word` belongs to it: abbreviations, initials, and numbers such as `19. Jahrhundert`.
fn keeps_its_stop(word: &str) -> bool {
    let lower = word.to_lowercase();
    let mut chars = lower.chars();
    let is_initial = chars.next().is_some_and(char::is_alphabetic) && chars.all(is_combining_mark);
    let is_short_number = lower.len() <= 2 && !lower.is_empty() && lower.bytes().all(|b| b.is_ascii_digit());
    // The last letter of `J.R` or `U.S`.
    let is_initials = lower.split('.').count() > 1 && lower.split('.').all(|part| part.chars().count() <= 1);
    is_initial || is_initials || is_short_number || ABBREVIATIONS.contains(&lower.as_str())
}

/// The word that `text` ends with, without the brackets and quotes before it.
fn last_word(text: &str) -> &str {
    let start = text
        .rfind(|c: char| c.is_whitespace() || matches!(c, '-' | '–' | '—' | '’' | '\''))
        .map_or(0, |at| at + text[at..].chars().next().map_or(0, char::len_utf8));
    text[start..].trim_start_matches(|c: char| is_opening(c))
}

fn is_end_mark(c: char) -> bool {
    matches!(c, '.' | '!' | '?' | '…' | '؟' | '۔' | '።') || is_wide_mark(c)
}

/// Marks that end a sentence whatever follows: CJK full stops take no space, dandas have no other use.
fn is_wide_mark(c: char) -> bool {
    matches!(c, '।' | '॥' | '。' | '！' | '？' | '｡')
}

fn is_closing(c: char) -> bool {
    matches!(c, '"' | '\'' | ')' | ']' | '}' | '”' | '’' | '»' | '›' | '“' | '」' | '』' | '）' | '】' | '》')
}

fn is_opening(c: char) -> bool {
    matches!(c, '"' | '\'' | '(' | '[' | '{' | '“' | '‘' | '«' | '‹' | '„' | '‚' | '¿' | '¡' | '「' | '『' | '（')
}

/// Whether `text` begins with white space that has an empty line in it.
fn is_paragraph_break(text: &str) -> bool {
    text.chars().take_while(|c| c.is_whitespace()).filter(|&c| c == '\n').count() > 1
}

/// Bytes of white space at the start of `text`.
fn spaces(text: &str) -> usize {
    length_while(text, char::is_whitespace)
}

fn length_while(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.find(|c| !belongs(c)).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text: &str, cut: fn(&str) -> Vec<Range<usize>>) -> Vec<&str> {
        cut(text).into_iter().map(|range| text[range].trim()).collect()
    }

    #[test]
    fn sentences_end_where_a_reader_says() {
        for expected in [
            &["A whale.", "A captain!", "Why?"][..],
            &["Dr. Watson met Mr. Holmes.", "They talked."],
            &["By J. R. R. Tolkien.", "It is long."],
            &["Made in the U.S. Army camps.", "Later sold."],
            &["See e.g. Dune, i.e. the desert.", "Sand."],
            &["It cost 3.14 pounds.", "Cheap."],
            &["“Who is there?” she asked.", "Nobody."],
            &["He said “Stop.”", "She did."],
            &["(It rained.)", "We left."],
            &["Well … perhaps not.", "No."],
            &["He waited…", "Nothing came."],
            &["What?!", "No."],
            &["Im 19. Jahrhundert reiste z.B. Humboldt.", "Danach nicht."],
            &["Le prix, env. dix francs.", "Cher !", "«Oui.»", "Fin."],
            &["¿Quién es?", "¡Nadie!", "Vale."],
            &["राम वन गया।", "सीता भी गई॥", "डॉ. राय की कथा आगे बढ़ी।"],
            &["A heading\n\nThen a sentence.", "Another."][1..],
            &["No stop at the end"],
            &["...... dots go on", "and on"][..1],
        ] {
            let text = expected.join(" ");
            assert_eq!(pieces(&text, sentences), expected, "{text}");
        }
    }

    #[test]
    fn ends_without_a_space() {
        for (text, expected) in [
            (
                "吾輩は猫である。名前はまだ無い！「本当？」はい",
                &["吾輩は猫である。", "名前はまだ無い！", "「本当？」", "はい"][..],
            ),
            ("राम गया।सीता भी।", &["राम गया।", "सीता भी।"]),
            ("A heading\n\nthen text\nover two lines", &["A heading", "then text\nover two lines"]),
            ("Version 1.2.3 of U.S.A", &["Version 1.2.3 of U.S.A"]),
        ] {
            assert_eq!(pieces(text, sentences), expected, "{text}");
        }
    }

    #[test]
    fn smaller_pieces() {
        assert_eq!(pieces("one, two; three: 1,000 — four", clauses), ["one,", "two;", "three:", "1,000 —", "four"]);
        assert_eq!(pieces("春、夏，秋", clauses), ["春、", "夏，", "秋"]);
        assert_eq!(pieces("one  two\nthree", words), ["one", "two", "three"]);
        assert_eq!(pieces("ae\u{301}कि", characters), ["a", "e\u{301}", "कि"]);
        assert_eq!(pieces("क्\u{200d}षa", characters), ["क्\u{200d}ष", "a"]);
    }

    #[test]
    fn pieces_make_up_the_text() {
        for text in ["", " ", "\n\n", ". . .", "a.b. C\n\n\nd", "  Lead. Trail.  ", "।।।x", "\u{301}\u{200d}"] {
            for cut in [sentences, clauses, words, characters] {
                let joined: String = cut(text).into_iter().map(|range| &text[range]).collect();
                assert_eq!(joined, text);
            }
        }
    }
}
