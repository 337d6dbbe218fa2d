//! Verifying a host's certificate as far as the configuration asks for it.
//!
//! Without a validation context any certificate is accepted, as in Envoy: then TLS protects against
//! listeners, not against impostors. That the host holds the certificate's key is checked in any case.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::details::CertificateDetails;
use super::failure::TlsCounter;
use super::subject_names::{NameMatcher, names_of};

/// What a validation context asks for.
#[derive(Debug, Default)]
pub(super) struct Demands {
    /// Chains must lead here; `None`: any chain will do.
    pub(super) roots: Option<Roots>,
    /// SHA-256 of the certificate or of its public key: one of them must be the host's, if there are any.
    pub(super) certificate_hashes: Vec<[u8; 32]>,
    /// The same, of the public key.
    pub(super) key_hashes: Vec<[u8; 32]>,
    /// One of these must match one name, if there are any.
    pub(super) names: Vec<NameMatcher>,
    /// Whether a host is accepted whatever is wrong with it (`ACCEPT_UNTRUSTED`); what is wrong is counted.
    pub(super) accepts_untrusted: bool,
}

/// Trusted certificates.
#[derive(Debug)]
pub(super) struct Roots {
    pub(super) store: RootCertStore,
    /// The same as they are, for hosts that show one of them as their own.
    pub(super) certificates: Vec<CertificateDer<'static>>,
    /// What can be told of the first of them; nothing where they are the system's.
    pub(super) details: Option<CertificateDetails>,
}

/// The verifier of one context, or of one handshake.
#[derive(Clone, Debug)]
pub(super) struct PeerVerifier {
    pub(super) demands: Arc<Demands>,
    pub(super) provider: Arc<CryptoProvider>,
    /// A name that the certificate must also be for.
    pub(super) expected: Option<Box<str>>,
    /// What was wrong and accepted all the same.
    pub(super) tolerated: Arc<Mutex<Vec<TlsCounter>>>,
}

/// Why a host was refused, in Envoy's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PeerRefused {
    /// The chain is not trusted.
    Chain(&'static str),
    /// No name matches; these are there.
    Names(Vec<String>),
    /// The name that is expected is not among these.
    NotExpected {
        expected: Box<str>,
        names: Vec<String>,
    },
    /// A name is expected, but nothing tells which certificates can be trusted.
    Unverifiable,
    /// Neither hash is pinned.
    Hash,
}

impl PeerRefused {
    pub(super) fn counter(&self) -> Option<TlsCounter> {
        match self {
            Self::Chain(_) => Some(TlsCounter::VerifyError),
            Self::Names(_) | Self::NotExpected { .. } => Some(TlsCounter::VerifySan),
            Self::Unverifiable => None,
            Self::Hash => Some(TlsCounter::VerifyCertHash),
        }
    }
}

impl fmt::Display for PeerRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chain(why) => {
                write!(
                    f,
                    ":verify cert failed: X509_verify_cert: certificate verification error at depth 0: {why}"
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
        }
    }
}

impl std::error::Error for PeerRefused {}

impl PeerVerifier {
    fn check(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), PeerRefused> {
        if let Some(roots) = &self.demands.roots {
            self.judge(self.check_chain(roots, leaf, intermediates, now))?;
        }
        self.judge(self.check_certificate(leaf))
    }

    /// What is wrong, unless that is tolerated.
    fn judge(&self, result: Result<(), PeerRefused>) -> Result<(), PeerRefused> {
        match result {
            Err(refused) if self.demands.accepts_untrusted => {
                let mut tolerated = self
                    .tolerated
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                tolerated.extend(refused.counter());
                Ok(())
            }
            other => other,
        }
    }

    fn check_certificate(&self, leaf: &CertificateDer<'_>) -> Result<(), PeerRefused> {
        let demands = &self.demands;
        if demands.names.is_empty() && !demands.pins() && self.expected.is_none() {
            return Ok(());
        }
        let (_, certificate) = X509Certificate::from_der(leaf)
            .map_err(|_| PeerRefused::Chain("certificate cannot be parsed"))?;
        self.check_expected(&certificate)?;
        demands.check_names(&certificate)?;
        demands.check_pins(leaf, &certificate)
    }

    fn check_expected(&self, certificate: &X509Certificate<'_>) -> Result<(), PeerRefused> {
        let Some(expected) = &self.expected else {
            return Ok(());
        };
        let demands = &self.demands;
        if demands.roots.is_none() && !demands.pins() && !demands.accepts_untrusted {
            return Err(PeerRefused::Unverifiable);
        }
        let names = names_of(certificate);
        match names.iter().any(|name| name.is(expected)) {
            true => Ok(()),
            false => Err(PeerRefused::NotExpected {
                expected: expected.clone(),
                names: names.into_iter().map(|name| name.text).collect(),
            }),
        }
    }

    fn check_chain(
        &self,
        roots: &Roots,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), PeerRefused> {
        if roots.certificates.iter().any(|trusted| trusted == leaf) {
            return check_validity(leaf, now);
        }
        let algorithms = self.provider.signature_verification_algorithms.all;
        let verified = ParsedCertificate::try_from(leaf).and_then(|parsed| {
            let store = &roots.store;
            verify_server_cert_signed_by_trust_anchor(
                &parsed,
                store,
                intermediates,
                now,
                algorithms,
            )
        });
        verified.map_err(|error| PeerRefused::Chain(why(&error, leaf)))
    }
}

/// A trusted certificate must still be valid.
fn check_validity(leaf: &CertificateDer<'_>, now: UnixTime) -> Result<(), PeerRefused> {
    let (_, certificate) = X509Certificate::from_der(leaf)
        .map_err(|_| PeerRefused::Chain("certificate cannot be parsed"))?;
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let validity = certificate.validity();
    if now > validity.not_after.timestamp() {
        return Err(PeerRefused::Chain("certificate has expired"));
    }
    if now < validity.not_before.timestamp() {
        return Err(PeerRefused::Chain("certificate is not yet valid"));
    }
    Ok(())
}

/// OpenSSL's words for a chain that is not trusted.
fn why(error: &Error, leaf: &CertificateDer<'_>) -> &'static str {
    let Error::InvalidCertificate(error) = error else {
        return "unspecified certificate verification error";
    };
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "certificate has expired"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "certificate is not yet valid"
        }
        CertificateError::Revoked => "certificate revoked",
        CertificateError::BadSignature => "certificate signature failure",
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "unsuitable certificate purpose"
        }
        _ if is_self_issued(leaf) => "self signed certificate",
        _ => "unable to get local issuer certificate",
    }
}

fn is_self_issued(leaf: &CertificateDer<'_>) -> bool {
    X509Certificate::from_der(leaf).is_ok_and(|(_, certificate)| {
        certificate.subject().as_raw() == certificate.issuer().as_raw()
    })
}

impl Demands {
    fn pins(&self) -> bool {
        !self.certificate_hashes.is_empty() || !self.key_hashes.is_empty()
    }

    fn check_names(&self, certificate: &X509Certificate<'_>) -> Result<(), PeerRefused> {
        if self.names.is_empty() {
            return Ok(());
        }
        let names = names_of(certificate);
        let found = names
            .iter()
            .any(|name| self.names.iter().any(|matcher| matcher.matches(name)));
        match found {
            true => Ok(()),
            false => Err(PeerRefused::Names(
                names.into_iter().map(|name| name.text).collect(),
            )),
        }
    }

    fn check_pins(
        &self,
        leaf: &CertificateDer<'_>,
        certificate: &X509Certificate<'_>,
    ) -> Result<(), PeerRefused> {
        let pinned = |hashes: &[[u8; 32]], bytes: &[u8]| {
            let hash = digest(&SHA256, bytes);
            hashes.iter().any(|pin| pin == hash.as_ref())
        };
        let good = !self.pins()
            || pinned(&self.certificate_hashes, leaf)
            || pinned(&self.key_hashes, certificate.public_key().raw);
        if good { Ok(()) } else { Err(PeerRefused::Hash) }
    }
}

impl ServerCertVerifier for PeerVerifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check(leaf, intermediates, now)
            .map(|()| ServerCertVerified::assertion())
            .map_err(|refused| CertificateError::Other(OtherError(Arc::new(refused))).into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, leaf, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, leaf, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
