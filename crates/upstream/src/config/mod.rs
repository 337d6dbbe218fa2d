//! `envoy.config.cluster.v3.Cluster`: what is honoured of it, and how it becomes settings.
//!
//! What is not declared here is refused where it stands. Defaults are Envoy's and stand with
//! [`ClusterSettings`], [`Thresholds`] and [`DnsSettings`].

mod aggregate;
mod alternates_options;
mod bind;
mod breakers;
mod composite;
mod defaults;
mod endpoint_metadata;
mod endpoints;
mod forward_proxy;
mod header_case;
mod health_check;
mod http2_options;
mod http2_parameters;
mod http3_options;
mod http_options;
mod ignored_upgrades;
mod load_balancing;
mod messages;
mod original_dst;
mod outlier_detection;
mod redis_cluster;
mod redis_options;
mod support;
mod tcp_options;
#[cfg(test)]
mod tests;
mod thrift_options;
mod transport_socket;
mod upstream_config;

use std::sync::Arc;
use std::time::Duration;

use nuncio_config::runtime::RuntimeKey;
use nuncio_config::tree::Message;
use nuncio_config::typed::{Ctx, Refused, decode};
use nuncio_contract::access_log::AccessLogFiles;
use nuncio_contract::dns_resolver::ChosenResolver;
use nuncio_contract::gcp_audience::{self, AudienceMessage, GcpAudience};
use nuncio_contract::http_filter_message::HttpFilterMessage;
use nuncio_contract::metadata_message::MetadataMessage;
use nuncio_contract::registry::HttpFilterRooms;
use nuncio_contract::upstream_filters::{ChainOf, UpstreamFilters};
use nuncio_net::connect::{ConnectOptions, Keepalive};
use nuncio_net::dns::LookupFamily;

use crate::cluster::{
    ClusterSettings, ClusterType, DropOverload, EdsSource, HappyEyeballs, HostStatuses, Preconnect,
    ProvidedSettings, TrackedStats,
};
use crate::outlier_detection::OutlierSettings;
use crate::transport_socket::TransportSocket;

pub use bind::{BindConfig, Bound, SocketOptionsOverride};
pub use defaults::DEFAULTS;
pub use endpoints::{Assignment, EndpointSpec};
pub use header_case::HeaderKeyFormat;
use http_options::HttpProtocolOptions;
pub use http2_options::Http2Options;
pub use ignored_upgrades::ignored_upgrades;
use messages::{
    Cluster, ClusterDiscoveryType, CommonLbConfig, DiscoveryType, DnsLookupFamily,
    FirstAddressFamily, LbPolicyName,
};
pub use support::support;
pub use thrift_options::{ProtocolType, TransportType};

/// A cluster as configured, ready to be added to the [`ClusterManager`](crate::ClusterManager).
#[derive(Debug)]
pub struct ClusterConfig {
    /// What the request path reads.
    pub settings: ClusterSettings,
    /// How connections are secured.
    pub transport_socket: TransportSocket,
    /// The endpoints as written: addresses, or names to resolve.
    pub endpoints: Vec<EndpointSpec>,
    /// How names are resolved.
    pub dns: DnsSettings,
    /// Whether the start waits for the first resolution.
    pub wait_for_warm_on_init: bool,
    /// How hosts are found out that answer with errors, if they are.
    pub outlier_detection: Option<Arc<OutlierSettings>>,
    /// Whether it says itself where its connections come from.
    pub is_bound: bool,
    /// Its filters as written, until they are [compiled](Self::compile_filters).
    pub(crate) http_filters: Vec<HttpFilterMessage>,
}

/// How a cluster's names are resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsSettings {
    /// Time between resolutions (5 s).
    pub refresh_rate: Duration,
    /// Whether the answer's TTL takes the place of the refresh rate.
    pub respect_ttl: bool,
    /// Time to the first retry after a failure, and the longest: doubled each time. `None`: as `refresh_rate`.
    pub failure_refresh: Option<(Duration, Duration)>,
    /// IP versions to ask for.
    pub family: LookupFamily,
    /// The longest time that is added to the time between resolutions, by chance.
    pub jitter: Duration,
    /// The shortest time between resolutions, whatever the answer's TTL.
    pub min_refresh_rate: Duration,
    /// Who is asked.
    pub resolver: ChosenResolver,
}

impl Default for DnsSettings {
    fn default() -> Self {
        Self {
            refresh_rate: Duration::from_secs(5),
            respect_ttl: false,
            failure_refresh: None,
            family: LookupFamily::Auto,
            jitter: Duration::ZERO,
            min_refresh_rate: Duration::ZERO,
            resolver: None,
        }
    }
}

impl ClusterConfig {
    /// Reads a cluster; everything that is wrong with it is reported to `ctx`.
    ///
    /// # Errors
    /// [`Refused`] when the cluster cannot be used.
    pub fn parse(message: &Arc<Message>, ctx: &mut Ctx) -> Result<Self, Refused> {
        let errors_before = ctx.diagnostics.errors();
        let cluster: Cluster = decode(message, ctx)?;
        let kind = discovery(&cluster, ctx)?;
        check_policy(&cluster, kind.provided.is_some(), ctx)?;
        let endpoints = endpoints::read(&cluster, kind.cluster_type, ctx)?;
        let socket = transport_socket::read(cluster.transport_socket.as_ref(), ctx)?;
        let options = http_options::decode(&cluster, ctx)?;
        let options = options.as_ref();
        let mut settings = settings(&cluster, options, kind.cluster_type, ctx)?;
        if kind.cluster_type == ClusterType::DynamicForwardProxy {
            let names = &mut settings.http.auto_names;
            forward_proxy::name_connections(&cluster, options, kind.may_be_insecure, names, ctx)?;
        }
        for (key, any) in &cluster.typed_extension_protocol_options {
            if key == redis_options::KEY {
                settings.redis = redis_options::read(any, ctx)?;
            }
            if key == tcp_options::KEY {
                let default = settings.tcp_idle_timeout;
                settings.tcp_idle_timeout = tcp_options::read(any, default, ctx)?;
            }
            if key == thrift_options::KEY {
                settings.thrift = thrift_options::read(any, ctx)?;
            }
        }
        upstream_config::check(cluster.upstream_config.as_ref(), ctx)?;
        settings.provided = kind.provided;
        settings.socket_matches = transport_socket::read_matches(&cluster, ctx)?;
        transport_socket::check_agreement(&cluster, &settings, &socket, ctx);
        transport_socket::check_quic(&cluster, &settings, &socket, ctx);
        let matches = settings.socket_matches.iter();
        let sockets = matches.flat_map(|matches| matches.sockets());
        settings.tells_clients = sockets
            .chain([&socket])
            .any(|one| one.proxy_protocol().is_some());
        let outlier_detection = outlier_detection::read(&cluster, options, ctx)?;
        if ctx.diagnostics.errors() > errors_before {
            return Err(Refused);
        }
        Ok(Self {
            settings,
            transport_socket: socket,
            endpoints,
            dns: kind.dns,
            wait_for_warm_on_init: cluster.wait_for_warm_on_init.unwrap_or(true),
            outlier_detection,
            is_bound: cluster.upstream_bind_config.is_some(),
            http_filters: options.map_or_else(Vec::new, |options| options.http_filters.clone()),
        })
    }

    /// Has connections come from these addresses, with these options, unless the cluster says itself where from.
    pub fn bind_by_default(&mut self, bound: &Bound) {
        if !self.is_bound {
            let options = &mut self.settings.connect_options;
            options.sources.clone_from(&bound.sources);
            options.others.clone_from(&bound.options);
        }
    }
}

impl ClusterConfig {
    /// Its transport sockets, its own first.
    pub fn sockets(&self) -> Vec<Arc<TransportSocket>> {
        let matches = self.settings.socket_matches.iter();
        let matches = matches.flat_map(|matches| &matches.all);
        [Arc::new(self.transport_socket.clone())]
            .into_iter()
            .chain(matches.map(|one| Arc::clone(&one.socket)))
            .collect()
    }

    /// Compiles the filters between the router and the cluster's hosts.
    ///
    /// # Errors
    /// [`Refused`] when they cannot be used.
    pub fn compile_filters(
        &mut self,
        rooms: HttpFilterRooms,
        ctx: &mut Ctx,
    ) -> Result<(), Refused> {
        let filters = std::mem::take(&mut self.http_filters);
        let filters = UpstreamFilters::compile(&filters, ChainOf::Cluster, rooms, ctx)?;
        self.settings.http.filters = filters;
        Ok(())
    }

    /// Opens the files that are told of health checks.
    ///
    /// # Errors
    /// [`Refused`] when one cannot be opened.
    pub fn open_event_logs(
        &self,
        files: Option<&dyn AccessLogFiles>,
        ctx: &mut Ctx,
    ) -> Result<(), Refused> {
        match &self.settings.health_checks {
            Some(checks) => health_check::open_event_logs(checks, files, ctx),
            None => Ok(()),
        }
    }
}

/// How a cluster is discovered, by whichever field says so.
struct Discovery {
    cluster_type: ClusterType,
    dns: DnsSettings,
    provided: Option<ProvidedSettings>,
    may_be_insecure: bool,
}

impl Discovery {
    fn plain(cluster_type: ClusterType) -> Self {
        Self {
            cluster_type,
            dns: DnsSettings::default(),
            provided: None,
            may_be_insecure: true,
        }
    }
}

fn discovery(cluster: &Cluster, ctx: &mut Ctx) -> Result<Discovery, Refused> {
    let kind = match &cluster.cluster_discovery_type {
        None => DiscoveryType::Static,
        Some(ClusterDiscoveryType::Type(kind)) => *kind,
        Some(ClusterDiscoveryType::ClusterType(custom)) => return custom.discovery(cluster, ctx),
    };
    let cluster_type = match kind {
        DiscoveryType::Static => ClusterType::Static,
        DiscoveryType::StrictDns => ClusterType::StrictDns,
        DiscoveryType::LogicalDns => ClusterType::LogicalDns,
        DiscoveryType::Eds => ClusterType::Eds,
        DiscoveryType::OriginalDst => return original_destination(cluster, ctx),
    };
    let dns = DnsSettings {
        refresh_rate: cluster
            .dns_refresh_rate
            .unwrap_or(DnsSettings::default().refresh_rate),
        respect_ttl: cluster.respect_dns_ttl,
        failure_refresh: messages::failure_refresh(cluster.dns_failure_refresh_rate.as_ref(), ctx)?,
        family: family(cluster.dns_lookup_family),
        jitter: cluster.dns_jitter.unwrap_or_default(),
        resolver: cluster.resolver(ctx)?,
        ..DnsSettings::default()
    };
    Ok(Discovery {
        dns,
        ..Discovery::plain(cluster_type)
    })
}

fn original_destination(cluster: &Cluster, ctx: &mut Ctx) -> Result<Discovery, Refused> {
    let settings = original_dst::read(cluster, ctx)?;
    Ok(Discovery {
        provided: Some(ProvidedSettings::OriginalDst(Box::new(settings))),
        ..Discovery::plain(ClusterType::OriginalDst)
    })
}

fn family(family: DnsLookupFamily) -> LookupFamily {
    match family {
        DnsLookupFamily::Auto => LookupFamily::Auto,
        DnsLookupFamily::V4Only => LookupFamily::V4Only,
        DnsLookupFamily::V6Only => LookupFamily::V6Only,
        DnsLookupFamily::V4Preferred => LookupFamily::V4Preferred,
        DnsLookupFamily::All => LookupFamily::All,
    }
}

/// As in Envoy, what is another message is none.
fn audience(cluster: &Cluster, ctx: &mut Ctx) -> Result<Option<Arc<GcpAudience>>, Refused> {
    let metadata = cluster.metadata.as_ref();
    let any = metadata.and_then(|it| it.typed(gcp_audience::KEY, gcp_audience::MESSAGE));
    let message = any.map(|any| any.decode::<AudienceMessage>(ctx));
    Ok(message
        .transpose()?
        .map(|it| Arc::new(GcpAudience::from(&it))))
}

fn settings(
    cluster: &Cluster,
    options: Option<&HttpProtocolOptions>,
    cluster_type: ClusterType,
    ctx: &mut Ctx,
) -> Result<ClusterSettings, Refused> {
    let mut settings = ClusterSettings::named(&cluster.name);
    settings.cluster_type = cluster_type;
    settings.eds = eds(cluster, cluster_type, ctx)?;
    settings.alt_stat_name =
        (!cluster.alt_stat_name.is_empty()).then(|| cluster.alt_stat_name.as_str().into());
    settings.metadata = cluster.metadata.as_ref().and_then(MetadataMessage::read);
    settings.audience = audience(cluster, ctx)?;
    settings.lb = load_balancing::read(cluster, ctx)?;
    check_locality_weights(cluster, ctx)?;
    check_hashing(cluster, cluster_type, ctx)?;
    if let Some(timeout) = cluster.connect_timeout {
        settings.connect_timeout = timeout;
    }
    if let Some(limit) = cluster.per_connection_buffer_limit_bytes {
        settings.per_connection_buffer_limit_bytes = limit;
    }
    settings.runtime = ctx.runtime.clone();
    if let Some(breakers) = &cluster.circuit_breakers {
        settings.thresholds = breakers::read(breakers, ctx)?;
    }
    if let Some(common) = &cluster.common_lb_config {
        settings.close_connections_on_host_set_change = common.close_connections_on_host_set_change;
        settings.override_host_statuses = override_host_statuses(common);
        if let Some(window) = common.update_merge_window {
            settings.update_merge_window = window;
        }
    }
    if cluster_type == ClusterType::Eds {
        settings.drop_overload.limit = drop_overload_limit(ctx);
    } else if let Some(assignment) = &cluster.load_assignment {
        settings.drop_overload = DropOverload {
            share: assignment.drop_share(ctx)?,
            category: assignment.drop_category().into(),
            limit: drop_overload_limit(ctx),
        };
        settings.level_options = assignment.level_options();
    }
    settings.connect_options = connect_options(cluster);
    settings.happy_eyeballs = happy_eyeballs(cluster);
    let tracked = cluster.track_cluster_stats.as_ref();
    settings.tracked = TrackedStats {
        endpoints: tracked.is_some_and(|tracked| tracked.per_endpoint_stats),
        sizes: tracked.is_some_and(|tracked| tracked.request_response_sizes),
        budgets: cluster.track_timeout_budgets
            || tracked.is_some_and(|tracked| tracked.timeout_budgets),
    };
    settings.preconnect = cluster.preconnect_policy.as_ref().map(|policy| Preconnect {
        per_upstream: policy.per_upstream_preconnect_ratio.unwrap_or(1.0),
        predictive: policy.predictive_preconnect_ratio.unwrap_or(0.0),
    });
    settings.close_connections_on_host_health_failure =
        cluster.close_connections_on_host_health_failure;
    if let Some(bind) = &cluster.upstream_bind_config {
        let of = format!("Cluster {}", cluster.name.value);
        let bound = bind.compile(&of, ctx)?;
        settings.connect_options.sources = bound.sources;
        settings.connect_options.others = bound.options;
    }
    settings.http = http_options::read(cluster, options, &mut settings.hash_policies, ctx)?;
    settings.health_checks = health_check::read(cluster, settings.http.protocol, ctx)?;
    Ok(settings)
}

/// Where the hosts of a cluster of type EDS come from; other types have no use for it.
fn eds(
    cluster: &Cluster,
    cluster_type: ClusterType,
    ctx: &mut Ctx,
) -> Result<Option<Box<EdsSource>>, Refused> {
    let config = cluster.eds_cluster_config.as_ref();
    if cluster_type != ClusterType::Eds {
        return match config {
            Some(config) => {
                let text = "eds_cluster_config set in a non-EDS cluster";
                ctx.error(config.span(), text);
                Err(Refused)
            }
            None => Ok(None),
        };
    }
    let source = config.and_then(|config| Some((config, config.eds_config.as_ref()?)));
    let Some((config, source)) = source else {
        let text = "cannot create an EDS cluster without an EDS config";
        ctx.error(cluster.name.span, text);
        return Err(Refused);
    };
    Ok(Some(Box::new(EdsSource {
        source: source.source(ctx)?,
        service_name: config.service_name.as_str().into(),
    })))
}

fn drop_overload_limit(ctx: &mut Ctx) -> RuntimeKey {
    ctx.runtime.key("load_balancing_policy.drop_overload_limit")
}

fn happy_eyeballs(cluster: &Cluster) -> HappyEyeballs {
    let options = cluster.upstream_connection_options.as_ref();
    let config = options.and_then(|options| options.happy_eyeballs_config.as_ref());
    config.map_or_else(HappyEyeballs::default, |config| HappyEyeballs {
        first_is_ipv4: match config.first_address_family_version {
            FirstAddressFamily::Default => None,
            FirstAddressFamily::V4 => Some(true),
            FirstAddressFamily::V6 => Some(false),
        },
        first_count: config.first_address_family_count.unwrap_or(1),
    })
}

fn connect_options(cluster: &Cluster) -> ConnectOptions {
    let keepalive = cluster
        .upstream_connection_options
        .as_ref()
        .and_then(|options| options.tcp_keepalive.as_ref())
        .map(|keepalive| Keepalive {
            probes: keepalive.keepalive_probes,
            time: keepalive
                .keepalive_time
                .map(|seconds| Duration::from_secs(seconds.into())),
            interval: keepalive
                .keepalive_interval
                .map(|seconds| Duration::from_secs(seconds.into())),
        });
    ConnectOptions {
        keepalive,
        ..ConnectOptions::default()
    }
}

fn override_host_statuses(common: &CommonLbConfig) -> HostStatuses {
    match &common.override_host_status {
        None => HostStatuses::default(),
        Some(set) => set
            .statuses
            .iter()
            .fold(HostStatuses::NONE, |all, one| all.with(one.discovered())),
    }
}

/// Clusters that choose hosts themselves and no others say so.
fn check_policy(cluster: &Cluster, is_provided: bool, ctx: &mut Ctx) -> Result<(), Refused> {
    let kind = &cluster.cluster_discovery_type;
    if matches!(
        kind,
        Some(ClusterDiscoveryType::Type(DiscoveryType::OriginalDst))
    ) {
        // What is wrong with these is said in other words, with the whole.
        return Ok(());
    }
    let says_so = match &cluster.load_balancing_policy {
        Some(policy) => policy.is_cluster_provided(),
        None => cluster.lb_policy == LbPolicyName::ClusterProvided,
    };
    if is_provided == says_so {
        return Ok(());
    }
    let name = &cluster.name.value;
    let text = match says_so {
        true => format!(
            "cluster manager: cluster provided LB specified but cluster '{name}' did not provide one. Check cluster documentation."
        ),
        false => format!(
            "cluster manager: cluster provided LB not specified but cluster '{name}' provided one. Check cluster documentation."
        ),
    };
    let error = ctx.error(cluster.name.span, text);
    if !says_so {
        error.suggest("set `lb_policy: CLUSTER_PROVIDED`");
    }
    Err(Refused)
}

/// Only names that were resolved are known to hosts for certain.
fn check_hashing(
    cluster: &Cluster,
    cluster_type: ClusterType,
    ctx: &mut Ctx,
) -> Result<(), Refused> {
    let common = cluster.common_lb_config.as_ref();
    let hashing = common.and_then(|common| common.consistent_hashing_lb_config.as_ref());
    let name = match cluster_type {
        ClusterType::StrictDns => return Ok(()),
        ClusterType::Static => "envoy.cluster.static",
        ClusterType::LogicalDns => "envoy.cluster.logical_dns",
        ClusterType::Eds => "envoy.cluster.eds",
        ClusterType::DynamicForwardProxy => "envoy.clusters.dynamic_forward_proxy",
        ClusterType::OriginalDst => "envoy.cluster.original_dst",
        ClusterType::Aggregate => "envoy.clusters.aggregate",
        ClusterType::Composite => "envoy.clusters.composite",
        ClusterType::Redis => "envoy.clusters.redis",
    };
    match hashing.filter(|hashing| hashing.use_hostname_for_hashing) {
        None => Ok(()),
        Some(hashing) => {
            let text = format!(
                "Cannot use hostname for consistent hashing loadbalancing for cluster of type: '{name}'"
            );
            ctx.error(hashing.span(), text);
            Err(Refused)
        }
    }
}

fn check_locality_weights(cluster: &Cluster, ctx: &mut Ctx) -> Result<(), Refused> {
    let aware = cluster
        .lb_subset_config
        .as_ref()
        .is_some_and(|subset| subset.locality_weight_aware);
    let common = cluster.common_lb_config.as_ref();
    if aware && !common.is_some_and(CommonLbConfig::weighs_localities) {
        let name = &cluster.name.value;
        let text = format!(
            "Locality weight aware subset LB requires that a locality_weighted_lb_config be set in {name}"
        );
        ctx.error(cluster.name.span, text);
        return Err(Refused);
    }
    Ok(())
}
