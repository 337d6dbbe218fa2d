//! TLS inside of QUIC, towards a host.

use std::any::Any;
use std::sync::{Arc, OnceLock};

use quinn_proto::crypto::rustls::QuicServerConfig;
use quinn_proto::crypto::{
    ClientConfig, ExportKeyingMaterialError, HeaderKey, KeyPair, Keys, PacketKey, ServerConfig,
    Session,
};
use quinn_proto::transport_parameters::TransportParameters;
use quinn_proto::{ConnectError, ConnectionId, Side, TransportError};
use rustls::quic::Version;

use super::course::{Course, failed, initial_keys, parameters};
use super::session::Found;
use crate::tls::{QuicClientTls, QuicGreeting};

/// The version of QUIC that is spoken.
const VERSION_1: u32 = 1;
/// What a Retry packet ends with.
const RETRY_TAG_BYTES: usize = 16;

/// The configuration of one connection's session.
pub(super) struct OneClient {
    pub(super) greeting: QuicGreeting,
    /// What the session leaves behind when it fails.
    pub(super) found: Arc<OnceLock<Found>>,
    /// What knows how Retry packets are sealed.
    pub(super) first: Arc<QuicServerConfig>,
}

struct ClientSession {
    config: Arc<OneClient>,
    tls: QuicClientTls,
    course: Course,
}

impl ClientConfig for OneClient {
    fn start_session(
        self: Arc<Self>,
        _version: u32,
        _server_name: &str,
        parameters: &TransportParameters,
    ) -> Result<Box<dyn Session>, ConnectError> {
        let mut bytes = Vec::new();
        parameters.write(&mut bytes);
        let begun = self.greeting.begin(Version::V1, bytes);
        let tls = begun.map_err(|error| ConnectError::InvalidServerName(error.to_string()))?;
        Ok(Box::new(ClientSession {
            config: self,
            tls,
            course: Course::default(),
        }))
    }
}

impl Session for ClientSession {
    fn initial_keys(&self, id: &ConnectionId, side: Side) -> Keys {
        initial_keys(id, side, Version::V1)
    }

    /// What is known behind the handshake.
    fn handshake_data(&self) -> Option<Box<dyn Any>> {
        match self.tls.connection.is_handshaking() {
            true => None,
            false => Some(Box::new(self.tls.outcome())),
        }
    }

    fn peer_identity(&self) -> Option<Box<dyn Any>> {
        None
    }

    fn early_crypto(&self) -> Option<(Box<dyn HeaderKey>, Box<dyn PacketKey>)> {
        None
    }

    fn early_data_accepted(&self) -> Option<bool> {
        Some(false)
    }

    fn is_handshaking(&self) -> bool {
        self.tls.connection.is_handshaking()
    }

    fn read_handshake(&mut self, bytes: &[u8]) -> Result<bool, TransportError> {
        if let Err(error) = self.tls.connection.read_hs(bytes) {
            let failed = failed(self.tls.connection.alert(), &error);
            let failure = self.tls.failure(&error);
            let found = Found {
                chain: None,
                failure: Some(failure),
            };
            let _only_the_first_counts = self.config.found.set(found);
            return Err(failed);
        }
        Ok(self.course.has_ended(self.tls.connection.is_handshaking()))
    }

    fn transport_parameters(&self) -> Result<Option<TransportParameters>, TransportError> {
        let bytes = self.tls.connection.quic_transport_parameters();
        parameters(Side::Client, bytes)
    }

    fn write_handshake(&mut self, out: &mut Vec<u8>) -> Option<Keys> {
        let change = self.tls.connection.write_hs(out)?;
        Some(self.course.change(change))
    }

    fn next_1rtt_keys(&mut self) -> Option<KeyPair<Box<dyn PacketKey>>> {
        self.course.next_1rtt_keys()
    }

    fn is_valid_retry(&self, original: &ConnectionId, header: &[u8], payload: &[u8]) -> bool {
        let Some((payload, tag)) = payload.split_last_chunk::<RETRY_TAG_BYTES>() else {
            return false;
        };
        let packet = [header, payload].concat();
        self.config.first.retry_tag(VERSION_1, original, &packet) == *tag
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
