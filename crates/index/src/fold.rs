//! One way to fold text, for index and query alike.
//!
//! Readers type `zafon`, `lodz` and `dont`, and expect `Zafón`, `Łódź` and `Don’t`. Databases each fold in a way of
//! their own (or break Indic words at every vowel sign), so text is folded here, once, before any of them sees it.
//!
//! What is folded away is what readers leave out: case, accents, apostrophes, ligatures, compatibility forms. What
//! carries meaning stays: the vowel signs of Indic scripts, the voicing marks of kana, the points of Arabic letters.
//! So a mark is dropped after a Latin, Greek or Cyrillic letter only. Folding a folded text changes nothing.

use std::borrow::Cow;
use std::ops::Range;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::{canonical_combining_class, decompose_compatible, is_combining_mark};

/// The acute accent as a character of its own. It stands for an apostrophe; NFKD would make it a space with a mark.
const ACUTE: char = '\u{b4}';

/// Folds `text` so that two spellings of the same words become equal.
///
/// - Case, accents on Latin, Greek and Cyrillic letters, and full-width and other compatibility forms go (NFKD).
/// - `ł ø đ ð ħ ŧ ı ς ß æ œ þ` become `l o d d h t i σ ss ae oe th`.
/// - Apostrophes and what is invisible (zero-width joiners, soft hyphens, variation selectors …) vanish.
/// - The nukta vanishes where it marks a borrowed sound that many writers leave unmarked (`क़लम` = `कलम`).
/// - Hyphens, dashes, control characters and runs of white space become one space; `&` becomes `and`.
/// - Other punctuation stays: [`words`] is what splits on it.
///
/// ```
/// use libellus_index::fold;
/// assert_eq!(fold("Łódź"), fold("LODZ"));
/// assert_eq!(fold("The Time-Traveller’s  Wife"), "the time travellers wife");
/// assert_ne!(fold("दिन"), fold("दान"), "a vowel sign is not an accent");
/// ```
pub fn fold(text: &str) -> String {
    let mut folding = Folding::with_capacity(text.len());
    if text.is_ascii() {
        // Nothing to decompose or compose.
        text.chars().for_each(|c| folding.push(c.to_ascii_lowercase()));
        return folding.folded;
    }
    for c in decomposed(text) {
        folding.push(c);
    }
    folding.folded.nfc().collect()
}

fn decomposed(text: &str) -> impl Iterator<Item = char> {
    text.chars().filter(|&c| c != ACUTE).nfkd().flat_map(char::to_lowercase)
}

/// The words of a folded text: runs of letters, digits and the marks on them.
///
/// One letter with `++` or `#` behind it is a word too, since `c++` and `c#` are what such books are about.
pub fn words(folded: &str) -> impl Iterator<Item = &str> {
    let mut rest = folded;
    std::iter::from_fn(move || {
        let start = rest.find(char::is_alphanumeric)?;
        let text = &rest[start..];
        let end = text.find(|c: char| !c.is_alphanumeric() && !is_combining_mark(c)).unwrap_or(text.len());
        let end = end + sign_after_letter(&text[..end], &text[end..]);
        rest = &text[end..];
        Some(&text[..end])
    })
}

/// Where the words of a text stand that `is_wanted` says yes to, as ranges of bytes: for marking what was found. It is
/// asked for each word as [`fold`] and [`words`] make it; what folding leaves out inside of a word, and the accents on
/// its last letter, lie in the range. Ranges ascend, and do not overlap.
///
/// ```
/// use libellus_index::find_words;
/// let text = "L’ombre, Zafo\u{301}n & Cie";
/// let found = find_words(text, |word| word == "zafon" || word == "and");
/// assert_eq!(found.iter().map(|range| &text[range.clone()]).collect::<Vec<_>>(), ["Zafo\u{301}n", "&"]);
/// ```
pub fn find_words(text: &str, mut is_wanted: impl FnMut(&str) -> bool) -> Vec<Range<usize>> {
    let mut folding = Folding::with_capacity(text.len());
    // For each byte of the folded text where it comes from.
    let mut origins: Vec<Range<usize>> = Vec::with_capacity(text.len());
    for origin in clusters(text) {
        match text.as_bytes()[origin.clone()] {
            [byte] => folding.push(char::from(byte.to_ascii_lowercase())),
            _ => decomposed(&text[origin.clone()]).for_each(|c| folding.push(c)),
        }
        origins.resize(folding.folded.len(), origin);
    }
    let mut found: Vec<Range<usize>> = Vec::new();
    for word in words(&folding.folded) {
        let start = word.as_ptr() as usize - folding.folded.as_ptr() as usize;
        let range = origins[start].start..origins[start + word.len() - 1].end;
        let composed = if word.is_ascii() { Cow::Borrowed(word) } else { Cow::Owned(word.nfc().collect()) };
        if !is_wanted(&composed) {
            continue;
        }
        match found.last_mut() {
            // Two words from one character, as in `½`.
            Some(last) if range.start < last.end => last.end = last.end.max(range.end),
            _ => found.push(range),
        }
    }
    found
}

/// The parts of a text that are decomposed independently of one another: a letter and the marks on it.
fn clusters(text: &str) -> impl Iterator<Item = Range<usize>> {
    let starts = text.char_indices().filter(|(at, c)| *at > 0 && starts_cluster(*c)).map(|(at, _)| at);
    let mut start = 0;
    starts.chain([text.len()]).map(move |end| std::mem::replace(&mut start, end)..end)
}

fn starts_cluster(c: char) -> bool {
    if c.is_ascii() {
        return true;
    }
    let mut first = None;
    decompose_compatible(c, |part| {
        first.get_or_insert(part);
    });
    c != ACUTE && first.is_none_or(|first| canonical_combining_class(first) == 0)
}

/// Whether a character is invisible and carries no meaning for a search: joiners, direction marks, soft hyphens,
/// variation selectors and other characters that Unicode calls default ignorable.
pub fn is_ignorable(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{e0000}'..='\u{e0fff}')
}

/// Folded text in the making.
struct Folding {
    folded: String,
    /// Whether a space is due before the next visible character.
    space_due: bool,
    /// Whether a mark on the letter before belongs to the word, as Indic vowel signs do.
    keeps_marks: bool,
}

impl Folding {
    fn with_capacity(capacity: usize) -> Self {
        Self { folded: String::with_capacity(capacity), space_due: false, keeps_marks: false }
    }

    /// Takes one character, decomposed and in lower case. What is dropped leaves no trace in the state, so that the
    /// characters around it meet as they will when the folded text is folded again.
    fn push(&mut self, c: char) {
        if c.is_ascii_alphanumeric() {
            self.keeps_marks = false;
            self.append(c.encode_utf8(&mut [0; 4]));
            return;
        }
        if is_ignorable(c) || is_apostrophe(c) || is_optional_nukta(c) {
            return;
        }
        if is_combining_mark(c) {
            if self.keeps_marks {
                self.folded.push(c);
            }
        } else if is_separator(c) {
            self.separate();
        } else if c == '&' {
            self.separate();
            self.append("and");
            self.separate();
        } else {
            self.keeps_marks = c.is_alphabetic() && !drops_marks(c);
            match plain_letters(c) {
                Some(letters) => self.append(letters),
                None => self.append(c.encode_utf8(&mut [0; 4])),
            }
        }
    }

    fn separate(&mut self) {
        self.space_due = true;
        self.keeps_marks = false;
    }

    fn append(&mut self, visible: &str) {
        if self.space_due && !self.folded.is_empty() {
            self.folded.push(' ');
        }
        self.space_due = false;
        self.folded.push_str(visible);
    }
}

/// Apostrophes, single quotation marks, and the signs of romanisation that look like them (ʿayn, hamza, soft sign).
fn is_apostrophe(c: char) -> bool {
    matches!(c, '\'' | '`' | '\u{2b9}'..='\u{2bf}' | '\u{2018}'..='\u{201b}' | '\u{2032}' | '\u{2035}'
        | '\u{55a}' | '\u{a78b}' | '\u{a78c}')
}

/// The dot that writes a borrowed sound in Devanagari, Gurmukhi, Gujarati and Kannada. In Bengali and Odia the dotted
/// letters are letters of their own.
fn is_optional_nukta(c: char) -> bool {
    matches!(c, '\u{93c}' | '\u{a3c}' | '\u{abc}' | '\u{cbc}')
}

/// White space, control characters, hyphens and dashes: what lies between words.
fn is_separator(c: char) -> bool {
    c.is_whitespace()
        || c.is_control()
        || matches!(c, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{58a}' | '\u{5be}')
}

/// Whether a mark on this letter is an accent: true of Latin, Greek and Cyrillic.
fn drops_marks(c: char) -> bool {
    matches!(c,
        'a'..='z' | '\u{c0}'..='\u{2af}' | '\u{1d00}'..='\u{1dbf}' | '\u{1e00}'..='\u{1eff}' | '\u{2c60}'..='\u{2c7f}'
        | '\u{a720}'..='\u{a7ff}' | '\u{ab30}'..='\u{ab6f}'
        | '\u{370}'..='\u{3ff}' | '\u{1f00}'..='\u{1fff}'
        | '\u{400}'..='\u{52f}' | '\u{1c80}'..='\u{1c8f}' | '\u{a640}'..='\u{a69f}')
}

/// What readers type for letters that Unicode does not decompose.
fn plain_letters(c: char) -> Option<&'static str> {
    Some(match c {
        'ł' => "l",
        'ø' => "o",
        'đ' | 'ð' => "d",
        'ħ' => "h",
        'ŧ' => "t",
        'ı' => "i",
        'ς' => "σ",
        'ß' => "ss",
        'æ' => "ae",
        'œ' => "oe",
        'þ' => "th",
        _ => return None,
    })
}

/// The length of the sign that makes `c` into `c++` or `c#`, if `word` is one letter and `rest` begins with such a sign.
fn sign_after_letter(word: &str, rest: &str) -> usize {
    let is_letter = word.len() == 1 && word.bytes().all(|b| b.is_ascii_alphabetic());
    ["++", "#"].into_iter().find(|sign| is_letter && rest.starts_with(sign)).map_or(0, str::len)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spellings_that_readers_hold_equal() {
        let cases = [
            ("zafon", "Zafón", "accent"),
            ("zafon", "Zafo\u{301}n", "accent, decomposed"),
            ("lodz", "Łódź", "Polish"),
            ("strasse", "Straße", "sharp s"),
            ("STRASSE", "STRAẞE", "capital sharp s"),
            ("dont", "Don’t", "typographic apostrophe"),
            ("dont", "Don't", "typewriter apostrophe"),
            ("dont", "Don´t", "acute accent as an apostrophe"),
            ("there there", "There There", "case"),
            ("to be or not to be", "To Be or Not to Be", "no stop words"),
            ("c++", "C++", "signs stay"),
            ("1984", "１９８４", "full-width digits"),
            ("abc", "ＡＢＣ", "full-width letters"),
            ("catch 22", "Catch-22", "hyphen"),
            ("catch 22", "Catch\u{2011}22", "non-breaking hyphen"),
            ("1939 1945", "1939–1945", "dash"),
            ("war and peace", "War & Peace", "ampersand"),
            ("war and peace", "War&Peace", "ampersand without spaces"),
            ("war and peace", "\u{feff} War\tand\n\0 Peace ", "white space and control characters"),
            ("encyclopaedia", "Encyclopædia", "ae"),
            ("oeuvre", "Œuvre", "oe"),
            ("office", "oﬃce", "typographic ligature"),
            ("soren", "Søren", "Danish"),
            ("dorde", "Đorđe", "d with a stroke"),
            ("istanbul", "İstanbul", "dotted capital i"),
            ("kadin", "kadın", "dotless i"),
            ("nguyen", "Nguyễn", "two accents"),
            ("nguyen", "Nguye\u{302}\u{303}n", "two accents, decomposed"),
            ("quran", "Qurʾān", "romanised hamza"),
            ("ulysses", "Ulys\u{ad}ses", "soft hyphen"),
            ("ΟΔΥΣΣΕΥΣ", "Ὀδυσσεύς", "Greek, final sigma"),
            ("достоевскии", "Достоевский", "Cyrillic"),
            ("क़लम", "कलम", "nukta, decomposed"),
            ("\u{958}लम", "कलम", "nukta, composed"),
            ("क्\u{200d}ष", "क्ष", "ZWJ"),
            ("می\u{200c}خواهم", "میخواهم", "ZWNJ"),
            ("ড়", "ড\u{9bc}", "Bengali nukta, composed and decomposed"),
            ("한국", "\u{1112}\u{1161}\u{11ab}\u{1100}\u{116e}\u{11a8}", "Hangul, decomposed"),
            ("ガラス", "ｶﾞﾗｽ", "half-width kana"),
        ];
        for (left, right, why) in cases {
            assert_eq!(fold(left), fold(right), "{why}: {left:?} and {right:?}");
        }
    }

    #[test]
    fn words_that_differ_stay_different() {
        let cases = [
            ("दिन", "दान", "Hindi: day and gift"),
            ("दिन", "दीन", "Hindi: day and poor"),
            ("বড়", "বড", "Bengali: the dotted letter is another letter"),
            ("か", "が", "kana: voiced"),
            ("c", "c++", "signs"),
            ("c++", "c#", "signs"),
            ("1984", "1985", "digits"),
        ];
        for (left, right, why) in cases {
            assert_ne!(fold(left), fold(right), "{why}: {left:?} and {right:?}");
        }
    }

    #[test]
    fn folded_text_is_as_written_here() {
        let cases = [
            ("தமிழ்", "தமிழ்", "Tamil stays whole"),
            ("हिन्दी", "हिन्दी", "virama and vowel signs stay"),
            ("L’Étranger", "letranger", "elision"),
            ("  AT&T -- a  history ", "at and t a history", "one space, none at the ends"),
            ("\u{200b}\u{feff}\0\u{1}", "", "nothing visible"),
            ("", "", "nothing"),
        ];
        for (text, expected, why) in cases {
            assert_eq!(fold(text), expected, "{why}");
        }
    }

    #[test]
    fn words_are_split_at_punctuation() {
        let cases: [(&str, &[&str]); 7] = [
            ("To be, or not to be?", &["to", "be", "or", "not", "to", "be"]),
            ("C++ and C# (1984)", &["c++", "and", "c#", "1984"]),
            ("1+1 abc# x", &["1", "1", "abc", "x"]),
            ("“Don’t” — José!", &["dont", "jose"]),
            ("हिन्दी, தமிழ்।", &["हिन्दी", "தமிழ்"]),
            ("…!?", &[]),
            ("", &[]),
        ];
        for (text, expected) in cases {
            assert_eq!(words(&fold(text)).collect::<Vec<_>>(), expected, "{text:?}");
        }
    }

    #[test]
    fn every_character_folds_once() {
        for c in '\0'..=char::MAX {
            for text in [c.to_string(), format!("a{c}\u{301}"), format!("क{c}\u{93f}")] {
                let once = fold(&text);
                assert_eq!(fold(&once), once, "U+{:04X} in {text:?}", u32::from(c));
            }
        }
    }

    #[test]
    fn words_are_found_where_they_stand() {
        let cases: [(&str, &[&str], &[&str]); 14] = [
            ("Carlos Ruiz Zafón", &["zafon"], &["Zafón"]),
            ("Zafo\u{301}n", &["zafon"], &["Zafo\u{301}n"]),
            ("ends in e\u{301}\u{323}.", &["e"], &["e\u{301}\u{323}"]),
            ("“Don’t” look", &["dont"], &["Don’t"]),
            ("The Time-Traveller’s Wife", &["travellers", "wife"], &["Traveller’s", "Wife"]),
            ("the oﬃce", &["office"], &["oﬃce"]),
            ("Straße, Łódź, Encyclopædia", &["strasse", "lodz", "encyclopaedia"], &["Straße", "Łódź", "Encyclopædia"]),
            ("War&Peace", &["and"], &["&"]),
            ("Ulys\u{ad}ses", &["ulysses"], &["Ulys\u{ad}ses"]),
            ("मेरी क़लम", &["कलम"], &["क़लम"]),
            ("क्\u{200d}ष दिन दान", &["क्ष", "दान"], &["क्\u{200d}ष", "दान"]),
            ("C++ and C#", &["c++", "c#"], &["C++", "C#"]),
            ("½", &["1", "2"], &["½"]),
            ("\0\u{200b}…", &["a"], &[]),
        ];
        for (text, wanted, expected) in cases {
            let found = find_words(text, |word| wanted.contains(&word));
            assert_eq!(found.iter().map(|range| &text[range.clone()]).collect::<Vec<_>>(), expected, "{text:?}");
        }
    }

    /// The words of `text` are found in it, in order, at ranges that fold to them.
    fn check_found_words(text: &str) {
        let folded = fold(text);
        let expected: Vec<&str> = words(&folded).collect();
        let mut met = Vec::new();
        let ranges = find_words(text, |word| {
            met.push(word.to_owned());
            true
        });
        assert_eq!(met, expected, "{text:?}");
        assert!(ranges.is_sorted_by(|a, b| a.start < a.end && a.end <= b.start), "{text:?}: {ranges:?}");
        for word in &expected {
            let found = find_words(text, |met| met == *word);
            assert!(!found.is_empty(), "{word:?} in {text:?}");
            for range in found {
                assert!(text.is_char_boundary(range.start) && text.is_char_boundary(range.end), "{text:?}: {range:?}");
                let folded = fold(&text[range.clone()]);
                assert!(words(&folded).any(|met| met == *word), "{word:?} in {text:?}: {range:?} is {folded:?}");
            }
        }
    }

    #[test]
    fn every_character_is_found_where_it_stands() {
        // Beyond are ideographs and what folding drops.
        for c in '\0'..='\u{1ffff}' {
            check_found_words(&format!("a{c}\u{301}क"));
        }
    }

    proptest! {
        #[test]
        fn words_of_any_text_are_found_in_it(text in any::<String>()) {
            check_found_words(&text);
        }

        #[test]
        fn words_with_marks_are_found_where_they_stand(
            text in "[a-zé&'’ßæŁςकलदिीा़्\u{200c}\u{200d}\u{300}-\u{345}\u{3099}かﾞ\u{1100}-\u{11ff}ড়ি\u{b4} ½ﬁ-]{0,12}"
        ) {
            check_found_words(&text);
        }

        #[test]
        fn folding_twice_is_folding_once(text in any::<String>()) {
            let once = fold(&text);
            prop_assert_eq!(fold(&once), once);
        }

        #[test]
        fn folding_twice_is_folding_once_for_marks(
            text in "[a-zé&'’ßæŁςकलदिीा़्\u{200c}\u{200d}\u{300}-\u{345}\u{3099}かﾞ\u{1100}-\u{11ff}ড়ি\u{b4} -]{0,12}"
        ) {
            let once = fold(&text);
            prop_assert_eq!(fold(&once), once);
        }

        #[test]
        fn words_lie_in_the_text_and_hold_no_space(text in any::<String>()) {
            let folded = fold(&text);
            for word in words(&folded) {
                prop_assert!(!word.is_empty() && !word.contains(char::is_whitespace), "{:?}", word);
            }
        }
    }
}
