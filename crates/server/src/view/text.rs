//! Numbers, years and sentences as people read them.

/// A year: `1813`, `800 BCE`; nothing for the year 0, which no calendar of books has.
pub(super) fn year(year: Option<i32>) -> Option<String> {
    match year? {
        0 => None,
        year if year < 0 => Some(format!("{} BCE", year.unsigned_abs())),
        year => Some(year.to_string()),
    }
}

/// A number with its thousands set apart: `1,234,567`.
pub(super) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A number of things: `1 book`, `2,000 books`.
pub(super) fn count(count: u64, thing: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {thing}{plural}", number(count))
}

/// How long something took.
pub(super) fn duration(elapsed_ms: f64) -> String {
    match elapsed_ms {
        ms if ms < 1.0 => "in less than 1 ms".to_owned(),
        ms if ms < 1000.0 => format!("in {ms:.0} ms"),
        ms => format!("in {:.1} s", ms / 1000.0),
    }
}

/// `text`, or its first words up to `max_chars` characters and an ellipsis.
pub(super) fn excerpt(text: &str, max_chars: usize) -> String {
    let Some((end, _)) = text.char_indices().nth(max_chars) else {
        return text.to_owned();
    };
    let cut = &text[..end];
    let whole_words = cut.rfind(char::is_whitespace).map_or(cut, |space| &cut[..space]);
    format!("{} …", whole_words.trim_end())
}

/// The last words of `text` up to `max_chars` characters, behind an ellipsis if that is not all.
pub(super) fn excerpt_end(text: &str, max_chars: usize) -> String {
    let Some((start, _)) = text.char_indices().rev().take(max_chars + 1).nth(max_chars) else {
        return text.to_owned();
    };
    let cut = &text[start..];
    let whole_words = cut.find(char::is_whitespace).map_or(cut, |space| &cut[space..]);
    format!("… {}", whole_words.trim_start())
}

/// `a`, `a and b`, `a, b and c`
pub(super) fn list(items: &[&str]) -> String {
    match items {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// A message as a sentence: a capital first, a full stop last.
pub(super) fn sentence(message: &str) -> String {
    let mut chars = message.chars();
    let mut sentence: String = chars.next().into_iter().flat_map(char::to_uppercase).collect();
    sentence.push_str(chars.as_str());
    if !sentence.ends_with(['.', '!', '?']) {
        sentence.push('.');
    }
    sentence
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn years_before_our_era_say_so() {
        let cases = [
            (None, None),
            (Some(0), None),
            (Some(1813), Some("1813")),
            (Some(-800), Some("800 BCE")),
            (Some(i32::MIN), Some("2147483648 BCE")),
        ];
        for (given, expected) in cases {
            assert_eq!(year(given).as_deref(), expected, "{given:?}");
        }
    }

    #[test]
    fn numbers_are_grouped() {
        for (given, expected) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(number(given), expected);
        }
        assert_eq!((count(1, "book"), count(2000, "book")), ("1 book".to_owned(), "2,000 books".to_owned()));
    }

    #[test]
    fn durations_are_rounded_to_what_matters() {
        for (given, expected) in [(0.2, "in less than 1 ms"), (2.7, "in 3 ms"), (1240.0, "in 1.2 s")] {
            assert_eq!(duration(given), expected);
        }
    }

    #[test]
    fn excerpts_end_at_a_word() {
        let cases = [
            ("short", 10, "short"),
            ("one two three", 9, "one two …"),
            ("abcdefgh", 4, "abcd …"),
            ("äöü ßéè", 5, "äöü …"),
            ("", 3, ""),
        ];
        for (given, max, expected) in cases {
            assert_eq!(excerpt(given, max), expected, "{given}");
        }
    }

    #[test]
    fn messages_become_sentences() {
        for (given, expected) in [("the end", "The end."), ("Why?", "Why?"), ("", "."), ("éa", "Éa.")] {
            assert_eq!(sentence(given), expected);
        }
    }
}
