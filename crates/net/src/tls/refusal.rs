//! Why a peer's certificate is refused, in Envoy's words.

use std::fmt;

use rustls::CertificateError;

use super::failure::TlsCounter;

/// Why a peer was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PeerRefused {
    /// The chain is not trusted: OpenSSL's words, and how far up the chain that was found.
    Chain { why: &'static str, depth: usize },
    /// No name matches; these are there.
    Names(Vec<String>),
    /// The name that is expected is not among these.
    NotExpected {
        expected: Box<str>,
        names: Vec<String>,
    },
    /// A name is expected, but nothing tells which certificates can be trusted; or the certificate is for another
    /// host than the one that QUIC was to lead to. Nothing is said of either.
    Unverifiable,
    /// Neither hash is pinned.
    Hash,
    /// Of a SPIFFE validator, why.
    Spiffe(String),
    /// The same, of its names.
    SpiffeNames(String),
}

impl PeerRefused {
    /// A chain whose first certificate is at fault.
    pub(super) fn leaf(why: &'static str) -> Self {
        Self::Chain { why, depth: 0 }
    }

    /// What a SPIFFE validator says of a chain: the same by another alert.
    pub(super) fn of_spiffe(self) -> Self {
        let text = self.to_string();
        let said = text.strip_prefix(PREFIX).unwrap_or(&text);
        Self::Spiffe(said.to_owned())
    }

    pub(super) fn counter(&self) -> Option<TlsCounter> {
        match self {
            Self::Chain { .. } | Self::Spiffe(_) => Some(TlsCounter::VerifyError),
            Self::Names(_) | Self::NotExpected { .. } | Self::SpiffeNames(_) => {
                Some(TlsCounter::VerifySan)
            }
            Self::Unverifiable => None,
            Self::Hash => Some(TlsCounter::VerifyCertHash),
        }
    }

    /// The error for which rustls sends the alert that BoringSSL would.
    pub(super) fn alerting(&self) -> CertificateError {
        let Self::Chain { why, .. } = self else {
            return CertificateError::Other(rustls::OtherError(std::sync::Arc::new(self.clone())));
        };
        match *why {
            EXPIRED | NOT_YET_VALID => CertificateError::Expired,
            REVOKED => CertificateError::Revoked,
            BAD_SIGNATURE => CertificateError::BadSignature,
            PURPOSE => CertificateError::InvalidPurpose,
            UNPARSABLE => CertificateError::BadEncoding,
            NO_ISSUER | SELF_SIGNED | SELF_SIGNED_IN_CHAIN | NO_CRL => {
                CertificateError::UnknownIssuer
            }
            _ => CertificateError::Other(rustls::OtherError(std::sync::Arc::new(self.clone()))),
        }
    }
}

const PREFIX: &str = ":verify cert failed: ";
pub(super) const EXPIRED: &str = "certificate has expired";
pub(super) const NOT_YET_VALID: &str = "certificate is not yet valid";
pub(super) const REVOKED: &str =
    "certificate revocation check against provided CRLs failed: certificate revoked";
pub(super) const BAD_SIGNATURE: &str = "certificate signature failure";
pub(super) const PURPOSE: &str = "unsupported certificate purpose";
pub(super) const NO_ISSUER: &str = "unable to get local issuer certificate";
pub(super) const SELF_SIGNED: &str = "self signed certificate";
pub(super) const SELF_SIGNED_IN_CHAIN: &str = "self signed certificate in certificate chain";
pub(super) const NO_CRL: &str =
    "certificate revocation check against provided CRLs failed: unable to get certificate CRL";
pub(super) const CRL_EXPIRED: &str =
    "certificate revocation check against provided CRLs failed: CRL has expired";
pub(super) const INVALID_CA: &str = "invalid CA certificate";
pub(super) const PATH_LENGTH: &str = "path length constraint exceeded";
pub(super) const UNPARSABLE: &str = "certificate cannot be parsed";
pub(super) const UNSPECIFIED: &str = "unspecified certificate verification error";

impl fmt::Display for PeerRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chain { why, depth } => {
                write!(
                    f,
                    ":verify cert failed: X509_verify_cert: certificate verification error at depth {depth}: {why}"
                )
            }
            Self::Names(names) => {
                write!(
                    f,
                    ":verify cert failed: SAN matcher, certificate SANs are [{}]",
                    names.join(", ")
                )
            }
            Self::NotExpected { expected, names } => {
                write!(
                    f,
                    ":verify cert failed: verify SAN list, expected SANs: [{expected}], certificate SANs: [{}]",
                    names.join(", ")
                )
            }
            Self::Unverifiable => Ok(()),
            Self::Hash => f.write_str(":verify cert failed: cert hash and spki"),
            Self::Spiffe(why) | Self::SpiffeNames(why) => write!(f, "{PREFIX}{why}"),
        }
    }
}

impl std::error::Error for PeerRefused {}
