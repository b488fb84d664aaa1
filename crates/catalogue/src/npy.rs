//! The `.npy` format of NumPy, for one case: an array of little-endian floats of shape `(n, dim)`, row after row.
//!
//! Described in NumPy's `numpy.lib.format`: magic, version, header length, a Python dictionary padded
//! with spaces, then the numbers in C order.

use crate::Error;
use std::io::{ErrorKind, Read};

/// What every file begins with.
pub const MAGIC: &[u8; 6] = b"\x93NUMPY";

/// Length of the header that is written, always: a multiple of 64 that has room for any `n` and `dim`, so that it can
/// be written again in place when `n` is known.
pub const HEADER_BYTES: usize = 128;

/// The header of `n` vectors of `dim` floats.
#[must_use]
pub fn header(n: u64, dim: usize) -> [u8; HEADER_BYTES] {
    const PREFIX: [u8; 10] = *b"\x93NUMPY\x01\x00\x76\x00"; // 0x76: the 118 bytes after these 10
    let dictionary = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({n}, {dim}), }}");
    let mut header = [b' '; HEADER_BYTES];
    header[..PREFIX.len()].copy_from_slice(&PREFIX);
    header[PREFIX.len()..PREFIX.len() + dictionary.len()].copy_from_slice(dictionary.as_bytes());
    header[HEADER_BYTES - 1] = b'\n';
    header
}

/// The widest row that is read; no model's vectors are as wide.
const MAX_DIM: usize = 1 << 16;
/// The longest header that is read.
const MAX_HEADER: usize = 1 << 16;

/// Reads rows, one at a time.
pub struct NpyReader<'a> {
    name: String,
    input: &'a mut dyn Read,
    /// Bytes of a number: 4 or 8.
    width: usize,
    dim: usize,
    rows: u64,
    read: u64,
    buffer: Vec<u8>,
}

impl<'a> NpyReader<'a> {
    /// Reads the header; `name` is used in messages.
    ///
    /// # Errors
    /// [`Error::NotVectors`] if it is not such an array, [`Error::Input`].
    pub fn open(name: &str, input: &'a mut dyn Read) -> Result<Self, Error> {
        let mut reader = Self { name: name.to_owned(), input, width: 4, dim: 0, rows: 0, read: 0, buffer: Vec::new() };
        let start = reader.bytes(8)?.to_vec();
        if &start[..6] != MAGIC {
            return Err(reader.refused("it does not begin as an array of NumPy does"));
        }
        let length = match start[6] {
            1 => reader.bytes(2)?.iter().rev().fold(0, |length, &byte| length << 8 | usize::from(byte)),
            2 | 3 => reader.bytes(4)?.iter().rev().fold(0, |length, &byte| length << 8 | usize::from(byte)),
            version => return Err(reader.refused(&format!("version {version} of the format is not known"))),
        };
        if length > MAX_HEADER {
            return Err(reader.refused("its header is far too long"));
        }
        let header = String::from_utf8_lossy(reader.bytes(length)?).into_owned();
        let value = |key: &str| header.split_once(&format!("'{key}':")).map(|(_, rest)| rest.trim_start());
        reader.width = match value("descr") {
            Some(kind) if kind.starts_with("'<f4'") => 4,
            Some(kind) if kind.starts_with("'<f8'") => 8,
            _ => return Err(reader.refused("its numbers are not little-endian floats: save it with `.astype('<f4')`")),
        };
        if !value("fortran_order").is_some_and(|order| order.starts_with("False")) {
            return Err(reader.refused("its columns come first: save it with `numpy.ascontiguousarray`"));
        }
        let shape = value("shape").and_then(|shape| shape.strip_prefix('(')?.split_once(')')).map(|(shape, _)| shape);
        let numbers: Option<Vec<u64>> =
            shape.map(|shape| shape.split(',').filter_map(|number| number.trim().parse().ok()).collect());
        match numbers.as_deref() {
            Some(&[rows, dim]) if (1..=MAX_DIM as u64).contains(&dim) => {
                (reader.rows, reader.dim) = (rows, dim as usize);
                Ok(reader)
            }
            _ => Err(reader.refused("its shape is not (vectors, numbers in each)")),
        }
    }

    /// How many rows there should be.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The next row; `None` behind the last.
    ///
    /// # Errors
    /// [`Error::NotVectors`] if the file is cut, [`Error::Input`].
    pub fn next_row(&mut self) -> Result<Option<Vec<f32>>, Error> {
        if self.read == self.rows {
            return Ok(None);
        }
        let width = self.width;
        let bytes = self.bytes(self.dim * width)?;
        let row = match width {
            4 => bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect(),
            _ => bytes.as_chunks::<8>().0.iter().map(|bytes| f64::from_le_bytes(*bytes) as f32).collect(),
        };
        self.read += 1;
        Ok(Some(row))
    }

    fn bytes(&mut self, length: usize) -> Result<&[u8], Error> {
        self.buffer.resize(length, 0);
        match self.input.read_exact(&mut self.buffer) {
            Ok(()) => Ok(&self.buffer),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                Err(self.refused(&format!("it is cut: {} of {} vectors are whole", self.read, self.rows)))
            }
            Err(source) => Err(Error::Input { name: self.name.clone(), offset: 0, source }),
        }
    }

    fn refused(&self, detail: &str) -> Error {
        Error::NotVectors { name: self.name.clone(), detail: detail.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_have_room_for_the_largest_shape() {
        for (n, dim) in [(0, 384), (3, 1), (u64::MAX, usize::MAX)] {
            let header = header(n, dim);
            assert_eq!(usize::from(u16::from_le_bytes([header[8], header[9]])), HEADER_BYTES - 10);
            let text = std::str::from_utf8(&header[10..]).expect("ASCII");
            assert!(text.contains(&format!("'shape': ({n}, {dim}), }}")) && text.ends_with('\n'), "{text}");
        }
    }

    /// A file as NumPy itself writes it.
    fn file(version: &[u8], dictionary: &str, numbers: &[u8]) -> Vec<u8> {
        [b"\x93NUMPY", version, dictionary.as_bytes(), numbers].concat()
    }

    #[test]
    fn arrays_are_read_row_by_row() {
        let floats: Vec<u8> = [0.5f32, -2.0, 1.0, 0.25].iter().flat_map(|number| number.to_le_bytes()).collect();
        let doubles: Vec<u8> = [0.5f64, -2.0, 1.0, 0.25].iter().flat_map(|number| number.to_le_bytes()).collect();
        let ours = [&header(2, 2)[..], &floats].concat();
        let theirs = "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 2), }\n";
        let length = theirs.len() as u8;
        for bytes in
            [ours, file(&[2, 0, length, 0, 0, 0], theirs, &doubles), file(&[1, 0, length, 0], theirs, &doubles)]
        {
            let mut input = &bytes[..];
            let mut reader = NpyReader::open("x.npy", &mut input).expect("opens");
            assert_eq!(reader.next_row().expect("reads"), Some(vec![0.5, -2.0]));
            assert_eq!(reader.next_row().expect("reads"), Some(vec![1.0, 0.25]));
            assert_eq!(reader.next_row().expect("reads"), None);
        }
    }

    #[test]
    fn what_is_no_such_array_is_refused_with_a_reason() {
        let with = |dictionary: &str| file(&[1, 0, dictionary.len() as u8, 0], dictionary, &[0; 8]);
        for (bytes, part) in [
            (b"title\nDune\n".to_vec(), "does not begin"),
            (b"\x93NUM".to_vec(), "it is cut"),
            (file(&[9, 0, 0, 0], "", b""), "version 9"),
            (with("{'descr': '<i8', 'fortran_order': False, 'shape': (1, 1), }"), "not little-endian floats"),
            (with("{'descr': '<f4', 'fortran_order': True, 'shape': (1, 1), }"), "columns come first"),
            (with("{'descr': '<f4', 'fortran_order': False, 'shape': (4,), }"), "its shape"),
            (with("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 99999999), }"), "its shape"),
            (with("{'descr': '<f4', 'fortran_order': False, 'shape': (9, 2), }"), "it is cut: 1 of 9"),
        ] {
            let mut input = &bytes[..];
            let read = NpyReader::open("x.npy", &mut input).and_then(|mut reader| {
                while reader.next_row()?.is_some() {}
                Ok(())
            });
            let error = read.expect_err(part).to_string();
            assert!(error.contains("`x.npy`") && error.contains(part), "{error}");
        }
    }
}
