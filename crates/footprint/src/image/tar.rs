//! Tar, one entry at a time: what images are made of.
//!
//! Read are ustar, GNU's long names and sparse files (0.0, 0.1 and 1.0 of PAX as well), PAX's `path`, `linkpath` and `size`,
//! and numbers in base 256. Nothing is written anywhere, so a path that climbs out of the archive is only a name; it is
//! reported by who reads it.

use std::collections::BTreeMap;
use std::io::{self, Read};

const BLOCK: usize = 512;
/// Longest name, or list of attributes, that is read.
const MAX_HEADER_BYTES: u64 = 1 << 20;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// Another name for a file.
    HardLink,
    /// A symbolic link.
    Symlink,
    /// A directory.
    Directory,
    /// A device or a pipe.
    Other,
}

/// An entry.
#[derive(Clone, Debug)]
pub struct Entry {
    /// As it is written.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: EntryKind,
    /// Where a link leads.
    pub link: Vec<u8>,
    /// Bytes that a reader of the file gets.
    pub size: u64,
    /// Bytes that the archive holds for it.
    pub stored: u64,
}

/// Reads an archive from the front.
pub struct Tar<R> {
    input: R,
    /// Bytes of the present entry that have not been read.
    left: u64,
    /// Zeros that follow them, up to a whole block.
    padding: u64,
    /// PAX's attributes for all that follows.
    global: BTreeMap<String, Vec<u8>>,
    ended: bool,
}

impl<R: Read> Tar<R> {
    /// An archive.
    pub fn new(input: R) -> Self {
        Self { input, left: 0, padding: 0, global: BTreeMap::new(), ended: false }
    }

    /// What is read from.
    pub fn get_mut(&mut self) -> &mut R {
        &mut self.input
    }

    /// Bytes of the present entry that have not been read; after an error, those that are not there.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// Bytes that are left of the present entry, padding included, for who can jump over them; they count as read.
    pub fn forget_rest(&mut self) -> u64 {
        let rest = self.left + self.padding;
        (self.left, self.padding) = (0, 0);
        rest
    }

    /// The next entry; what was not read of the one before is passed over.
    ///
    /// # Errors
    /// If the archive is damaged, or ends in the midst of an entry.
    pub fn next_entry(&mut self) -> io::Result<Option<Entry>> {
        let (mut long_name, mut long_link, mut pax) = (None, None, self.global.clone());
        loop {
            self.skip_rest()?;
            let Some(header) = self.header()? else { return Ok(None) };
            let size = number(&header[124..136])?;
            self.left = size;
            self.padding = size.next_multiple_of(BLOCK as u64) - size;
            match header[156] {
                b'L' => long_name = Some(trimmed(self.small()?)),
                b'K' => long_link = Some(trimmed(self.small()?)),
                b'x' => pax.extend(attributes(&self.small()?)?),
                b'g' => {
                    let found = attributes(&self.small()?)?;
                    self.global.extend(found.clone());
                    pax.extend(found);
                }
                kind => return self.entry(&header, kind, long_name, long_link, &pax).map(Some),
            }
        }
    }

    fn entry(
        &mut self,
        header: &[u8; BLOCK],
        kind: u8,
        long_name: Option<Vec<u8>>,
        long_link: Option<Vec<u8>>,
        pax: &BTreeMap<String, Vec<u8>>,
    ) -> io::Result<Entry> {
        if let Some(size) = pax.get("size").map(|value| decimal(value)).transpose()? {
            self.left = size;
            self.padding =
                size.checked_next_multiple_of(BLOCK as u64).ok_or_else(|| bad("a size beyond all files"))? - size;
        }
        let stored = self.left;
        let mut size = stored;
        let mut path = pax.get("path").cloned().or(long_name).unwrap_or_else(|| name_of(header));
        if kind == b'S' {
            size = self.gnu_sparse(header)?;
        } else if let Some(real) = pax.get("GNU.sparse.realsize").or_else(|| pax.get("GNU.sparse.size")) {
            size = decimal(real)?;
            path = pax.get("GNU.sparse.name").cloned().unwrap_or(path);
        }
        let is_directory = kind == b'5' || (matches!(kind, 0 | b'0') && path.ends_with(b"/"));
        let kind = match kind {
            _ if is_directory => EntryKind::Directory,
            0 | b'0' | b'7' | b'S' => EntryKind::File,
            b'1' => EntryKind::HardLink,
            b'2' => EntryKind::Symlink,
            _ => EntryKind::Other,
        };
        let link = pax.get("linkpath").cloned().or(long_link).unwrap_or_else(|| trimmed(header[157..257].to_vec()));
        let is_file = kind == EntryKind::File;
        Ok(Entry { path, kind, link, size: if is_file { size } else { 0 }, stored: if is_file { stored } else { 0 } })
    }

    /// GNU's old sparse files: the real size is in the header, and more headers may follow.
    fn gnu_sparse(&mut self, header: &[u8; BLOCK]) -> io::Result<u64> {
        let mut extended = header[482] != 0;
        while extended {
            let mut block = [0; BLOCK];
            self.input.read_exact(&mut block)?;
            extended = block[504] != 0;
        }
        number(&header[483..495])
    }

    /// A header with a good checksum; `None` at the end.
    fn header(&mut self) -> io::Result<Option<[u8; BLOCK]>> {
        if self.ended {
            return Ok(None);
        }
        let mut header = [0; BLOCK];
        let read = fill(&mut self.input, &mut header)?;
        if read == 0 || (read == BLOCK && header.iter().all(|byte| *byte == 0)) {
            self.ended = true;
            return Ok(None);
        }
        if read < BLOCK {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the archive ends in the midst of a header"));
        }
        let sum: u64 = header
            .iter()
            .enumerate()
            .map(|(place, byte)| if (148..156).contains(&place) { 32 } else { u64::from(*byte) })
            .sum();
        if number(&header[148..156])? != sum {
            return Err(bad("a header has a wrong checksum"));
        }
        Ok(Some(header))
    }

    /// The whole of a small entry.
    fn small(&mut self) -> io::Result<Vec<u8>> {
        if self.left > MAX_HEADER_BYTES {
            return Err(bad("a name or a list of attributes is larger than 1 MiB"));
        }
        let mut bytes = vec![0; self.left as usize];
        self.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn skip_rest(&mut self) -> io::Result<()> {
        let wanted = self.left + self.padding;
        let mut rest = (&mut self.input).take(wanted);
        let result = io::copy(&mut rest, &mut io::sink());
        self.left = self.left.saturating_sub(wanted - rest.limit());
        result?;
        // Some writers leave out the zeros behind the last entry.
        if self.left > 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the archive ends in the midst of a file"));
        }
        self.padding = 0;
        Ok(())
    }
}

/// The bytes of the present entry.
impl<R: Read> Read for Tar<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let read = self.input.read(&mut buffer[..most])?;
        if read == 0 && most > 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the archive ends in the midst of a file"));
        }
        self.left -= read as u64;
        Ok(read)
    }
}

fn bad(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the archive is damaged: {what}"))
}

fn fill(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match input.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// A number in octal digits, or, marked by the first bit, in base 256.
fn number(field: &[u8]) -> io::Result<u64> {
    if field[0] & 0x80 != 0 {
        let first = u64::from(field[0] & 0x3f);
        let value =
            field[1..].iter().try_fold(first, |value, byte| value.checked_mul(256)?.checked_add(u64::from(*byte)));
        return value.filter(|value| *value <= i64::MAX as u64).ok_or_else(|| bad("a number is larger than any file"));
    }
    let digits: Vec<u8> =
        field.iter().copied().skip_while(|byte| *byte == b' ').take_while(|byte| !matches!(byte, 0 | b' ')).collect();
    digits.iter().try_fold(0u64, |value, digit| {
        let digit = digit
            .checked_sub(b'0')
            .filter(|digit| *digit < 8)
            .ok_or_else(|| bad("a number has a digit that is none"))?;
        value
            .checked_mul(8)
            .and_then(|value| value.checked_add(u64::from(digit)))
            .ok_or_else(|| bad("a number is too large"))
    })
}

fn decimal(value: &[u8]) -> io::Result<u64> {
    let number = std::str::from_utf8(value).ok().and_then(|text| text.parse::<u64>().ok());
    number.filter(|number| *number <= i64::MAX as u64).ok_or_else(|| bad("an attribute is no number"))
}

fn trimmed(mut bytes: Vec<u8>) -> Vec<u8> {
    if let Some(end) = bytes.iter().position(|byte| *byte == 0) {
        bytes.truncate(end);
    }
    bytes
}

fn name_of(header: &[u8; BLOCK]) -> Vec<u8> {
    let name = trimmed(header[..100].to_vec());
    let prefix = trimmed(header[345..500].to_vec());
    // GNU uses the place of the prefix otherwise.
    if prefix.is_empty() || &header[257..263] != b"ustar\0" { name } else { [&prefix[..], b"/", &name].concat() }
}

/// PAX's records, `LENGTH NAME=VALUE\n`.
fn attributes(bytes: &[u8]) -> io::Result<BTreeMap<String, Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut rest = bytes;
    while !rest.is_empty() && rest[0] != 0 {
        let space = rest.iter().position(|byte| *byte == b' ').ok_or_else(|| bad("an attribute has no length"))?;
        let length = decimal(&rest[..space])? as usize;
        if length > rest.len() || length < space + 2 {
            return Err(bad("an attribute has a wrong length"));
        }
        let record = rest[space + 1..length].strip_suffix(b"\n").unwrap_or(&rest[space + 1..length]);
        let equals = record.iter().position(|byte| *byte == b'=').ok_or_else(|| bad("an attribute has no value"))?;
        found.insert(String::from_utf8_lossy(&record[..equals]).into_owned(), record[equals + 1..].to_vec());
        rest = &rest[length..];
    }
    Ok(found)
}
