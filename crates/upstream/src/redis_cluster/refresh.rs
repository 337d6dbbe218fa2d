//! When a cluster is to be asked for its slots before its time: once enough has gone wrong. As in Envoy, what goes wrong
//! within a while after such a question does not count.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::RedisClusterSettings;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// A host says that another one has the key.
    Redirection,
    /// A command is not answered.
    Failure,
    /// A host is worse than it was.
    DegradedHost,
}

/// Counts it.
pub struct Refresh {
    interval: Duration,
    /// How much is enough, by kind; 0: it does not matter.
    thresholds: [u32; 3],
    state: Mutex<State>,
    asked: Notify,
}

#[derive(Default)]
struct State {
    last: Option<Instant>,
    counts: [u32; 3],
}

impl Refresh {
    pub(super) fn new(settings: &RedisClusterSettings) -> Self {
        Self {
            interval: settings.redirect_interval,
            thresholds: [
                settings.redirections,
                settings.failures,
                settings.degraded_hosts,
            ],
            state: Mutex::default(),
            asked: Notify::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something goes wrong.
    pub fn count(&self, trouble: Trouble, now: Instant) {
        if self.counts_enough(trouble, now) {
            self.asked.notify_one();
        }
    }

    fn counts_enough(&self, trouble: Trouble, now: Instant) -> bool {
        let kind = match trouble {
            Trouble::Redirection => 0,
            Trouble::Failure => 1,
            Trouble::DegradedHost => 2,
        };
        let threshold = self.thresholds.get(kind).copied().unwrap_or(0);
        if threshold == 0 {
            return false;
        }
        let mut state = self.state();
        let is_soon = |last| now.saturating_duration_since(last) < self.interval;
        if state.last.is_some_and(is_soon) {
            return false;
        }
        let Some(count) = state.counts.get_mut(kind) else {
            return false;
        };
        *count += 1;
        if *count < threshold {
            return false;
        }
        *state = State {
            last: Some(now),
            counts: [0; 3],
        };
        true
    }

    /// Waits until it is to be asked.
    pub(crate) async fn wanted(&self) {
        self.asked.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enough_redirections_ask_once_in_a_while() {
        let refresh = Refresh::new(&RedisClusterSettings {
            redirections: 2,
            ..RedisClusterSettings::default()
        });
        let now = Instant::now();
        let redirected = |after_s| {
            let at = now + Duration::from_secs(after_s);
            refresh.counts_enough(Trouble::Redirection, at)
        };
        assert!(!redirected(0));
        assert!(redirected(0));
        assert!(!redirected(4) && !redirected(4) && !redirected(4));
        assert!(!redirected(5));
        assert!(redirected(5));
        assert!(!refresh.counts_enough(Trouble::Failure, now + Duration::from_secs(60)));
    }
}
