//! Verifying a peer's certificate as far as the configuration asks for it.
//!
//! Without a validation context any certificate is accepted, as in Envoy: then TLS protects against
//! listeners, not against impostors. That the peer holds the certificate's key is checked in any case.

use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, PeerMisbehaved, SignatureScheme};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::chain::{Chain, Roots};
use super::failure::TlsCounter;
use super::parameters::Side;
use super::refusal::{PeerRefused, UNPARSABLE};
use super::spiffe::TrustDomains;
use super::subject_names::{NameMatcher, names_of};
use crate::signature_names::preference;

/// What a validation context asks for.
#[derive(Debug, Default)]
pub(super) struct Demands {
    /// Chains must lead here; `None`: any chain will do.
    pub(super) roots: Option<Roots>,
    /// Chains must lead to the authorities of their trust domain, if there are any; then `roots` says nothing.
    pub(super) spiffe: Option<TrustDomains>,
    /// SHA-256 of the certificate or of its public key: one of them must be the peer's, if there are any.
    pub(super) certificate_hashes: Vec<[u8; 32]>,
    /// The same, of the public key.
    pub(super) key_hashes: Vec<[u8; 32]>,
    /// One of these must match one name, if there are any.
    pub(super) names: Vec<NameMatcher>,
    /// Whether a peer is accepted whatever is wrong with it (`ACCEPT_UNTRUSTED`); what is wrong is counted.
    pub(super) accepts_untrusted: bool,
    /// What peers may sign by; empty for whatever is known.
    pub(super) signatures: Vec<SignatureScheme>,
    /// Whether clients are not told which authorities they are to come from.
    pub(super) hides_authorities: bool,
}

/// The verifier of one context, or of one handshake.
#[derive(Clone, Debug)]
pub(super) struct PeerVerifier {
    pub(super) side: Side,
    pub(super) demands: Arc<Demands>,
    pub(super) provider: Arc<CryptoProvider>,
    /// A name that the certificate must also be for.
    pub(super) expected: Option<Box<str>>,
    /// The name that a host was told: its certificate must be for that, in place of the names of the demands.
    pub(super) told: Option<Box<str>>,
    /// Over QUIC: the name that a host's certificate must be for besides, whatever else is asked for.
    pub(super) owner: Option<Box<str>>,
    /// Of clients: whether one must have a certificate, if there is anything to verify it by. As in Envoy it is not
    /// even asked for otherwise.
    pub(super) is_mandatory: bool,
    /// Of clients: the authorities whose certificates they are told to have.
    pub(super) hints: Arc<[DistinguishedName]>,
    pub(super) notes: Arc<Mutex<Notes>>,
}

/// What a handshake's verification found.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// What was wrong and accepted all the same.
    pub(super) tolerated: Vec<TlsCounter>,
    /// Why the peer was refused.
    pub(super) refused: Option<PeerRefused>,
    /// The chain of one that was refused.
    pub(super) refused_chain: Vec<CertificateDer<'static>>,
    /// Whether something was asked for and found good.
    pub(super) is_validated: bool,
    /// What the peer signed by.
    pub(super) signature: Option<SignatureScheme>,
}

impl PeerVerifier {
    /// The same for one handshake, with notes of its own.
    pub(super) fn for_one(&self, expected: Option<&str>) -> Self {
        PeerVerifier {
            expected: expected.map(Box::from),
            notes: Arc::default(),
            ..self.clone()
        }
    }

    /// What was noted; the notes are empty then.
    pub(super) fn take_notes(&self) -> Notes {
        std::mem::take(&mut *self.notes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn note(&self, write: impl FnOnce(&mut Notes)) {
        write(&mut self.notes.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Checks a chain; what is wrong is noted.
    pub(super) fn check(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), PeerRefused> {
        let checked = self
            .check_all(leaf, intermediates, now)
            .and_then(|()| self.check_owner(leaf));
        let asks = self.demands.ask_for_anything();
        self.note(|notes| match &checked {
            Ok(()) => notes.is_validated = asks && notes.tolerated.is_empty(),
            Err(refused) => {
                let chain = std::iter::once(leaf).chain(intermediates);
                notes.refused = Some(refused.clone());
                notes.refused_chain = chain.map(|one| one.clone().into_owned()).collect();
            }
        });
        checked
    }

    fn check_all(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), PeerRefused> {
        let chain = Chain {
            leaf,
            intermediates,
            side: self.side,
        };
        let algorithms = &self.provider.signature_verification_algorithms;
        if let Some(domains) = &self.demands.spiffe {
            let wanted = (self.demands.names.as_slice(), self.expected.as_deref());
            return domains.check(chain, wanted, (algorithms, now));
        }
        if let Some(roots) = &self.demands.roots {
            self.judge(roots.check(chain, algorithms, now))?;
        }
        self.judge(self.check_certificate(leaf))
    }

    fn check_owner(&self, leaf: &CertificateDer<'_>) -> Result<(), PeerRefused> {
        let Some(owner) = &self.owner else {
            return Ok(());
        };
        let (_, certificate) =
            X509Certificate::from_der(leaf).map_err(|_| PeerRefused::leaf(UNPARSABLE))?;
        match check_told(owner, &certificate) {
            Ok(()) => Ok(()),
            Err(_) => Err(PeerRefused::Unverifiable),
        }
    }

    /// What is wrong, unless that is tolerated.
    fn judge(&self, result: Result<(), PeerRefused>) -> Result<(), PeerRefused> {
        match result {
            Err(refused) if self.demands.accepts_untrusted => {
                self.note(|notes| notes.tolerated.extend(refused.counter()));
                Ok(())
            }
            other => other,
        }
    }

    fn check_certificate(&self, leaf: &CertificateDer<'_>) -> Result<(), PeerRefused> {
        let demands = &self.demands;
        let asks_for_name = self.expected.is_some() || self.told.is_some();
        if demands.names.is_empty() && !demands.pins() && !asks_for_name {
            return Ok(());
        }
        let (_, certificate) =
            X509Certificate::from_der(leaf).map_err(|_| PeerRefused::leaf(UNPARSABLE))?;
        self.check_expected(&certificate)?;
        match &self.told {
            Some(told) => check_told(told, &certificate)?,
            None => demands.check_names(&certificate)?,
        }
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

    fn verify_signature(
        &self,
        signed: &DigitallySignedStruct,
        verify: impl FnOnce() -> Result<HandshakeSignatureValid, Error>,
    ) -> Result<HandshakeSignatureValid, Error> {
        let allowed = &self.demands.signatures;
        if !allowed.is_empty() && !allowed.contains(&signed.scheme) {
            return Err(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme.into());
        }
        self.note(|notes| notes.signature = Some(signed.scheme));
        verify()
    }

    fn schemes(&self) -> Vec<SignatureScheme> {
        let known = &self.provider.signature_verification_algorithms;
        let mut schemes = known.supported_schemes();
        let allowed = &self.demands.signatures;
        schemes.retain(|scheme| allowed.is_empty() || allowed.contains(scheme));
        schemes.sort_by_key(|scheme| preference(*scheme));
        schemes
    }
}

impl Demands {
    fn pins(&self) -> bool {
        !self.certificate_hashes.is_empty() || !self.key_hashes.is_empty()
    }

    /// All authorities.
    pub(super) fn all_roots(&self) -> impl Iterator<Item = &Roots> {
        let domains = self.spiffe.iter().flat_map(TrustDomains::roots);
        self.roots.iter().chain(domains)
    }

    /// Whether not any certificate will do.
    pub(super) fn ask_for_anything(&self) -> bool {
        self.roots.is_some() || self.spiffe.is_some() || self.pins() || !self.names.is_empty()
    }

    /// Whether one peer, or a few, are meant.
    pub(super) fn ask_for_one_peer(&self) -> bool {
        self.pins() || !self.names.is_empty()
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

fn check_told(told: &str, certificate: &X509Certificate<'_>) -> Result<(), PeerRefused> {
    let names = names_of(certificate);
    match names.iter().any(|name| name.is_dns(told)) {
        true => Ok(()),
        false => Err(PeerRefused::Names(
            names.into_iter().map(|name| name.text).collect(),
        )),
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
            .map_err(|refused| refused.alerting().into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        self.verify_signature(signed, || {
            verify_tls12_signature(message, leaf, signed, algorithms)
        })
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        self.verify_signature(signed, || {
            verify_tls13_signature(message, leaf, signed, algorithms)
        })
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes()
    }
}

impl ClientCertVerifier for PeerVerifier {
    /// As in Envoy, certificates are also asked for where any will do.
    fn offer_client_auth(&self) -> bool {
        self.demands.ask_for_anything() || self.demands.accepts_untrusted
    }

    fn client_auth_mandatory(&self) -> bool {
        self.is_mandatory && self.demands.ask_for_anything()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.check(leaf, intermediates, now)
            .map(|()| ClientCertVerified::assertion())
            .map_err(|refused| refused.alerting().into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        ServerCertVerifier::verify_tls12_signature(self, message, leaf, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        ServerCertVerifier::verify_tls13_signature(self, message, leaf, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes()
    }
}
