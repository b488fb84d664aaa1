//! MARC 21 as libraries exchange it: ISO 2709, binary records one after another.
//!
//! A record is 24 bytes of leader, a directory with twelve bytes for each field (tag, length, offset), then the fields.
//! Lengths and offsets are often wrong, because somebody changed the encoding and not the numbers. The marks are
//! reliable: 0x1D ends a record, 0x1E a field, 0x1F begins a subfield. So records are found by their marks and, where
//! the directory does not agree, fields are too. The leader's word on the encoding is not taken, either: bytes that are
//! UTF-8 and not ASCII are UTF-8, for text in MARC-8 almost never is by chance.

use super::marc8;
use super::record::{CONTROL, Field, Marc};
use std::borrow::Cow;

pub(super) const END_OF_RECORD: u8 = 0x1d;
const END_OF_FIELD: u8 = 0x1e;
const SUBFIELD: u8 = 0x1f;
const LEADER: usize = 24;
const ENTRY: usize = 12;

/// A field's tag and its bytes.
type Raw<'r> = (&'r [u8], &'r [u8]);

/// How the text of a record is read.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Coding {
    Utf8,
    /// UTF-8 with faults, which become U+FFFD.
    BrokenUtf8,
    Marc8,
}

/// Whether a file begins like a record: five digits, then letters where the leader has them, then a directory.
pub(in crate::import) fn is_marc(start: &[u8]) -> bool {
    let start = start.trim_ascii_start();
    start.len() > LEADER + 3
        && start[..5].iter().all(|byte| byte.is_ascii_digit() || *byte == b' ')
        && (start[5].is_ascii_lowercase() || start[5] == b' ')
        && start[LEADER..LEADER + 3].iter().all(u8::is_ascii_alphanumeric)
        && start.iter().take(100_000).any(|&byte| byte == END_OF_FIELD)
}

/// What to say of a record that the file ends in.
pub(super) fn cut(bytes: &[u8]) -> String {
    let declared = number(bytes.get(..5).unwrap_or(b"?"));
    let declared = declared.map(|length| format!("; its leader declares {length}")).unwrap_or_default();
    format!("the file ends inside this record, after {} bytes of it{declared}", bytes.len())
}

/// Reads a record, given without its end mark.
pub(super) fn parse(content: &[u8]) -> Result<Marc<'_>, String> {
    let Some(end) = memchr::memchr(END_OF_FIELD, content) else {
        return Err("not a MARC record: it has no end of the directory (0x1E)".to_owned());
    };
    // A leader may be too short, and tell so by where the directory begins.
    let directory_starts = if end < LEADER || (end - LEADER).is_multiple_of(ENTRY) { LEADER } else { end % ENTRY };
    let Some(directory) = content.get(directory_starts..end).filter(|directory| !directory.is_empty()) else {
        return Err("not a MARC record: its leader and directory are too short".to_owned());
    };
    let data = &content[end + 1..];
    let mut warnings = Vec::new();
    if directory_starts != LEADER {
        warnings.push(format!("the leader has {directory_starts} bytes instead of {LEADER}"));
    }
    let coding = coding(content, &mut warnings);
    let leader = decode(coding, &content[..directory_starts]);
    let fields = fields(directory, data, &mut warnings)?;
    let fields: Vec<Field<'_>> = fields.into_iter().map(|(tag, bytes)| field(coding, tag, bytes)).collect();
    if coding != Coding::Utf8
        && fields.iter().any(|field| field.subfields.iter().any(|(_, text)| text.contains('\u{fffd}')))
    {
        warnings.push(match coding {
            Coding::Marc8 => "some characters are not MARC-8; they became U+FFFD".to_owned(),
            _ => "some characters are not UTF-8; they became U+FFFD".to_owned(),
        });
    }
    Ok(Marc { leader, fields, warnings })
}

fn coding(bytes: &[u8], warnings: &mut Vec<String>) -> Coding {
    let declares_utf8 = bytes.get(9) == Some(&b'a');
    if bytes.is_ascii() {
        // Escape sequences are ASCII.
        return if memchr::memchr(0x1b, bytes).is_some() { Coding::Marc8 } else { Coding::Utf8 };
    }
    if std::str::from_utf8(bytes).is_ok() {
        if !declares_utf8 {
            warnings.push("the leader says MARC-8, but the text is UTF-8, and was read as that".to_owned());
        }
        return Coding::Utf8;
    }
    let (mut whole, mut stray) = (0, 0);
    for chunk in bytes.utf8_chunks() {
        whole += chunk.valid().chars().filter(|c| !c.is_ascii()).count();
        stray += chunk.invalid().len();
    }
    if whole > stray || (declares_utf8 && whole == stray) {
        return Coding::BrokenUtf8;
    }
    if declares_utf8 {
        warnings.push("the leader says UTF-8, but the text is not, and was read as MARC-8".to_owned());
    }
    Coding::Marc8
}

fn decode(coding: Coding, bytes: &[u8]) -> Cow<'_, str> {
    match coding {
        Coding::Marc8 if bytes.is_ascii() && !bytes.contains(&0x1b) => String::from_utf8_lossy(bytes),
        Coding::Marc8 => Cow::Owned(marc8::decode(bytes)),
        // Almost all is whole, and a check is faster than looking for what is to be replaced.
        Coding::Utf8 | Coding::BrokenUtf8 => {
            std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
        }
    }
}

/// Tags and fields: as the directory has them if it is right, else as the marks do.
fn fields<'r>(directory: &'r [u8], data: &'r [u8], warnings: &mut Vec<String>) -> Result<Vec<Raw<'r>>, String> {
    let (entries, rest) = directory.as_chunks::<ENTRY>();
    let by_directory = || entries.iter().map(|entry| declared(entry, data)).collect::<Option<Vec<_>>>();
    if let Some(fields) = by_directory()
        && rest.is_empty()
    {
        return Ok(fields);
    }
    let marked: Vec<&[u8]> =
        data.strip_suffix(&[END_OF_FIELD]).unwrap_or(data).split(|&byte| byte == END_OF_FIELD).collect();
    if marked.len() != entries.len() {
        return Err(format!(
            "the directory is wrong and cannot be mended: it has {} entries, but there are {} fields",
            entries.len(),
            marked.len()
        ));
    }
    warnings.push("lengths in the directory are wrong; the fields were told apart by their end marks".to_owned());
    // Fields may lie in another order than their entries.
    let mut order: Vec<usize> = (0..entries.len()).collect();
    let starts: Vec<Option<usize>> = entries.iter().map(|entry| number(&entry[7..12])).collect();
    if starts.iter().all(Option::is_some) {
        order.sort_by_key(|&at| starts[at]);
    }
    let mut fields: Vec<(usize, &[u8])> = order.into_iter().zip(marked).collect();
    fields.sort_by_key(|&(at, _)| at);
    Ok(fields.into_iter().map(|(at, field)| (&entries[at][..3], field)).collect())
}

/// A field as its entry declares it, if that is where a field is.
fn declared<'r>(entry: &'r [u8; ENTRY], data: &'r [u8]) -> Option<Raw<'r>> {
    let (length, start) = (number(&entry[3..7])?, number(&entry[7..12])?);
    let field = data.get(start..start.checked_add(length)?)?.strip_suffix(&[END_OF_FIELD])?;
    let starts_at_mark = start == 0 || data[start - 1] == END_OF_FIELD;
    (starts_at_mark && memchr::memchr(END_OF_FIELD, field).is_none()).then_some((&entry[..3], field))
}

fn number(digits: &[u8]) -> Option<usize> {
    digits.iter().try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + usize::from(digit - b'0')))
}

fn field<'r>(coding: Coding, tag: &'r [u8], bytes: &'r [u8]) -> Field<'r> {
    let tag = decode(Coding::Utf8, tag);
    if tag.starts_with("00") {
        return Field { tag, indicators: [' '; 2], subfields: vec![(CONTROL, decode(coding, bytes))] };
    }
    let head = &bytes[..memchr::memchr(SUBFIELD, bytes).unwrap_or(bytes.len())];
    let parts = bytes[head.len()..].split(|&byte| byte == SUBFIELD).skip(1);
    let indicator = |at: usize| head.get(at).map_or(' ', |&byte| char::from(byte));
    let indicators = [indicator(0), indicator(1)];
    let mut subfields: Vec<(char, Cow<'r, str>)> = parts
        .filter_map(|part| part.split_first())
        .map(|(code, text)| (char::from(*code), decode(coding, text)))
        .collect();
    if subfields.is_empty() && head.len() > 2 {
        // Without the mark of a subfield, all is taken as the first.
        subfields.push(('a', decode(coding, &head[2..])));
    }
    Field { tag, indicators, subfields }
}
