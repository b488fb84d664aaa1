//! International Standard Book Numbers: ten digits (the last may be X) or thirteen, with a check digit.
//!
//! The functions take the bare form, without hyphens and spaces; [`extract`] makes it from what catalogues hold.
//! ISO 2108 defines both forms and their check digits.

/// Whether `isbn` has the shape of an ISBN and its check digit is right.
#[must_use]
pub fn is_valid(isbn: &str) -> bool {
    let bytes = isbn.as_bytes();
    has_shape(isbn)
        && match bytes.len() {
            10 => check_digit_10(&bytes[..9]) == bytes[9],
            _ => check_digit_13(&bytes[..12]) == bytes[12] && (isbn.starts_with("978") || isbn.starts_with("979")),
        }
}

/// The thirteen-digit form of a valid ISBN, `None` if it is not valid.
///
/// ```
/// assert_eq!(libellus_catalogue::isbn::to_isbn13("0441013597").as_deref(), Some("9780441013593"));
/// ```
#[must_use]
pub fn to_isbn13(isbn: &str) -> Option<String> {
    if !is_valid(isbn) {
        return None;
    }
    if isbn.len() == 13 {
        return Some(isbn.to_owned());
    }
    let mut isbn13 = format!("978{}", &isbn[..9]);
    isbn13.push(char::from(check_digit_13(isbn13.as_bytes())));
    Some(isbn13)
}

/// The ten-digit form of a valid ISBN, `None` if it is not valid or has none: only those that begin with 978 have.
///
/// ```
/// assert_eq!(libellus_catalogue::isbn::to_isbn10("9780441013593").as_deref(), Some("0441013597"));
/// ```
#[must_use]
pub fn to_isbn10(isbn: &str) -> Option<String> {
    let body = match to_isbn13(isbn)? {
        isbn13 if isbn13.starts_with("978") => isbn13[3..12].to_owned(),
        _ => return None,
    };
    let check = char::from(check_digit_10(body.as_bytes()));
    Some(body + check.encode_utf8(&mut [0; 4]))
}

/// The bare ISBNs in a catalogue's field, right check digits or not; empty if nothing has the shape of one.
///
/// Reads `978-0-441-01359-3`, `="0441013597"` (a spreadsheet's guard), `[0312884141]`, `0451450523 (pbk.) : $4.95`,
/// `ISBN-13: 978 0 441 01359 3`, and several with commas, semicolons, bars or spaces between them.
#[must_use]
pub fn extract(field: &str) -> Vec<String> {
    let mut isbns = Vec::new();
    for piece in field.split([',', ';', '|', '/', '\n']) {
        let number = leading_number(piece);
        let bare = squeeze(number);
        if has_shape(&bare) {
            isbns.push(bare);
        } else {
            isbns.extend(number.split_whitespace().map(squeeze).filter(|isbn| has_shape(isbn)));
        }
    }
    isbns
}

/// The part of `piece` that looks like a number, behind a label such as `ISBN-13:` and quotes or brackets.
fn leading_number(piece: &str) -> &str {
    let mut rest = piece.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
    if rest.get(..4).is_some_and(|label| label.eq_ignore_ascii_case("isbn")) {
        rest = rest[4..].trim_start_matches([' ', '-', '(']);
        for label in ["13", "10"] {
            let behind = rest.strip_prefix(label).filter(|behind| behind.starts_with([':', ')', ' ']));
            rest = behind.unwrap_or(rest);
        }
        rest = rest.trim_start_matches(|c: char| !c.is_ascii_digit());
    }
    let end = rest.find(|c: char| !is_part(c)).unwrap_or(rest.len());
    &rest[..end]
}

/// Whether an ISBN may be written with `c`, Unicode dashes and spaces included.
fn is_part(c: char) -> bool {
    c.is_ascii_digit()
        || matches!(c, 'x' | 'X' | '-' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{ad}')
        || c.is_whitespace()
}

/// Digits and X only, upper case.
fn squeeze(number: &str) -> String {
    number.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect()
}

/// Ten or thirteen digits; the tenth of ten may be X.
fn has_shape(isbn: &str) -> bool {
    let (body, last) = match isbn.len() {
        10 | 13 if isbn.is_ascii() => isbn.split_at(isbn.len() - 1),
        _ => return false,
    };
    body.bytes().all(|b| b.is_ascii_digit())
        && (last.as_bytes()[0].is_ascii_digit() || (isbn.len() == 10 && last == "X"))
}

/// Weights 10 to 2, modulo 11.
fn check_digit_10(digits: &[u8]) -> u8 {
    let sum: u32 = digits.iter().zip((2..=10).rev()).map(|(digit, weight)| u32::from(digit - b'0') * weight).sum();
    match (11 - sum % 11) % 11 {
        10 => b'X',
        digit => b'0' + digit as u8,
    }
}

/// Weights 1 and 3 in turn, modulo 10.
fn check_digit_13(digits: &[u8]) -> u8 {
    let sum: u32 =
        digits.iter().zip([1, 3].into_iter().cycle()).map(|(digit, weight)| u32::from(digit - b'0') * weight).sum();
    b'0' + ((10 - sum % 10) % 10) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_digits() {
        for (isbn, valid) in [
            ("0441013597", true),
            ("9780441013593", true),
            ("080442957X", true),
            ("9791032305690", true),
            ("0441013598", false),
            ("9780441013594", false),
            ("1234567890123", false),
            ("044101359", false),
            ("X441013597", false),
            ("97804410135é", false),
            ("", false),
        ] {
            assert_eq!(is_valid(isbn), valid, "{isbn}");
        }
    }

    #[test]
    fn ten_to_thirteen() {
        for (isbn, isbn13) in [
            ("0441013597", Some("9780441013593")),
            ("080442957X", Some("9780804429573")),
            ("9791032305690", Some("9791032305690")),
            ("0441013598", None),
        ] {
            assert_eq!(to_isbn13(isbn).as_deref(), isbn13, "{isbn}");
        }
    }

    #[test]
    fn thirteen_to_ten() {
        for (isbn, isbn10) in [
            ("9780441013593", Some("0441013597")),
            ("9780804429573", Some("080442957X")),
            ("080442957X", Some("080442957X")),
            ("9791032305690", None),
            ("9780441013594", None),
        ] {
            assert_eq!(to_isbn10(isbn).as_deref(), isbn10, "{isbn}");
        }
    }

    #[test]
    fn extracts_from_what_catalogues_hold() {
        for (field, expected) in [
            ("978-0-441-01359-3", vec!["9780441013593"]),
            ("978 0 441 01359 3", vec!["9780441013593"]),
            ("978\u{2011}0\u{2013}441-01359-3", vec!["9780441013593"]),
            ("=\"0441013597\"", vec!["0441013597"]),
            ("=\"\"", vec![]),
            ("[0312884141]", vec!["0312884141"]),
            ("0451450523 (pbk.) : $4.95", vec!["0451450523"]),
            ("ISBN 0451450523", vec!["0451450523"]),
            ("ISBN-13: 978-0-441-01359-3", vec!["9780441013593"]),
            ("isbn10: 080442957x", vec!["080442957X"]),
            ("ISBN 1032305690", vec!["1032305690"]),
            ("0312884141, 9780312884147", vec!["0312884141", "9780312884147"]),
            ("0312884141 9780312884147", vec!["0312884141", "9780312884147"]),
            ("9.78044E+12", vec![]),
            ("0441013598", vec!["0441013598"]),
            ("none", vec![]),
        ] {
            assert_eq!(extract(field), expected, "{field}");
        }
    }
}
