//! The tokenizer as bytes that are used in place.
//!
//! A header of 16 numbers, then the sections, each without a gap after the one before:
//!
//! | section | numbers or bytes |
//! | --- | --- |
//! | offsets | entries + 1 numbers: where each entry begins among the strings |
//! | slots | the hash table, a power of two of numbers |
//! | before, after | the ids around every text |
//! | added | two numbers a token: its id, its flags (see `added_flags`) |
//! | prefix | bytes: what an entry begins with that continues a word |
//! | strings | bytes: the entries, one after the other |
//!
//! Numbers are `u32`, little-endian. Loading looks at the header and the few special tokens; the entries
//! and the table, which are nearly all of it, are trusted only as far as each access is checked.

use super::TokenizerError;
use super::definition::{AddedToken, Definition, Settings};
use super::normalize::Normalizer;
use super::vocabulary::{MAX_ENTRIES, Vocabulary, build_slots, slots_for};
use crate::Bytes;
use std::ops::Range;

/// `WPT1`: changes when the layout does.
const MAGIC: u32 = u32::from_le_bytes(*b"WPT1");
const HEADER_NUMBERS: usize = 16;
const NUMBER: usize = size_of::<u32>();

/// A packed tokenizer, checked and taken apart.
#[derive(Clone)]
pub(super) struct Packed {
    bytes: Bytes,
    offsets: Bytes,
    slots: Bytes,
    prefix: Bytes,
    strings: Bytes,
    longest: usize,
    pieces: usize,
    settings: Settings,
}

/// The numbers of the header, in their order.
#[derive(Clone, Copy)]
struct Header {
    magic: u32,
    entries: u32,
    pieces: u32,
    longest: u32,
    slots: u32,
    before: u32,
    after: u32,
    added: u32,
    prefix_bytes: u32,
    string_bytes: u32,
    normalizer: u32,
    max_word_chars: u32,
    unk_id: u32,
}

impl Packed {
    /// Lays out `definition`; the same one always gives the same bytes.
    ///
    /// The caller has checked that there are at most [`MAX_ENTRIES`] and that every id is of an entry.
    pub fn build(definition: &Definition) -> Vec<u8> {
        let Definition { entries, pieces, prefix, settings } = definition;
        let slots = build_slots(&entries[..*pieces]);
        let mut offsets = vec![0];
        let mut strings = Vec::new();
        for entry in entries {
            strings.extend_from_slice(entry.as_bytes());
            offsets.push(strings.len() as u32);
        }
        let header = Header {
            magic: MAGIC,
            entries: entries.len() as u32,
            pieces: *pieces as u32,
            longest: entries[..*pieces].iter().map(String::len).max().unwrap_or(0) as u32,
            slots: slots.len() as u32,
            before: settings.before.len() as u32,
            after: settings.after.len() as u32,
            added: settings.added.len() as u32,
            prefix_bytes: prefix.len() as u32,
            string_bytes: strings.len() as u32,
            normalizer: normalizer_flags(settings.normalizer),
            max_word_chars: settings.max_word_chars,
            unk_id: settings.unk_id,
        };
        let added = settings.added.iter().flat_map(|token| [token.id, added_flags(*token)]);
        let numbers = (header.to_numbers().into_iter())
            .chain(offsets)
            .chain(slots)
            .chain(settings.before.iter().copied())
            .chain(settings.after.iter().copied())
            .chain(added);
        let mut bytes: Vec<u8> = numbers.flat_map(u32::to_le_bytes).collect();
        bytes.extend_from_slice(prefix.as_bytes());
        bytes.extend_from_slice(&strings);
        bytes
    }

    /// Takes `bytes` apart, in a time that does not depend on the size of the vocabulary.
    pub fn open(bytes: Bytes) -> Result<Self, TokenizerError> {
        let header = Header::read(&bytes)?;
        header.check()?;
        let mut sections = Sections { bytes: &bytes, at: HEADER_NUMBERS * NUMBER };
        let offsets = sections.numbers(header.entries as usize + 1)?;
        let slots = sections.numbers(header.slots as usize)?;
        let before = sections.ids(header.before)?;
        let after = sections.ids(header.after)?;
        let added = sections.ids(header.added.saturating_mul(2))?;
        let prefix = sections.take(header.prefix_bytes as usize)?;
        let strings = sections.take(header.string_bytes as usize)?;
        if sections.at != bytes.len() {
            return Err(damaged(format!("{} bytes follow its end", bytes.len() - sections.at)));
        }
        let settings = Settings {
            normalizer: normalizer(header.normalizer)?,
            max_word_chars: header.max_word_chars,
            unk_id: header.unk_id,
            before,
            after,
            added: added.as_chunks::<2>().0.iter().map(added_token).collect::<Result<_, _>>()?,
        };
        check_ids(&settings, header.entries)?;
        let (longest, pieces) = (header.longest as usize, header.pieces as usize);
        Ok(Self { bytes, offsets, slots, prefix, strings, longest, pieces, settings })
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// How many entries are WordPiece's own.
    pub fn pieces(&self) -> usize {
        self.pieces
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.offsets.len() / NUMBER - 1
    }

    pub fn vocabulary(&self) -> Vocabulary<'_> {
        Vocabulary {
            offsets: self.offsets.as_slice_of().unwrap_or_default(),
            slots: self.slots.as_slice_of().unwrap_or_default(),
            prefix: &self.prefix,
            strings: &self.strings,
            longest: self.longest,
        }
    }
}

impl Header {
    fn to_numbers(self) -> [u32; HEADER_NUMBERS] {
        [
            self.magic,
            self.entries,
            self.pieces,
            self.longest,
            self.slots,
            self.before,
            self.after,
            self.added,
            self.prefix_bytes,
            self.string_bytes,
            self.normalizer,
            self.max_word_chars,
            self.unk_id,
            0,
            0,
            0,
        ]
    }

    fn read(bytes: &[u8]) -> Result<Self, TokenizerError> {
        let (numbers, _) = bytes.as_chunks::<NUMBER>();
        let numbers = numbers.first_chunk::<HEADER_NUMBERS>().ok_or_else(|| damaged("it is cut short".into()))?;
        let [
            magic,
            entries,
            pieces,
            longest,
            slots,
            before,
            after,
            added,
            prefix_bytes,
            string_bytes,
            normalizer,
            max_word_chars,
            unk_id,
            reserved @ ..,
        ] = numbers.map(u32::from_le_bytes);
        if magic != MAGIC || reserved != [0; 3] {
            return Err(damaged("it is not in a format that this version knows".into()));
        }
        let header = Self {
            magic,
            entries,
            pieces,
            longest,
            slots,
            before,
            after,
            added,
            prefix_bytes,
            string_bytes,
            normalizer,
            max_word_chars,
            unk_id,
        };
        Ok(header)
    }

    fn check(&self) -> Result<(), TokenizerError> {
        if self.pieces == 0 || self.pieces > self.entries || self.entries as usize > MAX_ENTRIES {
            return Err(damaged(format!("{} of {} entries are pieces", self.pieces, self.entries)));
        }
        if self.slots as usize != slots_for(self.pieces as usize) {
            return Err(damaged(format!("{} slots do not fit {} pieces", self.slots, self.pieces)));
        }
        Ok(())
    }
}

/// Cuts sections off, one after the other.
struct Sections<'a> {
    bytes: &'a Bytes,
    at: usize,
}

impl Sections<'_> {
    fn take(&mut self, length: usize) -> Result<Bytes, TokenizerError> {
        let range: Range<usize> = self.at..self.at.saturating_add(length);
        let section = self.bytes.slice(range.clone()).ok_or_else(|| damaged("it is cut short".into()))?;
        self.at = range.end;
        Ok(section)
    }

    /// Numbers that stay where they are, and can be read there.
    fn numbers(&mut self, count: usize) -> Result<Bytes, TokenizerError> {
        let section = self.take(count.saturating_mul(NUMBER))?;
        match section.as_slice_of::<u32>() {
            Some(_) => Ok(section),
            None => Err(damaged("its numbers are not aligned".into())),
        }
    }

    /// A few numbers, copied out.
    fn ids(&mut self, count: u32) -> Result<Vec<u32>, TokenizerError> {
        let section = self.take((count as usize).saturating_mul(NUMBER))?;
        Ok(section.as_chunks().0.iter().map(|&bytes| u32::from_le_bytes(bytes)).collect())
    }
}

fn check_ids(settings: &Settings, entries: u32) -> Result<(), TokenizerError> {
    let added = settings.added.iter().map(|token| &token.id);
    let mut ids = settings.before.iter().chain(&settings.after).chain(added).chain([&settings.unk_id]);
    match ids.find(|&&id| id >= entries) {
        Some(id) => Err(damaged(format!("a special token has id {id}, but there are {entries} entries"))),
        None => Ok(()),
    }
}

fn normalizer_flags(normalizer: Normalizer) -> u32 {
    let Normalizer { clean_text, space_cjk, strip_accents, lowercase } = normalizer;
    to_bits([clean_text, space_cjk, strip_accents, lowercase])
}

fn normalizer(flags: u32) -> Result<Normalizer, TokenizerError> {
    let [clean_text, space_cjk, strip_accents, lowercase] = from_bits(flags)?;
    Ok(Normalizer { clean_text, space_cjk, strip_accents, lowercase })
}

fn added_flags(token: AddedToken) -> u32 {
    to_bits([token.lstrip, token.rstrip, token.normalized])
}

fn added_token(&[id, flags]: &[u32; 2]) -> Result<AddedToken, TokenizerError> {
    let [lstrip, rstrip, normalized] = from_bits(flags)?;
    Ok(AddedToken { id, lstrip, rstrip, normalized })
}

/// Flags as the bits of a number, the first one lowest.
fn to_bits<const N: usize>(flags: [bool; N]) -> u32 {
    flags.iter().rev().fold(0, |bits, &flag| (bits << 1) + u32::from(flag))
}

fn from_bits<const N: usize>(bits: u32) -> Result<[bool; N], TokenizerError> {
    if bits >> N != 0 {
        return Err(damaged(format!("the flags {bits:#x} are not known to this version")));
    }
    Ok(std::array::from_fn(|bit| (bits >> bit) & 1 == 1))
}

pub(super) fn damaged(problem: String) -> TokenizerError {
    TokenizerError::Packed { problem }
}
