//! Words that are not quite in the vocabulary: misspelt, or not yet typed to their end.
//!
//! A word is corrected only if the index does not have it, or has it so seldom beside its neighbour that it is likely
//! misspelt there, too. From 4 letters on one edit is allowed, from 8 on two; an edit puts in, leaves out or changes a
//! letter, or swaps two (Damerau and Levenshtein's, in the variant that edits no letter twice). Of several neighbours the
//! other words of the query decide: the one that the best document holds is meant. Without their help it is the one that
//! is frequent and near.

use super::KeywordIndex;
use super::field::Fields;
use super::query::{Clause, KeywordQuery, Need, QueryWord};
use super::vocabulary::Vocabulary;

/// Fewest letters of a word for one edit, and for two.
const LETTERS_FOR_EDITS: [usize; 2] = [4, 8];
/// Longer words are names of molecules, or no words.
const MOST_LETTERS: usize = 40;
/// Neighbours that the other words choose from.
const MOST_NEIGHBOURS: usize = 12;
/// Words that one beginning stands for: the most frequent ones.
const MOST_ENDINGS: usize = 64;
/// A word that no more documents hold is corrected, too, if its neighbour is so many times as frequent.
const RARE: u32 = 3;
const FAR_MORE_FREQUENT: u32 = 200;
/// How much less likely a second edit is, and one of the first letter.
const SECOND_EDIT: f32 = 0.02;
const FIRST_LETTER: f32 = 0.2;

/// A word that was searched in another spelling than it was typed, or a phrase that was searched as words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Correction {
    /// As it was typed, folded; a phrase in quotation marks.
    pub typed: String,
    /// What was searched, folded.
    pub searched: String,
    /// Whether what was typed was searched as well: some documents have it.
    pub as_well: bool,
}

impl KeywordIndex {
    /// Lets the last word of a query stand for those that begin with it.
    pub(super) fn complete(&self, query: &mut KeywordQuery) {
        let Some(word) =
            query.clauses.iter_mut().rev().find(|clause| clause.is_last).and_then(|clause| clause.words.last_mut())
        else {
            return;
        };
        let mut endings: Vec<(u32, u32)> =
            self.vocabulary.beginning_with(&word.typed).map(|number| (self.lists.n_docs(number), number)).collect();
        if endings.len() > MOST_ENDINGS {
            endings.select_nth_unstable_by(MOST_ENDINGS, |a, b| b.cmp(a));
            endings.truncate(MOST_ENDINGS);
        }
        endings.sort_unstable_by_key(|(_, number)| *number);
        let endings = endings.into_iter().map(|(_, number)| self.vocabulary.word(number));
        word.others = endings.filter(|ending| *ending != word.typed).map(str::to_owned).collect();
    }

    /// Takes the quotation marks off phrases that no document holds, so that their words are searched: often the marks belong
    /// to a title (`the cruise of the "kestrel"`), and a letter is wrong within. A field's phrase stays what it is.
    pub(super) fn unquote(&self, query: &mut KeywordQuery, fields: Fields) {
        let is_nowhere = |clause: &Clause| {
            clause.need == Need::Must && clause.is_quoted && clause.fields == fields && self.holders(clause).is_empty()
        };
        let mut clauses = Vec::with_capacity(query.clauses.len());
        for clause in std::mem::take(&mut query.clauses) {
            if !is_nowhere(&clause) {
                clauses.push(clause);
                continue;
            }
            let searched = clause.words.iter().map(|word| word.typed.as_str()).collect::<Vec<_>>().join(" ");
            query.corrections.push(Correction { typed: format!("“{searched}”"), searched, as_well: false });
            let plain = |word| Clause { need: Need::Any, is_quoted: false, words: vec![word], ..clause.clone() };
            clauses.extend(clause.words.iter().cloned().map(plain));
        }
        query.clauses = clauses;
    }

    /// Corrects the words of a query that are misspelt.
    pub(super) fn correct(&self, query: &mut KeywordQuery, is_word: &dyn Fn(&str) -> bool) {
        let mut is_corrected = false;
        for clause in query.clauses.iter_mut().filter(|clause| clause.need != Need::Not && !clause.is_quoted) {
            let fields = clause.fields;
            for word in clause.words.iter_mut().filter(|word| word.others.is_empty() && !is_word(&word.typed)) {
                word.others = self.neighbours(&word.typed, fields);
                is_corrected |= !word.others.is_empty();
            }
        }
        if !is_corrected {
            return;
        }
        // All neighbours are asked for, and the best document says which were meant.
        let best = self.search(query, 1, None).first().map(|best| self.explain(best.group, query)).unwrap_or_default();
        let is_held = |word: &str| best.iter().any(|held| held.word == word);
        let is_ambiguous = |word: &QueryWord| word.others.len() > 1;
        let helps =
            |clause: &Clause| clause.words.iter().any(|word| !is_ambiguous(word) && word.spellings().any(is_held));
        let is_helped = query.clauses.iter().any(helps);
        for word in query.clauses.iter_mut().flat_map(|clause| &mut clause.words).filter(|word| !word.others.is_empty())
        {
            let meant = word.others.iter().position(|other| is_helped && is_held(other)).unwrap_or_default();
            word.others = vec![word.others.swap_remove(meant)];
            query.corrections.push(Correction {
                typed: word.typed.clone(),
                searched: word.others[0].clone(),
                as_well: self.vocabulary.find(&word.typed).is_some(),
            });
        }
    }

    /// What a word may be misspelt for, the likeliest first; nothing if it need not be.
    fn neighbours(&self, word: &str, fields: Fields) -> Vec<String> {
        let letters: Vec<char> = word.chars().collect();
        let most_edits = LETTERS_FOR_EDITS.iter().filter(|least| letters.len() >= **least).count();
        if most_edits == 0 || letters.len() > MOST_LETTERS || letters.iter().any(|c| c.is_numeric()) {
            return Vec::new();
        }
        let n_docs = |number| {
            let mut cursor = self.lists.cursor(number);
            let mut is_in_field =
                || std::iter::from_fn(|| cursor.advance().then_some(cursor.fields)).any(|held| held.meets(fields));
            if fields == Fields::ALL || is_in_field() { self.lists.n_docs(number) } else { 0 }
        };
        let own = self.vocabulary.find(word).map_or(0, n_docs);
        if own > RARE {
            return Vec::new();
        }
        let mut found: Vec<(f32, u32)> = Vec::new();
        for number in self.vocabulary.with_letters_like(word, most_edits) {
            let other: Vec<char> = self.vocabulary.word(number).chars().collect();
            let Some(edits) = edits(&letters, &other, most_edits).filter(|edits| *edits > 0) else { continue };
            let n_docs = n_docs(number);
            if n_docs == 0 || n_docs < own.saturating_mul(FAR_MORE_FREQUENT) {
                continue;
            }
            let second = if edits > 1 { SECOND_EDIT } else { 1.0 };
            let first = if other[0] == letters[0] { 1.0 } else { FIRST_LETTER };
            found.push((n_docs as f32 * second * first, number));
        }
        found.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        found.iter().take(MOST_NEIGHBOURS).map(|(_, number)| self.vocabulary.word(*number).to_owned()).collect()
    }
}

impl Vocabulary {
    /// The words whose length and letters differ from those of `word` by no more than so many edits can do; some may
    /// differ more.
    fn with_letters_like(&self, word: &str, edits: usize) -> impl Iterator<Item = u32> {
        let (letters, length) = (letters_of(word), word.len());
        // An edit takes one letter away and brings another in at most. Letters have up to four bytes, but nobody slips
        // from Latin ones into another script.
        let most_letters = 2 * edits as u32;
        let most_bytes = if word.is_ascii() { edits } else { 4 * edits };
        (0..self.len()).zip(self.letters()).filter_map(move |(number, other)| {
            let is_like = (letters ^ other).count_ones() <= most_letters;
            (is_like && self.word(number).len().abs_diff(length) <= most_bytes).then_some(number)
        })
    }
}

/// The letters that a word consists of, as a bit for each of Latin script, and a few for all others.
pub(super) fn letters_of(word: &str) -> u32 {
    word.chars().fold(0, |letters, c| {
        let bit = if c.is_ascii_lowercase() { c as u32 - 'a' as u32 } else { 26 + c as u32 % 6 };
        letters | 1 << bit
    })
}

/// How many edits make `a` into `b`; `None` if more than `most`.
fn edits(a: &[char], b: &[char], most: usize) -> Option<usize> {
    if a.len().abs_diff(b.len()) > most {
        return None;
    }
    let same_start = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let (a, b) = (&a[same_start..], &b[same_start..]);
    let same_end = a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count();
    let (a, b) = (&a[..a.len() - same_end], &b[..b.len() - same_end]);
    // Each row is the distances of the first letters of `a` to all beginnings of `b`.
    let mut rows = [Vec::new(), Vec::new(), (0..=b.len()).collect::<Vec<usize>>()];
    for (i, &from) in a.iter().enumerate() {
        rows.rotate_left(1);
        let mut row = vec![i + 1];
        for (j, &to) in b.iter().enumerate() {
            let mut least = (rows[1][j] + usize::from(from != to)).min(rows[1][j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && from == b[j - 1] && a[i - 1] == to {
                least = least.min(rows[0][j - 1] + 1);
            }
            row.push(least);
        }
        if row.iter().min().is_some_and(|least| *least > most + 1) {
            return None;
        }
        rows[2] = row;
    }
    Some(rows[2][b.len()]).filter(|edits| *edits <= most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn chars(word: &str) -> Vec<char> {
        word.chars().collect()
    }

    #[test]
    fn edits_are_counted() {
        for (a, b, expected) in [
            ("tolkien", "tolkein", 1),
            ("tolkien", "tolkien", 0),
            ("innvention", "invention", 1),
            ("macine", "machine", 1),
            ("hiatory", "history", 1),
            ("ca", "abc", 3),
            ("kitten", "sitting", 3),
            ("", "abc", 3),
            ("दिन", "दीन", 1),
        ] {
            assert_eq!(edits(&chars(a), &chars(b), 3), Some(expected), "{a}, {b}");
            assert_eq!(edits(&chars(b), &chars(a), 3), Some(expected), "{b}, {a}");
            assert_eq!(
                edits(&chars(a), &chars(b), expected.saturating_sub(1)),
                (expected == 0).then_some(0),
                "{a}, {b}"
            );
        }
    }

    /// All that one edit makes of a word of these letters.
    fn edited_once(word: &[char]) -> BTreeSet<Vec<char>> {
        let mut found = BTreeSet::new();
        for at in 0..=word.len() {
            for letter in ['a', 'b', 'c'] {
                found.insert([&word[..at], &[letter], &word[at..]].concat());
                if at < word.len() {
                    found.insert([&word[..at], &[letter], &word[at + 1..]].concat());
                }
            }
            if at < word.len() {
                found.insert([&word[..at], &word[at + 1..]].concat());
            }
            if at + 1 < word.len() {
                found.insert([&word[..at], &[word[at + 1], word[at]], &word[at + 2..]].concat());
            }
        }
        found
    }

    proptest! {
        #[test]
        fn one_edit_is_what_one_edit_makes(a in "[abc]{0,6}", b in "[abc]{0,6}") {
            let (a, b) = (chars(&a), chars(&b));
            let is_one = a != b && edited_once(&a).contains(&b);
            prop_assert_eq!(edits(&a, &b, 2) == Some(1), is_one, "{:?}", edits(&a, &b, 2));
        }

        #[test]
        fn letters_never_hide_a_neighbour(a in "[a-dé]{1,8}", b in "[a-dé]{1,8}") {
            if let Some(edits) = edits(&chars(&a), &chars(&b), 2) {
                prop_assert!((letters_of(&a) ^ letters_of(&b)).count_ones() as usize <= 2 * edits);
            }
        }
    }
}
