//! The course of a handshake of TLS inside of QUIC, whichever side we are: what rustls says as quinn wants to hear it.

use std::io::Cursor;

use quinn_proto::crypto::{KeyPair, Keys, PacketKey};
use quinn_proto::transport_parameters::TransportParameters;
use quinn_proto::{ConnectionId, Side, TransportError, TransportErrorCode};
use rustls::AlertDescription;
use rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256;
use rustls::quic::{KeyChange, Secrets, Suite, Version};

/// How far a handshake has come.
#[derive(Default)]
pub(super) struct Course {
    /// Of the keys that come next.
    next: Option<Secrets>,
    /// Whether quinn was told of its end.
    has_told: bool,
}

impl Course {
    /// Whether quinn is to be told that it is over, as it has just ended.
    pub(super) fn has_ended(&mut self, is_handshaking: bool) -> bool {
        let is_over = !is_handshaking;
        is_over && !std::mem::replace(&mut self.has_told, is_over)
    }

    /// The keys from here on.
    pub(super) fn change(&mut self, change: KeyChange) -> Keys {
        keys(match change {
            KeyChange::Handshake { keys } => keys,
            KeyChange::OneRtt { keys, next } => {
                self.next = Some(next);
                keys
            }
        })
    }

    /// The keys behind those.
    pub(super) fn next_1rtt_keys(&mut self) -> Option<KeyPair<Box<dyn PacketKey>>> {
        let keys = self.next.as_mut()?.next_packet_keys();
        Some(KeyPair {
            local: Box::new(keys.local),
            remote: Box::new(keys.remote),
        })
    }
}

/// What the other side wants, as this side reads it.
pub(super) fn parameters(
    side: Side,
    bytes: Option<&[u8]>,
) -> Result<Option<TransportParameters>, TransportError> {
    let read = bytes.map(|bytes| TransportParameters::read(side, &mut Cursor::new(bytes)));
    Ok(read.transpose()?)
}

/// How a handshake fails that TLS tells this alert of, or none.
pub(super) fn failed(alert: Option<AlertDescription>, error: &rustls::Error) -> TransportError {
    let code = match alert {
        Some(alert) => TransportErrorCode::crypto(alert.into()),
        None => TransportErrorCode::PROTOCOL_VIOLATION,
    };
    transport_error(code, error.to_string())
}

pub(super) fn transport_error(code: TransportErrorCode, reason: String) -> TransportError {
    TransportError {
        code,
        frame: None,
        reason,
    }
}

/// The suite of first packets.
fn initial_suite() -> Option<Suite> {
    TLS13_AES_128_GCM_SHA256.tls13()?.quic_suite()
}

/// Of first packets, whose connection ids they are made of.
pub(super) fn initial_keys(id: &ConnectionId, side: Side, version: Version) -> Keys {
    let side = match side {
        Side::Client => rustls::Side::Client,
        Side::Server => rustls::Side::Server,
    };
    let suite = initial_suite().expect("the provider has the suite of first packets");
    keys(suite.keys(id, side, version))
}

fn keys(keys: rustls::quic::Keys) -> Keys {
    Keys {
        header: KeyPair {
            local: Box::new(keys.local.header),
            remote: Box::new(keys.remote.header),
        },
        packet: KeyPair {
            local: Box::new(keys.local.packet),
            remote: Box::new(keys.remote.packet),
        },
    }
}
