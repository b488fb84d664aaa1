//! Compressed layers: gzip with all its members, zstd with all its frames, known by their first bytes, as the types that
//! manifests give are not always true. A limit on what comes out stops what was made to explode.

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use std::io::{self, BufRead, BufReader, Read};

/// How far back a zstd frame may refer; `--ultra` comes to 128 MiB.
const MAX_WINDOW_BYTES: u64 = 128 << 20;

/// How a layer is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip.
    Gzip,
    /// zstd.
    Zstd,
}

/// A layer's bytes as they are inside.
pub struct Unpacked<'a> {
    /// How it is compressed.
    pub compression: Compression,
    inner: Inner<'a>,
    left: u64,
    limit: u64,
}

enum Inner<'a> {
    Plain(Box<dyn BufRead + 'a>),
    Gzip(Box<MultiGzDecoder<Box<dyn BufRead + 'a>>>),
    Zstd(Box<Frames<'a>>),
}

struct Frames<'a> {
    input: Box<dyn BufRead + 'a>,
    decoder: FrameDecoder,
    within: bool,
}

impl<'a> Unpacked<'a> {
    /// Looks at the first bytes. No more than `limit` bytes come out.
    ///
    /// # Errors
    /// If nothing can be read.
    pub fn open(input: impl Read + 'a, limit: u64) -> io::Result<Self> {
        let mut input: Box<dyn BufRead + 'a> = Box::new(BufReader::with_capacity(256 * 1024, input));
        let start = input.fill_buf()?;
        let skippable = start.len() >= 4 && start[0] & 0xf0 == 0x50 && start[1..4] == [0x2a, 0x4d, 0x18];
        let (compression, inner) = if start.starts_with(b"\x1f\x8b") {
            (Compression::Gzip, Inner::Gzip(Box::new(MultiGzDecoder::new(input))))
        } else if start.starts_with(b"\x28\xb5\x2f\xfd") || skippable {
            let mut decoder = FrameDecoder::new();
            decoder.set_max_window_size(MAX_WINDOW_BYTES);
            (Compression::Zstd, Inner::Zstd(Box::new(Frames { input, decoder, within: false })))
        } else {
            (Compression::None, Inner::Plain(input))
        };
        Ok(Self { compression, inner, left: limit, limit })
    }
}

impl Read for Unpacked<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match &mut self.inner {
            Inner::Plain(input) => input.read(buffer)?,
            Inner::Gzip(members) => members.read(buffer)?,
            Inner::Zstd(frames) => frames.read(buffer)?,
        };
        self.left = self.left.checked_sub(read as u64).ok_or_else(|| {
            io::Error::other(format!("more than {} bytes come out of it; reading was stopped", self.limit))
        })?;
        Ok(read)
    }
}

impl Read for Frames<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.within {
                while !self.decoder.is_finished() && self.decoder.can_collect() == 0 {
                    let one = BlockDecodingStrategy::UptoBlocks(1);
                    self.decoder.decode_blocks(&mut self.input, one).map_err(io::Error::other)?;
                }
                let read = self.decoder.read(buffer)?;
                if read > 0 || buffer.is_empty() {
                    return Ok(read);
                }
                if !self.decoder.is_finished() {
                    continue;
                }
                if let (Some(stored), Some(computed)) =
                    (self.decoder.get_checksum_from_data(), self.decoder.get_calculated_checksum())
                    && stored != computed
                {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame of zstd has a wrong checksum"));
                }
                self.within = false;
            }
            if self.input.fill_buf()?.is_empty() {
                return Ok(0);
            }
            match self.decoder.init(&mut self.input) {
                Ok(()) => self.within = true,
                // zstd:chunked keeps its table of contents in such frames.
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                    io::copy(&mut (&mut self.input).take(u64::from(length)), &mut io::sink())?;
                }
                Err(error) => return Err(io::Error::other(error)),
            }
        }
    }
}
