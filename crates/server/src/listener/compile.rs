//! A listener's config, compiled once and shared by the workers.
//!
//! So far a listener has one filter chain with one network filter, the HTTP connection manager, over plain
//! TCP. Anything else is refused as not supported yet.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_contract::registry::Extensions;
use nuncio_contract::stats::groups::{ListenerStats, register_listener};
use nuncio_contract::stats::{Scope, StatsStore};
use nuncio_contract::stream_info::{FilterChainDescription, ListenerDescription};
use nuncio_http::connection_manager::config::{CompileContext as ManagerContext, MESSAGE};
use nuncio_http::connection_manager::{ConnectionManagerConfig, StatScopes};
use nuncio_http::route::RouteTable;
use nuncio_net::listener::ListenOptions;
use nuncio_upstream::ClusterManager;

use super::{CompiledChain, DownstreamSocket};
use crate::config::{
    Address, AddressKind, Filter, FilterChain, FilterConfigType, Listener, PortSpecifier,
    SocketAddress, TrafficDirection,
};

const DEFAULT_BUFFER_LIMIT_BYTES: u32 = 1 << 20;

/// A listener, ready to be bound.
pub(crate) struct CompiledListener {
    /// Its name; a random one is made up by Envoy, the address by us, where the config has none.
    pub name: String,
    /// Where it listens.
    pub address: SocketAddr,
    /// How it listens.
    pub options: ListenOptions,
    /// Whether its clients are outside, so that it is drained with those alone.
    pub is_inbound: bool,
    /// `listener.<address>.`
    pub scope: Scope,
    /// For the log.
    pub description: Arc<ListenerDescription>,
    /// Its filter chain.
    pub chain: CompiledChain,
}

/// What the compilation takes from the server.
pub(crate) struct CompileContext<'a> {
    /// Where errors go.
    pub ctx: &'a mut Ctx,
    /// All rooms.
    pub extensions: &'a Extensions,
    /// Numbers for the clusters that routes name.
    pub clusters: &'a ClusterManager,
    /// Whether a cluster will be there once the configuration runs.
    pub known_clusters: &'a dyn Fn(&str) -> bool,
    /// The stats.
    pub stats: &'a StatsStore,
    /// `node.cluster`.
    pub service_cluster: &'a str,
    /// `node.id`.
    pub service_node: &'a str,
}

impl CompiledListener {
    /// Compiles a listener and its route table; every mistake is in the context.
    pub(crate) fn compile(
        listener: &Listener,
        context: &mut CompileContext<'_>,
    ) -> Result<(Self, RouteTable), Refused> {
        let chain = single_chain(listener, context.ctx);
        let chains = listener
            .filter_chains
            .iter()
            .chain(&listener.default_filter_chain);
        let sound: Vec<_> = chains
            .map(|chain| plain_and_alone(chain, context.ctx))
            .collect();
        let Ok(chain) = chain else {
            // They are compiled for what is to be said about them.
            let chains = listener
                .filter_chains
                .iter()
                .chain(&listener.default_filter_chain);
            chains.for_each(|chain| {
                let _told = DownstreamSocket::compile(chain, context.ctx);
                drop(manager(listener, chain, context));
            });
            return Err(Refused);
        };
        let address = address(listener, context.ctx);
        let compiled = Self::compile_chain(listener, address, chain, context)?;
        sound.into_iter().collect::<Result<Vec<()>, Refused>>()?;
        Ok(compiled)
    }

    /// The transport sockets of a listener's message alone, for certificates that changed.
    pub(crate) fn compile_sockets(
        listener: &Listener,
        ctx: &mut Ctx,
    ) -> Result<Vec<DownstreamSocket>, Refused> {
        let chains = listener.filter_chains.iter();
        let chains = chains.chain(&listener.default_filter_chain);
        chains
            .map(|chain| DownstreamSocket::compile(chain, ctx))
            .collect()
    }

    /// The transport sockets of its chains, in the order of the message.
    pub(crate) fn sockets(&self) -> impl Iterator<Item = &DownstreamSocket> {
        std::iter::once(&self.chain.transport_socket)
    }

    /// For telling about: each chain that speaks HTTP, as if it were the only one, with its place among all.
    pub(crate) fn compile_each_chain(
        listener: &Listener,
        context: &mut CompileContext<'_>,
    ) -> Vec<(usize, Self, RouteTable)> {
        let chains = listener.filter_chains.iter();
        let chains = chains.chain(&listener.default_filter_chain).enumerate();
        let compiled = chains.map(|(place, chain)| {
            let address = address(listener, context.ctx);
            let one = Self::compile_chain(listener, address, chain, context);
            let (listener, routes) = one.ok()?;
            Some((place, listener, routes))
        });
        compiled.flatten().collect()
    }

    fn compile_chain(
        listener: &Listener,
        address: Result<(SocketAddr, bool), Refused>,
        chain: &FilterChain,
        context: &mut CompileContext<'_>,
    ) -> Result<(Self, RouteTable), Refused> {
        let transport_socket = DownstreamSocket::compile(chain, context.ctx);
        let manager = manager(listener, chain, context);
        let (address, ipv4_compat) = address?;
        let (manager, routes) = manager?;
        let stat_name = match listener.stat_prefix.as_str() {
            "" => address.to_string().replace(':', "_"),
            prefix => prefix.to_string(),
        };
        let scope = context.stats.scope(&format!("listener.{stat_name}"));
        register_listener(&scope);
        scope.register::<ListenerStats>();
        let transport_socket = transport_socket?;
        transport_socket.register(&scope);
        let name = match listener.name.value.as_str() {
            "" => address.to_string(),
            name => name.to_string(),
        };
        let compiled = CompiledListener {
            options: ListenOptions {
                reuse_port: listener.enable_reuse_port.unwrap_or(true) || listener.reuse_port,
                backlog: listener.tcp_backlog_size.unwrap_or(128),
                ipv4_compat,
            },
            is_inbound: listener.traffic_direction == TrafficDirection::Inbound,
            description: Arc::new(ListenerDescription {
                name: name.as_str().into(),
                ..Default::default()
            }),
            chain: CompiledChain {
                description: Arc::new(FilterChainDescription {
                    name: chain.name.as_str().into(),
                    ..Default::default()
                }),
                transport_socket,
                connect_timeout: chain
                    .transport_socket_connect_timeout
                    .filter(|timeout| !timeout.is_zero()),
                scopes: StatScopes::new(context.stats, &manager.stat_prefix, &stat_name)
                    .with_tracing(),
                manager: Arc::new(manager),
            },
            name,
            address,
            scope,
        };
        Ok((compiled, routes))
    }
}

fn address(listener: &Listener, ctx: &mut Ctx) -> Result<(SocketAddr, bool), Refused> {
    match &listener.address {
        Some(address) => socket_address(address, ctx),
        None => {
            let what = format!("listener `{}` without `address`", listener.name.value);
            Err(ctx.unsupported_here(listener.span(), what))
        }
    }
}

/// The address and whether it takes IPv4 on IPv6.
pub(crate) fn socket_address(
    address: &Address,
    ctx: &mut Ctx,
) -> Result<(SocketAddr, bool), Refused> {
    let AddressKind::SocketAddress(socket) = &address.address;
    ip_and_port(socket, ctx)
}

/// The same of a message that is a socket's address.
pub(crate) fn ip_and_port(
    socket: &SocketAddress,
    ctx: &mut Ctx,
) -> Result<(SocketAddr, bool), Refused> {
    let PortSpecifier::Value(port) = &socket.port_specifier;
    match (socket.address.value.parse::<IpAddr>(), u16::try_from(*port)) {
        (Ok(ip), Ok(port)) => Ok((SocketAddr::new(ip, port), socket.ipv4_compat)),
        _ if socket.address.value.contains("://") => {
            let what = format!("the address `{}`", socket.address.value);
            Err(ctx.unsupported_here(socket.address.span, what))
        }
        _ => {
            ctx.error(
                socket.address.span,
                format!("malformed IP address: {}", socket.address.value),
            )
            .suggest("a listener takes an IP address, not a name");
            Err(Refused)
        }
    }
}

/// The connection manager of a filter chain.
fn manager(
    listener: &Listener,
    chain: &FilterChain,
    context: &mut CompileContext<'_>,
) -> Result<(ConnectionManagerConfig, RouteTable), Refused> {
    let any = connection_manager(chain).ok_or(Refused)?;
    let buffer_limit = listener
        .per_connection_buffer_limit_bytes
        .unwrap_or(DEFAULT_BUFFER_LIMIT_BYTES);
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
            buffer_limit_bytes: u64::from(buffer_limit),
            is_outbound: listener.traffic_direction == TrafficDirection::Outbound,
        },
    )
}

fn single_chain<'a>(listener: &'a Listener, ctx: &mut Ctx) -> Result<&'a FilterChain, Refused> {
    let mut chains = listener
        .filter_chains
        .iter()
        .chain(&listener.default_filter_chain);
    match (chains.next(), chains.next()) {
        (Some(chain), None) => Ok(chain),
        (Some(_), Some(second)) => {
            ctx.unsupported(second.span(), "more than one filter chain in a listener");
            Err(Refused)
        }
        (None, _) => {
            let what = format!("listener `{}` without filter chains", listener.name.value);
            Err(ctx.unsupported_here(listener.span(), what))
        }
    }
}

/// Whether nothing but the connection manager is in a filter chain; what else there is is reported.
fn plain_and_alone(chain: &FilterChain, ctx: &mut Ctx) -> Result<(), Refused> {
    let mut sound = Ok(());
    let mut is_found = false;
    for filter in &chain.filters {
        match typed_config(filter, ctx) {
            Ok(any) if any.type_name() == MESSAGE && !is_found => is_found = true,
            Ok(any) => {
                let what = format!("the network filter `{}`", any.type_name());
                sound = Err(ctx.unsupported_here(any.span, what));
            }
            Err(refused) => sound = Err(refused),
        }
    }
    if chain.filters.is_empty() {
        sound = Err(ctx.unsupported_here(chain.span(), "a filter chain without filters"));
    }
    sound
}

/// The connection manager's message.
fn connection_manager(chain: &FilterChain) -> Option<&Any> {
    let kinds = chain
        .filters
        .iter()
        .filter_map(|filter| filter.config_type.as_ref());
    let mut messages = kinds.map(|FilterConfigType::TypedConfig(any)| any);
    messages.find(|any| any.type_name() == MESSAGE)
}

fn typed_config<'a>(filter: &'a Filter, ctx: &mut Ctx) -> Result<&'a Any, Refused> {
    match &filter.config_type {
        Some(FilterConfigType::TypedConfig(any)) => Ok(any),
        None => {
            let name = &filter.name;
            let what = format!("network filter `{}` without `typed_config`", name.value);
            Err(ctx.unsupported_here(name.span, what))
        }
    }
}
