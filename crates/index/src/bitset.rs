//! A set of groups, which a filter is made into before a search.
//!
//! Both indexes number what they find, so that "only these" is a bit for each number: a test costs nothing beside a
//! score, and sets of several conditions are combined sixty-four groups at a time.

/// Groups in one word.
const BITS: usize = u64::BITS as usize;

/// A set of groups: one bit for each of the numbers below the greatest that it was made for.
#[derive(Clone, Debug, Default)]
pub struct GroupSet {
    words: Vec<u64>,
}

impl GroupSet {
    /// The empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// The groups below `n` that `belongs` says yes to.
    ///
    /// ```
    /// use libellus_index::GroupSet;
    /// let even = GroupSet::from_fn(10, |group| group % 2 == 0);
    /// assert_eq!(even.iter().collect::<Vec<_>>(), [0, 2, 4, 6, 8]);
    /// ```
    pub fn from_fn(n: u32, mut belongs: impl FnMut(u32) -> bool) -> Self {
        let mut words = vec![0_u64; (n as usize).div_ceil(BITS)];
        for group in 0..n {
            words[group as usize / BITS] |= u64::from(belongs(group)) << (group as usize % BITS);
        }
        Self { words }
    }

    /// All groups below `n`.
    pub fn all(n: u32) -> Self {
        Self::from_fn(n, |_| true)
    }

    /// Adds a group; says whether it was missing.
    pub fn insert(&mut self, group: u32) -> bool {
        let (at, bit) = place(group);
        if at >= self.words.len() {
            self.words.resize(at + 1, 0);
        }
        let was_missing = self.words[at] & bit == 0;
        self.words[at] |= bit;
        was_missing
    }

    /// Takes a group out; says whether it was there.
    pub fn remove(&mut self, group: u32) -> bool {
        let (at, bit) = place(group);
        let was_there = self.contains(group);
        if was_there {
            self.words[at] &= !bit;
        }
        was_there
    }

    /// Whether a group is in the set.
    #[inline]
    pub fn contains(&self, group: u32) -> bool {
        let (at, bit) = place(group);
        self.words.get(at).is_some_and(|word| word & bit != 0)
    }

    /// How many groups there are; it counts them.
    pub fn len(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// The groups, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> {
        self.iter_from(0)
    }

    /// The groups from `first` on, ascending.
    pub fn iter_from(&self, first: u32) -> impl Iterator<Item = u32> {
        let (begin, bit) = place(first);
        self.words.iter().enumerate().skip(begin).flat_map(move |(at, &word)| {
            let mut rest = if at == begin { word & !(bit - 1) } else { word };
            std::iter::from_fn(move || {
                let bit = (rest != 0).then(|| rest.trailing_zeros())?;
                rest &= rest - 1;
                Some((at * BITS) as u32 + bit)
            })
        })
    }

    /// The set as words of 64 groups, the lowest group in the lowest bit; groups beyond the last word are not in it.
    pub fn as_words(&self) -> &[u64] {
        &self.words
    }

    /// Keeps what is in `other` too.
    pub fn intersect(&mut self, other: &Self) {
        self.words.truncate(other.words.len());
        for (word, other) in self.words.iter_mut().zip(&other.words) {
            *word &= other;
        }
    }

    /// Adds what is in `other`.
    pub fn unite(&mut self, other: &Self) {
        if self.words.len() < other.words.len() {
            self.words.resize(other.words.len(), 0);
        }
        for (word, other) in self.words.iter_mut().zip(&other.words) {
            *word |= other;
        }
    }

    /// Takes out what is in `other`.
    pub fn subtract(&mut self, other: &Self) {
        for (word, other) in self.words.iter_mut().zip(&other.words) {
            *word &= !other;
        }
    }

    /// The groups below `n` that are not in the set.
    #[must_use]
    pub fn complement(&self, n: u32) -> Self {
        let mut all = Self::all(n);
        all.subtract(self);
        all
    }
}

/// The word and the bit of a group.
#[inline]
fn place(group: u32) -> (usize, u64) {
    (group as usize / BITS, 1 << (group as usize % BITS))
}

impl FromIterator<u32> for GroupSet {
    fn from_iter<I: IntoIterator<Item = u32>>(groups: I) -> Self {
        let mut set = Self::new();
        for group in groups {
            set.insert(group);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn groups_beyond_the_set_are_not_in_it() {
        let mut set = GroupSet::new();
        assert!(!set.contains(0) && !set.contains(u32::MAX) && set.is_empty());
        assert!(!set.remove(1_000));
        assert!(set.insert(63) && set.insert(64) && !set.insert(64));
        assert!(set.contains(63) && set.contains(64) && !set.contains(65) && !set.contains(u32::MAX));
        assert_eq!(set.len(), 2);
        assert!(GroupSet::all(65).complement(65).is_empty());
    }

    fn groups() -> impl Strategy<Value = BTreeSet<u32>> {
        prop::collection::btree_set(0_u32..300, 0..80)
    }

    proptest! {
        #[test]
        fn it_is_a_set(a in groups(), b in groups(), n in 0_u32..300) {
            let (left, right): (GroupSet, GroupSet) = (a.iter().copied().collect(), b.iter().copied().collect());
            let same = |set: &GroupSet, expected: BTreeSet<u32>| {
                prop_assert_eq!(set.iter().collect::<BTreeSet<_>>(), expected.clone());
                prop_assert_eq!((set.len(), set.is_empty()), (expected.len(), expected.is_empty()));
                prop_assert!((0..400).all(|group| set.contains(group) == expected.contains(&group)));
                Ok(())
            };
            let combined = |combine: fn(&mut GroupSet, &GroupSet)| {
                let mut set = left.clone();
                combine(&mut set, &right);
                set
            };
            same(&left, a.clone())?;
            prop_assert!(left.iter_from(n).eq(a.range(n..).copied()), "from {}", n);
            same(&combined(GroupSet::intersect), &a & &b)?;
            same(&combined(GroupSet::unite), &a | &b)?;
            same(&combined(GroupSet::subtract), &a - &b)?;
            same(&left.complement(n), (0..n).filter(|group| !a.contains(group)).collect())?;
            same(&GroupSet::from_fn(n, |group| a.contains(&group)), a.iter().copied().filter(|group| *group < n).collect())?;
            let mut fewer = left.clone();
            for group in &b {
                prop_assert_eq!(fewer.remove(*group), a.contains(group));
            }
            same(&fewer, &a - &b)?;
        }
    }
}
