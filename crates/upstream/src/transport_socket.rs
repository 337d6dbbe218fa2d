//! How a cluster's connections are opened and secured.

use std::io;
use std::net::SocketAddr;

use nuncio_net::connect::{ConnectError, ConnectOptions, connect};
use nuncio_net::transport::Transport;

use crate::error::{UpstreamError, UpstreamErrorKind};

/// A cluster's transport socket.
#[derive(Clone, Debug, Default)]
pub enum TransportSocket {
    /// `envoy.transport_sockets.raw_buffer`.
    #[default]
    RawBuffer,
}

impl TransportSocket {
    /// Opens a connection to `address`, with its handshake. No timeout of its own.
    pub(crate) async fn connect(
        &self,
        address: SocketAddr,
        options: &ConnectOptions,
    ) -> Result<Transport, UpstreamError> {
        let socket = connect(address, options)
            .await
            .map_err(|error| refused(&error))?;
        match self {
            Self::RawBuffer => Ok(Transport::Plain(socket)),
        }
    }
}

/// Envoy blames the remote side for what the network says, itself for what the own socket says.
fn refused(error: &ConnectError) -> UpstreamError {
    let local = error.immediate && error.source.kind() == io::ErrorKind::AddrNotAvailable;
    let kind = match local {
        true => UpstreamErrorKind::LocalConnectionFailure,
        false => UpstreamErrorKind::RemoteConnectionFailure,
    };
    let transport_failure_reason = Some(error.to_string().into_boxed_str());
    UpstreamError {
        transport_failure_reason,
        ..UpstreamError::new(kind)
    }
}
