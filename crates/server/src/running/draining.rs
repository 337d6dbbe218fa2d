//! Listeners of updates that drain, as `/config_dump` shows them (`draining_state`): as in Envoy until the drain time has
//! passed, whether they have connections or not, and of several with one name the oldest.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::listeners::{Listeners, Running};
use crate::admin::state::{DumpedConfig, DynamicConfig};
use crate::listener::CompiledListener;

/// Those that are shown.
#[derive(Default)]
pub(super) struct Draining {
    /// How long they drain.
    time: Duration,
    /// In the order of their going.
    all: Vec<Shown>,
}

/// A listener that drains, for the count of them: as in Envoy until the drain time has passed, though it has no
/// connections; with connections as long as it has some.
pub(super) struct Drains {
    listener: Weak<CompiledListener>,
    until: Instant,
}

impl Drains {
    pub(super) fn is_under_way(&self, now: Instant) -> bool {
        self.until > now || self.listener.strong_count() > 0
    }
}

struct Shown {
    name: String,
    config: DynamicConfig,
    until: Instant,
}

impl Draining {
    /// A listener begins to drain.
    pub(super) fn begin(&self, listener: &Arc<CompiledListener>) -> Drains {
        Drains {
            listener: Arc::downgrade(listener),
            until: Instant::now() + self.time,
        }
    }

    /// Notes one that goes, or whose place another version takes.
    pub(super) fn note(&mut self, gone: &Running) {
        let now = Instant::now();
        self.all.retain(|shown| shown.until > now);
        if let Some(version) = &gone.resource.update {
            self.all.push(Shown {
                name: gone.name().to_owned(),
                config: DynamicConfig {
                    version: Arc::clone(version),
                    config: DumpedConfig {
                        message: Arc::clone(&gone.resource.version.message),
                        last_updated: gone.updated,
                    },
                },
                until: now + self.time,
            });
        }
    }

    /// Those that drain now, by name, the last that went first; the oldest of each.
    pub(super) fn now(&self) -> Vec<(&str, &DynamicConfig)> {
        let now = Instant::now();
        let mut oldest: Vec<(&str, &DynamicConfig)> = Vec::new();
        for shown in self.all.iter().rev().filter(|shown| shown.until > now) {
            match oldest.iter_mut().find(|(name, _)| *name == shown.name) {
                Some((_, config)) => *config = &shown.config,
                None => oldest.push((&shown.name, &shown.config)),
            }
        }
        oldest
    }
}

impl Listeners {
    /// How long listeners drain.
    pub(crate) fn drain_for(&mut self, time: Duration) {
        self.draining_shown.time = time;
    }
}
