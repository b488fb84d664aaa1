//! The path of a search: bounds of all rows, exact scores of the few that may be among the best.

use super::best::BestGroups;
use super::codes::{Codes, Prepared};
use super::{GroupHit, Segment, VectorIndex};
use crate::{Error, GroupSet};
use libellus_kernels::{BLOCK, Isa, dot_f32};
use std::ops::Range;

/// Blocks that are scanned at a time; what is known of them stays in the first-level cache.
const CHUNK: usize = 32;
/// Rows that are read at a time where all of them are compared.
const READ: usize = 256;
/// Candidates after which it is worth while to look how good the best of them are.
const FIRST_LOOK: usize = 256;
/// If more than one row in so many remains, comparing all of them in a row is faster.
const WORTH_CHOOSING: usize = 8;

/// A row whose bound does not rule it out.
#[derive(Clone, Copy)]
struct Candidate {
    /// Of its segment.
    row: u32,
    product: i32,
    bound: f32,
}

/// One search over one index.
pub(super) struct Search<'a> {
    index: &'a VectorIndex,
    query: &'a [f32],
    within: Option<&'a GroupSet>,
    k: usize,
    best: BestGroups,
    vector: Vec<f32>,
}

impl<'a> Search<'a> {
    pub fn new(index: &'a VectorIndex, query: &'a [f32], k: usize, within: Option<&'a GroupSet>) -> Self {
        Self { index, query, within, k, best: BestGroups::new(k), vector: Vec::new() }
    }

    pub fn run(mut self) -> Result<Vec<GroupHit>, Error> {
        if self.k == 0 {
            return Ok(Vec::new());
        }
        // What has no codes is compared first: it gives a threshold for the rest.
        let coded = |segment: &&Segment| segment.codes.is_some();
        let segments = &self.index.segments;
        for segment in segments.iter().filter(|segment| !coded(segment)).chain(segments.iter().filter(coded)) {
            let codes = segment.codes.as_deref().filter(|_| self.k < segment.len / WORTH_CHOOSING);
            match codes.and_then(|codes| Some((codes, codes.prepare(self.query)?))) {
                Some((codes, prepared)) => self.choose(segment, codes, &prepared)?,
                None => self.compare_all(segment)?,
            }
        }
        Ok(self.best.into_sorted())
    }

    /// Whether a row of the index may be found.
    fn admits(&self, row: usize) -> bool {
        let group = self.index.groups[row];
        !self.index.dead.contains(row as u32) && self.within.is_none_or(|within| within.contains(group))
    }

    /// The runs of rows of a segment that a filter leaves something of, in whole blocks.
    fn runs(&self, segment: &Segment) -> Vec<Range<usize>> {
        let blocks = segment.len.div_ceil(BLOCK);
        let Some(within) = self.within else { return std::iter::once(0..blocks).collect() };
        let groups = &self.index.groups[segment.rows_of_index()];
        let mut runs: Vec<Range<usize>> = Vec::new();
        let mut row = 0;
        for group in within.iter() {
            row += first_from(&groups[row..], group);
            let first = row;
            while groups.get(row) == Some(&group) {
                row += 1;
            }
            if row == groups.len() && first == row {
                break;
            }
            if first == row {
                continue;
            }
            let touched = first / BLOCK..row.div_ceil(BLOCK);
            match runs.last_mut() {
                Some(last) if touched.start <= last.end => last.end = last.end.max(touched.end),
                _ => runs.push(touched),
            }
        }
        runs
    }

    /// Compares every row.
    fn compare_all(&mut self, segment: &Segment) -> Result<(), Error> {
        let (dim, mut read, mut scored) = (self.index.dim, Vec::new(), Vec::new());
        for run in self.runs(segment) {
            let rows = run.start * BLOCK..(run.end * BLOCK).min(segment.len);
            for first in rows.clone().step_by(READ) {
                let range = first..(first + READ).min(rows.end);
                segment.rows.read(dim, range.clone(), &mut read)?;
                for (row, vector) in range.zip(read.chunks_exact(dim)) {
                    if self.admits(segment.first + row) {
                        scored.push((segment.first + row, dot_f32(Isa::best(), self.query, vector)));
                    }
                }
                // A group's rows are offered together; the last one may go on.
                let whole = scored.last().map_or(0, |&(row, _)| {
                    scored.partition_point(|&(other, _)| self.index.groups[other] < self.index.groups[row])
                });
                self.offer(&scored[..whole]);
                scored.drain(..whole);
            }
        }
        self.offer(&scored);
        Ok(())
    }

    /// Compares the rows that their bounds do not rule out.
    fn choose(&mut self, segment: &Segment, codes: &Codes, prepared: &Prepared) -> Result<(), Error> {
        let (mut candidates, mut scored): (Vec<Candidate>, Vec<(usize, f32)>) = (Vec::new(), Vec::new());
        let (mut products, mut bounds) = ([[0; BLOCK]; CHUNK], [[0.0; BLOCK]; CHUNK]);
        let mut threshold = self.best.threshold();
        let mut look_at = FIRST_LOOK.max(4 * self.k);
        for run in self.runs(segment) {
            for first in run.clone().step_by(CHUNK) {
                let count = CHUNK.min(run.end - first);
                codes.scan(prepared, first..first + count, &mut products[..count], &mut bounds[..count]);
                for (block, (products, bounds)) in products.iter().zip(&bounds).take(count).enumerate() {
                    if bounds.iter().all(|&bound| rules_out(bound, threshold)) {
                        continue;
                    }
                    for (place, (&product, &bound)) in products.iter().zip(bounds).enumerate() {
                        let row = (first + block) * BLOCK + place;
                        if !rules_out(bound, threshold) && row < segment.len && self.admits(segment.first + row) {
                            candidates.push(Candidate { row: row as u32, product, bound });
                        }
                    }
                }
                if candidates.len() >= look_at {
                    threshold = self.look(segment, &mut candidates, &mut scored, threshold)?;
                    look_at = (2 * candidates.len()).max(look_at);
                }
            }
        }
        threshold = self.look(segment, &mut candidates, &mut scored, threshold)?;
        let (rows, products): (Vec<u32>, Vec<i32>) =
            candidates.iter().map(|candidate| (candidate.row, candidate.product)).unzip();
        for (candidate, bound) in candidates.iter_mut().zip(codes.refine(prepared, &rows, &products)) {
            if rules_out(bound, candidate.bound) {
                candidate.bound = bound;
            }
        }
        candidates.retain(|candidate| !rules_out(candidate.bound, threshold));
        threshold = self.look(segment, &mut candidates, &mut scored, threshold)?;
        if candidates.len() > segment.len / WORTH_CHOOSING {
            return self.compare_all(segment);
        }
        for candidate in candidates {
            if !rules_out(candidate.bound, threshold) {
                scored.push((segment.first + candidate.row as usize, self.score(segment, candidate.row)?));
            }
        }
        scored.sort_unstable_by_key(|&(row, _)| row);
        self.offer(&scored);
        Ok(())
    }

    /// Scores the candidates that look best, so as to rule out others: gives the score of the `k`th group of them, or
    /// the threshold there was.
    fn look(
        &mut self,
        segment: &Segment,
        candidates: &mut Vec<Candidate>,
        scored: &mut Vec<(usize, f32)>,
        threshold: f32,
    ) -> Result<f32, Error> {
        let wanted = self.k + self.k / 2 + 8;
        if candidates.len() <= wanted {
            return Ok(threshold);
        }
        let mut bounds: Vec<f32> = candidates.iter().map(|candidate| candidate.bound).collect();
        let (_, &mut least, _) = bounds.select_nth_unstable_by(wanted - 1, |a, b| b.total_cmp(a));
        let mut rest = Vec::with_capacity(candidates.len());
        let mut left = wanted;
        for candidate in candidates.drain(..) {
            if left > 0 && candidate.bound.total_cmp(&least).is_ge() {
                left -= 1;
                scored.push((segment.first + candidate.row as usize, self.score(segment, candidate.row)?));
            } else {
                rest.push(candidate);
            }
        }
        *candidates = rest;
        scored.sort_unstable_by_key(|&(row, _)| row);
        let mut reached = BestGroups::new(self.k);
        self.each_group(scored, |hit| reached.offer(hit));
        let threshold = threshold.max(reached.threshold());
        candidates.retain(|candidate| !rules_out(candidate.bound, threshold));
        Ok(threshold)
    }

    fn score(&mut self, segment: &Segment, row: u32) -> Result<f32, Error> {
        let row = row as usize;
        segment.rows.read(self.index.dim, row..row + 1, &mut self.vector)?;
        Ok(dot_f32(Isa::best(), self.query, &self.vector))
    }

    /// Offers each group of scored rows, which are in order.
    fn offer(&mut self, scored: &[(usize, f32)]) {
        let mut best = std::mem::replace(&mut self.best, BestGroups::new(0));
        self.each_group(scored, |hit| best.offer(hit));
        self.best = best;
    }

    /// The best row of each group; the first of them if several are equal.
    fn each_group(&self, scored: &[(usize, f32)], mut visit: impl FnMut(GroupHit)) {
        let group = |row: usize| self.index.groups[row];
        for rows in scored.chunk_by(|&(a, _), &(b, _)| group(a) == group(b)) {
            let mut best = GroupHit { group: group(rows[0].0), row: rows[0].0 as u32, score: f32::NEG_INFINITY };
            for &(row, score) in rows {
                if score > best.score {
                    best = GroupHit { row: row as u32, score, ..best };
                }
            }
            visit(best);
        }
    }
}

/// Whether a row of this bound is not among the best. A bound that is not a number rules nothing out.
fn rules_out(bound: f32, threshold: f32) -> bool {
    bound < threshold
}

/// How many of the leading ones of ascending `groups` lie before `group`; fast if few do.
fn first_from(groups: &[u32], group: u32) -> usize {
    let mut step = 1;
    while step < groups.len() && groups[step] < group {
        step *= 2;
    }
    let (start, end) = (step / 2, groups.len().min(step + 1));
    start + groups[start..end].partition_point(|&other| other < group)
}
