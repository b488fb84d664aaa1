//! An index in a file: written once, never changed, thrown away when it does not fit any more.
//!
//! Codes are read into memory, all at once; the vectors stay in the file, and the few that a search compares are read when
//! they are. They are read and not mapped: a mapped file that is cut short by someone else ends the process, whereas
//! reading gives an error. Everything read is checked, each vector by a sum of its own, so that damage is found, and the
//! index made anew, instead of wrong answers given.
//!
//! ```text
//! header    magic, version, dim, rows, width, bytes of notes, key, sum of the tail, sum of the header  [10 × 8 bytes]
//! vectors   rows × (dim × f32, sum)
//! tail      groups, directions, widths, coarse and fine codes, what is known of blocks and rows, notes
//! ```
//!
//! All numbers are little-endian; sums are of 64 bits. The *key* says what the index was made of: the model's space and the
//! revision of the catalogue, for instance. *Notes* are the caller's.

use super::basis::Basis;
use super::codes::Codes;
use super::rows::Rows;
use super::{LEAST_CODED, Segment, VectorIndex, check, check_order};
use crate::Error;
use libellus_kernels::{BLOCK, BlockBounds, MAX_WIDTH, WIDTH_STEP};
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const MAGIC: u64 = u64::from_le_bytes(*b"libellVI");
/// Raised whenever a file of before cannot be read any more.
const VERSION: u64 = 2;
/// Numbers in the header.
const HEADER: usize = 10;
const HEADER_BYTES: u64 = (HEADER * size_of::<u64>()) as u64;
const SUM_BYTES: usize = size_of::<u64>();

/// Makes an index file, row by row, with little memory.
pub struct VectorIndexFile {
    path: PathBuf,
    /// The file's name until it is whole.
    unfinished: PathBuf,
    out: BufWriter<File>,
    dim: usize,
    groups: Vec<u32>,
    bytes: Vec<u8>,
}

/// The vectors of an index file.
#[derive(Clone, Debug)]
pub(super) struct RowFile {
    file: Arc<File>,
    path: Arc<Path>,
}

impl VectorIndexFile {
    /// Begins a file that will lie at `path`, for vectors of `dim` floats.
    ///
    /// # Errors
    /// If nothing can be written there.
    pub fn create(path: &Path, dim: usize) -> Result<Self, Error> {
        // Nobody else's, whether in another process or in this one.
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{}-{}.part", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
        let unfinished = PathBuf::from(name);
        let begin = || {
            let file = File::options().read(true).write(true).create(true).truncate(true).open(&unfinished)?;
            let mut out = BufWriter::with_capacity(1 << 20, file);
            out.write_all(&[0; HEADER_BYTES as usize])?;
            Ok(out)
        };
        let out = begin().map_err(failed(path))?;
        Ok(Self { path: path.to_owned(), unfinished, out, dim, groups: Vec::new(), bytes: Vec::new() })
    }

    /// Adds a row, as [`VectorIndex::push`].
    ///
    /// # Errors
    /// As there, and those of writing.
    pub fn push(&mut self, group: u32, vector: &[f32]) -> Result<(), Error> {
        check(self.dim, vector)?;
        check_order(self.groups.last().copied(), group, self.groups.len())?;
        self.bytes.clear();
        put_floats(&mut self.bytes, vector);
        let sum = sum(0, &self.bytes);
        self.bytes.extend_from_slice(&sum.to_le_bytes());
        self.out.write_all(&self.bytes).map_err(failed(&self.path))?;
        self.groups.push(group);
        Ok(())
    }

    /// Makes codes on so many threads, writes them, and gives the file its name; what lay there before is replaced in one
    /// step.
    ///
    /// # Errors
    /// Those of reading and writing.
    pub fn finish(mut self, key: &str, notes: &[u8], threads: usize) -> Result<VectorIndex, Error> {
        self.out.flush().map_err(failed(&self.path))?;
        let file = self.out.get_ref().try_clone().map_err(failed(&self.path))?;
        let rows = Rows::File(RowFile { file: Arc::new(file), path: self.path.as_path().into() });
        let count = self.groups.len();
        let codes = match count >= LEAST_CODED && self.dim > 0 {
            true => Some(Codes::of(&rows, self.dim, count, threads)?),
            false => None,
        };
        let mut tail = Vec::new();
        let mut tail_sum = 0;
        // Piece by piece, as they are read and summed up.
        let mut write = |tail: &mut Vec<u8>| {
            tail_sum = sum(tail_sum, tail);
            self.out.write_all(tail).map_err(failed(&self.path))?;
            tail.clear();
            Ok::<(), Error>(())
        };
        self.groups.iter().for_each(|group| tail.extend_from_slice(&group.to_le_bytes()));
        write(&mut tail)?;
        if let Some(codes) = &codes {
            put_floats(&mut tail, &codes.basis.vectors);
            write(&mut tail)?;
            put_floats(&mut tail, &codes.basis.widths);
            write(&mut tail)?;
            for part in [&codes.coarse, &codes.fine] {
                tail.extend_from_slice(part);
                write(&mut tail)?;
            }
            for block in &codes.blocks {
                put_halves(&mut tail, &block.steps);
                block.norms.iter().for_each(|norms| put_halves(&mut tail, norms));
            }
            write(&mut tail)?;
            put_halves(&mut tail, &codes.fine_errors);
            write(&mut tail)?;
        }
        tail.extend_from_slice(notes);
        write(&mut tail)?;
        let width = codes.as_ref().map_or(0, |codes| codes.basis.width());
        let numbers = [self.dim, count, width, notes.len()].map(|number| number as u64);
        let header = header(numbers, key, tail_sum);
        let finish = |out: &mut BufWriter<File>| {
            out.seek(SeekFrom::Start(0))?;
            out.write_all(&header)?;
            out.flush()?;
            // Not forced to the disk: what a failure of power leaves of it is found to be damaged, and made anew.
            fs::rename(&self.unfinished, &self.path)
        };
        finish(&mut self.out).map_err(failed(&self.path))?;
        let groups = std::mem::take(&mut self.groups);
        Ok(VectorIndex::of_file(self.dim, rows, codes, groups))
    }
}

impl Drop for VectorIndexFile {
    fn drop(&mut self) {
        // Gone if it has got its name. What cannot be removed is overwritten next time.
        let _ = fs::remove_file(&self.unfinished);
    }
}

impl VectorIndex {
    /// Opens an index file, and gives the notes in it.
    ///
    /// # Errors
    /// [`Error::UnusableFile`] if it is damaged, of another version, or made of something else than `key` says;
    /// [`Error::IndexFile`] if it is not there or cannot be read. In all cases it has to be made anew.
    pub fn open(path: &Path, key: &str) -> Result<(Self, Vec<u8>), Error> {
        let unusable = |reason| Error::UnusableFile { path: path.to_owned(), reason };
        let mut file = File::open(path).map_err(failed(path))?;
        let length = file.metadata().map_err(failed(path))?.len();
        let mut bytes = [0; HEADER_BYTES as usize];
        if length < HEADER_BYTES {
            return Err(unusable("cut short"));
        }
        file.read_exact(&mut bytes).map_err(failed(path))?;
        let number = |i: usize| u64::from_le_bytes(bytes.as_chunks().0[i]);
        if number(0) != MAGIC {
            return Err(unusable("no index"));
        }
        if number(1) != VERSION {
            return Err(unusable("of another version"));
        }
        let numbers = [number(2), number(3), number(4), number(5)];
        if header(numbers, key, number(8))[..7 * SUM_BYTES] != bytes[..7 * SUM_BYTES] {
            return Err(unusable("made of another catalogue or model"));
        }
        if header(numbers, key, number(8)) != bytes {
            return Err(unusable("damaged"));
        }
        let [dim, count, width, notes] = numbers.map(|number| usize::try_from(number).unwrap_or(usize::MAX));
        let layout = Layout::of(dim, count, width, notes).ok_or(unusable("damaged"))?;
        if length != layout.rows_end + layout.tail as u64 {
            return Err(unusable("cut short"));
        }
        file.seek(SeekFrom::Start(layout.rows_end)).map_err(failed(path))?;
        let mut tail = Tail { file: &mut file, path, sum: 0 };
        let groups: Vec<u32> = tail.take(count * 4)?.as_chunks().0.iter().map(|b| u32::from_le_bytes(*b)).collect();
        let codes = if width == 0 {
            None
        } else {
            let (blocks, bytes) = (count.div_ceil(BLOCK), width / 2);
            let vectors = floats(&tail.take(width * dim * 4)?);
            let basis = Basis::from_parts(dim, vectors, floats(&tail.take(width * 4)?));
            let (coarse, fine) = (tail.take(blocks * BLOCK * bytes)?, tail.take(blocks * BLOCK * bytes)?);
            let known = halves(&tail.take(blocks * BLOCK * 8)?);
            let known = known.as_chunks::<BLOCK>().0.as_chunks::<4>().0;
            let blocks = known.iter().map(|&[steps, r, t, n]| BlockBounds { steps, norms: [r, t, n] }).collect();
            Some(Codes {
                basis,
                coarse,
                fine,
                blocks,
                fine_errors: halves(&tail.take(count.div_ceil(BLOCK) * BLOCK * 2)?),
            })
        };
        let notes = tail.take(notes)?;
        if tail.sum != number(8) || !groups.is_sorted() {
            return Err(unusable("damaged"));
        }
        let rows = Rows::File(RowFile { file: Arc::new(file), path: path.into() });
        Ok((Self::of_file(dim, rows, codes, groups), notes))
    }

    fn of_file(dim: usize, rows: Rows, codes: Option<Codes>, groups: Vec<u32>) -> Self {
        let (rows, codes) = (Arc::new(rows), codes.map(Arc::new));
        let segment = Segment { first: 0, len: groups.len(), rows, codes, sealed: true };
        Self { dim, segments: vec![segment], groups: Arc::new(groups), dead: Arc::default() }
    }
}

impl RowFile {
    pub fn read(&self, dim: usize, range: Range<usize>, out: &mut Vec<f32>) -> Result<(), Error> {
        let stride = dim * size_of::<f32>() + SUM_BYTES;
        let mut bytes = vec![0; range.len() * stride];
        read_at(&self.file, &mut bytes, HEADER_BYTES + (range.start * stride) as u64).map_err(failed(&self.path))?;
        out.clear();
        for row in bytes.chunks_exact(stride) {
            let (vector, expected) = row.split_at(stride - SUM_BYTES);
            if sum(0, vector).to_le_bytes() != expected {
                return Err(Error::UnusableFile { path: self.path.to_path_buf(), reason: "damaged" });
            }
            out.extend(vector.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)));
        }
        Ok(())
    }
}

/// Where the parts of a file lie, if there can be one of these sizes.
struct Layout {
    rows_end: u64,
    tail: usize,
}

impl Layout {
    fn of(dim: usize, count: usize, width: usize, notes: usize) -> Option<Self> {
        if !width.is_multiple_of(WIDTH_STEP) || width > MAX_WIDTH || count > u32::MAX as usize {
            return None;
        }
        let rows = dim.checked_mul(4)?.checked_add(SUM_BYTES)?.checked_mul(count)?;
        let padded = if width == 0 { 0 } else { count.next_multiple_of(BLOCK) };
        let basis = dim.checked_add(1)?.checked_mul(width * 4)?;
        let tail = padded.checked_mul(width + 10)?.checked_add(basis)?.checked_add(count * 4)?.checked_add(notes)?;
        Some(Self { rows_end: HEADER_BYTES.checked_add(rows as u64)?, tail })
    }
}

/// The part behind the vectors, read piece by piece.
struct Tail<'a> {
    file: &'a mut File,
    path: &'a Path,
    sum: u64,
}

impl Tail<'_> {
    fn take(&mut self, len: usize) -> Result<Vec<u8>, Error> {
        let mut bytes = vec![0; len];
        self.file.read_exact(&mut bytes).map_err(failed(self.path))?;
        self.sum = sum(self.sum, &bytes);
        Ok(bytes)
    }
}

fn header(numbers: [u64; 4], key: &str, tail_sum: u64) -> [u8; HEADER_BYTES as usize] {
    let mut bytes = [0; HEADER_BYTES as usize];
    let [dim, count, width, notes] = numbers;
    let numbers = [MAGIC, VERSION, dim, count, width, notes, sum(0, key.as_bytes()), key.len() as u64, tail_sum];
    for (to, number) in bytes.as_chunks_mut().0.iter_mut().zip(numbers) {
        *to = number.to_le_bytes();
    }
    let (numbers, sum_of_them) = bytes.split_at_mut((HEADER - 1) * SUM_BYTES);
    sum_of_them.copy_from_slice(&sum(0, numbers).to_le_bytes());
    bytes
}

/// A sum of bytes in which every eight of them, at their place, count: each step can be undone, so no single change leaves
/// it as it was. Four sums side by side, as a step waits for the one before.
fn sum(before: u64, bytes: &[u8]) -> u64 {
    let step = |sum: u64, word: u64| (sum ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    let (words, rest) = bytes.as_chunks();
    let (words, rest_of_words) = words.as_chunks::<4>();
    let mut sums = [before, 1, 2, 3];
    for words in words {
        sums.iter_mut().zip(words).for_each(|(sum, word)| *sum = step(*sum, u64::from_le_bytes(*word)));
    }
    let mut last = [0; SUM_BYTES];
    last[..rest.len()].copy_from_slice(rest);
    let rest = rest_of_words.iter().chain([&last]).map(|word| u64::from_le_bytes(*word));
    let [first, others @ ..] = sums;
    others.into_iter().chain(rest).chain([bytes.len() as u64]).fold(first, step)
}

#[cfg(unix)]
fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, offset)
}

#[cfg(windows)]
fn read_at(file: &File, mut bytes: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let read = std::os::windows::fs::FileExt::seek_read(file, bytes, offset)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        (bytes, offset) = (&mut bytes[read..], offset + read as u64);
    }
    Ok(())
}

fn failed(path: &Path) -> impl Fn(io::Error) -> Error {
    move |source| Error::IndexFile { path: path.to_owned(), source }
}

fn put_floats(bytes: &mut Vec<u8>, floats: &[f32]) {
    put(bytes, floats, |float| float.to_le_bytes());
}

fn put_halves(bytes: &mut Vec<u8>, halves: &[u16]) {
    put(bytes, halves, |half| half.to_le_bytes());
}

/// As one run, as most processors have them.
fn put<T: Copy, const N: usize>(bytes: &mut Vec<u8>, numbers: &[T], number: impl Fn(T) -> [u8; N]) {
    let end = bytes.len();
    bytes.resize(end + numbers.len() * N, 0);
    bytes[end..].as_chunks_mut().0.iter_mut().zip(numbers).for_each(|(to, &from)| *to = number(from));
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

fn halves(bytes: &[u8]) -> Vec<u16> {
    bytes.as_chunks().0.iter().map(|bytes| u16::from_le_bytes(*bytes)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vector(row: usize, dim: usize) -> Vec<f32> {
        (0..dim).map(|i| ((row * 7 + i * 3) as f32).sin() + (i as f32).cos()).collect()
    }

    /// An index in a file, and the same in memory.
    fn both(path: &Path, rows: usize, dim: usize) -> (VectorIndex, VectorIndex) {
        let mut file = VectorIndexFile::create(path, dim).expect("can be written");
        let mut memory = VectorIndex::with_capacity(dim, rows);
        for row in 0..rows {
            file.push(row as u32 / 2, &vector(row, dim)).expect("a good row");
            memory.push(row as u32 / 2, &vector(row, dim)).expect("a good row");
        }
        (file.finish("key", b"notes", 1).expect("written"), memory)
    }

    #[test]
    fn a_file_gives_the_answers_of_memory() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("index");
        for (rows, dim) in [(0, 5), (1, 5), (37, 5), (LEAST_CODED + 3, 40)] {
            let (made, memory) = both(&path, rows, dim);
            let (opened, notes) = VectorIndex::open(&path, "key").expect("whole");
            assert_eq!(notes, b"notes");
            for query in 0..5 {
                let query = vector(query * 1000, dim);
                let expected = memory.search(&query, 10).expect("found");
                assert_eq!(made.search(&query, 10).expect("found"), expected, "{rows} rows");
                assert_eq!(opened.search(&query, 10).expect("found"), expected, "{rows} rows");
            }
            assert!(!opened.is_worn());
            // It is changed like any other.
            let mut changed = opened.clone();
            changed.push(0, &vector(5, dim)).expect("a good row");
            assert_eq!(changed.search(&vector(5, dim), 1).expect("found").len(), 1);
        }
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1, "no unfinished file is left");
    }

    #[test]
    fn an_index_in_a_file_takes_a_seventh_of_the_memory() {
        let folder = tempfile::tempdir().expect("a folder");
        let (rows, dim) = (4_096, 384);
        let (made, memory) = both(&folder.path().join("index"), rows, dim);
        // At most half of the directions have codes, a byte each; with what is known of each row that is 206 bytes for
        // 384 floats, and the directions themselves. A million rows are 207 MB.
        let directions = 2 * (dim / 2) * dim * size_of::<f32>();
        assert!(made.bytes() <= rows * 206 + directions + 1_024, "{} bytes", made.bytes());
        assert!(memory.bytes() >= rows * dim * size_of::<f32>());
    }

    #[test]
    fn a_file_is_worn_when_much_has_changed_since() {
        let folder = tempfile::tempdir().expect("a folder");
        let (_, _) = both(&folder.path().join("index"), 100, 5);
        let (mut index, _) = VectorIndex::open(&folder.path().join("index"), "key").expect("whole");
        for group in 0..LEAST_CODED as u32 + 26 {
            assert!(!index.is_worn(), "{group}");
            index.push(1_000 + group, &vector(3, 5)).expect("a good row");
            index.settle(1).expect("in memory");
        }
        assert!(index.is_worn());
    }

    #[test]
    fn a_file_of_something_else_is_refused_with_the_reason() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("index");
        let reason = |key| VectorIndex::open(&path, key).map(drop).expect_err("refused").to_string();
        assert!(reason("key").contains("cannot be read or written"), "{}", reason("key"));
        drop(both(&path, 3, 5));
        assert!(reason("kez").contains("another catalogue or model"), "{}", reason("kez"));
        let whole = fs::read(&path).expect("there");
        let mut other = whole.clone();
        other[8] += 1;
        fs::write(&path, other).expect("written");
        assert!(reason("key").contains("another version"), "{}", reason("key"));
        fs::write(
            &path,
            b"anything else that is longer than the header of an index, which has eighty bytes, all of them",
        )
        .expect("written");
        assert!(reason("key").contains("no index"), "{}", reason("key"));
    }

    #[test]
    fn damage_is_found_wherever_it_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("index");
        let (made, _) = both(&path, LEAST_CODED, 33);
        let expected = made.search(&vector(9, 33), LEAST_CODED).expect("found");
        let whole = fs::read(&path).expect("there");
        let outcome = |bytes: &[u8]| {
            fs::write(&path, bytes).expect("written");
            let (index, notes) = VectorIndex::open(&path, "key")?;
            // More than there are: every row is read.
            Ok::<_, Error>((index.search(&vector(9, 33), LEAST_CODED)?, notes))
        };
        assert_eq!(outcome(&whole).expect("whole"), (expected, b"notes".to_vec()));
        let mut state = 1_u64;
        let mut next = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % below
        };
        for round in 0..300 {
            let mut bytes = whole.clone();
            // The header, which all else depends on, more often than its size asks for.
            let at = if round < 80 { round } else { next(whole.len()) };
            match round % 3 {
                0 | 1 => bytes[at] ^= 1 << next(8),
                _ => bytes.truncate(at),
            }
            assert!(outcome(&bytes).is_err(), "round {round}: {at} of {}", whole.len());
        }
        let mut longer = whole.clone();
        longer.push(0);
        assert!(outcome(&longer).is_err(), "a byte too many");
    }
}
