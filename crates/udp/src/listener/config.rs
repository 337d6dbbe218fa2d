//! `udp_listener_config` and the filter of a listener of datagrams, compiled once and shared by the workers.

use std::sync::Arc;

use nuncio_config::message;
use nuncio_config::typed::{Any, Ctx, Refused, Spanned};
use nuncio_contract::stats::Scope;

use super::UdpListenerStats;
use super::quic::QuicOptions;
use crate::dns_filter::config::DnsFilterConfig;
use crate::proxy::config::UdpProxyConfig;
use crate::socket::{SocketConfig, SocketMessage};

message! {
    /// How a listener takes datagrams.
    pub struct UdpListenerConfig: "envoy.config.listener.v3.UdpListenerConfig" {
        downstream_socket_config: Option<SocketMessage>,
        udp_packet_packet_writer_config: Option<WriterExtension>,
        /// Where there are any, it carries connections of QUIC.
        pub quic_options: Option<QuicOptions>,
    }
}

message! {
    /// What writes datagrams.
    pub(crate) struct WriterExtension: "envoy.config.core.v3.TypedExtensionConfig" {
        name: Spanned<String>,
        typed_config: Any,
    }
}

message! {
    /// One by one.
    pub struct DefaultWriter: "envoy.extensions.udp_packet_writer.v3.UdpDefaultWriterFactory" {}
}

message! {
    /// Several by one call.
    pub struct GsoWriter: "envoy.extensions.udp_packet_writer.v3.UdpGsoBatchWriterFactory" {}
}

/// A listener of datagrams.
pub struct CompiledUdpListener {
    /// `listener.<address>.`
    pub(super) scope: Scope,
    pub(super) socket: SocketConfig,
    /// Whether several datagrams of one size may go to a client by one call.
    pub(super) joins_writes: bool,
    /// What takes the datagrams; they are dropped if there is none.
    pub(super) filter: Option<UdpFilterConfig>,
}

/// What takes datagrams.
#[derive(Clone)]
pub enum UdpFilterConfig {
    /// The UDP proxy.
    Proxy(Arc<UdpProxyConfig>),
    /// The DNS filter.
    Dns(Arc<DnsFilterConfig>),
}

impl CompiledUdpListener {
    /// Compiles `udp_listener_config`; every mistake is in the context.
    ///
    /// # Errors
    /// Something in it is wrong or not supported.
    pub fn compile(
        message: Option<&UdpListenerConfig>,
        filter: Option<UdpFilterConfig>,
        scope: &Scope,
        ctx: &mut Ctx,
    ) -> Result<Self, Refused> {
        let joins_writes = match message {
            None => true,
            Some(message) => message.joins_writes(ctx)?,
        };
        let socket = message.and_then(|message| message.downstream_socket_config.as_ref());
        scope.register::<UdpListenerStats>();
        Ok(CompiledUdpListener {
            scope: scope.clone(),
            socket: SocketConfig::compile(socket, false),
            joins_writes,
            filter,
        })
    }
}

impl UdpListenerConfig {
    /// Whether several datagrams may be written by one call.
    ///
    /// # Errors
    /// The writer is not known.
    pub fn joins_writes(&self, ctx: &mut Ctx) -> Result<bool, Refused> {
        match &self.udp_packet_packet_writer_config {
            None => Ok(true),
            Some(writer) => joins_writes(writer, ctx),
        }
    }
}

fn joins_writes(writer: &WriterExtension, ctx: &mut Ctx) -> Result<bool, Refused> {
    let any = &writer.typed_config;
    match any.type_name() {
        "envoy.extensions.udp_packet_writer.v3.UdpDefaultWriterFactory" => {
            any.decode::<DefaultWriter>(ctx).map(|_| false)
        }
        "envoy.extensions.udp_packet_writer.v3.UdpGsoBatchWriterFactory" => {
            any.decode::<GsoWriter>(ctx).map(|_| true)
        }
        other => {
            let text = format!(
                "Didn't find a registered implementation for '{}' with type URL: '{other}'",
                writer.name.value
            );
            ctx.error(any.span, text);
            Err(Refused)
        }
    }
}
