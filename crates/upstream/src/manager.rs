//! All clusters of the process, by name and by number.
//!
//! Names are resolved when configuration is loaded; the request path knows a cluster by its [`ClusterId`].

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use nuncio_contract::forward_proxy::DnsCacheSettings;
use nuncio_contract::on_demand::{ClusterSource, Found};
use nuncio_contract::stats::{Scope, StatsStore};
use tokio::sync::mpsc::UnboundedReceiver;

use tokio::sync::watch;

use crate::cluster::{
    AroundClusters, ClusterSettings, ClusterShared, Provided, ProvidedSettings, ProxyPlace,
};
use crate::forward_proxy::{DnsCache, DnsCaches, WantedCaches};
use crate::on_demand::{Question, Questions};
use crate::original_dst::OriginalDst;
use crate::outlier_detection::OutlierSettings;
use crate::redis_cluster::RedisCluster;
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
    /// Those of clusters that are hidden, which nobody reads.
    hidden_stats: StatsStore,
    around: Arc<AroundClusters>,
    table: RwLock<Table>,
    generation: AtomicU64,
    names: DnsCaches,
    questions: Questions,
}

#[derive(Default)]
struct Table {
    slots: Vec<Slot>,
    by_name: HashMap<Arc<str>, ClusterId>,
}

/// The place of one name.
#[derive(Default)]
struct Slot {
    /// The cluster that is listed and found.
    current: Option<Arc<ClusterShared>>,
    /// One that is neither, but still serves streams that were routed to it.
    retired: Option<Arc<ClusterShared>>,
}

impl Slot {
    fn serving(&self) -> Option<&Arc<ClusterShared>> {
        self.current.as_ref().or(self.retired.as_ref())
    }
}

impl ClusterManager {
    /// A manager without clusters, whose clusters' stats go to `stats`.
    pub fn new(stats: StatsStore) -> Self {
        Self {
            around: Arc::new(AroundClusters::new(stats.root().worker_group())),
            stats,
            hidden_stats: StatsStore::default(),
            table: RwLock::default(),
            generation: AtomicU64::new(0),
            names: DnsCaches::default(),
            questions: Questions::default(),
        }
    }

    /// Where the clusters' stats are.
    pub fn stats(&self) -> &StatsStore {
        &self.stats
    }

    /// A cluster that nobody sees yet: [`Self::publish`] puts it into the table. It has no hosts.
    pub fn prepare(
        &self,
        settings: ClusterSettings,
        transport_socket: TransportSocket,
        added_via_api: bool,
    ) -> Arc<ClusterShared> {
        self.prepare_with(settings, transport_socket, added_via_api, None)
    }

    /// The same with outlier detection.
    pub fn prepare_with(
        &self,
        settings: ClusterSettings,
        transport_socket: TransportSocket,
        added_via_api: bool,
        outliers: Option<Arc<OutlierSettings>>,
    ) -> Arc<ClusterShared> {
        let stats = match settings.is_hidden {
            true => &self.hidden_stats,
            false => &self.stats,
        };
        let scope = stats.scope(&format!("cluster.{}", settings.stat_name()));
        let provided = self.provided(&settings, &scope);
        let cluster = ClusterShared::new(
            settings,
            transport_socket,
            scope,
            added_via_api,
            Arc::clone(&self.around),
        );
        let cluster = cluster.with_provided(provided);
        Arc::new(match outliers {
            Some(outliers) => cluster.with_outliers(outliers),
            None => cluster,
        })
    }

    fn provided(&self, settings: &ClusterSettings, scope: &Scope) -> Option<Provided> {
        Some(match settings.provided.as_ref()? {
            ProvidedSettings::ForwardProxy(names) => {
                Provided::Names(self.names.get(names, &self.stats))
            }
            ProvidedSettings::OriginalDst(of) => {
                Provided::OriginalDst(Arc::new(OriginalDst::new((**of).clone(), scope)))
            }
            ProvidedSettings::Aggregate(names) => Provided::Aggregate(Arc::clone(names)),
            ProvidedSettings::Composite(names) => Provided::Composite(Arc::clone(names)),
            ProvidedSettings::Redis(of) => {
                Provided::Redis(Box::new(RedisCluster::new((**of).clone())))
            }
        })
    }

    /// Says where the proxy stands; it stays there, so that only the first call counts.
    pub fn stand_at(&self, place: ProxyPlace) {
        self.around.stand_at(place);
    }

    /// Tells of changed hosts, of any cluster, from now on.
    pub(crate) fn host_changes(&self) -> watch::Receiver<()> {
        self.around.host_changes()
    }

    /// The cluster whose hosts are the proxies, if it is there.
    pub(crate) fn local_cluster(&self) -> Option<Arc<ClusterShared>> {
        let name = self.around.place()?.local_cluster.as_deref()?;
        self.get(self.find(name)?)
    }

    /// Adds clusters, each in the place of the one of its name, whose streams under way go on while its
    /// pools drain. Workers see all of them at once, from their next pick on.
    pub fn publish(&self, clusters: impl IntoIterator<Item = Arc<ClusterShared>>) {
        let mut table = self.write();
        for cluster in clusters {
            table.put(cluster);
        }
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// Takes a cluster out of sight: it is neither listed nor found by name any more. Streams that were
    /// routed to its number still reach it, until [`Self::end_retired`] or until a cluster of its name is added.
    pub fn retire(&self, name: &str) -> Option<Arc<ClusterShared>> {
        let mut table = self.write();
        let slot = table.slot_mut(name)?;
        let cluster = slot.current.take()?;
        cluster.withdraw();
        slot.retired = Some(Arc::clone(&cluster));
        Some(cluster)
    }

    /// Removes a cluster, retired or not; false if there is none of that name. Its pools drain.
    pub fn remove(&self, name: &str) -> bool {
        let removed = self.write().take(name);
        self.generation.fetch_add(1, Ordering::Release);
        removed
    }

    /// Ends a cluster that was retired. Another one of its name stays.
    pub fn end_retired(&self, cluster: &Arc<ClusterShared>) {
        let mut table = self.write();
        let Some(slot) = table.slot_mut(&cluster.settings.name) else {
            return;
        };
        let gone = slot
            .retired
            .take_if(|retired| Arc::ptr_eq(retired, cluster));
        if gone.is_some() {
            self.generation.fetch_add(1, Ordering::Release);
        }
    }

    /// The number of a cluster, if it is there.
    pub fn find(&self, name: &str) -> Option<ClusterId> {
        let table = self.read();
        let id = *table.by_name.get(name)?;
        table.slots.get(id.slot())?.current.as_ref().map(|_| id)
    }

    /// A number for `name`, whether the cluster is there already or comes later.
    pub fn reserve(&self, name: &str) -> ClusterId {
        self.write().slot_of(name)
    }

    /// How many numbers are given, for [`Self::forget_since`].
    pub fn reserved(&self) -> usize {
        self.read().slots.len()
    }

    /// Takes numbers back that were reserved since there were `reserved` of them, as a configuration was
    /// refused that asked for them. Numbers of clusters that are there stay.
    pub fn forget_since(&self, reserved: usize) {
        self.write().forget_since(reserved);
    }

    /// A cluster by number; a retired one too.
    pub fn get(&self, id: ClusterId) -> Option<Arc<ClusterShared>> {
        self.read().slots.get(id.slot())?.serving().cloned()
    }

    /// A cache of names for who is no cluster.
    pub fn cache_of_names(&self, settings: &DnsCacheSettings) -> Arc<DnsCache> {
        self.names.want(settings, &self.stats)
    }

    /// Such caches as the main thread is to begin; none after the first time.
    pub fn take_wanted_caches(&self) -> Option<WantedCaches> {
        self.names.take_wanted()
    }

    /// Asks the main thread for a cluster that is not there.
    pub fn ask(
        &self,
        source: &Arc<ClusterSource>,
        name: &str,
    ) -> impl Future<Output = Found> + use<> {
        self.questions.ask(source, name)
    }

    /// What is asked, for the main thread; none after the first time.
    pub fn take_questions(&self) -> Option<UnboundedReceiver<Question>> {
        self.questions.take()
    }

    /// All clusters, in the order in which they were first added; hidden ones left out.
    pub fn clusters(&self) -> Vec<Arc<ClusterShared>> {
        let table = self.read();
        table.listed().cloned().collect()
    }

    /// How many clusters there are.
    pub fn count(&self) -> usize {
        self.read().listed().count()
    }

    /// Keeps of `held`, slot by slot, what still serves; the rest is handed to `outdated`.
    pub(crate) fn retain_serving<T>(
        &self,
        held: &mut [Option<T>],
        is_of: impl Fn(&T, &Arc<ClusterShared>) -> bool,
    ) -> Vec<T> {
        let table = self.read();
        let gone = held.iter_mut().enumerate().filter_map(|(place, held)| {
            let serving = table.slots.get(place).and_then(Slot::serving);
            held.take_if(|one| !serving.is_some_and(|serving| is_of(one, serving)))
        });
        gone.collect()
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
    /// Those that are there, but for hidden ones.
    fn listed(&self) -> impl Iterator<Item = &Arc<ClusterShared>> {
        let current = self.slots.iter().filter_map(|slot| slot.current.as_ref());
        current.filter(|cluster| !cluster.settings.is_hidden)
    }

    fn slot_of(&mut self, name: &str) -> ClusterId {
        if let Some(id) = self.by_name.get(name) {
            return *id;
        }
        let id = ClusterId(u32::try_from(self.slots.len()).unwrap_or(u32::MAX));
        self.slots.push(Slot::default());
        self.by_name.insert(name.into(), id);
        id
    }

    fn slot_mut(&mut self, name: &str) -> Option<&mut Slot> {
        let id = *self.by_name.get(name)?;
        self.slots.get_mut(id.slot())
    }

    fn put(&mut self, cluster: Arc<ClusterShared>) -> ClusterId {
        let id = self.slot_of(&cluster.settings.name);
        if let Some(slot) = self.slots.get_mut(id.slot()) {
            slot.retired = None;
            if let Some(replaced) = slot.current.replace(cluster) {
                replaced.withdraw();
            }
        }
        id
    }

    fn take(&mut self, name: &str) -> bool {
        let Some(slot) = self.slot_mut(name) else {
            return false;
        };
        let Slot { current, retired } = std::mem::take(slot);
        if let Some(current) = &current {
            current.withdraw();
        }
        current.is_some() || retired.is_some()
    }

    fn forget_since(&mut self, reserved: usize) {
        while self.slots.len() > reserved
            && self
                .slots
                .last()
                .is_some_and(|slot| slot.serving().is_none())
        {
            self.slots.pop();
        }
        let left = self.slots.len();
        self.by_name.retain(|_, id| id.slot() < left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(manager: &ClusterManager, name: &str) -> ClusterId {
        let settings = ClusterSettings::named(name);
        manager.publish([manager.prepare(settings, TransportSocket::RawBuffer, false)]);
        manager.find(name).expect("it was published")
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

    #[test]
    fn a_retired_cluster_is_out_of_sight_but_serves_until_it_is_removed() {
        let manager = ClusterManager::new(StatsStore::default());
        let id = add(&manager, "old");
        let retired = manager.retire("old").expect("it is there");
        assert_eq!(manager.find("old"), None);
        assert_eq!(manager.count(), 0);
        assert!(manager.get(id).is_some());
        manager.end_retired(&retired);
        assert!(manager.get(id).is_none());
    }

    #[test]
    fn a_cluster_that_comes_back_is_not_removed_with_its_retired_namesake() {
        let manager = ClusterManager::new(StatsStore::default());
        let id = add(&manager, "back");
        let first = manager.retire("back").expect("it is there");
        assert_eq!(add(&manager, "back"), id);
        manager.end_retired(&first);
        assert_eq!(manager.find("back"), Some(id));
        manager.retire("back").expect("it is there");
        manager.end_retired(&first);
        assert!(manager.get(id).is_some(), "the second one still serves");
    }

    #[test]
    fn what_a_refused_configuration_reserved_is_forgotten() {
        let manager = ClusterManager::new(StatsStore::default());
        let kept = add(&manager, "kept");
        let reserved = manager.reserved();
        manager.reserve("refused");
        manager.forget_since(reserved);
        assert_eq!(manager.reserved(), reserved);
        assert_eq!(manager.find("kept"), Some(kept));
        assert_ne!(add(&manager, "other"), kept);
    }
}
