//! How many requests of a window of time there were, how many of them succeeded, and what follows for the next one.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::config::Thresholds;

/// How much time a sample covers.
const SAMPLE: Duration = Duration::from_secs(1);
/// Probabilities count in ten-thousandths.
const ACCURACY: u64 = 10_000;

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    requests: u64,
    successes: u64,
}

/// The requests of a worker.
#[derive(Debug)]
pub(super) struct Controller {
    window: Duration,
    /// By the second, the oldest first.
    samples: VecDeque<(Instant, Counts)>,
    all: Counts,
}

impl Controller {
    /// None yet.
    pub(super) fn new(window: Duration) -> Self {
        Controller {
            window,
            samples: VecDeque::new(),
            all: Counts::default(),
        }
    }

    /// Counts a request that has been answered.
    pub(super) fn record(&mut self, is_success: bool, now: Instant) {
        self.forget(now);
        let is_over = |(begin, _): &(Instant, Counts)| now.duration_since(*begin) >= SAMPLE;
        if self.samples.back().is_none_or(is_over) {
            self.samples.push_back((now, Counts::default()));
        }
        let newest = self.samples.back_mut().map(|(_, counts)| counts);
        for counts in newest.into_iter().chain([&mut self.all]) {
            counts.requests += 1;
            counts.successes += u64::from(is_success);
        }
    }

    /// Whether a request is rejected, of which `random` decides.
    pub(super) fn rejects(&mut self, thresholds: &Thresholds, random: u64, now: Instant) -> bool {
        if self.average_rate(now) < thresholds.least_rate {
            return false;
        }
        self.forget(now);
        let probability = probability(self.all, thresholds);
        scaled(probability) > as_float(random % ACCURACY)
    }

    /// Requests a second over the window.
    fn average_rate(&self, now: Instant) -> u64 {
        let Some((oldest, _)) = self.samples.front() else {
            return 0;
        };
        let seconds = now.duration_since(*oldest).max(self.window).as_secs();
        self.all.requests / seconds.max(1)
    }

    fn forget(&mut self, now: Instant) {
        while let Some((begin, counts)) = self.samples.front()
            && now.duration_since(*begin) >= self.window
        {
            self.all.requests -= counts.requests;
            self.all.successes -= counts.successes;
            self.samples.pop_front();
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of requests are far below 2^53"
)]
fn as_float(count: u64) -> f64 {
    count as f64
}

fn scaled(probability: f64) -> f64 {
    as_float(ACCURACY) * probability
}

/// How probable it is that a request is rejected.
fn probability(counts: Counts, thresholds: &Thresholds) -> f64 {
    let (total, successes) = (as_float(counts.requests), as_float(counts.successes));
    let share = (total - successes / thresholds.success_rate) / (total + 1.0);
    // Not a number where nothing may succeed and nothing has.
    if share.is_nan() || share <= 0.0 {
        return 0.0;
    }
    share
        .powf(1.0 / thresholds.aggression)
        .min(thresholds.max_rejection)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Thresholds = Thresholds {
        least_rate: 0,
        success_rate: 1.0,
        aggression: 1.0,
        max_rejection: 1.0,
    };

    fn after(requests: u64, successes: u64) -> Counts {
        Counts {
            requests,
            successes,
        }
    }

    #[test]
    fn the_more_fail_the_more_are_rejected() {
        let close = |counts, thresholds: &Thresholds, expected: f64| {
            let found = probability(counts, thresholds);
            assert!((found - expected).abs() < 1e-9, "{counts:?}: {found}");
        };
        close(after(0, 0), &ALL, 0.0);
        close(after(9, 9), &ALL, 0.0);
        close(after(9, 4), &ALL, 0.5);
        close(after(99, 0), &ALL, 0.99);
        let half = Thresholds {
            success_rate: 0.5,
            ..ALL
        };
        close(after(9, 5), &half, 0.0);
        close(after(9, 2), &half, 0.5);
        let careful = Thresholds {
            max_rejection: 0.25,
            ..ALL
        };
        close(after(9, 4), &careful, 0.25);
        let aggressive = Thresholds {
            aggression: 2.0,
            ..ALL
        };
        close(after(99, 98), &aggressive, 0.1);
    }

    #[test]
    fn chance_decides_and_only_the_window_counts() {
        let begin = Instant::now();
        let mut controller = Controller::new(Duration::from_secs(10));
        for second in 0..9 {
            let now = begin + Duration::from_secs(second);
            controller.record(second >= 5, now);
        }
        let at = |seconds| begin + Duration::from_secs(seconds);
        // 5 of 9 have failed.
        assert!(controller.rejects(&ALL, 4_999, at(9)));
        assert!(!controller.rejects(&ALL, 5_000, at(9)));
        assert!(controller.rejects(&ALL, 14_999, at(9)));
        // 1 of 5 is left: 1/6.
        assert!(controller.rejects(&ALL, 1_666, at(13)));
        assert!(!controller.rejects(&ALL, 1_667, at(13)));
        assert!(!controller.rejects(&ALL, 0, at(14)));
        assert!(!controller.rejects(&ALL, 0, at(60)));
        assert_eq!(controller.samples.len(), 0);
    }

    #[test]
    fn few_requests_are_never_rejected() {
        let now = Instant::now();
        let mut controller = Controller::new(Duration::from_secs(2));
        let busy = Thresholds {
            least_rate: 2,
            ..ALL
        };
        for _ in 0..3 {
            controller.record(false, now);
        }
        assert!(!controller.rejects(&busy, 0, now));
        controller.record(false, now);
        assert!(controller.rejects(&busy, 0, now));
        assert_eq!(controller.samples.len(), 1, "one sample a second");
    }
}
