//! The server as the admin sees it.

mod certificates;
mod command_line;
mod hosts;
mod routes_found;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use nuncio_config::diagnostic::Uses;
use nuncio_config::dump::{self, to_json};
use nuncio_config::sorting;
use nuncio_config::tree::{Item, Message, Value};
use nuncio_contract::services::{FailingHealth, LocalFuture};
use nuncio_contract::stats::groups::{
    HotRestartStats, RuntimeStats, ServerStats, ThreadLocalClusterManagerStats,
};
use nuncio_contract::stats::tags::TagExtractor;
use nuncio_contract::stats::{HistogramBuckets, Scope, StatsSettings, StatsStore};
use nuncio_upstream::ClusterManager;
use nuncio_upstream::cluster::ClusterShared;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

use crate::admin::json::Json;
use crate::admin::state::{
    Action, AdminState, ClusterHandle, ConfigDump, DumpedConfig, DynamicDump, ListenerStatus,
    LogLevel, MemoryUsage, ReloadOutcome, RuntimeError, RuntimeView, ServerInfo, ServerLife,
};
use crate::bootstrap::{self, Surroundings};
use crate::cli::Options;
use crate::explain::{Question, Subject, render_json, render_text};
use crate::node::NodeStamp;
use crate::reload;
use crate::running::Running;
use crate::runtime::{NotSet, Runtime};
use crate::stat_sinks::StatSinks;
use crate::{VERSION, live_connections, log, memory};
use routes_found::{RoutesFound, inline};

/// What the admin shows and acts on.
pub(crate) struct ServerState {
    options: Options,
    stats: StatsStore,
    settings: StatsSettings,
    flush_on_admin: bool,
    keeps_lookups: Cell<bool>,
    sinks: RefCell<StatSinks>,
    manager: Arc<ClusterManager>,
    running: Rc<Running>,
    started: Instant,
    life: Cell<ServerLife>,
    failing_health: FailingHealth,
    server_stats: Arc<ServerStats>,
    /// Of the main thread and the workers.
    thread_clusters: Vec<Arc<ThreadLocalClusterManagerStats>>,
    concurrency: usize,
    actions: UnboundedSender<Action>,
    reloads: reload::Requests,
    scopes: RefCell<Vec<Scope>>,
    runtime: Rc<Runtime>,
    lineage: Lineage,
    node: NodeStamp,
}

/// Where the process stands among those that follow each other by hot restarts.
pub(crate) struct Lineage {
    /// What they must agree on, or `disabled`.
    pub(crate) hot_restart_version: &'static str,
    /// When the first of them started.
    pub(crate) first_start: SystemTime,
    /// How many there were, this one included; none without hot restart.
    pub(crate) generation: Option<u64>,
    /// Whether a next process would come too early.
    pub(crate) is_initializing: Box<dyn Fn() -> bool>,
}

impl Lineage {
    /// Of a process that does not restart hot.
    pub(crate) fn alone() -> Self {
        Lineage {
            hot_restart_version: "disabled",
            first_start: SystemTime::now(),
            generation: None,
            is_initializing: Box::new(|| false),
        }
    }
}

impl ServerState {
    pub(crate) fn new(
        around: &Surroundings<'_>,
        stats: &bootstrap::Stats,
        running: Rc<Running>,
        concurrency: usize,
        actions: UnboundedSender<Action>,
        reloads: reload::Requests,
        lineage: Lineage,
    ) -> Self {
        if let Some(generation) = lineage.generation {
            let stats: Arc<HotRestartStats> = around.stats.root().worker_group();
            stats.hot_restart_generation.set(generation);
        }
        let server_stats: Arc<ServerStats> = around.stats.root().worker_group();
        server_stats
            .concurrency
            .set(u64::try_from(concurrency).unwrap_or(0));
        if !around.options.disable_hot_restart {
            let epoch = around.options.restart_epoch.into();
            server_stats.hot_restart_epoch.set(epoch);
            server_stats.parent_connections.add(0);
        }
        server_stats.version.set(stats.server_version);
        ServerState {
            options: around.options.clone(),
            stats: around.stats.clone(),
            settings: stats.settings.clone(),
            flush_on_admin: stats.flush_on_admin,
            keeps_lookups: Cell::default(),
            sinks: RefCell::new(StatSinks::none()),
            manager: Arc::clone(around.manager),
            running,
            started: Instant::now(),
            life: Cell::new(ServerLife::Initializing),
            failing_health: FailingHealth::default(),
            server_stats,
            thread_clusters: thread_clusters(around.stats, concurrency),
            concurrency,
            actions,
            reloads,
            scopes: RefCell::default(),
            runtime: Rc::clone(around.runtime),
            lineage,
            node: NodeStamp::new(around.options, around.extensions),
        }
    }

    /// Counts what the configuration uses that it had better not.
    pub(crate) fn count_uses(&self, uses: Uses) {
        let runtime: Arc<RuntimeStats> = self.stats.root().worker_group();
        runtime.deprecated_feature_use.add(uses.deprecated);
        let seen = &runtime.deprecated_feature_seen_since_process_start;
        if uses.deprecated > 0 {
            seen.set(uses.deprecated);
        }
        self.server_stats.wip_protos.add(uses.unfinished);
    }

    /// Takes over the sinks, which are told from the next flush on.
    pub(crate) fn take_sinks(&self, sinks: StatSinks) {
        *self.sinks.borrow_mut() = sinks;
    }

    /// Flushes for the clock: merges histograms, step by step, and tells the sinks.
    pub(crate) async fn flush_by_clock(&self) {
        if !self.sinks.borrow().is_empty() {
            self.refresh_gauges();
        }
        let mut flush = self.stats.begin_flush();
        while flush.step() {
            tokio::task::yield_now().await;
        }
        self.sinks.borrow().flush();
    }

    fn flush(&self) {
        self.stats.flush();
        self.sinks.borrow().flush_now();
    }

    /// Tells the sinks for the last time.
    pub(crate) fn end_sinks(&self) {
        self.refresh_gauges();
        self.sinks.replace(StatSinks::none()).end();
    }

    /// Brings gauges up to date that are only computed when somebody looks.
    fn refresh_gauges(&self) {
        let stats = &self.server_stats;
        let usage = memory::usage();
        for gauge in [&stats.fips_mode, &stats.stats_recent_lookups] {
            // In use, whatever they say.
            gauge.add(0);
        }
        stats
            .total_connections
            .set(live_connections::of_listeners());
        stats.uptime.set(self.uptime_of_all_epochs_s());
        stats
            .live
            .set(u64::from(self.life.get() == ServerLife::Live));
        stats.memory_allocated.set(usage.allocated);
        stats.memory_heap_size.set(usage.heap_size);
        stats.memory_physical_size.set(usage.total_physical_bytes);
        stats.state.set(match self.life.get() {
            ServerLife::Live => 0,
            ServerLife::Draining => 1,
            ServerLife::PreInitializing => 2,
            ServerLife::Initializing => 3,
        });
        let days = certificates::days_until_first_ends(&self.manager, &self.running);
        // Envoy's way to say that there is none.
        let days = days.unwrap_or(u64::from(u32::MAX));
        stats.days_until_first_cert_expiring.set(days);
        let clusters = u64::try_from(self.manager.count()).unwrap_or(u64::MAX);
        for thread in &self.thread_clusters {
            thread.clusters_inflated.set(clusters);
        }
        self.running.clusters.borrow().refresh_stats();
        self.running.listeners.borrow_mut().refresh_stats();
    }

    fn uptime_of_all_epochs_s(&self) -> u64 {
        let since_first = self.lineage.first_start.elapsed().unwrap_or_default();
        // A clock that was set back does not make all younger than one.
        since_first.as_secs().max(self.started.elapsed().as_secs())
    }

    /// Keeps the scopes' stats listed.
    pub(crate) fn keep(&self, scopes: Vec<Scope>) {
        self.scopes.borrow_mut().extend(scopes);
    }

    /// Notes how long it took to come up.
    pub(crate) fn note_initialization_time(&self) {
        let millis = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.server_stats.initialization_time_ms.record(millis);
    }

    pub(crate) fn set_life(&self, life: ServerLife) {
        self.life.set(life);
    }

    /// The node with all its fields, as JSON.
    fn node_text(&self) -> String {
        let options = dump::Options {
            pretty: true,
            defaults: true,
            redact: false,
        };
        let node = self.node.with_flags(&self.running.tree());
        node.map_or_else(|| "{}".to_owned(), |node| to_json(&node, options))
    }

    /// The messages of a list of static resources, each with when it last changed.
    fn resources(
        &self,
        tree: &Message,
        list: &str,
        updated: impl Fn(&str) -> Option<SystemTime>,
    ) -> Vec<DumpedConfig> {
        let name = |message: &Message| Some(message.find(&["name"])?.as_str()?.to_string());
        let found = tree
            .find(&["static_resources", list])
            .and_then(Value::as_list)
            .unwrap_or_default();
        found
            .iter()
            .filter_map(|item: &Item| item.value.as_message())
            .map(|message| DumpedConfig {
                message: Arc::clone(message),
                last_updated: name(message)
                    .and_then(|name| updated(&name))
                    .unwrap_or_else(|| self.running.loaded_at()),
            })
            .collect()
    }

    fn dynamic_dump(&self) -> DynamicDump {
        let running = &self.running;
        let (clusters, listeners) = (running.clusters.borrow(), running.listeners.borrow());
        let (active_clusters, warming_clusters) = clusters.dump();
        let (of_updates, rejected_listeners) = listeners.dump();
        DynamicDump {
            clusters_version: clusters.update_version(),
            clusters: active_clusters,
            warming_clusters,
            listeners_version: listeners.update_version(),
            listeners: of_updates,
            rejected_listeners,
            route_configs: running.route_configs.borrow().clone(),
            scope_configs: running.scope_configs.borrow().clone(),
            extension_configs: running.extension_configs.borrow().clone(),
            secrets: running.secrets.borrow().clone(),
        }
    }

    /// Whether health checks are to fail.
    pub(crate) fn failing_health(&self) -> &FailingHealth {
        &self.failing_health
    }
}

impl AdminState for ServerState {
    fn stats(&self) -> &StatsStore {
        &self.stats
    }

    fn tags(&self) -> &TagExtractor {
        &self.settings.tags
    }

    fn histogram_buckets(&self) -> &HistogramBuckets {
        &self.settings.buckets
    }

    fn keeps_lookups(&self) -> &Cell<bool> {
        &self.keeps_lookups
    }

    fn refresh_stats(&self) {
        self.refresh_gauges();
        if self.flush_on_admin {
            self.flush();
        }
    }

    fn life(&self) -> ServerLife {
        self.life.get()
    }

    fn server_info(&self) -> ServerInfo {
        ServerInfo {
            version: VERSION.to_string(),
            uptime_current_epoch_seconds: self.started.elapsed().as_secs(),
            uptime_all_epochs_seconds: self.uptime_of_all_epochs_s(),
            hot_restart_version: self.lineage.hot_restart_version.to_string(),
            hot_restart_initializing: (self.lineage.is_initializing)(),
            command_line_options: command_line::command_line(&self.options, self.concurrency),
            node: Json::Written(self.node_text()),
        }
    }

    fn memory(&self) -> MemoryUsage {
        memory::usage()
    }

    fn cluster_handles(&self) -> Vec<Arc<dyn ClusterHandle>> {
        let mut clusters = self.manager.clusters();
        sorting::sort_by(&mut clusters, |a, b| a.settings.name.cmp(&b.settings.name));
        let handle = |cluster: Arc<ClusterShared>| -> Arc<dyn ClusterHandle> { cluster };
        clusters.into_iter().map(handle).collect()
    }

    fn listener_configs(&self) -> Vec<Arc<Message>> {
        let tree = self.running.tree();
        let list = tree.find(&["static_resources", "listeners"]);
        let items = list.and_then(Value::as_list).unwrap_or_default().iter();
        let messages = items.filter_map(|item| item.value.as_message());
        let listeners = self.running.listeners.borrow();
        let dynamic = listeners.resources().filter(|one| one.update.is_some());
        let dynamic = dynamic.map(|one| Arc::clone(&one.version.message));
        messages.cloned().chain(dynamic).collect()
    }

    fn listeners(&self) -> Vec<ListenerStatus> {
        self.running.listeners.borrow().statuses()
    }

    fn config_dump(&self) -> ConfigDump {
        let running = &self.running;
        let (tree, loaded_at) = (running.tree(), running.loaded_at());
        let dumped = |message, last_updated| DumpedConfig {
            message,
            last_updated,
        };
        let listeners = self.resources(&tree, "listeners", |name| {
            running.listeners.borrow().updated(name)
        });
        let dynamic = self.dynamic_dump();
        let of_updates = dynamic.listeners.iter();
        let of_updates = of_updates.flat_map(|listener| {
            [&listener.active, &listener.warming, &listener.draining]
                .into_iter()
                .flatten()
        });
        let all = listeners.iter().chain(of_updates.map(|one| &one.config));
        let (mut routes, mut inline_scopes) = (Vec::new(), Vec::new());
        let mut has_managers = running.listeners.borrow().have_draining_managers();
        for listener in all {
            let found = RoutesFound::of(&listener.message);
            has_managers |= found.has_managers;
            let own = found.tables.into_iter();
            routes.extend(own.map(|routes| dumped(routes, listener.last_updated)));
            let scopes = found.scoped.iter();
            inline_scopes.extend(scopes.filter_map(|one| inline(one, listener.last_updated)));
        }
        ConfigDump {
            static_clusters: self.resources(&tree, "clusters", |name| {
                running.clusters.borrow().updated(name)
            }),
            static_route_configs: routes,
            static_listeners: listeners,
            inline_scopes,
            has_managers,
            static_secrets: self.resources(&tree, "secrets", |_| None),
            dynamic,
            bootstrap: dumped(self.node.bootstrap(&tree), loaded_at),
        }
    }

    fn certificates(&self) -> Vec<Json> {
        certificates::all(&self.manager, &self.running)
    }

    fn unready_targets(&self) -> Vec<(String, Vec<String>)> {
        self.running.unready.borrow().clone()
    }

    fn runtime(&self) -> RuntimeView {
        let shown = self.runtime.view();
        RuntimeView {
            layers: shown.layers,
            entries: shown.entries,
        }
    }

    fn modify_runtime(&self, values: &[(&str, &str)]) -> Result<(), RuntimeError> {
        self.runtime.modify(values).map_err(|error| match error {
            NotSet::NoAdminLayer => RuntimeError::NoAdminLayer,
            NotSet::BadValue(why) => RuntimeError::BadValue(why),
        })
    }

    fn loggers(&self) -> Vec<(&'static str, LogLevel)> {
        log::loggers::levels()
    }

    fn set_log_level(&self, logger: &str, level: LogLevel) {
        log::loggers::set_level(logger, level);
    }

    fn explain(&self, question: &Question, as_json: bool) -> Result<String, String> {
        let running = &self.running;
        let listeners = running.listeners.borrow();
        let (tree, lines) = (running.tree(), running.lines());
        let subject = Subject {
            listeners: listeners.entries(),
            clusters: &self.manager,
            tree: &tree,
            lines: &lines,
        };
        let report = subject.answer(question)?;
        Ok(match as_json {
            true => render_json(&report),
            false => render_text(&report, false),
        })
    }

    /// Workers see at once what is asked for here; the rest is the main thread's.
    fn act(&self, action: Action) {
        if let Action::FailHealthChecks(failing) = action {
            self.failing_health.set(failing);
        }
        let _the_main_thread_is_there_as_long_as_we_are = self.actions.send(action);
    }

    fn reload(&self) -> LocalFuture<ReloadOutcome> {
        let (asking, answer) = oneshot::channel();
        let _else_the_answer_is_that_nobody_is_there = self.reloads.send(Some(asking));
        Box::pin(async move {
            let nobody = |_| ReloadOutcome::Refused("the process is about to end\n".to_string());
            answer.await.unwrap_or_else(nobody)
        })
    }
}

fn thread_clusters(stats: &StatsStore, workers: usize) -> Vec<Arc<ThreadLocalClusterManagerStats>> {
    let workers = (0..workers).map(|worker| format!("worker_{worker}"));
    let threads = std::iter::once("main_thread".to_owned()).chain(workers);
    threads
        .map(|thread| stats.scope(&format!("thread_local_cluster_manager.{thread}")))
        .map(|scope| scope.worker_group())
        .collect()
}
