//! A handshake inside of QUIC, towards a host.
//!
//! As over TCP in what is shown and demanded. Besides, a host's certificate must be for the name that the host is told, even
//! where nothing else is asked of it, as in Envoy: who is told no name is believed by nobody.

use std::net::IpAddr;
use std::sync::Arc;

use nuncio_contract::stream_info::{CertificateInfo, TlsInfo as Told};
use rustls::quic::{ClientConnection, Version};
use rustls::{AlertDescription, Error, HandshakeKind};

use super::certificate_info;
use super::client::{ClientTls, Prepared, Wishes};
use super::failure::{TlsCounter, TlsFailure};
use super::quic::QuicHandshake;
use super::refusal::PeerRefused;
use super::verify::PeerVerifier;
use crate::transport::TlsInfo;

/// What a handshake is to be done with.
pub struct QuicGreeting {
    prepared: Prepared,
}

/// A handshake under way.
pub(crate) struct QuicClientTls {
    pub(crate) connection: ClientConnection,
    verifier: PeerVerifier,
    sent: Option<Box<str>>,
    own: Option<Arc<CertificateInfo>>,
}

impl ClientTls {
    /// Prepares a handshake inside of QUIC between these ends.
    ///
    /// # Errors
    /// There is nothing to do it with, or the host cannot be told its name.
    pub fn greet_over_quic(
        &self,
        ends: (IpAddr, IpAddr),
        wishes: Wishes<'_>,
    ) -> Result<QuicGreeting, TlsFailure> {
        let mut prepared = self.prepare(ends, wishes)?;
        let owner = prepared.sent.clone().unwrap_or_default();
        let verifier = PeerVerifier {
            owner: Some(owner),
            ..prepared.verifier
        };
        Arc::make_mut(&mut prepared.config)
            .dangerous()
            .set_certificate_verifier(Arc::new(verifier.clone()));
        prepared.verifier = verifier;
        Ok(QuicGreeting { prepared })
    }
}

impl QuicGreeting {
    /// Begins it, with QUIC's own parameters.
    pub(crate) fn begin(
        &self,
        version: Version,
        parameters: Vec<u8>,
    ) -> Result<QuicClientTls, Error> {
        let Prepared {
            name,
            sent,
            config,
            verifier,
            own,
        } = &self.prepared;
        let connection =
            ClientConnection::new(Arc::clone(config), version, name.clone(), parameters)?;
        Ok(QuicClientTls {
            connection,
            verifier: verifier.clone(),
            sent: sent.clone(),
            own: own.clone(),
        })
    }
}

impl QuicClientTls {
    /// Why the handshake has failed on this side, in the words of Envoy's QUIC.
    pub(crate) fn failure(&self, error: &Error) -> TlsFailure {
        let refused = self.verifier.take_notes().refused;
        let counter = TlsFailure::of(error, refused.as_ref()).counter;
        let alert = match &refused {
            Some(PeerRefused::Hash) => AlertDescription::BadCertificateHashValue,
            _ => self
                .connection
                .alert()
                .unwrap_or(AlertDescription::InternalError),
        };
        TlsFailure {
            reason: Some(words(alert, error)),
            counter: match refused {
                Some(refused) => refused.counter(),
                None => counter.filter(|counter| *counter != TlsCounter::ConnectionError),
            },
        }
    }

    /// What was agreed on.
    pub(crate) fn outcome(&self) -> QuicHandshake {
        let state = &self.connection;
        let notes = self.verifier.take_notes();
        let peer = certificate_info::peer(state.peer_certificates().unwrap_or_default());
        let told = Told {
            server_name: self.sent.clone().unwrap_or_default(),
            peer_validated: notes.is_validated,
            local: self.own.clone(),
            peer: peer.map(Box::new),
            ..Told::default()
        };
        let mut counters = notes.tolerated;
        if state.handshake_kind() == Some(HandshakeKind::Resumed) {
            counters.push(TlsCounter::SessionReused);
        }
        QuicHandshake {
            chain: 0,
            info: TlsInfo::of(state, self.sent.clone(), notes.signature, told),
            counters,
        }
    }
}

/// Envoy's transport failure reason: the name of QUIC's error, and what BoringSSL said.
fn words(alert: AlertDescription, error: &Error) -> Box<str> {
    let name = match alert {
        AlertDescription::BadCertificate => "QUIC_TLS_BAD_CERTIFICATE",
        AlertDescription::UnsupportedCertificate => "QUIC_TLS_UNSUPPORTED_CERTIFICATE",
        AlertDescription::CertificateRevoked => "QUIC_TLS_CERTIFICATE_REVOKED",
        AlertDescription::CertificateExpired => "QUIC_TLS_CERTIFICATE_EXPIRED",
        AlertDescription::CertificateUnknown => "QUIC_TLS_CERTIFICATE_UNKNOWN",
        AlertDescription::CertificateRequired => "QUIC_TLS_CERTIFICATE_REQUIRED",
        _ => "QUIC_HANDSHAKE_FAILED",
    };
    let number = u8::from(alert);
    let phrase = match alert {
        AlertDescription::BadCertificate => "bad certificate",
        AlertDescription::UnsupportedCertificate => "unsupported certificate",
        AlertDescription::CertificateRevoked => "certificate revoked",
        AlertDescription::CertificateExpired => "certificate expired",
        AlertDescription::CertificateUnknown => "certificate unknown",
        AlertDescription::UnknownCA => "unknown CA",
        AlertDescription::BadCertificateHashValue => "bad certificate hash value",
        AlertDescription::NoApplicationProtocol => "no application protocol",
        AlertDescription::DecryptError => "decrypt error",
        AlertDescription::HandshakeFailure => "handshake failure",
        _ => "internal error",
    };
    let stack = match error {
        Error::InvalidCertificate(_) => {
            "[handshake.cc:320] error:1000007d:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED".to_owned()
        }
        other => other.to_string(),
    };
    format!(
        "{name} with details: TLS handshake failure (ENCRYPTION_HANDSHAKE) {number}: {phrase}. SSLErrorStack:{stack}"
    )
    .into()
}
