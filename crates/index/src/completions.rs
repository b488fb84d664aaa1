//! What someone who is typing may want to write: whole texts (titles, names, subjects) of which a word begins so.
//!
//! Every beginning of a word is a place to start from: `shad` and `wind` both lead to *The Shadow of the Wind*, and so does
//! `shadow of the w`. The places are sorted by what follows, so that all that go on as was typed lie together.

use crate::{Error, GroupSet, fold, words};
use std::cmp::Reverse;
use std::collections::HashMap;

/// A text that goes on as was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion<'a> {
    /// As first written.
    pub text: &'a str,
    /// How many groups have it, of those that were asked among.
    pub n_groups: usize,
    /// The first of these.
    pub first_group: u32,
}

/// Texts to choose from.
#[derive(Debug, Default)]
pub struct Completions {
    /// The folded words of all texts.
    folded: String,
    /// Where each text ends in `folded`.
    ends: Vec<u32>,
    /// Each text as first written.
    written: Vec<Box<str>>,
    /// Where the groups of each text end in `groups`.
    group_ends: Vec<u32>,
    groups: Vec<u32>,
    /// A text, and where one of its words begins in `folded`; sorted by what follows.
    places: Vec<(u32, u32)>,
}

impl Completions {
    /// Makes them of texts, each with its group; groups ascend. Texts with the same words are one.
    ///
    /// # Errors
    /// [`Error::Full`] beyond 4 GiB of text.
    pub fn new<'t>(texts: impl IntoIterator<Item = (u32, &'t str)>) -> Result<Self, Error> {
        let mut made = Self::default();
        let mut numbers: HashMap<Box<str>, u32> = HashMap::new();
        let mut pairs: Vec<(u32, u32)> = Vec::new();
        for (group, text) in texts {
            let folded = words(&fold(text)).collect::<Vec<_>>().join(" ");
            if folded.is_empty() {
                continue;
            }
            let number = match numbers.get(folded.as_str()) {
                Some(&number) => number,
                None => {
                    let number = made.push(&folded, text).ok_or(Error::Full)?;
                    numbers.insert(folded.into(), number);
                    number
                }
            };
            pairs.push((number, group));
        }
        pairs.sort_unstable();
        pairs.dedup();
        for (number, group) in pairs {
            made.group_ends.resize(number as usize, made.groups.len() as u32);
            made.groups.push(group);
        }
        made.group_ends.resize(made.written.len(), made.groups.len() as u32);
        let Self { folded, ends, places, .. } = &mut made;
        places
            .sort_unstable_by_key(|&(number, start)| (&folded[start as usize..ends[number as usize] as usize], number));
        Ok(made)
    }

    fn push(&mut self, folded: &str, written: &str) -> Option<u32> {
        let number = u32::try_from(self.written.len()).ok()?;
        let start = u32::try_from(self.folded.len()).ok()?;
        self.folded.push_str(folded);
        self.ends.push(u32::try_from(self.folded.len()).ok()?);
        self.written.push(written.trim().into());
        let spaces = folded.match_indices(' ').map(|(at, _)| start + at as u32 + 1);
        self.places.extend(std::iter::once(start).chain(spaces).map(|place| (number, place)));
        Some(number)
    }

    /// How many texts there are.
    pub fn len(&self) -> usize {
        self.written.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.written.is_empty()
    }

    /// At most `most` texts that go on as `typed`, the most frequent first, of equal ones those that begin so; only those
    /// of some group in `among`, if it is given. White space at the end of `typed` ends its last word.
    pub fn complete(&self, typed: &str, most: usize, among: Option<&GroupSet>) -> Vec<Completion<'_>> {
        let mut prefix = words(&fold(typed)).collect::<Vec<_>>().join(" ");
        if prefix.is_empty() || most == 0 {
            return Vec::new();
        }
        if typed.ends_with(char::is_whitespace) && self.goes_on(&format!("{prefix} ")) {
            prefix.push(' ');
        }
        let (mut going_on, mut beginning) = (GroupSet::new(), GroupSet::new());
        for &(number, start) in &self.places[self.range(&prefix)] {
            going_on.insert(number);
            if start == self.start(number) {
                beginning.insert(number);
            }
        }
        let mut found: Vec<(Reverse<usize>, bool, u32)> = Vec::new();
        for number in going_on.iter() {
            let count = match among {
                Some(_) => self.groups_among(number, among).count(),
                None => self.groups(number).len(),
            };
            if count > 0 {
                found.push((Reverse(count), !beginning.contains(number), number));
            }
        }
        if found.len() > most {
            found.select_nth_unstable(most - 1);
            found.truncate(most);
        }
        found.sort_unstable();
        let completion = |(Reverse(n_groups), _, number): (Reverse<usize>, bool, u32)| Completion {
            text: &self.written[number as usize],
            n_groups,
            first_group: self.groups_among(number, among).next().unwrap_or_default(),
        };
        found.into_iter().map(completion).collect()
    }

    /// The places from which texts go on as `prefix`.
    fn range(&self, prefix: &str) -> std::ops::Range<usize> {
        let follows = |&(number, start): &(u32, u32)| self.text(number, start);
        let from = self.places.partition_point(|place| follows(place) < prefix);
        let length = self.places[from..].partition_point(|place| follows(place).starts_with(prefix));
        from..from + length
    }

    fn goes_on(&self, prefix: &str) -> bool {
        !self.range(prefix).is_empty()
    }

    /// What stands in a text from a place on.
    fn text(&self, number: u32, start: u32) -> &str {
        &self.folded[start as usize..self.ends[number as usize] as usize]
    }

    fn start(&self, number: u32) -> u32 {
        number.checked_sub(1).map_or(0, |before| self.ends[before as usize])
    }

    fn groups_among<'a>(&'a self, number: u32, among: Option<&'a GroupSet>) -> impl Iterator<Item = u32> + 'a {
        let is_asked = move |group: &u32| among.is_none_or(|among| among.contains(*group));
        self.groups(number).iter().copied().filter(is_asked)
    }

    fn groups(&self, number: u32) -> &[u32] {
        let start = number.checked_sub(1).map_or(0, |before| self.group_ends[before as usize]);
        &self.groups[start as usize..self.group_ends[number as usize] as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEXTS: [(u32, &str); 9] = [
        (0, "The Shadow of the Wind"),
        (1, "Shadows on the Grass"),
        (2, "Emma"),
        (3, "Emma "),
        (4, "Café au lait"),
        (5, "   "),
        (5, "Who Was Emma?"),
        (6, "The Windup Girl"),
        (6, "the windup girl"),
    ];

    fn completed(completions: &Completions, typed: &str, among: Option<&GroupSet>) -> Vec<String> {
        completions.complete(typed, 10, among).iter().map(|found| found.text.to_owned()).collect()
    }

    #[test]
    fn texts_go_on_from_any_word() {
        let completions = Completions::new(TEXTS).expect("little text");
        let cases: [(&str, &[&str]); 11] = [
            ("shad", &["Shadows on the Grass", "The Shadow of the Wind"]),
            ("shadow ", &["The Shadow of the Wind"]),
            ("SHADOW OF the w", &["The Shadow of the Wind"]),
            ("wind", &["The Shadow of the Wind", "The Windup Girl"]),
            ("emma", &["Emma", "Who Was Emma?"]),
            ("emma ", &["Emma", "Who Was Emma?"]),
            ("cafe", &["Café au lait"]),
            ("the", &["The Shadow of the Wind", "The Windup Girl", "Shadows on the Grass"]),
            ("of wind", &[]),
            ("", &[]),
            ("?", &[]),
        ];
        for (typed, expected) in cases {
            assert_eq!(completed(&completions, typed, None), expected, "{typed:?}");
        }
        let emma = Completion { text: "Emma", n_groups: 2, first_group: 2 };
        assert_eq!(completions.complete("emma", 1, None), [emma]);
        assert!(Completions::default().complete("e", 3, None).is_empty());
    }

    #[test]
    fn only_what_some_group_has_is_offered() {
        let completions = Completions::new(TEXTS).expect("little text");
        let among: GroupSet = [1, 3].into_iter().collect();
        assert_eq!(completed(&completions, "shad", Some(&among)), ["Shadows on the Grass"]);
        let emma = Completion { text: "Emma", n_groups: 1, first_group: 3 };
        assert_eq!(completions.complete("emma", 9, Some(&among)), [emma]);
    }

    proptest! {
        #[test]
        fn what_goes_on_is_found(texts in proptest::collection::vec("[ab]{1,2}( [ab]{1,2}){0,2}", 0..30), typed in "[ab]{1,2}( [ab])?") {
            let completions = Completions::new((0..).zip(texts.iter().map(String::as_str))).expect("little text");
            let mut expected: Vec<&str> = texts.iter().map(String::as_str)
                .filter(|text| text.starts_with(&typed) || text.contains(&format!(" {typed}"))).collect();
            expected.sort_unstable();
            expected.dedup();
            let mut found: Vec<&str> = completions.complete(&typed, 100, None).iter().map(|found| found.text).collect();
            found.sort_unstable();
            prop_assert_eq!(found, expected);
        }
    }
}
