//! Keeping an index that changes as fast as one made anew.

use super::rows::Rows;
use super::{LEAST_CODED, Segment, VectorIndex};
use crate::Error;
use std::ops::Range;
use std::sync::Arc;

/// Rows that are read at a time where they lie side by side.
const READ: usize = 256;
/// Of the rows in memory, one in so many may be dead.
const DEAD_PART: usize = 4;

/// Where rows have gone that changed their numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Rows before this one are where they were.
    pub first: usize,
    /// Of each row from there on, the number that it had; the other ones are gone.
    pub from: Vec<u32>,
}

impl VectorIndex {
    /// [`VectorIndex::seal`], and joins segments: a segment in memory is not left alone if what came after it is half as
    /// large or more. Rows that were removed or replaced are left out when that happens, and when there are many of them.
    ///
    /// # Errors
    /// Those of reading rows that lie in a file.
    pub fn settle(&mut self, threads: usize) -> Result<Option<Moved>, Error> {
        self.settle_from(LEAST_CODED, threads)
    }

    pub(super) fn settle_from(&mut self, least: usize, threads: usize) -> Result<Option<Moved>, Error> {
        let first = self.first_to_join(least);
        let begin = self.segments.get(first).map_or(self.len(), |segment| segment.first);
        let is_whole = first + 1 == self.segments.len() && self.dead_in(begin..self.len()) == 0;
        if first >= self.segments.len() || is_whole {
            self.seal_from(least, threads)?;
            return Ok(None);
        }
        let mut live: Vec<u32> =
            (begin..self.len()).map(|row| row as u32).filter(|&row| !self.dead.contains(row)).collect();
        // A group that is alive lies in one segment, in order.
        live.sort_by_key(|&row| (self.groups[row as usize], row));
        let rows = self.gather(first, &live)?;
        let groups: Vec<u32> = live.iter().map(|&row| self.groups[row as usize]).collect();
        let all = Arc::make_mut(&mut self.groups);
        all.truncate(begin);
        all.extend_from_slice(&groups);
        let dead = Arc::make_mut(&mut self.dead);
        *dead = dead.iter().filter(|&row| (row as usize) < begin).collect();
        self.segments.truncate(first);
        let rows = Arc::new(Rows::Memory(rows));
        self.segments.push(Segment { first: begin, len: live.len(), rows, codes: None, sealed: false });
        self.seal_from(least, threads)?;
        Ok(Some(Moved { first: begin, from: live }))
    }

    /// The first of the segments that become one.
    fn first_to_join(&self, least: usize) -> usize {
        let in_memory =
            self.segments.iter().rposition(|segment| matches!(*segment.rows, Rows::File(_))).map_or(0, |at| at + 1);
        let begin = self.segments.get(in_memory).map_or(self.len(), |segment| segment.first);
        if self.dead_in(begin..self.len()) > least + (self.len() - begin) / DEAD_PART {
            return in_memory;
        }
        let mut first = self.segments.len().saturating_sub(1).max(in_memory);
        let mut rows = self.segments.get(first).map_or(0, |segment| segment.len);
        while first > in_memory {
            let before = self.segments[first - 1].len;
            if before > (2 * rows).max(least.saturating_sub(rows)) {
                break;
            }
            (first, rows) = (first - 1, rows + before);
        }
        first
    }

    fn dead_in(&self, rows: Range<usize>) -> usize {
        self.dead.iter_from(rows.start as u32).take_while(|&row| (row as usize) < rows.end).count()
    }

    /// The vectors of rows of the segments from `first` on, end to end.
    fn gather(&self, first: usize, rows: &[u32]) -> Result<Vec<f32>, Error> {
        let mut gathered = Vec::with_capacity(rows.len() * self.dim);
        let mut read = Vec::new();
        let mut rest = rows;
        while let Some(&row) = rest.first() {
            // As many as lie side by side.
            let run = (1..rest.len().min(READ)).find(|&i| rest[i] != row + i as u32).unwrap_or(rest.len().min(READ));
            let at = self.segments.partition_point(|segment| segment.first + segment.len <= row as usize);
            let segment = &self.segments[at.max(first)];
            let begin = row as usize - segment.first;
            let run = run.min(segment.len - begin);
            segment.rows.read(self.dim, begin..begin + run, &mut read)?;
            gathered.extend_from_slice(&read);
            rest = &rest[run..];
        }
        Ok(gathered)
    }
}
