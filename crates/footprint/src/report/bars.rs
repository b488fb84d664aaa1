//! Bars of block characters, to an eighth of a character.

/// A bar for `part` of `whole`, of at most `width` characters. What is there shows, however small.
pub fn bar(part: u64, whole: u64, width: usize) -> String {
    if part == 0 || whole == 0 {
        return String::new();
    }
    let eighths = (part.min(whole) as f64 / whole as f64 * width as f64 * 8.0).round().max(1.0) as usize;
    let mut bar = "█".repeat(eighths / 8);
    bar.extend([None, Some('▏'), Some('▎'), Some('▍'), Some('▌'), Some('▋'), Some('▊'), Some('▉')][eighths % 8]);
    bar
}

/// `text` in `width` characters, cut with an ellipsis or filled up with spaces.
pub fn fit(text: &str, width: usize) -> String {
    let length = text.chars().count();
    if length > width {
        let kept: String = text.chars().take(width.saturating_sub(1)).collect();
        return format!("{kept}…");
    }
    format!("{text}{}", " ".repeat(width - length))
}

/// A number with commas between its thousands.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// `1 file`, `2 files`.
pub fn counted(number: u64, one: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {one}{plural}", thousands(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_have_eighths() {
        for (part, whole, expected) in
            [(0, 10, ""), (1, 10_000, "▏"), (10, 10, "████"), (99, 10, "████"), (5, 10, "██"), (1, 8, "▌"), (1, 0, "")]
        {
            assert_eq!(bar(part, whole, 4), expected, "{part} of {whole}");
        }
    }

    #[test]
    fn texts_fit() {
        assert_eq!((fit("abc", 5).as_str(), fit("abcdef", 5).as_str(), fit("", 2).as_str()), ("abc  ", "abcd…", "  "));
        assert_eq!((counted(1, "file").as_str(), counted(1_234_567, "file").as_str()), ("1 file", "1,234,567 files"));
    }
}
