//! The server as the admin sees it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use nuncio_config::tree::{self, Item, Message, Value};
use nuncio_contract::services::{FailingHealth, LocalFuture};
use nuncio_contract::stats::groups::{HotRestartStats, ServerStats};
use nuncio_contract::stats::tags::TagExtractor;
use nuncio_contract::stats::{HistogramBuckets, Scope, StatsSettings, StatsStore};
use nuncio_upstream::ClusterManager;
use nuncio_upstream::cluster::{ClusterShared, HealthFlags, Host, ResourcePriority};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

use crate::admin::json::Json;
use crate::admin::state::{
    Action, Address, AdminState, CircuitBreakerLimits, ClusterStatus, ConfigDump, DumpedConfig,
    HostCounts, HostHealth, HostStatus, ListenerStatus, LogLevel, MemoryUsage, ReloadOutcome,
    RuntimeError, RuntimeView, ServerInfo, ServerLife,
};
use crate::bootstrap::{self, Surroundings};
use crate::cli::{self, Options};
use crate::explain::{Question, Subject, render_json, render_text};
use crate::reload;
use crate::running::Running;
use crate::runtime::{NotSet, Runtime};
use crate::stat_sinks::StatSinks;
use crate::{VERSION, log, memory};

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
    concurrency: usize,
    actions: UnboundedSender<Action>,
    reloads: reload::Requests,
    scopes: RefCell<Vec<Scope>>,
    runtime: Rc<Runtime>,
    lineage: Lineage,
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
        server_stats
            .hot_restart_epoch
            .set(around.options.restart_epoch.into());
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
            concurrency,
            actions,
            reloads,
            scopes: RefCell::default(),
            runtime: Rc::clone(around.runtime),
            lineage,
        }
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
        self.sinks.borrow().flush();
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
            command_line_options: command_line(&self.options, self.concurrency),
            node: node(&self.running.tree(), &self.options),
        }
    }

    fn memory(&self) -> MemoryUsage {
        memory::usage()
    }

    fn clusters(&self) -> Box<dyn Iterator<Item = ClusterStatus>> {
        let mut clusters = self.manager.clusters();
        clusters.sort_by(|a, b| a.settings.name.cmp(&b.settings.name));
        Box::new(clusters.into_iter().map(|cluster| status(&cluster)))
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
        let routes = listeners.iter().flat_map(|listener| {
            let routes = route_configs(&listener.message).into_iter();
            routes.map(|routes| dumped(routes, listener.last_updated))
        });
        ConfigDump {
            static_clusters: self.resources(&tree, "clusters", |name| {
                running.clusters.borrow().updated(name)
            }),
            static_route_configs: routes.collect(),
            static_listeners: listeners,
            static_secrets: self.resources(&tree, "secrets", |_| None),
            bootstrap: dumped(tree, loaded_at),
        }
    }

    fn certificates(&self) -> Vec<Json> {
        Vec::new()
    }

    fn unready_targets(&self) -> Vec<(String, Vec<String>)> {
        Vec::new()
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

fn status(cluster: &ClusterShared) -> ClusterStatus {
    let limits = ResourcePriority::ALL.map(|priority| {
        let thresholds = cluster.breakers().thresholds(priority);
        CircuitBreakerLimits {
            max_connections: thresholds.max_connections,
            max_pending_requests: thresholds.max_pending_requests,
            max_requests: thresholds.max_requests,
            max_retries: thresholds.max_retries,
        }
    });
    ClusterStatus {
        name: cluster.settings.name.to_string(),
        observability_name: cluster.settings.stat_name().to_string(),
        added_via_api: cluster.added_via_api,
        eds_service_name: None,
        circuit_breakers: limits,
        hosts: cluster
            .hosts()
            .iter()
            .map(|host| host_status(host))
            .collect(),
    }
}

fn host_status(host: &Host) -> HostStatus {
    let totals = host.totals();
    let health = host.health();
    HostStatus {
        address: Address::Socket {
            ip: host.address.ip(),
            port: host.address.port(),
        },
        hostname: host.hostname.to_string(),
        stats: HostCounts {
            cx_active: totals.cx_active,
            cx_connect_fail: totals.cx_connect_fail,
            cx_total: totals.cx_total,
            rq_active: totals.rq_active,
            rq_error: totals.rq_error,
            rq_pending_active: totals.rq_pending_active,
            rq_success: totals.rq_success,
            rq_timeout: totals.rq_timeout,
            rq_total: totals.rq_total,
        },
        health: HostHealth {
            failed_eds_health: health.contains(HealthFlags::FAILED_EDS_HEALTH),
            degraded_eds_health: health.contains(HealthFlags::DEGRADED_EDS_HEALTH),
            eds_status_draining: health.contains(HealthFlags::EDS_STATUS_DRAINING),
            ..HostHealth::default()
        },
        weight: host.weight,
        region: host.locality.region.to_string(),
        zone: host.locality.zone.to_string(),
        sub_zone: host.locality.sub_zone.to_string(),
        priority: host.priority,
        ..HostStatus::default()
    }
}

/// Every route configuration inside of the listeners' connection managers.
fn route_configs(tree: &Message) -> Vec<Arc<Message>> {
    let mut found = Vec::new();
    collect(tree, &mut found);
    found
}

fn collect(message: &Message, found: &mut Vec<Arc<Message>>) {
    for entry in message.entries() {
        collect_value(&entry.value, found);
    }
}

fn collect_value(value: &Value, found: &mut Vec<Arc<Message>>) {
    match value {
        Value::Message(message) if message.name() == "envoy.config.route.v3.RouteConfiguration" => {
            found.push(Arc::clone(message));
        }
        Value::Message(message) => collect(message, found),
        Value::Any(any) => collect(&any.message, found),
        Value::List(items) => items
            .iter()
            .for_each(|item| collect_value(&item.value, found)),
        _ => {}
    }
}

/// The bootstrap's node, over which the flags stand.
fn node(tree: &Message, options: &Options) -> Json {
    let written = tree.get_by_name("node");
    let written = written.and_then(|entry| entry.value.as_message());
    let mut node = written.map_or_else(Json::object, |node| message_json(node));
    for (name, flag) in [
        ("id", &options.service_node),
        ("cluster", &options.service_cluster),
    ] {
        if !flag.is_empty() {
            node.set(name, Json::String(flag.clone()));
        }
    }
    if !options.service_zone.is_empty() {
        let mut locality = node.get("locality").cloned().unwrap_or_else(Json::object);
        locality.set("zone", Json::String(options.service_zone.clone()));
        node.set("locality", locality);
    }
    node
}

fn message_json(message: &Message) -> Json {
    message
        .entries()
        .iter()
        .fold(Json::object(), |object, entry| {
            let field = message.descriptor.field_by_number(entry.number);
            match (field, value_json(&entry.value)) {
                (Some(field), Some(value)) => object.with(field.name(), value),
                _ => object,
            }
        })
}

/// What a node is made of; none for kinds that do not occur in it.
fn value_json(value: &Value) -> Option<Json> {
    Some(match value {
        Value::Bool(value) => Json::Bool(*value),
        Value::U64(value) => Json::Number(*value as f64),
        Value::I64(value) => Json::Number(*value as f64),
        Value::F64(value) => Json::Number(*value),
        Value::String(text) => Json::String(text.to_string()),
        Value::Message(message) => message_json(message),
        Value::List(items) => Json::List(
            items
                .iter()
                .filter_map(|item| value_json(&item.value))
                .collect(),
        ),
        Value::Json(json) => struct_json(json),
        _ => return None,
    })
}

fn struct_json(json: &tree::Json) -> Json {
    match json {
        tree::Json::Null => Json::String("null".to_string()),
        tree::Json::Bool(value) => Json::Bool(*value),
        tree::Json::Number(value) => Json::Number(*value),
        tree::Json::String(text) => Json::String(text.to_string()),
        tree::Json::List(items) => Json::List(items.iter().map(struct_json).collect()),
        tree::Json::Object(members) => members
            .iter()
            .fold(Json::object(), |object, (name, value)| {
                object.with(name.to_string(), struct_json(value))
            }),
    }
}

fn text(path: Option<&std::path::Path>) -> String {
    path.map(|path| path.display().to_string())
        .unwrap_or_default()
}

fn strings<'a>(texts: impl Iterator<Item = &'a str>) -> Json {
    Json::List(texts.map(|text| Json::String(text.to_string())).collect())
}

fn command_line(options: &Options, concurrency: usize) -> Json {
    let mode = match options.mode {
        cli::Mode::Serve => "Serve",
        cli::Mode::Validate => "Validate",
        cli::Mode::InitOnly => "InitOnly",
    };
    let drain_strategy = if options.drain_strategy == "immediate" {
        "Immediate"
    } else {
        "Gradual"
    };
    let path = options
        .config_path
        .as_ref()
        .map(|path| path.display().to_string())
        .unwrap_or_default();
    let tags: Vec<_> = options
        .stats_tags
        .iter()
        .map(|tag| format!("{}:{}", tag.name, tag.value))
        .collect();
    Json::object()
        .with("base_id", u64::from(options.base_id).to_string())
        .with(
            "concurrency",
            Json::Number(f64::from(u32::try_from(concurrency).unwrap_or(u32::MAX))),
        )
        .with("config_path", path)
        .with(
            "config_yaml",
            options.config_yaml.clone().unwrap_or_default(),
        )
        .with("log_level", options.log_level.as_str().to_string())
        .with("service_cluster", options.service_cluster.clone())
        .with("service_node", options.service_node.clone())
        .with("service_zone", options.service_zone.clone())
        .with("drain_time", format!("{}s", options.drain_time_s))
        .with(
            "parent_shutdown_time",
            format!("{}s", options.parent_shutdown_time_s),
        )
        .with(
            "restart_epoch",
            Json::Number(f64::from(options.restart_epoch)),
        )
        .with(
            "allow_unknown_static_fields",
            Json::Bool(options.allow_unknown_static_fields),
        )
        .with(
            "admin_address_path",
            text(options.admin_address_path.as_deref()),
        )
        .with(
            "local_address_ip_version",
            options.local_address_ip_version.clone(),
        )
        .with("component_log_level", options.component_log_level.clone())
        .with(
            "log_format",
            options
                .log_format
                .clone()
                .unwrap_or_else(|| log::DEFAULT_FORMAT.to_string()),
        )
        .with("log_path", text(options.log_path.as_deref()))
        .with(
            "file_flush_interval",
            format!("{}s", f64::from(options.file_flush_interval_msec) / 1000.0),
        )
        .with(
            "file_flush_min_size",
            Json::Number(f64::from(options.file_flush_min_size_kb)),
        )
        .with("mode", mode.to_string())
        .with(
            "disable_hot_restart",
            Json::Bool(options.disable_hot_restart),
        )
        .with(
            "enable_mutex_tracing",
            Json::Bool(options.enable_mutex_tracing),
        )
        .with("cpuset_threads", Json::Bool(options.cpuset_threads))
        .with(
            "reject_unknown_dynamic_fields",
            Json::Bool(options.reject_unknown_dynamic_fields),
        )
        .with("log_format_escaped", Json::Bool(options.log_format_escaped))
        .with(
            "disabled_extensions",
            strings(options.disabled_extensions.iter().map(String::as_str)),
        )
        .with(
            "ignore_unknown_dynamic_fields",
            Json::Bool(options.ignore_unknown_dynamic_fields),
        )
        .with(
            "use_dynamic_base_id",
            Json::Bool(options.use_dynamic_base_id),
        )
        .with("base_id_path", text(options.base_id_path.as_deref()))
        .with("drain_strategy", drain_strategy.to_string())
        .with(
            "enable_fine_grain_logging",
            Json::Bool(options.enable_fine_grain_logging),
        )
        .with("socket_path", options.socket_path.clone())
        .with("socket_mode", Json::Number(f64::from(options.socket_mode)))
        .with("enable_core_dump", Json::Bool(options.enable_core_dump))
        .with("stats_tag", strings(tags.iter().map(String::as_str)))
        .with(
            "skip_hot_restart_on_no_parent",
            Json::Bool(options.skip_hot_restart_on_no_parent),
        )
        .with(
            "skip_hot_restart_parent_stats",
            Json::Bool(options.skip_hot_restart_parent_stats),
        )
        .with(
            "skip_deprecated_logs",
            Json::Bool(options.skip_deprecated_logs),
        )
        .with(
            "log_stacktrace_single_entry",
            Json::Bool(options.log_stacktrace_single_entry),
        )
}
