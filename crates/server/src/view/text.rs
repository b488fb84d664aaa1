//! Excerpts and sentences as people read them.

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
