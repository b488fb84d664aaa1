//! Bytes become text: what encoding and what format a file is in, found out from its first 64 KiB.
//!
//! A byte-order mark settles the encoding. Without one, the text is UTF-8 if its first bytes are, but for a few faults
//! perhaps: those are left in, and each costs the record that it is in, not the file. Text that is plainly not UTF-8
//! is read as Windows-1252, a guess that the report mentions. JSON is UTF-8 by definition and never guessed at.

use super::compressed::Unpacked;
use super::marc::is_marc;
use super::onix::is_onix;
use super::{Format, MAX_RECORD_BYTES, isbn_list, json_list, open_library};
use crate::Error;
use encoding_rs::{CoderResult, Decoder, Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};
use std::io::{ErrorKind, Read};

/// Bytes looked at to tell encoding and format, and read at a time.
const WINDOW: usize = 64 * 1024;

/// A file's text, as UTF-8 bytes in which single records may still be broken.
pub(super) struct Source<'a> {
    name: String,
    input: Unpacked<'a>,
    encoding: &'static Encoding,
    /// Makes UTF-8 of another encoding.
    decoder: Option<Decoder>,
    format: Format,
    doubt: Option<String>,
    raw: Vec<u8>,
    text: Vec<u8>,
    /// Where the text that was not consumed yet begins.
    start: usize,
    ended: bool,
}

/// A line read with [`Source::read_line`].
pub(super) enum Line {
    /// Its bytes are in the buffer.
    Read,
    /// Longer than a record may be; skipped.
    TooLong,
    /// There is no more.
    End,
}

impl<'a> Source<'a> {
    /// Reads the start of `input` and finds out what it is.
    pub(super) fn open(name: &str, input: &'a mut dyn Read, format: Option<Format>) -> Result<Self, Error> {
        let input = Unpacked::open(input).map_err(|error| unreadable(name, 0, error))?;
        let mut source = Self {
            name: name.to_owned(),
            input,
            encoding: UTF_8,
            decoder: None,
            format: Format::Csv,
            doubt: None,
            raw: vec![0; WINDOW],
            text: Vec::new(),
            start: 0,
            ended: false,
        };
        let mut window = Vec::new();
        while window.len() < WINDOW && !source.ended {
            let length = source.read_raw()?;
            window.extend_from_slice(&source.raw[..length]);
        }
        source.recognise(window, format)?;
        Ok(source)
    }

    pub(super) fn format(&self) -> Format {
        self.format
    }

    pub(super) fn encoding(&self) -> &'static str {
        if self.format == Format::Marc { "by record: UTF-8 or MARC-8" } else { self.encoding.name() }
    }

    /// What the user should know about a guess.
    pub(super) fn doubt(&self) -> Option<String> {
        self.doubt.clone()
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn bytes_read(&self) -> u64 {
        self.input.bytes_read()
    }

    /// Text that waits to be consumed; empty only at the end.
    pub(super) fn fill(&mut self) -> Result<&[u8], Error> {
        while self.start == self.text.len() && !self.ended {
            self.text.clear();
            self.start = 0;
            let length = self.read_raw()?;
            let raw = std::mem::take(&mut self.raw);
            self.decode(&raw[..length]);
            self.raw = raw;
        }
        Ok(&self.text[self.start..])
    }

    pub(super) fn consume(&mut self, length: usize) {
        self.start += length;
    }

    /// Gives text back, to be read once more.
    pub(super) fn push_back(&mut self, text: &[u8]) {
        self.text.splice(..self.start, text.iter().copied());
        self.start = 0;
    }

    /// Reads the next line without its end into `line`.
    pub(super) fn read_line(&mut self, line: &mut Vec<u8>) -> Result<Line, Error> {
        self.read_until(b'\n', line).map(|(line, _)| line)
    }

    /// Reads up to the next `mark`, which is left out, into `piece`; also says how many bytes that took with the mark.
    pub(super) fn read_until(&mut self, mark: u8, piece: &mut Vec<u8>) -> Result<(Line, u64), Error> {
        piece.clear();
        let mut too_long = false;
        let mut total = 0;
        loop {
            let text = self.fill()?;
            if text.is_empty() && total == 0 {
                return Ok((Line::End, 0));
            }
            let end = memchr::memchr(mark, text);
            let part = &text[..end.unwrap_or(text.len())];
            too_long |= piece.len() + part.len() > MAX_RECORD_BYTES;
            if too_long {
                *piece = Vec::new();
            } else {
                piece.extend_from_slice(part);
            }
            let at_end = text.is_empty();
            let length = part.len() + usize::from(end.is_some());
            self.consume(length);
            total += length as u64;
            if end.is_some() || at_end {
                return Ok((if too_long { Line::TooLong } else { Line::Read }, total));
            }
        }
    }

    /// Text at the start that was not consumed yet, for a look ahead.
    pub(super) fn window(&self) -> &[u8] {
        &self.text[self.start..]
    }

    fn read_raw(&mut self) -> Result<usize, Error> {
        let length = loop {
            match self.input.read(&mut self.raw) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                result => break result.map_err(|error| unreadable(&self.name, self.input.bytes_read(), error))?,
            }
        };
        self.ended = length == 0;
        Ok(length)
    }

    /// Appends `raw` to the text.
    fn decode(&mut self, mut raw: &[u8]) {
        let Some(decoder) = &mut self.decoder else { return self.text.extend_from_slice(raw) };
        loop {
            let room = decoder.max_utf8_buffer_length(raw.len()).unwrap_or(raw.len()).max(16);
            let at = self.text.len();
            self.text.resize(at + room, 0);
            let (result, read, written, _) = decoder.decode_to_utf8(raw, &mut self.text[at..], self.ended);
            self.text.truncate(at + written);
            raw = &raw[read..];
            if result == CoderResult::InputEmpty {
                return;
            }
        }
    }

    fn not_text(&self, detail: &str) -> Result<(), Error> {
        Err(Error::NotText { name: self.name.clone(), detail: detail.to_owned() })
    }

    fn recognise(&mut self, window: Vec<u8>, format: Option<Format>) -> Result<(), Error> {
        if window.starts_with(b"SQLite format 3\0") {
            self.format = Format::Calibre;
            self.text = window;
            return Ok(());
        }
        if format == Some(Format::Calibre) {
            return self.not_text("it is not an SQLite database, and so not Calibre's metadata.db");
        }
        if let Some(kind) = known_binary(&window) {
            return self.not_text(kind);
        }
        if format.map_or_else(|| is_marc(&window), |format| format == Format::Marc) {
            self.format = Format::Marc;
            self.text = window;
            return Ok(());
        }
        let mark = Encoding::for_bom(&window);
        self.encoding = mark.map_or(UTF_8, |(encoding, _)| encoding);
        let window = &window[mark.map_or(0, |(_, length)| length)..];
        if self.encoding == UTF_16LE || self.encoding == UTF_16BE {
            self.decoder = Some(self.encoding.new_decoder_without_bom_handling());
        } else if window.contains(&0) {
            return self.not_text(
                "it holds zero bytes; if it is text in UTF-16, save it as UTF-8, else export it as CSV, TSV or JSONL",
            );
        }
        let declared = mark.is_none().then(|| declared_encoding(window)).flatten();
        if let Some(encoding) = declared.filter(|encoding| ![UTF_8, UTF_16LE, UTF_16BE].contains(encoding)) {
            self.encoding = encoding;
            self.decoder = Some(encoding.new_decoder_without_bom_handling());
        }
        self.decode(window);

        let first = self.text.iter().copied().find(|byte| !byte.is_ascii_whitespace());
        // Whoever says JSON Lines of a list means that it is JSON.
        let is_list = json_list::is_list(&self.text);
        let format = if is_list { format.filter(|format| *format != Format::Jsonl) } else { format };
        self.format = format.unwrap_or(match first {
            Some(b'[' | b'{') if is_list => Format::Json,
            Some(b'{') => Format::Jsonl,
            Some(b'<') if is_onix(&self.text) => Format::Onix,
            Some(b'<') => Format::MarcXml,
            Some(b'/') if open_library::is_dump(&self.text) => Format::OpenLibrary,
            _ if isbn_list::is_list(&self.text, !self.ended) => Format::Isbns,
            _ => Format::Csv,
        });
        let may_guess = mark.is_none()
            && self.decoder.is_none()
            && !matches!(self.format, Format::Jsonl | Format::Json | Format::OpenLibrary);
        if may_guess && !mostly_utf8(&self.text, !self.ended) {
            self.encoding = WINDOWS_1252;
            self.decoder = Some(WINDOWS_1252.new_decoder_without_bom_handling());
            self.doubt = Some(
                "the file is not UTF-8 and was read as Windows-1252, a guess; if letters look wrong, save it as UTF-8"
                    .to_owned(),
            );
            let window = std::mem::take(&mut self.text);
            self.decode(&window);
        }
        Ok(())
    }

    /// Corrects the format once the delimiter is known.
    pub(super) fn set_format(&mut self, format: Format) {
        self.format = format;
    }
}

fn unreadable(name: &str, offset: u64, source: std::io::Error) -> Error {
    match source.kind() {
        ErrorKind::IsADirectory => Error::InputIsDirectory { name: name.to_owned() },
        _ => Error::Input { name: name.to_owned(), offset, source },
    }
}

/// Files that people take for a table, by how they begin, and what to do with them.
fn known_binary(start: &[u8]) -> Option<&'static str> {
    [
        (&b"PK\x03\x04"[..], "it is a spreadsheet (.xlsx, .ods) or another zip archive; export it as CSV"),
        (&b"\xd0\xcf\x11\xe0"[..], "it is an old spreadsheet (.xls); export it as CSV"),
        (&b"BZh"[..], "it is compressed with bzip2; unpack it, e.g. with `bunzip2`"),
        (&b"%PDF-"[..], "it is a PDF; export the books as CSV"),
    ]
    .into_iter()
    .find_map(|(magic, kind)| start.starts_with(magic).then_some(kind))
}

/// What an XML declaration says of the encoding: `<?xml version="1.0" encoding="ISO-8859-1"?>`.
fn declared_encoding(start: &[u8]) -> Option<&'static Encoding> {
    let declaration = start.trim_ascii_start().strip_prefix(b"<?xml")?;
    let end = declaration.iter().position(|&byte| byte == b'>')?;
    let declaration = std::str::from_utf8(&declaration[..end]).ok()?;
    let label = declaration.split_once("encoding")?.1.trim_start().strip_prefix('=')?.trim_start();
    let quote = label.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    Encoding::for_label(label[1..].split(quote).next()?.as_bytes())
}

/// Whether the bytes are UTF-8, a few faults apart: at least as many whole multi-byte characters as stray bytes. Text
/// in a one-byte encoding almost never has such characters by chance. `is_cut` if the bytes may end inside a character.
fn mostly_utf8(bytes: &[u8], is_cut: bool) -> bool {
    let (mut whole, mut stray, mut end) = (0, 0, 0);
    for chunk in bytes.utf8_chunks() {
        let (valid, invalid) = (chunk.valid(), chunk.invalid());
        end += valid.len() + invalid.len();
        whole += valid.chars().filter(|c| !c.is_ascii()).count();
        let is_cut_off = is_cut && end == bytes.len();
        stray += if is_cut_off { 0 } else { invalid.len() };
    }
    whole >= stray
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives out at most `usize` bytes at a time, as a pipe may.
    struct Drip<'a>(&'a [u8], usize);

    impl Read for Drip<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let length = self.1.min(self.0.len()).min(buffer.len());
            buffer[..length].copy_from_slice(&self.0[..length]);
            self.0 = &self.0[length..];
            Ok(length)
        }
    }

    fn utf16(text: &str, to_bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(to_bytes).collect()
    }

    #[test]
    fn encodings() {
        let text = "title\nL’Étranger 🙂 राम\n";
        for (what, bytes, encoding, expected) in [
            ("UTF-8", text.as_bytes().to_vec(), "UTF-8", text),
            ("UTF-8 with a mark", [b"\xef\xbb\xbf", text.as_bytes()].concat(), "UTF-8", text),
            ("UTF-16LE", utf16(text, u16::to_le_bytes), "UTF-16LE", text),
            ("UTF-16BE", utf16(text, u16::to_be_bytes), "UTF-16BE", text),
            ("Windows-1252", b"title\nL\x92\xc9tranger \x80\n".to_vec(), "windows-1252", "title\nL’Étranger €\n"),
            ("ASCII", b"title\nDune\n".to_vec(), "UTF-8", "title\nDune\n"),
            ("nothing", Vec::new(), "UTF-8", ""),
        ] {
            for step in [1, 7, 100_000] {
                let mut input = Drip(&bytes, step);
                let mut source = Source::open("books.csv", &mut input, None).expect(what);
                assert_eq!(source.encoding(), encoding, "{what}");
                assert_eq!(source.doubt().is_some(), encoding == "windows-1252", "{what}");
                let mut read = Vec::new();
                while let length @ 1.. = source
                    .fill()
                    .map(|text| {
                        read.extend_from_slice(text);
                        text.len()
                    })
                    .expect(what)
                {
                    source.consume(length);
                }
                assert_eq!(String::from_utf8(read).expect(what), expected, "{what}, {step} bytes at a time");
                assert_eq!(source.bytes_read(), bytes.len() as u64);
            }
        }
    }

    #[test]
    fn a_few_faults_do_not_make_it_another_encoding() {
        let mut bytes = "Émile Zola, Œuvres complètes".as_bytes().to_vec();
        bytes.push(0xe9);
        assert!(mostly_utf8(&bytes, false));
        let cut = [b"ascii only, but cut ", &"€".as_bytes()[..2]].concat();
        assert!(mostly_utf8(&cut, true));
        assert!(!mostly_utf8(&cut, false));
        assert!(!mostly_utf8(b"\xc9mile Zola, \x8cuvres compl\xe8tes", false));
    }

    #[test]
    fn what_is_not_text_says_what_to_do() {
        for (bytes, part) in
            [(&b"PK\x03\x04\x14\0"[..], "export it as CSV"), (b"BZh91AY", "bunzip2"), (b"title\0author", "zero bytes")]
        {
            let mut input = bytes;
            let error = Source::open("books", &mut input, None).err().expect(part).to_string();
            assert!(error.contains("`books`") && error.contains(part), "{error}");
        }
    }

    #[test]
    fn lines_are_bounded() {
        let long = vec![b'x'; MAX_RECORD_BYTES + 1];
        let bytes = [b"one\r\n\n", &long[..], b"\nthree"].concat();
        let mut input = &bytes[..];
        let mut source = Source::open("books", &mut input, None).expect("opens");
        let mut line = Vec::new();
        let mut lines = Vec::new();
        loop {
            match source.read_line(&mut line).expect("reads") {
                Line::Read => lines.push(String::from_utf8(line.clone()).expect("text")),
                Line::TooLong => lines.push(format!("too long, {} kept", line.capacity())),
                Line::End => break,
            }
        }
        assert_eq!(lines, ["one\r", "", "too long, 0 kept", "three"]);
    }
}
