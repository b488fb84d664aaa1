//! The best groups of those seen so far.

use super::GroupHit;
use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// The best `k` of the hits offered so far; the worst of them lies on top of the heap, ready to give way.
pub(super) struct BestGroups {
    k: usize,
    heap: BinaryHeap<WorstFirst>,
}

impl BestGroups {
    pub fn new(k: usize) -> Self {
        Self { k, heap: BinaryHeap::new() }
    }

    pub fn offer(&mut self, hit: GroupHit) {
        let hit = WorstFirst(hit);
        if self.heap.len() < self.k {
            self.heap.push(hit);
        } else if let Some(mut worst) = self.heap.peek_mut()
            && hit < *worst
        {
            *worst = hit;
        }
    }

    /// The score below which nothing is among the best any more.
    pub fn threshold(&self) -> f32 {
        match self.heap.peek() {
            Some(WorstFirst(worst)) if self.heap.len() >= self.k => worst.score,
            _ => f32::NEG_INFINITY,
        }
    }

    pub fn into_sorted(self) -> Vec<GroupHit> {
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
