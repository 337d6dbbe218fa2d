//! The clusters that run.
//!
//! A cluster whose message is another than before is made anew beside the old one and takes its place once
//! its names were resolved and its hosts checked for the first time; until then, and for the streams that it has, the old one
//! serves. One whose certificates alone are others (their files, or the static
//! secrets) keeps its hosts, pools and statistics. A cluster that
//! goes is out of sight at once, and ends when no stream is left that could have been routed to it.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use nuncio_config::sorting;
use nuncio_config::typed::{Ctx, DeliveredSecrets, FileRead, StaticSecrets};
use nuncio_contract::clock::SystemClock;
use nuncio_contract::services::{LocalFuture, WorkerServices};
use nuncio_contract::stats::StatsStore;
use nuncio_contract::stats::groups::ClusterManagerStats;
use nuncio_net::dns::Resolvers;
use nuncio_net::tasks::spawn_seldom;
use nuncio_upstream::cluster::ClusterShared;
use nuncio_upstream::config::ClusterConfig;
use nuncio_upstream::discovery::{Chance, Resolution, prepare};
use nuncio_upstream::forward_proxy::begin_wanted;
use nuncio_upstream::health_checker::HealthChecks;
use nuncio_upstream::load_streams::{self, LoadStreams};
use nuncio_upstream::outlier_watch::{self, Detection, EventLog};
use nuncio_upstream::weight_updates;
use nuncio_upstream::{ClusterManager, TransportSocket};
use tokio::sync::Notify;

use super::listeners::FormerRoutes;
use super::missing;
use crate::admin::state::ReloadChanges;
use crate::resource::{Change, ClusterResource, Version};
use crate::workers::{Command, Workers};

/// How often is asked whether streams still hold routes that are out of use.
const RETIREMENT_CHECK: Duration = Duration::from_millis(100);

/// Waits for what a cluster needs before it is warm.
pub(crate) type Waits = Rc<dyn Fn() -> LocalFuture<()>>;

/// Is told of each cluster that is made, and says what it has to wait for.
type OnMade = Box<dyn Fn(&Arc<ClusterShared>, &Version) -> Option<Waits>>;

/// All clusters.
pub(crate) struct Clusters {
    pub(super) manager: Arc<ClusterManager>,
    resolvers: Rc<Resolvers>,
    chance: Chance,
    services: Rc<dyn WorkerServices>,
    pub(super) running: HashMap<Box<str>, Running>,
    /// Those that take the place of others, or come, once they are warm.
    pub(super) warming: HashMap<Box<str>, Running>,
    /// Those of channels of gRPC, which nobody else sees.
    pub(super) channels: Vec<Running>,
    pub(super) next_warming: u64,
    /// Of those that are warm and about to run, the names and numbers.
    pub(super) warm: Vec<(Box<str>, u64)>,
    pub(super) stats: Arc<ClusterManagerStats>,
    /// How often some came, took the place of others, or went.
    changes: Cell<u64>,
    /// Told when one that warmed takes its place, or goes.
    pub(super) warmed: Rc<Notify>,
    /// Told whenever some came.
    pub(crate) came: Rc<Notify>,
    outlier_log: Option<EventLog>,
    on_made: Option<OnMade>,
    /// The version of the last update that changed something.
    pub(super) update: Option<Arc<str>>,
}

pub(super) struct Running {
    pub(super) version: Version,
    /// See [`ClusterResource::update`].
    pub(super) update: Option<Arc<str>>,
    pub(super) shared: Arc<ClusterShared>,
    /// Ends with the cluster.
    pub(super) resolution: Option<Resolution>,
    /// The first hosts that a server has for it.
    pub(super) first_hosts: Option<Waits>,
    /// They too.
    pub(super) checks: Option<HealthChecks>,
    /// Whether the start of the process waits for it.
    pub(super) start_waits: bool,
    /// Which of the warming ones of its name it is.
    pub(super) warming_number: u64,
    /// Whether an extension wanted it, so that no update takes it away.
    pub(super) is_managed: bool,
    /// Ends with it as well.
    _detection: Option<Detection>,
    _weights: Option<weight_updates::WeightUpdates>,
    _load_streams: Option<LoadStreams>,
    pub(super) updated: SystemTime,
}

/// A change that is being prepared: its clusters are made, and their names being resolved.
#[derive(Default)]
pub(crate) struct Warming {
    pub(super) made: Vec<Running>,
    /// Unchanged, but for where the message stands in the file.
    pub(super) kept: Vec<Version>,
    /// The same, but that they refer to other files or secrets than before.
    pub(super) renewed: Vec<(Version, Vec<Arc<TransportSocket>>)>,
    pub(super) removed: Vec<String>,
    /// What it does.
    pub(crate) changes: ReloadChanges,
}

/// What came of reading certificates again.
pub(crate) struct Renewal {
    /// `cluster` or `listener`.
    pub(crate) kind: &'static str,
    /// The name of that.
    pub(crate) name: String,
    /// Why the old ones stay, if they do.
    pub(crate) result: Result<(), String>,
}

impl Clusters {
    /// None yet.
    pub(crate) fn new(
        manager: &Arc<ClusterManager>,
        stats: &StatsStore,
        services: Rc<dyn WorkerServices>,
    ) -> Self {
        Clusters {
            manager: Arc::clone(manager),
            resolvers: Rc::new(Resolvers::new(&None, stats)),
            chance: {
                let services = Rc::clone(&services);
                Rc::new(move || services.random_u64())
            },
            services,
            running: HashMap::new(),
            warming: HashMap::new(),
            channels: Vec::new(),
            next_warming: 0,
            warm: Vec::new(),
            stats: stats.root().worker_group(),
            changes: Cell::default(),
            warmed: Rc::default(),
            came: Rc::default(),
            outlier_log: None,
            on_made: None,
            update: None,
        }
    }

    /// Has `act` do something for each cluster that is made, before it is seen.
    pub(crate) fn on_made(
        &mut self,
        act: impl Fn(&Arc<ClusterShared>, &Version) -> Option<Waits> + 'static,
    ) {
        self.on_made = Some(Box::new(act));
    }

    /// From now on names are resolved by these, unless a cluster says otherwise.
    pub(crate) fn resolve_by(&mut self, resolvers: Resolvers) {
        self.resolvers = Rc::new(resolvers);
        if let Some(wanted) = self.manager.take_wanted_caches() {
            let beginning = begin_wanted(wanted, Rc::clone(&self.resolvers));
            drop(spawn_seldom(beginning));
        }
    }

    /// Has ejections of hosts told to `log`.
    pub(crate) fn log_outliers(&mut self, log: Option<EventLog>) {
        self.outlier_log = log;
    }

    /// Compares a whole configuration's clusters with those that run, and begins to make the new ones.
    pub(crate) fn prepare(&self, wanted: Vec<ClusterResource>, now: SystemTime) -> Warming {
        let names: HashSet<_> = wanted
            .iter()
            .map(|resource| &*resource.config.settings.name)
            .collect();
        let all = self.running.iter();
        let fixed = all.filter(|(_, running)| running.update.is_none());
        let removed = missing(fixed.map(|(name, _)| &**name), &names);
        self.prepare_update(wanted, removed, now)
    }

    /// The same for single clusters: `put` come or change, `removed` go, the others stay.
    pub(crate) fn prepare_update(
        &self,
        put: Vec<ClusterResource>,
        mut removed: Vec<String>,
        now: SystemTime,
    ) -> Warming {
        sorting::sort(&mut removed);
        let mut warming = Warming::default();
        for resource in put {
            let name = resource.config.settings.name.to_string();
            let newest = self
                .warming
                .get(&*name)
                .or_else(|| self.running.get(&*name));
            let change = newest.map(|running| running.version.change_to(&resource.version));
            match change {
                Some(Change::Nothing) => {
                    warming.changes.unchanged += 1;
                    warming.kept.push(resource.version);
                    continue;
                }
                Some(Change::Referred) => {
                    let sockets = resource.config.sockets();
                    warming.renewed.push((resource.version, sockets));
                }
                Some(Change::Routes | Change::Much) | None => {
                    warming.made.push(self.make(resource, now));
                }
            }
            match change {
                Some(_) => warming.changes.updated.push(name),
                None => warming.changes.added.push(name),
            }
        }
        warming.changes.removed.clone_from(&removed);
        warming.removed = removed;
        self.stats.warming_clusters.set(count(warming.made.len()));
        warming
    }

    pub(super) fn make(&self, resource: ClusterResource, now: SystemTime) -> Running {
        let start_waits = resource.config.wait_for_warm_on_init;
        let added_via_api = resource.update.is_some();
        let prepared = prepare(&self.manager, resource.config, added_via_api);
        let act = self.on_made.as_ref();
        let first_hosts = act.and_then(|act| act(&prepared.cluster, &resource.version));
        let checks = HealthChecks::begin(&prepared.cluster, Rc::clone(&self.services));
        let resolution = prepared
            .discovery
            .and_then(|discovery| discovery.begin(&self.resolvers, &self.chance));
        let log = self.outlier_log.clone();
        let seed = RandomState::new().hash_one(resource.version.message.span.start);
        let weights = weight_updates::begin(&prepared.cluster, Rc::new(SystemClock));
        let load_streams = load_streams::begin(&prepared.cluster, Rc::clone(&self.services));
        let detection = outlier_watch::begin(&prepared.cluster, Rc::new(SystemClock), seed, log);
        Running {
            version: resource.version,
            update: resource.update,
            shared: prepared.cluster,
            resolution,
            first_hosts,
            checks,
            start_waits,
            warming_number: 0,
            is_managed: false,
            _detection: detection,
            _weights: weights,
            _load_streams: load_streams,
            updated: now,
        }
    }

    /// Whether a cluster runs, or warms to do so.
    pub(crate) fn uses(&self, cluster: &Arc<ClusterShared>) -> bool {
        let name = &cluster.settings.name;
        let is_it = |one: &Running| Arc::ptr_eq(&one.shared, cluster);
        self.running.get(name).is_some_and(is_it) || self.warming.get(name).is_some_and(is_it)
    }

    /// Another number whenever some came, took the place of others, or went.
    pub(crate) fn changes(&self) -> u64 {
        self.changes.get()
    }

    /// Lets the workers have the new clusters. Those that go are to be retired after the listeners changed.
    pub(crate) fn publish(&mut self, warming: Warming) -> Vec<String> {
        let Warming {
            made,
            kept,
            renewed,
            removed,
            changes,
        } = warming;
        // Before workers have the new ones, which count anew by code.
        made.iter()
            .for_each(|running| running.shared.scope().forget_codes());
        self.manager
            .publish(made.iter().map(|running| Arc::clone(&running.shared)));
        for running in made {
            self.running
                .insert(running.shared.settings.name.clone(), running);
        }
        for (version, sockets) in renewed {
            if let Some(running) = self.of(&version) {
                running.shared.renew_sockets_from(&sockets);
                running.version = version;
            }
        }
        for version in kept {
            if let Some(running) = self.of(&version) {
                running.version = version;
            }
        }
        self.stats.cluster_added.add(count(changes.added.len()));
        self.stats
            .cluster_modified
            .add(count(changes.updated.len()));
        self.stats.cluster_removed.add(count(changes.removed.len()));
        self.stats.warming_clusters.set(count(self.warming.len()));
        self.refresh_stats();
        removed
    }

    /// The running cluster that a version is one of.
    fn of(&mut self, version: &Version) -> Option<&mut Running> {
        let name = version.message.find(&["name"])?.as_str()?;
        self.running.get_mut(name)
    }

    /// Takes clusters out of sight, and removes them when no stream holds `former` routes any more, or when
    /// `most` has passed.
    pub(crate) fn retire(
        &mut self,
        names: &[String],
        former: FormerRoutes,
        workers: &Workers,
        most: Duration,
    ) -> impl Future<Output = ()> + use<> {
        self.changes.set(self.changes.get() + 1);
        let retired: Vec<_> = names
            .iter()
            .filter_map(|name| {
                self.running.remove(name.as_str());
                self.manager.retire(name)
            })
            .collect();
        let manager = Arc::clone(&self.manager);
        let workers = workers.clone();
        let deadline = Instant::now() + most;
        async move {
            while former.iter().any(|routes| routes.strong_count() > 0) && Instant::now() < deadline
            {
                tokio::time::sleep(RETIREMENT_CHECK).await;
            }
            for cluster in &retired {
                manager.end_retired(cluster);
            }
            drop(retired);
            workers.tell(|| Some(Command::DropOutdatedClusters));
        }
    }

    /// Reads the certificates, keys and authorities anew of the clusters that name one of `changed`.
    pub(crate) fn renew(
        &mut self,
        changed: &[Arc<str>],
        secrets: &DeliveredSecrets,
    ) -> Vec<Renewal> {
        let names_one = |file: &FileRead| changed.contains(&file.path);
        let concerned = self
            .running
            .values_mut()
            .filter(|running| running.version.files.iter().any(names_one));
        concerned.map(|running| running.renew(secrets)).collect()
    }

    /// Brings the gauges up to date.
    pub(crate) fn refresh_stats(&self) {
        self.changes.set(self.changes.get() + 1);
        self.stats.active_clusters.set(count(self.manager.count()));
        self.came.notify_waiters();
    }

    /// The files that clusters name.
    pub(crate) fn files(&self) -> impl Iterator<Item = &FileRead> {
        self.running
            .values()
            .flat_map(|running| &running.version.files)
    }

    /// When the cluster of this name last changed.
    pub(crate) fn updated(&self, name: &str) -> Option<SystemTime> {
        self.running.get(name).map(|running| running.updated)
    }
}

impl Running {
    /// Waits until its names were resolved and its hosts checked once.
    pub(super) fn warmed(&self) -> impl Future<Output = ()> + use<> {
        let resolved = self.resolution.as_ref().map(Resolution::warmed);
        let first_hosts = self.first_hosts.as_ref().map(|waits| waits());
        let checked = self.checks.as_ref().map(HealthChecks::first_round);
        async move {
            if let Some(resolved) = resolved {
                resolved.await;
            }
            if let Some(first_hosts) = first_hosts {
                first_hosts.await;
            }
            if let Some(checked) = checked {
                checked.await;
            }
        }
    }

    fn renew(&mut self, secrets: &DeliveredSecrets) -> Renewal {
        let mut ctx = Ctx::new(true);
        ctx.static_secrets = StaticSecrets::new(&self.version.secrets);
        ctx.delivered_secrets = secrets.clone();
        let parsed = ClusterConfig::parse(&self.version.message, &mut ctx);
        let result = match parsed {
            Ok(config) => {
                self.shared.renew_sockets_from(&config.sockets());
                self.version.files = ctx.files;
                Ok(())
            }
            Err(_) => Err(ctx
                .diagnostics
                .iter()
                .map(|found| found.message.as_str())
                .collect::<Vec<_>>()
                .join("; ")),
        };
        Renewal {
            kind: "cluster",
            name: self.shared.settings.name.to_string(),
            result,
        }
    }
}

impl Warming {
    /// Waits until every new cluster knows its hosts, or that it has none.
    pub(crate) fn warmed(&self) -> impl Future<Output = ()> + use<> {
        all(self.made.iter().map(Running::warmed).collect())
    }

    /// The same at the start of the process, which does not wait for each (`wait_for_warm_on_init`).
    pub(crate) fn warmed_for_start(&self) -> impl Future<Output = ()> + use<> {
        let waiting = self.made.iter().filter(|running| running.start_waits);
        all(waiting.map(Running::warmed).collect())
    }
}

async fn all(waits: Vec<impl Future<Output = ()>>) {
    for wait in waits {
        wait.await;
    }
}

pub(super) fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
