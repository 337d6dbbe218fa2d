//! How many connections there may be: of a listener (`envoy.resource_limits.listener.<name>.connection_limit`), and of
//! the process (`overload.global_downstream_max_connections`), both by the runtime, as in Envoy; or of the process by the
//! overload manager, which then counts instead.
//!
//! One that is too many is closed as soon as it was accepted. To the process count those too whose listener filters
//! are still looking. Defaults: no limits; a listener may not care about that of the process.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, OnceLock};

use nuncio_config::runtime::{RuntimeKey, RuntimeKeys};

use crate::live_connections;

const OF_PROCESS: &str = "overload.global_downstream_max_connections";

/// The limits of a listener's connections, shared by the workers.
#[derive(Debug, Default)]
pub(crate) struct ConnectionLimits {
    own: RuntimeKey,
    /// Without one where the listener does not care.
    of_process: RuntimeKey,
    /// Whether the listener does not care for the limit of the process.
    pub(super) ignores_process: bool,
    /// Shared with former versions of the listener whose connections may stay.
    live: OnceLock<Arc<AtomicU64>>,
    /// Whether they are the admin's.
    is_of_admin: bool,
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
            ignores_process,
            live: OnceLock::new(),
            is_of_admin: false,
        }
    }

    /// That of the process alone, for the admin.
    pub(crate) fn of_process(key: RuntimeKey) -> Self {
        ConnectionLimits {
            of_process: key,
            is_of_admin: true,
            ..ConnectionLimits::default()
        }
    }

    /// Goes on with the connections of a former version of the listener, if there are none yet.
    pub(crate) fn go_on_from(&self, former: &Self) {
        let _it_has_some = self.live.set(Arc::clone(former.live()));
    }

    fn live(&self) -> &Arc<AtomicU64> {
        self.live.get_or_init(Arc::default)
    }

    /// The key of the process's limit, or one without a value.
    pub(crate) fn key_of_process(ignores_process: bool, runtime: &RuntimeKeys) -> RuntimeKey {
        runtime.key(if ignores_process { "" } else { OF_PROCESS })
    }

    /// Whether the process has no room for one more connection; a limit that is watched takes the place of that of the
    /// runtime.
    pub(super) fn is_process_full(&self, watched: Option<u64>) -> bool {
        match watched {
            Some(most) => live_connections::watched() >= most,
            None => is_full(live_connections::all(), &self.of_process),
        }
    }

    /// Whether the listener has none.
    pub(super) fn is_full(&self) -> bool {
        is_full(self.live().load(Relaxed), &self.own)
    }

    /// A connection has a filter chain.
    pub(super) fn opened(&self, is_watched: bool) {
        let live = self.live().fetch_add(1, Relaxed);
        live_connections::add(is_watched);
        if self.is_of_admin {
            live_connections::admin_has(live + 1);
        }
    }

    /// It is closed.
    pub(super) fn closed(&self, is_watched: bool) {
        let live = self.live().fetch_sub(1, Relaxed);
        live_connections::remove(is_watched);
        if self.is_of_admin {
            live_connections::admin_has(live.saturating_sub(1));
        }
    }
}

fn is_full(live: u64, limit: &RuntimeKey) -> bool {
    let most = limit.integer(u64::MAX);
    most != u64::MAX && live >= most
}

#[cfg(test)]
mod tests {
    use nuncio_config::runtime::RuntimeValue;

    use super::*;

    #[test]
    fn connections_that_stay_count_for_the_next_version_of_their_listener() {
        let runtime = RuntimeKeys::default();
        let former = ConnectionLimits::new("l", true, &runtime);
        let key = "envoy.resource_limits.listener.l.connection_limit";
        let one = RuntimeValue::of_text("1").expect("it is a number");
        runtime.set_values([(key.into(), one)].into());
        former.opened(false);
        let apart = ConnectionLimits::new("l", true, &runtime);
        assert!(former.is_full() && !apart.is_full());
        let next = ConnectionLimits::new("l", true, &runtime);
        next.go_on_from(&former);
        assert!(next.is_full());
        former.closed(false);
        assert!(!next.is_full());
    }
}
