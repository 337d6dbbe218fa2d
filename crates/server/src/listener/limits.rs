//! How many connections there may be: of a listener (`envoy.resource_limits.listener.<name>.connection_limit`), and of
//! the process (`overload.global_downstream_max_connections`), both by the runtime, as in Envoy.
//!
//! One that is too many is closed as soon as it was accepted. To the process count those too whose listener filters
//! are still looking. Defaults: no limits; a listener may not care about that of the process.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use nuncio_config::runtime::{RuntimeKey, RuntimeKeys};

const OF_PROCESS: &str = "overload.global_downstream_max_connections";

static LIVE_IN_PROCESS: AtomicU64 = AtomicU64::new(0);

/// The limits of a listener's connections, shared by the workers.
#[derive(Debug, Default)]
pub(crate) struct ConnectionLimits {
    own: RuntimeKey,
    /// Without one where the listener does not care.
    of_process: RuntimeKey,
    live: AtomicU64,
}

/// A limit that is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reached {
    Own,
    OfProcess,
}

impl ConnectionLimits {
    /// Of the listener with this name; none of its own without.
    pub(crate) fn new(name: &str, ignores_process: bool, runtime: &RuntimeKeys) -> Self {
        let key = match name {
            "" => String::new(),
            name => format!("envoy.resource_limits.listener.{name}.connection_limit"),
        };
        ConnectionLimits {
            own: runtime.key(&key),
            of_process: Self::key_of_process(ignores_process, runtime),
            live: AtomicU64::new(0),
        }
    }

    /// That of the process alone.
    pub(crate) fn of_process(key: RuntimeKey) -> Self {
        ConnectionLimits {
            of_process: key,
            ..ConnectionLimits::default()
        }
    }

    /// The key of the process's limit, or one without a value.
    pub(crate) fn key_of_process(ignores_process: bool, runtime: &RuntimeKeys) -> RuntimeKey {
        runtime.key(if ignores_process { "" } else { OF_PROCESS })
    }

    /// The limit that leaves no room for one more connection.
    pub(super) fn reached(&self) -> Option<Reached> {
        let is_full = |live: &AtomicU64, limit: &RuntimeKey| {
            let most = limit.integer(u64::MAX);
            most != u64::MAX && live.load(Relaxed) >= most
        };
        if is_full(&LIVE_IN_PROCESS, &self.of_process) {
            return Some(Reached::OfProcess);
        }
        is_full(&self.live, &self.own).then_some(Reached::Own)
    }

    /// A connection has a filter chain.
    pub(super) fn opened(&self) {
        self.live.fetch_add(1, Relaxed);
        Self::looking();
    }

    /// It is closed.
    pub(super) fn closed(&self) {
        self.live.fetch_sub(1, Relaxed);
        Self::looked();
    }

    /// Listener filters look at a connection.
    pub(super) fn looking() {
        LIVE_IN_PROCESS.fetch_add(1, Relaxed);
    }

    /// They do no more.
    pub(super) fn looked() {
        LIVE_IN_PROCESS.fetch_sub(1, Relaxed);
    }
}
