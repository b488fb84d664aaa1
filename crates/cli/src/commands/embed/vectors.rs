//! Writing vectors: JSON Lines, CSV for pgvector, or a NumPy array.
//!
//! Floats are written in the shortest form that reads back as the same float.

use crate::error::Error;
use clap::ValueEnum;
use libellus_catalogue::export::csv_field;
use libellus_catalogue::npy;
use libellus_encoder::Encoded;
use serde::Serialize;
use serde_json::Value;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::Path;

/// How vectors are written.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum Format {
    /// One JSON object per text
    #[default]
    Jsonl,
    /// A NumPy array
    Npy,
    /// `id,embedding`, as pgvector's COPY reads it
    Csv,
}

/// A line of JSON Lines.
#[derive(Serialize)]
struct Line<'a> {
    id: &'a Value,
    embedding: &'a [f32],
    tokens: usize,
    truncated: bool,
}

/// Writes vectors in one format to one place.
pub struct VectorWriter {
    name: String,
    output: BufWriter<Output>,
    layout: Layout,
}

enum Layout {
    Jsonl,
    Csv,
    Npy(Npy),
}

/// An array that is being written: its header needs the number of vectors, which comes last.
struct Npy {
    dim: usize,
    vectors: u64,
    /// The numbers, held back until the header can be written, if the output cannot seek.
    held: Option<Vec<u8>>,
}

enum Output {
    Stdout(io::Stdout),
    File(File),
}

impl VectorWriter {
    /// Opens the output, and writes what comes before the first vector.
    pub fn create(path: &Path, format: Format, dim: usize) -> Result<Self, Error> {
        let (name, output) = if path == Path::new("-") {
            ("standard output".to_owned(), Output::Stdout(io::stdout()))
        } else {
            let name = path.display().to_string();
            match File::create(path) {
                Ok(file) => (name, Output::File(file)),
                Err(source) => return Err(Error::Output { name, source }),
            }
        };
        let layout = match format {
            Format::Jsonl => Layout::Jsonl,
            Format::Csv => Layout::Csv,
            Format::Npy => Layout::Npy(Npy { dim, vectors: 0, held: (!output.can_seek()).then(Vec::new) }),
        };
        let mut writer = Self { name, output: BufWriter::new(output), layout };
        writer.write_start().map_err(|source| writer.failed(source))?;
        Ok(writer)
    }

    /// Writes the vector of one text.
    pub fn write(&mut self, id: &Value, encoded: &Encoded) -> Result<(), Error> {
        self.write_vector(id, encoded).map_err(|source| self.failed(source))
    }

    /// Writes what comes after the last vector, and makes sure that all of it got there.
    pub fn finish(mut self) -> Result<(), Error> {
        self.write_end().map_err(|source| self.failed(source))
    }

    fn failed(&self, source: io::Error) -> Error {
        Error::Output { name: self.name.clone(), source }
    }

    fn write_start(&mut self) -> io::Result<()> {
        match &self.layout {
            Layout::Jsonl => Ok(()),
            Layout::Csv => self.output.write_all(b"id,embedding\n"),
            Layout::Npy(Npy { held: Some(_), .. }) => Ok(()),
            Layout::Npy(Npy { dim, .. }) => self.output.write_all(&npy::header(0, *dim)),
        }
    }

    fn write_vector(&mut self, id: &Value, encoded: &Encoded) -> io::Result<()> {
        match &mut self.layout {
            Layout::Jsonl => {
                let line = Line {
                    id,
                    embedding: &encoded.vector,
                    tokens: encoded.tokens.seen,
                    truncated: encoded.tokens.is_truncated(),
                };
                serde_json::to_writer(&mut self.output, &line)?;
                self.output.write_all(b"\n")
            }
            Layout::Csv => self.output.write_all(csv_line(id, &encoded.vector).as_bytes()),
            Layout::Npy(npy) => {
                npy.vectors += 1;
                let bytes = encoded.vector.iter().flat_map(|value| value.to_le_bytes());
                match &mut npy.held {
                    Some(held) => held.extend(bytes),
                    None => self.output.write_all(&bytes.collect::<Vec<u8>>())?,
                }
                Ok(())
            }
        }
    }

    fn write_end(&mut self) -> io::Result<()> {
        if let Layout::Npy(npy) = &self.layout {
            let header = npy::header(npy.vectors, npy.dim);
            match &npy.held {
                Some(held) => {
                    self.output.write_all(&header)?;
                    self.output.write_all(held)?;
                }
                None => {
                    self.output.flush()?;
                    self.output.get_mut().write_at_start(&header)?;
                }
            }
        }
        self.output.flush()
    }
}

impl Output {
    /// Only a file of our own: standard output may be a file that was opened for appending.
    fn can_seek(&self) -> bool {
        matches!(self, Output::File(file) if file.metadata().is_ok_and(|metadata| metadata.is_file()))
    }

    fn write_at_start(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Output::File(file) => {
                file.seek(SeekFrom::Start(0))?;
                file.write_all(bytes)
            }
            Output::Stdout(_) => Err(io::ErrorKind::NotSeekable.into()),
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Output::Stdout(stdout) => stdout.write(bytes),
            Output::File(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Output::Stdout(stdout) => stdout.flush(),
            Output::File(file) => file.flush(),
        }
    }
}

/// `id,"[0.1,…]"`; an id that is a string goes without JSON's quotes.
fn csv_line(id: &Value, vector: &[f32]) -> String {
    let id = id.as_str().map_or_else(|| id.to_string(), str::to_owned);
    let mut line = format!("{},\"[", csv_field(&id));
    for (i, value) in vector.iter().enumerate() {
        // Writing to a string cannot fail.
        let _ = write!(line, "{}{value}", if i == 0 { "" } else { "," });
    }
    line.push_str("]\"\n");
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use libellus_encoder::TokenCount;

    fn written(format: Format, vectors: &[(&str, Vec<f32>)]) -> Vec<u8> {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("vectors");
        let dim = vectors.first().map_or(2, |(_, vector)| vector.len());
        let mut writer = VectorWriter::create(&path, format, dim).expect("a file");
        for (id, vector) in vectors {
            let encoded = Encoded { vector: vector.clone(), tokens: TokenCount { seen: 300, used: 256 } };
            writer.write(&Value::from(*id), &encoded).expect("room");
        }
        writer.finish().expect("room");
        std::fs::read(path).expect("the file")
    }

    #[test]
    fn every_format_keeps_every_bit() {
        let values = vec![0.1, -0.0, 1.0 / 3.0, f32::MIN_POSITIVE, -1e-20, 16_777_216.0];
        let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        let vectors = [("a,b", values.clone())];

        let npy = written(Format::Npy, &vectors);
        assert_eq!(npy[..npy::HEADER_BYTES], npy::header(1, values.len()));
        let (floats, []) = npy[npy::HEADER_BYTES..].as_chunks::<4>() else { panic!("whole floats") };
        assert_eq!(bits(&floats.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect::<Vec<_>>()), bits(&values));

        let csv = String::from_utf8(written(Format::Csv, &vectors)).expect("text");
        let list = csv.strip_prefix("id,embedding\n\"a,b\",\"[").and_then(|rest| rest.strip_suffix("]\"\n"));
        let parsed: Vec<f32> = list.expect("one line").split(',').map(|v| v.parse().expect("a float")).collect();
        assert_eq!(bits(&parsed), bits(&values));

        let line: Value = serde_json::from_slice(&written(Format::Jsonl, &vectors)).expect("JSON");
        assert_eq!((&line["id"], &line["tokens"], &line["truncated"]), (&"a,b".into(), &300.into(), &true.into()));
        let parsed: Vec<f32> = serde_json::from_value(line["embedding"].clone()).expect("floats");
        assert_eq!(bits(&parsed), bits(&values));
    }

    #[test]
    fn no_texts_are_a_whole_file_too() {
        assert_eq!(written(Format::Npy, &[]), npy::header(0, 2));
        assert_eq!(written(Format::Csv, &[]), b"id,embedding\n");
        assert_eq!(written(Format::Jsonl, &[]), b"");
    }
}
