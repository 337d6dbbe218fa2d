//! What a cache counts, at `cache.`, with its name as a label in each name as in Envoy.

use std::sync::Arc;

use nuncio_contract::stat_group;
use nuncio_contract::stats::{Gauge, Scope};

stat_group! {
    /// Requests by what became of them.
    pub struct EventStats("event_type.") {
        counters {
            failed_validation,
            hit,
            lookup_error,
            miss,
            uncacheable,
            upstream_reset,
            validate,
        }
    }
}

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// What is kept was served.
    Hit,
    /// What somebody else has asked for.
    Follower,
    /// What this one has asked for.
    Miss,
    /// What the host found unchanged when this one asked.
    Validated,
    /// What the host found unchanged when somebody else asked, or has just given.
    ValidatedFree,
    /// What the host said to this one alone.
    Uncacheable,
    /// Nothing, as the host has said nothing.
    UpstreamReset,
}

/// A worker's cells.
pub(super) struct CacheStats {
    events: Arc<EventStats>,
    /// Keys that are known.
    pub(super) entries: Arc<Gauge>,
    /// Requests that wait for what is still to come.
    pub(super) subscribers: Arc<Gauge>,
    _upstream_buffered_bytes: Arc<Gauge>,
}

impl CacheStats {
    /// At `root`, of the cache with this name.
    pub(super) fn new(root: &Scope, label: &str) -> Self {
        let gauge = |name: &str| root.gauge(&format!("cache.{name}.cache_label.{label}"));
        let scope = root.scope(&format!("cache.event.cache_label.{label}"));
        let scope = scope.as_ref().unwrap_or(root);
        scope.register::<EventStats>();
        CacheStats {
            events: scope.worker_group(),
            entries: gauge("cache_sessions_entries"),
            subscribers: gauge("cache_sessions_subscribers"),
            _upstream_buffered_bytes: gauge("upstream_buffered_bytes"),
        }
    }

    /// Counts what came of a request.
    pub(super) fn count(&self, status: Status) {
        let counter = match status {
            Status::Hit | Status::Follower | Status::ValidatedFree => &self.events.hit,
            Status::Miss => &self.events.miss,
            Status::Validated => &self.events.validate,
            Status::Uncacheable => &self.events.uncacheable,
            Status::UpstreamReset => &self.events.upstream_reset,
        };
        counter.inc();
    }
}

impl Status {
    /// What the log says.
    pub(super) fn details(self) -> &'static str {
        match self {
            Status::Miss => "cache.insert_via_upstream",
            Status::Uncacheable => "via_upstream",
            Status::UpstreamReset => "cache.aborted_lookup",
            _ => "cache.response_from_cache_filter",
        }
    }

    /// Whether the answer tells its age.
    pub(super) fn tells_age(self) -> bool {
        matches!(self, Status::Hit | Status::Follower)
    }
}
