//! The messages of the TCP proxy, compiled once and shared by the workers.

use std::sync::Arc;
use std::time::Duration;

use nuncio_config::typed::{Any, Ctx, Refused, Spanned};
use nuncio_config::{enumeration, message, one_of};
use nuncio_contract::access_log::{self, AccessLog, AccessLogConfig, AccessLogRooms};
use nuncio_contract::buffer::Buffer;
use nuncio_contract::config_source::ConfigSource;
use nuncio_contract::metadata_message::MetadataMessage;
use nuncio_contract::on_demand::ClusterSource;
use nuncio_contract::on_demand_message::compile_source;
use nuncio_contract::proxy_values::TlvEntry;
use nuncio_contract::stats::{Scope, StatsStore};
use nuncio_contract::stream_info::metadata::Struct;
use nuncio_upstream::ClusterId;

use super::balancing::{self, HashPolicy, Hashed};
use super::early::{Behind, EarlyReading};
use super::proxy_values::{AddedValues, MergePolicy};
use super::stats::{OnDemandStats, TcpProxyStats, TunnelStats};
use super::tunnel::{Tunnel, TunnelingConfig};

const DEFAULT_IDLE_TIMEOUT: Duration = Duration::from_secs(3600);
const DEFAULT_ON_DEMAND_TIMEOUT: Duration = Duration::from_secs(60);
const DEFAULT_BACKOFF_BASE: Duration = Duration::ZERO;

message! {
    /// The filter's config.
    pub(crate) struct TcpProxy: "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy" {
        stat_prefix: String,
        oneof cluster_specifier: ClusterSpecifier,
        idle_timeout: Option<Duration>,
        inert downstream_idle_timeout = "in Envoy too, connections are idle in both directions or not at all",
        inert upstream_idle_timeout = "in Envoy too, connections are idle in both directions or not at all",
        access_log: Vec<AccessLog>,
        max_connect_attempts: Option<u32>,
        backoff_options: Option<Backoff>,
        max_downstream_connection_duration: Option<Duration>,
        max_downstream_connection_duration_jitter_percentage: Option<Percent>,
        access_log_flush_interval: Option<Duration>,
        flush_access_log_on_connected: bool,
        access_log_options: Option<AccessLogOptions>,
        upstream_connect_mode: ConnectMode,
        max_early_data_bytes: Option<u32>,
        hash_policy: Vec<HashPolicy>,
        metadata_match: Option<MetadataMessage>,
        tunneling_config: Option<TunnelingConfig>,
        on_demand: Option<OnDemandMessage>,
        proxy_protocol_tlvs: Vec<TlvEntry>,
        proxy_protocol_tlv_merge_policy: MergePolicy,
        check_drain_close: Option<bool>,
    }
}

message! {
    /// Who is asked for a cluster that is not there.
    pub(super) struct OnDemandMessage: "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.OnDemand" {
        odcds_config: Option<ConfigSource>,
        resources_locator: Spanned<String>,
        timeout: Option<Duration>,
    }
}

one_of! {
    /// Where connections go.
    pub(super) enum ClusterSpecifier {
        cluster => Cluster(Spanned<String>),
        weighted_clusters => Weighted(WeightedClusters),
    }
}

message! {
    /// Clusters of which each connection draws one.
    pub(super) struct WeightedClusters: "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.WeightedCluster" {
        clusters: Vec<ClusterWeight>,
    }
}

message! {
    /// A cluster and its share.
    pub(super) struct ClusterWeight: "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.WeightedCluster.ClusterWeight" {
        name: Spanned<String>,
        weight: u32,
        metadata_match: Option<MetadataMessage>,
    }
}

message! {
    /// How long lies between two attempts to connect.
    pub(super) struct Backoff: "envoy.config.core.v3.BackoffStrategy" {
        base_interval: Option<Duration>,
        max_interval: Option<Duration>,
    }
}

message! {
    /// A percentage.
    pub(super) struct Percent: "envoy.type.v3.Percent" {
        value: f64,
    }
}

message! {
    /// When lines are logged besides the end.
    pub(super) struct AccessLogOptions: "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.TcpAccessLogOptions" {
        access_log_flush_interval: Option<Duration>,
        flush_access_log_on_connected: bool,
        flush_access_log_on_start: bool,
    }
}

enumeration! {
    /// When the host is connected to.
    pub(super) enum ConnectMode: "envoy.extensions.filters.network.tcp_proxy.v3.UpstreamConnectMode" {
        IMMEDIATE => Immediate,
        ON_DOWNSTREAM_DATA => OnData,
        ON_DOWNSTREAM_TLS_HANDSHAKE => OnTlsHandshake,
    }
}

/// A cluster that connections go to.
pub(super) struct Target {
    pub(super) id: ClusterId,
    pub(super) name: Box<str>,
    /// The weights up to its own.
    sum: u64,
    /// What hosts have to have, where it is not what the filter says.
    pub(super) metadata: Option<Box<Struct>>,
}

/// The compiled config.
pub struct TcpProxyConfig {
    /// `tcp.<stat_prefix>.`
    pub(super) scope: Scope,
    /// One at least.
    pub(super) clusters: Box<[Target]>,
    /// Whether they are drawn by weight, so that filters have no say.
    pub(super) is_weighted: bool,
    pub(super) hashed: Option<Hashed>,
    /// What hosts have to have.
    pub(super) metadata: Option<Box<Struct>>,
    pub(super) idle_timeout: Option<Duration>,
    pub(super) most_attempts: u32,
    pub(super) backoff: Option<(Duration, Duration)>,
    pub(super) max_duration: Option<Duration>,
    pub(super) jitter_percent: f64,
    pub(super) access_logs: Vec<Arc<dyn AccessLogConfig>>,
    pub(super) log_interval: Option<Duration>,
    pub(super) logs_connected: bool,
    pub(super) logs_start: bool,
    /// Whether the client is read before there is a host.
    pub(super) early: Option<EarlyReading>,
    /// How connections go through HTTP, if they do.
    pub(super) tunnel: Option<Box<Tunnel>>,
    /// Who is asked for clusters that are not there.
    pub(super) on_demand: Option<Arc<ClusterSource>>,
    /// What hosts are told in a PROXY header.
    pub(super) values: Option<Box<AddedValues>>,
    /// Whether what passes while the listener drains closes its connection.
    pub(super) heeds_drain: bool,
    /// The most that is read at once.
    pub(super) most_read_bytes: usize,
}

/// What the compilation takes from the server.
pub struct CompileContext<'a> {
    /// Where errors go.
    pub ctx: &'a mut Ctx,
    /// The kinds of access logs.
    pub access_loggers: AccessLogRooms,
    /// Gives the number of a cluster.
    pub cluster_id: &'a mut dyn FnMut(&str) -> ClusterId,
    /// Whether a cluster will be there once the configuration runs.
    pub known_clusters: &'a dyn Fn(&str) -> bool,
    /// The stats.
    pub stats: &'a StatsStore,
    /// The most that a connection is to buffer.
    pub buffer_limit_bytes: u32,
}

impl TcpProxyConfig {
    /// Compiles the filter's message; every mistake is in the context.
    ///
    /// # Errors
    /// Something in it is wrong or not supported.
    pub fn compile(any: &Any, context: &mut CompileContext<'_>) -> Result<Self, Refused> {
        let message: TcpProxy = any.decode(context.ctx)?;
        let metadata = balancing::metadata(message.metadata_match.as_ref());
        let clusters = clusters(&message.cluster_specifier, metadata.as_deref(), context);
        let logs: Vec<_> = message
            .access_log
            .iter()
            .map(|log| access_log::compile(log, context.access_loggers, context.ctx))
            .collect();
        let early = early_reading(&message, context.ctx);
        let tunnel = message.tunneling_config.as_ref();
        let tunnel = tunnel.map(|tunnel| Tunnel::compile(tunnel, context.ctx).map(Box::new));
        let backoff = message.backoff_options.as_ref().map(|backoff| {
            let base = backoff.base_interval.unwrap_or(DEFAULT_BACKOFF_BASE);
            (base, backoff.max_interval.unwrap_or(base * 10))
        });
        let values = AddedValues::compile(
            &message.proxy_protocol_tlvs,
            message.proxy_protocol_tlv_merge_policy,
            context.ctx,
        );
        let on_demand = on_demand(message.on_demand.as_ref(), context.ctx);
        let options = message.access_log_options.as_ref();
        let scope = context.stats.scope(&format!("tcp.{}", message.stat_prefix));
        scope.register::<TcpProxyStats>();
        if on_demand.is_some() {
            scope.register::<OnDemandStats>();
        }
        if message.tunneling_config.is_some() {
            scope.register::<TunnelStats>();
        }
        Ok(TcpProxyConfig {
            scope,
            clusters,
            is_weighted: matches!(message.cluster_specifier, ClusterSpecifier::Weighted(_)),
            hashed: Hashed::compile(&message.hash_policy),
            metadata,
            idle_timeout: match message.idle_timeout {
                None => Some(DEFAULT_IDLE_TIMEOUT),
                Some(Duration::ZERO) => None,
                some => some,
            },
            most_attempts: message.max_connect_attempts.unwrap_or(1),
            backoff,
            max_duration: message.max_downstream_connection_duration,
            jitter_percent: message
                .max_downstream_connection_duration_jitter_percentage
                .map_or(0.0, |percent| percent.value),
            access_logs: logs.into_iter().collect::<Result<_, _>>()?,
            log_interval: options
                .and_then(|options| options.access_log_flush_interval)
                .or(message.access_log_flush_interval),
            logs_connected: message.flush_access_log_on_connected
                || options.is_some_and(|options| options.flush_access_log_on_connected),
            logs_start: options.is_some_and(|options| options.flush_access_log_on_start),
            early: early?,
            tunnel: tunnel.transpose()?,
            on_demand: on_demand.transpose()?,
            values: values?,
            heeds_drain: message.check_drain_close == Some(true),
            most_read_bytes: match usize::try_from(context.buffer_limit_bytes) {
                Ok(limit) if limit < Buffer::BODY_BYTES => Buffer::HEAD_BYTES,
                _ => Buffer::BODY_BYTES,
            },
        })
    }

    /// The cluster of a connection that draws this number.
    pub(super) fn cluster(&self, random: u64) -> Option<&Target> {
        let all = self.clusters.last()?.sum.max(1);
        let drawn = random % all;
        self.clusters.iter().find(|target| drawn < target.sum)
    }
}

fn clusters(
    specifier: &ClusterSpecifier,
    metadata: Option<&Struct>,
    context: &mut CompileContext<'_>,
) -> Box<[Target]> {
    match specifier {
        ClusterSpecifier::Cluster(name) => {
            warn_of_unknown(name, context);
            Box::new([Target {
                id: (context.cluster_id)(&name.value),
                name: name.value.as_str().into(),
                sum: 1,
                metadata: None,
            }])
        }
        ClusterSpecifier::Weighted(weighted) => {
            let mut sum = 0;
            let each = weighted.clusters.iter().map(|cluster| {
                warn_of_unknown(&cluster.name, context);
                sum += u64::from(cluster.weight);
                let own = balancing::metadata(cluster.metadata_match.as_ref());
                Target {
                    id: (context.cluster_id)(&cluster.name.value),
                    name: cluster.name.value.as_str().into(),
                    sum,
                    metadata: own.and_then(|own| balancing::merged(metadata, Some(&own))),
                }
            });
            each.collect()
        }
    }
}

/// To Envoy a cluster that is not there is no mistake: connections are closed.
fn warn_of_unknown(name: &Spanned<String>, context: &mut CompileContext<'_>) {
    if !(context.known_clusters)(&name.value) {
        let text = format!(
            "there is no cluster `{}`: connections to it will be closed",
            name.value
        );
        context.ctx.warning(name.span, text);
    }
}

fn on_demand(
    message: Option<&OnDemandMessage>,
    ctx: &mut Ctx,
) -> Option<Result<Arc<ClusterSource>, Refused>> {
    let message = message?;
    let source = message.odcds_config.as_ref()?;
    let timeout = message.timeout.unwrap_or(DEFAULT_ON_DEMAND_TIMEOUT);
    let compiled = compile_source(source, &message.resources_locator, timeout, ctx);
    Some(compiled)
}

fn early_reading(message: &TcpProxy, ctx: &mut Ctx) -> Result<Option<EarlyReading>, Refused> {
    let most = message
        .max_early_data_bytes
        .map(|most| usize::try_from(most).unwrap_or(usize::MAX));
    let behind = match message.upstream_connect_mode {
        ConnectMode::Immediate => Behind::Nothing,
        ConnectMode::OnTlsHandshake => Behind::Handshake,
        ConnectMode::OnData => Behind::Data,
    };
    let reading = most.map(|most_bytes| EarlyReading { most_bytes, behind });
    if behind == Behind::Nothing {
        return Ok(reading.filter(|early| early.most_bytes > 0));
    }
    if reading.is_none() {
        let text = "max_early_data_bytes must be set when upstream_connect_mode is not IMMEDIATE";
        ctx.error(message.span(), text);
        return Err(Refused);
    }
    Ok(reading)
}
