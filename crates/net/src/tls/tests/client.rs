//! Handshakes with a host of our own on the loopback.

use std::net::SocketAddr;
use std::sync::Arc;

use nuncio_config::source::{Format, Source};
use nuncio_config::typed::{Ctx, Refused, StaticSecrets, decode};
use nuncio_config::{interpret, text};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error, ServerConfig, SignatureScheme};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::tls::{ClientTls, TlsCounter, TlsFailure, UpstreamTlsContext, Wishes, check_secrets};
use crate::transport::TlsInfo;

/// A certificate authority, and a host with a certificate of it.
struct Host {
    address: SocketAddr,
    authority_pem: String,
}

impl Host {
    /// A host whose certificate is for `host.example` and `*.wild.example`.
    async fn start() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let names = vec!["host.example".to_owned(), "*.wild.example".to_owned()];
        let leaf = CertificateParams::new(names)
            .unwrap()
            .signed_by(&key, &authority)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let acceptor = acceptor(leaf.der().clone(), key.serialize_der());
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move { drop(acceptor.accept(socket).await) });
            }
        });
        Self {
            address,
            authority_pem: authority.pem(),
        }
    }

    /// Shakes hands by the context that `yaml` describes, in which `@CA@` stands for the authority.
    async fn greeted_by(&self, yaml: &str) -> Result<TlsInfo, TlsFailure> {
        let tls = context(&yaml.replace("@CA@", &format!("{:?}", self.authority_pem))).unwrap();
        self.greeted(&tls).await
    }

    async fn greeted(&self, tls: &ClientTls) -> Result<TlsInfo, TlsFailure> {
        self.greeted_with(tls, Wishes::default()).await
    }

    async fn greeted_with(
        &self,
        tls: &ClientTls,
        wishes: Wishes<'_>,
    ) -> Result<TlsInfo, TlsFailure> {
        let socket = TcpStream::connect(self.address).await.unwrap();
        let greeted = tls.handshake(socket, self.address.ip(), wishes).await?;
        Ok(greeted.transport.info().clone())
    }
}

fn acceptor(leaf: CertificateDer<'static>, key: Vec<u8>) -> TlsAcceptor {
    let key = PrivateKeyDer::try_from(key).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf], key)
        .unwrap();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

fn context(yaml: &str) -> Result<ClientTls, String> {
    made_by(yaml, ClientTls::new)
}

/// The same for QUIC.
pub(crate) fn context_of_quic(yaml: &str) -> ClientTls {
    made_by(yaml, ClientTls::of_quic).unwrap()
}

fn made_by(
    yaml: &str,
    make: impl FnOnce(&UpstreamTlsContext, &mut Ctx) -> Result<ClientTls, Refused>,
) -> Result<ClientTls, String> {
    let source = Source::new("tls.yaml", Format::Yaml, yaml);
    let mut ctx = Ctx::default();
    let node = text::parse(&source, 0, &text::Limits::default(), &mut ctx.diagnostics).unwrap();
    let name = "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext";
    let descriptor = nuncio_api::message(name).unwrap();
    let tree = interpret::interpret(descriptor, &node, &mut ctx.diagnostics);
    let made = tree.and_then(|tree| {
        let message: UpstreamTlsContext = decode(&Arc::new(tree), &mut ctx).ok()?;
        make(&message, &mut ctx).ok()
    });
    made.filter(|_| ctx.diagnostics.errors() == 0)
        .ok_or_else(|| format!("{:?}", ctx.diagnostics))
}

/// The same, by a bootstrap that has these secrets.
fn context_with_secrets(yaml: &str, secrets: &[String]) -> Result<ClientTls, String> {
    let mut ctx = Ctx::default();
    let read = |name: &str, yaml: &str, ctx: &mut Ctx| {
        let source = Source::new("tls.yaml", Format::Yaml, yaml);
        let node = text::parse(&source, 0, &text::Limits::default(), &mut ctx.diagnostics).unwrap();
        let name = format!("envoy.extensions.transport_sockets.tls.v3.{name}");
        let descriptor = nuncio_api::message(&name).unwrap();
        Arc::new(interpret::interpret(descriptor, &node, &mut ctx.diagnostics).unwrap())
    };
    let secrets: Vec<_> = secrets
        .iter()
        .map(|secret| read("Secret", secret, &mut ctx))
        .collect();
    let sound = check_secrets(&secrets, &mut ctx);
    ctx.static_secrets = StaticSecrets::new(&secrets);
    let message = decode(&read("UpstreamTlsContext", yaml, &mut ctx), &mut ctx).unwrap();
    let made = ClientTls::new(&message, &mut ctx).ok();
    made.filter(|_| sound.is_ok() && ctx.diagnostics.errors() == 0)
        .ok_or_else(|| format!("{:?}", ctx.diagnostics))
}

fn verify_failed(what: &str) -> Option<Box<str>> {
    let text = format!(
        "TLS_error:|268435581:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:\
         verify cert failed: {what}:TLS_error_end"
    );
    Some(text.into())
}

#[tokio::test]
async fn without_a_validation_context_any_certificate_will_do_over_tls_1_2() {
    let info = Host::start()
        .await
        .greeted_by("{sni: anything.example}")
        .await
        .unwrap();
    assert_eq!(info.version, Some("TLSv1.2"));
    assert_eq!(info.server_name.as_deref(), Some("anything.example"));
    assert!(info.told.peer.is_some());
    assert_eq!(info.curve, Some("X25519"));
}

#[tokio::test]
async fn tls_1_3_and_alpn_are_spoken_where_configured() {
    let info = Host::start()
        .await
        .greeted_by(
            "{common_tls_context: {alpn_protocols: [http/1.1], \
             tls_params: {tls_maximum_protocol_version: TLSv1_3}}}",
        )
        .await
        .unwrap();
    assert_eq!(info.version, Some("TLSv1.3"));
    assert_eq!(info.alpn_protocol.as_deref(), Some(&b"http/1.1"[..]));
    assert_eq!(info.server_name, None);
}

#[tokio::test]
async fn a_trusted_chain_is_accepted_whatever_the_sni() {
    let host = Host::start().await;
    let yaml = "{sni: other.example, common_tls_context: {validation_context: \
                {trusted_ca: {inline_string: @CA@}}}}";
    host.greeted_by(yaml).await.unwrap();
}

#[tokio::test]
async fn a_chain_that_leads_elsewhere_is_refused() {
    let (host, other) = (Host::start().await, Host::start().await);
    let yaml = "{common_tls_context: {validation_context: {trusted_ca: {inline_string: @CA@}}}}"
        .replace("@CA@", &format!("{:?}", other.authority_pem));
    let failure = host.greeted_by(&yaml).await.unwrap_err();
    assert_eq!(failure.counter, Some(TlsCounter::VerifyError));
    let reason = failure.reason.unwrap();
    assert!(reason.contains("CERTIFICATE_VERIFY_FAILED:verify cert failed: X509_verify_cert:"));
}

#[tokio::test]
async fn one_name_of_the_certificate_must_match() {
    let host = Host::start().await;
    let yaml = |wanted: &str| {
        format!(
            "{{common_tls_context: {{validation_context: {{trusted_ca: {{inline_string: @CA@}}, \
             match_typed_subject_alt_names: [{{san_type: DNS, matcher: {{exact: {wanted}}}}}]}}}}}}"
        )
    };
    host.greeted_by(&yaml("host.example")).await.unwrap();
    host.greeted_by(&yaml("a.wild.example")).await.unwrap();
    let failure = host.greeted_by(&yaml("bad.example")).await.unwrap_err();
    assert_eq!(failure.counter, Some(TlsCounter::VerifySan));
    let words = "SAN matcher, certificate SANs are [host.example, *.wild.example]";
    assert_eq!(failure.reason, verify_failed(words));
}

#[tokio::test]
async fn a_pinned_hash_must_be_the_certificates() {
    let host = Host::start().await;
    let info = host.greeted_by("{}").await.unwrap();
    let hex = &info.told.peer.as_ref().unwrap().sha256;
    let yaml = |hash: &str| {
        format!(
            "{{common_tls_context: {{validation_context: {{verify_certificate_hash: ['{hash}']}}}}}}"
        )
    };
    host.greeted_by(&yaml(hex)).await.unwrap();
    let failure = host.greeted_by(&yaml(&"00".repeat(32))).await.unwrap_err();
    assert_eq!(failure.counter, Some(TlsCounter::VerifyCertHash));
    assert_eq!(failure.reason, verify_failed("cert hash and spki"));
}

#[test]
fn what_rustls_cannot_do_is_refused_with_the_configuration() {
    for (yaml, words) in [
        (
            "{common_tls_context: {tls_params: {cipher_suites: [AES128-SHA]}}}",
            "cipher suite `AES128-SHA`",
        ),
        (
            "{common_tls_context: {tls_params: {tls_minimum_protocol_version: TLSv1_0}}}",
            "not supported",
        ),
        ("{allow_renegotiation: true}", "not supported"),
        (
            "{sni: 192.0.2.1, auto_sni_san_validation: true, common_tls_context: \
             {validation_context: {trusted_ca: {inline_string: x}}}}",
            "no DNS name",
        ),
        (
            "{common_tls_context: {validation_context: {match_typed_subject_alt_names: \
             [{san_type: DNS, matcher: {exact: a}}]}}}",
            "without trusted CA is insecure",
        ),
        (
            "{common_tls_context: {validation_context: {trusted_ca: {inline_string: x}}}}",
            "Failed to load trusted CA certificates",
        ),
    ] {
        let error = context(yaml).unwrap_err();
        assert!(error.contains(words), "{yaml}: {error}");
    }
}

#[tokio::test]
async fn an_authority_may_be_a_static_secret_and_is_merged_over_the_default() {
    let host = Host::start().await;
    let secret = format!(
        "{{name: ca, validation_context: {{trusted_ca: {{inline_string: {:?}}}}}}}",
        host.authority_pem
    );
    let alone = "{common_tls_context: {validation_context_sds_secret_config: {name: ca}}}";
    let tls = context_with_secrets(alone, std::slice::from_ref(&secret)).unwrap();
    host.greeted(&tls).await.unwrap();
    let both = "{common_tls_context: {combined_validation_context: {default_validation_context: \
                {match_typed_subject_alt_names: [{san_type: DNS, matcher: {exact: other.example}}]}, \
                validation_context_sds_secret_config: {name: ca}}}}";
    let tls = context_with_secrets(both, &[secret]).unwrap();
    let failure = host.greeted(&tls).await.unwrap_err();
    assert_eq!(failure.counter, Some(TlsCounter::VerifySan));
}

#[tokio::test]
async fn secrets_that_are_not_there_or_there_twice_are_refused_in_envoys_words() {
    let ca = "{name: ca, validation_context: {system_root_certs: {}}}".to_owned();
    let certificate = "{common_tls_context: {tls_certificate_sds_secret_configs: [{name: ca}]}}";
    let why = context_with_secrets(certificate, std::slice::from_ref(&ca)).unwrap_err();
    assert!(why.contains("Unknown static secret: ca"), "{why}");
    let context = "{common_tls_context: {validation_context_sds_secret_config: {name: other}}}";
    let why = context_with_secrets(context, std::slice::from_ref(&ca)).unwrap_err();
    let unknown = "Unknown static certificate validation context: other";
    assert!(why.contains(unknown), "{why}");
    let why = context_with_secrets("{}", &[ca.clone(), ca]).unwrap_err();
    let twice = "Duplicate static CertificateValidationContext secret name ca";
    assert!(why.contains(twice), "{why}");
}

#[tokio::test]
async fn a_context_takes_the_authorities_of_a_newer_one_over() {
    let (host, other) = (Host::start().await, Host::start().await);
    let trusting = |authority: &str| {
        let context = format!("{{trusted_ca: {{inline_string: {authority:?}}}}}");
        let yaml = format!("{{common_tls_context: {{validation_context: {context}}}}}");
        self::context(&yaml).unwrap()
    };
    let tls = trusting(&other.authority_pem);
    host.greeted(&tls).await.unwrap_err();
    tls.renew_from(&trusting(&host.authority_pem));
    host.greeted(&tls).await.unwrap();
}

#[tokio::test]
async fn a_connection_may_ask_for_names_of_its_own() {
    let host = Host::start().await;
    let trusting = format!(
        "{{sni: fixed.example, common_tls_context: {{validation_context: {{trusted_ca: {{inline_string: {:?}}}}}}}}}",
        host.authority_pem
    );
    let tls = context(&trusting).unwrap();
    let wishes = |server_name, subject_alt_name| Wishes {
        server_name,
        subject_alt_name,
        host_name: None,
        protocols: &[],
        only_protocols: None,
    };
    for (wishes, sent) in [
        (wishes(Some("other.example"), None), "other.example"),
        (wishes(None, Some("HOST.example")), "fixed.example"),
        (
            wishes(Some("a.wild.example"), Some("a.wild.example")),
            "a.wild.example",
        ),
    ] {
        let info = host.greeted_with(&tls, wishes).await.unwrap();
        assert_eq!(info.server_name.as_deref(), Some(sent));
    }
    for expected in ["other.example", "b.a.wild.example", "", "127.0.0.1"] {
        let failure = host.greeted_with(&tls, wishes(None, Some(expected))).await;
        let failure = failure.unwrap_err();
        assert_eq!(failure.counter, Some(TlsCounter::VerifySan));
        let what = format!(
            "verify SAN list, expected SANs: [{expected}], certificate SANs: [host.example, *.wild.example]"
        );
        assert_eq!(failure.reason, verify_failed(&what));
    }
}

#[tokio::test]
async fn a_host_is_told_its_name_and_its_certificate_must_be_for_what_it_was_told() {
    let host = Host::start().await;
    let tls = |options: &str| {
        let yaml = format!(
            "{{{options}, common_tls_context: {{validation_context: {{trusted_ca: {{inline_string: {:?}}}, \
             match_typed_subject_alt_names: [{{san_type: DNS, matcher: {{prefix: host}}}}]}}}}}}",
            host.authority_pem
        );
        context(&yaml).unwrap()
    };
    let named = |host_name| Wishes {
        host_name,
        ..Wishes::default()
    };
    let tells = tls("sni: fixed.example, auto_host_sni: true");
    for (host_name, sent) in [
        (Some("other.example"), Some("other.example")),
        (None, Some("fixed.example")),
        (Some("127.0.0.1"), None),
    ] {
        let info = host.greeted_with(&tells, named(host_name)).await.unwrap();
        assert_eq!(info.server_name.as_deref(), sent);
    }
    let checks = tls("auto_host_sni: true, auto_sni_san_validation: true");
    for name in ["host.example", "a.wild.example"] {
        let greeted = host.greeted_with(&checks, named(Some(name))).await;
        assert!(greeted.is_ok(), "the list does not count for {name}");
    }
    let failure = host.greeted_with(&checks, named(Some("other.example")));
    let failure = failure.await.unwrap_err();
    assert_eq!(failure.counter, Some(TlsCounter::VerifySan));
}

#[tokio::test]
async fn names_may_be_matched_whatever_their_kind() {
    let host = Host::start().await;
    for (matcher, is_good) in [("exact: a.wild.example", true), ("exact: other", false)] {
        let yaml = format!(
            "{{common_tls_context: {{validation_context: {{trusted_ca: {{inline_string: {:?}}}, \
             match_subject_alt_names: [{{{matcher}}}]}}}}}}",
            host.authority_pem
        );
        let tls = context(&yaml).unwrap();
        let greeted = host.greeted_with(&tls, Wishes::default()).await;
        assert_eq!(greeted.is_ok(), is_good, "{matcher}");
    }
}

#[tokio::test]
async fn a_name_that_cannot_be_verified_or_sent_fails_the_handshake() {
    let host = Host::start().await;
    let careless = context("{}").unwrap();
    let expecting = Wishes {
        subject_alt_name: Some("host.example"),
        ..Wishes::default()
    };
    let failure = host.greeted_with(&careless, expecting).await.unwrap_err();
    assert_eq!(failure.counter, None);
    let reason = "TLS_error:|268435581:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:TLS_error_end";
    assert_eq!(failure.reason.as_deref(), Some(reason));
    for (name, counter) in [
        ("a:b", Some(TlsCounter::ConnectionError)),
        (&*"long.".repeat(60), None),
    ] {
        let wishes = Wishes {
            server_name: Some(name),
            ..Wishes::default()
        };
        let failure = host.greeted_with(&careless, wishes).await.unwrap_err();
        assert_eq!(failure.counter, counter);
    }
}

#[tokio::test]
async fn what_is_accepted_though_untrusted_is_counted() {
    let (host, other) = (Host::start().await, Host::start().await);
    let yaml = format!(
        "{{common_tls_context: {{validation_context: {{trusted_ca: {{inline_string: {:?}}}, \
         trust_chain_verification: ACCEPT_UNTRUSTED}}}}}}",
        other.authority_pem
    );
    let tls = context(&yaml).unwrap();
    let wishes = Wishes {
        subject_alt_name: Some("other.example"),
        ..Wishes::default()
    };
    let socket = TcpStream::connect(host.address).await.unwrap();
    let greeted = tls.handshake(socket, host.address.ip(), wishes).await;
    assert_eq!(
        greeted.unwrap().counters,
        [TlsCounter::VerifyError, TlsCounter::VerifySan]
    );
}

/// Believes any server that holds its key.
#[derive(Debug)]
pub(super) struct Believing(pub(super) Arc<rustls::crypto::CryptoProvider>);

impl ServerCertVerifier for Believing {
    fn verify_server_cert(
        &self,
        _leaf: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, leaf, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, leaf, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
