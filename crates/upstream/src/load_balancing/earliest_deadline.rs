//! Weighted round robin as an earliest-deadline-first schedule: each pick takes the entry whose deadline is
//! nearest and gives it a new one, 1/weight later.
//!
//! Picks follow Envoy's order for the same weights and the same number of picks skipped at the start; among
//! equal deadlines the one queued first goes first. A pick costs O(log n).

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Skipped picks are taken modulo this, as in Envoy.
const MAX_SKIPPED_PICKS: u64 = 429_496_729;

/// Keeps floor() of products of weights from falling a pick short or long.
const EPSILON: f64 = 1e-13;

/// A schedule over the entries `0..weights.len()`.
#[derive(Debug, Default)]
pub(super) struct EarliestDeadline {
    queue: BinaryHeap<Entry>,
    weights: Box<[f64]>,
    now: f64,
    next_order: u64,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    deadline: f64,
    order: u64,
    index: usize,
}

impl EarliestDeadline {
    /// A schedule that stands as if `skipped` picks had been made.
    pub(super) fn new(weights: impl Iterator<Item = f64>, skipped: u32) -> Self {
        let weights: Box<[f64]> = weights.collect();
        let skipped = f64_from(u64::from(skipped) % MAX_SKIPPED_PICKS);
        let total: f64 = weights.iter().map(|weight| weight + EPSILON).sum();
        let mut schedule = Self {
            weights,
            ..Self::default()
        };
        let mut made = 0.0;
        for index in 0..schedule.weights.len() {
            made += schedule.queue_as_if_picked(index, skipped, total);
        }
        schedule.next_order = schedule.queue.len() as u64;
        while made < skipped && schedule.pick().is_some() {
            made += 1.0;
        }
        schedule
    }

    /// Queues an entry with the picks that surely fall to it among `skipped`; returns how many.
    fn queue_as_if_picked(&mut self, index: usize, skipped: f64, total: f64) -> f64 {
        let weight = self.weights.get(index).copied().unwrap_or(1.0) + EPSILON;
        let mut picks = (weight * skipped / total).floor();
        if picks > 0.0 && picks / weight >= skipped / total {
            picks -= 1.0;
        }
        self.now = self.now.max(picks / weight);
        self.queue.push(Entry {
            deadline: (picks + 1.0) / weight,
            order: index as u64,
            index,
        });
        picks
    }

    /// The next entry; `None` if there is none.
    pub(super) fn pick(&mut self) -> Option<usize> {
        let mut next = self.queue.peek_mut()?;
        let index = next.index;
        self.now = next.deadline;
        next.deadline = self.now + 1.0 / self.weights.get(index).copied().unwrap_or(1.0);
        next.order = self.next_order;
        self.next_order += 1;
        Some(index)
    }

    /// The next entry, which is queued again by the weight that it has now.
    pub(super) fn pick_by(&mut self, weight: impl FnOnce(usize) -> f64) -> Option<usize> {
        let index = self.queue.peek()?.index;
        if let Some(place) = self.weights.get_mut(index) {
            *place = weight(index);
        }
        self.pick()
    }
}

/// Exact: skipped picks are below 2^29.
fn f64_from(small: u64) -> f64 {
    small as f64
}

impl Ord for Entry {
    /// The heap's greatest is the entry that is due first.
    fn cmp(&self, other: &Self) -> Ordering {
        other
            .deadline
            .total_cmp(&self.deadline)
            .then(other.order.cmp(&self.order))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Entry {}

#[cfg(test)]
mod tests {
    use super::*;

    fn picks(weights: &[u32], skipped: u32, count: usize) -> Vec<usize> {
        let mut schedule = EarliestDeadline::new(weights.iter().copied().map(f64::from), skipped);
        (0..count).filter_map(|_| schedule.pick()).collect()
    }

    #[test]
    fn picks_are_spread_by_weight_and_smoothly() {
        assert_eq!(picks(&[1, 3], 0, 8), [1, 1, 0, 1, 1, 1, 0, 1]);
        let many = picks(&[2, 5, 3], 0, 1000);
        for (index, share) in [(0, 200), (1, 500), (2, 300)] {
            assert_eq!(many.iter().filter(|pick| **pick == index).count(), share);
        }
    }

    #[test]
    fn skipping_picks_leaves_every_entry_its_share() {
        for weights in [&[25, 75][..], &[1, 2, 3], &[7, 1, 1], &[1, 1000]] {
            for skipped in [1_u32, 23, 100, 999] {
                let window = skipped as usize..skipped as usize + 50;
                let (made, after) = (picks(weights, 0, window.end), picks(weights, skipped, 50));
                for index in 0..weights.len() {
                    let count = |picks: &[usize]| picks.iter().filter(|at| **at == index).count();
                    let difference = count(&made[window.clone()]).abs_diff(count(&after));
                    assert!(difference <= 1, "{weights:?} after {skipped}");
                }
            }
        }
    }

    #[test]
    fn a_weight_that_has_changed_counts_from_the_next_pick_of_its_entry() {
        let mut schedule = EarliestDeadline::new([1.0, 1.0].into_iter(), 0);
        let weights = [1.0, 4.0];
        let mut pick = || schedule.pick_by(|index| weights[index]).unwrap();
        let picks: Vec<_> = (0..12).map(|_| pick()).collect();
        assert_eq!(picks.iter().filter(|index| **index == 1).count(), 9);
    }

    #[test]
    fn nothing_is_picked_from_nothing() {
        assert_eq!(picks(&[], 77, 3), []);
    }
}
