//! The vocabulary in place: entries as one string with offsets, found through a hash table.
//!
//! The table is open-addressed with linear probing and made when a model is packed. A slot is a `u32`:
//! 0 if empty, else 12 bits of the hash (so that almost no wrong entry is ever looked at) above 20 bits
//! of the id plus one. Hashes grow byte by byte, so one pass over a word gives those of all its prefixes.
//!
//! The bytes may come from a damaged file: every access is checked, the worst outcome is a wrong id.

/// Entries that fit the id of a slot.
pub(super) const MAX_ENTRIES: usize = (1 << ID_BITS) - 1;

const ID_BITS: u32 = 20;
const ID_MASK: u32 = (1 << ID_BITS) - 1;

/// The hash of a string so far.
#[derive(Clone, Copy)]
struct Hash(u64);

impl Hash {
    const EMPTY: Self = Self(0);

    /// One step of FxHash: what the high bits hold depends on every byte.
    #[inline]
    fn push(self, byte: u8) -> Self {
        Self((self.0.rotate_left(5) ^ u64::from(byte)).wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    fn of(bytes: &[u8]) -> Self {
        bytes.iter().fold(Self::EMPTY, |hash, &byte| hash.push(byte))
    }

    /// Where the search begins in a table of `slots`, a power of two that is at least 2.
    #[inline]
    fn slot(self, slots: usize) -> usize {
        (self.0 >> (64 - slots.trailing_zeros())) as usize
    }

    #[inline]
    fn tag(self) -> u32 {
        (self.0 >> 31) as u32 & (u32::MAX >> ID_BITS)
    }
}

/// How many slots the table of `entries` has: at most half of them are taken.
pub(super) fn slots_for(entries: usize) -> usize {
    (2 * entries).next_power_of_two().max(2)
}

/// Builds the table of entries whose ids are their places in `entries`, at most [`MAX_ENTRIES`].
pub(super) fn build_slots(entries: &[String]) -> Vec<u32> {
    let mut slots = vec![0; slots_for(entries.len())];
    for (id, entry) in entries.iter().enumerate() {
        let hash = Hash::of(entry.as_bytes());
        let mut slot = hash.slot(slots.len());
        while slots[slot] != 0 {
            slot = (slot + 1) % slots.len();
        }
        slots[slot] = hash.tag() << ID_BITS | (id as u32 + 1);
    }
    slots
}

/// A vocabulary as it lies in memory; numbers are little-endian.
#[derive(Clone, Copy)]
pub(super) struct Vocabulary<'a> {
    /// Where each entry begins in `strings`; one more for the end of the last.
    pub offsets: &'a [u32],
    /// The hash table, a power of two long, over the entries that WordPiece may use.
    pub slots: &'a [u32],
    /// All entries, one after the other.
    pub strings: &'a [u8],
    /// What an entry begins with that continues a word: `##`.
    pub prefix: &'a [u8],
    /// Bytes of the longest entry.
    pub longest: usize,
}

impl<'a> Vocabulary<'a> {
    /// The bytes of entry `id`.
    #[inline]
    pub fn entry(&self, id: u32) -> Option<&'a [u8]> {
        let id = usize::try_from(id).ok()?;
        let start = u32::from_le(*self.offsets.get(id)?) as usize;
        let end = u32::from_le(*self.offsets.get(id + 1)?) as usize;
        self.strings.get(start..end)
    }

    /// The longest entry that `word` has at `start`: its id, and where in the word it ends.
    ///
    /// Past the start of a word, only entries with the prefix are meant. `hashes` is scratch space.
    #[inline]
    pub fn longest_match(&self, word: &[u8], start: usize, hashes: &mut Vec<u64>) -> Option<(u32, usize)> {
        let prefix = if start == 0 { &[] } else { self.prefix };
        let rest = word.get(start..)?;
        let longest = rest.len().min(self.longest.saturating_sub(prefix.len()));
        if hashes.len() < longest {
            hashes.resize(longest, 0);
        }
        let mut hash = Hash::of(prefix);
        for (slot, &byte) in hashes.iter_mut().zip(&rest[..longest]) {
            hash = hash.push(byte);
            *slot = hash.0;
        }
        for (last, &hash) in hashes[..longest].iter().enumerate().rev() {
            let length = last + 1;
            if is_boundary(rest, length)
                && let Some(id) = self.find(Hash(hash), prefix, &rest[..length])
            {
                return Some((id, start + length));
            }
        }
        None
    }

    /// The id of the entry `prefix` + `piece`, whose hash is `hash`.
    #[inline]
    fn find(&self, hash: Hash, prefix: &[u8], piece: &[u8]) -> Option<u32> {
        let first = hash.slot(self.slots.len());
        let (before, after) = self.slots.split_at_checked(first)?;
        for &slot in after.iter().chain(before) {
            let slot = u32::from_le(slot);
            if slot == 0 {
                return None;
            }
            if slot >> ID_BITS == hash.tag() {
                let id = (slot & ID_MASK).wrapping_sub(1);
                if self.entry(id).is_some_and(|entry| is_concatenation(entry, prefix, piece)) {
                    return Some(id);
                }
            }
        }
        None
    }
}

/// Whether `entry` is `prefix` + `piece`.
///
/// A plain loop: a call of `memcmp` for so few bytes takes longer than all the rest of a look-up.
#[inline]
fn is_concatenation(entry: &[u8], prefix: &[u8], piece: &[u8]) -> bool {
    entry.len() == prefix.len() + piece.len() && entry.iter().eq(prefix.iter().chain(piece))
}

/// Whether a character ends after `length` bytes of `text`, which is UTF-8.
#[inline]
fn is_boundary(text: &[u8], length: usize) -> bool {
    text.get(length).is_none_or(|byte| byte & 0b1100_0000 != 0b1000_0000)
}
