//! How a cluster's connections are secured.

use std::sync::Arc;

use nuncio_net::tls::ClientTls;

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
    /// Whether all is there that handshakes need.
    pub fn is_ready(&self) -> bool {
        match self {
            Self::RawBuffer => true,
            Self::Tls(tls) => tls.is_ready(),
        }
    }

    /// Lets connections to come use what `newer` was made of, where both are TLS; those that are open stay.
    /// For certificates and keys that changed under the same configuration.
    pub fn renew_from(&self, newer: &TransportSocket) {
        if let (Self::Tls(tls), Self::Tls(newer)) = (self, newer) {
            tls.renew_from(newer);
        }
    }
}
