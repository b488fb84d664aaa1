//! Who needs whom, and what leaves with whom.
//!
//! A package's *retained* size is what would leave with it: the sizes of all that is reached through it only. Those are
//! what it dominates in the graph (Cooper, Harvey and Kennedy, "A Simple, Fast Dominance Algorithm"). Cycles are no
//! trouble, and nothing here recurses.

/// A graph of things with sizes.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// For each, whom it needs.
    pub needs: Vec<Vec<usize>>,
    /// What is wanted for its own sake.
    pub roots: Vec<usize>,
}

impl Graph {
    /// Which are reached from the roots.
    pub fn reached(&self) -> Vec<bool> {
        let mut reached = vec![false; self.needs.len()];
        self.reach(self.roots.clone(), &mut reached);
        reached
    }

    /// Marks these, and what they need that is not marked yet.
    fn reach(&self, mut waiting: Vec<usize>, reached: &mut [bool]) {
        while let Some(one) = waiting.pop() {
            if !std::mem::replace(&mut reached[one], true) {
                waiting.extend(&self.needs[one]);
            }
        }
    }

    /// Makes roots of what nothing needs, and of one in each ring that is needed by nothing outside it.
    pub fn root_everything(&mut self) {
        let mut needed = vec![false; self.needs.len()];
        for (one, needs) in self.needs.iter().enumerate() {
            needs.iter().filter(|needs| **needs != one).for_each(|needs| needed[*needs] = true);
        }
        self.roots.extend((0..needed.len()).filter(|one| !needed[*one]));
        self.roots.sort_unstable();
        self.roots.dedup();
        let mut reached = self.reached();
        for one in 0..reached.len() {
            if !reached[one] {
                self.roots.push(one);
                self.reach(vec![one], &mut reached);
            }
        }
        self.roots.sort_unstable();
    }

    /// For each, the sum of `sizes` over all that is reached through it only, itself included. What is not reached
    /// retains itself.
    pub fn retained(&self, sizes: &[u64]) -> Vec<u64> {
        let mut retained = sizes.to_vec();
        let (order, dominators) = self.dominators();
        // Those that dominate come before what they dominate, so the sums go backwards.
        for &one in order.iter().rev() {
            if let Some(dominator) = dominators[one] {
                retained[dominator] += retained[one];
            }
        }
        retained
    }

    /// Everything that leaves with one of them, itself included.
    pub fn dominated_by(&self, one: usize) -> Vec<usize> {
        let (order, dominators) = self.dominators();
        let mut inside = vec![false; self.needs.len()];
        inside[one] = true;
        for other in order {
            inside[other] |= dominators[other].is_some_and(|dominator| inside[dominator]);
        }
        (0..inside.len()).filter(|other| inside[*other]).collect()
    }

    /// For each, the one without which it would not be there; `None` where there is more than one way, or no way at all.
    pub fn dominators_of_all(&self) -> Vec<Option<usize>> {
        self.dominators().1
    }

    /// A shortest way from a root to `target`, both included.
    pub fn way_to(&self, target: usize) -> Option<Vec<usize>> {
        let mut from = vec![None; self.needs.len()];
        let mut waiting: std::collections::VecDeque<usize> = self.roots.iter().copied().collect();
        self.roots.iter().for_each(|root| from[*root] = Some(*root));
        while let Some(one) = waiting.pop_front() {
            if one == target {
                let mut way = vec![one];
                let mut last = one;
                while let Some(before) = from[last].filter(|before| *before != last) {
                    way.push(before);
                    last = before;
                }
                way.reverse();
                return Some(way);
            }
            for &next in &self.needs[one] {
                if from[next].is_none() {
                    from[next] = Some(one);
                    waiting.push_back(next);
                }
            }
        }
        None
    }

    /// What is reached, in reverse postorder, and the immediate dominator of each; `None` where only the outside is.
    fn dominators(&self) -> (Vec<usize>, Vec<Option<usize>>) {
        let count = self.needs.len();
        // The outside, which needs the roots, has the number `count`.
        let needs = |one: usize| if one == count { &self.roots } else { &self.needs[one] };
        let mut order = Vec::new();
        let mut seen = vec![false; count + 1];
        let mut stack = vec![(count, 0)];
        seen[count] = true;
        while let Some((one, next)) = stack.last_mut() {
            match needs(*one).get(*next) {
                Some(&needed) => {
                    *next += 1;
                    if !std::mem::replace(&mut seen[needed], true) {
                        stack.push((needed, 0));
                    }
                }
                None => {
                    order.push(*one);
                    stack.pop();
                }
            }
        }
        order.reverse();
        let mut rank = vec![usize::MAX; count + 1];
        order.iter().enumerate().for_each(|(place, one)| rank[*one] = place);
        let mut needed_by = vec![Vec::new(); count + 1];
        for &one in &order {
            needs(one).iter().for_each(|needed| needed_by[*needed].push(one));
        }
        let mut dominators: Vec<Option<usize>> = vec![None; count + 1];
        dominators[count] = Some(count);
        let mut changed = true;
        while changed {
            changed = false;
            for &one in &order[1..] {
                let mut common: Option<usize> = None;
                for &from in needed_by[one].iter().filter(|from| dominators[**from].is_some()) {
                    common = Some(common.map_or(from, |other| meet(&dominators, &rank, from, other)));
                }
                if dominators[one] != common {
                    dominators[one] = common;
                    changed = true;
                }
            }
        }
        order.remove(0);
        let within = dominators[..count].iter().map(|dominator| dominator.filter(|dominator| *dominator != count));
        (order, within.collect())
    }
}

/// The nearest that dominates both.
fn meet(dominators: &[Option<usize>], rank: &[usize], mut a: usize, mut b: usize) -> usize {
    while a != b {
        let later = if rank[a] > rank[b] { &mut a } else { &mut b };
        *later = dominators[*later].unwrap_or(*later);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_shared_is_retained_by_who_reaches_all_of_it() {
        // 0 → 1, 2; both → 3; 3 ⇄ 4; 5 stands alone.
        let needs = vec![vec![1, 2], vec![3], vec![3], vec![4], vec![3], vec![]];
        let mut graph = Graph { needs, roots: vec![] };
        graph.root_everything();
        assert_eq!(graph.roots, [0, 5]);
        assert_eq!(graph.retained(&[1, 10, 100, 1000, 10_000, 7]), [11_111, 10, 100, 11_000, 10_000, 7]);
        assert_eq!(graph.dominated_by(3), [3, 4]);
        assert_eq!(graph.way_to(4), Some(vec![0, 1, 3, 4]));
    }

    proptest! {
        /// The definition itself: what is no longer reached once one of them is taken away.
        #[test]
        fn retained_is_what_leaves(edges in prop::collection::vec((0..9usize, 0..9usize), 0..24), roots in prop::collection::vec(0..9usize, 0..3)) {
            let mut graph = Graph { needs: vec![Vec::new(); 9], roots };
            edges.iter().for_each(|(from, to)| graph.needs[*from].push(*to));
            graph.root_everything();
            let sizes: Vec<u64> = (0..9).map(|one| 1 << one).collect();
            let retained = graph.retained(&sizes);
            for (one, retained) in retained.into_iter().enumerate() {
                let mut without = graph.clone();
                without.needs[one].clear();
                without.roots.retain(|root| *root != one);
                without.needs.iter_mut().for_each(|needs| needs.retain(|needed| *needed != one));
                let left = without.reached();
                let leaves: u64 = (0..9).filter(|other| !left[*other]).map(|other| sizes[other]).sum();
                prop_assert_eq!(retained, leaves);
            }
        }
    }
}
