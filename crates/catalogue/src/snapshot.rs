//! A snapshot: a whole catalogue in one file, whatever kept it, with embeddings and all.
//!
//! The file begins with [`MAGIC`], whose last character is the version. Then come frames: a letter, the length of its
//! content in four bytes (little-endian, like all numbers), and the content. `B` is a book, `P` a passage, `E` an
//! embedding, `R` what a space is for, `A` what was measured of embeddings, in this order; a text is its length and its
//! bytes. The last frame, `Z`, holds the counts of the first three and the SHA-256 of all bytes before it. So a file that
//! was cut or damaged is known, and one that is whole too.
//!
//! It is written from one consistent state while others go on writing, and read in one transaction: all or nothing.

use crate::store::{BookRow, DumpRow, DumpedAgreement, DumpedEmbedding, DumpedPassage, PassageRow};
use crate::{Catalogue, Error, ModelSpace};
use sha2::{Digest, Sha256};
use std::io::{self, ErrorKind, Read, Write};

const MAGIC: &[u8; 20] = b"libellus snapshot 1\n";

/// The longest content of a frame; a longer one is damage.
const MAX_FRAME: usize = 64 << 20;

/// What a snapshot holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct SnapshotCounts {
    /// Books.
    pub books: u64,
    /// Passages.
    pub passages: u64,
    /// Embeddings, of all spaces.
    pub embeddings: u64,
}

/// Writes everything that the catalogue holds at this moment; `name` is used in messages.
///
/// # Errors
/// [`Error::Output`], and those of reading, as [`Catalogue::each_book`]; what was written so far is no snapshot, and is
/// known as none.
pub fn write_snapshot(name: &str, catalogue: &Catalogue, output: &mut dyn Write) -> Result<SnapshotCounts, Error> {
    let failed = |source| Error::Output { name: name.to_owned(), source };
    let mut writer = Hashing { inner: output, hash: Sha256::new() };
    let mut counts = SnapshotCounts::default();
    writer.write_all(MAGIC).map_err(failed)?;
    let mut frame = Vec::new();
    catalogue.dump(&mut |row| {
        frame.clear();
        let letter = counts.encode(&row, &mut frame);
        writer.frame(letter, &frame).map_err(failed)
    })?;
    let end = counts.as_bytes(&writer.hash.clone().finalize());
    writer.frame(b'Z', &end).and_then(|()| writer.flush()).map_err(failed)?;
    Ok(counts)
}

/// Reads a snapshot to its end, and says what it holds.
///
/// # Errors
/// [`Error::Snapshot`] if it is none, or not whole; `name` is used in messages.
pub fn check_snapshot(name: &str, input: &mut dyn Read) -> Result<SnapshotCounts, Error> {
    let mut reader = Reader::open(name, input)?;
    while reader.next()?.is_some() {}
    Ok(reader.counts)
}

/// Makes the catalogue what a snapshot holds, in one transaction: if anything is wrong, nothing is changed.
///
/// # Errors
/// [`Error::Snapshot`] as [`check_snapshot`]; [`Error::NotEmpty`] if the catalogue has books, unless they are to be
/// replaced; and those of writing, as [`Catalogue::put_books`].
pub fn restore_snapshot(
    name: &str,
    input: &mut dyn Read,
    catalogue: &Catalogue,
    replace: bool,
) -> Result<SnapshotCounts, Error> {
    let mut reader = Reader::open(name, input)?;
    match catalogue.restore(replace, &mut || reader.next()) {
        // A store knows what is wrong with a row, but not where the row came from.
        Err(Error::Snapshot { reason, .. }) => Err(Error::Snapshot { name: name.to_owned(), reason }),
        restored => restored.map(|()| reader.counts),
    }
}

/// Hashes what passes through.
struct Hashing<T> {
    inner: T,
    hash: Sha256,
}

impl Hashing<&mut dyn Write> {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.update(bytes);
        self.inner.write_all(bytes)
    }

    fn frame(&mut self, letter: u8, content: &[u8]) -> io::Result<()> {
        let length = u32::try_from(content.len()).ok().filter(|&length| length as usize <= MAX_FRAME);
        let length = length.ok_or_else(|| io::Error::new(ErrorKind::InvalidData, "a record is larger than 64 MiB"))?;
        self.write_all(&[letter])?;
        self.write_all(&length.to_le_bytes())?;
        self.write_all(content)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl SnapshotCounts {
    /// Counts a row, and writes its content; gives the letter of its frame.
    fn encode(&mut self, row: &DumpRow, frame: &mut Vec<u8>) -> u8 {
        match row {
            DumpRow::Book(rowid, book) => {
                self.books += 1;
                frame.extend(rowid.to_le_bytes());
                let texts = [&book.id, &book.title, &book.authors, &book.isbns, &book.subjects, &book.extra];
                texts.into_iter().for_each(|text| put_text(frame, text));
                frame.extend(book.year.map_or(i64::MIN, i64::from).to_le_bytes());
                for text in [&book.subtitle, &book.publisher, &book.language, &book.audience, &book.description] {
                    frame.push(u8::from(text.is_some()));
                    put_text(frame, text.as_deref().unwrap_or_default());
                }
                b'B'
            }
            DumpRow::Passage(DumpedPassage { id, book_rowid, passage }) => {
                self.passages += 1;
                frame.extend(id.to_le_bytes());
                frame.extend(book_rowid.to_le_bytes());
                frame.extend(passage.ordinal.to_le_bytes());
                frame.extend(passage.text_hash);
                put_text(frame, &passage.context);
                put_text(frame, &passage.text);
                b'P'
            }
            DumpRow::Embedding(DumpedEmbedding { passage_id, space, precision, text_hash, vector }) => {
                self.embeddings += 1;
                frame.extend(passage_id.to_le_bytes());
                frame.extend(text_hash);
                put_text(frame, space);
                put_text(frame, precision);
                frame.extend((vector.len() as u32).to_le_bytes());
                frame.extend(vector);
                b'E'
            }
            DumpRow::Role(role, ModelSpace { space, model }) => {
                [role, space, model].into_iter().for_each(|text| put_text(frame, text));
                b'R'
            }
            DumpRow::Agreement(DumpedAgreement { space, precision, measured }) => {
                [space, precision, measured].into_iter().for_each(|text| put_text(frame, text));
                b'A'
            }
        }
    }

    fn as_bytes(self, hash: &[u8]) -> Vec<u8> {
        let counts = [self.books, self.passages, self.embeddings].into_iter().flat_map(u64::to_le_bytes);
        counts.chain(hash.iter().copied()).collect()
    }
}

fn put_text(frame: &mut Vec<u8>, text: &str) {
    frame.extend((text.len() as u32).to_le_bytes());
    frame.extend(text.as_bytes());
}

/// Reads frames, and checks what can be checked of each.
struct Reader<'a> {
    name: &'a str,
    input: Hashing<&'a mut dyn Read>,
    offset: u64,
    counts: SnapshotCounts,
    /// Which kind of row came last.
    stage: u8,
    frame: Vec<u8>,
    ended: bool,
}

impl<'a> Reader<'a> {
    fn open(name: &'a str, input: &'a mut dyn Read) -> Result<Self, Error> {
        let mut reader = Self {
            name,
            input: Hashing { inner: input, hash: Sha256::new() },
            offset: 0,
            counts: SnapshotCounts::default(),
            stage: 0,
            frame: Vec::new(),
            ended: false,
        };
        let mut magic = [0; MAGIC.len()];
        let length = reader.fill(&mut magic)?;
        let (known, version) = (&MAGIC[..18], &magic[18..]);
        if length < magic.len() || &magic[..18] != known {
            return Err(reader.bad("it is not a snapshot of libellus", None));
        }
        if version != &MAGIC[18..] {
            return Err(reader.bad("it was written by a newer libellus; update this one", None));
        }
        Ok(reader)
    }

    fn next(&mut self) -> Result<Option<DumpRow>, Error> {
        if self.ended {
            return Ok(None);
        }
        let before = self.input.hash.clone();
        let mut head = [0; 5];
        self.read(&mut head)?;
        let (letter, length) = (head[0], u32::from_le_bytes([head[1], head[2], head[3], head[4]]) as usize);
        let stage = b"BPERAZ".iter().position(|&known| known == letter).map(|at| at as u8);
        let Some(stage) = stage.filter(|&stage| stage >= self.stage && length <= MAX_FRAME) else {
            return Err(self.damaged());
        };
        self.stage = stage;
        let mut frame = std::mem::take(&mut self.frame);
        frame.resize(length, 0);
        self.read(&mut frame)?;
        let mut content = Content(&frame);
        let row = match letter {
            b'B' => content.book().map(|(rowid, book)| DumpRow::Book(rowid, book)),
            b'P' => content.passage().map(DumpRow::Passage),
            b'E' => content.embedding().map(DumpRow::Embedding),
            b'R' => content.role(),
            b'A' => content.agreement(),
            _ => {
                let whole = frame == self.counts.as_bytes(&before.finalize());
                return if whole && self.is_at_end()? { self.end() } else { Err(self.damaged()) };
            }
        };
        match (row, content.0.is_empty(), letter) {
            (Some(row), true, letter) => {
                match letter {
                    b'B' => self.counts.books += 1,
                    b'P' => self.counts.passages += 1,
                    b'E' => self.counts.embeddings += 1,
                    _ => {}
                }
                self.frame = frame;
                Ok(Some(row))
            }
            _ => Err(self.damaged()),
        }
    }

    fn end(&mut self) -> Result<Option<DumpRow>, Error> {
        self.ended = true;
        Ok(None)
    }

    fn is_at_end(&mut self) -> Result<bool, Error> {
        Ok(self.fill(&mut [0])? == 0)
    }

    /// Reads as much as there is.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        let mut length = 0;
        while length < buffer.len() {
            match self.input.inner.read(&mut buffer[length..]) {
                Ok(0) => break,
                Ok(read) => length += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(source) => {
                    let (name, offset) = (self.name.to_owned(), self.offset);
                    return Err(Error::Input { name, offset, source });
                }
            }
        }
        self.input.hash.update(&buffer[..length]);
        self.offset += length as u64;
        Ok(length)
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<(), Error> {
        match self.fill(buffer)? {
            length if length == buffer.len() => Ok(()),
            _ => Err(self.bad("it is cut: its end is missing", Some(self.offset))),
        }
    }

    fn damaged(&self) -> Error {
        self.bad("it is damaged: its content and its checksum do not fit", Some(self.offset))
    }

    fn bad(&self, what: &str, offset: Option<u64>) -> Error {
        let place = offset.map(|offset| format!(" (found at byte {offset})")).unwrap_or_default();
        Error::Snapshot { name: self.name.to_owned(), reason: format!("{what}{place}") }
    }
}

/// What is left of a frame's content.
struct Content<'f>(&'f [u8]);

impl<'f> Content<'f> {
    fn bytes(&mut self, length: usize) -> Option<&'f [u8]> {
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes(N)?.try_into().ok()
    }

    fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn text(&mut self) -> Option<String> {
        let length = self.u32()? as usize;
        String::from_utf8(self.bytes(length)?.to_vec()).ok()
    }

    fn optional_text(&mut self) -> Option<Option<String>> {
        let is_some = self.array::<1>()? == [1];
        let text = self.text()?;
        Some(is_some.then_some(text))
    }

    fn book(&mut self) -> Option<(i64, BookRow)> {
        let rowid = self.i64()?;
        let (id, title, authors) = (self.text()?, self.text()?, self.text()?);
        let (isbns, subjects, extra) = (self.text()?, self.text()?, self.text()?);
        let year = match self.i64()? {
            i64::MIN => None,
            year => Some(i32::try_from(year).ok()?),
        };
        let (subtitle, publisher, language) = (self.optional_text()?, self.optional_text()?, self.optional_text()?);
        let (audience, description) = (self.optional_text()?, self.optional_text()?);
        let book = BookRow {
            id,
            title,
            subtitle,
            authors,
            isbns,
            publisher,
            year,
            language,
            subjects,
            audience,
            description,
            extra,
        };
        Some((rowid, book))
    }

    fn passage(&mut self) -> Option<DumpedPassage> {
        let (id, book_rowid) = (self.i64()?, self.i64()?);
        let (ordinal, text_hash) = (self.u32()?, self.array()?);
        let (context, text) = (self.text()?, self.text()?);
        Some(DumpedPassage { id, book_rowid, passage: PassageRow { ordinal, context, text, text_hash } })
    }

    fn embedding(&mut self) -> Option<DumpedEmbedding> {
        let (passage_id, text_hash) = (self.i64()?, self.array()?);
        let (space, precision) = (self.text()?, self.text()?);
        let length = self.u32()? as usize;
        let vector = self.bytes(length)?.to_vec();
        Some(DumpedEmbedding { passage_id, space, precision, text_hash, vector })
    }

    fn role(&mut self) -> Option<DumpRow> {
        Some(DumpRow::Role(self.text()?, ModelSpace { space: self.text()?, model: self.text()? }))
    }

    fn agreement(&mut self) -> Option<DumpRow> {
        let (space, precision, measured) = (self.text()?, self.text()?, self.text()?);
        Some(DumpRow::Agreement(DumpedAgreement { space, precision, measured }))
    }
}
