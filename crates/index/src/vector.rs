//! Exact search over vectors.
//!
//! Every row is compared with the query: there is nothing to tune, nothing to build, and no recall to lose. A group (a
//! book) is found by its best row (a passage), so rows of a group lie together and one pass over them is enough.

use crate::Error;
use libellus_kernels::{Isa, dot_f32};
use std::cmp::Ordering;
use std::collections::BinaryHeap;

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

/// Rows of `dim` floats, in groups, scanned exactly.
#[derive(Debug)]
pub struct VectorIndex {
    dim: usize,
    /// `R · dim` floats, row after row.
    rows: Vec<f32>,
    /// The group of each row, ascending.
    groups: Vec<u32>,
}

impl VectorIndex {
    /// An empty index with room for `rows` rows of `dim` floats.
    pub fn with_capacity(dim: usize, rows: usize) -> Self {
        Self { dim, rows: Vec::with_capacity(dim.saturating_mul(rows)), groups: Vec::with_capacity(rows) }
    }

    /// Floats in a row.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// The group of each row, ascending.
    pub fn groups(&self) -> &[u32] {
        &self.groups
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Adds a row to `group`, which is the group of the last row or a greater one.
    ///
    /// # Errors
    /// If the length is not [`VectorIndex::dim`], a component is not finite, or groups are out of order. The index is
    /// then as it was.
    pub fn push(&mut self, group: u32, vector: &[f32]) -> Result<(), Error> {
        self.check(vector)?;
        if let Some(&last) = self.groups.last()
            && group < last
        {
            return Err(Error::GroupOrder { group, last });
        }
        if self.len() == u32::MAX as usize {
            return Err(Error::Full);
        }
        self.rows.extend_from_slice(vector);
        self.groups.push(group);
        Ok(())
    }

    /// The `k` groups whose best rows have the greatest dot product with `query`, best first; equal ones in record order.
    ///
    /// # Errors
    /// If the query's length is not [`VectorIndex::dim`] or a component is not finite.
    pub fn search(&self, query: &[f32], k: usize) -> Result<Vec<GroupHit>, Error> {
        self.check(query)?;
        let mut best = BestGroups::new(k);
        let mut row = 0;
        for group in self.groups.chunk_by(|a, b| a == b) {
            let rows = row..row + group.len();
            row = rows.end;
            best.offer(self.best_row(group[0], rows, query));
        }
        Ok(best.into_sorted())
    }

    /// The best of a group's rows; the first of them if several are equal.
    fn best_row(&self, group: u32, rows: std::ops::Range<usize>, query: &[f32]) -> GroupHit {
        let isa = Isa::best();
        let mut best = GroupHit { group, row: rows.start as u32, score: f32::NEG_INFINITY };
        for row in rows {
            let score = dot_f32(isa, query, &self.rows[row * self.dim..][..self.dim]);
            if score > best.score {
                best = GroupHit { group, row: row as u32, score };
            }
        }
        best
    }

    fn check(&self, vector: &[f32]) -> Result<(), Error> {
        if vector.len() != self.dim {
            return Err(Error::WrongDimension { expected: self.dim, found: vector.len() });
        }
        match vector.iter().position(|value| !value.is_finite()) {
            Some(component) => Err(Error::NotFinite { component, value: vector[component] }),
            None => Ok(()),
        }
    }
}

/// The best `k` of the hits offered so far; the worst of them lies on top of the heap, ready to give way.
struct BestGroups {
    k: usize,
    heap: BinaryHeap<WorstFirst>,
}

impl BestGroups {
    fn new(k: usize) -> Self {
        Self { k, heap: BinaryHeap::new() }
    }

    fn offer(&mut self, hit: GroupHit) {
        let hit = WorstFirst(hit);
        if self.heap.len() < self.k {
            self.heap.push(hit);
        } else if let Some(mut worst) = self.heap.peek_mut()
            && hit < *worst
        {
            *worst = hit;
        }
    }

    fn into_sorted(self) -> Vec<GroupHit> {
        self.heap.into_sorted_vec().into_iter().map(|WorstFirst(hit)| hit).collect()
    }
}

/// Orders hits from best to worst: by falling score, then in record order.
#[derive(Clone, Copy, Debug)]
struct WorstFirst(GroupHit);

impl Ord for WorstFirst {
    fn cmp(&self, other: &Self) -> Ordering {
        other.0.score.total_cmp(&self.0.score).then(self.0.group.cmp(&other.0.group))
    }
}

impl PartialOrd for WorstFirst {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for WorstFirst {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for WorstFirst {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn index(dim: usize, rows: &[(u32, &[f32])]) -> VectorIndex {
        let mut index = VectorIndex::with_capacity(dim, rows.len());
        for (group, vector) in rows {
            index.push(*group, vector).expect("a good row");
        }
        index
    }

    /// What the search must give: every row scored, every group reduced, everything sorted.
    fn by_full_sort(index: &VectorIndex, query: &[f32], k: usize) -> Vec<GroupHit> {
        let mut hits: Vec<GroupHit> = (0..index.len())
            .map(|row| GroupHit {
                group: index.groups[row],
                row: row as u32,
                score: dot_f32(Isa::best(), query, &index.rows[row * index.dim..(row + 1) * index.dim]),
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
    }
}
