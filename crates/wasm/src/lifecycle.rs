//! How many VMs there were and are: `wasm.<runtime>.created`, `wasm.<runtime>.active` and `wasm.wasm_vm_count`. Two
//! are counted besides for each module, and one was for each plugin that was tried, as in Envoy.

use std::sync::Arc;

use nuncio_contract::stat_group;
use nuncio_contract::stats::{Counter, Gauge, Scope};

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
    pub(crate) fn new(root: &Scope, runtime: &str) -> Self {
        let scope = root.scope("wasm");
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
