//! MARC-8, the character encoding of MARC 21 before Unicode
//! (<https://www.loc.gov/marc/specifications/speccharmarc8.html>).
//!
//! Bytes below 0x80 mean the set G0, those above G1; escape sequences put other sets there: Cyrillic, Greek, Hebrew,
//! Arabic, sub- and superscripts, and East Asian characters of three bytes (EACC). A combining mark comes *before* its
//! letter. The tables are in `marc8.bin` (49 KB, 48 of them EACC), which `marc8_tables.py` makes.

use std::collections::HashMap;
use std::sync::LazyLock;
use unicode_normalization::UnicodeNormalization;

const ESCAPE: u8 = 0x1b;
const ASCII: u8 = b'B';
const EXTENDED_LATIN: u8 = b'E';
const EACC: u8 = b'1';
const LOST: char = '\u{fffd}';

/// Set and code → character, and whether it is a combining mark.
type Table = HashMap<u32, (char, bool)>;

static TABLE: LazyLock<Table> = LazyLock::new(|| read_tables(include_bytes!("marc8.bin")));

/// Sets by their final byte, as codes of up to 24 bits below it.
fn place(set: u8, code: u32) -> u32 {
    u32::from(set) << 24 | code
}

fn read_tables(bytes: &[u8]) -> Table {
    let mut bytes = bytes.iter().copied();
    let mut table = HashMap::with_capacity(16_500);
    while let Some(set) = bytes.next() {
        let count = two_bytes(&mut bytes);
        let mut code = 0;
        for _ in 0..count {
            let distance = varint(&mut bytes);
            code += distance >> 1;
            let character = char::from_u32(two_bytes(&mut bytes)).unwrap_or(LOST);
            table.insert(place(set, code), (character, distance & 1 == 1));
            code += 1;
        }
    }
    table
}

fn two_bytes(bytes: &mut impl Iterator<Item = u8>) -> u32 {
    let mut next = || u32::from(bytes.next().unwrap_or_default());
    next() | next() << 8
}

fn varint(bytes: &mut impl Iterator<Item = u8>) -> u32 {
    let mut number = 0;
    for (byte, shift) in bytes.zip([0, 7, 14, 21]) {
        number |= u32::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    number
}

/// The text of a subfield, composed (NFC). What has no meaning becomes U+FFFD.
pub(super) fn decode(bytes: &[u8]) -> String {
    let (mut g0, mut g1) = (ASCII, EXTENDED_LATIN);
    let mut text = String::with_capacity(bytes.len());
    let mut marks = String::new();
    let mut rest = bytes;
    while let Some(&first) = rest.first() {
        if first == ESCAPE {
            match escape(rest) {
                Some((is_g0, set, length)) => {
                    *(if is_g0 { &mut g0 } else { &mut g1 }) = set;
                    rest = &rest[length..];
                }
                None => {
                    text.push(LOST);
                    rest = &rest[1..];
                }
            }
            continue;
        }
        let set = if first < 0x80 { g0 } else { g1 };
        let length = if set == EACC && !matches!(first, 0..=0x20 | 0x80..=0xa0) { 3 } else { 1 };
        let (character, combines) = character(set, &rest[..length.min(rest.len())]);
        rest = rest.get(length..).unwrap_or_default();
        if combines {
            marks.push(character);
        } else {
            text.push(character);
            text.push_str(&std::mem::take(&mut marks));
        }
    }
    text.push_str(&marks);
    text.nfc().collect()
}

fn character(set: u8, code: &[u8]) -> (char, bool) {
    if let &[byte @ 0..=0x20] = code {
        return (char::from(byte), false);
    }
    if set == ASCII && code[0] < 0x80 {
        return (char::from(code[0]), false);
    }
    if set == EACC && code.len() < 3 {
        return (LOST, false);
    }
    let code = code.iter().fold(0, |code, byte| code << 8 | u32::from(*byte));
    // A set has the same characters in G0 and in G1, where only the high bit of each byte differs.
    let low = code & if set == EACC { 0x7f_7f7f } else { 0x7f };
    let high = code | 0x80;
    [code, low, high].iter().find_map(|&code| TABLE.get(&place(set, code)).copied()).unwrap_or((LOST, false))
}

/// Whether an escape sequence is about G0, the set that it puts there, and its length.
fn escape(bytes: &[u8]) -> Option<(bool, u8, usize)> {
    let at = |n: usize| bytes.get(n).copied();
    let (is_g0, at_set) = match at(1)? {
        b's' => return Some((true, ASCII, 2)),
        set @ (b'b' | b'g' | b'p') => return Some((true, set, 2)),
        b'(' | b',' => (true, 2),
        b')' | b'-' => (false, 2),
        b'$' => match at(2)? {
            b',' | b'(' => (true, 3),
            b')' | b'-' => (false, 3),
            _ => (true, 2),
        },
        _ => return None,
    };
    // ANSEL is written `!E`.
    let at_set = if at(at_set)? == b'!' { at_set + 1 } else { at_set };
    let set = at(at_set)?;
    b"1234BENQSbgp".contains(&set).then_some((is_g0, set, at_set + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_every_set() {
        for (bytes, expected) in [
            (&b"Dune"[..], "Dune"),
            (b"Caf\xe2e", "Caf\u{e9}"),
            (b"Zaf\xe2on, Nguy\xe3\xe2en", "Zafón, Nguy\u{1ebf}n"),
            (b"\xa1\xe2od\xe2z", "Ł\u{f3}d\u{17a}"),
            (b"\x1b(NpRIWET\x1b(B!", "Привет!"),
            (b"\x1b$1\x21\x30\x21\x1b(B", "\u{4e00}"),
            (b"\x1b)1a\xa1\xb0\xa1", "a\u{4e00}"),
            (b"H\x1bb2\x1bsO", "H\u{2082}O"),
            (b"\x1b(S\x61\x1b(Bx", "\u{3b1}x"),
            (b"\x1b(2\x60\x1b(B", "\u{5d0}"),
            (b"\x1b(3\x47", "\u{627}"),
            (b"\x1b)!Ea\xe2e", "a\u{e9}"),
            (b"mark at the end \xe2", "mark at the end \u{301}"),
            (b"lost \xff", "lost \u{fffd}"),
            (b"\x1bZcut\x1b", "\u{fffd}Zcut\u{fffd}"),
            (b"\x1b$1\x21\x30", "\u{fffd}"),
        ] {
            assert_eq!(decode(bytes), expected, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn the_tables_are_whole() {
        let of = |set: u8| TABLE.keys().filter(|&&key| key >> 24 == u32::from(set)).count();
        assert_eq!(of(EACC), 15_739);
        assert_eq!(of(EXTENDED_LATIN), 69);
        assert!(TABLE.values().all(|&(character, _)| character != LOST));
    }

    /// The East Asian set, 15,739 characters and almost all of the tables, against `mrrc`, whose tables are not ours.
    ///
    /// The other sets are not compared: version 0.9 of it has a part of extended Latin one place off (0xAB, ±, is ® to
    /// it), and leaves combining marks in front of their letters.
    #[test]
    fn every_east_asian_character_is_what_it_is_to_mrrc() {
        use mrrc::encoding::{MarcEncoding, decode_bytes};
        let mut compared = 0;
        for &key in TABLE.keys().filter(|&&key| key >> 24 == u32::from(EACC)) {
            let bytes = [&b"\x1b$1"[..], &key.to_be_bytes()[1..], b"\x1b(B."].concat();
            let theirs = decode_bytes(&bytes, MarcEncoding::Marc8).expect("it decodes whatever there is");
            let is_combining = TABLE.get(&key).is_some_and(|(_, combines)| *combines);
            let theirs = if is_combining { theirs.chars().rev().collect() } else { theirs };
            assert_eq!(decode(&bytes), theirs, "{key:x}");
            compared += 1;
        }
        assert_eq!(compared, 15_739);
    }
}
