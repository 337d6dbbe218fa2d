//! How many VMs there were and are: `wasm.<runtime>.created`, `wasm.<runtime>.active` and `wasm.wasm_vm_count`. Two
//! are counted besides for each module, and one was for each plugin that was tried, as in Envoy.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use nuncio_contract::stat_group;
use nuncio_contract::stats::{Counter, Gauge, Scope};

use crate::base::Base;
use crate::plugin::Plugin;

stat_group! {
    /// What is counted of code that is fetched.
    pub struct RemoteStats("") {
        counters {
            remote_load_cache_hits,
            remote_load_cache_misses,
            remote_load_cache_negative_hits,
            remote_load_fetch_failures,
            remote_load_fetch_successes,
        }
        gauges {
            remote_load_cache_entries,
        }
    }
}

/// A VM that is counted as long as it is there.
pub(crate) struct Lifecycle {
    active: [Arc<Gauge>; 2],
    _created: Arc<Counter>,
    _scope: Option<Scope>,
}

impl Lifecycle {
    pub(crate) fn new(root: &Scope, base: &Base) -> Self {
        let scope = root.scope("wasm");
        let runtime = &base.runtime;
        let (active, created, count) = match &scope {
            Some(scope) => (
                scope.gauge(&format!("{runtime}.active")),
                scope.counter(&format!("{runtime}.created")),
                scope.gauge("wasm_vm_count"),
            ),
            None => Default::default(),
        };
        created.inc();
        let active = [active, count];
        active.iter().for_each(|gauge| gauge.inc());
        Lifecycle {
            active,
            _created: created,
            _scope: scope,
        }
    }
}

impl Drop for Lifecycle {
    fn drop(&mut self) {
        self.active.iter().for_each(|gauge| gauge.dec());
    }
}

/// Counts the VMs that a plugin was tried with, once.
pub(crate) fn count_trial(plugin: &Plugin, root: &Scope, is_singleton: bool) {
    if plugin.is_counted.swap(true, Ordering::Relaxed) {
        return;
    }
    // Of the module, and of the main thread.
    let count = if is_singleton { 1 } else { 2 };
    let own = || {
        (0..count)
            .map(|_| Lifecycle::new(root, &plugin.base))
            .collect()
    };
    plugin.base.counted.get_or_init(own);
    if let Some(scope) = root.scope("wasm") {
        scope.register::<RemoteStats>();
    }
    drop(Lifecycle::new(root, &plugin.base));
}
