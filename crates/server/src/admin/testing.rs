//! A server for tests: fixed views, and a record of what it was asked to do.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, UNIX_EPOCH};

use nuncio_config::diagnostic::Diagnostics;
use nuncio_config::source::{Format, Source};
use nuncio_config::tree::{Message, Value};
use nuncio_config::{interpret, text};
use nuncio_contract::services::LocalFuture;
use nuncio_contract::stats::tags::TagExtractor;
use nuncio_contract::stats::{HistogramBuckets, Scope, StatsStore};

use super::json::Json;
use super::state::{
    Action, Address, AdminState, CircuitBreakerLimits, ClusterHandle, ClusterStatus, ConfigDump,
    DumpedConfig, DynamicDump, HostCounts, HostHealth, HostStatus, ListenerStatus, LogLevel,
    MemoryUsage, ReloadOutcome, RuntimeError, RuntimeView, ServerInfo, ServerLife,
};
use super::{AdminRequest, Body, handle};
use crate::explain::Question;

/// The state that Envoy's answers were taken in, as far as they are compared.
pub(super) struct TestServer {
    pub(super) stats: StatsStore,
    pub(super) tags: TagExtractor,
    pub(super) buckets: HistogramBuckets,
    keeps_lookups: Cell<bool>,
    pub(super) life: ServerLife,
    pub(super) clusters: Vec<ClusterStatus>,
    pub(super) runtime: Option<RuntimeView>,
    pub(super) dump: ConfigDump,
    pub(super) actions: RefCell<Vec<Action>>,
    pub(super) levels: RefCell<Vec<(&'static str, LogLevel)>>,
    /// Keeps registered stats listed.
    pub(super) scopes: Vec<Scope>,
}

impl Default for TestServer {
    fn default() -> Self {
        Self {
            stats: StatsStore::default(),
            tags: TagExtractor::default(),
            buckets: HistogramBuckets::default(),
            keeps_lookups: Cell::default(),
            life: ServerLife::Live,
            clusters: vec![pipe_cluster(), dns_cluster()],
            runtime: None,
            dump: dump(),
            actions: RefCell::default(),
            levels: RefCell::new(vec![("admin", LogLevel::Info), ("http", LogLevel::Info)]),
            scopes: Vec::new(),
        }
    }
}

impl TestServer {
    /// The status, content type and body of a GET.
    pub(super) fn get(&self, path: &str) -> (u16, &'static str, String) {
        self.send("GET", path)
    }

    pub(super) fn post(&self, path: &str) -> (u16, &'static str, String) {
        self.send("POST", path)
    }

    pub(super) fn send(&self, method: &str, path: &str) -> (u16, &'static str, String) {
        let mut response = handle(self, &AdminRequest::new(method, path));
        while let Body::Later(later) = response.body {
            response = finished(later);
        }
        let body = String::from_utf8(response.body.collect()).expect("UTF-8");
        (response.status, response.content_type, body)
    }

    /// The body of a GET that succeeds.
    pub(super) fn body(&self, path: &str) -> String {
        let (status, _, body) = self.get(path);
        assert_eq!(status, 200, "{path}: {body}");
        body
    }
}

/// What a future comes to that never waits for anybody else.
fn finished<T>(mut future: LocalFuture<T>) -> T {
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(done) = future.as_mut().poll(&mut context) {
            return done;
        }
    }
}

fn dns_cluster() -> ClusterStatus {
    let address = Address::Socket {
        ip: std::net::Ipv6Addr::LOCALHOST.into(),
        port: 28200,
    };
    let stats = HostCounts {
        cx_connect_fail: 1,
        cx_total: 1,
        rq_error: 1,
        ..HostCounts::default()
    };
    let host = HostStatus {
        address,
        hostname: "localhost".into(),
        stats,
        metadata: Some(Json::object()),
        weight: 1,
        ..HostStatus::default()
    };
    ClusterStatus {
        name: "service_dns".into(),
        observability_name: "service_dns".into(),
        hosts: vec![host],
        ..ClusterStatus::default()
    }
}

fn pipe_cluster() -> ClusterStatus {
    let health = HostHealth {
        eds_status_draining: true,
        ..HostHealth::default()
    };
    let canary = Json::object().with("envoy.lb", Json::object().with("canary", true));
    let address = Address::Pipe {
        path: "/tmp/x.sock".into(),
    };
    let host = HostStatus {
        address,
        health,
        weight: 1,
        canary: true,
        metadata: Some(Json::object().with("filter_metadata", canary)),
        ..HostStatus::default()
    };
    let limits = CircuitBreakerLimits {
        max_connections: 7,
        max_retries: 2,
        ..CircuitBreakerLimits::default()
    };
    ClusterStatus {
        name: "eds_like".into(),
        observability_name: "eds_like".into(),
        circuit_breakers: [limits, CircuitBreakerLimits::default()],
        hosts: vec![host],
        ..ClusterStatus::default()
    }
}

impl ClusterHandle for ClusterStatus {
    fn name(&self) -> &str {
        &self.name
    }

    fn stat_name(&self) -> &str {
        &self.observability_name
    }

    fn is_added_via_api(&self) -> bool {
        self.added_via_api
    }

    fn status(&self) -> ClusterStatus {
        self.clone()
    }
}

impl AdminState for TestServer {
    fn stats(&self) -> &StatsStore {
        &self.stats
    }

    fn tags(&self) -> &TagExtractor {
        &self.tags
    }

    fn histogram_buckets(&self) -> &HistogramBuckets {
        &self.buckets
    }

    fn keeps_lookups(&self) -> &Cell<bool> {
        &self.keeps_lookups
    }

    fn refresh_stats(&self) {}

    fn life(&self) -> ServerLife {
        self.life
    }

    fn server_info(&self) -> ServerInfo {
        ServerInfo {
            version: "0/1.40.0/Clean/RELEASE/rustls".into(),
            uptime_current_epoch_seconds: 36,
            uptime_all_epochs_seconds: 40,
            hot_restart_version: "disabled".into(),
            hot_restart_initializing: false,
            command_line_options: Json::object()
                .with("base_id", 0u64)
                .with("concurrency", 2u32),
            node: Json::object().with("id", "nid"),
        }
    }

    fn memory(&self) -> MemoryUsage {
        MemoryUsage {
            allocated: 6_679_352,
            heap_size: 12_582_912,
            ..MemoryUsage::default()
        }
    }

    fn cluster_handles(&self) -> Vec<Arc<dyn ClusterHandle>> {
        let mut clusters = self.clusters.clone();
        clusters.sort_by(|a, b| a.name.cmp(&b.name));
        let handle = |cluster| -> Arc<dyn ClusterHandle> { Arc::new(cluster) };
        clusters.into_iter().map(handle).collect()
    }

    fn listener_configs(&self) -> Vec<Arc<Message>> {
        let listeners = self.dump.static_listeners.iter();
        listeners
            .map(|listener| Arc::clone(&listener.message))
            .collect()
    }

    fn listeners(&self) -> Vec<ListenerStatus> {
        let local_address = Address::Socket {
            ip: std::net::Ipv4Addr::LOCALHOST.into(),
            port: 28100,
        };
        vec![ListenerStatus {
            name: "listener_0".into(),
            local_address,
            additional_local_addresses: Vec::new(),
        }]
    }

    fn config_dump(&self) -> ConfigDump {
        self.dump.clone()
    }

    fn certificates(&self) -> Vec<Json> {
        Vec::new()
    }

    fn unready_targets(&self) -> Vec<(String, Vec<String>)> {
        Vec::new()
    }

    fn runtime(&self) -> RuntimeView {
        self.runtime.clone().unwrap_or_default()
    }

    fn modify_runtime(&self, _values: &[(&str, &str)]) -> Result<(), RuntimeError> {
        self.runtime
            .as_ref()
            .map(|_| ())
            .ok_or(RuntimeError::NoAdminLayer)
    }

    fn loggers(&self) -> Vec<(&'static str, LogLevel)> {
        self.levels.borrow().clone()
    }

    fn set_log_level(&self, logger: &str, level: LogLevel) {
        let mut levels = self.levels.borrow_mut();
        levels
            .iter_mut()
            .filter(|entry| entry.0 == logger)
            .for_each(|entry| entry.1 = level);
    }

    fn explain(&self, question: &Question, as_json: bool) -> Result<String, String> {
        Ok(format!("{question:?} {as_json}"))
    }

    fn act(&self, action: Action) {
        self.actions.borrow_mut().push(action);
    }

    fn reload(&self) -> LocalFuture<ReloadOutcome> {
        let outcome = ReloadOutcome::Refused(String::new());
        Box::pin(std::future::ready(outcome))
    }
}

/// The configuration that the pinned dump was taken from.
fn dump() -> ConfigDump {
    let bootstrap = parse(
        "envoy.config.bootstrap.v3.Bootstrap",
        include_str!("config_dump/bootstrap.yaml"),
    );
    let resources = |field: &str| {
        let items = bootstrap
            .find(&["static_resources", field])
            .and_then(Value::as_list)
            .unwrap_or_default();
        items
            .iter()
            .filter_map(|item| item.value.as_message())
            .cloned()
            .collect::<Vec<_>>()
    };
    let at = |message| {
        let last_updated = UNIX_EPOCH + Duration::from_millis(1_795_384_348_305);
        DumpedConfig {
            message,
            last_updated,
        }
    };
    let name = |message: &Arc<Message>| {
        message
            .find(&["name"])
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    let mut clusters = resources("clusters");
    clusters.sort_by_key(name);
    let listeners = resources("listeners");
    ConfigDump {
        dynamic: DynamicDump::default(),
        inline_scopes: Vec::new(),
        has_managers: true,
        static_secrets: Vec::new(),
        static_route_configs: listeners
            .iter()
            .filter_map(|listener| route_config(listener))
            .map(at)
            .collect(),
        static_clusters: clusters.into_iter().map(at).collect(),
        static_listeners: listeners.into_iter().map(at).collect(),
        bootstrap: at(bootstrap),
    }
}

/// The route configuration of the first filter of the first chain.
fn route_config(listener: &Message) -> Option<Arc<Message>> {
    let first = |message: &Message, list: &str| {
        message
            .find(&[list])?
            .as_list()?
            .first()?
            .value
            .as_message()
            .cloned()
    };
    let filter = first(&*first(listener, "filter_chains")?, "filters")?;
    match filter.find(&["typed_config"])? {
        Value::Any(any) => any.message.find(&["route_config"])?.as_message().cloned(),
        _ => None,
    }
}

pub(super) fn parse(message: &str, yaml: &str) -> Arc<Message> {
    let source = Source::new("bootstrap.yaml", Format::Yaml, yaml);
    let mut diagnostics = Diagnostics::default();
    let node = text::parse(&source, 0, &text::Limits::default(), &mut diagnostics).expect("YAML");
    let descriptor = nuncio_api::message(message).expect("a message of the API");
    let tree = interpret::interpret(descriptor, &node, &mut diagnostics).expect("a valid message");
    Arc::new(tree)
}
