//! TLS inside of QUIC: a session that begins once the client's hello has said which filter chain it is for.
//!
//! quinn knows one configuration of TLS; ours depends on the hello. So a session keeps the first bytes until the hello
//! is complete (16 KiB at most, by quinn's own limit), has the chain chosen, and is rustls's from then on.

use std::any::Any;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use quinn_proto::crypto::rustls::QuicServerConfig;
use quinn_proto::crypto::{
    ExportKeyingMaterialError, HeaderKey, KeyPair, Keys, PacketKey, ServerConfig, Session,
    UnsupportedVersion,
};
use quinn_proto::transport_parameters::TransportParameters;
use quinn_proto::{ConnectionId, Side, TransportError, TransportErrorCode};
use rustls::quic::Version;

use super::course::{Course, failed, initial_keys, parameters, transport_error};
use crate::tls::{QuicTls, Selected, TlsFailure};

/// Finds the filter chain of a client.
pub trait Select: Send + Sync {
    /// That of a client that asks for this server name; none if nothing is for it.
    fn select(&self, server_name: &str, ends: (SocketAddr, SocketAddr)) -> Option<Selected>;
}

/// What a handshake found, for whoever serves the connection.
#[derive(Default)]
pub(super) struct Found {
    /// The chain that the hello chose.
    pub(super) chain: Option<usize>,
    /// Why there is none, or why the handshake failed.
    pub(super) failure: Option<TlsFailure>,
}

/// The configuration of one connection's session.
pub(super) struct OneSession {
    pub(super) select: Arc<dyn Select>,
    pub(super) ends: (SocketAddr, SocketAddr),
    /// What the session leaves behind when it fails.
    pub(super) found: Arc<OnceLock<Found>>,
    /// Keys of first packets, which depend on no configuration.
    pub(super) first: Arc<QuicServerConfig>,
}

struct TlsSession {
    config: Arc<OneSession>,
    version: Version,
    parameters: Vec<u8>,
    hello: Vec<u8>,
    begun: Option<Box<Begun>>,
}

struct Begun {
    tls: QuicTls,
    course: Course,
}

impl ServerConfig for OneSession {
    fn initial_keys(&self, version: u32, id: &ConnectionId) -> Result<Keys, UnsupportedVersion> {
        self.first.initial_keys(version, id)
    }

    fn retry_tag(&self, version: u32, original: &ConnectionId, packet: &[u8]) -> [u8; 16] {
        self.first.retry_tag(version, original, packet)
    }

    fn start_session(
        self: Arc<Self>,
        _version: u32,
        parameters: &TransportParameters,
    ) -> Box<dyn Session> {
        let mut bytes = Vec::new();
        parameters.write(&mut bytes);
        Box::new(TlsSession {
            config: self,
            version: Version::V1,
            parameters: bytes,
            hello: Vec::new(),
            begun: None,
        })
    }
}

impl TlsSession {
    /// Takes more of the hello; begins once it is complete.
    fn read_hello(&mut self, bytes: &[u8]) -> Result<(), TransportError> {
        self.hello.extend_from_slice(bytes);
        let Some([_, length @ ..]) = self.hello.first_chunk::<4>() else {
            return Ok(());
        };
        let length = length
            .iter()
            .fold(0, |sum, digit| sum << 8 | usize::from(*digit));
        let Some(hello) = self.hello.get(..4 + length) else {
            return Ok(());
        };
        let ends = (self.config.ends.0.ip(), self.config.ends.1.ip());
        let mut chain = None;
        let select = |name: &str| {
            let selected = self.config.select.select(name, self.config.ends)?;
            chain = Some(selected.chain);
            Some(selected)
        };
        let parameters = std::mem::take(&mut self.parameters);
        let begun = QuicTls::begin(hello, select, ends, (self.version, parameters));
        let tls = begun.map_err(|(alert, failure)| {
            let reason = failure.reason.clone().unwrap_or_default().into_string();
            self.leave(chain, Some(failure));
            let code = TransportErrorCode::crypto(alert.into());
            transport_error(code, reason)
        })?;
        self.begun = Some(Box::new(Begun {
            tls,
            course: Course::default(),
        }));
        let hello = std::mem::take(&mut self.hello);
        self.read(&hello)
    }

    fn read(&mut self, bytes: &[u8]) -> Result<(), TransportError> {
        let Some(begun) = &mut self.begun else {
            return Ok(());
        };
        let tls = &mut begun.tls;
        let Err(error) = tls.connection.read_hs(bytes) else {
            return Ok(());
        };
        let failed = failed(tls.connection.alert(), &error);
        let (chain, failure) = (tls.chain, tls.failure(&error));
        self.leave(Some(chain), Some(failure));
        Err(failed)
    }

    fn leave(&self, chain: Option<usize>, failure: Option<TlsFailure>) {
        let _only_the_first_counts = self.config.found.set(Found { chain, failure });
    }
}

impl Session for TlsSession {
    fn initial_keys(&self, id: &ConnectionId, side: Side) -> Keys {
        initial_keys(id, side, self.version)
    }

    /// What is known behind the handshake.
    fn handshake_data(&self) -> Option<Box<dyn Any>> {
        let begun = self.begun.as_ref()?;
        if begun.tls.connection.is_handshaking() {
            return None;
        }
        Some(Box::new(begun.tls.outcome()))
    }

    fn peer_identity(&self) -> Option<Box<dyn Any>> {
        None
    }

    fn early_crypto(&self) -> Option<(Box<dyn HeaderKey>, Box<dyn PacketKey>)> {
        None
    }

    fn early_data_accepted(&self) -> Option<bool> {
        None
    }

    fn is_handshaking(&self) -> bool {
        let begun = self.begun.as_ref();
        begun.is_none_or(|begun| begun.tls.connection.is_handshaking())
    }

    fn read_handshake(&mut self, bytes: &[u8]) -> Result<bool, TransportError> {
        match self.begun {
            None => self.read_hello(bytes)?,
            Some(_) => self.read(bytes)?,
        }
        let Some(begun) = &mut self.begun else {
            return Ok(false);
        };
        Ok(begun
            .course
            .has_ended(begun.tls.connection.is_handshaking()))
    }

    fn transport_parameters(&self) -> Result<Option<TransportParameters>, TransportError> {
        let begun = self.begun.as_ref();
        let bytes = begun.and_then(|begun| begun.tls.connection.quic_transport_parameters());
        parameters(Side::Server, bytes)
    }

    fn write_handshake(&mut self, out: &mut Vec<u8>) -> Option<Keys> {
        let begun = self.begun.as_mut()?;
        let change = begun.tls.connection.write_hs(out)?;
        Some(begun.course.change(change))
    }

    fn next_1rtt_keys(&mut self) -> Option<KeyPair<Box<dyn PacketKey>>> {
        self.begun.as_mut()?.course.next_1rtt_keys()
    }

    /// A server is sent none.
    fn is_valid_retry(&self, _original: &ConnectionId, _header: &[u8], _payload: &[u8]) -> bool {
        false
    }

    /// Nobody asks for any.
    fn export_keying_material(
        &self,
        _output: &mut [u8],
        _label: &[u8],
        _context: &[u8],
    ) -> Result<(), ExportKeyingMaterialError> {
        Err(ExportKeyingMaterialError)
    }
}
