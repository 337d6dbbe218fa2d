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
    /// `envoy.transport_sockets.starttls`: in the clear until a filter of the protocol has both sides turn to TLS,
    /// and no filter of ours, nor of Envoy's own, does so.
    StartTls(Arc<ClientTls>),
}

impl TransportSocket {
    /// Whether all is there that handshakes need.
    pub fn is_ready(&self) -> bool {
        self.context().is_none_or(|tls| tls.is_ready())
    }

    /// TLS that connections begin with.
    pub fn tls(&self) -> Option<&Arc<ClientTls>> {
        match self {
            Self::Tls(tls) => Some(tls),
            Self::RawBuffer | Self::StartTls(_) => None,
        }
    }

    /// TLS that connections have, or could have.
    pub fn context(&self) -> Option<&Arc<ClientTls>> {
        match self {
            Self::RawBuffer => None,
            Self::Tls(tls) | Self::StartTls(tls) => Some(tls),
        }
    }

    /// Lets connections to come use what `newer` was made of, where both are TLS; those that are open stay.
    /// For certificates and keys that changed under the same configuration.
    pub fn renew_from(&self, newer: &TransportSocket) {
        if let (Some(tls), Some(newer)) = (self.context(), newer.context()) {
            tls.renew_from(newer);
        }
    }
}
