//! Failed handshakes, told in the words of Envoy's BoringSSL.
//!
//! `TLS_error:|<code>:SSL routines:OPENSSL_internal:<REASON>:TLS_error_end`, where the code is 2^28 plus
//! BoringSSL's reason. A peer that just closes leaves no reason.

use std::borrow::Cow;
use std::io;

use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, PeerIncompatible};

use super::hello::Hello;
use super::refusal::PeerRefused;

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
    /// `fail_verify_no_cert`
    VerifyNoCertificate,
    /// `no_certificate`
    NoCertificate,
    /// `session_reused`
    SessionReused,
    /// `ocsp_staple_requests`
    OcspRequest,
    /// `ocsp_staple_responses`
    OcspResponse,
    /// `ocsp_staple_omitted`
    OcspOmitted,
    /// `ocsp_staple_failed`
    OcspFailed,
    /// `server_ssl_socket_factory.downstream_context_secrets_not_ready`
    DownstreamSecretsNotReady,
    /// `client_ssl_socket_factory.upstream_context_secrets_not_ready`
    UpstreamSecretsNotReady,
}

/// A handshake that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFailure {
    /// Envoy's transport failure reason; `None` when the peer just closed.
    pub reason: Option<Box<str>>,
    /// What to count.
    pub counter: Option<TlsCounter>,
}

impl TlsFailure {
    /// Of an error of the socket; `refused` is what a verifier noted.
    pub(super) fn of_io(error: &io::Error, refused: Option<&PeerRefused>) -> Self {
        let tls = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<Error>());
        match tls {
            Some(error) => Self::of(error, refused),
            None => Self {
                reason: None,
                counter: None,
            },
        }
    }

    /// The same of a server's handshake, of this version: BoringSSL chooses suites of TLS 1.2 by what a client can
    /// check, rustls looks at that afterwards.
    pub(super) fn of_server(error: &io::Error, is_13: bool, refused: Option<&PeerRefused>) -> Self {
        let inner = error.get_ref();
        let tls = inner.and_then(|inner| inner.downcast_ref::<Error>());
        match tls {
            Some(Error::PeerIncompatible(PeerIncompatible::NoSignatureSchemesInCommon))
                if !is_13 =>
            {
                Self::no_certificate()
            }
            _ => Self::of_io(error, refused),
        }
    }

    pub(super) fn of(error: &Error, refused: Option<&PeerRefused>) -> Self {
        if let (Error::InvalidCertificate(_), Some(refused)) = (error, refused) {
            return Self::refused(refused);
        }
        let (code, words): (u32, Cow<'_, str>) = match error {
            Error::NoCertificatesPresented => {
                let text = "PEER_DID_NOT_RETURN_A_CERTIFICATE:peer did not provide required client certificate";
                return Self {
                    reason: Some(told(192, text)),
                    counter: Some(TlsCounter::VerifyNoCertificate),
                };
            }
            Error::InvalidMessage(why) => invalid(why),
            Error::PeerIncompatible(why) => incompatible(why),
            Error::InappropriateMessage { .. } | Error::InappropriateHandshakeMessage { .. } => {
                (223, "UNEXPECTED_MESSAGE".into())
            }
            Error::DecryptError => (139, "DECRYPTION_FAILED_OR_BAD_RECORD_MAC".into()),
            Error::PeerSentOversizedRecord => (146, "ENCRYPTED_LENGTH_TOO_LONG".into()),
            Error::InvalidCertificate(CertificateError::BadSignature) => {
                (114, "BAD_SIGNATURE".into())
            }
            Error::AlertReceived(alert) => {
                (1000 + u32::from(u8::from(*alert)), words(*alert).into())
            }
            other => (0, other.to_string().into()),
        };
        Self {
            reason: Some(told(code, &words)),
            counter: Some(TlsCounter::ConnectionError),
        }
    }

    /// A certificate that was refused.
    pub(super) fn refused(refused: &PeerRefused) -> Self {
        Self {
            reason: Some(told(125, &format!("CERTIFICATE_VERIFY_FAILED{refused}"))),
            counter: refused.counter(),
        }
    }

    /// Bytes that are no hello.
    pub(super) fn of_hello(error: &Error, hello: &Hello) -> Self {
        let (code, words) = if hello.is_http() {
            (156, "HTTP_REQUEST")
        } else if hello.is_http_connect() {
            (155, "HTTPS_PROXY_REQUEST")
        } else if hello.is_outdated() {
            (240, "UNSUPPORTED_PROTOCOL")
        } else {
            return Self::of(error, None);
        };
        Self {
            reason: Some(told(code, words)),
            counter: Some(TlsCounter::ConnectionError),
        }
    }

    /// A context whose lowest version is above its highest.
    pub(super) fn no_versions() -> Self {
        Self {
            reason: Some(told(280, "NO_SUPPORTED_VERSIONS_ENABLED")),
            counter: Some(TlsCounter::ConnectionError),
        }
    }

    /// A context without a certificate, which none has.
    pub(super) fn no_certificate() -> Self {
        Self::of(
            &Error::PeerIncompatible(PeerIncompatible::NoCipherSuitesInCommon),
            None,
        )
    }
}

fn invalid(why: &InvalidMessage) -> (u32, Cow<'static, str>) {
    match why {
        InvalidMessage::HandshakePayloadTooLarge => (150, "EXCESSIVE_MESSAGE_SIZE".into()),
        InvalidMessage::MessageTooLarge => (146, "ENCRYPTED_LENGTH_TOO_LONG".into()),
        InvalidMessage::InvalidContentType
        | InvalidMessage::UnknownProtocolVersion
        | InvalidMessage::InvalidEmptyPayload => (247, "WRONG_VERSION_NUMBER".into()),
        _ => (137, "DECODE_ERROR".into()),
    }
}

fn incompatible(why: &PeerIncompatible) -> (u32, Cow<'static, str>) {
    match why {
        PeerIncompatible::NoCipherSuitesInCommon => (184, "NO_SHARED_CIPHER".into()),
        PeerIncompatible::NoKxGroupsInCommon => (266, "NO_SHARED_GROUP".into()),
        PeerIncompatible::NoSignatureSchemesInCommon => {
            (253, "NO_COMMON_SIGNATURE_ALGORITHMS".into())
        }
        _ => (240, "UNSUPPORTED_PROTOCOL".into()),
    }
}

/// A context towards hosts whose secrets have not all come.
pub(super) fn not_ready() -> TlsFailure {
    TlsFailure {
        reason: None,
        counter: Some(TlsCounter::UpstreamSecretsNotReady),
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
        let inner = Error::InvalidMessage(InvalidMessage::InvalidContentType);
        let failure = TlsFailure::of_io(&io::Error::new(io::ErrorKind::InvalidData, inner), None);
        assert_eq!(
            failure.reason.as_deref(),
            Some(
                "TLS_error:|268435703:SSL routines:OPENSSL_internal:WRONG_VERSION_NUMBER:TLS_error_end"
            )
        );
    }

    #[test]
    fn a_peer_that_closes_leaves_no_reason() {
        let failure = TlsFailure::of_io(&io::Error::from(io::ErrorKind::UnexpectedEof), None);
        assert_eq!(
            failure,
            TlsFailure {
                reason: None,
                counter: None
            }
        );
    }
}
