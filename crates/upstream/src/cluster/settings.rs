//! A cluster's configuration once parsed: what the request path reads, ready-made.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use nuncio_codec::http1::Http1Settings;
use nuncio_codec::http2::Http2Settings;
use nuncio_codec::http3::Http3Settings;
use nuncio_codec::thrift::{Protocol, Transport};
use nuncio_config::runtime::{RuntimeKey, RuntimeKeys};
use nuncio_contract::alternate_protocols::Origin;
use nuncio_contract::config_source::ResourceSource;
use nuncio_contract::gcp_audience::GcpAudience;
use nuncio_contract::hash_policy::HashPolicies;
use nuncio_contract::stream_info::Metadata;
use nuncio_contract::upstream_filters::UpstreamFilters;
use nuncio_net::connect::ConnectOptions;
use nuncio_net::quic;

use super::{ProvidedSettings, Thresholds};
use crate::health_check::ActiveChecks;
use crate::host::{DiscoveredHealth, LevelOptions};
use crate::load_balancing::LbSettings;
use crate::mirror::Mirror;
use crate::retry::RetryPolicy;
use crate::server_names::AutoNames;
use crate::socket_match::SocketMatches;

/// Where the hosts of a cluster come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EdsSource {
    /// Who has them.
    pub source: ResourceSource,
    /// What they are called there; the cluster's name if empty.
    pub service_name: Box<str>,
}

/// How a cluster learns its hosts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClusterType {
    /// From the configuration.
    #[default]
    Static,
    /// From DNS, each address a host.
    StrictDns,
    /// From DNS, the first address alone.
    LogicalDns,
    /// From a source of its own.
    Eds,
    /// From DNS, whatever names requests ask for.
    DynamicForwardProxy,
    /// From the connections and requests that come.
    OriginalDst,
    /// From other clusters.
    Aggregate,
    /// `envoy.clusters.composite`: hosts are those of others, in turn for the tries of a request.
    Composite,
    /// From its own hosts, which are of Redis.
    Redis,
}

/// What a cluster counts if asked to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrackedStats {
    /// What its hosts count.
    pub endpoints: bool,
    /// How large heads and bodies are.
    pub sizes: bool,
    /// How much of their time requests take.
    pub budgets: bool,
}

/// The share of requests that are turned away before a host is chosen.
#[derive(Clone, Debug, Default)]
pub struct DropOverload {
    /// Of 1.
    pub share: f64,
    /// What they are called in reports of load.
    pub category: Box<str>,
    /// What runtime allows at most (100), in per cent.
    pub limit: RuntimeKey,
}

/// Healths of hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostStatuses(u8);

impl HostStatuses {
    /// None of them.
    pub const NONE: Self = Self(0);

    /// With one more.
    #[must_use]
    pub const fn with(self, status: DiscoveredHealth) -> Self {
        Self(self.0 | 1 << status as u8)
    }

    /// Whether it is one of them.
    pub const fn contains(self, status: DiscoveredHealth) -> bool {
        self.0 & (1 << status as u8) != 0
    }
}

/// All but what is known to be bad.
impl Default for HostStatuses {
    fn default() -> Self {
        Self::NONE
            .with(DiscoveredHealth::Unknown)
            .with(DiscoveredHealth::Healthy)
            .with(DiscoveredHealth::Degraded)
    }
}

/// The order in which the addresses of a host are tried: its versions of IP take turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HappyEyeballs {
    /// Whether IPv4 comes first; `None`: what the first address is.
    pub first_is_ipv4: Option<bool>,
    /// How many addresses of the first version come before one of the other (1).
    pub first_count: u32,
}

impl Default for HappyEyeballs {
    fn default() -> Self {
        Self {
            first_is_ipv4: None,
            first_count: 1,
        }
    }
}

/// How many connections there are to be for each request; 1 is as many as there are requests.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Preconnect {
    /// Of those to one host (1).
    pub per_upstream: f64,
    /// Of those to all hosts, for the hosts whose turn is next (0, none).
    pub predictive: f64,
}

/// What a cluster's connections speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UpstreamProtocol {
    /// HTTP/1.
    #[default]
    Http1,
    /// HTTP/2.
    Http2,
    /// HTTP/3.
    Http3,
    /// What ALPN agrees on; HTTP/1 if nothing.
    ByAlpn,
    /// What the client speaks.
    AsDownstream,
}

/// What hosts speak that are asked by the Thrift proxy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ThriftOptions {
    /// None: what the client speaks.
    pub transport: Option<Transport>,
    /// The same.
    pub protocol: Option<Protocol>,
}

/// Who asks hosts that speak Redis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisCredentials {
    /// May be empty.
    pub username: Vec<u8>,
    /// May be empty.
    pub password: Vec<u8>,
}

/// Who asks which of a cluster's hosts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RedisOptions {
    /// Of those that have none of their own.
    pub default: Option<RedisCredentials>,
    /// Of some; none: they are told nothing.
    pub of_hosts: HashMap<SocketAddr, Option<RedisCredentials>>,
}

impl RedisOptions {
    /// What the host at this address is told.
    pub fn of(&self, address: SocketAddr) -> Option<&RedisCredentials> {
        let own = self.of_hosts.get(&address);
        own.unwrap_or(&self.default).as_ref()
    }
}

impl RedisCredentials {
    /// The command that tells them.
    pub fn words(&self) -> Vec<Vec<u8>> {
        let username = Some(&self.username).filter(|name| !name.is_empty());
        let words = username.into_iter().chain([&self.password]).cloned();
        [b"auth".to_vec()].into_iter().chain(words).collect()
    }
}

/// Parsed settings of a cluster.
#[derive(Clone, Debug)]
pub struct ClusterSettings {
    /// Its name.
    pub name: Box<str>,
    /// It is of the process itself: neither listed nor counted.
    pub is_hidden: bool,
    /// Name in stats where it differs.
    pub alt_stat_name: Option<Box<str>>,
    /// Its metadata, if any.
    pub metadata: Option<Arc<Metadata>>,
    /// Which token of GCP its hosts are to be shown, if it says it.
    pub audience: Option<Arc<GcpAudience>>,
    /// How hosts are learned.
    pub cluster_type: ClusterType,
    /// Where its hosts come from, if it is of type EDS.
    pub eds: Option<Box<EdsSource>>,
    /// How hosts are checked; most clusters do not.
    pub health_checks: Option<Arc<ActiveChecks>>,
    /// What is counted beyond what all clusters count.
    pub tracked: TrackedStats,
    /// How a host is chosen.
    pub lb: LbSettings,
    /// How the cluster itself chooses hosts, if it does.
    pub provided: Option<ProvidedSettings>,
    /// What of a request is hashed, instead of what its route says.
    pub hash_policies: Option<Arc<HashPolicies>>,
    /// How the health of priorities is reckoned.
    pub level_options: LevelOptions,
    /// How many requests are turned away (none), of all.
    pub drop_overload: DropOverload,
    /// Connections close whenever hosts come, go or change their health.
    pub close_connections_on_host_set_change: bool,
    /// How long changes of hosts' health wait for others (1 s); zero: not at all.
    pub update_merge_window: Duration,
    /// What may be known against a host that a filter asks for.
    pub override_host_statuses: HostStatuses,
    /// Time to open a connection, TLS handshake included (5 s).
    pub connect_timeout: Duration,
    /// Soft limit of what is buffered for one connection (1 MiB).
    pub per_connection_buffer_limit_bytes: u32,
    /// Limits of the circuit breakers: default, high.
    pub thresholds: [Thresholds; 2],
    /// Where others may stand.
    pub runtime: RuntimeKeys,
    /// Socket options.
    pub connect_options: ConnectOptions,
    /// The order in which the addresses of a host are tried.
    pub happy_eyeballs: HappyEyeballs,
    /// Connections that are opened before requests need them; most clusters open none.
    pub preconnect: Option<Preconnect>,
    /// Streams of bytes end when their host fails its checks or is ejected.
    pub close_connections_on_host_health_failure: bool,
    /// HTTP settings.
    pub http: HttpSettings,
    /// Transport sockets of hosts with certain metadata.
    pub socket_matches: Option<Box<SocketMatches>>,
    /// Some of its hosts are told whose connection it is.
    pub tells_clients: bool,
    /// Who its hosts are told that asks them, where they are asked for by the Redis proxy.
    pub redis: Option<Box<RedisOptions>>,
    /// What its hosts speak, where they are asked by the Thrift proxy; the default is what the client speaks.
    pub thrift: ThriftOptions,
    /// Time after which an idle connection that carries no HTTP is closed (10 min); `None`: never.
    pub tcp_idle_timeout: Option<Duration>,
}

/// HTTP settings of a cluster's connections.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// Time without a request after which a connection is closed (1 h); `None`: never.
    pub idle_timeout: Option<Duration>,
    /// Requests after which a connection is closed; `None`: no limit.
    pub max_requests_per_connection: Option<u32>,
    /// Age from which a connection takes no more requests; `None`: no limit.
    pub max_connection_duration: Option<Duration>,
    /// What is spoken.
    pub protocol: UpstreamProtocol,
    /// The settings of HTTP/1's codec.
    pub http1: Arc<Http1Settings>,
    /// The settings of HTTP/2's codec.
    pub http2: Arc<Http2Settings>,
    /// HTTP/3, where it is spoken.
    pub http3: Option<Arc<UpstreamHttp3>>,
    /// How it is known which hosts speak HTTP/3, where that is not known from the start.
    pub alternatives: Option<Arc<AlternatesSettings>>,
    /// How requests name their connections; `None`: they do not.
    pub auto_names: Option<Box<AutoNames>>,
    /// Whether a connection serves the requests of one client's connection alone.
    pub serves_clients_apart: bool,
    /// What it says of retries and copies, if anything.
    pub resilience: Option<Box<ClusterResilience>>,
    /// What stands between the router and its hosts, if anything.
    pub filters: Option<UpstreamFilters>,
}

/// A cache of what origins say of HTTP/3 (`alternate_protocols_cache_options`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlternatesSettings {
    /// Clusters that name it alike share it.
    pub name: Box<str>,
    /// The most origins that it knows (1,024).
    pub max_entries: usize,
    /// Those that are known from the start.
    pub prepopulated: Vec<Origin>,
}

/// What connections of HTTP/3 are like.
#[derive(Clone, Debug, PartialEq)]
pub struct UpstreamHttp3 {
    /// The settings of its codec.
    pub codec: Http3Settings,
    /// Requests at once on a connection (100), as far as the host allows them.
    pub max_concurrent_streams: u32,
    /// QUIC's own.
    pub quic: quic::Settings,
}

/// What a cluster says in the place of its routes.
#[derive(Clone, Debug)]
pub struct ClusterResilience {
    /// What is tried again.
    pub retry_policy: Option<Arc<RetryPolicy>>,
    /// How long a stream to a host may last.
    pub max_stream_duration: Option<Duration>,
    /// Where copies go.
    pub mirrors: Option<Arc<[Mirror<Box<str>>]>>,
}

impl Default for HttpSettings {
    fn default() -> Self {
        static DEFAULT: OnceLock<Arc<Http1Settings>> = OnceLock::new();
        static DEFAULT_HTTP2: OnceLock<Arc<Http2Settings>> = OnceLock::new();
        Self {
            idle_timeout: Some(Duration::from_secs(3600)),
            max_requests_per_connection: None,
            max_connection_duration: None,
            protocol: UpstreamProtocol::Http1,
            http1: Arc::clone(DEFAULT.get_or_init(|| Arc::new(Http1Settings::of_hosts()))),
            http2: Arc::clone(DEFAULT_HTTP2.get_or_init(Arc::default)),
            http3: None,
            alternatives: None,
            auto_names: None,
            serves_clients_apart: false,
            resilience: None,
            filters: None,
        }
    }
}

impl ClusterSettings {
    /// A static cluster with Envoy's defaults.
    pub fn named(name: &str) -> Self {
        Self {
            name: name.into(),
            is_hidden: false,
            alt_stat_name: None,
            metadata: None,
            audience: None,
            cluster_type: ClusterType::Static,
            eds: None,
            health_checks: None,
            tracked: TrackedStats::default(),
            lb: LbSettings::default(),
            provided: None,
            hash_policies: None,
            level_options: LevelOptions::default(),
            drop_overload: DropOverload::default(),
            close_connections_on_host_set_change: false,
            update_merge_window: Duration::from_secs(1),
            override_host_statuses: HostStatuses::default(),
            connect_timeout: Duration::from_secs(5),
            per_connection_buffer_limit_bytes: 1 << 20,
            thresholds: [Thresholds::default(); 2],
            runtime: RuntimeKeys::default(),
            connect_options: ConnectOptions::default(),
            happy_eyeballs: HappyEyeballs::default(),
            preconnect: None,
            close_connections_on_host_health_failure: false,
            http: HttpSettings::default(),
            socket_matches: None,
            tells_clients: false,
            redis: None,
            thrift: ThriftOptions::default(),
            tcp_idle_timeout: Some(Duration::from_secs(600)),
        }
    }

    /// The name that the cluster's stats carry.
    pub fn stat_name(&self) -> &str {
        self.alt_stat_name.as_deref().unwrap_or(&self.name)
    }
}
