//! The messages of a cluster, as far as they are honoured.

use std::time::Duration;

use nuncio_config::typed::{Any, Ctx, Refused, Spanned};
use nuncio_config::{enumeration, message, one_of};
use nuncio_contract::config_source::ConfigSource;
use nuncio_contract::dns_resolver::{
    ChosenResolver, DnsResolutionConfig, DnsResolverExtension, ResolverAddress, ResolverFields,
};
use nuncio_contract::match_tree::MatcherMessage;
use nuncio_contract::metadata_message::MetadataMessage;

use super::http2_options::Http2Options;
use super::{Discovery, DnsSettings, aggregate, composite, forward_proxy, redis_cluster};
use crate::cluster::{ClusterType, ProvidedSettings};

const AGGREGATE: &str = "envoy.extensions.clusters.aggregate.v3.ClusterConfig";
const COMPOSITE: &str = "envoy.extensions.clusters.composite.v3.ClusterConfig";
const REDIS: &str = "envoy.extensions.clusters.redis.v3.RedisClusterConfig";
const FORWARD_PROXY: &str = "envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig";

message! {
    /// A cluster.
    pub(crate) struct Cluster: "envoy.config.cluster.v3.Cluster" {
        pub(crate) name: Spanned<String>,
        pub(crate) alt_stat_name: String,
        pub(crate) metadata: Option<MetadataMessage>,
        pub(crate) oneof cluster_discovery_type: Option<ClusterDiscoveryType>,
        pub(crate) eds_cluster_config: Option<EdsClusterConfig>,
        pub(crate) connect_timeout: Option<Duration>,
        pub(crate) per_connection_buffer_limit_bytes: Option<u32>,
        pub(crate) lb_policy: LbPolicyName,
        pub(crate) protocol_selection: ClusterProtocolSelection,
        pub(crate) http2_protocol_options: Option<Http2Options>,
        pub(crate) load_balancing_policy: Option<LoadBalancingPolicy>,
        pub(crate) lb_subset_config: Option<OldSubset>,
        pub(crate) round_robin_lb_config: Option<OldRoundRobin>,
        pub(crate) least_request_lb_config: Option<OldLeastRequest>,
        pub(crate) ring_hash_lb_config: Option<OldRingHash>,
        pub(crate) maglev_lb_config: Option<OldMaglev>,
        pub(crate) load_assignment: Option<ClusterLoadAssignment>,
        pub(crate) circuit_breakers: Option<CircuitBreakers>,
        pub(crate) outlier_detection: Option<OutlierDetection>,
        pub(crate) common_lb_config: Option<CommonLbConfig>,
        pub(crate) typed_extension_protocol_options: Vec<(String, Any)>,
        pub(crate) common_http_protocol_options: Option<CommonHttpOptions>,
        pub(crate) http_protocol_options: Option<Http1Options>,
        pub(crate) upstream_http_protocol_options: Option<UpstreamHttpOptions>,
        pub(crate) max_requests_per_connection: Option<u32>,
        pub(crate) connection_pool_per_downstream_connection: bool,
        pub(crate) dns_refresh_rate: Option<Duration>,
        pub(crate) dns_failure_refresh_rate: Option<RefreshRate>,
        pub(crate) respect_dns_ttl: bool,
        pub(crate) dns_lookup_family: DnsLookupFamily,
        pub(crate) dns_jitter: Option<Duration>,
        pub(crate) typed_dns_resolver_config: Option<DnsResolverExtension>,
        pub(crate) dns_resolution_config: Option<DnsResolutionConfig>,
        pub(crate) dns_resolvers: Vec<ResolverAddress>,
        pub(crate) use_tcp_for_dns_lookups: bool,
        pub(crate) wait_for_warm_on_init: Option<bool>,
        pub(crate) transport_socket: Option<TransportSocketMessage>,
        pub(crate) transport_socket_matches: Vec<TransportSocketMatch>,
        pub(crate) transport_socket_matcher: Option<MatcherMessage>,
        pub(crate) upstream_bind_config: Option<BindConfig>,
        pub(crate) upstream_config: Option<UpstreamConfig>,
        pub(crate) upstream_connection_options: Option<UpstreamConnectionOptions>,
        pub(crate) preconnect_policy: Option<PreconnectPolicy>,
        pub(crate) close_connections_on_host_health_failure: bool,
        pub(crate) health_checks: Vec<HealthCheck>,
        pub(crate) track_cluster_stats: Option<TrackClusterStats>,
        pub(crate) track_timeout_budgets: bool,
        pub(crate) ignore_health_on_host_removal: bool,
        inert lrs_server = "clients of gRPC alone read it; `load_stats_config` of the bootstrap says who is told of load";
        pub(crate) cleanup_interval: Option<Duration>,
        pub(crate) original_dst_lb_config: Option<OriginalDstLbConfig>,
    }
}

message! {
    /// What is counted beyond what all clusters count.
    pub(crate) struct TrackClusterStats: "envoy.config.cluster.v3.TrackClusterStats" {
        pub(crate) timeout_budgets: bool,
        pub(crate) request_response_sizes: bool,
        pub(crate) per_endpoint_stats: bool,
    }
}

one_of! {
    /// How hosts are learned.
    pub(crate) enum ClusterDiscoveryType {
        r#type => Type(DiscoveryType),
        cluster_type => ClusterType(CustomClusterType),
    }
}

enumeration! {
    /// The old names of how hosts are learned.
    pub(crate) enum DiscoveryType: "envoy.config.cluster.v3.Cluster.DiscoveryType" {
        STATIC => Static,
        STRICT_DNS => StrictDns,
        LOGICAL_DNS => LogicalDns,
        EDS => Eds,
        ORIGINAL_DST => OriginalDst,
    }
}

message! {
    /// Where hosts come from.
    pub(crate) struct EdsClusterConfig: "envoy.config.cluster.v3.Cluster.EdsClusterConfig" {
        pub(crate) eds_config: Option<ConfigSource>,
        pub(crate) service_name: String,
    }
}

enumeration! {
    /// Whether clients decide what is spoken.
    pub(crate) enum ClusterProtocolSelection: "envoy.config.cluster.v3.Cluster.ClusterProtocolSelection" {
        USE_CONFIGURED_PROTOCOL => UseConfiguredProtocol,
        USE_DOWNSTREAM_PROTOCOL => UseDownstreamProtocol,
    }
}

message! {
    /// How hosts are learned, as an extension.
    pub(crate) struct CustomClusterType: "envoy.config.cluster.v3.Cluster.CustomClusterType" {
        pub(crate) name: Spanned<String>,
        pub(crate) typed_config: Option<Any>,
    }
}

message! {
    /// A cluster whose hosts come from DNS.
    pub(crate) struct DnsCluster: "envoy.extensions.clusters.dns.v3.DnsCluster" {
        pub(crate) dns_refresh_rate: Option<Duration>,
        pub(crate) dns_failure_refresh_rate: Option<DnsClusterRefreshRate>,
        pub(crate) respect_dns_ttl: bool,
        pub(crate) dns_lookup_family: CommonDnsLookupFamily,
        pub(crate) dns_jitter: Option<Duration>,
        pub(crate) dns_min_refresh_rate: Option<Duration>,
        pub(crate) typed_dns_resolver_config: Option<DnsResolverExtension>,
        pub(crate) all_addresses_in_single_endpoint: bool,
    }
}

message! {
    /// Times between retries.
    pub(crate) struct DnsClusterRefreshRate: "envoy.extensions.clusters.dns.v3.DnsCluster.RefreshRate" {
        pub(crate) base_interval: Spanned<Duration>,
        pub(crate) max_interval: Option<Duration>,
    }
}

enumeration! {
    /// IP versions to ask for.
    pub(crate) enum CommonDnsLookupFamily: "envoy.extensions.clusters.common.dns.v3.DnsLookupFamily" {
        UNSPECIFIED => Unspecified,
        AUTO => Auto,
        V4_ONLY => V4Only,
        V6_ONLY => V6Only,
        V4_PREFERRED => V4Preferred,
        ALL => All,
    }
}

impl CustomClusterType {
    /// Only `envoy.clusters.dns`, and the names that take no message of their own.
    pub(super) fn discovery(&self, cluster: &Cluster, ctx: &mut Ctx) -> Result<Discovery, Refused> {
        let plain = |cluster_type| Ok(Discovery::plain(cluster_type));
        match (&self.typed_config, self.name.value.as_str()) {
            (Some(any), _) if any.type_name() == "envoy.extensions.clusters.dns.v3.DnsCluster" => {
                any.decode::<DnsCluster>(ctx)?.discovery(ctx)
            }
            (Some(any), _) if any.type_name() == FORWARD_PROXY => {
                let (names, may_be_insecure) = forward_proxy::read(any, ctx)?;
                Ok(Discovery {
                    provided: Some(ProvidedSettings::ForwardProxy(Box::new(names))),
                    may_be_insecure,
                    ..Discovery::plain(ClusterType::DynamicForwardProxy)
                })
            }
            (Some(any), _) if any.type_name() == AGGREGATE => Ok(Discovery {
                provided: Some(ProvidedSettings::Aggregate(aggregate::read(any, ctx)?)),
                ..Discovery::plain(ClusterType::Aggregate)
            }),
            (Some(any), _) if any.type_name() == COMPOSITE => Ok(Discovery {
                provided: Some(ProvidedSettings::Composite(composite::read(any, ctx)?)),
                ..Discovery::plain(ClusterType::Composite)
            }),
            (Some(any), _) if any.type_name() == REDIS => Ok(Discovery {
                provided: Some(ProvidedSettings::Redis(redis_cluster::read(any, ctx)?)),
                dns: DnsSettings {
                    family: super::family(cluster.dns_lookup_family),
                    resolver: cluster.resolver(ctx)?,
                    ..DnsSettings::default()
                },
                ..Discovery::plain(ClusterType::Redis)
            }),
            (None, "envoy.cluster.original_dst") => super::original_destination(cluster, ctx),
            (None, "envoy.cluster.static") => plain(ClusterType::Static),
            (None, "envoy.cluster.strict_dns") => plain(ClusterType::StrictDns),
            (None, "envoy.cluster.logical_dns") => plain(ClusterType::LogicalDns),
            (None, "envoy.cluster.eds") => plain(ClusterType::Eds),
            (_, name) => {
                Err(ctx.unsupported_here(self.name.span, format_args!("cluster type `{name}`")))
            }
        }
    }
}

impl Cluster {
    /// Who is asked for the names of hosts.
    pub(super) fn resolver(&self, ctx: &mut Ctx) -> Result<ChosenResolver, Refused> {
        let fields = ResolverFields {
            typed: self.typed_dns_resolver_config.as_ref(),
            untyped: self.dns_resolution_config.as_ref(),
            servers: &self.dns_resolvers,
            tcp_only: self.use_tcp_for_dns_lookups,
        };
        fields.compile(ctx)
    }
}

impl DnsCluster {
    fn resolver(&self, ctx: &mut Ctx) -> Result<ChosenResolver, Refused> {
        let fields = ResolverFields {
            typed: self.typed_dns_resolver_config.as_ref(),
            ..ResolverFields::default()
        };
        fields.compile(ctx)
    }

    fn discovery(&self, ctx: &mut Ctx) -> Result<Discovery, Refused> {
        let cluster_type = match self.all_addresses_in_single_endpoint {
            true => ClusterType::LogicalDns,
            false => ClusterType::StrictDns,
        };
        let failure_refresh = match &self.dns_failure_refresh_rate {
            None => None,
            Some(rate) => Some(interval(&rate.base_interval, rate.max_interval, ctx)?),
        };
        let family = match self.dns_lookup_family {
            CommonDnsLookupFamily::Unspecified | CommonDnsLookupFamily::Auto => {
                DnsLookupFamily::Auto
            }
            CommonDnsLookupFamily::V4Only => DnsLookupFamily::V4Only,
            CommonDnsLookupFamily::V6Only => DnsLookupFamily::V6Only,
            CommonDnsLookupFamily::V4Preferred => DnsLookupFamily::V4Preferred,
            CommonDnsLookupFamily::All => DnsLookupFamily::All,
        };
        let dns = DnsSettings {
            refresh_rate: self
                .dns_refresh_rate
                .unwrap_or(DnsSettings::default().refresh_rate),
            respect_ttl: self.respect_dns_ttl,
            failure_refresh,
            family: super::family(family),
            jitter: self.dns_jitter.unwrap_or_default(),
            min_refresh_rate: self.dns_min_refresh_rate.unwrap_or_default(),
            resolver: self.resolver(ctx)?,
        };
        Ok(Discovery {
            dns,
            ..Discovery::plain(cluster_type)
        })
    }
}

message! {
    /// Limits.
    pub(crate) struct CircuitBreakers: "envoy.config.cluster.v3.CircuitBreakers" {
        pub(crate) thresholds: Vec<Threshold>,
        pub(crate) per_host_thresholds: Vec<Threshold>,
    }
}

message! {
    /// The limits of one priority.
    pub(crate) struct Threshold: "envoy.config.cluster.v3.CircuitBreakers.Thresholds" {
        pub(crate) priority: RoutingPriority,
        pub(crate) max_connections: Option<u32>,
        pub(crate) max_pending_requests: Option<u32>,
        pub(crate) max_requests: Option<u32>,
        pub(crate) max_retries: Option<u32>,
        pub(crate) max_connection_pools: Option<u32>,
        pub(crate) retry_budget: Option<RetryBudgetMessage>,
        pub(crate) track_remaining: bool,
    }
}

message! {
    /// A share of the requests as the limit of retries.
    pub(crate) struct RetryBudgetMessage: "envoy.config.cluster.v3.CircuitBreakers.Thresholds.RetryBudget" {
        pub(crate) budget_percent: Option<Percent>,
        pub(crate) budget_interval: Option<Duration>,
        pub(crate) min_retry_concurrency: Option<u32>,
    }
}

enumeration! {
    /// A route's priority.
    pub(crate) enum RoutingPriority: "envoy.config.core.v3.RoutingPriority" {
        DEFAULT => Default,
        HIGH => High,
    }
}

message! {
    /// A share of a hundred.
    pub(crate) struct Percent: "envoy.type.v3.Percent" {
        pub(crate) value: f64,
    }
}

message! {
    /// Options of an upstream's connections.
    pub(crate) struct UpstreamConnectionOptions: "envoy.config.cluster.v3.UpstreamConnectionOptions" {
        pub(crate) tcp_keepalive: Option<TcpKeepalive>,
        pub(crate) happy_eyeballs_config: Option<HappyEyeballsConfig>,
    }
}

message! {
    /// The order in which the addresses of a host are tried.
    pub(crate) struct HappyEyeballsConfig: "envoy.config.cluster.v3.UpstreamConnectionOptions.HappyEyeballsConfig" {
        pub(crate) first_address_family_version: FirstAddressFamily,
        pub(crate) first_address_family_count: Option<u32>,
    }
}

enumeration! {
    /// Which version of IP is first.
    pub(crate) enum FirstAddressFamily: "envoy.config.cluster.v3.UpstreamConnectionOptions.FirstAddressFamilyVersion" {
        DEFAULT => Default,
        V4 => V4,
        V6 => V6,
    }
}

message! {
    /// Connections that are opened before requests need them.
    pub(crate) struct PreconnectPolicy: "envoy.config.cluster.v3.Cluster.PreconnectPolicy" {
        pub(crate) per_upstream_preconnect_ratio: Option<f64>,
        pub(crate) predictive_preconnect_ratio: Option<f64>,
    }
}

message! {
    /// TCP keepalive, in seconds.
    pub(crate) struct TcpKeepalive: "envoy.config.core.v3.TcpKeepalive" {
        pub(crate) keepalive_probes: Option<u32>,
        pub(crate) keepalive_time: Option<u32>,
        pub(crate) keepalive_interval: Option<u32>,
    }
}

message! {
    /// Times between retries.
    pub(crate) struct RefreshRate: "envoy.config.cluster.v3.Cluster.RefreshRate" {
        pub(crate) base_interval: Spanned<Duration>,
        pub(crate) max_interval: Option<Duration>,
    }
}

enumeration! {
    /// IP versions to ask for.
    pub(crate) enum DnsLookupFamily: "envoy.config.cluster.v3.Cluster.DnsLookupFamily" {
        AUTO => Auto,
        V4_ONLY => V4Only,
        V6_ONLY => V6Only,
        V4_PREFERRED => V4Preferred,
        ALL => All,
    }
}

/// The first and the longest time between retries; ten times the first unless said.
pub(super) fn failure_refresh(
    rate: Option<&RefreshRate>,
    ctx: &mut Ctx,
) -> Result<Option<(Duration, Duration)>, Refused> {
    rate.map(|rate| interval(&rate.base_interval, rate.max_interval, ctx))
        .transpose()
}

fn interval(
    base: &Spanned<Duration>,
    max: Option<Duration>,
    ctx: &mut Ctx,
) -> Result<(Duration, Duration), Refused> {
    let max = max.unwrap_or(base.value * 10);
    if max < base.value {
        ctx.error(
            base.span,
            "dns_failure_refresh_rate must have max_interval greater than or equal to the base_interval",
        );
        return Err(Refused);
    }
    Ok((base.value, max))
}

pub(crate) use super::bind::BindConfig;
pub(crate) use super::endpoints::ClusterLoadAssignment;
pub(crate) use super::health_check::messages::HealthCheck;
pub(crate) use super::http_options::{CommonHttpOptions, Http1Options, UpstreamHttpOptions};
pub(crate) use super::load_balancing::messages::LoadBalancingPolicy;
pub(crate) use super::load_balancing::old::{
    CommonLbConfig, LbPolicyName, OldLeastRequest, OldMaglev, OldRingHash, OldRoundRobin, OldSubset,
};
pub(crate) use super::original_dst::OriginalDstLbConfig;
pub(crate) use super::outlier_detection::OutlierDetection;
pub(crate) use super::transport_socket::{RawBuffer, TransportSocketMatch, TransportSocketMessage};
use super::upstream_config::UpstreamConfig;
