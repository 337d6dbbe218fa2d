//! Round robin: hosts in turn, or an earliest-deadline schedule where weights differ.
//!
//! As in Envoy each worker starts at a random host and keeps its place over updates of the host set.

use super::earliest_deadline::EarliestDeadline;

/// One worker's turn among the hosts of one priority.
#[derive(Debug)]
pub(crate) struct RoundRobin {
    seed: u64,
    next: u64,
    weighted: Option<EarliestDeadline>,
}

impl RoundRobin {
    /// Starts at a place that `seed` gives.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            seed,
            next: seed,
            weighted: None,
        }
    }

    /// Takes note of a new set of hosts, given by their weights.
    pub(crate) fn hosts_changed(&mut self, weights: impl Iterator<Item = u32> + Clone) {
        let first = weights.clone().next();
        let equal = weights.clone().all(|weight| Some(weight) == first);
        let skipped = u32::try_from(self.seed & u64::from(u32::MAX)).unwrap_or(0);
        self.weighted = (!equal).then(|| EarliestDeadline::new(weights.map(f64::from), skipped));
    }

    /// The number of the next turn; none where weights differ.
    pub(crate) fn next_turn(&self) -> Option<u64> {
        self.weighted.is_none().then_some(self.next)
    }

    /// The index of the next host among `count`, the number of weights last given.
    #[inline]
    pub(crate) fn pick(&mut self, count: usize) -> Option<usize> {
        match &mut self.weighted {
            None => {
                let count = u64::try_from(count).ok()?;
                let index = self.next.checked_rem(count)?;
                self.next = self.next.wrapping_add(1);
                usize::try_from(index).ok()
            }
            Some(schedule) => schedule.pick(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(weights: &[u32], seed: u64) -> RoundRobin {
        let mut turn = RoundRobin::new(seed);
        turn.hosts_changed(weights.iter().copied());
        turn
    }

    #[test]
    fn equal_hosts_take_turns_from_the_seeded_start() {
        let mut turn = of(&[1, 1, 1], 4);
        let picks: Vec<_> = (0..5).filter_map(|_| turn.pick(3)).collect();
        assert_eq!(picks, [1, 2, 0, 1, 2]);
    }

    #[test]
    fn an_update_keeps_the_place_in_the_turn() {
        let mut turn = of(&[1, 1], 0);
        assert_eq!(turn.pick(2), Some(0));
        turn.hosts_changed([1, 1, 1].into_iter());
        assert_eq!(turn.pick(3), Some(1));
    }

    #[test]
    fn different_weights_are_honoured() {
        let mut turn = of(&[1, 3], 9);
        let picks: Vec<_> = (0..400).filter_map(|_| turn.pick(2)).collect();
        assert_eq!(picks.iter().filter(|pick| **pick == 1).count(), 300);
    }

    #[test]
    fn no_hosts_no_pick() {
        assert_eq!(of(&[], 5).pick(0), None);
    }
}
