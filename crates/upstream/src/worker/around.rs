//! What a load balancer uses of its worker.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use super::WorkerCluster;
use crate::cluster::{ClusterShared, Resource, ResourcePriority};
use crate::load_balancing::{Around, LocalProxies, Snapshot};

/// The cluster whose hosts are the proxies, as a worker has last seen it.
pub(super) struct LocalCluster {
    shared: Arc<ClusterShared>,
    seen: RefCell<Arc<Snapshot>>,
    generation: Cell<u64>,
}

impl LocalCluster {
    pub(super) fn new(shared: Arc<ClusterShared>) -> Self {
        let (_, snapshot) = shared.balanced();
        // No published generation: whoever chose without it looks at it anew.
        Self {
            shared,
            seen: snapshot.into(),
            generation: Cell::new(u64::MAX),
        }
    }

    /// Whether its hosts have changed since it was last asked; they are looked at anew then.
    pub(super) fn has_changed(&self) -> bool {
        let generation = self.shared.generation();
        let changed = self.generation.replace(generation) != generation;
        if changed {
            let (_, snapshot) = self.shared.balanced();
            *self.seen.borrow_mut() = snapshot;
        }
        changed
    }
}

impl WorkerCluster {
    pub(super) fn with_around<T>(
        &self,
        local: Option<&LocalCluster>,
        run: impl FnOnce(&Around<'_>) -> T,
    ) -> T {
        let seen = local.map(|local| Arc::clone(&local.seen.borrow()));
        let proxies = seen.as_deref().and_then(|snapshot| {
            let level = snapshot.set.levels.first()?;
            let hosts = &*snapshot.set.hosts;
            Some(LocalProxies { hosts, level })
        });
        let breakers = self.core.breakers();
        let active = |priority| breakers.used(priority, Resource::Requests);
        let active_requests =
            || active(ResourcePriority::Default).saturating_add(active(ResourcePriority::High));
        run(&Around {
            settings: &self.settings().lb,
            stats: &self.core.lb_stats,
            clock: &*self.core.clock,
            random: &self.random,
            active_requests: &active_requests,
            proxies,
        })
    }
}
