//! The transport socket of a filter chain: makes a transport out of a socket, once the listener filters are through
//! with it and before the network filters begin.
//!
//! So far `raw_buffer` alone, which is what a chain without a transport socket has: nothing to wait for.

use nuncio_config::typed::{Ctx, Refused};
use nuncio_contract::services::LocalFuture;
use nuncio_contract::stream_info::ConnectionInfo;
use nuncio_net::transport::Transport;
use tokio::net::TcpStream;

use crate::config::{FilterChain, TransportSocketConfig};

const RAW_BUFFER: &str = "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer";

/// How a chain's sockets become transports, shared by the workers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum DownstreamSocket {
    /// The bytes of the socket are those of the connection.
    #[default]
    RawBuffer,
}

/// A transport, and what is known of its connection by then.
pub(super) type Opened = (Transport, ConnectionInfo);

/// A transport that is made.
#[expect(
    clippy::large_enum_variant,
    reason = "it is taken apart at once, and the large one is the common one"
)]
pub(super) enum Opening {
    /// There was nothing to wait for.
    Done(Opened),
    /// There is a handshake. None: the connection ended in it, which has been counted.
    #[expect(dead_code, reason = "no transport socket has a handshake yet")]
    Handshake(LocalFuture<Option<Opened>>),
}

impl DownstreamSocket {
    /// What a chain says of it.
    pub(super) fn compile(chain: &FilterChain, ctx: &mut Ctx) -> Result<Self, Refused> {
        let Some(socket) = &chain.transport_socket else {
            return Ok(DownstreamSocket::RawBuffer);
        };
        match &socket.config_type {
            Some(TransportSocketConfig::TypedConfig(any)) if any.type_name() == RAW_BUFFER => {
                Ok(DownstreamSocket::RawBuffer)
            }
            Some(TransportSocketConfig::TypedConfig(any)) => {
                let what = format!("the downstream transport socket `{}`", any.type_name());
                ctx.unsupported(any.span, what);
                Err(Refused)
            }
            None => {
                let name = &socket.name;
                let what = format!("transport socket `{}` without `typed_config`", name.value);
                Err(ctx.unsupported_here(name.span, what))
            }
        }
    }

    /// Begins to make a transport out of a socket.
    pub(super) fn open(&self, stream: TcpStream, info: ConnectionInfo) -> Opening {
        match self {
            DownstreamSocket::RawBuffer => Opening::Done((Transport::plain(stream), info)),
        }
    }
}
