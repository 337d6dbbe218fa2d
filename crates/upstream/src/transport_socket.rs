//! How a cluster's connections are secured.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use nuncio_net::tap::TapSettings;
use nuncio_net::tls::ClientTls;

use crate::proxy_protocol::UpstreamProxyProtocol;

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
    /// `envoy.transport_sockets.quic`.
    Quic(Arc<QuicTls>),
    /// One of these, and what goes before it.
    Behind(Box<Behind>),
}

/// TLS inside of QUIC, and the same for connections of TCP, which speak other protocols.
#[derive(Debug)]
pub struct QuicTls {
    /// Inside of QUIC.
    pub quic: ClientTls,
    /// Over TCP.
    pub tcp: Arc<ClientTls>,
}

/// What goes before a transport socket.
#[derive(Clone, Debug, Default)]
pub struct Behind {
    /// What hosts are told of whose connection it is.
    pub proxy_protocol: Option<UpstreamProxyProtocol>,
    /// That hosts are behind HTTP proxies.
    pub http_proxy: Option<Http11Proxy>,
    /// What connections to listeners inside of the process take along.
    pub passthrough: Option<Passthrough>,
    /// That the system is asked of connections, and how often while they last.
    pub tcp_stats: Option<Option<Duration>>,
    /// That connections are tapped.
    pub tap: Option<Arc<TapSettings>>,
    /// The socket; none of this kind.
    pub within: TransportSocket,
}

/// That hosts are behind HTTP proxies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Http11Proxy {
    /// The proxy of hosts whose metadata names none.
    pub default: Option<SocketAddr>,
}

/// The namespaces of metadata that connections to listeners inside of the process take along.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Passthrough {
    /// Of the host's metadata.
    pub of_host: Vec<Box<str>>,
    /// Of the cluster's.
    pub of_cluster: Vec<Box<str>>,
}

impl TransportSocket {
    /// What goes before it, and that it has gone.
    pub(crate) fn behind(&self) -> Option<&Behind> {
        match self {
            Self::Behind(behind) => Some(behind),
            Self::RawBuffer | Self::Tls(_) | Self::StartTls(_) | Self::Quic(_) => None,
        }
    }

    /// What hosts are told of whose connection it is.
    pub(crate) fn proxy_protocol(&self) -> Option<&UpstreamProxyProtocol> {
        self.behind()?.proxy_protocol.as_ref()
    }

    /// That hosts are behind HTTP proxies.
    pub(crate) fn http_proxy(&self) -> Option<&Http11Proxy> {
        self.behind()?.http_proxy.as_ref()
    }

    /// That the system is asked of connections, and how often while they last.
    pub(crate) fn tcp_stats(&self) -> Option<Option<Duration>> {
        self.behind()?.tcp_stats
    }

    /// How connections are tapped, if they are.
    pub(crate) fn tap(&self) -> Option<&Arc<TapSettings>> {
        self.behind()?.tap.as_ref()
    }

    /// Whether all is there that handshakes need.
    pub fn is_ready(&self) -> bool {
        self.context().is_none_or(|tls| tls.is_ready())
    }

    /// TLS that connections begin with.
    pub fn tls(&self) -> Option<&Arc<ClientTls>> {
        match self {
            Self::Tls(tls) => Some(tls),
            Self::Quic(both) => Some(&both.tcp),
            Self::RawBuffer | Self::StartTls(_) => None,
            Self::Behind(behind) => behind.within.tls(),
        }
    }

    /// TLS inside of QUIC.
    pub(crate) fn quic(&self) -> Option<&ClientTls> {
        match self {
            Self::Quic(both) => Some(&both.quic),
            Self::RawBuffer | Self::Tls(_) | Self::StartTls(_) | Self::Behind(_) => None,
        }
    }

    /// TLS that connections have, or could have.
    pub fn context(&self) -> Option<&Arc<ClientTls>> {
        match self {
            Self::RawBuffer => None,
            Self::Tls(tls) | Self::StartTls(tls) => Some(tls),
            Self::Quic(both) => Some(&both.tcp),
            Self::Behind(behind) => behind.within.context(),
        }
    }

    /// Lets connections to come use what `newer` was made of, where both are TLS; those that are open stay.
    /// For certificates and keys that changed under the same configuration.
    pub fn renew_from(&self, newer: &TransportSocket) {
        if let (Some(tls), Some(newer)) = (self.context(), newer.context()) {
            tls.renew_from(newer);
        }
        if let (Some(quic), Some(newer)) = (self.quic(), newer.quic()) {
            quic.renew_from(newer);
        }
    }
}
