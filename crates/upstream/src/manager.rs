//! All clusters of the process, by name and by number.
//!
//! Names are resolved when configuration is loaded; the request path knows a cluster by its [`ClusterId`].

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use nuncio_contract::stats::StatsStore;

use crate::cluster::{ClusterSettings, ClusterShared};
use crate::transport_socket::TransportSocket;

/// A cluster's number: its slot in the tables of the manager and the workers. A removed cluster's slot is
/// used again only for a cluster of the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClusterId(u32);

impl ClusterId {
    pub(crate) fn slot(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

/// The table of clusters, shared by all threads; the main thread changes it.
pub struct ClusterManager {
    stats: StatsStore,
    table: RwLock<Table>,
    generation: AtomicU64,
}

#[derive(Default)]
struct Table {
    slots: Vec<Option<Arc<ClusterShared>>>,
    by_name: HashMap<Arc<str>, ClusterId>,
}

impl ClusterManager {
    /// A manager without clusters, whose clusters' stats go to `stats`.
    pub fn new(stats: StatsStore) -> Self {
        Self {
            stats,
            table: RwLock::default(),
            generation: AtomicU64::new(0),
        }
    }

    /// Adds a cluster, or replaces the one of the same name, which drains. It has no hosts yet.
    pub fn add_or_update(
        &self,
        settings: ClusterSettings,
        transport_socket: TransportSocket,
        added_via_api: bool,
    ) -> (ClusterId, Arc<ClusterShared>) {
        let scope = self
            .stats
            .scope(&format!("cluster.{}", settings.stat_name()));
        let name = settings.name.clone();
        let shared = Arc::new(ClusterShared::new(
            settings,
            transport_socket,
            scope,
            added_via_api,
        ));
        let id = self.write().put(&name, Arc::clone(&shared));
        self.generation.fetch_add(1, Ordering::Release);
        (id, shared)
    }

    /// Removes a cluster; false if there is none of that name.
    pub fn remove(&self, name: &str) -> bool {
        let removed = self.write().take(name).is_some();
        self.generation.fetch_add(1, Ordering::Release);
        removed
    }

    /// The number of a cluster, if it is there.
    pub fn find(&self, name: &str) -> Option<ClusterId> {
        let table = self.read();
        let id = *table.by_name.get(name)?;
        table.slots.get(id.slot())?.as_ref().map(|_| id)
    }

    /// A number for `name`, whether the cluster is there already or comes later.
    pub fn reserve(&self, name: &str) -> ClusterId {
        self.write().slot_of(name)
    }

    /// A cluster by number.
    pub fn get(&self, id: ClusterId) -> Option<Arc<ClusterShared>> {
        self.read().slots.get(id.slot())?.clone()
    }

    /// All clusters, in the order in which they were first added.
    pub fn clusters(&self) -> Vec<Arc<ClusterShared>> {
        self.read().slots.iter().flatten().cloned().collect()
    }

    /// Changes whenever a cluster comes, changes or goes.
    #[inline]
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Table> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn slot_of(&mut self, name: &str) -> ClusterId {
        if let Some(id) = self.by_name.get(name) {
            return *id;
        }
        let id = ClusterId(u32::try_from(self.slots.len()).unwrap_or(u32::MAX));
        self.slots.push(None);
        self.by_name.insert(name.into(), id);
        id
    }

    fn put(&mut self, name: &str, cluster: Arc<ClusterShared>) -> ClusterId {
        let id = self.slot_of(name);
        if let Some(slot) = self.slots.get_mut(id.slot()) {
            *slot = Some(cluster);
        }
        id
    }

    fn take(&mut self, name: &str) -> Option<Arc<ClusterShared>> {
        let id = *self.by_name.get(name)?;
        self.slots.get_mut(id.slot())?.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(manager: &ClusterManager, name: &str) -> ClusterId {
        manager
            .add_or_update(
                ClusterSettings::named(name),
                TransportSocket::RawBuffer,
                false,
            )
            .0
    }

    #[test]
    fn a_cluster_keeps_its_number_through_update_and_removal() {
        let manager = ClusterManager::new(StatsStore::default());
        let reserved = manager.reserve("later");
        assert_eq!(manager.find("later"), None);
        let first = add(&manager, "first");
        assert_eq!(add(&manager, "later"), reserved);
        assert_eq!(manager.find("later"), Some(reserved));
        assert_eq!(add(&manager, "first"), first);
        assert!(manager.remove("first"));
        assert!(!manager.remove("first"));
        assert!(manager.get(first).is_none());
        assert_eq!(add(&manager, "first"), first);
    }
}
