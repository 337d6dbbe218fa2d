//! TLS over TCP after its handshake, either side, with what the handshake agreed on.

use std::sync::Arc;

use nuncio_contract::stream_info::TlsInfo as Told;
use rustls::{CipherSuite, CommonState, NamedGroup, ProtocolVersion, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsStream;

use crate::signature_names::signature_name;

/// What a TLS handshake agreed on.
#[derive(Clone, Debug, Default)]
pub struct TlsInfo {
    /// Server name that the client asked for.
    pub server_name: Option<Box<str>>,
    /// Agreed protocol of the layer above (ALPN), as on the wire.
    pub alpn_protocol: Option<Box<[u8]>>,
    /// Protocol version as Envoy writes it: `TLSv1.2`, `TLSv1.3`.
    pub version: Option<&'static str>,
    /// Cipher suite as OpenSSL writes it.
    pub cipher: Option<&'static str>,
    /// Key exchange group as OpenSSL writes it.
    pub curve: Option<&'static str>,
    /// What the peer signed by, where it showed a certificate.
    pub signature: Option<&'static str>,
    /// What streams are told.
    pub told: Arc<Told>,
}

impl TlsInfo {
    pub(crate) fn of(
        state: &CommonState,
        server_name: Option<Box<str>>,
        signature: Option<SignatureScheme>,
        told: Told,
    ) -> Self {
        let mut info = agreed(state);
        info.server_name = server_name;
        info.signature = signature.and_then(signature_name);
        info.told = Arc::new(Told {
            version: info.version.unwrap_or_default().into(),
            cipher_suite: info.cipher.unwrap_or_default().into(),
            group: info.curve.unwrap_or_default().into(),
            ..told
        });
        info
    }
}

/// A TLS connection.
pub struct TlsTransport {
    pub(crate) stream: TlsStream<TcpStream>,
    info: TlsInfo,
}

impl TlsTransport {
    /// Wraps a stream whose handshake is done. `server_name` is what was sent (client) or received (server), `told`
    /// what is known of certificates.
    pub(crate) fn new(
        stream: TlsStream<TcpStream>,
        server_name: Option<Box<str>>,
        signature: Option<SignatureScheme>,
        told: Told,
    ) -> Self {
        let (_, state) = stream.get_ref();
        let info = TlsInfo::of(state, server_name, signature, told);
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
        alpn_protocol: state.alpn_protocol().map(Into::into),
        version: match state.protocol_version() {
            Some(ProtocolVersion::TLSv1_2) => Some("TLSv1.2"),
            Some(ProtocolVersion::TLSv1_3) => Some("TLSv1.3"),
            _ => None,
        },
        cipher: state
            .negotiated_cipher_suite()
            .and_then(|suite| cipher_name(suite.suite())),
        curve: state
            .negotiated_key_exchange_group()
            .and_then(|group| curve_name(group.name())),
        ..TlsInfo::default()
    }
}

/// OpenSSL's names of the suites that rustls speaks.
pub(crate) fn cipher_name(suite: CipherSuite) -> Option<&'static str> {
    Some(match suite {
        CipherSuite::TLS13_AES_128_GCM_SHA256 => "TLS_AES_128_GCM_SHA256",
        CipherSuite::TLS13_AES_256_GCM_SHA384 => "TLS_AES_256_GCM_SHA384",
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => "TLS_CHACHA20_POLY1305_SHA256",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 => "ECDHE-ECDSA-AES128-GCM-SHA256",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 => "ECDHE-ECDSA-AES256-GCM-SHA384",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 => {
            "ECDHE-ECDSA-CHACHA20-POLY1305"
        }
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 => "ECDHE-RSA-AES128-GCM-SHA256",
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 => "ECDHE-RSA-AES256-GCM-SHA384",
        CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 => "ECDHE-RSA-CHACHA20-POLY1305",
        _ => return None,
    })
}

fn curve_name(group: NamedGroup) -> Option<&'static str> {
    Some(match group {
        NamedGroup::X25519 => "X25519",
        NamedGroup::secp256r1 => "P-256",
        NamedGroup::secp384r1 => "P-384",
        NamedGroup::X25519MLKEM768 => "X25519MLKEM768",
        _ => return None,
    })
}
