//! The words of an index, each with a number.
//!
//! They lie in one text, sorted, so that a word is found by halving, and all that begin alike lie together.

use super::spelling::letters_of;
use std::ops::Range;

/// The words, sorted by their bytes; the number of a word is its place.
#[derive(Debug, Default)]
pub(super) struct Vocabulary {
    text: String,
    /// Where each word ends.
    ends: Vec<u32>,
    /// The letters of each word, by which its neighbours are found.
    letters: Vec<u32>,
}

impl Vocabulary {
    /// Adds a word that comes after all so far. `None` if there is no room: words are found with 32 bits.
    pub fn push(&mut self, word: &str) -> Option<()> {
        self.text.push_str(word);
        self.letters.push(letters_of(word));
        self.ends.push(u32::try_from(self.text.len()).ok()?);
        Some(())
    }

    /// The letters of each word.
    pub fn letters(&self) -> &[u32] {
        &self.letters
    }

    /// How many there are.
    pub fn len(&self) -> u32 {
        self.ends.len() as u32
    }

    /// The word with a number.
    pub fn word(&self, number: u32) -> &str {
        let at = number as usize;
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        &self.text[start as usize..self.ends[at] as usize]
    }

    /// The number of a word.
    pub fn find(&self, word: &str) -> Option<u32> {
        let at = self.first(|known| known >= word);
        (at < self.len() && self.word(at) == word).then_some(at)
    }

    /// The words that begin with `prefix`.
    pub fn beginning_with(&self, prefix: &str) -> Range<u32> {
        self.first(|known| known >= prefix)..self.first(|known| known > prefix && !known.starts_with(prefix))
    }

    /// The first word that `is_beyond` is true of; it is true of all behind.
    fn first(&self, is_beyond: impl Fn(&str) -> bool) -> u32 {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if is_beyond(self.word(middle)) { high = middle } else { low = middle + 1 }
        }
        low
    }

    /// Gives back memory that was kept for growing.
    pub fn shrink(&mut self) {
        self.text.shrink_to_fit();
        self.ends.shrink_to_fit();
        self.letters.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn words_are_found_by_themselves_and_by_their_beginning(
            known in prop::collection::btree_set("[abé\u{10ffff}क]{1,4}", 0..40),
            asked in "[abé\u{10ffff}क]{0,4}",
        ) {
            let mut vocabulary = Vocabulary::default();
            for word in &known {
                vocabulary.push(word).expect("room");
            }
            prop_assert_eq!(vocabulary.find(&asked), known.iter().position(|word| *word == asked).map(|at| at as u32));
            let begin_so: BTreeSet<&str> = known.iter().map(String::as_str).filter(|word| word.starts_with(&asked)).collect();
            let found: BTreeSet<&str> = vocabulary.beginning_with(&asked).map(|number| vocabulary.word(number)).collect();
            prop_assert_eq!(found, begin_so);
        }
    }
}
