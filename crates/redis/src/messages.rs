//! The messages of the Redis proxy.

use std::time::Duration;

use nuncio_config::typed::Spanned;
use nuncio_config::{enumeration, message};
use nuncio_contract::data_source::DataSource;
use nuncio_contract::forward_proxy::DnsCacheConfig;
use nuncio_contract::matching::RuntimeFractionalPercent;
use nuncio_upstream::redis_cluster::ReadPolicy;

message! {
    /// The filter's config.
    pub(crate) struct RedisProxyMessage: "envoy.extensions.filters.network.redis_proxy.v3.RedisProxy" {
        pub(crate) stat_prefix: String,
        pub(crate) settings: ConnPoolSettings,
        pub(crate) latency_in_micros: bool,
        pub(crate) prefix_routes: Option<PrefixRoutes>,
        pub(crate) downstream_auth_password: Option<DataSource>,
        pub(crate) faults: Vec<RedisFault>,
        pub(crate) downstream_auth_username: Option<DataSource>,
        pub(crate) downstream_auth_passwords: Vec<DataSource>,
        pub(crate) custom_commands: Vec<String>,
    }
}

message! {
    /// Connections to hosts.
    pub(crate) struct ConnPoolSettings: "envoy.extensions.filters.network.redis_proxy.v3.RedisProxy.ConnPoolSettings" {
        pub(crate) op_timeout: Duration,
        pub(crate) enable_hashtagging: bool,
        pub(crate) enable_redirection: bool,
        pub(crate) max_buffer_size_before_flush: u32,
        pub(crate) buffer_flush_timeout: Option<Duration>,
        pub(crate) enable_command_stats: bool,
        pub(crate) read_policy: ReadPolicyName,
        pub(crate) dns_cache_config: Option<DnsCacheConfig>,
        pub(crate) max_upstream_unknown_connections: Option<u32>,
        pub(crate) connection_rate_limit: Option<ConnectionRateLimit>,
    }
}

enumeration! {
    /// Which hosts of a Redis cluster are read.
    pub(crate) enum ReadPolicyName: "envoy.extensions.filters.network.redis_proxy.v3.RedisProxy.ConnPoolSettings.ReadPolicy" {
        MASTER => Primary,
        PREFER_MASTER => PreferPrimary,
        REPLICA => Replica,
        PREFER_REPLICA => PreferReplica,
        ANY => Any,
        LOCAL_ZONE_AFFINITY => LocalZone,
        LOCAL_ZONE_AFFINITY_REPLICAS_AND_PRIMARY => LocalZoneWithPrimary,
    }
}

impl ReadPolicyName {
    pub(crate) fn compile(self) -> ReadPolicy {
        match self {
            ReadPolicyName::Primary => ReadPolicy::Primary,
            ReadPolicyName::PreferPrimary => ReadPolicy::PreferPrimary,
            ReadPolicyName::Replica => ReadPolicy::Replica,
            ReadPolicyName::PreferReplica => ReadPolicy::PreferReplica,
            ReadPolicyName::Any => ReadPolicy::Any,
            ReadPolicyName::LocalZone => ReadPolicy::LocalZone,
            ReadPolicyName::LocalZoneWithPrimary => ReadPolicy::LocalZoneWithPrimary,
        }
    }
}

message! {
    /// How often connections may be opened.
    pub(crate) struct ConnectionRateLimit: "envoy.extensions.filters.network.redis_proxy.v3.RedisProxy.ConnectionRateLimit" {
        pub(crate) connection_rate_limit_per_sec: u32,
    }
}

message! {
    /// Where keys go.
    pub(crate) struct PrefixRoutes: "envoy.extensions.filters.network.redis_proxy.v3.RedisProxy.PrefixRoutes" {
        pub(crate) routes: Vec<RouteMessage>,
        pub(crate) case_insensitive: bool,
        pub(crate) catch_all_route: Option<RouteMessage>,
    }
}

message! {
    /// Where keys with a prefix go.
    pub(crate) struct RouteMessage: "envoy.extensions.filters.network.redis_proxy.v3.RedisProxy.PrefixRoutes.Route" {
        pub(crate) prefix: String,
        pub(crate) remove_prefix: bool,
        pub(crate) cluster: Spanned<String>,
        pub(crate) request_mirror_policy: Vec<MirrorMessage>,
        pub(crate) key_formatter: Spanned<String>,
        pub(crate) read_command_policy: Option<ReadCommandPolicy>,
    }
}

message! {
    /// Where commands go as well.
    pub(crate) struct MirrorMessage: "envoy.extensions.filters.network.redis_proxy.v3.RedisProxy.PrefixRoutes.Route.RequestMirrorPolicy" {
        pub(crate) cluster: Spanned<String>,
        pub(crate) runtime_fraction: Option<RuntimeFractionalPercent>,
        pub(crate) exclude_read_commands: bool,
    }
}

message! {
    /// Where commands that read go instead.
    pub(crate) struct ReadCommandPolicy: "envoy.extensions.filters.network.redis_proxy.v3.RedisProxy.PrefixRoutes.Route.ReadCommandPolicy" {
        pub(crate) cluster: Spanned<String>,
    }
}

message! {
    /// What is put in the way of commands.
    pub(crate) struct RedisFault: "envoy.extensions.filters.network.redis_proxy.v3.RedisProxy.RedisFault" {
        pub(crate) fault_type: FaultType,
        pub(crate) fault_enabled: RuntimeFractionalPercent,
        pub(crate) delay: Option<Duration>,
        pub(crate) commands: Vec<String>,
    }
}

enumeration! {
    /// What it is.
    pub(crate) enum FaultType: "envoy.extensions.filters.network.redis_proxy.v3.RedisProxy.RedisFault.RedisFaultType" {
        DELAY => Delay,
        ERROR => Error,
    }
}
