//! What the server must provide for the admin: views of its state and a few actions.
//!
//! All of it runs on the main thread; actions that reach workers are messages to them.

pub use crate::log::LogLevel;
use std::cell::Cell;
use std::sync::Arc;
use std::time::SystemTime;

use nuncio_config::tree::Message;
use nuncio_contract::services::LocalFuture;
use nuncio_contract::stats::tags::TagExtractor;
use nuncio_contract::stats::{HistogramBuckets, StatsStore};

use nuncio_upstream::outlier_detection::Comparison;

use super::json::Json;
use crate::explain::Question;

/// The server as the admin sees it.
pub trait AdminState {
    /// All stats.
    fn stats(&self) -> &StatsStore;
    /// How tags are taken out of stat names.
    fn tags(&self) -> &TagExtractor;
    /// What histograms are shown with.
    fn histogram_buckets(&self) -> &HistogramBuckets;
    /// Whether looked-up names of stats are to be kept, for `/stats/recentlookups`.
    fn keeps_lookups(&self) -> &Cell<bool>;
    /// Brings gauges up to date that are only computed when somebody looks (`server.uptime`, memory);
    /// flushes, where that is not done by the clock.
    fn refresh_stats(&self);
    /// Where the server is in its life.
    fn life(&self) -> ServerLife;
    /// Version, times, options and node.
    fn server_info(&self) -> ServerInfo;
    /// The memory of the process.
    fn memory(&self) -> MemoryUsage;
    /// All clusters, by name; each is read when it is asked for its status.
    fn cluster_handles(&self) -> Vec<Arc<dyn ClusterHandle>>;
    /// All clusters, by name; made one by one, so that a long list can be streamed.
    fn clusters(&self) -> Box<dyn Iterator<Item = ClusterStatus>> {
        let handles = self.cluster_handles().into_iter();
        Box::new(handles.map(|cluster| cluster.status()))
    }
    /// All listeners in the order they were added.
    fn listeners(&self) -> Vec<ListenerStatus>;
    /// The messages of the listeners in the configuration, in their order.
    fn listener_configs(&self) -> Vec<Arc<Message>>;
    /// The configuration as it was loaded.
    fn config_dump(&self) -> ConfigDump;
    /// Certificates of all TLS contexts, as messages `envoy.admin.v3.Certificate` in JSON.
    fn certificates(&self) -> Vec<Json>;
    /// What initialisation still waits for: a component and its targets.
    fn unready_targets(&self) -> Vec<(String, Vec<String>)>;
    /// The runtime.
    fn runtime(&self) -> RuntimeView;
    /// Sets runtime values; an empty value removes an override.
    fn modify_runtime(&self, values: &[(&str, &str)]) -> Result<(), RuntimeError>;
    /// The loggers and their levels, in the order to show.
    fn loggers(&self) -> Vec<(&'static str, LogLevel)>;
    /// Sets the level of one logger, which exists.
    fn set_log_level(&self, logger: &str, level: LogLevel);
    /// Tells what becomes of a request, as text or as JSON; an error is about the question.
    fn explain(&self, question: &Question, as_json: bool) -> Result<String, String>;
    /// Begins what was asked.
    fn act(&self, action: Action);
    /// Reads the configuration file again and applies what changed.
    fn reload(&self) -> LocalFuture<ReloadOutcome>;
}

/// A cluster that is not read yet.
pub trait ClusterHandle {
    /// The name.
    fn name(&self) -> &str;
    /// `alt_stat_name`, or the name.
    fn stat_name(&self) -> &str;
    /// Whether it came by an update.
    fn is_added_via_api(&self) -> bool;
    /// The cluster of now.
    fn status(&self) -> ClusterStatus;
}

/// What came of a reload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReloadOutcome {
    /// The file's configuration runs.
    Applied {
        /// What became of the clusters.
        clusters: ReloadChanges,
        /// What became of the listeners.
        listeners: ReloadChanges,
    },
    /// What ran before still runs; why, with the places in the file.
    Refused(String),
}

/// What a reload did, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReloadChanges {
    /// What was not there before.
    pub added: Vec<String>,
    /// What is another than before.
    pub updated: Vec<String>,
    /// What is gone.
    pub removed: Vec<String>,
    /// How many were not touched.
    pub unchanged: usize,
}

/// The configuration in force.
#[derive(Clone, Debug)]
pub struct ConfigDump {
    /// The bootstrap, after upgrade and merging, with the node as the server completed it.
    pub bootstrap: DumpedConfig,
    /// Clusters of the bootstrap, by name.
    pub static_clusters: Vec<DumpedConfig>,
    /// Listeners of the bootstrap, in their order.
    pub static_listeners: Vec<DumpedConfig>,
    /// Route configurations inside listeners, in their order.
    pub static_route_configs: Vec<DumpedConfig>,
    /// Scoped routes inside listeners, in their order.
    pub inline_scopes: Vec<DumpedScopes>,
    /// Whether there is a connection manager, without which Envoy has no sections of routes.
    pub has_managers: bool,
    /// Secrets of the bootstrap, in their order.
    pub static_secrets: Vec<DumpedConfig>,
    /// What came by itself.
    pub dynamic: DynamicDump,
}

/// What came from sources of resources.
#[derive(Clone, Debug, Default)]
pub struct DynamicDump {
    /// The version of the last update of clusters that changed something.
    pub clusters_version: Option<Arc<str>>,
    /// Clusters, by name.
    pub clusters: Vec<DynamicConfig>,
    /// Clusters that are not warm yet.
    pub warming_clusters: Vec<DynamicConfig>,
    /// The version of the last update of listeners that changed something.
    pub listeners_version: Option<Arc<str>>,
    /// Listeners.
    pub listeners: Vec<DynamicListener>,
    /// What was rejected of the last update of listeners.
    pub rejected_listeners: Vec<RejectedConfig>,
    /// Route configurations.
    pub route_configs: Vec<DynamicConfig>,
    /// The scopes of updates, with their versions.
    pub scope_configs: Vec<(Arc<str>, DumpedScopes)>,
    /// Configurations of filters; none where none are to come.
    pub extension_configs: Option<Vec<DynamicConfig>>,
    /// Secrets.
    pub secrets: Vec<DynamicSecret>,
}

/// A secret that came, or is to come, by itself.
#[derive(Clone, Debug)]
pub struct DynamicSecret {
    /// Its version; none before it has come.
    pub version: Option<Arc<str>>,
    /// The secret; nothing but its name before it has come.
    pub config: DumpedConfig,
}

/// A resource with the version that it came by.
#[derive(Clone, Debug)]
pub struct DynamicConfig {
    /// The version.
    pub version: Arc<str>,
    /// The resource.
    pub config: DumpedConfig,
}

/// A listener that came, or was to come, by an update.
#[derive(Clone, Debug)]
pub struct DynamicListener {
    /// Its name.
    pub name: String,
    /// What runs.
    pub active: Option<DynamicConfig>,
    /// What warms.
    pub warming: Option<DynamicConfig>,
    /// What drains.
    pub draining: Option<DynamicConfig>,
    /// What was rejected.
    pub rejected: Option<RejectedConfig>,
}

/// A resource that was rejected.
#[derive(Clone, Debug)]
pub struct RejectedConfig {
    /// The resource.
    pub message: Arc<Message>,
    /// When it came, where that is told.
    pub last_attempt: Option<SystemTime>,
    /// Why.
    pub details: String,
}

/// The scoped routes of a connection manager.
#[derive(Clone, Debug)]
pub struct DumpedScopes {
    /// Their name.
    pub name: String,
    /// The scopes.
    pub scopes: Vec<Arc<Message>>,
    /// When they came into force.
    pub last_updated: SystemTime,
}

/// A message of the configuration.
#[derive(Clone, Debug)]
pub struct DumpedConfig {
    /// The message.
    pub message: Arc<Message>,
    /// When it came into force.
    pub last_updated: SystemTime,
}

/// What a client may ask the server to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Stop, cleanly.
    Quit,
    /// Answer health checks as unhealthy (true) or healthy again.
    FailHealthChecks(bool),
    /// Drain listeners.
    DrainListeners {
        /// Wait out a drain period before the listeners close.
        graceful: bool,
        /// Drain connections but leave the listeners open.
        skip_exit: bool,
        /// Only listeners of inbound traffic.
        inbound_only: bool,
    },
    /// Open access logs anew.
    ReopenLogs,
}

/// Where the server is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerLife {
    /// Serving.
    Live,
    /// Told to fail health checks.
    Draining,
    /// Clusters are not initialised.
    PreInitializing,
    /// Listeners wait for their dependencies.
    Initializing,
}

impl ServerLife {
    /// Envoy's word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Live => "LIVE",
            Self::Draining => "DRAINING",
            Self::PreInitializing => "PRE_INITIALIZING",
            Self::Initializing => "INITIALIZING",
        }
    }
}

/// What `/server_info` shows besides the state.
#[derive(Clone, Debug)]
pub struct ServerInfo {
    /// `<revision>/<version>/<status>/<build>/<tls library>`.
    pub version: String,
    /// Seconds since this process started.
    pub uptime_current_epoch_seconds: u64,
    /// Seconds since the first process of a hot restart chain started.
    pub uptime_all_epochs_seconds: u64,
    /// `disabled` without hot restart.
    pub hot_restart_version: String,
    /// Whether the next process of a hot restart would come too early.
    pub hot_restart_initializing: bool,
    /// Message `envoy.admin.v3.CommandLineOptions` in JSON, defaults included.
    pub command_line_options: Json,
    /// Message `envoy.config.core.v3.Node` in JSON.
    pub node: Json,
}

/// Memory in bytes, in the terms of Envoy's allocator.
#[derive(Clone, Copy, Debug, Default)]
pub struct MemoryUsage {
    /// In use.
    pub allocated: u64,
    /// Taken from the system by the allocator.
    pub heap_size: u64,
    /// Given back but still mapped.
    pub pageheap_unmapped: u64,
    /// Free pages kept.
    pub pageheap_free: u64,
    /// In thread caches.
    pub total_thread_cache: u64,
    /// Resident.
    pub total_physical_bytes: u64,
}

/// A cluster with its hosts.
#[derive(Clone, Debug, Default)]
pub struct ClusterStatus {
    /// The name.
    pub name: String,
    /// `alt_stat_name`, or the name.
    pub observability_name: String,
    /// Whether it came by CDS.
    pub added_via_api: bool,
    /// The service name of EDS, if any.
    pub eds_service_name: Option<String>,
    /// By how much available hosts count for more than they are, in per cent, if it is known.
    pub overprovisioning_percent: Option<u32>,
    /// The share of requests that is turned away, of 1, and what it is called; none if it is 0.
    pub drop_overload: Option<(f64, Arc<str>)>,
    /// Limits of the default and the high priority.
    pub circuit_breakers: [CircuitBreakerLimits; 2],
    /// The hosts of all priorities.
    pub hosts: Vec<HostStatus>,
    /// How its hosts compare, where it has outlier detection.
    pub outlier: Option<Outlier>,
}

/// Limits of one priority.
#[derive(Clone, Copy, Debug)]
pub struct CircuitBreakerLimits {
    /// Connections.
    pub max_connections: u32,
    /// Requests that wait for a connection.
    pub max_pending_requests: u32,
    /// Requests.
    pub max_requests: u32,
    /// Retries at a time.
    pub max_retries: u32,
}

impl Default for CircuitBreakerLimits {
    /// Envoy's defaults.
    fn default() -> Self {
        Self {
            max_connections: 1024,
            max_pending_requests: 1024,
            max_requests: 1024,
            max_retries: 3,
        }
    }
}

/// A host of a cluster.
#[derive(Clone, Debug, Default)]
pub struct HostStatus {
    /// The address.
    pub address: Address,
    /// The name that it was resolved from or configured with; may be empty.
    pub hostname: String,
    /// Its other addresses, if it has several.
    pub other_addresses: Vec<Address>,
    /// The port where its health is checked, if that is another address than its own.
    pub check_port: Option<u16>,
    /// The name that its health is checked by; may be empty.
    pub check_hostname: String,
    /// What it counted.
    pub stats: HostCounts,
    /// Why it is not healthy.
    pub health: HostHealth,
    /// The load balancing weight.
    pub weight: u32,
    /// Region of its locality.
    pub region: String,
    /// Zone of its locality.
    pub zone: String,
    /// Sub-zone of its locality.
    pub sub_zone: String,
    /// Whether its metadata says that it is a canary.
    pub canary: bool,
    /// Its metadata, message `envoy.config.core.v3.Metadata` in JSON; hosts from DNS always have one.
    pub metadata: Option<Json>,
    /// The priority.
    pub priority: u32,
    /// The weight of its locality; 0 if it has none.
    pub locality_weight: u32,
    /// Percentage of successes as outlier detection sees it.
    pub success_rate: Option<f64>,
    /// The same for failures of our own making.
    pub local_origin_success_rate: Option<f64>,
}

/// How hosts compare to outlier detection.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outlier {
    /// By their answers.
    pub external: Comparison,
    /// By failures of our own making.
    pub local: Comparison,
}

/// An address that can be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// IP and port.
    Socket {
        /// The IP address without brackets.
        ip: std::net::IpAddr,
        /// The port.
        port: u16,
    },
    /// A unix domain socket.
    Pipe {
        /// Its path.
        path: String,
    },
    /// A listener inside of the process.
    Internal {
        /// Its name.
        listener: String,
        /// What is behind it; may be empty.
        endpoint_id: String,
    },
}

impl Default for Address {
    fn default() -> Self {
        Self::Socket {
            ip: std::net::Ipv4Addr::UNSPECIFIED.into(),
            port: 0,
        }
    }
}

/// A host's counters and gauges.
#[derive(Clone, Copy, Debug, Default)]
pub struct HostCounts {
    /// Open connections.
    pub cx_active: u64,
    /// Connections that failed to open.
    pub cx_connect_fail: u64,
    /// Connections tried.
    pub cx_total: u64,
    /// Requests in progress.
    pub rq_active: u64,
    /// Requests with an answer that is an error.
    pub rq_error: u64,
    /// Requests that wait for a connection.
    pub rq_pending_active: u64,
    /// Requests with an answer that is none.
    pub rq_success: u64,
    /// Requests that timed out.
    pub rq_timeout: u64,
    /// Requests.
    pub rq_total: u64,
}

/// The reasons that take a host out of balancing.
#[derive(Clone, Copy, Debug, Default)]
pub struct HostHealth {
    /// Active health checks fail.
    pub failed_active_hc: bool,
    /// Ejected as an outlier.
    pub failed_outlier_check: bool,
    /// EDS says unhealthy.
    pub failed_eds_health: bool,
    /// Active health checks say degraded.
    pub degraded_active_hc: bool,
    /// EDS says degraded.
    pub degraded_eds_health: bool,
    /// Outlier detection says degraded.
    pub degraded_outlier_detection: bool,
    /// Waits to be removed.
    pub pending_dynamic_removal: bool,
    /// Waits for its first health check.
    pub pending_active_hc: bool,
    /// Excluded by an immediate health check failure.
    pub excluded_via_immediate_hc_fail: bool,
    /// Health checks time out.
    pub active_hc_timeout: bool,
    /// EDS says draining.
    pub eds_status_draining: bool,
}

/// A listener.
#[derive(Clone, Debug)]
pub struct ListenerStatus {
    /// The name.
    pub name: String,
    /// The address it listens on; with the real port if the configured one was 0.
    pub local_address: Address,
    /// More addresses of the same listener.
    pub additional_local_addresses: Vec<Address>,
}

/// The runtime's layers and values.
#[derive(Clone, Debug, Default)]
pub struct RuntimeView {
    /// Names of the layers, lowest first.
    pub layers: Vec<String>,
    /// Key, the value in each layer (empty where unset), and the value in force.
    pub entries: Vec<(String, Vec<String>, String)>,
}

/// Why runtime values were not set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuntimeError {
    /// The bootstrap has no `admin_layer`.
    NoAdminLayer,
    /// One of them cannot be one, and why.
    BadValue(String),
}
