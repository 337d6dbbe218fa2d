//! Handshakes of clients of all kinds with a listener's context.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use nuncio_config::source::{Format, Source};
use nuncio_config::typed::{Ctx, decode};
use nuncio_config::{interpret, text};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair,
};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

use crate::tls::{DownstreamTlsContext, Handshake, ServerTls, TlsCounter};
use crate::transport::{TlsInfo, TlsTransport};

/// An authority and what it signs.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate in PEM, for configurations and for clients.
#[derive(Clone)]
pub(crate) struct Signed {
    certificate: String,
    key: String,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Authority { issuer }
    }

    pub(super) fn pem(&self) -> String {
        self.issuer.pem()
    }

    pub(crate) fn signs(&self, names: &[&str]) -> Signed {
        self.signs_with(names, |_| {})
    }

    fn signs_with(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Signed {
        let key = KeyPair::generate().unwrap();
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, "leaf");
        change(&mut params);
        Signed {
            certificate: params.signed_by(&key, &self.issuer).unwrap().pem(),
            key: key.serialize_pem(),
        }
    }
}

impl Signed {
    /// As a member of `tls_certificates`.
    pub(super) fn yaml(&self) -> String {
        format!(
            "{{certificate_chain: {{inline_string: {:?}}}, private_key: {{inline_string: {:?}}}}}",
            self.certificate, self.key
        )
    }
}

/// Makes a context of `yaml`.
pub(super) fn listener(yaml: &str) -> Result<ServerTls, String> {
    let source = Source::new("tls.yaml", Format::Yaml, yaml);
    let mut ctx = Ctx::default();
    let node = text::parse(&source, 0, &text::Limits::default(), &mut ctx.diagnostics).unwrap();
    let name = "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext";
    let descriptor = nuncio_api::message(name).unwrap();
    let tree = interpret::interpret(descriptor, &node, &mut ctx.diagnostics);
    let made = tree.and_then(|tree| {
        let message: DownstreamTlsContext = decode(&Arc::new(tree), &mut ctx).ok()?;
        ServerTls::new(&message, &mut ctx).ok()
    });
    made.filter(|_| ctx.diagnostics.errors() == 0)
        .ok_or_else(|| format!("{:?}", ctx.diagnostics))
}

/// A context that shows `certificates`, with further fields of the message and of its common part.
pub(crate) fn showing(certificates: &[&Signed], fields: &str, common: &str) -> ServerTls {
    let all: Vec<_> = certificates.iter().map(|one| one.yaml()).collect();
    let yaml = format!(
        "{{{fields} common_tls_context: {{{common} tls_certificates: [{}]}}}}",
        all.join(", ")
    );
    listener(&yaml).unwrap()
}

/// A client that believes any server.
pub(crate) fn client(
    identity: Option<&Signed>,
    versions: &[&'static SupportedProtocolVersion],
) -> ClientConfig {
    let provider = Arc::new(default_provider());
    let verifier = Arc::new(super::client::Believing(Arc::clone(&provider)));
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    match identity {
        None => builder.with_no_client_auth(),
        Some(signed) => {
            use rustls::pki_types::pem::PemObject as _;
            let chain = CertificateDer::pem_slice_iter(signed.certificate.as_bytes());
            let chain = chain.collect::<Result<Vec<_>, _>>().unwrap();
            let key = PrivateKeyDer::from_pem_slice(signed.key.as_bytes()).unwrap();
            builder.with_client_auth_cert(chain, key).unwrap()
        }
    }
}

const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const BOTH: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];

/// Both ends of a connection.
pub(super) async fn sockets() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let near = TcpStream::connect(address).await.unwrap();
    (near, listener.accept().await.unwrap().0)
}

/// A handshake of `client`, which asks for `name`, with `tls`; the certificate that it was shown, if any.
pub(super) async fn meet(
    tls: &ServerTls,
    client: &ClientConfig,
    name: &'static str,
) -> (Handshake, Option<Vec<u8>>) {
    let (near, far) = sockets().await;
    let connector = TlsConnector::from(Arc::new(client.clone()));
    let name = ServerName::try_from(name).unwrap();
    let theirs = async move {
        let mut stream = connector.connect(name, near).await.ok()?;
        let shown = stream.get_ref().1.peer_certificates()?.first()?.to_vec();
        // Tickets, or the alert that ends a handshake of TLS 1.3.
        let _end = stream.read(&mut [0]).await;
        Some(shown)
    };
    let ours = async {
        let mut handshake = tls.handshake(far, (LOCAL, LOCAL)).await;
        if let Ok(transport) = &mut handshake.result {
            transport.stream.write_all(b"x").await.unwrap();
        }
        handshake
    };
    tokio::join!(ours, theirs)
}

fn info(handshake: &Handshake) -> &TlsInfo {
    let transport = handshake.result.as_ref().map(TlsTransport::info);
    transport.unwrap_or_else(|reason| panic!("{reason:?}"))
}

fn reason(handshake: &Handshake) -> &str {
    let reason = handshake.result.as_ref().err().expect("it is refused");
    reason.reason.as_deref().expect("there is a reason")
}

fn is(shown: Option<&Vec<u8>>, signed: &Signed) -> bool {
    use rustls::pki_types::pem::PemObject as _;
    let der = CertificateDer::from_pem_slice(signed.certificate.as_bytes()).unwrap();
    shown.is_some_and(|shown| *shown == der.to_vec())
}

#[tokio::test]
async fn a_certificate_is_chosen_by_exact_name_then_by_wildcard_then_the_first() {
    let authority = Authority::new("a");
    let [first, exact, wild] = [["x.example"], ["a.wild.example"], ["*.wild.example"]]
        .map(|names| authority.signs(&names));
    let tls = showing(&[&first, &wild, &exact], "", "");
    for (name, wanted) in [
        ("a.wild.example", &exact),
        ("b.wild.example", &wild),
        ("c.b.wild.example", &first),
        ("other.example", &first),
    ] {
        let (handshake, shown) = meet(&tls, &client(None, BOTH), name).await;
        assert!(is(shown.as_ref(), wanted), "{name}");
        assert_eq!(info(&handshake).server_name.as_deref(), Some(name));
        assert_eq!(
            handshake.counters,
            [
                TlsCounter::OcspRequest,
                TlsCounter::OcspOmitted,
                TlsCounter::NoCertificate
            ]
        );
    }
}

#[tokio::test]
async fn a_protocol_in_common_is_agreed_on_and_none_is_no_error() {
    let tls = showing(
        &[&Authority::new("a").signs(&["a"])],
        "",
        "alpn_protocols: [h2, http/1.1],",
    );
    for (offered, agreed) in [
        (vec!["http/1.1", "h2"], Some("h2")),
        (vec!["http/1.1"], Some("http/1.1")),
        (vec!["foo"], None),
        (vec![], None),
    ] {
        let mut client = client(None, BOTH);
        client.alpn_protocols = offered
            .iter()
            .map(|name| name.as_bytes().to_vec())
            .collect();
        let (handshake, _) = meet(&tls, &client, "a").await;
        let found = info(&handshake).alpn_protocol.as_deref();
        assert_eq!(found, agreed.map(str::as_bytes), "{offered:?}");
    }
}

#[tokio::test]
async fn a_client_without_a_certificate_is_welcome_unless_one_is_required() {
    let authority = Authority::new("a");
    let own = authority.signs(&["a"]);
    let context = format!(
        "validation_context: {{trusted_ca: {{inline_string: {:?}}}}},",
        authority.pem()
    );
    let optional = showing(&[&own], "", &context);
    let required = showing(&[&own], "require_client_certificate: true,", &context);
    let without_context = showing(&[&own], "require_client_certificate: true,", "");
    let signed = authority.signs(&["client.example"]);
    for versions in [[&rustls::version::TLS12], [&rustls::version::TLS13]] {
        let (bare, with) = (client(None, &versions), client(Some(&signed), &versions));
        let (handshake, _) = meet(&optional, &bare, "a").await;
        assert!(info(&handshake).told.peer.is_none());
        let (handshake, _) = meet(&required, &bare, "a").await;
        let words = "TLS_error:|268435648:SSL routines:OPENSSL_internal:PEER_DID_NOT_RETURN_A_CERTIFICATE:\
                     peer did not provide required client certificate:TLS_error_end";
        assert_eq!(reason(&handshake), words);
        assert!(
            handshake
                .counters
                .contains(&TlsCounter::VerifyNoCertificate)
        );
        for tls in [&optional, &required] {
            let (handshake, _) = meet(tls, &with, "a").await;
            let told = &info(&handshake).told;
            assert!(told.peer_validated);
            let peer = told.peer.as_ref().expect("it has one");
            assert_eq!(*peer.certificate.dns_sans, ["client.example".into()]);
            assert_eq!(&*peer.issuer, "CN=a");
            assert!(!peer.issuer_serial.is_empty());
            assert_eq!(info(&handshake).signature, Some("ecdsa_secp256r1_sha256"));
        }
        // As in Envoy nothing is asked for where there is nothing to verify it by.
        let (handshake, _) = meet(&without_context, &with, "a").await;
        assert!(info(&handshake).told.peer.is_none());
    }
}

/// Has no certificate, and counts the authorities that it was told.
#[derive(Debug, Default)]
struct Listening(std::sync::Mutex<Option<usize>>);

impl rustls::client::ResolvesClientCert for Listening {
    fn resolve(
        &self,
        authorities: &[&[u8]],
        _schemes: &[rustls::SignatureScheme],
    ) -> Option<Arc<rustls::sign::CertifiedKey>> {
        *self.0.lock().unwrap() = Some(authorities.len());
        None
    }

    fn has_certs(&self) -> bool {
        true
    }
}

#[tokio::test]
async fn clients_are_told_the_authorities_unless_these_are_hidden() {
    let authority = Authority::new("a");
    let own = authority.signs(&["a"]);
    for (field, told) in [("", 1), (", suppress_client_ca_list: true", 0)] {
        let context = format!(
            "validation_context: {{trusted_ca: {{inline_string: {:?}}}{field}}},",
            authority.pem()
        );
        let tls = showing(&[&own], "", &context);
        for versions in [[&rustls::version::TLS12], [&rustls::version::TLS13]] {
            let mut client = client(None, &versions);
            let listening = Arc::new(Listening::default());
            client.client_auth_cert_resolver = Arc::clone(&listening) as _;
            let (handshake, _) = meet(&tls, &client, "a").await;
            assert!(handshake.result.is_ok());
            assert_eq!(*listening.0.lock().unwrap(), Some(told));
        }
    }
}

#[tokio::test]
async fn a_client_whose_certificate_is_not_good_is_refused_or_tolerated() {
    let (authority, other) = (Authority::new("a"), Authority::new("b"));
    let own = authority.signs(&["a"]);
    let context = |more: &str| {
        let pem = authority.pem();
        format!("validation_context: {{trusted_ca: {{inline_string: {pem:?}}}, {more}}},")
    };
    let strict = showing(&[&own], "", &context(""));
    let tolerant = showing(
        &[&own],
        "",
        &context("trust_chain_verification: ACCEPT_UNTRUSTED"),
    );
    let expired_is_good = showing(&[&own], "", &context("allow_expired_certificate: true"));
    let expired = authority.signs_with(&["c"], |params| {
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    });
    let of_a_server = authority.signs_with(&["c"], |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    });
    for (signed, why) in [
        (
            &other.signs(&["c"]),
            "unable to get local issuer certificate",
        ),
        (&expired, "certificate has expired"),
        (&of_a_server, "unsupported certificate purpose"),
    ] {
        let client = client(Some(signed), BOTH);
        let (handshake, _) = meet(&strict, &client, "a").await;
        let words = format!(
            "X509_verify_cert: certificate verification error at depth 0: {why}:TLS_error_end"
        );
        assert!(
            reason(&handshake).ends_with(&words),
            "{}",
            reason(&handshake)
        );
        assert!(handshake.counters.contains(&TlsCounter::VerifyError));
        let (handshake, _) = meet(&tolerant, &client, "a").await;
        assert!(handshake.counters.contains(&TlsCounter::VerifyError));
        assert!(!info(&handshake).told.peer_validated && info(&handshake).told.peer.is_some());
        let (handshake, _) = meet(&expired_is_good, &client, "a").await;
        assert_eq!(handshake.result.is_ok(), why == "certificate has expired");
    }
}

#[tokio::test]
async fn what_is_no_tls_is_told_apart_and_answered_by_an_alert() {
    let tls = showing(&[&Authority::new("a").signs(&["a"])], "", "");
    for (bytes, code, words) in [
        (
            b"GET / HTTP/1.1\r\n\r\n".as_slice(),
            268_435_612,
            "HTTP_REQUEST",
        ),
        (
            b"CONNECT a:1 HTTP/1.1\r\n\r\n",
            268_435_611,
            "HTTPS_PROXY_REQUEST",
        ),
        (
            b"SSH-2.0-OpenSSH\r\n\r\n",
            268_435_703,
            "WRONG_VERSION_NUMBER",
        ),
    ] {
        let (mut near, far) = sockets().await;
        near.write_all(bytes).await.unwrap();
        let handshake = tls.handshake(far, (LOCAL, LOCAL)).await;
        let wanted =
            format!("TLS_error:|{code}:SSL routines:OPENSSL_internal:{words}:TLS_error_end");
        assert_eq!(reason(&handshake), wanted);
        assert_eq!(handshake.counters, [TlsCounter::ConnectionError]);
    }
}

#[tokio::test]
async fn a_client_that_goes_leaves_no_reason() {
    let tls = showing(&[&Authority::new("a").signs(&["a"])], "", "");
    for bytes in [b"".as_slice(), &[22, 3, 1, 2, 0, 1, 0, 1]] {
        let (mut near, far) = sockets().await;
        near.write_all(bytes).await.unwrap();
        drop(near);
        let handshake = tls.handshake(far, (LOCAL, LOCAL)).await;
        let unfinished = handshake.result.err().expect("it is refused");
        assert_eq!(unfinished.reason, None);
        assert!(handshake.counters.is_empty());
    }
}

#[test]
fn what_is_no_certificate_or_parameter_is_refused_in_envoys_words() {
    let signed = Authority::new("a").signs(&["a"]);
    let certificate =
        |fields: &str| format!("{{common_tls_context: {{tls_certificates: [{{{fields}}}]}}}}");
    let parameters = |fields: &str| {
        let certificate = signed.yaml();
        format!(
            "{{common_tls_context: {{tls_params: {{{fields}}}, tls_certificates: [{certificate}]}}}}"
        )
    };
    for (yaml, words) in [
        (
            certificate(""),
            "Server TlsCertificates must have a certificate specified",
        ),
        (
            certificate("private_key: {inline_string: x}"),
            "Failed to load incomplete certificate from : certificate chain not set",
        ),
        (
            certificate("certificate_chain: {inline_string: x}"),
            "Failed to load incomplete private key from path: ",
        ),
        (
            certificate("certificate_chain: {inline_string: x}, private_key: {inline_string: z}"),
            "Failed to load certificate chain from <inline>",
        ),
        (
            parameters("cipher_suites: [ECDHE-RSA-AES128-GCM-SHA256, bad]"),
            "Failed to initialize cipher suites ECDHE-RSA-AES128-GCM-SHA256:bad. The following ciphers were \
             rejected when tried individually: bad",
        ),
        (
            parameters("ecdh_curves: [P-256, bad]"),
            "Failed to initialize ECDH curves P-256:bad",
        ),
        (
            parameters("signature_algorithms: [bad]"),
            "Failed to initialize TLS signature algorithms bad",
        ),
    ] {
        let error = listener(&yaml).expect_err("it cannot be used");
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn what_cannot_be_used_is_refused_with_the_configuration() {
    let signed = Authority::new("a").signs(&["a"]);
    let other = Authority::new("a").signs(&["a"]);
    let with = |fields: &str, common: &str| {
        let certificate = signed.yaml();
        format!("{{{fields} common_tls_context: {{{common} tls_certificates: [{certificate}]}}}}")
    };
    let mismatched = Signed {
        certificate: signed.certificate.clone(),
        key: other.key,
    };
    for (yaml, words) in [
        (
            "{}".to_owned(),
            "No TLS certificates found for server context",
        ),
        (
            format!(
                "{{common_tls_context: {{tls_certificates: [{}]}}}}",
                mismatched.yaml()
            ),
            "KEY_VALUES_MISMATCH",
        ),
        (
            with("ocsp_staple_policy: MUST_STAPLE,", ""),
            "Required OCSP response is missing from TLS context",
        ),
        (
            with("", &format!("alpn_protocols: [{}],", "a".repeat(256))),
            "Invalid ALPN protocol string",
        ),
        (
            with("session_ticket_keys: {keys: [{inline_string: short}]},", ""),
            "Incorrect TLS session ticket key length. Length 5, expected length 80.",
        ),
        (
            with("", "tls_params: {tls_minimum_protocol_version: TLSv1_1},"),
            "not supported",
        ),
        (
            with("", "tls_params: {cipher_suites: [ECDHE-RSA-AES128-SHA]},"),
            "cipher suite `ECDHE-RSA-AES128-SHA`",
        ),
        (
            with("", "tls_params: {signature_algorithms: [rsa_pkcs1_sha1]},"),
            "signature algorithm `rsa_pkcs1_sha1`",
        ),
    ] {
        let error = listener(&yaml).expect_err("it cannot be used");
        assert!(error.contains(words), "{error}");
    }
}
