//! How a cluster's connections are opened and secured.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use nuncio_net::connect::{ConnectError, ConnectOptions, connect};
use nuncio_net::tls::{ClientTls, TlsCounter};
use nuncio_net::transport::Transport;

use crate::error::{UpstreamError, UpstreamErrorKind};
use crate::worker::ClusterCore;

/// A cluster's transport socket.
#[derive(Clone, Debug, Default)]
pub enum TransportSocket {
    /// `envoy.transport_sockets.raw_buffer`.
    #[default]
    RawBuffer,
    /// `envoy.transport_sockets.tls`.
    Tls(Arc<ClientTls>),
}

impl TransportSocket {
    /// Lets connections to come use what `newer` was made of, where both are TLS; those that are open stay.
    /// For certificates and keys that changed under the same configuration.
    pub fn renew_from(&self, newer: &TransportSocket) {
        if let (Self::Tls(tls), Self::Tls(newer)) = (self, newer) {
            tls.renew_from(newer);
        }
    }

    /// Opens a connection to `address`, with its handshake, and counts it. No timeout of its own.
    pub(crate) async fn connect(
        &self,
        address: SocketAddr,
        options: &ConnectOptions,
        core: &ClusterCore,
    ) -> Result<Transport, UpstreamError> {
        let socket = connect(address, options)
            .await
            .map_err(|error| refused(&error))?;
        let tls = match self {
            Self::RawBuffer => return Ok(Transport::Plain(socket)),
            Self::Tls(tls) => tls,
        };
        let stats = core.tls_stats();
        match tls.handshake(socket, address.ip()).await {
            Ok(transport) => {
                stats.handshake.inc();
                core.count_handshake(transport.info());
                Ok(Transport::Tls(Box::new(transport)))
            }
            Err(failure) => {
                match failure.counter {
                    Some(TlsCounter::ConnectionError) => stats.connection_error.inc(),
                    Some(TlsCounter::VerifyError) => stats.fail_verify_error.inc(),
                    Some(TlsCounter::VerifySan) => stats.fail_verify_san.inc(),
                    Some(TlsCounter::VerifyCertHash) => stats.fail_verify_cert_hash.inc(),
                    None => {}
                }
                let kind = UpstreamErrorKind::RemoteConnectionFailure;
                let transport_failure_reason = failure.reason;
                Err(UpstreamError {
                    transport_failure_reason,
                    ..UpstreamError::new(kind)
                })
            }
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
