//! `libellus import embeddings`: vectors that were made elsewhere, by libellus or another program.
//!
//! A vector is taken only for the text that it was made from, and only by this model: a row tells both, or the user
//! vouches for them with `--trust`. Each row that cannot be used is reported; the rest is stored, batch by batch.

use crate::database::DatabaseArgs;
use crate::error::Error;
use crate::input::Input;
use crate::interrupt::Interrupt;
use crate::model::ModelArgs;
use crate::outcome::Outcome;
use crate::output;
use libellus_catalogue::{Access, Catalogue, NewEmbedding, PlacedPassage};
use libellus_encoder::Fingerprint;
use serde::Serialize;
use serde_json::Value;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  libellus import embeddings embeddings.csv
  libellus import embeddings --trust book_embeddings.csv    what COPY … TO … CSV HEADER wrote

CSV with a header, or JSON Lines; columns book_id (or id), embedding (or vector), and perhaps passage
(from 1), text_hash, space and precision, as `libellus export embeddings` writes them. A vector may be
written [0.1,…], {0.1,…}, or \\x and the bytes of little-endian floats in hexadecimal.

A row without text_hash or space does not say which text and which model its vector was made from:
it is taken only with --trust. Rows that do not fit are reported with line and reason.

Exit codes: 0 all loaded, 1 loaded but some rows were rejected, 2 nothing usable, 130 stopped.";

/// Rows in a batch: one transaction.
const BATCH: usize = 1000;
/// Rejects shown on standard error, and kept for `--json`.
const SHOWN: usize = 10;
const KEPT: usize = 10_000;
/// The longest row that is read, in bytes.
const MAX_ROW_BYTES: u64 = 1024 * 1024;
/// How far a vector's length may be from 1: what four decimals leave of a vector of our models.
const LENGTH_TOLERANCE: f64 = 2e-3;

/// What can be typed after `import embeddings`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The file; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Take rows that do not say so to be made from the present texts by this model
    #[arg(long)]
    trust: bool,
    /// Print JSON: rows read, stored and rejected
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    model: ModelArgs,
}

#[derive(Default, Serialize)]
struct Report {
    rows: u64,
    stored: u64,
    rejected: u64,
    /// The first of them.
    rejects: Vec<Reject>,
    interrupted: bool,
}

#[derive(Debug, PartialEq, Serialize)]
struct Reject {
    line: u64,
    reason: String,
}

/// A row as it was read, checked as far as that goes without the catalogue.
#[derive(Debug)]
struct Row {
    line: u64,
    book_id: String,
    ordinal: Option<u32>,
    text_hash: Option<[u8; 16]>,
    precision: String,
    vector: Vec<f32>,
}

/// Loads, and prints what was done.
pub fn run(args: &Args) -> Result<Outcome, Error> {
    let interrupt = Interrupt::listen()?;
    let input = Input::open(&args.file)?;
    let encoder = args.model.open()?;
    let catalogue = args.database.open_existing(Access::ReadWrite)?;
    let info = encoder.info();
    let checks = Checks { fingerprint: &info.fingerprint, dim: info.dim, trust: args.trust };
    let mut report = Report::default();
    let mut reader = Rows { name: input.name.clone(), input: BufReader::new(input.reader), line: 0, header: None };
    loop {
        let mut batch = Vec::with_capacity(BATCH);
        let is_end = loop {
            let Some((line, fields)) = reader.next_row()? else { break true };
            report.rows += 1;
            match fields.and_then(|fields| checks.row(line, fields)) {
                Ok(row) => batch.push(row),
                Err(reason) => report.reject(&input.name, line, reason),
            }
            if batch.len() == BATCH {
                break false;
            }
        };
        store(&catalogue, &checks, &batch, &input.name, &mut report)?;
        if is_end {
            break;
        }
        if interrupt.requested() {
            report.interrupted = true;
            break;
        }
    }
    if report.stored > 0 {
        catalogue.settle()?;
    }
    if args.json {
        output::print_json(&report)?;
    } else {
        let Report { rows, stored, rejected, .. } = report;
        output::print(&format!("{}: {rows} rows, {stored} stored, {rejected} rejected\n", input.name))?;
    }
    Ok(match report {
        Report { interrupted: true, .. } => Outcome::Interrupted,
        Report { stored: 0, .. } => Outcome::NothingUsable,
        Report { rejected: 0, .. } => Outcome::Done,
        _ => Outcome::WithRejects,
    })
}

impl Report {
    fn reject(&mut self, file: &str, line: u64, reason: String) {
        self.rejected += 1;
        match self.rejected {
            count if count <= SHOWN as u64 => {
                eprintln!("rejected: {}", output::plain(&format!("{file}, line {line}: {reason}")));
            }
            count if count == SHOWN as u64 + 1 => eprintln!("rejected: … and more; --json lists them"),
            _ => {}
        }
        if self.rejects.len() < KEPT {
            self.rejects.push(Reject { line, reason });
        }
    }
}

/// Stores what belongs to a passage, a transaction for each precision.
fn store(
    catalogue: &Catalogue,
    checks: &Checks<'_>,
    batch: &[Row],
    file: &str,
    report: &mut Report,
) -> Result<(), Error> {
    let ids: Vec<&str> = batch.iter().map(|row| row.book_id.as_str()).collect();
    let passages = catalogue.passages_of(&ids)?;
    let mut by_precision: HashMap<&str, Vec<NewEmbedding<'_>>> = HashMap::new();
    for row in batch {
        match passage_of(row, passages.get(&row.book_id).map(Vec::as_slice)) {
            Ok(PlacedPassage { passage_id, text_hash, .. }) => {
                let embedding = NewEmbedding { passage_id, text_hash, vector: &row.vector };
                by_precision.entry(&row.precision).or_default().push(embedding);
            }
            Err(reason) => report.reject(file, row.line, reason),
        }
    }
    for (precision, embeddings) in by_precision {
        report.stored += catalogue.put_embeddings(&checks.fingerprint.space, precision, &embeddings)?;
    }
    Ok(())
}

/// The passage that a row is about.
fn passage_of(row: &Row, passages: Option<&[PlacedPassage]>) -> Result<PlacedPassage, String> {
    let id = &row.book_id;
    let passages = passages.ok_or_else(|| format!("there is no book `{id}`"))?;
    let passage = match (row.ordinal, passages) {
        (None, [only]) => *only,
        (None, several) => {
            let count = several.len();
            return Err(format!("the book `{id}` has {count} passages, and the row does not say which; embed it anew"));
        }
        (Some(ordinal), _) => *passages
            .iter()
            .find(|passage| passage.ordinal == ordinal)
            .ok_or_else(|| format!("the book `{id}` has no passage {}", u64::from(ordinal) + 1))?,
    };
    match row.text_hash {
        Some(hash) if hash != passage.text_hash => {
            Err(format!("the vector was made from another text than the book `{id}` has now"))
        }
        _ => Ok(passage),
    }
}

/// What a row has to be.
struct Checks<'a> {
    fingerprint: &'a Fingerprint,
    dim: usize,
    trust: bool,
}

impl Checks<'_> {
    fn row(&self, line: u64, fields: HashMap<String, String>) -> Result<Row, String> {
        let field = |names: &[&str]| {
            names.iter().find_map(|&name| fields.get(name)).map(|text| text.trim()).filter(|text| !text.is_empty())
        };
        let book_id = field(&["book_id", "id"]).ok_or("no book_id")?.to_owned();
        let ordinal = match field(&["passage"]) {
            None => None,
            Some(text) => Some(
                text.parse::<u32>()
                    .ok()
                    .and_then(|passage| passage.checked_sub(1))
                    .ok_or_else(|| format!("passage is `{text}`, which is not a number from 1"))?,
            ),
        };
        let text_hash = match field(&["text_hash"]) {
            None => None,
            Some(text) => Some(hash(text).ok_or_else(|| format!("text_hash is `{text}`, not 32 hexadecimal digits"))?),
        };
        match field(&["space"]) {
            Some(space) if space != self.fingerprint.space => {
                let ours = &self.fingerprint.space;
                return Err(format!("the vector lies in the space {space}, the model's is {ours}"));
            }
            Some(_) if text_hash.is_some() => {}
            _ if self.trust => {}
            _ => return Err("the row does not say which text and model it was made from; see --trust".to_owned()),
        }
        let precision = field(&["precision"]).unwrap_or("f32").to_owned();
        if !["f32", "int8", "int8-words4"].contains(&precision.as_str()) {
            return Err(format!("the precision `{precision}` is not known"));
        }
        let vector = vector(field(&["embedding", "vector"]).ok_or("no embedding")?)?;
        self.vector(&vector)?;
        Ok(Row { line, book_id, ordinal, text_hash, precision, vector })
    }

    fn vector(&self, vector: &[f32]) -> Result<(), String> {
        if vector.len() != self.dim {
            return Err(format!("the vector has {} numbers, the model's have {}", vector.len(), self.dim));
        }
        if vector.iter().any(|number| !number.is_finite()) {
            return Err("the vector has a number that is not finite".to_owned());
        }
        let length = vector.iter().map(|&number| f64::from(number).powi(2)).sum::<f64>().sqrt();
        if (length - 1.0).abs() > LENGTH_TOLERANCE {
            return Err(format!("the vector is not normalised: its length is {length:.4}, not 1"));
        }
        Ok(())
    }
}

/// A vector in any of its notations.
fn vector(text: &str) -> Result<Vec<f32>, String> {
    if let Some(digits) = text.strip_prefix("\\x") {
        let bytes = hex(digits).ok_or("the embedding is not hexadecimal")?;
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

fn hash(text: &str) -> Option<[u8; 16]> {
    hex(text.strip_prefix("\\x").unwrap_or(text))?.try_into().ok()
}

fn hex(digits: &str) -> Option<Vec<u8>> {
    let value = |digit: u8| char::from(digit).to_digit(16);
    let (pairs, []) = digits.as_bytes().as_chunks::<2>() else { return None };
    pairs.iter().map(|&[high, low]| Some((value(high)? << 4 | value(low)?) as u8)).collect()
}

/// What a row holds, by column; or why it cannot be read.
type Fields = Result<HashMap<String, String>, String>;

/// Reads rows: of JSON Lines if the first begins with `{`, else of CSV.
struct Rows<R> {
    name: String,
    input: BufReader<R>,
    line: u64,
    /// The columns; `Some(None)` for JSON Lines.
    header: Option<Option<Vec<String>>>,
}

impl<R: Read> Rows<R> {
    fn next_row(&mut self) -> Result<Option<(u64, Fields)>, Error> {
        loop {
            let first = self.line + 1;
            let Some(mut text) = self.read_line()? else { return Ok(None) };
            if text.trim().is_empty() {
                continue;
            }
            let is_json = match &self.header {
                None => text.trim_start_matches('\u{feff}').starts_with('{'),
                Some(columns) => columns.is_none(),
            };
            if is_json {
                self.header = Some(None);
                return Ok(Some((first, json_fields(text.trim_start_matches('\u{feff}')))));
            }
            // A quoted field may hold line ends.
            while text.matches('"').count() % 2 == 1 {
                match self.read_line()? {
                    Some(more) => text.push_str(&more),
                    None => break,
                }
                if text.len() as u64 > MAX_ROW_BYTES {
                    return Err(self.too_long());
                }
            }
            let values = csv_values(text.trim_end_matches(['\r', '\n']));
            match &self.header {
                Some(Some(columns)) => {
                    let fields = if values.len() == columns.len() {
                        Ok(columns.iter().cloned().zip(values).collect())
                    } else {
                        Err(format!("the row has {} fields, the header {}", values.len(), columns.len()))
                    };
                    return Ok(Some((first, fields)));
                }
                _ => {
                    let name = |value: String| value.trim_start_matches('\u{feff}').trim().to_lowercase();
                    self.header = Some(Some(values.into_iter().map(name).collect()));
                }
            }
        }
    }

    fn read_line(&mut self) -> Result<Option<String>, Error> {
        let mut bytes = Vec::new();
        let read = self.input.by_ref().take(MAX_ROW_BYTES).read_until(b'\n', &mut bytes);
        let count = read.map_err(|source| Error::Input { name: self.name.clone(), source })?;
        if count == 0 {
            return Ok(None);
        }
        self.line += 1;
        if bytes.len() as u64 == MAX_ROW_BYTES {
            return Err(self.too_long());
        }
        String::from_utf8(bytes).map(Some).map_err(|error| Error::InvalidUtf8 {
            name: self.name.clone(),
            line: self.line,
            column: error.utf8_error().valid_up_to() + 1,
        })
    }

    fn too_long(&self) -> Error {
        Error::RowTooLong { name: self.name.clone(), line: self.line, limit: MAX_ROW_BYTES }
    }
}

fn json_fields(text: &str) -> Fields {
    let object: serde_json::Map<String, Value> =
        serde_json::from_str(text).map_err(|error| format!("not a JSON object: {error}"))?;
    let text_of = |value: Value| match value {
        Value::Null => String::new(),
        Value::String(text) => text,
        other => other.to_string(),
    };
    Ok(object.into_iter().map(|(name, value)| (name.to_lowercase(), text_of(value))).collect())
}

/// The fields of one CSV row.
fn csv_values(row: &str) -> Vec<String> {
    let mut values = vec![String::new()];
    let mut is_quoted = false;
    let mut characters = row.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if is_quoted && characters.next_if_eq(&'"').is_some() => push(&mut values, '"'),
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => values.push(String::new()),
            other => push(&mut values, other),
        }
    }
    values
}

fn push(values: &mut [String], character: char) {
    if let Some(last) = values.last_mut() {
        last.push(character);
    }
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
    fn rows_of_csv_are_split_at_commas_outside_quotes() {
        for (row, expected) in [
            ("a,\"[1,2]\",b", vec!["a", "[1,2]", "b"]),
            ("\"a \"\"b\"\"\",", vec!["a \"b\"", ""]),
            ("", vec![""]),
            ("\"two\nlines\",x", vec!["two\nlines", "x"]),
        ] {
            assert_eq!(csv_values(row), expected, "{row}");
        }
    }
}
