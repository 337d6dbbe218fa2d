//! Localities of one priority in turn, by their weights and by how many of their hosts are available.

use super::earliest_deadline::EarliestDeadline;
use super::level::Level;
use super::priority_load::Availability;
use crate::host::LevelOptions;

/// One worker's turns.
#[derive(Debug)]
pub(super) struct LocalitySchedule {
    healthy: Option<Turns>,
    degraded: Option<Turns>,
}

#[derive(Debug)]
struct Turns {
    schedule: EarliestDeadline,
    /// The numbers of the localities that take part.
    localities: Box<[usize]>,
}

impl LocalitySchedule {
    pub(super) fn new(level: &Level, weights: &[u32], options: LevelOptions, seed: u64) -> Self {
        let turns = |availability| Turns::new(level, weights, options, seed, availability);
        Self {
            healthy: turns(Availability::Healthy),
            degraded: turns(Availability::Degraded),
        }
    }

    /// The next locality; none where weights say nothing.
    pub(super) fn pick(&mut self, availability: Availability) -> Option<usize> {
        let turns = match availability {
            Availability::Healthy => &mut self.healthy,
            Availability::Degraded => &mut self.degraded,
        };
        let turns = turns.as_mut()?;
        turns.localities.get(turns.schedule.pick()?).copied()
    }
}

impl Turns {
    fn new(
        level: &Level,
        weights: &[u32],
        options: LevelOptions,
        seed: u64,
        availability: Availability,
    ) -> Option<Self> {
        let factor = f64::from(options.overprovisioning_factor_percent) / 100.0;
        let effective = level.localities.iter().zip(weights).map(|(place, weight)| {
            let available = match availability {
                Availability::Healthy => place.hosts.healthy.len(),
                Availability::Degraded => place.hosts.degraded.len(),
            };
            match place.hosts.counted() {
                0 => 0.0,
                counted => {
                    let share = available as f64 / counted as f64;
                    f64::from(*weight) * (factor * share).min(1.0)
                }
            }
        });
        let (localities, weights): (Vec<_>, Vec<_>) = effective
            .enumerate()
            .filter(|(_, weight)| *weight > 0.0)
            .unzip();
        let skipped = u32::try_from(seed & u64::from(u32::MAX)).unwrap_or(0);
        (!localities.is_empty()).then(|| Self {
            schedule: EarliestDeadline::new(weights.into_iter(), skipped),
            localities: localities.into(),
        })
    }
}
