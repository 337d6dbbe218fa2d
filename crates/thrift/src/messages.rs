//! The messages of the Thrift proxy.

use nuncio_config::typed::{Any, Spanned};
use nuncio_config::{message, one_of};
use nuncio_contract::access_log::AccessLog;
use nuncio_contract::matching::{HeaderMatcher, RuntimeFractionalPercent};
use nuncio_contract::metadata_message::MetadataMessage;
use nuncio_contract::rate_limit::RateLimitMessage;
use nuncio_upstream::config::{ProtocolType, TransportType};

message! {
    /// The filter's config.
    pub(crate) struct ThriftProxyMessage: "envoy.extensions.filters.network.thrift_proxy.v3.ThriftProxy" {
        pub(crate) transport: TransportType,
        pub(crate) protocol: ProtocolType,
        pub(crate) stat_prefix: String,
        pub(crate) route_config: Option<RouteConfiguration>,
        pub(crate) thrift_filters: Vec<ThriftFilter>,
        pub(crate) payload_passthrough: bool,
        pub(crate) max_requests_per_connection: Option<u32>,
        pub(crate) access_log: Vec<AccessLog>,
        pub(crate) header_keys_preserve_case: bool,
    }
}

message! {
    /// A filter of calls.
    pub(crate) struct ThriftFilter: "envoy.extensions.filters.network.thrift_proxy.v3.ThriftFilter" {
        pub(crate) name: Spanned<String>,
        pub(crate) typed_config: Option<Any>,
    }
}

message! {
    /// Where calls go.
    pub(crate) struct RouteConfiguration: "envoy.extensions.filters.network.thrift_proxy.v3.RouteConfiguration" {
        inert name = "nothing shows it but the dump of the configuration",
        pub(crate) routes: Vec<RouteMessage>,
        pub(crate) validate_clusters: Option<bool>,
    }
}

message! {
    /// Where some calls go.
    pub(crate) struct RouteMessage: "envoy.extensions.filters.network.thrift_proxy.v3.Route" {
        pub(crate) r#match: RouteMatch,
        pub(crate) route: RouteAction,
    }
}

message! {
    /// Which.
    pub(crate) struct RouteMatch: "envoy.extensions.filters.network.thrift_proxy.v3.RouteMatch" {
        pub(crate) oneof match_specifier: MatchSpecifier,
        pub(crate) invert: bool,
        pub(crate) headers: Vec<HeaderMatcher>,
    }
}

one_of! {
    /// By what.
    pub(crate) enum MatchSpecifier {
        method_name => Method(String),
        service_name => Service(String),
    }
}

message! {
    /// What becomes of them.
    pub(crate) struct RouteAction: "envoy.extensions.filters.network.thrift_proxy.v3.RouteAction" {
        pub(crate) oneof cluster_specifier: ClusterSpecifier,
        pub(crate) metadata_match: Option<MetadataMessage>,
        pub(crate) rate_limits: Vec<RateLimitMessage>,
        pub(crate) strip_service_name: bool,
        pub(crate) request_mirror_policies: Vec<MirrorMessage>,
    }
}

one_of! {
    /// Where to.
    pub(crate) enum ClusterSpecifier {
        cluster => Cluster(Spanned<String>),
        weighted_clusters => Weighted(WeightedCluster),
        cluster_header => Header(String),
    }
}

message! {
    /// Clusters of which each call draws one.
    pub(crate) struct WeightedCluster: "envoy.extensions.filters.network.thrift_proxy.v3.WeightedCluster" {
        pub(crate) clusters: Vec<ClusterWeight>,
    }
}

message! {
    /// A cluster and its share.
    pub(crate) struct ClusterWeight: "envoy.extensions.filters.network.thrift_proxy.v3.WeightedCluster.ClusterWeight" {
        pub(crate) name: Spanned<String>,
        pub(crate) weight: Option<u32>,
        pub(crate) metadata_match: Option<MetadataMessage>,
    }
}

message! {
    /// Where calls go as well.
    pub(crate) struct MirrorMessage: "envoy.extensions.filters.network.thrift_proxy.v3.RouteAction.RequestMirrorPolicy" {
        pub(crate) cluster: Spanned<String>,
        pub(crate) runtime_fraction: Option<RuntimeFractionalPercent>,
    }
}
