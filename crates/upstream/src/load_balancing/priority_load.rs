//! How the load is spread over priorities, and which of them are in panic.
//!
//! Each priority takes load up to the share of its available hosts, which counts for more than it is by the
//! overprovisioning factor; what is left falls on the next one, on degraded hosts after all healthy ones. Where all
//! priorities together do not hold the load, those with too few available hosts are in panic: their hosts' health is
//! ignored. Where all are in panic the load is spread by the numbers of hosts.

use super::level::Level;
use crate::host::LevelOptions;

/// The load of each priority, in per cent of the whole; together 100.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PriorityLoad {
    /// On healthy hosts.
    pub healthy: Box<[u32]>,
    /// On degraded hosts.
    pub degraded: Box<[u32]>,
}

/// Which hosts of a priority take a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Availability {
    /// The healthy ones.
    Healthy,
    /// The degraded ones.
    Degraded,
}

impl PriorityLoad {
    /// All of it on one priority of so many.
    pub(crate) fn all_on(priority: usize, of: Availability, priorities: usize) -> Self {
        let all = |wanted| {
            let load = |place| if place == priority && wanted { 100 } else { 0 };
            (0..priorities).map(load).collect()
        };
        Self {
            healthy: all(of == Availability::Healthy),
            degraded: all(of == Availability::Degraded),
        }
    }

    /// All load, spread by what this is taken to say of how much is available; none if that is nothing.
    pub(crate) fn spread(&self) -> Option<Self> {
        let total = self.total();
        (total > 0).then(|| spread(&self.healthy, &self.degraded, total))
    }

    fn total(&self) -> u32 {
        self.healthy
            .iter()
            .chain(&self.degraded)
            .sum::<u32>()
            .min(100)
    }

    /// The priority on which `hash` falls.
    #[inline]
    pub(crate) fn choose(&self, hash: u64) -> (usize, Availability) {
        let point = hash % 100 + 1;
        let mut sum = 0;
        for (loads, availability) in [
            (&self.healthy, Availability::Healthy),
            (&self.degraded, Availability::Degraded),
        ] {
            for (priority, load) in loads.iter().enumerate() {
                sum += u64::from(*load);
                if point <= sum {
                    return (priority, availability);
                }
            }
        }
        (0, Availability::Healthy)
    }
}

/// What the health of all priorities comes to.
#[derive(Debug, Default)]
pub(crate) struct Loads {
    pub(super) load: PriorityLoad,
    pub(super) panic: Box<[bool]>,
    /// How much of each priority is available, in per cent of what would do.
    pub(super) available: PriorityLoad,
}

impl Loads {
    /// `panic_threshold_percent`: a lower share of available hosts is a panic; 0 for never.
    pub(super) fn of(
        levels: &[Level],
        options: LevelOptions,
        panic_threshold_percent: u64,
    ) -> Self {
        let factor = u64::from(options.overprovisioning_factor_percent);
        let available = |part: u64, level: &Level| {
            let percent = (factor * part).checked_div(level.share.total).unwrap_or(0);
            u32::try_from(percent.min(100)).unwrap_or(100)
        };
        let of_all = |part: fn(&Level) -> u64| -> Box<[u32]> {
            let parts = levels.iter().map(|level| available(part(level), level));
            parts.collect()
        };
        let available = PriorityLoad {
            healthy: of_all(|level| level.share.healthy),
            degraded: of_all(|level| level.share.degraded),
        };
        let total = available.total();
        if total == 0 && panic_threshold_percent == 0 {
            // Somebody must be chosen, though nobody is there to serve.
            let mut load = available.clone();
            if let Some(first) = load.healthy.first_mut() {
                *first = 100;
            }
            let panic = vec![false; levels.len()].into();
            return Self {
                load,
                panic,
                available,
            };
        }
        let is_in_panic = |level: &Level| {
            total < 100 && level.available_percent() < panic_threshold_percent as f64
        };
        let panic: Box<[bool]> = levels.iter().map(is_in_panic).collect();
        let load = match panic.iter().all(|panic| *panic) {
            true => by_numbers_of_hosts(levels),
            false => spread(&available.healthy, &available.degraded, total),
        };
        Self {
            load,
            panic,
            available,
        }
    }

    /// Whether all load falls on the same hosts, and on which.
    pub(super) fn single(&self) -> Option<(usize, Availability)> {
        let all = |loads: &[u32]| loads.iter().position(|load| *load == 100);
        all(&self.load.healthy)
            .map(|priority| (priority, Availability::Healthy))
            .or_else(|| all(&self.load.degraded).map(|priority| (priority, Availability::Degraded)))
    }
}

/// Spreads 100 by what is available, `total` in all.
fn spread(healthy: &[u32], degraded: &[u32], total: u32) -> PriorityLoad {
    let mut left = 100;
    let mut take = |available: &[u32]| -> Box<[u32]> {
        let mut load = |percent: &u32| {
            let load = (percent * 100).checked_div(total).unwrap_or(0).min(left);
            left -= load;
            load
        };
        available.iter().map(&mut load).collect()
    };
    let mut load = PriorityLoad {
        healthy: take(healthy),
        degraded: take(degraded),
    };
    // What rounding left.
    let first = |available: &[u32]| available.iter().position(|percent| *percent > 0);
    let place = match first(healthy) {
        Some(priority) => load.healthy.get_mut(priority),
        None => first(degraded).and_then(|priority| load.degraded.get_mut(priority)),
    };
    place.into_iter().for_each(|load| *load += left);
    load
}

fn by_numbers_of_hosts(levels: &[Level]) -> PriorityLoad {
    let counts = || levels.iter().map(|level| level.hosts.all.len());
    let total: usize = counts().sum();
    let share = |count: usize| (100 * count).checked_div(total).unwrap_or(0);
    let mut healthy: Box<[u32]> = counts()
        .map(|count| u32::try_from(share(count)).unwrap_or(100))
        .collect();
    let left = 100 - healthy.iter().sum::<u32>().min(100);
    let first = counts().position(|count| count > 0).unwrap_or(0);
    healthy
        .get_mut(first)
        .into_iter()
        .for_each(|load| *load += left);
    PriorityLoad {
        degraded: vec![0; healthy.len()].into(),
        healthy,
    }
}
