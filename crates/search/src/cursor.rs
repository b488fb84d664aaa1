//! Where a page of an answer ended, so that the next goes on from there.
//!
//! A cursor names the book that came last. The next page begins behind that book, wherever it stands by then: if the
//! catalogue changes between two pages, no book is shown twice or passed over because others moved it along.

use crate::Error;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

/// The end of a page. As text it is opaque: readers hand it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// The last book, its row id.
    pub book: i64,
    /// How many books came up to it: where to go on if it is gone.
    pub shown: u32,
    /// What was asked, as [`fingerprint`] has it.
    pub question: u64,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{:08x}{:016x}", self.book, self.shown, self.question)
    }
}

impl Cursor {
    /// Reads one that was given out for this question.
    ///
    /// # Errors
    /// [`Error::UnknownCursor`] if it is not one, or of another question.
    pub fn parse(text: &str, question: u64) -> Result<Self, Error> {
        let part = |range: std::ops::Range<usize>| u64::from_str_radix(text.get(range)?, 16).ok();
        let read = || {
            let is_hex = text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
            let (book, shown) = (part(0..16)?.cast_signed(), u32::try_from(part(16..24)?).ok()?);
            let cursor = Self { book, shown, question: part(24..40)? };
            (is_hex && cursor.question == question).then_some(cursor)
        };
        read().ok_or(Error::UnknownCursor)
    }
}

/// A number that two different questions hardly ever share.
pub(crate) fn fingerprint(question: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    question.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written() {
        for cursor in
            [Cursor { book: 1, shown: 10, question: u64::MAX }, Cursor { book: -7, shown: u32::MAX, question: 0 }]
        {
            assert_eq!(Cursor::parse(&cursor.to_string(), cursor.question).expect("its own text"), cursor);
            assert!(Cursor::parse(&cursor.to_string(), 5).is_err(), "of another question");
        }
        for text in ["", "0", "zzzz", &"+".repeat(40), &"0".repeat(41), &"é".repeat(20)] {
            assert!(matches!(Cursor::parse(text, 0), Err(Error::UnknownCursor)), "{text}");
        }
    }
}
