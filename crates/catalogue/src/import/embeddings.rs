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
    let number = |text: &str| text.trim().parse().map_err(|_| format!("`{}` is not a number", text.trim()));
    list.split(',').map(number).collect()
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
