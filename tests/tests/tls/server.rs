//! A proxy with a TLS listener, and the certificates that it and its clients have.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use nuncio_testkit::DEADLINE;
use nuncio_testkit::ports::free_port;
use nuncio_testkit::proxy::{Proxy, Scratch, stat_on};
use nuncio_tests::binary::nuncio;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// The name that the proxy's certificate is for.
pub(crate) const NAME: &str = "proxy.example";

/// An authority.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names are fine");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "test authority");
        let key = KeyPair::generate().expect("a key can be made");
        Authority(CertifiedIssuer::self_signed(params, key).expect("it can be signed"))
    }

    /// Its certificate in PEM.
    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for a name and its key, both in PEM.
    pub(crate) fn signs(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().expect("a key can be made");
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        params.distinguished_name.push(DnType::CommonName, name);
        let signed = params.signed_by(&key, &self.0).expect("it can be signed");
        (signed.pem(), key.serialize_pem())
    }
}

/// The running proxy.
pub(crate) struct Server {
    pub(crate) proxy: Proxy,
    pub(crate) port: u16,
    pub(crate) authority: Authority,
    /// Where the certificates are: `ca`, `server` and `client`, each `.pem` and `.key`.
    pub(crate) directory: Scratch,
}

impl Server {
    /// With further fields of the context, and of what is common to contexts of both sides.
    pub(crate) fn start(of_context: &str, of_common: &str) -> Self {
        let own = "tls_certificates: [{certificate_chain: {filename: '@DIR@/server.pem'}, private_key: {filename: \
                   '@DIR@/server.key'}}]";
        Self::showing(of_context, of_common, own)
    }

    /// The same whose certificate is a secret in the file `secret.yaml`.
    pub(crate) fn with_secret() -> Self {
        let own = "tls_certificate_sds_secret_configs: [{name: server, sds_config: {path_config_source: {path: \
                   '@DIR@/secret.yaml'}}}]";
        Self::showing("", "", own)
    }

    fn showing(of_context: &str, of_common: &str, own: &str) -> Self {
        const TYPES: &str = "type.googleapis.com/envoy.extensions";
        let authority = Authority::new();
        let directory = Scratch::new().expect("a directory can be made");
        let at = |name: &str| directory.path().join(name);
        for (name, subject) in [("server", NAME), ("client", "client.example")] {
            let (certificate, key) = authority.signs(subject);
            if name == "server" {
                fs::write(at("secret.yaml"), secret(0, &certificate, &key))
                    .expect("it can be written");
            }
            fs::write(at(&format!("{name}.pem")), certificate).expect("it can be written");
            fs::write(at(&format!("{name}.key")), key).expect("it can be written");
        }
        let own = own.replace("@DIR@", &directory.path().to_string_lossy());
        fs::write(at("ca.pem"), authority.pem()).expect("it can be written");
        let (port, admin) = (free_port(), free_port());
        let of_common = of_common.replace("@CA@", &at("ca.pem").to_string_lossy());
        let config = format!(
            "node: {{id: node-1, cluster: cluster-1}}
admin: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {admin}}}}}}}
static_resources:
  listeners:
  - name: tls
    stat_prefix: tls
    address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - transport_socket_connect_timeout: 2s
      transport_socket:
        name: tls
        typed_config:
          '@type': {TYPES}.transport_sockets.tls.v3.DownstreamTlsContext
          {of_context}
          common_tls_context:
            {of_common}
            {own}
      filters:
      - name: http
        typed_config:
          '@type': {TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: http
          route_config: {{name: r, virtual_hosts: [{{name: v, domains: ['*'], routes: [
            {{match: {{prefix: /validated, tls_context: {{validated: true}}}}, direct_response: {{status: 201}}}},
            {{match: {{prefix: /}}, direct_response: {{status: 200, body: {{inline_string: hello}}}},
             response_headers_to_add: [
              {{header: {{key: version, value: '%DOWNSTREAM_TLS_VERSION%'}}}},
              {{header: {{key: subject, value: '%DOWNSTREAM_PEER_SUBJECT%'}}}}]}}]}}]}}
          http_filters:
          - {{name: router, typed_config: {{'@type': {TYPES}.filters.http.router.v3.Router}}}}
"
        );
        let arguments = ["--disable-hot-restart", "--concurrency", "1"].map(str::to_owned);
        let proxy = Proxy::start(&nuncio(), &arguments, &config, admin, directory.path());
        Server {
            proxy: proxy.expect("the proxy starts"),
            port,
            authority,
            directory,
        }
    }

    /// The path of a file of its directory.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The same as text.
    pub(crate) fn path(&self, name: &str) -> String {
        self.file(name).to_string_lossy().into_owned()
    }

    /// A counter or gauge; 0 if it is not listed.
    pub(crate) fn stat(&self, name: &str) -> u64 {
        let page = self.proxy.admin("/stats").expect("the admin answers");
        stat_on(&page, name).unwrap_or(0)
    }

    /// It serves, and no connection is left of what was.
    pub(crate) fn assert_unharmed(&self) {
        let trusted = trusting(&[&self.authority.pem()]);
        assert!(get(self.port, &trusted).is_some(), "{:?}", self.proxy.log());
        self.proxy.until("no connection is open", || {
            self.stat("listener.tls.downstream_cx_active") == 0
        });
    }
}

/// A file with the proxy's certificate as a secret.
pub(crate) fn secret(version: u64, certificate: &str, key: &str) -> String {
    format!(
        "version_info: 'v{version}'
resources:
- '@type': type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret
  name: server
  tls_certificate: {{certificate_chain: {{inline_string: {certificate:?}}}, private_key: {{inline_string: {key:?}}}}}
"
    )
}

/// A client that trusts these authorities.
pub(crate) fn trusting(authorities: &[&str]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for pem in authorities {
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).expect("it is PEM");
        roots.add(der).expect("it is an authority");
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has suites");
    Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
}

/// A connection whose handshake comes with its first use.
pub(crate) fn over<S: std::io::Read + std::io::Write>(
    client: &Arc<ClientConfig>,
    socket: S,
) -> StreamOwned<ClientConnection, S> {
    let name = NAME.try_into().expect("it is a name");
    let connection = ClientConnection::new(Arc::clone(client), name);
    StreamOwned::new(connection.expect("the configuration is sound"), socket)
}

/// The certificate of the proxy that answered a request; none if it was not answered.
pub(crate) fn get(port: u16, client: &Arc<ClientConfig>) -> Option<Vec<u8>> {
    let socket = std::net::TcpStream::connect(("127.0.0.1", port)).ok()?;
    socket.set_read_timeout(Some(DEADLINE)).ok()?;
    get_over(over(client, socket))
}

/// The same on a connection.
pub(crate) fn get_over<S: std::io::Read + std::io::Write>(
    mut stream: StreamOwned<ClientConnection, S>,
) -> Option<Vec<u8>> {
    use std::io::{Read as _, Write as _};
    let request = b"GET / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n";
    stream.write_all(request).ok()?;
    let mut answer = Vec::new();
    let _ended = stream.read_to_end(&mut answer);
    let is_whole = answer.starts_with(b"HTTP/1.1 200") && answer.ends_with(b"hello");
    let shown = stream.conn.peer_certificates()?.first()?.to_vec();
    is_whole.then_some(shown)
}
