//! Exact search over vectors.
//!
//! A group (a book) is found by its best row (a passage). Every row counts: there is nothing to tune, and no recall to
//! lose. Codes of a sixteenth of a vector's size (`codes.rs`) rule most rows out, by a bound that is proved; what remains is compared
//! in 32-bit floats (`scan.rs`). So the answer is the one of a comparison with every row, to the bit.
//!
//! An index grows in *segments*: rows are pushed to the last one, compared one by one, until [`VectorIndex::seal`] makes
//! codes of them. What is sealed never changes. A copy of an index shares it, so a writer changes a copy and readers go on
//! with theirs: nobody waits. Segments that are small beside what came after them are joined by [`VectorIndex::settle`], so
//! there are never many, and a row is moved few times.

mod basis;
mod best;
mod codes;
mod file;
mod group;
mod rows;
mod scan;
mod settle;

pub use file::VectorIndexFile;
pub use settle::Moved;

use crate::{Error, GroupSet};
use codes::Codes;
use rows::Rows;
use scan::Question;
use std::ops::Range;
use std::sync::Arc;

/// Fewer rows are compared at once than codes are made and looked at.
const LEAST_CODED: usize = 1_024;

/// A group (a book) found by its best row (a passage).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GroupHit {
    /// The group.
    pub group: u32,
    /// The group's best row, counted from 0 over the whole index; the first of them if several are equal.
    pub row: u32,
    /// Its dot product with the query.
    pub score: f32,
}

/// Rows of `dim` floats, in groups, searched exactly. A copy shares what is sealed.
#[derive(Clone, Debug)]
pub struct VectorIndex {
    dim: usize,
    segments: Vec<Segment>,
    /// The group of each row, ascending within a segment.
    groups: Arc<Vec<u32>>,
    /// Rows that were removed or replaced.
    dead: Arc<GroupSet>,
}

/// Rows that were pushed one after the other.
#[derive(Clone, Debug)]
struct Segment {
    /// Its first row in the index.
    first: usize,
    len: usize,
    rows: Arc<Rows>,
    /// Only of what is sealed, and worth it.
    codes: Option<Arc<Codes>>,
    sealed: bool,
}

impl Segment {
    fn rows_of_index(&self) -> Range<usize> {
        self.first..self.first + self.len
    }
}

impl VectorIndex {
    /// An empty index with room for `rows` rows of `dim` floats.
    pub fn with_capacity(dim: usize, rows: usize) -> Self {
        let memory = Rows::Memory(Vec::with_capacity(dim.saturating_mul(rows)));
        let open = Segment { first: 0, len: 0, rows: Arc::new(memory), codes: None, sealed: false };
        let groups = Arc::new(Vec::with_capacity(rows));
        Self { dim, segments: vec![open], groups, dead: Arc::default() }
    }

    /// Floats in a row.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// How many rows there are; those that were removed or replaced count until the index is made anew.
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// The group of each row, ascending up to the first row that was pushed after [`VectorIndex::seal`].
    pub fn groups(&self) -> &[u32] {
        &self.groups
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Whether so much was removed, replaced or added since an index file was made that another one would be faster and
    /// take less memory; of what is not in a file, [`VectorIndex::settle`] takes care.
    pub fn is_worn(&self) -> bool {
        let in_file = self.segments.first().filter(|segment| matches!(*segment.rows, Rows::File(_)));
        in_file.is_some_and(|file| self.dead.len() + (self.len() - file.len) > LEAST_CODED + file.len / 4)
    }

    /// Adds a row to `group`, which is the group of the last row or a greater one; after [`VectorIndex::seal`], any
    /// group may come next. A group that comes again takes the place of its rows before.
    ///
    /// # Errors
    /// If the length is not [`VectorIndex::dim`], a component is not finite, or groups are out of order. The index is
    /// then as it was.
    pub fn push(&mut self, group: u32, vector: &[f32]) -> Result<(), Error> {
        check(self.dim, vector)?;
        if self.segments.last().is_none_or(|last| last.sealed) {
            let rows = Arc::new(Rows::Memory(Vec::new()));
            self.segments.push(Segment { first: self.len(), len: 0, rows, codes: None, sealed: false });
        }
        let open = self.segments.len() - 1;
        let last = self.groups[self.segments[open].rows_of_index()].last().copied();
        check_order(last, group, self.len())?;
        if last != Some(group) && open > 0 {
            self.remove(group);
        }
        let segment = &mut self.segments[open];
        // What lies in a file is sealed.
        if let Rows::Memory(rows) = Arc::make_mut(&mut segment.rows) {
            rows.extend_from_slice(vector);
        }
        segment.len += 1;
        Arc::make_mut(&mut self.groups).push(group);
        Ok(())
    }

    /// The rows of a group in a segment, dead or alive.
    fn rows_of(&self, segment: &Segment, group: u32) -> Range<usize> {
        let groups = &self.groups[segment.rows_of_index()];
        let rows_up_to = |is_before: &dyn Fn(u32) -> bool| groups.partition_point(|&other| is_before(other));
        segment.first + rows_up_to(&|other| other < group)..segment.first + rows_up_to(&|other| other <= group)
    }

    /// Removes a group; says whether it was there.
    pub fn remove(&mut self, group: u32) -> bool {
        let mut found = false;
        for segment in &self.segments {
            for row in self.rows_of(segment, group) {
                found |= Arc::make_mut(&mut self.dead).insert(row as u32);
            }
        }
        found
    }

    /// Makes codes of the rows pushed since the last time, if they are so many that it is worth it, on so many threads (at
    /// least one). The next row begins a new segment.
    ///
    /// # Errors
    /// Those of reading rows that lie in a file.
    pub fn seal(&mut self, threads: usize) -> Result<(), Error> {
        self.seal_from(LEAST_CODED, threads)
    }

    fn seal_from(&mut self, least: usize, threads: usize) -> Result<(), Error> {
        if let Some(open) = self.segments.last_mut().filter(|open| !open.sealed && open.len > 0) {
            if open.len >= least && self.dim > 0 {
                open.codes = Some(Arc::new(Codes::of(&open.rows, self.dim, open.len, threads)?));
            }
            open.sealed = true;
        }
        Ok(())
    }

    /// The `k` groups whose best rows have the greatest dot product with `query`, best first; equal ones in record order.
    ///
    /// # Errors
    /// If the query's length is not [`VectorIndex::dim`] or a component is not finite; those of reading rows that lie in
    /// a file.
    pub fn search(&self, query: &[f32], k: usize) -> Result<Vec<GroupHit>, Error> {
        self.search_within(None, query, k, 1)
    }

    /// The same, of the groups of a set only if there is one, by so many threads.
    ///
    /// # Errors
    /// As for [`VectorIndex::search`].
    pub fn search_within(
        &self,
        within: Option<&GroupSet>,
        query: &[f32],
        k: usize,
        threads: usize,
    ) -> Result<Vec<GroupHit>, Error> {
        check(self.dim, query)?;
        Question { index: self, query, k, within }.answer(threads)
    }

    /// Bytes of memory that the index takes, beside what is in a file.
    pub fn bytes(&self) -> usize {
        let segments = self
            .segments
            .iter()
            .map(|segment| segment.rows.bytes() + segment.codes.as_ref().map_or(0, |codes| codes.bytes()));
        segments.sum::<usize>() + (self.groups.capacity() * size_of::<u32>()) + size_of_val(self.dead.as_words())
    }
}

fn check(dim: usize, vector: &[f32]) -> Result<(), Error> {
    if vector.len() != dim {
        return Err(Error::WrongDimension { expected: dim, found: vector.len() });
    }
    // All of them at once, which is quicker than to look for the first.
    if vector.iter().fold(true, |finite, value| finite & value.is_finite()) {
        return Ok(());
    }
    let found = vector.iter().enumerate().find(|(_, value)| !value.is_finite());
    found.map_or(Ok(()), |(component, &value)| Err(Error::NotFinite { component, value }))
}

/// Whether a row of `group` may come after one of `last`, and after so many others.
fn check_order(last: Option<u32>, group: u32, rows: usize) -> Result<(), Error> {
    match last {
        Some(last) if group < last => Err(Error::GroupOrder { group, last }),
        _ if rows == u32::MAX as usize => Err(Error::Full),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use libellus_kernels::{Isa, dot_f32};
    use proptest::prelude::*;

    fn index(dim: usize, rows: &[(u32, &[f32])]) -> VectorIndex {
        let mut index = VectorIndex::with_capacity(dim, rows.len());
        for (group, vector) in rows {
            index.push(*group, vector).expect("a good row");
        }
        index
    }

    fn vector(index: &VectorIndex, row: usize) -> Vec<f32> {
        let segment = index.segments.iter().find(|segment| segment.rows_of_index().contains(&row)).expect("a row");
        let (mut vector, row) = (Vec::new(), row - segment.first);
        segment.rows.read(index.dim, row..row + 1, &mut vector).expect("readable");
        vector
    }

    /// What the search must give: every row scored, every group reduced, everything sorted.
    fn by_full_sort(index: &VectorIndex, query: &[f32], k: usize) -> Vec<GroupHit> {
        let mut hits: Vec<GroupHit> = (0..index.len())
            .map(|row| GroupHit {
                group: index.groups[row],
                row: row as u32,
                score: dot_f32(Isa::best(), query, &vector(index, row)),
            })
            .collect();
        hits.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.row.cmp(&b.row)));
        let mut seen = std::collections::HashSet::new();
        hits.retain(|hit| seen.insert(hit.group));
        hits.truncate(k);
        hits
    }

    #[test]
    fn a_group_is_found_by_its_best_row() {
        let index = index(2, &[(3, &[1.0, 0.0]), (3, &[0.0, 1.0]), (7, &[0.6, 0.8])]);
        let hits = index.search(&[0.0, 1.0], 10).expect("a good query");
        let expected = [GroupHit { group: 3, row: 1, score: 1.0 }, GroupHit { group: 7, row: 2, score: 0.8 }];
        assert_eq!(hits, expected);
    }

    #[test]
    fn ties_keep_record_order() {
        let same: &[f32] = &[1.0, 1.0];
        let index = index(2, &[(0, same), (1, same), (1, same), (2, same), (9, same)]);
        let found = |k| -> Vec<(u32, u32)> {
            index.search(same, k).expect("a good query").iter().map(|hit| (hit.group, hit.row)).collect()
        };
        assert_eq!(found(4), [(0, 0), (1, 1), (2, 3), (9, 4)]);
        assert_eq!(found(2), [(0, 0), (1, 1)]);
        assert_eq!(found(0), []);
        assert_eq!(found(usize::MAX).len(), 4, "more asked than there are");
    }

    #[test]
    fn an_empty_index_finds_nothing() {
        let index = VectorIndex::with_capacity(3, 0);
        assert!(index.is_empty());
        assert_eq!(index.search(&[1.0, 2.0, 3.0], 5).expect("a good query"), []);
    }

    #[test]
    fn what_cannot_be_ranked_is_refused() {
        let mut index = index(2, &[(4, &[1.0, 0.0])]);
        let refusals = [
            (index.push(5, &[1.0]), "the vector has 1 components, but the index holds vectors of 2"),
            (index.push(5, &[0.0, f32::NAN]), "component 1 of the vector is NaN"),
            (index.push(5, &[f32::INFINITY, 0.0]), "component 0 of the vector is inf"),
            (index.push(3, &[1.0, 0.0]), "group 3 came after group 4"),
            (index.search(&[1.0, 0.0, 0.0], 1).map(drop), "the vector has 3 components"),
            (index.search(&[f32::NAN, 0.0], 1).map(drop), "component 0 of the vector is NaN"),
        ];
        for (result, message) in refusals {
            let error = result.expect_err(message).to_string();
            assert!(error.starts_with(message), "{error}");
        }
        assert_eq!(index.len(), 1, "a refused row leaves no trace");
        assert_eq!(index.search(&[1.0, 0.0], 5).expect("a good query").len(), 1);
    }

    #[test]
    fn products_that_overflow_are_ranked_too() {
        let index = index(2, &[(0, &[f32::MAX, -f32::MAX]), (1, &[1.0, 1.0]), (2, &[f32::MAX, f32::MAX])]);
        let hits = index.search(&[4.0, 4.0], 3).expect("a good query");
        let groups: Vec<u32> = hits.iter().map(|hit| hit.group).collect();
        assert_eq!(groups, [2, 1, 0], "infinite, finite, not a number");
        assert!(hits.iter().all(|hit| !hit.score.is_nan()));
    }

    proptest! {
        #[test]
        fn search_is_a_full_sort(
            dim in 1_usize..20,
            sizes in prop::collection::vec(1_usize..5, 0..200),
            k in 0_usize..250,
            seed in any::<u64>(),
        ) {
            // Few distinct values, so that ties are common.
            let mut state = seed;
            let mut next = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                f32::from((state >> 61) as u8) - 3.0
            };
            let mut index = VectorIndex::with_capacity(dim, 0);
            for (group, &size) in sizes.iter().enumerate() {
                for _ in 0..size {
                    let vector: Vec<f32> = (0..dim).map(|_| next()).collect();
                    index.push(group as u32 * 3, &vector).expect("a good row");
                }
            }
            let query: Vec<f32> = (0..dim).map(|_| next()).collect();
            prop_assert_eq!(index.search(&query, k).expect("a good query"), by_full_sort(&index, &query, k));
        }

        #[test]
        fn codes_change_no_answer(
            dim in prop::sample::select(vec![1_usize, 3, 31, 32, 33, 64, 70, 100]),
            rows in 1_usize..400,
            k in 1_usize..25,
            kind in 0_usize..6,
            seed in any::<u64>(),
        ) {
            let mut random = Random(seed);
            let mut index = VectorIndex::with_capacity(dim, rows);
            let mut group = 0;
            for _ in 0..rows {
                group += [0, 1, 1, 4][random.next() as usize % 4];
                let row = random.row(dim, kind);
                index.push(group, &row).expect("a good row");
            }
            let open = index.clone();
            index.seal_from(1, 2).expect("in memory");
            for _ in 0..4 {
                let query = random.row(dim, kind);
                let expected = open.search(&query, k).expect("a good query");
                for threads in 1..4 {
                    same(&index.search_within(None, &query, k, threads).expect("a good query"), &expected)?;
                }
                let within = GroupSet::from_fn(group + 5, |_| random.next().is_multiple_of(4));
                let all = open.search(&query, rows).expect("a good query");
                let expected: Vec<GroupHit> =
                    all.into_iter().filter(|hit| within.contains(hit.group)).take(k).collect();
                for (index, threads) in [(&index, 1), (&index, 2), (&open, 1), (&open, 3)] {
                    let found = index.search_within(Some(&within), &query, k, threads);
                    same(&found.expect("a good query"), &expected)?;
                }
            }
        }

        #[test]
        fn an_index_that_changes_equals_one_made_anew(dim in 1_usize..40, k in 1_usize..12, seed in any::<u64>()) {
            let mut random = Random(seed);
            let mut truth: std::collections::BTreeMap<u32, Vec<Vec<f32>>> = Default::default();
            let mut index = VectorIndex::with_capacity(dim, 0);
            let mut before: Vec<(VectorIndex, Vec<GroupHit>)> = Vec::new();
            let query = random.row(dim, 1);
            for _ in 0..6 {
                let changed: std::collections::BTreeSet<u32> = (0..30).map(|_| (random.next() % 60) as u32).collect();
                for group in changed {
                    if random.next().is_multiple_of(3) {
                        prop_assert_eq!(index.remove(group), truth.remove(&group).is_some());
                        continue;
                    }
                    let rows: Vec<Vec<f32>> = (0..1 + random.next() % 3).map(|_| random.row(dim, 1)).collect();
                    rows.iter().for_each(|row| index.push(group, row).expect("a good row"));
                    truth.insert(group, rows);
                }
                let least = if random.next().is_multiple_of(2) { 1 } else { 30 };
                let rows_before: Vec<Vec<f32>> = (0..index.len()).map(|row| vector(&index, row)).collect();
                if random.next().is_multiple_of(3) {
                    index.seal_from(least, 1).expect("in memory");
                } else if let Some(moved) = index.settle_from(least, 1).expect("in memory") {
                    prop_assert_eq!(index.len(), moved.first + moved.from.len());
                    for (row, &from) in (moved.first..).zip(&moved.from) {
                        prop_assert_eq!(&vector(&index, row), &rows_before[from as usize]);
                    }
                }
                let mut anew = VectorIndex::with_capacity(dim, 0);
                for (&group, rows) in &truth {
                    rows.iter().for_each(|row| anew.push(group, row).expect("a good row"));
                }
                let found = index.search(&query, k).expect("a good query");
                let named = |hits: &[GroupHit]| hits.iter().map(|hit| (hit.group, hit.score)).collect::<Vec<_>>();
                prop_assert_eq!(named(&found), named(&anew.search(&query, k).expect("a good query")));
                before.push((index.clone(), found));
                for (copy, found) in &before {
                    prop_assert_eq!(&copy.search(&query, k).expect("a good query"), found, "a copy stays as it was");
                }
            }
        }
    }

    #[test]
    fn an_index_that_grows_bit_by_bit_has_few_segments_and_moves_a_row_few_times() {
        let (dim, rounds) = (4, 3_000);
        let mut random = Random(5);
        let mut index = VectorIndex::with_capacity(dim, 0);
        let (mut most, mut moved) = (0, 0);
        for round in 0..rounds {
            // Every other one is a group that was there.
            let group = if round % 2 == 0 { round } else { (random.next() % (u64::from(round) + 1)) as u32 };
            index.push(group, &random.row(dim, 5)).expect("a good row");
            moved += index.settle_from(16, 1).expect("in memory").map_or(0, |moved| moved.from.len());
            most = most.max(index.segments.len());
        }
        assert!(most <= 12, "{most} segments");
        assert!(moved <= 40 * rounds as usize, "{moved} rows moved");
        assert!(index.dead.len() <= 16 + index.len() / 4, "{} of {} rows are dead", index.dead.len(), index.len());
    }

    fn same(found: &[GroupHit], expected: &[GroupHit]) -> Result<(), TestCaseError> {
        let named =
            |hits: &[GroupHit]| hits.iter().map(|hit| (hit.group, hit.row, hit.score.to_bits())).collect::<Vec<_>>();
        prop_assert_eq!(named(found), named(expected));
        Ok(())
    }

    /// Rows of many kinds, most of them unkind.
    struct Random(u64);

    impl Random {
        fn next(&mut self) -> u64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        }

        /// In -1 .. 1, small ones more often.
        fn float(&mut self) -> f32 {
            let mut any = || (self.next() >> 40) as f32 / (1_u64 << 23) as f32 - 1.0;
            any() * any()
        }

        fn row(&mut self, dim: usize, kind: usize) -> Vec<f32> {
            let mut row: Vec<f32> = (0..dim).map(|_| self.float()).collect();
            match kind {
                // Near one of few centres, so that the best lie close together.
                0 => {
                    let mut centre = Random(self.next() % 3);
                    row.iter_mut().for_each(|x| *x = centre.float() + *x * 1e-3);
                }
                // Ties.
                1 => row.iter_mut().for_each(|x| *x = (*x * 3.0).round()),
                // Rows of all lengths that a float can have, zeros among them.
                2 => {
                    let scale = [0.0, 1e-44, 1e-30, 1e-20, 1e-11, 1e-3, 1.0, 1e11, 1e13, 1e25, 3e38];
                    let scale = scale[self.next() as usize % scale.len()];
                    row.iter_mut().for_each(|x| *x *= scale);
                }
                // One value that outshines the others.
                3 => row[self.next() as usize % dim] = 1e6,
                // Most of it along one direction.
                4 => row.iter_mut().enumerate().for_each(|(i, x)| *x = *x * 0.1 + (i as f32).cos()),
                _ => {}
            }
            row
        }
    }
}
