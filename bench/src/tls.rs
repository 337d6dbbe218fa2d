//! TLS of the loads: a key pair for the proxies, and a client that trusts it.
//!
//! All proxies get the same P-256 certificate in `pair.pem` of the bench's folder. The client offers TLS 1.3 with one
//! suite and one group (`TLS_AES_128_GCM_SHA256`, X25519), so that all do the same work, and resumes nothing.

use std::error::Error;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs::{cipher_suite, default_provider, kx_group};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const NAME: &str = "bench.test";

/// A certificate, signed by its own key.
pub(crate) struct Pair(rcgen::CertifiedKey<rcgen::KeyPair>);

impl Pair {
    /// # Errors
    /// The system has no random numbers.
    pub(crate) fn new() -> Result<Self, Box<dyn Error>> {
        Ok(Pair(rcgen::generate_simple_self_signed([NAME.to_owned()])?))
    }

    /// Writes certificate and key into one file.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) fn write(&self, path: &Path) -> io::Result<()> {
        let Pair(pair) = self;
        fs::write(path, pair.cert.pem() + &pair.signing_key.serialize_pem())
    }

    /// A client that trusts it.
    ///
    /// # Errors
    /// The library does not take what it has made.
    pub(crate) fn client(&self) -> Result<Client, Box<dyn Error>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.cert.der().clone())?;
        let mut provider = default_provider();
        provider.cipher_suites = vec![cipher_suite::TLS13_AES_128_GCM_SHA256];
        provider.kx_groups = vec![kx_group::X25519];
        let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.resumption = Resumption::disabled();
        Ok(Client {
            connector: TlsConnector::from(Arc::new(config)),
            name: ServerName::try_from(NAME)?,
        })
    }
}

/// What greets proxies.
#[derive(Clone)]
pub(crate) struct Client {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl Client {
    /// The whole handshake.
    ///
    /// # Errors
    /// It fails.
    pub(crate) async fn greet(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        self.connector.connect(self.name.clone(), stream).await
    }
}
