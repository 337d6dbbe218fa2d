//! A filter chain: what becomes of the connections that match it.
//!
//! It ends in the connection manager or the TCP proxy, which are the engine's, or in a room's filter; before it there
//! may be filters of rooms.

use std::sync::Arc;
use std::time::Duration;

use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_contract::metadata_message::MetadataMessage;
use nuncio_contract::network_filter::NetworkFilterConfig;
use nuncio_contract::stream_info::FilterChainDescription;
use nuncio_http::connection_manager::config::{CompileContext as ManagerContext, MESSAGE};
use nuncio_http::connection_manager::{ConnectionManagerConfig, StatScopes};
use nuncio_http::route::RouteTable;
use nuncio_redis::{CompileContext as RedisContext, RedisProxyConfig};
use nuncio_tcp::proxy::{CompileContext as ProxyContext, TcpProxyConfig};
use nuncio_thrift::{CompileContext as ThriftContext, ThriftProxyConfig};

use super::discovered::NetworkFilterOfNow;
use super::{CompileContext, DiscoveredNetworkFilter, DownstreamSocket, quic};
use crate::config::{Filter, FilterChain, FilterConfigType, Listener, TrafficDirection};

const DEFAULT_BUFFER_LIMIT_BYTES: u32 = 1 << 20;

/// A filter chain, compiled once and shared by the workers.
pub(crate) struct CompiledChain {
    /// For the log.
    pub description: Arc<FilterChainDescription>,
    /// How its sockets become transports.
    pub transport_socket: DownstreamSocket,
    /// How long that may take.
    pub connect_timeout: Option<Duration>,
    /// The filters of rooms.
    pub filters: Vec<Arc<dyn NetworkFilterConfig>>,
    /// Those of them whose configurations come from elsewhere.
    pub discovered: Vec<Arc<DiscoveredNetworkFilter>>,
    /// What ends it.
    pub end: ChainEnd,
}

/// What ends a filter chain.
pub(crate) enum ChainEnd {
    /// The connection manager.
    Http(HttpEnd),
    /// The TCP proxy.
    Tcp(Arc<TcpProxyConfig>),
    /// The Redis proxy.
    Redis(Arc<RedisProxyConfig>),
    /// The Thrift proxy.
    Thrift(Arc<ThriftProxyConfig>),
    /// The last of its filters.
    Filter,
}

/// A connection manager.
pub(crate) struct HttpEnd {
    /// What its connections run.
    pub manager: Arc<ConnectionManagerConfig>,
    /// Where it counts.
    pub scopes: StatScopes,
}

impl CompiledChain {
    /// A chain without a name, of plain TCP and the connection manager alone.
    pub(crate) fn plain(manager: ConnectionManagerConfig, scopes: StatScopes) -> Self {
        CompiledChain {
            description: Arc::default(),
            transport_socket: DownstreamSocket::default(),
            connect_timeout: None,
            filters: Vec::new(),
            discovered: Vec::new(),
            end: ChainEnd::Http(HttpEnd {
                manager: Arc::new(manager),
                scopes,
            }),
        }
    }

    /// Its connection manager.
    pub(crate) fn http(&self) -> Option<&HttpEnd> {
        match &self.end {
            ChainEnd::Http(http) => Some(http),
            ChainEnd::Tcp(_) | ChainEnd::Redis(_) | ChainEnd::Thrift(_) | ChainEnd::Filter => None,
        }
    }

    /// Whether it ends in the TCP proxy.
    pub(crate) fn is_tcp(&self) -> bool {
        matches!(self.end, ChainEnd::Tcp(_))
    }

    /// Compiles a chain and its route table, which is empty for one without a connection manager.
    pub(super) fn compile(
        listener: &Listener,
        chain: &FilterChain,
        listener_stat_name: Option<&str>,
        context: &mut CompileContext<'_>,
    ) -> Result<(Self, RouteTable), Refused> {
        let transport_socket = DownstreamSocket::compile(chain, context.ctx);
        let mut filters = Vec::new();
        let mut end = None;
        let mut is_sound = true;
        let mut discovered = Vec::new();
        for (place, filter) in chain.filters.iter().enumerate() {
            if let Some(FilterConfigType::ConfigDiscovery(source)) = &filter.config_type {
                let is_last = place + 1 == chain.filters.len();
                let scope = format!("listener.{}", listener_stat_name.unwrap_or_default());
                let around = (is_last, context.stats.scope(&scope));
                let (name, extensions) = (&filter.name, context.extensions);
                let found =
                    DiscoveredNetworkFilter::compile(name, source, around, extensions, context.ctx);
                is_sound &= found.is_ok();
                discovered.extend(found.ok().map(Arc::new));
                let found = discovered.last().cloned();
                filters.extend(found.map(|it| Arc::new(NetworkFilterOfNow(it)) as Arc<_>));
                continue;
            }
            let compiled = match typed_config(filter, context.ctx) {
                Ok(any) => match engine_end(listener, any, context) {
                    Some(found) => found.map(|it| end = Some(it)),
                    None => room(any, context).map(|config| filters.push(config)),
                },
                Err(refused) => Err(refused),
            };
            is_sound &= compiled.is_ok();
        }
        let (Ok(transport_socket), Some(stat_name), true) =
            (transport_socket, listener_stat_name, is_sound)
        else {
            return Err(Refused);
        };
        judge_filters(chain, &filters, end.as_ref(), context.ctx)?;
        let mut routes = RouteTable::empty();
        let end = match end {
            Some(End::Http(http)) => {
                let (manager, table) = *http;
                routes = table;
                ChainEnd::Http(HttpEnd {
                    scopes: StatScopes::new(context.stats, &manager.stat_prefix, stat_name)
                        .of_routed(),
                    manager: Arc::new(manager),
                })
            }
            Some(End::Tcp(proxy)) => ChainEnd::Tcp(Arc::new(proxy)),
            Some(End::Redis(proxy)) => ChainEnd::Redis(Arc::new(proxy)),
            Some(End::Thrift(proxy)) => ChainEnd::Thrift(Arc::new(*proxy)),
            None => no_end(chain, &filters, context.ctx)?,
        };
        let compiled = CompiledChain {
            description: Arc::new(FilterChainDescription {
                name: chain.name.as_str().into(),
                metadata: MetadataMessage::owned(chain.metadata.as_ref()),
            }),
            transport_socket,
            connect_timeout: chain
                .transport_socket_connect_timeout
                .filter(|timeout| !timeout.is_zero()),
            filters,
            discovered,
            end,
        };
        Ok((compiled, routes))
    }
}

/// Whether what the filters do can be done before such an end.
fn judge_filters(
    chain: &FilterChain,
    filters: &[Arc<dyn NetworkFilterConfig>],
    end: Option<&End>,
    ctx: &mut Ctx,
) -> Result<(), Refused> {
    let leaves_state = || filters.iter().any(|filter| filter.leaves_filter_state());
    if matches!(end, Some(End::Http(_))) && leaves_state() {
        let what = "filter state of the connection before the connection manager";
        return Err(ctx.unsupported_here(chain.span(), what));
    }
    let sees_answers = || filters.iter().any(|filter| filter.sees_answers());
    if !matches!(end, Some(End::Tcp(_))) && sees_answers() {
        let what = "a filter that sees answers before anything but the TCP proxy";
        return Err(ctx.unsupported_here(chain.span(), what));
    }
    Ok(())
}

/// What ends a chain, as it is found.
enum End {
    Http(Box<(ConnectionManagerConfig, RouteTable)>),
    Tcp(TcpProxyConfig),
    Redis(RedisProxyConfig),
    Thrift(Box<ThriftProxyConfig>),
}

/// An end of the engine's; none if the filter is a room's.
fn engine_end(
    listener: &Listener,
    any: &Any,
    context: &mut CompileContext<'_>,
) -> Option<Result<End, Refused>> {
    Some(match any.type_name() {
        MESSAGE => manager(listener, any, context).and_then(|it| {
            quic::check_codec(listener, it.0.codec_type, any.span, context.ctx)?;
            Ok(End::Http(Box::new(it)))
        }),
        nuncio_tcp::proxy::MESSAGE => tcp_proxy(listener, any, context).map(End::Tcp),
        nuncio_redis::MESSAGE => redis_proxy(any, context).map(End::Redis),
        nuncio_thrift::MESSAGE => thrift_proxy(any, context).map(|it| End::Thrift(Box::new(it))),
        _ => return None,
    })
}

/// A chain without an end of the engine's. One without filters closes its connections, as in Envoy; one whose last
/// filter is no end has been reported.
fn no_end(
    chain: &FilterChain,
    filters: &[Arc<dyn NetworkFilterConfig>],
    ctx: &mut Ctx,
) -> Result<ChainEnd, Refused> {
    match filters.last() {
        Some(last) if last.is_terminal() => Ok(ChainEnd::Filter),
        None => Ok(ChainEnd::Filter),
        Some(_) => Err(ctx.unsupported_here(chain.span(), "a filter chain without an end")),
    }
}

fn buffer_limit(listener: &Listener) -> u32 {
    let limit = listener.per_connection_buffer_limit_bytes;
    limit.unwrap_or(DEFAULT_BUFFER_LIMIT_BYTES)
}

fn manager(
    listener: &Listener,
    any: &Any,
    context: &mut CompileContext<'_>,
) -> Result<(ConnectionManagerConfig, RouteTable), Refused> {
    let mut reserve = |name: &str| context.clusters.reserve(name);
    ConnectionManagerConfig::compile(
        any,
        &mut ManagerContext {
            ctx: context.ctx,
            extensions: context.extensions,
            cluster_id: &mut reserve,
            known_clusters: context.known_clusters,
            service_cluster: context.service_cluster,
            service_node: context.service_node,
            default_tracer: context.default_tracer,
            buffer_limit_bytes: u64::from(buffer_limit(listener)),
            is_outbound: listener.traffic_direction == TrafficDirection::Outbound,
        },
    )
}

fn tcp_proxy(
    listener: &Listener,
    any: &Any,
    context: &mut CompileContext<'_>,
) -> Result<TcpProxyConfig, Refused> {
    let mut reserve = |name: &str| context.clusters.reserve(name);
    TcpProxyConfig::compile(
        any,
        &mut ProxyContext {
            ctx: context.ctx,
            access_loggers: context.extensions.access_loggers,
            cluster_id: &mut reserve,
            known_clusters: context.known_clusters,
            stats: context.stats,
            buffer_limit_bytes: buffer_limit(listener),
        },
    )
}

fn redis_proxy(any: &Any, context: &mut CompileContext<'_>) -> Result<RedisProxyConfig, Refused> {
    let mut reserve = |name: &str| context.clusters.reserve(name);
    RedisProxyConfig::compile(
        any,
        &mut RedisContext {
            ctx: context.ctx,
            cluster_id: &mut reserve,
            cache_of_names: &|settings| context.clusters.cache_of_names(settings),
            stats: context.stats,
        },
    )
}

fn thrift_proxy(any: &Any, context: &mut CompileContext<'_>) -> Result<ThriftProxyConfig, Refused> {
    let mut reserve = |name: &str| context.clusters.reserve(name);
    ThriftProxyConfig::compile(
        any,
        &mut ThriftContext {
            ctx: context.ctx,
            access_loggers: context.extensions.access_loggers,
            cluster_id: &mut reserve,
            known_clusters: context.known_clusters,
            stats: context.stats,
            service_cluster: context.service_cluster,
        },
    )
}

fn room(
    any: &Any,
    context: &mut CompileContext<'_>,
) -> Result<Arc<dyn NetworkFilterConfig>, Refused> {
    match context.extensions.network_filter(any.type_name()) {
        Some(room) => (room.parse)(any, context.ctx),
        None => {
            let what = format!("the network filter `{}`", any.type_name());
            Err(context.ctx.unsupported_here(any.span, what))
        }
    }
}

fn typed_config<'a>(filter: &'a Filter, ctx: &mut Ctx) -> Result<&'a Any, Refused> {
    match &filter.config_type {
        Some(FilterConfigType::TypedConfig(any)) => Ok(any),
        Some(FilterConfigType::ConfigDiscovery(_)) | None => {
            let name = &filter.name;
            let what = format!("network filter `{}` without `typed_config`", name.value);
            Err(ctx.unsupported_here(name.span, what))
        }
    }
}
