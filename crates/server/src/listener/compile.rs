//! A listener's config, compiled once and shared by the workers.
//!
//! Every chain is compiled, whatever is wrong with the others, so that all that is wrong is told at once.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use nuncio_config::runtime::RuntimeKeys;
use nuncio_config::typed::{Ctx, Refused};
use nuncio_contract::metadata_message::MetadataMessage;
use nuncio_contract::registry::Extensions;
use nuncio_contract::stats::groups::{ListenerStats, register_listener};
use nuncio_contract::stats::{Scope, StatsStore};
use nuncio_contract::stream_info::ListenerDescription;
use nuncio_contract::tracing::Provider;
use nuncio_http::route::RouteTable;
use nuncio_net::listen_address::ListenAddress;
use nuncio_net::listener::ListenOptions;
use nuncio_udp::listener::CompiledUdpListener;
use nuncio_upstream::ClusterManager;

use super::balance::Balance;
use super::chain_matcher::ChainMatcher;
use super::log::{self, Logs};
use super::place::{AdditionalPlace, Place};
use super::quic::{self, CompiledQuic};
use super::transport_socket::DownstreamSocket;
use super::{CompiledChain, ConnectionLimits, Inspection, Routes, Selection, datagrams};
use crate::config::{
    DrainType, FilterChain, Listener, PortSpecifier, SocketAddress, SocketProtocol,
    TrafficDirection,
};

/// A listener, ready to be bound.
pub(crate) struct CompiledListener {
    /// Its name; a random one is made up by Envoy, the address by us, where the config has none.
    pub name: String,
    /// Where it listens.
    pub address: ListenAddress,
    /// How it listens.
    pub options: ListenOptions,
    /// Where else it listens.
    pub additional: Vec<AdditionalPlace>,
    /// The name by which it is reached inside of the process, if it is there: then it has no address.
    pub internal: Option<Arc<str>>,
    /// How connections are spread over the workers, if the kernel does not do it alone.
    pub balance: Option<Arc<Balance>>,
    /// Whether its clients are outside, so that it is drained with those alone.
    pub is_inbound: bool,
    /// Whether its connections go on while the admin has health checks fail.
    pub ignores_health: bool,
    /// `listener.<address>.`
    pub scope: Scope,
    /// For the log.
    pub description: Arc<ListenerDescription>,
    /// Its filter chains; the default one is the last.
    pub chains: Vec<CompiledChain>,
    /// Which of them takes a connection.
    pub selection: Selection,
    /// What looks at a connection before.
    pub inspection: Inspection,
    /// Whether it does not care for the overload manager.
    pub bypasses_overload: bool,
    /// How many connections it may have.
    pub limits: ConnectionLimits,
    /// The scope of all stats, for filters.
    pub root: Scope,
    /// What logs its connections.
    pub logs: Logs,
    /// What takes datagrams, if it is no listener of connections: then there are no chains.
    pub datagrams: Option<Arc<CompiledUdpListener>>,
    /// How it speaks QUIC, if its connections are of QUIC.
    pub quic: Option<CompiledQuic>,
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
    /// Who tells of requests where a connection manager names nobody.
    pub default_tracer: Option<&'a Provider>,
}

impl CompiledListener {
    /// Compiles a listener and its route tables; every mistake is in the context.
    pub(crate) fn compile(
        listener: &Listener,
        context: &mut CompileContext<'_>,
    ) -> Result<(Self, Routes), Refused> {
        let is_quic = quic::is_quic(listener);
        if datagrams::is_of_datagrams(listener) && !is_quic {
            return datagrams::compile(listener, context);
        }
        if is_quic {
            quic::check(listener, context)?;
        }
        let place = Place::of(listener, context.ctx);
        let stat_name = place.as_ref().ok().map(|place| place.stat_name.as_str());
        let compiled: Vec<_> = chains(listener)
            .map(|chain| CompiledChain::compile(listener, chain, stat_name, context))
            .collect();
        if compiled.is_empty() {
            let what = format!("listener `{}` without filter chains", listener.name.value);
            return Err(context.ctx.unsupported_here(listener.span(), what));
        }
        let place = place?;
        let has_default = listener.default_filter_chain.is_some();
        let shown = place.address.to_string();
        let selection = match &listener.filter_chain_matcher {
            Some(matcher) => {
                let chains = &listener.filter_chains;
                ChainMatcher::compile(matcher, chains, has_default, &shown, context.ctx)
                    .map(Selection::by_matcher)
            }
            None => Selection::compile(&listener.filter_chains, has_default, &shown, context.ctx),
        };
        let scope = context
            .stats
            .scope(&format!("listener.{}", place.stat_name));
        let inspection = Inspection::compile(listener, &scope, context.extensions, context.ctx);
        let logs = log::compile(listener, context);
        let compiled = compiled.into_iter().collect::<Result<Vec<_>, _>>()?;
        let (chains, routes): (Vec<_>, Vec<_>) = compiled.into_iter().unzip();
        let before = (selection?, inspection?);
        let quic = match is_quic {
            true => Some(CompiledQuic::compile(listener, context.ctx)?),
            false => None,
        };
        let around = (context.stats, &context.ctx.runtime);
        let this = CompiledListener {
            logs: logs?,
            quic,
            ..Self::new(listener, place, chains, before, around)
        };
        Ok((this, routes.into_iter().map(Arc::new).collect()))
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
        self.chains.iter().map(|chain| &chain.transport_socket)
    }

    /// For telling about: each chain that speaks HTTP, as if it were the only one, with its place among all.
    pub(crate) fn compile_each_chain(
        listener: &Listener,
        context: &mut CompileContext<'_>,
    ) -> Vec<(usize, Self, RouteTable)> {
        let compiled = chains(listener).enumerate().map(|(number, chain)| {
            let place = Place::of(listener, context.ctx);
            let stat_name = place.as_ref().ok().map(|place| place.stat_name.as_str());
            let mut plain = chain.clone();
            if DownstreamSocket::compile(chain, context.ctx).is_err() {
                // What carries its bytes does not matter to what is told.
                plain.transport_socket = None;
            }
            let compiled = CompiledChain::compile(listener, &plain, stat_name, context);
            let (chain, routes) = compiled.ok().filter(|(chain, _)| chain.http().is_some())?;
            let before = (Selection::only_one(), Inspection::default());
            let around = (context.stats, &context.ctx.runtime);
            let this = Self::new(listener, place.ok()?, vec![chain], before, around);
            Some((number, this, routes))
        });
        compiled.flatten().collect()
    }

    pub(super) fn new(
        listener: &Listener,
        place: Place,
        chains: Vec<CompiledChain>,
        (selection, inspection): (Selection, Inspection),
        (stats, runtime): (&StatsStore, &RuntimeKeys),
    ) -> Self {
        let address = place.address;
        let scope = stats.scope(&format!("listener.{}", place.stat_name));
        register_listener(&scope);
        scope.register::<ListenerStats>();
        for chain in &chains {
            chain.transport_socket.register(&scope);
        }
        let name = match listener.name.value.as_str() {
            "" => address.to_string(),
            name => name.to_string(),
        };
        CompiledListener {
            bypasses_overload: listener.bypass_overload_manager,
            options: place.options,
            additional: place.additional,
            internal: place.internal,
            balance: place.balances.then(Arc::default),
            is_inbound: listener.traffic_direction == TrafficDirection::Inbound,
            ignores_health: listener.drain_type == DrainType::ModifyOnly,
            description: Arc::new(ListenerDescription {
                name: name.as_str().into(),
                metadata: MetadataMessage::owned(listener.metadata.as_ref()),
                direction: listener.traffic_direction as i64,
            }),
            chains,
            selection,
            inspection,
            limits: ConnectionLimits::new(
                &listener.name.value,
                listener.ignore_global_conn_limit,
                runtime,
            ),
            root: stats.root(),
            logs: Vec::new(),
            datagrams: None,
            quic: None,
            name,
            address,
            scope,
        }
    }

    /// All its addresses, and how it listens there.
    pub(crate) fn places(&self) -> impl Iterator<Item = (&ListenAddress, &ListenOptions)> {
        let additional = self.additional.iter();
        let additional = additional.map(|place| (&place.address, &place.options));
        std::iter::once((&self.address, &self.options)).chain(additional)
    }

    /// Whether its options say, for one of its addresses, which congestion control its connections have.
    pub(super) fn chooses_congestion(&self) -> bool {
        let mut places = self.places();
        places.any(|(_, options)| options.others.have_congestion_control())
    }
}

/// All chains; the default one stands behind the others.
fn chains(listener: &Listener) -> impl Iterator<Item = &FilterChain> {
    let chains = listener.filter_chains.iter();
    chains.chain(&listener.default_filter_chain)
}

/// The one resolver of addresses, which is there without a name too.
const RESOLVER: &str = "envoy.ip";
/// The one of listeners whose connections come through a tunnel that is opened from here.
const REVERSE_CONNECTIONS_RESOLVER: &str = "envoy.resolvers.reverse_connection";

/// The address of connections, and whether it takes IPv4 on IPv6.
pub(crate) fn ip_and_port(
    socket: &SocketAddress,
    ctx: &mut Ctx,
) -> Result<(SocketAddr, bool), Refused> {
    if socket.protocol == SocketProtocol::Udp {
        return Err(ctx.unsupported_here(socket.address.span, "UDP here"));
    }
    ip_and_port_of_any(socket, ctx)
}

pub(super) fn ip_and_port_of_any(
    socket: &SocketAddress,
    ctx: &mut Ctx,
) -> Result<(SocketAddr, bool), Refused> {
    let PortSpecifier::Value(port) = &socket.port_specifier;
    let resolver = &socket.resolver_name;
    if resolver.value == REVERSE_CONNECTIONS_RESOLVER {
        let what = format!("the address resolver `{}`", resolver.value);
        return Err(ctx.unsupported_here(resolver.span, what));
    }
    if !resolver.value.is_empty() && resolver.value != RESOLVER {
        let text = format!("Unknown address resolver: {}", resolver.value);
        ctx.error(resolver.span, text);
        return Err(Refused);
    }
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
