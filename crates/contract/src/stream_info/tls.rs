//! What a TLS connection knows of itself and of the certificates of both sides.

use std::sync::Arc;
use std::time::SystemTime;

/// A TLS connection. An empty text means that there is no such value.
#[derive(Clone, Debug, Default)]
pub struct TlsInfo {
    /// `TLSv1.2` or `TLSv1.3`.
    pub version: Box<str>,
    /// The cipher suite's name as OpenSSL writes it.
    pub cipher_suite: Box<str>,
    /// The key exchange group's name.
    pub group: Box<str>,
    /// The session id in lower-case hex.
    pub session_id: Box<str>,
    /// The server name sent to an upstream.
    pub server_name: Box<str>,
    /// Whether the peer presented a certificate and it was validated.
    pub peer_validated: bool,
    /// The certificate of this side.
    pub local: Option<Arc<CertificateInfo>>,
    /// The certificate of the peer.
    pub peer: Option<Box<PeerCertificateInfo>>,
}

/// One certificate. Lists are in the certificate's order.
#[derive(Clone, Debug, Default)]
pub struct CertificateInfo {
    /// The subject, RFC 2253.
    pub subject: Box<str>,
    /// URI alternative names.
    pub uri_sans: Vec<Box<str>>,
    /// DNS alternative names.
    pub dns_sans: Vec<Box<str>>,
    /// IP alternative names.
    pub ip_sans: Vec<Box<str>>,
    /// E-mail alternative names.
    pub email_sans: Vec<Box<str>>,
    /// Other names.
    pub othername_sans: Vec<Box<str>>,
}

/// The peer's certificate and chain. Digests and serials are in lower-case hex.
#[derive(Clone, Debug, Default)]
pub struct PeerCertificateInfo {
    /// What both sides' certificates have.
    pub certificate: CertificateInfo,
    /// The issuer, RFC 2253.
    pub issuer: Box<str>,
    /// The serial number.
    pub serial: Box<str>,
    /// SHA-256 of the DER form.
    pub sha256: Box<str>,
    /// SHA-1 of the DER form.
    pub sha1: Box<str>,
    /// SHA-256 of each certificate of the chain.
    pub chain_sha256: Vec<Box<str>>,
    /// SHA-1 of each certificate of the chain.
    pub chain_sha1: Vec<Box<str>>,
    /// The serial of each certificate of the chain.
    pub chain_serials: Vec<Box<str>>,
    /// SHA-256 of the issuer's certificate.
    pub issuer_sha256: Box<str>,
    /// The serial of the issuer's certificate.
    pub issuer_serial: Box<str>,
    /// The certificate in PEM, URL-encoded.
    pub url_encoded_pem: Box<str>,
    /// The same of each certificate of the chain, one after another.
    pub url_encoded_pem_chain: Box<str>,
    /// Not valid before.
    pub valid_from: Option<SystemTime>,
    /// Not valid after.
    pub valid_until: Option<SystemTime>,
}
