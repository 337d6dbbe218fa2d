//! `previous_priorities`: retries leave priorities out that were tried, as often as the policy says.
//!
//! As in Envoy what is left takes all load by how much of it is available; once nothing is left all priorities count
//! again. Where there are subsets, the hosts of the whole cluster are what is available.

use crate::load_balancing::PriorityLoad;

/// The priorities that one request has tried.
#[derive(Debug)]
pub struct PriorityAttempts {
    /// The load is reckoned anew after so many tries.
    update_frequency: usize,
    attempted: Vec<usize>,
    excluded: Vec<bool>,
    load: Option<PriorityLoad>,
}

impl PriorityAttempts {
    /// None yet; `update_frequency` tries are made before priorities are left out.
    pub fn new(update_frequency: usize) -> Self {
        Self {
            update_frequency: update_frequency.max(1),
            attempted: Vec::new(),
            excluded: Vec::new(),
            load: None,
        }
    }

    /// Notes a try at a host of this priority.
    pub fn tried(&mut self, priority: usize) {
        self.attempted.push(priority);
    }

    /// How the load is to be spread, where so much of each priority is available; none for as ever.
    pub fn load(&mut self, available: &PriorityLoad) -> Option<&PriorityLoad> {
        if self.attempted.len() < self.update_frequency {
            return None;
        }
        if self.attempted.len().is_multiple_of(self.update_frequency) {
            self.exclude(available.healthy.len());
            let load = self.rest_of(available).spread().or_else(|| {
                self.excluded.fill(false);
                self.attempted.clear();
                available.spread()
            });
            self.load = Some(load?);
        }
        self.load.as_ref()
    }

    fn exclude(&mut self, priorities: usize) {
        if self.excluded.len() < priorities {
            self.excluded.resize(priorities, false);
        }
        for priority in &self.attempted {
            if let Some(excluded) = self.excluded.get_mut(*priority) {
                *excluded = true;
            }
        }
    }

    /// What is available of the priorities that are not left out.
    fn rest_of(&self, available: &PriorityLoad) -> PriorityLoad {
        let rest = |percents: &[u32]| {
            let is_out = |place| self.excluded.get(place) == Some(&true);
            let percents = percents.iter().enumerate();
            let rest = percents.map(|(place, percent)| if is_out(place) { 0 } else { *percent });
            rest.collect()
        };
        PriorityLoad {
            healthy: rest(&available.healthy),
            degraded: rest(&available.degraded),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn healthy(percents: &[u32]) -> PriorityLoad {
        PriorityLoad {
            healthy: percents.into(),
            degraded: vec![0; percents.len()].into(),
        }
    }

    #[test]
    fn priorities_that_were_tried_are_left_out_until_none_is_left() {
        let all = healthy(&[100, 100, 100]);
        let mut attempts = PriorityAttempts::new(1);
        assert_eq!(attempts.load(&all), None, "nothing was tried");
        attempts.tried(0);
        assert_eq!(attempts.load(&all), Some(&healthy(&[0, 100, 0])));
        attempts.tried(1);
        assert_eq!(attempts.load(&all), Some(&healthy(&[0, 0, 100])));
        attempts.tried(2);
        assert_eq!(attempts.load(&all), Some(&healthy(&[100, 0, 0])));
        attempts.tried(0);
        assert_eq!(attempts.load(&all), Some(&healthy(&[0, 100, 0])));
    }

    #[test]
    fn so_many_tries_are_made_before_the_load_changes() {
        let all = healthy(&[100, 100]);
        let mut attempts = PriorityAttempts::new(2);
        attempts.tried(0);
        assert_eq!(attempts.load(&all), None);
        attempts.tried(0);
        assert_eq!(attempts.load(&all), Some(&healthy(&[0, 100])));
        attempts.tried(1);
        assert_eq!(
            attempts.load(&all),
            Some(&healthy(&[0, 100])),
            "as it was before"
        );
    }

    #[test]
    fn the_rest_takes_all_load_by_what_is_available_of_it() {
        let some = healthy(&[70, 20, 30]);
        let mut attempts = PriorityAttempts::new(1);
        attempts.tried(0);
        assert_eq!(attempts.load(&some), Some(&healthy(&[0, 40, 60])));
        let nothing = healthy(&[0, 0, 0]);
        assert_eq!(attempts.load(&nothing), None, "as ever");
    }
}
