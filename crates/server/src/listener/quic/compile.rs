//! What a listener of QUIC must be, and what its options say.

use nuncio_config::span::Span;
use nuncio_config::typed::{Ctx, Refused};
use nuncio_contract::matching::RuntimeFeatureFlag;
use nuncio_http::config::connection_manager::CodecType;
use nuncio_net::quic::Settings;

use super::super::CompileContext;
use super::super::datagrams;
use crate::config::{FilterChain, FilterConfigType, Listener, TransportSocketConfig};

const MANAGER: &str =
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
const QUIC: &str = "envoy.extensions.transport_sockets.quic.v3.QuicDownstreamTransport";

/// How a listener speaks QUIC.
pub(crate) struct CompiledQuic {
    pub(super) settings: Settings,
    enabled: Option<RuntimeFeatureFlag>,
    pub(super) rejects_new_connections: bool,
}

/// Whether a listener's connections are of QUIC.
pub(in super::super) fn is_quic(listener: &Listener) -> bool {
    let config = listener.udp_listener_config.as_ref();
    datagrams::is_of_datagrams(listener) && config.is_some_and(|it| it.quic_options.is_some())
}

impl CompiledQuic {
    pub(in super::super) fn compile(listener: &Listener, ctx: &mut Ctx) -> Result<Self, Refused> {
        let config = listener.udp_listener_config.as_ref().ok_or(Refused)?;
        let options = config.quic_options.as_ref().ok_or(Refused)?;
        let joins_writes = config.joins_writes(ctx)?;
        Ok(CompiledQuic {
            settings: options.settings(joins_writes, ctx)?,
            enabled: options.enabled.clone(),
            rejects_new_connections: options.reject_new_connections,
        })
    }

    pub(super) fn is_enabled(&self) -> bool {
        self.enabled.as_ref().is_none_or(RuntimeFeatureFlag::is_on)
    }
}

/// Refuses what no listener of QUIC can have.
pub(in super::super) fn check(
    listener: &Listener,
    context: &mut CompileContext<'_>,
) -> Result<(), Refused> {
    let ctx = &mut *context.ctx;
    if listener.connection_balance_config.is_some() {
        let text = "connection_balance_config is configured for QUIC listener which doesn't work with connection balancer.";
        ctx.error(listener.span(), text);
        return Err(Refused);
    }
    if listener.filter_chain_matcher.is_some() {
        let what = "`filter_chain_matcher` of a QUIC listener";
        return Err(ctx.unsupported_here(listener.span(), what));
    }
    if let Some(filter) = listener.listener_filters.first() {
        let what = "listener filters of a QUIC listener";
        return Err(ctx.unsupported_here(filter.name.span, what));
    }
    let chains = listener.filter_chains.iter();
    let chains = chains.chain(&listener.default_filter_chain);
    let checked: Vec<_> = chains
        .map(|chain| check_chain(chain, listener, ctx))
        .collect();
    checked.into_iter().collect()
}

fn check_chain(chain: &FilterChain, listener: &Listener, ctx: &mut Ctx) -> Result<(), Refused> {
    let socket = chain.transport_socket.as_ref();
    let socket = socket.and_then(|socket| socket.config_type.as_ref());
    match socket {
        Some(TransportSocketConfig::TypedConfig(any)) if any.type_name() == QUIC => {}
        Some(TransportSocketConfig::TypedConfig(any)) => {
            let text = "wrong transport socket config specified for quic transport socket. \nUse QuicDownstreamTransport instead.";
            ctx.error(any.span, text);
            return Err(Refused);
        }
        None => {
            let place = super::super::place::Place::of(listener, ctx)?;
            let text = format!(
                "error adding listener '{}': no transport socket specified for connection oriented UDP listener",
                place.address
            );
            ctx.error(chain.span(), text);
            return Err(Refused);
        }
    }
    let is_manager = |kind: &Option<FilterConfigType>| matches!(kind, Some(FilterConfigType::TypedConfig(any)) if any.type_name() == MANAGER);
    match chain.filters.as_slice() {
        [only] if is_manager(&only.config_type) => Ok(()),
        [.., last] if is_manager(&last.config_type) => {
            let what = "a network filter before the connection manager of a QUIC listener";
            Err(ctx.unsupported_here(chain.span(), what))
        }
        _ => {
            let text = "error building network filter chain for quic listener: requires http_connection_manager filter to be last in the chain.";
            ctx.error(chain.span(), text);
            Err(Refused)
        }
    }
}

/// Whether a connection manager speaks what the listener carries.
pub(in super::super) fn check_codec(
    listener: &Listener,
    codec: CodecType,
    span: Span,
    ctx: &mut Ctx,
) -> Result<(), Refused> {
    let config = listener.udp_listener_config.as_ref();
    let is_quic = config.is_some_and(|config| config.quic_options.is_some());
    let text = match (is_quic, codec == CodecType::Http3) {
        (true, false) => "Non-HTTP/3 codec configured on QUIC listener.",
        (false, true) => "HTTP/3 codec configured on non-QUIC listener.",
        _ => return Ok(()),
    };
    ctx.error(span, text);
    Err(Refused)
}
