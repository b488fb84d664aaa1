//! What groups have in common: the values of a few fields, for filters and for counts.
//!
//! A field (language, subject …) holds any number of values for each group. A filter becomes a [`GroupSet`] before a
//! search, so that every way of searching obeys it inside its scan; counts are made over the set of what was found.
//! Values are compared folded, and shown as they were first written.

use crate::{GroupSet, fold, words};
use std::collections::HashMap;

/// A value and how many groups have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FacetCount<'a> {
    /// As first written.
    pub value: &'a str,
    /// Groups.
    pub count: usize,
}

/// The values of one field, for groups numbered from 0.
#[derive(Debug, Default)]
pub struct Facet {
    /// Folded value → its number.
    numbers: HashMap<Box<str>, u32>,
    /// Each value as first written, by number.
    written: Vec<Box<str>>,
    /// Where the values of each group begin; those of the last end with `values`.
    starts: Vec<u32>,
    /// Value numbers, group after group, each once.
    values: Vec<u32>,
}

impl Facet {
    /// No group yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the next group's values. One that folds to nothing is left out.
    pub fn push<'a>(&mut self, values: impl IntoIterator<Item = &'a str>) {
        let start = self.values.len();
        self.starts.push(start as u32);
        for value in values {
            let folded = key(value);
            if folded.is_empty() {
                continue;
            }
            let number = self.numbers.get(folded.as_str()).copied().unwrap_or_else(|| {
                let number = self.written.len() as u32;
                self.written.push(value.trim().into());
                self.numbers.insert(folded.into(), number);
                number
            });
            if !self.values[start..].contains(&number) {
                self.values.push(number);
            }
        }
    }

    /// How many groups there are.
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// The groups that have at least one of these values.
    pub fn having<'a>(&self, values: impl IntoIterator<Item = &'a str>) -> GroupSet {
        let numbers = values.into_iter().filter_map(|value| self.numbers.get(key(value).as_str()));
        let wanted: GroupSet = numbers.copied().collect();
        if wanted.is_empty() {
            return wanted;
        }
        GroupSet::from_fn(self.len() as u32, |group| self.of(group).iter().any(|value| wanted.contains(*value)))
    }

    /// The values of a group, as first written.
    pub fn values(&self, group: u32) -> impl Iterator<Item = &str> {
        self.of(group).iter().map(|&number| &*self.written[number as usize])
    }

    /// The values among these groups with how many have them: the most frequent first, then by alphabet.
    pub fn count(&self, groups: impl IntoIterator<Item = u32>) -> Vec<FacetCount<'_>> {
        let mut counts: HashMap<u32, usize> = HashMap::new();
        for group in groups {
            for &value in self.of(group) {
                *counts.entry(value).or_default() += 1;
            }
        }
        let written = |number: u32| &*self.written[number as usize];
        let mut counts: Vec<_> =
            counts.into_iter().map(|(value, count)| FacetCount { value: written(value), count }).collect();
        counts.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.value.cmp(b.value)));
        counts
    }

    fn of(&self, group: u32) -> &[u32] {
        let at = group as usize;
        let Some(&start) = self.starts.get(at) else { return &[] };
        let end = self.starts.get(at + 1).map_or(self.values.len(), |&end| end as usize);
        &self.values[start as usize..end]
    }
}

/// What two writings of one value have in common: their words.
fn key(value: &str) -> String {
    words(&fold(value)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn languages() -> Facet {
        let mut facet = Facet::new();
        for values in [&["en"][..], &["de", "EN "], &[], &["de", "de"], &["Čeština", ""], &["cestina"]] {
            facet.push(values.iter().copied());
        }
        facet
    }

    fn groups(set: &GroupSet) -> Vec<u32> {
        set.iter().collect()
    }

    #[test]
    fn a_filter_is_any_of_its_values_however_written() {
        let facet = languages();
        let cases: [(&[&str], &[u32]); 6] = [
            (&["en"], &[0, 1]),
            (&["EN", "de"], &[0, 1, 3]),
            (&["ČEŠTINA"], &[4, 5]),
            (&["fr"], &[]),
            (&[], &[]),
            (&[""], &[]),
        ];
        for (values, expected) in cases {
            assert_eq!(groups(&facet.having(values.iter().copied())), expected, "{values:?}");
        }
    }

    #[test]
    fn counts_are_of_groups_and_the_most_frequent_first() {
        let facet = languages();
        let shown = |counts: Vec<FacetCount<'_>>| {
            counts.into_iter().map(|FacetCount { value, count }| (value.to_owned(), count)).collect::<Vec<_>>()
        };
        let all = shown(facet.count(0..6));
        assert_eq!(all, [("de".to_owned(), 2), ("en".to_owned(), 2), ("Čeština".to_owned(), 2)]);
        assert_eq!(shown(facet.count([1, 3])), [("de".to_owned(), 2), ("en".to_owned(), 1)]);
        assert_eq!(shown(facet.count([2, 99])), []);
    }

    #[test]
    fn a_groups_values_are_kept_once() {
        let facet = languages();
        assert_eq!(facet.values(1).collect::<Vec<_>>(), ["de", "en"]);
        assert_eq!(facet.values(3).collect::<Vec<_>>(), ["de"]);
        assert_eq!(facet.values(2).count() + facet.values(6).count(), 0);
    }
}
