//! Rows of embeddings: CSV, TSV or JSON Lines, in the notations that databases write vectors in.
//!
//! Files are read as those of books are (encodings, compression, quotation marks that never close); only what a row
//! means is another thing.

use super::record::RawRecord;
use super::source::Source;
use super::{Format, Place, RecordReader, Reject, Step, delimited, json_list, jsonl};
use crate::Error;
use crate::npy::NpyReader;
use serde_json::Value;
use std::collections::HashMap;
use std::io::Read;
use std::ops::ControlFlow;

/// A vector, and what it says of itself.
#[derive(Debug, PartialEq)]
pub struct EmbeddingRow {
    /// Where it stands in the file.
    pub place: Place,
    /// The book.
    pub book_id: String,
    /// Which of the book's passages, from 0.
    pub ordinal: Option<u32>,
    /// The hash of the text that it was made from.
    pub text_hash: Option<[u8; 16]>,
    /// The space that it lies in.
    pub space: Option<String>,
    /// The precision of the model that made it.
    pub precision: Option<String>,
    /// The vector, as it stands there.
    pub vector: Vec<f32>,
}

/// Reads rows from `input`, called `name` in messages, and hands each to `take`, or why it is none, until `take` breaks.
///
/// Columns are `book_id` (or `id`), `embedding` (or `vector`), and perhaps `passage` (from 1), `text_hash`, `space` and
/// `precision`. A vector is written `[0.1,…]`, `{0.1,…}`, or `\x` and its little-endian floats in hexadecimal; or it is
/// the row's one of `vectors`, where the rows have none of their own.
///
/// # Errors
/// What keeps the file from being read ([`Error::InputIsDirectory`], [`Error::Input`], [`Error::NoRecords`],
/// [`Error::NotText`]), and what `take` fails with.
pub fn each_embedding_row<E: From<Error>>(
    name: &str,
    input: &mut dyn Read,
    mut vectors: Option<NpyReader<'_>>,
    take: &mut dyn FnMut(Result<EmbeddingRow, Reject>) -> Result<ControlFlow<()>, E>,
) -> Result<(), E> {
    let source = Source::open(name, input, None)?;
    let mut reader: Box<dyn RecordReader<'_> + '_> = match source.format() {
        Format::Jsonl => Box::new(jsonl::Reader::new(source)),
        Format::Json => Box::new(json_list::Reader::new(source)),
        Format::Csv | Format::Tsv => Box::new(delimited::Reader::new(source)?),
        _ => {
            let detail = "embeddings are read from CSV, TSV and JSON Lines".to_owned();
            return Err(Error::NotText { name: name.to_owned(), detail }.into());
        }
    };
    loop {
        let step = reader.next()?;
        // A row that cannot be read has its vector too.
        let vector = match (&mut vectors, &step) {
            (Some(vectors), Step::Record(_) | Step::Rejected(_)) => Some(vectors.next_row()?),
            _ => None,
        };
        let row = match step {
            Step::Record(record) => row(record, vector.flatten()),
            Step::Rejected(reject) => Err(reject),
            Step::Deleted(_) => continue,
            Step::End => return Ok(()),
        };
        if take(row)?.is_break() {
            return Ok(());
        }
    }
}

fn row(record: RawRecord, given: Option<Vec<f32>>) -> Result<EmbeddingRow, Reject> {
    let place = record.place;
    let reject = |id: Option<&str>, reason| Reject { place, id: id.map(str::to_owned), field: None, reason };
    let (values, odd) = record.into_values();
    if let Some(reason) = odd {
        return Err(reject(None, reason));
    }
    let text_of = |value| match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    let values: HashMap<String, String> = values.map(|(name, value)| (name.to_lowercase(), text_of(value))).collect();
    let get = |names: &[&str]| names.iter().find_map(|&name| values.get(name)).map(|text| text.trim());
    // Ids are what they are, letter for letter.
    let book_id = ["book_id", "id"].iter().find_map(|&name| values.get(name)).filter(|id| !id.trim().is_empty());
    let book_id = book_id.ok_or_else(|| reject(None, "no book_id".to_owned()))?;
    let parsed = || -> Result<EmbeddingRow, String> {
        let ordinal = get(&["passage"]).map(ordinal).transpose()?;
        let text_hash = get(&["text_hash"]).map(hash).transpose()?;
        let vector = match &given {
            Some(given) => given.clone(),
            None => vector(get(&["embedding", "vector"]).ok_or("no embedding")?)?,
        };
        let (space, precision) = (get(&["space"]).map(str::to_owned), get(&["precision"]).map(str::to_owned));
        Ok(EmbeddingRow { place, book_id: book_id.clone(), ordinal, text_hash, space, precision, vector })
    };
    parsed().map_err(|reason| reject(Some(book_id), reason))
}

fn ordinal(text: &str) -> Result<u32, String> {
    let passage = text.parse::<u32>().ok().and_then(|passage| passage.checked_sub(1));
    passage.ok_or_else(|| format!("passage is `{text}`, which is not a number from 1"))
}

fn hash(text: &str) -> Result<[u8; 16], String> {
    let bytes = hexadecimal(text.strip_prefix("\\x").unwrap_or(text));
    let hash = bytes.and_then(|bytes| bytes.try_into().ok());
    hash.ok_or_else(|| format!("text_hash is `{text}`, not 32 hexadecimal digits"))
}

/// A vector in any of its notations.
pub(crate) fn vector(text: &str) -> Result<Vec<f32>, String> {
    if let Some(digits) = text.strip_prefix("\\x") {
        let bytes = hexadecimal(digits).ok_or("the embedding is not hexadecimal")?;
        let (numbers, []) = bytes.as_chunks::<4>() else {
            return Err("the embedding's bytes are not whole 32-bit floats".to_owned());
        };
        return Ok(numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect());
    }
    let list =
        [('[', ']'), ('{', '}')].into_iter().find_map(|(open, close)| text.strip_prefix(open)?.strip_suffix(close));
    let list = list.ok_or("the embedding is neither [0.1,…] nor {0.1,…} nor \\x…")?;
    let parsed = |text: &str| text.trim().parse().map_err(|_| format!("`{}` is not a number", text.trim()));
    let mut numbers = Vec::new();
    let mut rest = list;
    loop {
        let (number, length) = match decimal(rest.as_bytes()) {
            Some(found) => found,
            None => {
                let text = rest.split(',').next().unwrap_or_default();
                (parsed(text)?, text.len())
            }
        };
        numbers.push(number);
        match rest.get(length + 1..) {
            Some(behind) => rest = behind,
            None => return Ok(numbers),
        }
    }
}

/// The number that `text` begins with, up to a comma or the end, and its length in bytes: perhaps a space and a minus, then
/// digits, perhaps with a point. Most numbers are written so, and are read faster here than by `f32::from_str`, to the same
/// bits.
///
/// Digits and power of ten are exact in 64 bits, so their quotient is the nearest `f64` (Clinger 1990, "How to read floating
/// point numbers accurately"). What that rounds to is the nearest `f32`, unless it lies just between two: then there is no
/// answer, as there is none for other notations.
fn decimal(text: &[u8]) -> Option<(f32, usize)> {
    const POWERS: [f64; 23] = [
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
        1e20, 1e21, 1e22,
    ];
    const EXACT: u64 = 1 << f64::MANTISSA_DIGITS;
    const BITS_TO_ROUND: u64 = 1 << (f64::MANTISSA_DIGITS - f32::MANTISSA_DIGITS);
    let space = usize::from(text.starts_with(b" "));
    let is_negative = text.get(space) == Some(&b'-');
    let start = space + usize::from(is_negative);
    let (mut digits, mut point, mut at) = (0, None, start);
    loop {
        match text.get(at) {
            Some(digit @ b'0'..=b'9') if digits < EXACT / 10 => digits = 10 * digits + u64::from(digit - b'0'),
            Some(b'.') if point.is_none() => point = Some(at),
            Some(b',') | None => break,
            _ => return None,
        }
        at += 1;
    }
    if at - start == usize::from(point.is_some()) {
        return None;
    }
    let places = point.map_or(0, |point| at - point - 1);
    let quotient = digits as f64 / POWERS.get(places)?;
    let is_between = quotient.to_bits() % BITS_TO_ROUND == BITS_TO_ROUND / 2;
    let is_subnormal = digits != 0 && quotient < f64::from(f32::MIN_POSITIVE);
    let number = if is_negative { -quotient } else { quotient } as f32;
    (!is_between && !is_subnormal).then_some((number, at))
}

fn hexadecimal(digits: &str) -> Option<Vec<u8>> {
    let value = |digit: u8| char::from(digit).to_digit(16);
    let (pairs, []) = digits.as_bytes().as_chunks::<2>() else { return None };
    pairs.iter().map(|&[high, low]| Some((value(high)? << 4 | value(low)?) as u8)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_are_read_in_every_notation() {
        for text in ["[0.5,-2]", "{0.5,-2}", "[ 0.5 , -2.0e0 ]", "\\x0000003f000000c0"] {
            assert_eq!(vector(text), Ok(vec![0.5, -2.0]), "{text}");
        }
        for text in ["", "0.5,-2", "[0.5", "[]", "[0.5,]", "[a]", "\\x00", "\\x0000003", "{NULL}"] {
            assert!(vector(text).is_err(), "{text}");
        }
    }

    #[test]
    fn decimals_are_read_to_the_bits_that_the_standard_library_reads() {
        let mut texts: Vec<String> = [
            "0",
            "-0",
            "0.0",
            "5.",
            ".5",
            "-.5",
            "1",
            " 1.5",
            "123456789",
            "0.1",
            "16777217",
            "16777219",
            "33554434.5",
            "9007199254740993",
            "900719925474099.2",
            "0.0000000000000000000001",
            "0.00000000000000000000001",
            "0.000000059604644775390625",
            "8388608.5",
            "8388609.5",
            "1e3",
            "NaN",
            "inf",
            "+1",
            "--1",
            "1.2.3",
            "-",
            ".",
            "",
            "0,5",
            "1_0",
            "٣",
        ]
        .map(str::to_owned)
        .to_vec();
        let mut state = 1u64;
        for n in 0..100_000u32 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let number = f32::from_bits((state >> 32) as u32);
            texts.push(if n % 2 == 0 { number.to_string() } else { (number % 1.0).to_string() });
            // The middle between two numbers, and what is as near to it as an f64 can be.
            let middle = f64::midpoint(f64::from(number), f64::from(number.next_up()));
            texts.extend([middle, middle.next_up(), middle.next_down()].map(|number| number.to_string()));
        }
        let mut read = 0;
        for text in &texts {
            let Some((number, length)) = decimal(text.as_bytes()) else { continue };
            let first = text.split(',').next().expect("there is always a first");
            assert_eq!(length, first.len(), "{text}");
            assert_eq!(Ok(number.to_bits()), first.trim().parse().map(f32::to_bits), "{text}");
            read += 1;
        }
        assert!(read > 40_000, "{read} of {} texts were read the short way", texts.len());
    }

    #[test]
    fn rows_are_read_from_both_formats() {
        let expected = EmbeddingRow {
            place: Place::Line(2),
            book_id: "a \"b\"".to_owned(),
            ordinal: Some(1),
            text_hash: None,
            space: None,
            precision: Some("int8".to_owned()),
            vector: vec![0.5, -2.0],
        };
        let csv = "Book_ID,passage,precision,embedding\r\n\"a \"\"b\"\"\",2,int8,\"[0.5,-2]\"\r\n";
        let json = "\n{\"book_id\":\"a \\\"b\\\"\",\"passage\":2,\"precision\":\"int8\",\"embedding\":[0.5,-2]}\n";
        for text in [csv.to_owned(), csv.replace(',', "\t").replace("0.5\t", "0.5,"), json.to_owned()] {
            let mut rows = Vec::new();
            each_embedding_row("a file", &mut text.as_bytes(), None, &mut |row| {
                rows.push(row);
                Ok::<_, Error>(ControlFlow::Continue(()))
            })
            .expect(&text);
            assert_eq!(rows.len(), 1, "{text}");
            assert_eq!(rows.remove(0).as_ref(), Ok(&expected), "{text}");
        }
    }

    #[test]
    fn what_holds_no_rows_is_refused() {
        let error = each_embedding_row("a file", &mut &b"9780140449136\n9780451524935\n"[..], None, &mut |_| {
            Ok::<_, Error>(ControlFlow::Continue(()))
        });
        assert!(error.expect_err("a list of ISBNs").to_string().contains("CSV, TSV and JSON Lines"));
    }
}
