//! The documents that hold a word: how they are written and read.
//!
//! A list is bytes. For each document, ascending: the distance from the one before, then one byte for the fields and
//! the number of places (1 to 3 of them in its upper bits; 0 if the number follows). Numbers are written seven bits to
//! the byte, the lowest first. The places themselves lie apart, as only phrases and known titles need them.
//!
//! A list begins with the number of its documents. Every 128 documents there is a mark from which reading can start,
//! so that looking for a few documents in the list of a common word does not read it all.

use super::field::Fields;

/// Documents between two marks.
const BLOCK: u32 = 128;
/// A mark: the document before the block, and where the block begins in the list and among the places; 32 bits each.
const MARK_BYTES: usize = 12;
/// What [`Cursor::doc`] is behind the last document.
pub(super) const END: u32 = u32::MAX;
/// The bits of the fields in a document's byte.
const FIELD_BITS: u32 = 6;

/// The list of one word in the making. Documents come in ascending order.
#[derive(Default)]
pub(super) struct Postings {
    n_docs: u32,
    last_doc: u32,
    docs: Vec<u8>,
    places: Vec<u8>,
    marks: Vec<u8>,
}

/// All lists.
#[derive(Debug, Default)]
pub(super) struct Lists {
    docs: Vec<u8>,
    places: Vec<u8>,
    /// Where the list of each word begins in both; one more for the end.
    starts: Vec<(u32, u32)>,
}

/// Reads one list. It stands before the first document until told to go on.
#[derive(Clone)]
pub(super) struct Cursor<'a> {
    /// The document it stands at, or [`END`].
    pub doc: u32,
    /// The fields that hold the word there.
    pub fields: Fields,
    /// How often they do.
    pub count: u32,
    n_docs: u32,
    docs: &'a [u8],
    places: &'a [u8],
    marks: &'a [u8],
    /// Documents read so far, of all those up to the current one.
    read: u32,
    at: usize,
    /// Where the places of the block begin, and how many of them come before the current document's.
    block_places: usize,
    places_before: u32,
}

impl Postings {
    /// Adds a document, with the ascending places of the word in it.
    pub fn push(&mut self, doc: u32, fields: Fields, places: &[u32]) {
        if self.n_docs > 0 && self.n_docs.is_multiple_of(BLOCK) {
            for number in [self.last_doc, self.docs.len() as u32, self.places.len() as u32] {
                self.marks.extend_from_slice(&number.to_le_bytes());
            }
        }
        write_number(&mut self.docs, doc - self.last_doc);
        let short = if places.len() < 4 { places.len() as u8 } else { 0 };
        self.docs.push(fields.bits() | short << FIELD_BITS);
        if short == 0 {
            write_number(&mut self.docs, places.len() as u32);
        }
        let mut before = 0;
        for &place in places {
            write_number(&mut self.places, place - before);
            before = place;
        }
        self.last_doc = doc;
        self.n_docs += 1;
    }
}

impl Lists {
    /// Adds a list; its number is the next one. `None` if there is no room: lists are found with 32 bits.
    pub fn push(&mut self, postings: &Postings) -> Option<()> {
        if self.starts.is_empty() {
            self.starts.push((0, 0));
        }
        write_number(&mut self.docs, postings.n_docs);
        self.docs.extend_from_slice(&postings.marks);
        self.docs.extend_from_slice(&postings.docs);
        self.places.extend_from_slice(&postings.places);
        self.starts.push((u32::try_from(self.docs.len()).ok()?, u32::try_from(self.places.len()).ok()?));
        Some(())
    }

    /// Gives back memory that was kept for growing.
    pub fn shrink(&mut self) {
        self.docs.shrink_to_fit();
        self.places.shrink_to_fit();
        self.starts.shrink_to_fit();
    }

    /// How many documents the list of a word has.
    pub fn n_docs(&self, word: u32) -> u32 {
        read_number(&self.docs, &mut (self.starts[word as usize].0 as usize))
    }

    /// Reads the list of a word.
    pub fn cursor(&self, word: u32) -> Cursor<'_> {
        let (start, end) = (self.starts[word as usize], self.starts[word as usize + 1]);
        let list = &self.docs[start.0 as usize..end.0 as usize];
        let mut at = 0;
        let n_docs = read_number(list, &mut at);
        let n_marks = (n_docs.saturating_sub(1) / BLOCK) as usize;
        let (marks, docs) = list[at..].split_at(n_marks * MARK_BYTES);
        Cursor {
            doc: 0,
            fields: Fields::NONE,
            count: 0,
            n_docs,
            docs,
            places: &self.places[start.1 as usize..end.1 as usize],
            marks,
            read: 0,
            at: 0,
            block_places: 0,
            places_before: 0,
        }
    }
}

impl Cursor<'_> {
    /// How many documents the list has.
    pub fn n_docs(&self) -> u32 {
        self.n_docs
    }

    /// Goes to the next document; says whether there is one.
    #[inline]
    pub fn advance(&mut self) -> bool {
        if self.read == self.n_docs {
            self.doc = END;
            return false;
        }
        if self.read.is_multiple_of(BLOCK) && self.read > 0 {
            self.block_places = self.mark(self.read / BLOCK).2;
            self.places_before = 0;
        } else {
            self.places_before += self.count;
        }
        self.doc += read_number(self.docs, &mut self.at);
        let byte = self.docs[self.at];
        self.at += 1;
        self.fields = Fields::from_bits(byte);
        self.count = u32::from(byte >> FIELD_BITS);
        if self.count == 0 {
            self.count = read_number(self.docs, &mut self.at);
        }
        self.read += 1;
        true
    }

    /// Every document of the list, with the fields that hold the word and how often; wherever the cursor stands.
    pub fn each(&self, mut visit: impl FnMut(u32, Fields, u32)) {
        let (mut at, mut doc) = (0, 0);
        for _ in 0..self.n_docs {
            doc += read_number(self.docs, &mut at);
            let byte = self.docs[at];
            at += 1;
            let count = match byte >> FIELD_BITS {
                0 => read_number(self.docs, &mut at),
                short => u32::from(short),
            };
            visit(doc, Fields::from_bits(byte), count);
        }
    }

    /// Goes on to `doc`, or the first document behind it; says whether it is in the list. Never goes back.
    pub fn seek(&mut self, doc: u32) -> bool {
        if self.read > 0 && self.doc >= doc {
            return self.doc == doc;
        }
        // The last block that begins behind a smaller document.
        let (mut low, mut high) = (self.read.saturating_sub(1) / BLOCK, self.marks.len() as u32 / MARK_BYTES as u32);
        let current = low;
        while low < high {
            let middle = (low + high).div_ceil(2);
            if self.mark(middle).0 < doc { low = middle } else { high = middle - 1 }
        }
        if low > current {
            let (before, at, places) = self.mark(low);
            (self.doc, self.at, self.block_places) = (before, at, places);
            (self.read, self.count, self.places_before) = (low * BLOCK, 0, 0);
        }
        while self.advance() {
            if self.doc >= doc {
                return self.doc == doc;
            }
        }
        false
    }

    /// The places of the word in the current document, ascending.
    pub fn places(&self, found: &mut Vec<u32>) {
        found.clear();
        let mut at = self.block_places;
        for _ in 0..self.places_before {
            at += self.places[at..].iter().position(|byte| *byte < 0x80).unwrap_or_default() + 1;
        }
        let mut place = 0;
        for _ in 0..self.count {
            place += read_number(self.places, &mut at);
            found.push(place);
        }
    }

    /// The mark of a block, from 1.
    fn mark(&self, block: u32) -> (u32, usize, usize) {
        let mark = &self.marks[(block as usize - 1) * MARK_BYTES..][..MARK_BYTES];
        let number = |at: usize| u32::from_le_bytes([mark[at], mark[at + 1], mark[at + 2], mark[at + 3]]);
        (number(0), number(4) as usize, number(8) as usize)
    }
}

fn write_number(bytes: &mut Vec<u8>, mut number: u32) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

#[inline]
fn read_number(bytes: &[u8], at: &mut usize) -> u32 {
    let first = bytes[*at];
    *at += 1;
    if first < 0x80 {
        return u32::from(first);
    }
    let (mut number, mut shift) = (u32::from(first & 0x7f), 7);
    loop {
        let byte = bytes[*at];
        *at += 1;
        number |= u32::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return number;
        }
        shift += 7;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// Document → fields and places.
    type Written = BTreeMap<u32, (u8, Vec<u32>)>;

    fn written() -> impl Strategy<Value = Written> {
        let places = prop::collection::btree_set(0_u32..70_000, 1..7).prop_map(|places| places.into_iter().collect());
        prop_oneof![
            prop::collection::btree_map(0_u32..3_000, (0_u8..64, places.clone()), 1..900),
            prop::collection::btree_map(0_u32..END - 1, (0_u8..64, places), 1..20),
        ]
    }

    fn lists(all: &[Written]) -> Lists {
        let mut lists = Lists::default();
        for written in all {
            let mut postings = Postings::default();
            for (doc, (fields, places)) in written {
                postings.push(*doc, Fields::from_bits(*fields), places);
            }
            lists.push(&postings).expect("room for all");
        }
        lists
    }

    fn current(cursor: &Cursor<'_>) -> (u32, (u8, Vec<u32>)) {
        let mut places = Vec::new();
        cursor.places(&mut places);
        assert_eq!(places.len(), cursor.count as usize);
        (cursor.doc, (cursor.fields.bits(), places))
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_was_written(all in prop::collection::vec(written(), 1..3)) {
            let lists = lists(&all);
            for (word, written) in all.iter().enumerate() {
                let mut cursor = lists.cursor(word as u32);
                prop_assert_eq!((lists.n_docs(word as u32), cursor.n_docs()), (written.len() as u32, written.len() as u32));
                let mut read = Written::new();
                while cursor.advance() {
                    let (doc, rest) = current(&cursor);
                    read.insert(doc, rest);
                }
                prop_assert_eq!(&read, written);
                prop_assert_eq!(cursor.doc, END);
            }
        }

        #[test]
        fn seeking_finds_what_reading_finds(
            written in written(),
            targets in prop::collection::btree_set(0_u32..3_100, 0..60),
            advance in any::<bool>(),
        ) {
            let lists = lists(std::slice::from_ref(&written));
            let mut cursor = lists.cursor(0);
            let mut least = 0;
            for target in targets {
                let target = target.max(least);
                if target == END {
                    break;
                }
                prop_assert_eq!(cursor.seek(target), written.contains_key(&target));
                match written.range(target..).next() {
                    Some((&doc, rest)) => prop_assert_eq!(current(&cursor), (doc, rest.clone())),
                    None => prop_assert_eq!(cursor.doc, END),
                }
                if advance && !cursor.advance() {
                    break;
                }
                least = cursor.doc;
            }
        }
    }
}
