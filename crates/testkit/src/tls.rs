//! Certificates, made on the spot or read, servers that show them, and what a TLS client showed of
//! itself.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    DigitallySignedStruct, DistinguishedName, Error, ServerConfig, SignatureScheme,
    client::danger::HandshakeSignatureValid,
};

/// A certificate authority that lives as long as the test.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// The authority's certificate as PEM, for the proxy's `trusted_ca`.
    pub certificate_pem: String,
}

/// What a TLS client said in its hello.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hello {
    /// SNI, if it sent one.
    pub server_name: Option<String>,
    /// The protocol that ALPN chose, if any.
    pub alpn: Option<String>,
    /// Protocol version that was agreed on, e.g. `TLSv1_3`.
    pub version: String,
    /// Its certificate; empty if it showed none.
    pub certificate: Vec<u8>,
}

impl Authority {
    /// A new authority.
    ///
    /// # Errors
    /// If key generation or signing fails.
    pub fn new() -> Result<Self, rcgen::Error> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(Vec::<String>::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::DigitalSignature,
        ];
        params
            .distinguished_name
            .push(DnType::CommonName, "test authority");
        let certificate_pem = params.self_signed(&key)?.pem();
        Ok(Self {
            issuer: Issuer::new(params, key),
            certificate_pem,
        })
    }

    /// A TLS server whose certificate is valid for `names` and that speaks `alpn`.
    ///
    /// # Errors
    /// If key generation or signing fails, or rustls refuses the result.
    pub fn server(
        &self,
        names: &[String],
        alpn: &[String],
    ) -> Result<Arc<ServerConfig>, Box<dyn std::error::Error>> {
        Ok(server(self.identity(names)?, alpn, false)?)
    }

    /// A certificate for `names`, which lives no longer than the test.
    ///
    /// # Errors
    /// If key generation or signing fails.
    pub fn identity(&self, names: &[String]) -> Result<Identity, rcgen::Error> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(names.to_vec())?;
        // A subject equal to the issuer's would make the certificate look self-signed.
        params
            .distinguished_name
            .push(DnType::CommonName, "test server");
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Identity {
            chain: vec![CertificateDer::from(certificate.der().to_vec())],
            key: PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der())),
        })
    }
}

/// A certificate, those that vouch for it, and its key.
#[derive(Debug)]
pub struct Identity {
    /// The certificate first.
    pub chain: Vec<CertificateDer<'static>>,
    /// The key.
    pub key: PrivateKeyDer<'static>,
}

impl Clone for Identity {
    fn clone(&self) -> Self {
        Self {
            chain: self.chain.clone(),
            key: self.key.clone_key(),
        }
    }
}

impl Identity {
    /// Reads `NAME.pem` and `NAME.key` of a directory.
    ///
    /// # Errors
    /// If one of them is not there or not what it should be.
    pub fn read(directory: &Path, name: &str) -> io::Result<Self> {
        let chain = CertificateDer::pem_file_iter(directory.join(format!("{name}.pem")))
            .and_then(Iterator::collect)
            .map_err(io::Error::other)?;
        let key = PrivateKeyDer::from_pem_file(directory.join(format!("{name}.key")))
            .map_err(io::Error::other)?;
        Ok(Self { chain, key })
    }
}

/// A TLS server that shows `identity`, speaks `alpn` and asks for a client's certificate if it is
/// to; it believes any.
///
/// # Errors
/// If rustls refuses the identity.
pub fn server(identity: Identity, alpn: &[String], asks: bool) -> Result<Arc<ServerConfig>, Error> {
    let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?;
    let builder = if asks {
        builder.with_client_cert_verifier(Arc::new(Believing))
    } else {
        builder.with_no_client_auth()
    };
    let mut config = builder.with_single_cert(identity.chain, identity.key)?;
    config.alpn_protocols = alpn.iter().map(|name| name.clone().into_bytes()).collect();
    Ok(Arc::new(config))
}

/// Asks for certificates and believes them.
#[derive(Debug)]
struct Believing;

impl ClientCertVerifier for Believing {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, &algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}
