//! What runs: the listeners and the clusters, each with the configuration that it came from.
//!
//! The main thread owns both. A change is prepared (compared with what runs, bound, made: all that can fail),
//! then published (nothing can fail any more). The start of the process, a reload and any other source of
//! configuration go the same way: make before break, and only what changed is touched.

mod certificates;
mod channels;
mod clusters;
mod draining;
mod dynamic;
mod listeners;
mod managed;
mod secrets;
mod sockets;
mod stopping;

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use nuncio_config::lines::Lines;
use nuncio_config::tree::Message;
use nuncio_config::typed::{Channels, DeliveredSecrets};
use nuncio_contract::services::WorkerServices;
use nuncio_contract::stats::StatsStore;
use nuncio_net::tasks::spawn_seldom;
use nuncio_upstream::ClusterManager;
use nuncio_upstream::outlier_watch::EventLog;
use tokio::sync::Notify;

use crate::admin::state::{DumpedScopes, DynamicConfig, DynamicSecret, ReloadChanges};
use crate::cli::Options;
use crate::resource::ClusterResource;
use crate::workers::{Command, Workers};

pub(crate) use clusters::{Clusters, Renewal, Waits};
pub(crate) use listeners::{Listeners, Prepared};
pub(crate) use secrets::{NewSocket, SecretUser};
pub(crate) use sockets::{Inherit, check_sharing};

/// For how long at least a cluster that is gone serves streams that may be routed to it yet. All have chosen
/// their hosts long before, but for those whose clients are slow.
const SHORTEST_RETIREMENT: Duration = Duration::from_secs(60);

/// How long a cluster that is gone serves at most.
pub(crate) fn retirement(options: &Options) -> Duration {
    let drain_time = Duration::from_secs(options.drain_time_s.into());
    drain_time.max(SHORTEST_RETIREMENT)
}

/// All that runs of a configuration.
pub(crate) struct Running {
    /// The listeners.
    pub(crate) listeners: RefCell<Listeners>,
    /// The clusters.
    pub(crate) clusters: RefCell<Clusters>,
    /// The route configurations that came by themselves, as they are now.
    pub(crate) route_configs: RefCell<Vec<DynamicConfig>>,
    /// The scopes that came from elsewhere, with their versions.
    pub(crate) scope_configs: RefCell<Vec<(Arc<str>, DumpedScopes)>>,
    /// What listeners wait for before they run, listener by listener.
    pub(crate) unready: RefCell<Vec<(String, Vec<String>)>>,
    /// The configurations of filters that came by themselves; none where none are to come.
    pub(crate) extension_configs: RefCell<Option<Vec<DynamicConfig>>>,
    /// The secrets that came by themselves, or are to come.
    pub(crate) secrets: RefCell<Vec<DynamicSecret>>,
    /// Clusters that have warmed run.
    pub(crate) has_promoted: Notify,
    /// Other files than before may be named by what runs, because of an update.
    pub(crate) names_other_files: Notify,
    tree: RefCell<Arc<Message>>,
    lines: RefCell<Arc<Lines>>,
    loaded_at: Cell<SystemTime>,
    is_handing_over: Cell<bool>,
}

impl Running {
    /// Nothing of `tree` runs yet.
    pub(crate) fn new(
        manager: &Arc<ClusterManager>,
        stats: &StatsStore,
        workers: usize,
        (tree, lines): (Arc<Message>, Arc<Lines>),
        services: Rc<dyn WorkerServices>,
    ) -> Rc<Self> {
        Rc::new(Running {
            listeners: RefCell::new(Listeners::new(stats, workers)),
            clusters: RefCell::new(Clusters::new(manager, stats, services)),
            route_configs: RefCell::default(),
            scope_configs: RefCell::default(),
            unready: RefCell::default(),
            extension_configs: RefCell::default(),
            secrets: RefCell::default(),
            has_promoted: Notify::new(),
            names_other_files: Notify::new(),
            tree: RefCell::new(tree),
            lines: RefCell::new(lines),
            loaded_at: Cell::new(SystemTime::now()),
            is_handing_over: Cell::new(false),
        })
    }

    /// The bootstrap's message.
    pub(crate) fn tree(&self) -> Arc<Message> {
        Arc::clone(&self.tree.borrow())
    }

    /// Where its lines begin.
    pub(crate) fn lines(&self) -> Arc<Lines> {
        Arc::clone(&self.lines.borrow())
    }

    /// When it came into force.
    pub(crate) fn loaded_at(&self) -> SystemTime {
        self.loaded_at.get()
    }

    /// Another process takes over, or does not any more.
    pub(crate) fn hand_over(&self, is_handing_over: bool) {
        self.is_handing_over.set(is_handing_over);
    }

    /// Whether another process takes over, so that nothing is to change here.
    pub(crate) fn is_handing_over(&self) -> bool {
        self.is_handing_over.get()
    }

    /// Reads the certificates, keys and authorities anew of all that names one of `changed`.
    pub(crate) fn renew_certificates(
        &self,
        changed: &[Arc<str>],
        secrets: &DeliveredSecrets,
    ) -> Vec<Renewal> {
        let mut renewals = self.clusters.borrow_mut().renew(changed, secrets);
        renewals.extend(self.listeners.borrow_mut().renew(changed, secrets));
        renewals
    }

    /// Has ejections of hosts told to `log` from now on.
    pub(crate) fn log_outliers(&self, log: Option<EventLog>) {
        self.clusters.borrow_mut().log_outliers(log);
    }

    /// Makes what is needed for channels of gRPC and clusters that were wished for meanwhile.
    pub(crate) fn open_channels(self: &Rc<Self>, channels: &Channels) {
        self.clusters.borrow_mut().open_channels(channels);
        self.open_managed(channels);
    }

    /// The clusters that the process starts with; returns once those are warm that the start waits for.
    pub(crate) async fn start_clusters(&self, clusters: Vec<ClusterResource>) {
        let warming = self.clusters.borrow().prepare(clusters, self.loaded_at());
        let warmed = warming.warmed_for_start();
        self.clusters.borrow_mut().publish(warming);
        warmed.await;
    }

    /// The listeners that the process starts with. Their sockets listen already, so nobody waits for the workers.
    pub(crate) fn start_listeners(&self, prepared: Prepared, workers: &Workers) {
        let mut listeners = self.listeners.borrow_mut();
        listeners.publish(prepared, workers, self.loaded_at());
        listeners.workers_started();
    }

    /// Lets a whole configuration run whose listeners were prepared. Returns when all workers have it, with
    /// what became of the clusters. Clusters that are gone serve what was routed to them for `retirement` at most.
    pub(crate) async fn publish(
        &self,
        (tree, lines): (Arc<Message>, Arc<Lines>),
        clusters: Vec<ClusterResource>,
        listeners: Prepared,
        workers: &Workers,
        retirement: Duration,
    ) -> ReloadChanges {
        let now = SystemTime::now();
        let warming = self.clusters.borrow().prepare(clusters, now);
        warming.warmed().await;
        let changes = warming.changes.clone();
        let removed = self.clusters.borrow_mut().publish(warming);
        workers.tell(|| Some(Command::DropOutdatedClusters));
        listeners.fetched().await;
        let former = self.listeners.borrow_mut().publish(listeners, workers, now);
        workers.settled().await;
        let retiring = self
            .clusters
            .borrow_mut()
            .retire(&removed, former, workers, retirement);
        spawn_seldom(retiring);
        *self.tree.borrow_mut() = tree;
        *self.lines.borrow_mut() = lines;
        self.loaded_at.set(now);
        changes
    }
}

/// The names that run and that `wanted` does not have: what a whole configuration removes.
fn missing<'a>(running: impl Iterator<Item = &'a str>, wanted: &HashSet<&str>) -> Vec<String> {
    running
        .filter(|name| !wanted.contains(name))
        .map(str::to_string)
        .collect()
}
