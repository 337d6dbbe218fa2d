//! TLS over TCP after its handshake, either side, with what the handshake agreed on.

use rustls::{CommonState, ProtocolVersion};
use tokio::net::TcpStream;
use tokio_rustls::TlsStream;

/// What a TLS handshake agreed on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsInfo {
    /// Server name that the client asked for.
    pub server_name: Option<Box<str>>,
    /// Agreed protocol of the layer above (ALPN), as on the wire.
    pub alpn_protocol: Option<Box<[u8]>>,
    /// Protocol version as Envoy writes it: `TLSv1.2`, `TLSv1.3`.
    pub version: Option<&'static str>,
    /// The peer's leaf certificate, DER.
    pub peer_certificate: Option<Box<[u8]>>,
}

/// A TLS connection.
pub struct TlsTransport {
    pub(super) stream: TlsStream<TcpStream>,
    info: TlsInfo,
}

impl TlsTransport {
    /// Wraps a stream whose handshake is done. `server_name` is what was sent (client) or received (server).
    pub fn new(stream: TlsStream<TcpStream>, server_name: Option<Box<str>>) -> Self {
        let (_, state) = stream.get_ref();
        let info = TlsInfo {
            server_name,
            ..agreed(state)
        };
        Self { stream, info }
    }

    /// What the handshake agreed on.
    pub fn info(&self) -> &TlsInfo {
        &self.info
    }

    /// The socket below.
    pub fn socket(&self) -> &TcpStream {
        self.stream.get_ref().0
    }
}

fn agreed(state: &CommonState) -> TlsInfo {
    TlsInfo {
        server_name: None,
        alpn_protocol: state.alpn_protocol().map(Into::into),
        version: match state.protocol_version() {
            Some(ProtocolVersion::TLSv1_2) => Some("TLSv1.2"),
            Some(ProtocolVersion::TLSv1_3) => Some("TLSv1.3"),
            _ => None,
        },
        peer_certificate: state
            .peer_certificates()
            .and_then(|chain| chain.first())
            .map(|leaf| leaf.as_ref().into()),
    }
}
