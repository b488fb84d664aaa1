//! Single values: years, languages, audiences, names of authors, and text as such.

/// One line of text: without control characters, runs of white space as one space.
pub(super) fn line(text: &str) -> String {
    if is_plain_line(text.as_bytes()) {
        return text.to_owned();
    }
    let text: String = text.chars().filter(|c| is_kept(*c) || c.is_whitespace()).collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether text is one line already, as most is.
pub(super) fn is_plain_line(text: &[u8]) -> bool {
    let is_plain = |pair: &[u8]| matches!(pair[1], 0x21..=0x7e) || (pair[1] == b' ' && pair[0] != b' ');
    !text.starts_with(b" ")
        && !text.ends_with(b" ")
        && matches!(text.first(), None | Some(0x20..=0x7e))
        && text.windows(2).all(is_plain)
}

/// Text whose line breaks matter: without control characters.
pub(super) fn paragraphs(text: &str) -> String {
    if text.bytes().all(|byte| matches!(byte, 0x20..=0x7e | b'\n')) {
        return text.trim().to_owned();
    }
    text.chars().filter(|&c| is_kept(c) || c == '\n').collect::<String>().trim().to_owned()
}

/// Control characters and invisible marks go; the joiners of Indic and Persian words and of emoji stay.
fn is_kept(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{200b}' | '\u{2060}' | '\u{feff}')
}

/// The year in `[2005?]`, `c1999`, `1998-2003` (the first), `2011-05-03`, `350 BC` or `१९३६`: four digits in a row, or
/// nothing but a number. `None` for `19xx`, `n.d.` and years to come.
pub(super) fn year(text: &str) -> Option<i32> {
    let text: String = text.chars().map(ascii_digit).collect();
    let behind = text.rsplit(|c: char| c.is_ascii_digit()).next().unwrap_or_default().trim().to_lowercase();
    let is_before_our_era =
        ["bc", "b.c", "v. chr", "v.chr", "av. j", "a. c", "a.c"].iter().any(|era| behind.starts_with(era));
    let trimmed = text.trim();
    let sign = if is_before_our_era || trimmed.starts_with('-') { -1 } else { 1 };
    let mut numbers = text.split(|c: char| !c.is_ascii_digit()).filter(|digits| !digits.is_empty());
    let year = match numbers.clone().find(|digits| digits.len() == 4) {
        Some(digits) => digits.parse::<i32>().ok()?,
        None if is_before_our_era || trimmed.trim_start_matches('-').bytes().all(|b| b.is_ascii_digit()) => {
            numbers.next()?.parse().ok()?
        }
        None => return None,
    };
    (1..=LAST_YEAR).contains(&year).then_some(sign * year)
}

/// Announced books are a few years ahead; what is beyond is a misread number.
const LAST_YEAR: i32 = 2100;

/// The ASCII digit for a decimal digit of another script.
fn ascii_digit(c: char) -> char {
    // Arabic, Persian, Devanagari, Bengali, Gurmukhi, Gujarati, Odia, Tamil, Telugu, Kannada, Malayalam, full width.
    if c.is_ascii() {
        return c;
    }
    const ZEROS: [u32; 12] = [0x660, 0x6f0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xff10];
    let value = ZEROS.iter().find_map(|zero| u32::from(c).checked_sub(*zero).filter(|value| *value < 10));
    value.and_then(|value| char::from_digit(value, 10)).unwrap_or(c)
}

/// Languages by BCP 47 tag: ISO 639-2 codes, then names in English and in the language itself.
const LANGUAGES: &[(&str, &[&str])] = &[
    ("ar", &["ara", "arabic", "العربية"]),
    ("bn", &["ben", "bengali", "bangla", "বাংলা"]),
    ("bg", &["bul", "bulgarian", "български"]),
    ("ca", &["cat", "catalan", "català"]),
    ("cs", &["ces", "cze", "czech", "čeština"]),
    ("cy", &["cym", "wel", "welsh", "cymraeg"]),
    ("da", &["dan", "danish", "dansk"]),
    ("de", &["deu", "ger", "german", "deutsch", "allemand", "alemán"]),
    ("el", &["ell", "gre", "greek", "modern greek", "ελληνικά"]),
    ("en", &["eng", "english", "englisch", "anglais", "inglés", "अंग्रेज़ी", "अंग्रेजी"]),
    ("eo", &["epo", "esperanto"]),
    ("es", &["spa", "spanish", "spanisch", "espagnol", "español", "castellano"]),
    ("eu", &["eus", "baq", "basque", "euskara"]),
    ("fa", &["fas", "per", "persian", "farsi", "فارسی"]),
    ("fi", &["fin", "finnish", "suomi"]),
    ("fr", &["fra", "fre", "french", "französisch", "français", "francés"]),
    ("ga", &["gle", "irish", "gaeilge"]),
    ("gu", &["guj", "gujarati", "ગુજરાતી"]),
    ("he", &["heb", "hebrew", "עברית"]),
    ("hi", &["hin", "hindi", "हिन्दी", "हिंदी"]),
    ("hr", &["hrv", "croatian", "hrvatski"]),
    ("hu", &["hun", "hungarian", "magyar"]),
    ("id", &["ind", "indonesian", "bahasa indonesia"]),
    ("is", &["isl", "ice", "icelandic", "íslenska"]),
    ("it", &["ita", "italian", "italienisch", "italien", "italiano"]),
    ("ja", &["jpn", "japanese", "日本語"]),
    ("kn", &["kan", "kannada", "ಕನ್ನಡ"]),
    ("ko", &["kor", "korean", "한국어"]),
    ("la", &["lat", "latin", "latein"]),
    ("ml", &["mal", "malayalam", "മലയാളം"]),
    ("mr", &["mar", "marathi", "मराठी"]),
    ("ne", &["nep", "nepali", "नेपाली"]),
    ("nl", &["nld", "dut", "dutch", "nederlands"]),
    ("no", &["nor", "norwegian", "norsk"]),
    ("or", &["ori", "odia", "oriya", "ଓଡ଼ିଆ"]),
    ("pa", &["pan", "punjabi", "panjabi", "ਪੰਜਾਬੀ"]),
    ("pl", &["pol", "polish", "polski"]),
    ("pt", &["por", "portuguese", "português"]),
    ("ro", &["ron", "rum", "romanian", "română"]),
    ("ru", &["rus", "russian", "русский"]),
    ("sa", &["san", "sanskrit", "संस्कृतम्", "संस्कृत"]),
    ("sk", &["slk", "slo", "slovak", "slovenčina"]),
    ("sl", &["slv", "slovenian", "slovenščina"]),
    ("sr", &["srp", "serbian", "српски"]),
    ("sv", &["swe", "swedish", "svenska"]),
    ("ta", &["tam", "tamil", "தமிழ்"]),
    ("te", &["tel", "telugu", "తెలుగు"]),
    ("th", &["tha", "thai", "ไทย"]),
    ("tr", &["tur", "turkish", "türkçe"]),
    ("uk", &["ukr", "ukrainian", "українська"]),
    ("ur", &["urd", "urdu", "اردو"]),
    ("vi", &["vie", "vietnamese", "tiếng việt"]),
    ("zh", &["zho", "chi", "chinese", "中文"]),
];

/// The BCP 47 tag for a tag, an ISO 639 code or a language's name; `None` if it is none of them.
pub(super) fn language(text: &str) -> Option<String> {
    let lower = text.trim().to_lowercase();
    let named = LANGUAGES.iter().find(|(_, names)| names.contains(&lower.as_str()));
    if let Some((tag, _)) = named {
        return Some((*tag).to_owned());
    }
    // `en-US`, `en_us`, `zh-Hant`: the first part is a code, the others are kept in BCP 47's customary case.
    let mut parts = lower.split(['-', '_']);
    let code =
        parts.next().filter(|code| matches!(code.len(), 2 | 3) && code.bytes().all(|b| b.is_ascii_lowercase()))?;
    let code = LANGUAGES.iter().find(|(_, names)| names.contains(&code)).map_or(code, |(tag, _)| tag);
    let mut tag = code.to_owned();
    for part in parts {
        if part.is_empty() || part.len() > 8 || !part.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return None;
        }
        tag.push('-');
        match part.len() {
            2 => tag.push_str(&part.to_uppercase()),
            4 => {
                tag.push_str(&part[..1].to_uppercase());
                tag.push_str(&part[1..]);
            }
            _ => tag.push_str(part),
        }
    }
    Some(tag)
}

/// MARC's code for a language by its tag in [`LANGUAGES`]: the bibliographic one, where ISO 639-2 has two.
pub(crate) fn language_code(tag: &str) -> Option<&'static str> {
    let (_, names) = LANGUAGES.iter().find(|(known, _)| *known == tag)?;
    names.iter().take(2).rfind(|name| name.len() == 3 && name.is_ascii()).copied()
}

/// `adult`, `young adult` or `children` where the source plainly says so, else what it says.
pub(super) fn audience(text: &str) -> String {
    let text = line(text);
    let known = match text.to_lowercase().as_str() {
        "adult" | "adults" | "general" | "general adult" | "erwachsene" | "adulte" | "adultes" | "adulto"
        | "adultos" => "adult",
        "ya" | "young adult" | "young adults" | "young-adult" | "teen" | "teens" | "teenager" | "teenagers"
        | "adolescent" | "jugendliche" | "jugend" | "juvenil" => "young adult",
        "children" | "child" | "children's" | "childrens" | "kids" | "juvenile" | "kinder" | "enfants" | "jeunesse"
        | "niños" | "infantil" | "बच्चे" | "बाल" => "children",
        _ => return text,
    };
    known.to_owned()
}

/// The names in one value: apart by `;` or `|`, and by `&` or `and` where both sides are plainly persons.
pub(super) fn authors(text: &str) -> Vec<String> {
    text.split([';', '|'])
        .map(without_life_dates)
        .flat_map(split_pair)
        .map(line)
        .filter(|name| !name.is_empty())
        .collect()
}

/// `Austen, Jane` of `Austen, Jane, 1775-1817`, as catalogues write it.
fn without_life_dates(name: &str) -> &str {
    let is_dates = |text: &str| {
        let years = text.trim();
        years.contains('-') && years.chars().all(|c| c.is_ascii_digit() || matches!(c, '-' | '?' | ' '))
    };
    name.rsplit_once(',').filter(|(_, dates)| is_dates(dates)).map_or(name, |(name, _)| name)
}

/// Names as [`authors`] has them, and `Neil Gaiman, Terry Pratchett` apart; but not `Pratchett, Terry`.
pub(super) fn more_authors(text: &str) -> Vec<String> {
    let split = |names: String| {
        let parts: Vec<&str> = names.split(',').collect();
        if parts.iter().all(|part| is_person(part)) { parts.into_iter().map(line).collect() } else { vec![names] }
    };
    authors(text).into_iter().flat_map(split).collect()
}

/// Splits `Neil Gaiman & Terry Pratchett`, but not `Simon & Schuster` or `Ministry of Health and Family Welfare`.
fn split_pair(names: &str) -> Vec<&str> {
    for separator in [" & ", " and ", " und ", " et ", " y ", " और ", " एवं "] {
        let parts: Vec<&str> = names.split(separator).collect();
        let may_be_many = separator == " & ";
        if (parts.len() == 2 || (parts.len() > 2 && may_be_many)) && parts.iter().all(|part| is_person(part)) {
            return parts;
        }
    }
    vec![names]
}

/// Words that a body has in its name, and a person has not.
#[rustfmt::skip]
const BODIES: &[&str] = &[
    "association", "bank", "board", "books", "brothers", "center", "centre", "church", "club", "college",
    "commission", "committee", "company", "corporation", "council", "department", "foundation", "group", "inc",
    "institute", "institution", "library", "ltd", "ministry", "museum", "national", "office", "organization", "press",
    "publishers", "royal", "school", "service", "services", "society", "sons", "staff", "university", "verlag",
];

/// Whether the name has a word that only a body's has.
pub(crate) fn is_body(name: &str) -> bool {
    name.split_whitespace().any(|word| BODIES.contains(&bare_word(word).as_str()))
}

fn bare_word(word: &str) -> String {
    word.trim_matches([',', '.', '(', ')']).to_lowercase()
}

/// Small words inside names.
#[rustfmt::skip]
const PARTICLES: &[&str] = &[
    "al", "bin", "da", "de", "del", "della", "den", "der", "di", "do", "dos", "du", "el", "ibn", "la", "le", "ten",
    "van", "von", "zu",
];

/// Whether this is plainly a person's full name: two to five words, with capitals where the script has them.
pub(crate) fn is_person(name: &str) -> bool {
    let words: Vec<&str> = name.split_whitespace().collect();
    let word_is_fine = |word: &&str| {
        let bare = bare_word(word);
        !BODIES.contains(&bare.as_str())
            && (PARTICLES.contains(&bare.as_str())
                || word.chars().next().is_some_and(|c| c.is_alphabetic() && !c.is_lowercase()))
    };
    (2..=5).contains(&words.len()) && name.matches(',').count() <= 1 && words.iter().all(word_is_fine)
}

/// The parts of a list in one value: by `;` or `|`, and where there are none and `commas` may separate, by commas.
pub(super) fn list(text: &str, commas: bool) -> Vec<String> {
    let separators: &[char] = if commas && !text.contains([';', '|']) { &[','] } else { &[';', '|'] };
    text.split(separators).map(line).filter(|part| !part.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn years() {
        for (text, expected) in [
            ("1999", Some(1999)),
            ("[2005?]", Some(2005)),
            ("c1999", Some(1999)),
            ("©2011.", Some(2011)),
            ("1998-2003", Some(1998)),
            ("2011-05-03", Some(2011)),
            ("03/05/2011", Some(2011)),
            ("20110503", None),
            ("1997.0", Some(1997)),
            ("May 1851", Some(1851)),
            ("-350", Some(-350)),
            ("350 BC", Some(-350)),
            ("44 v. Chr.", Some(-44)),
            ("ca. c1999", Some(1999)),
            ("868", Some(868)),
            ("१९३६", Some(1936)),
            ("٢٠٠٥", Some(2005)),
            ("ca. 19xx", None),
            ("19??", None),
            ("n.d.", None),
            ("0", None),
            ("0000", None),
            ("9999", None),
            ("99999999999999999999", None),
            ("", None),
            ("MMXI", None),
        ] {
            assert_eq!(year(text), expected, "{text}");
        }
    }

    #[test]
    fn languages() {
        for (text, expected) in [
            ("en", Some("en")),
            ("EN", Some("en")),
            ("eng", Some("en")),
            ("English", Some("en")),
            ("fre", Some("fr")),
            ("Français", Some("fr")),
            ("हिन्दी", Some("hi")),
            ("en_US", Some("en-US")),
            ("zh-hant-tw", Some("zh-Hant-TW")),
            ("eng-GB", Some("en-GB")),
            ("grc", Some("grc")),
            ("Klingon", None),
            ("e", None),
            ("en-", None),
            ("12", None),
            ("français ancien", None),
        ] {
            assert_eq!(language(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn names_of_authors() {
        for (text, expected) in [
            ("Herman Melville", &["Herman Melville"][..]),
            ("Neil Gaiman; Terry  Pratchett", &["Neil Gaiman", "Terry Pratchett"]),
            ("A|B", &["A", "B"]),
            ("Neil Gaiman & Terry Pratchett", &["Neil Gaiman", "Terry Pratchett"]),
            ("Neil Gaiman and Terry Pratchett", &["Neil Gaiman", "Terry Pratchett"]),
            ("Gaiman, Neil & Pratchett, Terry", &["Gaiman, Neil", "Pratchett, Terry"]),
            ("Ada Lovelace & Grace Hopper & Alan Turing", &["Ada Lovelace", "Grace Hopper", "Alan Turing"]),
            ("Ludwig van Beethoven und Clara Schumann", &["Ludwig van Beethoven", "Clara Schumann"]),
            ("भीष्म साहनी और अमृता प्रीतम", &["भीष्म साहनी", "अमृता प्रीतम"]),
            ("Simon & Schuster", &["Simon & Schuster"]),
            ("Ministry of Health and Family Welfare", &["Ministry of Health and Family Welfare"]),
            ("Smith Brothers and Jane Doe", &["Smith Brothers and Jane Doe"]),
            ("Farrar Straus and Sons Ltd", &["Farrar Straus and Sons Ltd"]),
            ("Goulart, Ron", &["Goulart, Ron"]),
            ("Austen, Jane, 1775-1817; Le Guin, Ursula K., 1929-", &["Austen, Jane", "Le Guin, Ursula K."]),
            (" ; ", &[]),
        ] {
            assert_eq!(authors(text), expected, "{text}");
        }
    }

    #[test]
    fn lists_and_text() {
        assert_eq!(list("Women, Black -- Fiction; Cats", false), ["Women, Black -- Fiction", "Cats"]);
        assert_eq!(list("Fantasy, Adventure,", true), ["Fantasy", "Adventure"]);
        assert_eq!(list("Fantasy, dark | Adventure", true), ["Fantasy, dark", "Adventure"]);
        assert_eq!(line(" a\u{0} \n b\u{feff}c\u{200b}क्\u{200d}ष "), "a bcक्\u{200d}ष");
        assert_eq!(paragraphs("a\u{7}\n\nb\t"), "a\n\nb");
        assert_eq!(audience("Juvenile"), "children");
        assert_eq!(audience("Ages 9-12"), "Ages 9-12");
    }
}
