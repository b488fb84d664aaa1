//! The path of a search: bounds of all rows, exact scores of the few that may be among the best.

use super::best::BestGroups;
use super::codes::{Codes, Prepared};
use super::{GroupHit, Segment, VectorIndex};
use crate::{Error, GroupSet};
use libellus_kernels::BLOCK;
use std::ops::{Deref, Range};
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::thread;

/// Blocks that are scanned at a time; what is known of them stays in the first-level cache.
const CHUNK: usize = 32;
/// Blocks behind those, which are asked for in memory.
const AHEAD: usize = 2;
/// Rows that are read at a time where all of them are compared.
const READ: usize = 256;
/// So few rows that a filter leaves are compared one by one rather than looked for among their neighbours.
const ROWS_READ: usize = 64;
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

/// What is asked of an index.
#[derive(Clone, Copy)]
pub(super) struct Question<'a> {
    pub index: &'a VectorIndex,
    pub query: &'a [f32],
    pub k: usize,
    pub within: Option<&'a GroupSet>,
}

impl Question<'_> {
    /// The answer, found by so many threads, each of which has a part of every segment.
    pub fn answer(self, threads: usize) -> Result<Vec<GroupHit>, Error> {
        if self.k == 0 {
            return Ok(Vec::new());
        }
        let shared = Shared::of(threads.max(1), self.k);
        let search = |part| Search { question: self, part, shared: &shared, best: BestGroups::new(self.k) };
        let parts = thread::scope(|scope| {
            let others: Vec<_> =
                (1..shared.reached.len()).map(|part| scope.spawn(move || search(part).run())).collect();
            let first = search(0).run();
            let others = others.into_iter().map(|other| other.join().unwrap_or_else(|panic| resume_unwind(panic)));
            std::iter::once(first).chain(others).collect::<Result<Vec<_>, _>>()
        })?;
        let mut parts = parts.into_iter();
        let mut best = parts.next().unwrap_or_else(|| BestGroups::new(self.k));
        parts.for_each(|part| part.into_sorted().into_iter().for_each(|hit| best.offer(hit)));
        Ok(best.into_sorted())
    }
}

/// What parts of a search know of each other.
struct Shared {
    /// The bits of a score that, in each part, `share` groups reach.
    reached: Vec<AtomicU32>,
    share: usize,
}

impl Shared {
    fn of(parts: usize, k: usize) -> Self {
        let unknown = || AtomicU32::new(f32::NEG_INFINITY.to_bits());
        Self { reached: (0..parts).map(|_| unknown()).collect(), share: k.div_ceil(parts) }
    }

    /// Says what a part has reached, and gives what all of them together have: a score that `k` groups reach.
    fn reach(&self, part: usize, score: f32) -> f32 {
        // Each part writes its own only; no other memory is read because of it, and an old value is only a lower one.
        let own = &self.reached[part];
        own.store(f32::from_bits(own.load(Relaxed)).max(score).to_bits(), Relaxed);
        self.reached.iter().map(|reached| f32::from_bits(reached.load(Relaxed))).fold(f32::INFINITY, f32::min)
    }
}

/// One part of a search over one index.
struct Search<'a> {
    question: Question<'a>,
    part: usize,
    shared: &'a Shared,
    best: BestGroups,
}

impl<'a> Deref for Search<'a> {
    type Target = Question<'a>;
    fn deref(&self) -> &Question<'a> {
        &self.question
    }
}

impl Search<'_> {
    /// The best groups of the part, as far as they may be among the best of all.
    fn run(mut self) -> Result<BestGroups, Error> {
        // What has no codes is compared first: it gives a threshold for the rest.
        let coded = |segment: &&Segment| segment.codes.is_some();
        let segments = &self.question.index.segments;
        for segment in segments.iter().filter(|segment| !coded(segment)).chain(segments.iter().filter(coded)) {
            let runs = self.runs(segment);
            let rows: usize = runs.iter().map(Range::len).sum();
            let is_few = self.k >= rows / WORTH_CHOOSING || self.within.is_some() && rows <= ROWS_READ;
            let codes = segment.codes.as_deref().filter(|_| !is_few);
            match codes.and_then(|codes| Some((codes, codes.prepare(self.query)?))) {
                Some((codes, prepared)) => self.choose(segment, &runs, codes, &prepared)?,
                None => self.compare_all(segment, &runs)?,
            }
        }
        Ok(self.best)
    }

    /// The rows of a segment that are this part's. A group's rows stay together.
    fn rows_of_part(&self, segment: &Segment) -> Range<usize> {
        let groups = &self.index.groups[segment.rows_of_index()];
        let boundary = |part: usize| {
            let about = segment.len * part / self.shared.reached.len();
            (about..segment.len).find(|&at| at == 0 || groups[at] != groups[at - 1]).unwrap_or(segment.len)
        };
        boundary(self.part)..boundary(self.part + 1)
    }

    /// Whether a row of a segment is there, and was not removed or replaced.
    fn is_alive(&self, segment: &Segment, row: usize) -> bool {
        !self.index.dead.contains((segment.first + row) as u32)
    }

    /// The runs of rows of a segment's part that a filter leaves.
    fn runs(&self, segment: &Segment) -> Vec<Range<usize>> {
        let part = self.rows_of_part(segment);
        let Some(within) = self.within else { return std::iter::once(part).collect() };
        let groups = &self.index.groups[segment.rows_of_index()][..part.end];
        let mut runs: Vec<Range<usize>> = Vec::new();
        // No group before row `at` is `least` or greater, and none from there on is smaller.
        let (mut at, mut least) = (part.start, groups.get(part.start).copied().unwrap_or_default());
        for group in within.iter_from(least) {
            if group < least {
                continue;
            }
            let first = at + first_from(&groups[at..], least, group);
            at = first;
            while groups.get(at) == Some(&group) {
                at += 1;
            }
            match (runs.last_mut(), groups.get(at)) {
                (_, None) if first == at => break,
                // Where the group is missing, the next one is known.
                (_, Some(&next)) if first == at => least = next,
                (Some(last), _) if last.end == first => (last.end, least) = (at, group.saturating_add(1)),
                _ => {
                    runs.push(first..at);
                    least = group.saturating_add(1);
                }
            }
        }
        runs
    }

    /// Compares every row of some runs.
    fn compare_all(&mut self, segment: &Segment, runs: &[Range<usize>]) -> Result<(), Error> {
        let mut scored = Vec::new();
        for rows in runs {
            for first in rows.clone().step_by(READ) {
                let range = first..(first + READ).min(rows.end);
                segment.rows.each_product(self.query, range, |row, product| {
                    if self.is_alive(segment, row) {
                        scored.push((segment.first + row, product));
                    }
                })?;
                // A group's rows are offered together; the last one may go on.
                let whole = scored.last().map_or(0, |&(row, _)| {
                    scored.partition_point(|&(other, _)| self.index.groups[other] < self.index.groups[row])
                });
                self.offer(&scored[..whole], f32::NEG_INFINITY);
                scored.drain(..whole);
            }
        }
        self.offer(&scored, f32::NEG_INFINITY);
        Ok(())
    }

    /// Compares the rows that their bounds do not rule out.
    fn choose(
        &mut self,
        segment: &Segment,
        runs: &[Range<usize>],
        codes: &Codes,
        prepared: &Prepared,
    ) -> Result<(), Error> {
        let (mut candidates, mut scored): (Vec<Candidate>, Vec<(usize, f32)>) = (Vec::new(), Vec::new());
        let (mut products, mut bounds) = ([[0; BLOCK]; CHUNK], [[0.0; BLOCK]; CHUNK]);
        let mut threshold = self.best.threshold();
        let usual = self.k + self.k / 2 + 8;
        let mut look_at = FIRST_LOOK.max(4 * self.k);
        let (mut blocks, mut scanned) = (Blocks::of(runs), 0);
        let (mut which, mut masks): (Vec<u32>, Vec<u16>) = blocks.by_ref().take(CHUNK + AHEAD).unzip();
        while !which.is_empty() {
            let count = which.len().min(CHUNK);
            codes.scan(prepared, &which, &mut products[..count], &mut bounds[..count]);
            for (i, (products, bounds)) in products.iter().zip(&bounds).take(count).enumerate() {
                if bounds.iter().all(|&bound| rules_out(bound, threshold)) {
                    continue;
                }
                let mut mask = masks[i];
                while mask != 0 {
                    let place = mask.trailing_zeros() as usize;
                    mask &= mask - 1;
                    let row = which[i] as usize * BLOCK + place;
                    if !rules_out(bounds[place], threshold) && self.is_alive(segment, row) {
                        candidates.push(Candidate { row: row as u32, product: products[place], bound: bounds[place] });
                    }
                }
            }
            if candidates.len() >= look_at {
                threshold = self.look(segment, usual, &mut candidates, &mut scored, threshold)?;
                look_at = (2 * candidates.len()).max(look_at);
            }
            scanned += count * BLOCK;
            which.drain(..count);
            masks.drain(..count);
            blocks.by_ref().take(CHUNK).for_each(|(block, mask)| {
                which.push(block);
                masks.push(mask);
            });
        }
        threshold = self.look(segment, usual, &mut candidates, &mut scored, threshold)?;
        let (rows, products): (Vec<u32>, Vec<i32>) =
            candidates.iter().map(|candidate| (candidate.row, candidate.product)).unzip();
        for (candidate, bound) in candidates.iter_mut().zip(codes.refine(prepared, &rows, &products)) {
            if rules_out(bound, candidate.bound) {
                candidate.bound = bound;
            }
        }
        candidates.retain(|candidate| !rules_out(candidate.bound, threshold));
        if candidates.len() > scanned / WORTH_CHOOSING {
            threshold = self.look(segment, usual, &mut candidates, &mut scored, threshold)?;
        }
        if candidates.len() > scanned / WORTH_CHOOSING {
            return self.compare_all(segment, runs);
        }
        // The best first, a few at a time, until those that are left are ruled out.
        let mut wanted = usual;
        while !candidates.is_empty() {
            let before = candidates.len();
            threshold = self.look(segment, wanted, &mut candidates, &mut scored, threshold)?;
            wanted *= 2;
            if candidates.len() == before {
                let rows: Vec<u32> = candidates.drain(..).map(|candidate| candidate.row).collect();
                self.score(segment, &rows, &mut scored)?;
            }
        }
        scored.sort_by_key(|&(row, _)| row);
        self.offer(&scored, threshold);
        Ok(())
    }

    /// Scores so many candidates, those that look best, if there are more, so as to rule out others: gives the score of the `k`th group of them, or
    /// the threshold there was.
    fn look(
        &self,
        segment: &Segment,
        wanted: usize,
        candidates: &mut Vec<Candidate>,
        scored: &mut Vec<(usize, f32)>,
        threshold: f32,
    ) -> Result<f32, Error> {
        if candidates.len() <= wanted {
            return Ok(threshold);
        }
        let mut bounds: Vec<f32> = candidates.iter().map(|candidate| candidate.bound).collect();
        let (_, &mut least, _) = bounds.select_nth_unstable_by(wanted - 1, |a, b| b.total_cmp(a));
        let mut rows = Vec::with_capacity(wanted);
        candidates.retain(|candidate| {
            let is_chosen = rows.len() < wanted && candidate.bound.total_cmp(&least).is_ge();
            if is_chosen {
                rows.push(candidate.row);
            }
            !is_chosen
        });
        self.score(segment, &rows, scored)?;
        // Two runs that are in order, which a stable sort only has to merge.
        scored.sort_by_key(|&(row, _)| row);
        let mut reached = Vec::with_capacity(scored.len());
        self.each_group(scored, |hit| reached.push(hit.score));
        let by = |scores: &mut [f32], count: usize| match count <= scores.len() {
            true => *scores.select_nth_unstable_by(count - 1, |a, b| b.total_cmp(a)).1,
            false => f32::NEG_INFINITY,
        };
        let of_part = by(&mut reached, self.k);
        let of_all = self.shared.reach(self.part, by(&mut reached, self.shared.share));
        let threshold = threshold.max(of_part).max(of_all);
        candidates.retain(|candidate| !rules_out(candidate.bound, threshold));
        Ok(threshold)
    }

    /// Scores some rows.
    fn score(&self, segment: &Segment, rows: &[u32], scored: &mut Vec<(usize, f32)>) -> Result<(), Error> {
        let scores = segment.rows.products(self.query, rows)?;
        scored.extend(rows.iter().map(|&row| segment.first + row as usize).zip(scores));
        Ok(())
    }

    /// Offers each group of scored rows, which are in order, that a threshold does not rule out.
    fn offer(&mut self, scored: &[(usize, f32)], threshold: f32) {
        let mut best = std::mem::replace(&mut self.best, BestGroups::new(0));
        self.each_group(scored, |hit| {
            if !rules_out(hit.score, threshold) {
                best.offer(hit);
            }
        });
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

/// The blocks that runs of rows lie in, ascending, each with a bit for each of its rows that does.
struct Blocks<'a> {
    runs: &'a [Range<usize>],
    /// All rows before this one have been.
    row: usize,
}

impl<'a> Blocks<'a> {
    fn of(runs: &'a [Range<usize>]) -> Self {
        Self { runs, row: 0 }
    }
}

impl Iterator for Blocks<'_> {
    type Item = (u32, u16);

    fn next(&mut self) -> Option<(u32, u16)> {
        let block = self.runs.first()?.start.max(self.row) / BLOCK;
        let (first, end) = (block * BLOCK, (block + 1) * BLOCK);
        let mut mask = 0_u16;
        while let Some(run) = self.runs.first().filter(|run| run.start < end) {
            let places = run.start.max(first) - first..run.end.min(end) - first;
            mask |= u16::MAX >> (BLOCK - places.len()) << places.start;
            if run.end > end {
                break;
            }
            self.runs = &self.runs[1..];
        }
        self.row = end;
        Some((block as u32, mask))
    }
}

/// How many of the leading ones of ascending `groups`, of which none is below `least`, lie before `group`; fast if few do,
/// or if there are no gaps and each has one row: then nothing has to be waited for.
fn first_from(groups: &[u32], least: u32, group: u32) -> usize {
    let guess = (group - least) as usize;
    let from = match guess.checked_sub(1) {
        None => return 0,
        Some(before) if groups.get(before).is_some_and(|&before| before < group) => guess,
        Some(_) => 0,
    };
    let mut step = 0;
    while groups.get(from + step).is_some_and(|&other| other < group) {
        step = 2 * step + 1;
    }
    let (start, end) = (from + step / 2, groups.len().min(from + step));
    start + groups[start..end].partition_point(|&other| other < group)
}
