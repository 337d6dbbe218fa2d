//! Certificates made on the spot, and what a TLS client showed of itself.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

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
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(names.to_vec())?;
        // A subject equal to the issuer's would make the certificate look self-signed.
        params
            .distinguished_name
            .push(DnType::CommonName, "test server");
        let certificate = params.signed_by(&key, &self.issuer)?;
        let chain = vec![CertificateDer::from(certificate.der().to_vec())];
        let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, private)?;
        config.alpn_protocols = alpn.iter().map(|name| name.clone().into_bytes()).collect();
        Ok(Arc::new(config))
    }
}
