//! Languages by name.

/// ISO 639 codes of the languages that book collections are likely to hold, in order, with English names.
const NAMES: [(&str, &str); 91] = [
    ("af", "Afrikaans"),
    ("akk", "Akkadian"),
    ("am", "Amharic"),
    ("ang", "Old English"),
    ("ar", "Arabic"),
    ("as", "Assamese"),
    ("az", "Azerbaijani"),
    ("be", "Belarusian"),
    ("bg", "Bulgarian"),
    ("bn", "Bengali"),
    ("bo", "Tibetan"),
    ("ca", "Catalan"),
    ("cs", "Czech"),
    ("cy", "Welsh"),
    ("da", "Danish"),
    ("de", "German"),
    ("el", "Greek"),
    ("en", "English"),
    ("enm", "Middle English"),
    ("eo", "Esperanto"),
    ("es", "Spanish"),
    ("et", "Estonian"),
    ("eu", "Basque"),
    ("fa", "Persian"),
    ("fi", "Finnish"),
    ("fr", "French"),
    ("fro", "Old French"),
    ("ga", "Irish"),
    ("gl", "Galician"),
    ("grc", "Ancient Greek"),
    ("gu", "Gujarati"),
    ("ha", "Hausa"),
    ("he", "Hebrew"),
    ("hi", "Hindi"),
    ("hr", "Croatian"),
    ("hu", "Hungarian"),
    ("hy", "Armenian"),
    ("id", "Indonesian"),
    ("ig", "Igbo"),
    ("is", "Icelandic"),
    ("it", "Italian"),
    ("ja", "Japanese"),
    ("ka", "Georgian"),
    ("ki", "Gikuyu"),
    ("kk", "Kazakh"),
    ("km", "Khmer"),
    ("kn", "Kannada"),
    ("ko", "Korean"),
    ("ku", "Kurdish"),
    ("la", "Latin"),
    ("lt", "Lithuanian"),
    ("lv", "Latvian"),
    ("lzh", "Classical Chinese"),
    ("mi", "Māori"),
    ("mk", "Macedonian"),
    ("ml", "Malayalam"),
    ("mn", "Mongolian"),
    ("mr", "Marathi"),
    ("ms", "Malay"),
    ("my", "Burmese"),
    ("nb", "Norwegian"),
    ("ne", "Nepali"),
    ("nl", "Dutch"),
    ("nn", "Norwegian"),
    ("no", "Norwegian"),
    ("non", "Old Norse"),
    ("or", "Odia"),
    ("pa", "Punjabi"),
    ("pi", "Pali"),
    ("pl", "Polish"),
    ("pt", "Portuguese"),
    ("ro", "Romanian"),
    ("ru", "Russian"),
    ("sa", "Sanskrit"),
    ("si", "Sinhala"),
    ("sk", "Slovak"),
    ("sl", "Slovene"),
    ("sq", "Albanian"),
    ("sr", "Serbian"),
    ("sv", "Swedish"),
    ("sw", "Swahili"),
    ("ta", "Tamil"),
    ("te", "Telugu"),
    ("th", "Thai"),
    ("tr", "Turkish"),
    ("uk", "Ukrainian"),
    ("ur", "Urdu"),
    ("vi", "Vietnamese"),
    ("yi", "Yiddish"),
    ("yo", "Yoruba"),
    ("zh", "Chinese"),
];

/// The English name of a BCP 47 tag's language; the tag itself where the name is not known.
pub(super) fn name(tag: &str) -> &str {
    let code = primary(tag).to_ascii_lowercase();
    NAMES.binary_search_by_key(&code.as_str(), |(code, _)| code).map_or(tag, |index| NAMES[index].1)
}

/// `tag`, if it may stand in a `lang` attribute and is not the language of the page anyway.
pub(super) fn foreign_tag<'a>(tag: &'a str, page: &str) -> Option<&'a str> {
    known_tag(tag).filter(|tag| !primary(tag).eq_ignore_ascii_case(page))
}

/// The direction that a language is written in; for each text to tell if the language is not known.
pub(super) fn direction(tag: Option<&str>) -> &'static str {
    /// Languages that are written from the right, unless their script says otherwise.
    const FROM_THE_RIGHT: [&str; 14] =
        ["ar", "arc", "arz", "ckb", "dv", "fa", "he", "ota", "ps", "sd", "syr", "ug", "ur", "yi"];
    let Some(tag) = tag.and_then(known_tag) else { return "auto" };
    let code = primary(tag).to_ascii_lowercase();
    let script = tag.split('-').skip(1).find(|part| part.len() == 4).map(str::to_ascii_lowercase);
    let from_the_right = match script.as_deref() {
        Some(script) => ["arab", "hebr", "syrc", "thaa", "nkoo", "adlm"].contains(&script),
        None => FROM_THE_RIGHT.contains(&code.as_str()),
    };
    if from_the_right { "rtl" } else { "ltr" }
}

/// `tag`, if it may stand in a `lang` attribute.
fn known_tag(tag: &str) -> Option<&str> {
    let code = primary(tag);
    let is_language = matches!(code.len(), 2 | 3) && code.bytes().all(|byte| byte.is_ascii_alphabetic());
    let is_tag = tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    (is_language && is_tag).then_some(tag)
}

/// The language of a tag, without script and region.
pub(super) fn primary(tag: &str) -> &str {
    tag.split('-').next().unwrap_or(tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_order_so_that_they_are_found() {
        assert!(NAMES.is_sorted_by(|a, b| a.0 < b.0));
        for (code, language) in NAMES {
            assert_eq!(name(code), language);
        }
    }

    #[test]
    fn tags_are_read_by_their_first_part() {
        for (tag, expected) in
            [("pt-BR", "Portuguese"), ("zh-Hant-TW", "Chinese"), ("FR", "French"), ("qqq", "qqq"), ("", "")]
        {
            assert_eq!(name(tag), expected);
        }
    }

    #[test]
    fn directions_are_those_of_the_script() {
        for (tag, expected) in [
            (None, "auto"),
            (Some("not a tag"), "auto"),
            (Some("en"), "ltr"),
            (Some("AR-EG"), "rtl"),
            (Some("he"), "rtl"),
            (Some("ur-Latn"), "ltr"),
            (Some("az-Arab-IR"), "rtl"),
        ] {
            assert_eq!(direction(tag), expected, "{tag:?}");
        }
    }
}
