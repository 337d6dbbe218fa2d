//! The bootstrap's and the listeners' messages that the server reads.

use std::time::Duration;

use nuncio_config::typed::{Any, Attempt, Spanned};
use nuncio_config::{enumeration, message, one_of, tree};
use nuncio_contract::access_log::AccessLog;
use nuncio_contract::config_source::{ApiConfigSource, ConfigSource};
use nuncio_contract::discovered::ExtensionConfigSource;
use nuncio_contract::dns_resolver::{DnsResolutionConfig, DnsResolverExtension};
use nuncio_contract::match_tree::MatcherMessage;
use nuncio_contract::matching::{CidrRange, StringMatcher};
use nuncio_contract::metadata_message::MetadataMessage;
use nuncio_contract::stat_sink::StatsSink;
use nuncio_contract::stats::config::StatsConfig;
use nuncio_contract::tracing::Provider;
use nuncio_net::socket_options::SocketOption;
use nuncio_udp::listener::config::UdpListenerConfig;
use nuncio_upstream::config::{BindConfig, SocketOptionsOverride};

use crate::log::ApplicationLog;
use crate::overload::OverloadMessage;
use crate::runtime::LayeredRuntime;
use crate::watchdog::{WatchdogMessage, WatchdogsMessage};

message! {
    /// The whole configuration.
    pub(crate) struct Bootstrap: "envoy.config.bootstrap.v3.Bootstrap" {
        pub(crate) node: Option<Node>,
        pub(crate) node_context_params: Vec<String>,
        pub(crate) static_resources: Option<StaticResources>,
        pub(crate) dynamic_resources: Option<Attempt<DynamicResources>>,
        pub(crate) admin: Option<Attempt<Admin>>,
        pub(crate) stats_config: Option<StatsConfig>,
        pub(crate) stats_sinks: Vec<Attempt<StatsSink>>,
        pub(crate) stats_flush_interval: Option<Duration>,
        pub(crate) oneof stats_flush: Option<StatsFlush>,
        pub(crate) stats_server_version_override: Option<u64>,
        inert grpc_async_client_manager_config = "it concerns a cache that is not here";
        inert perf_tracing_file_path = "Envoy itself writes it only where it was built for that";
        pub(crate) layered_runtime: Option<LayeredRuntime>,
        pub(crate) cluster_manager: Option<ClusterManagerMessage>,
        pub(crate) typed_dns_resolver_config: Option<DnsResolverExtension>,
        pub(crate) dns_resolution_config: Option<DnsResolutionConfig>,
        pub(crate) use_tcp_for_dns_lookups: bool,
        pub(crate) overload_manager: Option<OverloadMessage>,
        pub(crate) application_log_config: Option<ApplicationLog>,
        pub(crate) deferred_stat_options: Option<DeferredStats>,
        pub(crate) default_regex_engine: Option<Extension>,
        pub(crate) header_prefix: Spanned<String>,
        inert memory_allocator_manager = "the allocator gives free memory back by itself",
        pub(crate) oneof stats_eviction: Option<StatsEviction>,
        pub(crate) watchdog: Option<WatchdogMessage>,
        pub(crate) watchdogs: Option<WatchdogsMessage>,
        pub(crate) bootstrap_extensions: Vec<BootstrapExtension>,
        pub(crate) hds_config: Option<Attempt<ApiConfigSource>>,
        pub(crate) tracing: Option<DefaultTracing>,
    }
}

message! {
    /// Who tells of requests where a connection manager names nobody.
    pub(crate) struct DefaultTracing: "envoy.config.trace.v3.Tracing" {
        pub(crate) http: Option<Provider>,
    }
}

message! {
    /// An extension of the whole.
    pub(crate) struct BootstrapExtension: "envoy.config.core.v3.TypedExtensionConfig" {
        pub(crate) name: Spanned<String>,
        pub(crate) typed_config: Option<Any>,
    }
}

message! {
    /// Which stats are listed once they are used.
    pub(crate) struct DeferredStats: "envoy.config.bootstrap.v3.Bootstrap.DeferredStatOptions" {
        pub(crate) enable_deferred_creation_stats: bool,
    }
}

message! {
    /// An extension.
    pub(crate) struct Extension: "envoy.config.core.v3.TypedExtensionConfig" {
        pub(crate) name: Spanned<String>,
        pub(crate) typed_config: Any,
    }
}

one_of! {
    /// How often stats go that nobody uses any more.
    pub(crate) enum StatsEviction {
        stats_eviction_interval => Interval(Spanned<Duration>),
    }
}

message! {
    /// What concerns all clusters.
    pub(crate) struct ClusterManagerMessage: "envoy.config.bootstrap.v3.ClusterManager" {
        pub(crate) local_cluster_name: String,
        pub(crate) outlier_detection: Option<OutlierDetectionLog>,
        pub(crate) upstream_bind_config: Option<BindConfig>,
        pub(crate) load_stats_config: Option<ApiConfigSource>,
        inert enable_deferred_cluster_creation = "a worker makes its part of a cluster when it first uses it",
    }
}

message! {
    /// Where ejections are told.
    pub(crate) struct OutlierDetectionLog: "envoy.config.bootstrap.v3.ClusterManager.OutlierDetection" {
        pub(crate) event_log_path: Spanned<String>,
    }
}

one_of! {
    /// When stats are flushed, if not by the clock.
    pub(crate) enum StatsFlush {
        stats_flush_on_admin => OnAdmin(bool),
    }
}

message! {
    /// Who this proxy is.
    pub(crate) struct Node: "envoy.config.core.v3.Node" {
        pub(crate) id: String,
        pub(crate) cluster: String,
        pub(crate) locality: Option<Locality>,
        inert user_agent_name = "it is shown as the metadata is";
        inert user_agent_build_version = "it is shown as the metadata is";
        inert user_agent_version = "the server puts its build in its place, as in Envoy";
        inert extensions = "they are shown as the metadata is, before the server's own";
        inert client_features = "they are shown as the metadata is";
        inert dynamic_parameters = "they are shown as the metadata is";
        inert listening_addresses = "they are shown as the metadata is";
        inert metadata = "it is shown to control planes and in /server_info, which print the message itself";
    }
}

message! {
    /// Where this proxy is.
    pub(crate) struct Locality: "envoy.config.core.v3.Locality" {
        pub(crate) zone: String,
        pub(crate) region: String,
        pub(crate) sub_zone: String,
    }
}

message! {
    /// Where listeners and clusters come from that are not there from the start.
    pub(crate) struct DynamicResources: "envoy.config.bootstrap.v3.Bootstrap.DynamicResources" {
        pub(crate) lds_config: Option<ConfigSource>,
        pub(crate) lds_resources_locator: Spanned<String>,
        pub(crate) cds_config: Option<ConfigSource>,
        pub(crate) cds_resources_locator: Spanned<String>,
        pub(crate) ads_config: Option<ApiConfigSource>,
    }
}

message! {
    /// Listeners, clusters and secrets that are there from the start.
    pub(crate) struct StaticResources: "envoy.config.bootstrap.v3.Bootstrap.StaticResources" {
        pub(crate) listeners: Vec<Attempt<Listener>>,
        pub(crate) clusters: Vec<std::sync::Arc<tree::Message>>,
        pub(crate) secrets: Vec<std::sync::Arc<tree::Message>>,
    }
}

message! {
    /// The admin interface.
    pub(crate) struct Admin: "envoy.config.bootstrap.v3.Admin" {
        pub(crate) access_log: Vec<AccessLog>,
        pub(crate) access_log_path: Spanned<String>,
        pub(crate) address: Option<Address>,
        pub(crate) allow_paths: Vec<StringMatcher>,
        inert profile_path = "no profiler writes to it",
        pub(crate) ignore_global_conn_limit: bool,
    }
}

message! {
    /// A unix domain socket.
    pub(crate) struct Pipe: "envoy.config.core.v3.Pipe" {
        pub(crate) path: Spanned<String>,
        pub(crate) mode: u32,
    }
}

message! {
    /// A socket's address.
    pub(crate) struct Address: "envoy.config.core.v3.Address" {
        pub(crate) oneof address: AddressKind,
    }
}

one_of! {
    /// The kinds of address.
    pub(crate) enum AddressKind {
        socket_address => SocketAddress(SocketAddress),
        pipe => Pipe(Pipe),
    }
}

message! {
    /// An IP address and a port.
    pub(crate) struct SocketAddress: "envoy.config.core.v3.SocketAddress" {
        pub(crate) protocol: SocketProtocol,
        pub(crate) address: Spanned<String>,
        pub(crate) oneof port_specifier: PortSpecifier,
        pub(crate) resolver_name: Spanned<String>,
        pub(crate) ipv4_compat: bool,
    }
}

enumeration! {
    /// The transport.
    pub(crate) enum SocketProtocol: "envoy.config.core.v3.SocketAddress.Protocol" {
        TCP => Tcp,
        UDP => Udp,
    }
}

one_of! {
    /// The port.
    pub(crate) enum PortSpecifier {
        port_value => Value(u32),
    }
}

message! {
    /// A listener.
    pub(crate) struct Listener: "envoy.config.listener.v3.Listener" {
        pub(crate) metadata: Option<MetadataMessage>,
        pub(crate) name: Spanned<String>,
        pub(crate) address: Option<Address>,
        pub(crate) oneof listener_specifier: Option<ListenerKind>,
        pub(crate) stat_prefix: String,
        pub(crate) filter_chains: Vec<FilterChain>,
        pub(crate) filter_chain_matcher: Option<MatcherMessage>,
        pub(crate) default_filter_chain: Option<FilterChain>,
        pub(crate) per_connection_buffer_limit_bytes: Option<u32>,
        pub(crate) traffic_direction: TrafficDirection,
        pub(crate) enable_reuse_port: Option<bool>,
        pub(crate) reuse_port: bool,
        pub(crate) tcp_backlog_size: Option<u32>,
        pub(crate) freebind: Option<bool>,
        pub(crate) transparent: Option<bool>,
        pub(crate) listener_filters: Vec<ListenerFilter>,
        pub(crate) listener_filters_timeout: Option<Duration>,
        pub(crate) continue_on_listener_filters_timeout: bool,
        pub(crate) ignore_global_conn_limit: bool,
        pub(crate) udp_listener_config: Option<UdpListenerConfig>,
        pub(crate) use_original_dst: Option<bool>,
        pub(crate) bind_to_port: Option<bool>,
        pub(crate) tcp_keepalive: Option<TcpKeepalive>,
        pub(crate) socket_options: Vec<SocketOption>,
        pub(crate) additional_addresses: Vec<AdditionalAddress>,
        pub(crate) connection_balance_config: Option<ConnectionBalance>,
        pub(crate) enable_mptcp: Spanned<bool>,
        inert max_connections_to_accept_per_socket_event = "connections are accepted one by one, others in between",
        pub(crate) bypass_overload_manager: bool,
        pub(crate) access_log: Vec<AccessLog>,
        pub(crate) drain_type: DrainType,
        pub(crate) tcp_fast_open_queue_length: Option<u32>,
    }
}

enumeration! {
    /// When a listener's connections are seen off.
    pub(crate) enum DrainType: "envoy.config.listener.v3.Listener.DrainType" {
        DEFAULT => Always,
        MODIFY_ONLY => ModifyOnly,
    }
}

one_of! {
    /// The kinds of listener that have no address.
    pub(crate) enum ListenerKind {
        internal_listener => Internal(InternalKind),
    }
}

message! {
    /// One inside of the process.
    pub(crate) struct InternalKind: "envoy.config.listener.v3.Listener.InternalListenerConfig" {}
}

message! {
    /// One more address of a listener.
    pub(crate) struct AdditionalAddress: "envoy.config.listener.v3.AdditionalAddress" {
        pub(crate) address: Option<Address>,
        pub(crate) socket_options: Option<SocketOptionsOverride>,
        pub(crate) tcp_keepalive: Option<TcpKeepalive>,
    }
}

message! {
    /// How connections are spread over the workers.
    pub(crate) struct ConnectionBalance: "envoy.config.listener.v3.Listener.ConnectionBalanceConfig" {
        pub(crate) oneof balance_type: BalanceType,
    }
}

one_of! {
    /// The ways to spread connections.
    pub(crate) enum BalanceType {
        exact_balance => Exact(ExactBalance),
    }
}

message! {
    /// To the worker with the fewest.
    pub(crate) struct ExactBalance: "envoy.config.listener.v3.Listener.ConnectionBalanceConfig.ExactBalance" {}
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
    /// What looks at a connection before it has a filter chain.
    pub(crate) struct ListenerFilter: "envoy.config.listener.v3.ListenerFilter" {
        pub(crate) name: Spanned<String>,
        pub(crate) oneof config_type: Option<ListenerFilterType>,
        pub(crate) filter_disabled: Option<ListenerPredicate>,
    }
}

one_of! {
    /// Where the listener filter's config is.
    pub(crate) enum ListenerFilterType {
        typed_config => TypedConfig(Any),
        config_discovery => ConfigDiscovery(ExtensionConfigSource),
    }
}

message! {
    /// Which connections a listener filter leaves alone.
    pub(crate) struct ListenerPredicate: "envoy.config.listener.v3.ListenerFilterChainMatchPredicate" {
        pub(crate) oneof rule: ListenerRule,
    }
}

one_of! {
    /// The kinds of such a condition.
    pub(crate) enum ListenerRule {
        or_match => Any(ListenerPredicates),
        and_match => All(ListenerPredicates),
        not_match => Not(Box<ListenerPredicate>),
        any_match => Always(bool),
        destination_port_range => Ports(PortRange),
    }
}

message! {
    /// Several conditions.
    pub(crate) struct ListenerPredicates: "envoy.config.listener.v3.ListenerFilterChainMatchPredicate.MatchSet" {
        pub(crate) rules: Vec<ListenerPredicate>,
    }
}

message! {
    /// `start <= x < end`.
    pub(crate) struct PortRange: "envoy.type.v3.Int32Range" {
        pub(crate) start: i32,
        pub(crate) end: i32,
    }
}

enumeration! {
    /// Whether a listener's clients are outside or inside.
    pub(crate) enum TrafficDirection: "envoy.config.core.v3.TrafficDirection" {
        UNSPECIFIED => Unspecified,
        INBOUND => Inbound,
        OUTBOUND => Outbound,
    }
}

message! {
    /// The filters of the connections that match.
    pub(crate) struct FilterChain: "envoy.config.listener.v3.FilterChain" {
        pub(crate) metadata: Option<MetadataMessage>,
        pub(crate) filters: Vec<Filter>,
        pub(crate) name: String,
        pub(crate) filter_chain_match: Option<FilterChainMatch>,
        pub(crate) transport_socket: Option<TransportSocket>,
        pub(crate) transport_socket_connect_timeout: Option<Duration>,
    }
}

message! {
    /// Which connections a filter chain takes.
    pub(crate) struct FilterChainMatch: "envoy.config.listener.v3.FilterChainMatch" {
        pub(crate) destination_port: Option<u32>,
        pub(crate) prefix_ranges: Vec<CidrRange>,
        pub(crate) address_suffix: String,
        pub(crate) suffix_len: Option<u32>,
        pub(crate) direct_source_prefix_ranges: Vec<CidrRange>,
        pub(crate) source_type: SourceType,
        pub(crate) source_prefix_ranges: Vec<CidrRange>,
        pub(crate) source_ports: Vec<u32>,
        pub(crate) server_names: Vec<String>,
        pub(crate) transport_protocol: String,
        pub(crate) application_protocols: Vec<String>,
    }
}

enumeration! {
    /// Where a connection comes from.
    pub(crate) enum SourceType: "envoy.config.listener.v3.FilterChainMatch.ConnectionSourceType" {
        ANY => Any,
        SAME_IP_OR_LOOPBACK => SameIpOrLoopback,
        EXTERNAL => External,
    }
}

message! {
    /// What bytes go through on their way to the socket.
    pub(crate) struct TransportSocket: "envoy.config.core.v3.TransportSocket" {
        pub(crate) name: Spanned<String>,
        pub(crate) oneof config_type: Option<TransportSocketConfig>,
    }
}

one_of! {
    /// Where the config is.
    pub(crate) enum TransportSocketConfig {
        typed_config => TypedConfig(Any),
    }
}

message! {
    /// A network filter.
    pub(crate) struct Filter: "envoy.config.listener.v3.Filter" {
        pub(crate) name: Spanned<String>,
        pub(crate) oneof config_type: Option<FilterConfigType>,
    }
}

one_of! {
    /// Where the filter's config is.
    pub(crate) enum FilterConfigType {
        typed_config => TypedConfig(Any),
        config_discovery => ConfigDiscovery(ExtensionConfigSource),
    }
}
