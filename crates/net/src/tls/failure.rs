//! Failed handshakes, told in the words of Envoy's BoringSSL.
//!
//! `TLS_error:|<code>:SSL routines:OPENSSL_internal:<REASON>:TLS_error_end`, where the code is 2^28 plus
//! BoringSSL's reason. A peer that just closes leaves no reason.

use std::error::Error as _;
use std::io;

use rustls::{AlertDescription, CertificateError, Error};

use super::verify::PeerRefused;

/// Base of BoringSSL's codes of its SSL library.
const SSL_CODE: u32 = 0x1000_0000;

/// Which of the `ssl.` counters a failure belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsCounter {
    /// `connection_error`
    ConnectionError,
    /// `fail_verify_error`
    VerifyError,
    /// `fail_verify_san`
    VerifySan,
    /// `fail_verify_cert_hash`
    VerifyCertHash,
}

/// A handshake that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFailure {
    /// Envoy's transport failure reason; `None` when the peer just closed.
    pub reason: Option<Box<str>>,
    /// What to count.
    pub counter: Option<TlsCounter>,
}

impl From<&io::Error> for TlsFailure {
    fn from(error: &io::Error) -> Self {
        let tls = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<Error>());
        tls.map_or(
            Self {
                reason: None,
                counter: None,
            },
            Self::of,
        )
    }
}

impl TlsFailure {
    fn of(error: &Error) -> Self {
        if let Some(refused) = refused(error) {
            let text = format!("CERTIFICATE_VERIFY_FAILED{refused}");
            return Self {
                reason: Some(told(125, &text)),
                counter: refused.counter(),
            };
        }
        let reason = match error {
            Error::InvalidMessage(_) => told(247, "WRONG_VERSION_NUMBER"),
            Error::PeerIncompatible(_) => told(240, "UNSUPPORTED_PROTOCOL"),
            Error::AlertReceived(alert) => told(1000 + u32::from(u8::from(*alert)), words(*alert)),
            other => told(0, &other.to_string()),
        };
        Self {
            reason: Some(reason),
            counter: Some(TlsCounter::ConnectionError),
        }
    }
}

/// A server name that BoringSSL would not send either: Envoy does not begin the handshake.
pub(super) fn too_long() -> TlsFailure {
    let reason = "Failed to create upstream TLS due to failure setting SNI: error:100000d5:SSL \
                  routines:OPENSSL_internal:SSL3_EXT_INVALID_SERVERNAME";
    TlsFailure {
        reason: Some(reason.into()),
        counter: None,
    }
}

/// A server name that is no DNS name, which rustls cannot send.
pub(super) fn no_dns_name(name: &str) -> TlsFailure {
    TlsFailure {
        reason: Some(format!("the server name `{name}` is no DNS name").into()),
        counter: Some(TlsCounter::ConnectionError),
    }
}

fn refused(error: &Error) -> Option<&PeerRefused> {
    let Error::InvalidCertificate(CertificateError::Other(other)) = error else {
        return None;
    };
    other
        .source()
        .and_then(|source| source.downcast_ref())
        .or_else(|| other.0.downcast_ref())
}

fn told(reason: u32, words: &str) -> Box<str> {
    let code = SSL_CODE + reason;
    format!("TLS_error:|{code}:SSL routines:OPENSSL_internal:{words}:TLS_error_end").into()
}

fn words(alert: AlertDescription) -> &'static str {
    match alert {
        AlertDescription::UnexpectedMessage => "SSLV3_ALERT_UNEXPECTED_MESSAGE",
        AlertDescription::BadRecordMac => "SSLV3_ALERT_BAD_RECORD_MAC",
        AlertDescription::HandshakeFailure => "SSLV3_ALERT_HANDSHAKE_FAILURE",
        AlertDescription::BadCertificate => "SSLV3_ALERT_BAD_CERTIFICATE",
        AlertDescription::UnsupportedCertificate => "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE",
        AlertDescription::CertificateRevoked => "SSLV3_ALERT_CERTIFICATE_REVOKED",
        AlertDescription::CertificateExpired => "SSLV3_ALERT_CERTIFICATE_EXPIRED",
        AlertDescription::CertificateUnknown => "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
        AlertDescription::IllegalParameter => "SSLV3_ALERT_ILLEGAL_PARAMETER",
        AlertDescription::UnknownCA => "TLSV1_ALERT_UNKNOWN_CA",
        AlertDescription::AccessDenied => "TLSV1_ALERT_ACCESS_DENIED",
        AlertDescription::DecodeError => "TLSV1_ALERT_DECODE_ERROR",
        AlertDescription::DecryptError => "TLSV1_ALERT_DECRYPT_ERROR",
        AlertDescription::ProtocolVersion => "TLSV1_ALERT_PROTOCOL_VERSION",
        AlertDescription::InsufficientSecurity => "TLSV1_ALERT_INSUFFICIENT_SECURITY",
        AlertDescription::InternalError => "TLSV1_ALERT_INTERNAL_ERROR",
        AlertDescription::UnrecognisedName => "TLSV1_ALERT_UNRECOGNIZED_NAME",
        AlertDescription::CertificateRequired => "TLSV1_ALERT_CERTIFICATE_REQUIRED",
        AlertDescription::NoApplicationProtocol => "TLSV1_ALERT_NO_APPLICATION_PROTOCOL",
        _ => "TLSV1_ALERT",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_does_not_speak_tls_is_told_as_boringssl_does() {
        let inner = Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType);
        let failure = TlsFailure::from(&io::Error::new(io::ErrorKind::InvalidData, inner));
        assert_eq!(
            failure.reason.as_deref(),
            Some(
                "TLS_error:|268435703:SSL routines:OPENSSL_internal:WRONG_VERSION_NUMBER:TLS_error_end"
            )
        );
    }

    #[test]
    fn a_peer_that_closes_leaves_no_reason() {
        let failure = TlsFailure::from(&io::Error::from(io::ErrorKind::UnexpectedEof));
        assert_eq!(
            failure,
            TlsFailure {
                reason: None,
                counter: None
            }
        );
    }
}
