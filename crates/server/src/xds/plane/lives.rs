//! How long resources live that say so (`ttl`).

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// The ends of resources by name.
#[derive(Debug, Default)]
pub(super) struct Lives(HashMap<Box<str>, Instant>);

impl Lives {
    /// A resource lives from now on for so long, or without end.
    pub(super) fn set(&mut self, name: Box<str>, ttl: Option<Duration>, now: Instant) {
        match ttl.and_then(|ttl| now.checked_add(ttl)) {
            Some(end) => {
                self.0.insert(name, end);
            }
            None => {
                self.0.remove(&name);
            }
        }
    }

    /// A resource is not known any more.
    pub(super) fn remove(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// When the next one ends.
    pub(super) fn next_end(&self) -> Option<Instant> {
        self.0.values().min().copied()
    }

    /// Those that have ended by now, sorted; they are not known any more.
    pub(super) fn ended(&mut self, now: Instant) -> Vec<Box<str>> {
        let mut ended: Vec<Box<str>> = Vec::new();
        self.0.retain(|name, end| {
            let lives = *end > now;
            if !lives {
                ended.push(name.clone());
            }
            lives
        });
        ended.sort();
        ended
    }
}
