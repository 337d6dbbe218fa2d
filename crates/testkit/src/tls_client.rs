//! The client's side of TLS: it offers what it is told to and trusts everybody, as the suite
//! compares what the proxy shows instead.

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, TcpStream};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme, StreamOwned,
    SupportedProtocolVersion,
};

use crate::message::Stop;
use crate::tls::Identity;
use crate::wire::Wire;

/// What a client offers.
#[derive(Clone, Debug, Default)]
pub struct Offer {
    /// SNI; none if empty.
    pub server_name: Option<String>,
    /// Protocols for ALPN.
    pub alpn: Vec<String>,
    /// Its certificate.
    pub identity: Option<Identity>,
    /// Versions that it speaks: `1.2`, `1.3`; both if empty.
    pub versions: Vec<String>,
    /// Kind of signatures that it understands: `rsa` or `ecdsa`; both if none.
    pub signatures: Option<String>,
}

/// What the server chose and showed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Version of the protocol.
    pub version: String,
    /// The protocol that ALPN chose, if any.
    pub alpn: Option<String>,
    /// Its certificate.
    pub certificate: Vec<u8>,
}

/// Shakes hands on a connection.
///
/// # Errors
/// Why it failed.
pub fn connect(mut socket: TcpStream, offer: &Offer) -> Result<(Wire, Answer), Stop> {
    let config = config(offer).map_err(|error| Stop::Malformed(error.to_string()))?;
    let name = match &offer.server_name {
        Some(name) => ServerName::try_from(name.clone())
            .map_err(|error| Stop::Malformed(error.to_string()))?,
        None => ServerName::from(IpAddr::V4(Ipv4Addr::LOCALHOST)),
    };
    let mut session =
        ClientConnection::new(config, name).map_err(|error| Stop::Malformed(error.to_string()))?;
    while session.is_handshaking() {
        let outcome = session.complete_io(&mut socket);
        if let Err(error) = outcome {
            // What is wrong with the peer's part is told to it.
            while session.wants_write() && session.write_tls(&mut socket).is_ok() {}
            let _ = socket.flush();
            return Err(Stop::from(error));
        }
    }
    let answer = Answer {
        version: session
            .protocol_version()
            .map(|version| format!("{version:?}"))
            .unwrap_or_default(),
        alpn: session
            .alpn_protocol()
            .map(|name| String::from_utf8_lossy(name).into_owned()),
        certificate: session
            .peer_certificates()
            .and_then(|chain| chain.first())
            .map(|leaf| leaf.to_vec())
            .unwrap_or_default(),
    };
    let stream = StreamOwned::new(session, socket);
    Ok((Wire::Client(Box::new(stream)), answer))
}

pub(crate) fn config(offer: &Offer) -> io::Result<Arc<ClientConfig>> {
    let versions: Vec<&SupportedProtocolVersion> = [
        ("1.2", &rustls::version::TLS12),
        ("1.3", &rustls::version::TLS13),
    ]
    .into_iter()
    .filter(|(name, _)| offer.versions.is_empty() || offer.versions.iter().any(|v| v == name))
    .map(|(_, version)| version)
    .collect();
    let trusting = Trusting {
        signatures: offer.signatures.clone(),
    };
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&versions)
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(trusting));
    let mut config = match &offer.identity {
        Some(identity) => builder
            .with_client_auth_cert(identity.chain.clone(), identity.key.clone_key())
            .map_err(io::Error::other)?,
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = offer
        .alpn
        .iter()
        .map(|name| name.clone().into_bytes())
        .collect();
    Ok(Arc::new(config))
}

#[derive(Debug)]
struct Trusting {
    signatures: Option<String>,
}

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
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
        let mut schemes = default_provider()
            .signature_verification_algorithms
            .supported_schemes();
        let is_rsa = |scheme: &SignatureScheme| format!("{scheme:?}").starts_with("RSA");
        match self.signatures.as_deref() {
            Some("rsa") => schemes.retain(is_rsa),
            Some(_) => schemes.retain(|scheme| !is_rsa(scheme)),
            None => {}
        }
        schemes
    }
}
