//! Compressed files are opened as they are: gzip with all its members, zstd with all its frames, known by their first
//! bytes. They are unpacked while they are read, in memory that does not grow with the file.

use flate2::bufread::GzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use std::cell::Cell;
use std::io::{self, BufRead, BufReader, Read};
use std::rc::Rc;

const GZIP: &[u8] = b"\x1f\x8b";
const ZSTD: &[u8] = b"\x28\xb5\x2f\xfd";
/// How far back a zstd frame may refer, which is what has to be kept in memory. `zstd -19` comes to 8 MiB, `--ultra` to
/// 128 MiB; without a bound a few bytes could ask for more memory than there is.
const MAX_WINDOW_BYTES: u64 = 64 << 20;

/// A file's bytes, unpacked.
pub(super) struct Unpacked<'a> {
    stage: Stage<'a>,
    read: Rc<Cell<u64>>,
}

type File<'a> = BufReader<Counted<'a>>;

/// What is being unpacked.
enum Stage<'a> {
    Plain(File<'a>),
    Gzip(GzDecoder<File<'a>>),
    Zstd(File<'a>, Box<FrameDecoder>),
    /// Between two members or frames.
    Between(File<'a>, Packing),
    Ended,
}

enum Packing {
    Gzip,
    Zstd(Box<FrameDecoder>),
}

/// Counts the bytes read of the file itself.
struct Counted<'a> {
    input: Box<dyn Read + 'a>,
    count: Rc<Cell<u64>>,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.input.read(buffer)?;
        self.count.set(self.count.get() + length as u64);
        Ok(length)
    }
}

impl<'a> Unpacked<'a> {
    /// Reads the first bytes to see whether the file is compressed.
    pub(super) fn open(input: &'a mut dyn Read) -> io::Result<Self> {
        let mut start = Vec::new();
        input.take(ZSTD.len() as u64).read_to_end(&mut start)?;
        let packing = packing(&start);
        let count = Rc::new(Cell::new(0));
        let whole = Counted { input: Box::new(io::Cursor::new(start).chain(input)), count: Rc::clone(&count) };
        let file = BufReader::with_capacity(64 * 1024, whole);
        let stage = match packing {
            Some(packing) => Stage::Between(file, packing),
            None => Stage::Plain(file),
        };
        Ok(Self { stage, read: count })
    }

    /// Bytes read of the file itself, packed as they are.
    pub(super) fn bytes_read(&self) -> u64 {
        self.read.get()
    }
}

fn packing(start: &[u8]) -> Option<Packing> {
    if start.starts_with(GZIP) {
        Some(Packing::Gzip)
    } else if start.starts_with(ZSTD) || is_skippable_frame(start) {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(MAX_WINDOW_BYTES);
        Some(Packing::Zstd(Box::new(decoder)))
    } else {
        None
    }
}

/// Frames of other people's data between those of the text; `pzstd` begins with one.
fn is_skippable_frame(start: &[u8]) -> bool {
    start.len() >= 4 && start[0] & 0xf0 == 0x50 && start[1..4] == [0x2a, 0x4d, 0x18]
}

impl Read for Unpacked<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let length = match &mut self.stage {
                Stage::Plain(file) => return file.read(buffer),
                Stage::Gzip(member) => member.read(buffer)?,
                Stage::Zstd(file, decoder) => read_frame(file, decoder, buffer)?,
                Stage::Between(..) => 0,
                Stage::Ended => return Ok(0),
            };
            if length > 0 || buffer.is_empty() {
                return Ok(length);
            }
            self.stage = match std::mem::replace(&mut self.stage, Stage::Ended) {
                Stage::Gzip(member) => Stage::Between(member.into_inner(), Packing::Gzip),
                Stage::Zstd(file, decoder) => Stage::Between(file, Packing::Zstd(decoder)),
                Stage::Between(file, packing) => next(file, packing)?,
                stage @ (Stage::Plain(_) | Stage::Ended) => stage,
            };
        }
    }
}

/// The next member or frame, if there is one.
fn next(mut file: File<'_>, packing: Packing) -> io::Result<Stage<'_>> {
    // Tapes and block devices fill up with zeros, and `gzip` reads over them.
    if matches!(packing, Packing::Gzip) {
        while let zeros @ 1.. = file.fill_buf()?.iter().take_while(|&&byte| byte == 0).count() {
            file.consume(zeros);
        }
    }
    if file.fill_buf()?.is_empty() {
        return Ok(Stage::Ended);
    }
    match packing {
        Packing::Gzip => Ok(Stage::Gzip(GzDecoder::new(file))),
        Packing::Zstd(decoder) => frame(file, decoder),
    }
}

/// Reads the head of a frame.
fn frame(mut file: File<'_>, mut decoder: Box<FrameDecoder>) -> io::Result<Stage<'_>> {
    match decoder.init(&mut file) {
        Ok(()) => Ok(Stage::Zstd(file, decoder)),
        Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
            io::copy(&mut file.by_ref().take(length.into()), &mut io::sink())?;
            Ok(Stage::Between(file, Packing::Zstd(decoder)))
        }
        Err(error) => Err(damaged(error)),
    }
}

/// Unpacks some of a frame; nothing at its end.
fn read_frame(file: &mut File<'_>, decoder: &mut FrameDecoder, buffer: &mut [u8]) -> io::Result<usize> {
    while decoder.can_collect() == 0 && !decoder.is_finished() {
        decoder.decode_blocks(&mut *file, BlockDecodingStrategy::UptoBlocks(1)).map_err(damaged)?;
    }
    let length = decoder.read(buffer)?;
    let stored = decoder.get_checksum_from_data();
    if length == 0 && stored.is_some() && stored != decoder.get_calculated_checksum() {
        return Err(damaged("the checksum of a zstd frame is wrong"));
    }
    Ok(length)
}

fn damaged(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};
    use std::io::Write;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text).expect("compresses");
        encoder.finish().expect("compresses")
    }

    fn zstd(text: &[u8]) -> Vec<u8> {
        compress_to_vec(text, CompressionLevel::Fastest)
    }

    fn unpack(mut bytes: &[u8]) -> (Vec<u8>, io::Result<usize>) {
        let mut text = Vec::new();
        let mut unpacked = Unpacked::open(&mut bytes).expect("opens");
        let result = unpacked.read_to_end(&mut text);
        (text, result)
    }

    #[test]
    fn every_member_and_frame_is_read() {
        let skipped = b"\x50\x2a\x4d\x18\x03\0\0\0abc";
        for (what, bytes) in [
            ("plain", b"one two".to_vec()),
            ("gzip", gzip(b"one two")),
            ("gzip, two members", [gzip(b"one "), gzip(b"two")].concat()),
            ("gzip, an empty member", [gzip(b"one "), gzip(b""), gzip(b"two")].concat()),
            ("gzip, zeros behind", [gzip(b"one two"), vec![0; 512]].concat()),
            ("zstd", zstd(b"one two")),
            ("zstd, two frames", [zstd(b"one "), zstd(b"two")].concat()),
            ("zstd, frames to skip", [&skipped[..], &zstd(b"one "), skipped, &zstd(b"two"), skipped].concat()),
        ] {
            let (text, result) = unpack(&bytes);
            assert_eq!((text.as_slice(), result.ok()), (&b"one two"[..], Some(7)), "{what}");
        }
    }

    #[test]
    fn damage_is_noticed() {
        let text: Vec<u8> = (0..100_000_u32).flat_map(|n| (n.wrapping_mul(n) >> 3).to_le_bytes()).collect();
        for (what, packed) in [("gzip", gzip(&text)), ("zstd", zstd(&text))] {
            let (before, result) = unpack(&packed[..packed.len() / 2]);
            assert!(result.is_err() && text.starts_with(&before), "{what}, cut");
            // Of a zstd frame that does not end, the last window is not given out.
            assert!(!before.is_empty() || what == "zstd", "{what}, cut");
            let (_, result) = unpack(&[&packed[..], b"rubbish"].concat());
            assert!(result.is_err(), "{what}, rubbish behind");
        }
        let mut packed = gzip(&text);
        let checksum = packed.len() - 8;
        packed[checksum] ^= 1;
        assert!(unpack(&packed).1.is_err(), "the checksum is compared");
    }

    #[test]
    fn a_window_without_bounds_is_refused() {
        // A frame that declares a window of 3.75 TiB.
        let (text, result) = unpack(b"\x28\xb5\x2f\xfd\x00\xff\x01\x00\x00");
        assert!(text.is_empty() && result.is_err());
    }
}
