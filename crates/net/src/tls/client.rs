//! A client's TLS context: made once from its message, shared by all workers.

use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};

use nuncio_config::typed::{Ctx, Refused};
use nuncio_contract::stream_info::{CertificateInfo, TlsInfo as Told};
use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use rustls::sign::SingleCertAndKey;
use rustls::version::TLS13;
use rustls::{ClientConfig, HandshakeKind};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, TlsStream};

use super::certificate_info;
use super::details::ContextCertificates;
use super::failure::{self, TlsCounter, TlsFailure};
use super::identity::{Identity, Signing, identity};
use super::key_log::KeyLogging;
use super::messages::{CommonTlsContext, UpstreamTlsContext};
use super::parameters::{self, Parameters, Side};
use super::secrets;
use super::server::alpn;
use super::validation::demands;
use super::verify::{Demands, PeerVerifier};
use crate::transport::TlsTransport;

/// As in BoringSSL.
const LONGEST_SERVER_NAME_BYTES: usize = 255;

/// TLS towards the hosts of a cluster. Certificates and trusted authorities can be renewed while it is used.
pub struct ClientTls {
    /// None before its secrets have come.
    context: RwLock<Option<Arc<Context>>>,
    sni: Option<ServerName<'static>>,
    /// Whether hosts that have a name are told that.
    tells_hosts_names: bool,
    /// Whether certificates must be for the name that was told.
    checks_told_name: bool,
}

/// What can be renewed.
struct Context {
    config: Arc<ClientConfig>,
    /// There is no version to speak.
    speaks_none: bool,
    /// Whether the context names no protocols.
    offers_wishes: bool,
    verifier: PeerVerifier,
    certificates: ContextCertificates,
    /// Of our own certificate.
    info: Option<Arc<CertificateInfo>>,
    key_log: Option<KeyLogging>,
}

/// What one connection asks for besides its context.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wishes<'a> {
    /// The name that the host is told (SNI), instead of the context's.
    pub server_name: Option<&'a str>,
    /// The host's own name, which it is told if the context has hosts told theirs.
    pub host_name: Option<&'a str>,
    /// A name that the host's certificate must be for as well.
    pub subject_alt_name: Option<&'a str>,
    /// What is offered to be spoken (ALPN) where the context names nothing; HTTP/1.1 if this names nothing either.
    pub protocols: &'static [&'static [u8]],
    /// What is offered in place of all that, if it is not empty. An empty list offers what the context names, and
    /// nothing where it names nothing.
    pub only_protocols: Option<&'a [Vec<u8>]>,
}

/// A handshake that is done.
pub struct Greeted {
    /// The connection.
    pub transport: TlsTransport,
    /// What to count besides the handshake: what was wrong with the host's certificate and accepted all the same.
    pub counters: Vec<TlsCounter>,
}

/// What connections are made of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Below {
    Tcp,
    Quic,
}

impl Below {
    /// QUIC knows one version.
    fn limit(self, parameters: Parameters) -> Parameters {
        match self {
            Self::Tcp => parameters,
            Self::Quic => Parameters {
                versions: vec![&TLS13],
                speaks_none: false,
                ..parameters
            },
        }
    }

    /// What Envoy's codec offers where nothing is named.
    fn protocol(self) -> &'static [u8] {
        match self {
            Self::Tcp => b"http/1.1",
            Self::Quic => b"h3",
        }
    }
}

/// What one handshake is done with.
pub(super) struct Prepared {
    /// Whom the handshake is with.
    pub(super) name: ServerName<'static>,
    /// The name that is sent, if one is.
    pub(super) sent: Option<Box<str>>,
    pub(super) config: Arc<ClientConfig>,
    pub(super) verifier: PeerVerifier,
    /// Of our own certificate.
    pub(super) own: Option<Arc<CertificateInfo>>,
}

impl std::fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientTls")
            .field("sni", &self.sni)
            .finish_non_exhaustive()
    }
}

impl ClientTls {
    /// The name that hosts are told (SNI); empty for none.
    pub fn server_name(&self) -> String {
        let name = self.sni.as_ref();
        name.map(|name| name.to_str().into_owned())
            .unwrap_or_default()
    }

    /// Makes a context; what is wrong with the message, or cannot be done, is reported to `ctx`.
    ///
    /// # Errors
    /// [`Refused`] when the context cannot be used.
    pub fn new(message: &UpstreamTlsContext, ctx: &mut Ctx) -> Result<Self, Refused> {
        Self::over(Below::Tcp, message, ctx)
    }

    /// The same for connections of QUIC: they speak TLS 1.3, whatever the message says of versions, and HTTP/3 unless it
    /// names protocols.
    ///
    /// # Errors
    /// [`Refused`] when the context cannot be used.
    pub fn of_quic(message: &UpstreamTlsContext, ctx: &mut Ctx) -> Result<Self, Refused> {
        Self::over(Below::Quic, message, ctx)
    }

    fn over(below: Below, message: &UpstreamTlsContext, ctx: &mut Ctx) -> Result<Self, Refused> {
        let common = message.common_tls_context.as_ref();
        let sni = sni(message, ctx)?;
        let context = match secrets::are_there(common, None, ctx) {
            true => Some(Arc::new(Context::new(below, message, ctx)?)),
            false => None,
        };
        Ok(Self {
            context: RwLock::new(context),
            sni,
            tells_hosts_names: message.auto_host_sni,
            checks_told_name: message.auto_sni_san_validation,
        })
    }

    /// The certificates of now, described.
    pub fn certificates(&self) -> ContextCertificates {
        let context = self.context();
        context.map_or_else(ContextCertificates::default, |context| {
            context.certificates.clone()
        })
    }

    /// Lets handshakes to come use the certificates, keys and authorities of `newer`, made of the same message
    /// after files that it names or secrets changed. Sessions of before are not resumed.
    pub fn renew_from(&self, newer: &ClientTls) {
        let renewed = newer.context();
        *self.context.write().unwrap_or_else(PoisonError::into_inner) = renewed;
    }

    /// Whether its secrets have come.
    pub fn is_ready(&self) -> bool {
        let context = self.context.read();
        context.unwrap_or_else(PoisonError::into_inner).is_some()
    }

    fn context(&self) -> Option<Arc<Context>> {
        let context = self.context.read();
        context.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Does the handshake over `socket`, whose other end is `peer`. No timeout of its own.
    ///
    /// # Errors
    /// The peer was refused, refused us, or is gone.
    pub async fn handshake(
        &self,
        socket: TcpStream,
        peer: IpAddr,
        wishes: Wishes<'_>,
    ) -> Result<Greeted, TlsFailure> {
        let local = socket.local_addr().map_or(peer, |address| address.ip());
        let Prepared {
            name,
            sent,
            config,
            verifier,
            own,
        } = self.prepare((local, peer), wishes)?;
        let stream = TlsConnector::from(config).connect(name, socket).await;
        let notes = verifier.take_notes();
        let stream = stream.map_err(|error| TlsFailure::of_io(&error, notes.refused.as_ref()))?;
        let (_, state) = stream.get_ref();
        let peer = certificate_info::peer(state.peer_certificates().unwrap_or_default());
        let told = Told {
            server_name: sent.clone().unwrap_or_default(),
            peer_validated: notes.is_validated,
            local: own,
            peer: peer.map(Box::new),
            ..Told::default()
        };
        let mut counters = notes.tolerated;
        if state.handshake_kind() == Some(HandshakeKind::Resumed) {
            counters.push(TlsCounter::SessionReused);
        }
        let stream = TlsStream::Client(stream);
        Ok(Greeted {
            transport: TlsTransport::new(stream, sent, notes.signature, told),
            counters,
        })
    }

    /// What one handshake between these ends is done with.
    pub(super) fn prepare(
        &self,
        (local, peer): (IpAddr, IpAddr),
        wishes: Wishes<'_>,
    ) -> Result<Prepared, TlsFailure> {
        let own_name = wishes.host_name.filter(|_| self.tells_hosts_names);
        let sni = match (wishes.server_name, own_name) {
            // Nobody can check what nobody is told.
            (Some(wanted), _) if is_address(wanted) && !self.checks_told_name => None,
            (Some(wanted), _) => Some(told_name(wanted)?),
            // An address is no name.
            (None, Some(own)) if is_address(own) => None,
            (None, Some(own)) => Some(told_name(own)?),
            (None, None) => self.sni.clone(),
        };
        let sent = sni.as_ref().map(|name| name.to_str().into());
        // An address is not sent.
        let name = sni.unwrap_or_else(|| ServerName::from(peer));
        let context = self.context().ok_or_else(failure::not_ready)?;
        if context.speaks_none {
            return Err(TlsFailure::no_versions());
        }
        // Where a request has its own name checked, that is enough, as in Envoy.
        let checks = self.checks_told_name && wishes.subject_alt_name.is_none();
        let checked = name_sent(&name).filter(|_| checks);
        let (config, verifier) = context.for_one(wishes, checked, (local, peer));
        Ok(Prepared {
            name,
            sent,
            config,
            verifier,
            own: context.info.clone(),
        })
    }
}

impl Context {
    fn new(below: Below, message: &UpstreamTlsContext, ctx: &mut Ctx) -> Result<Self, Refused> {
        let common = message.common_tls_context.as_ref();
        let tls_params = common.and_then(|common| common.tls_params.as_ref());
        let parameters = below.limit(parameters::read(tls_params, Side::Client, ctx)?);
        let provider = Arc::new(parameters.provider);
        let demands = Demands {
            signatures: parameters.signatures.clone(),
            ..demands(common, ctx)?
        };
        check_validation(message, &demands, ctx)?;
        let verifier = PeerVerifier {
            side: Side::Client,
            demands: Arc::new(demands),
            provider: Arc::clone(&provider),
            expected: None,
            told: None,
            owner: None,
            is_mandatory: true,
            hints: Arc::default(),
            notes: Arc::default(),
        };
        let signing = Signing {
            provider: &provider,
            allowed: &parameters.signatures,
        };
        let identity = own_identity(common, signing, ctx)?;
        let roots = verifier.demands.roots.as_ref();
        let certificates = ContextCertificates {
            trusted: roots.and_then(|roots| roots.details.clone()),
            own: identity
                .iter()
                .filter_map(|identity| identity.details.clone())
                .collect(),
            validates: common.is_some_and(|common| common.validation_context_type.is_some()),
        };
        let key_log = common.and_then(|common| common.key_log.as_ref());
        let key_log = key_log.map(|log| KeyLogging::new(log, ctx)).transpose()?;
        let failed = |error: rustls::Error| {
            ctx.error(message.span(), format!("TLS context: {error}"));
            Refused
        };
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&parameters.versions)
            .map_err(failed)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier.clone()));
        let mut config = match &identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let key = SingleCertAndKey::from(Arc::clone(&identity.certified));
                builder.with_client_cert_resolver(Arc::new(key))
            }
        };
        let named = alpn(common, ctx)?;
        let offers_wishes = named.is_empty();
        // Envoy offers its codec's protocol where the configuration names none.
        config.alpn_protocols = match offers_wishes {
            true => vec![below.protocol().to_vec()],
            false => named,
        };
        config.resumption = resumption(message.max_session_keys);
        Ok(Context {
            config: Arc::new(config),
            speaks_none: parameters.speaks_none,
            offers_wishes,
            verifier,
            certificates,
            info: identity.map(|identity| identity.info),
            key_log,
        })
    }

    /// The configuration of one handshake, and its verifier. Sessions are resumed only where all handshakes check
    /// the same, for rustls checks nothing when it resumes one.
    fn for_one(
        &self,
        wishes: Wishes<'_>,
        told: Option<Box<str>>,
        (local, remote): (IpAddr, IpAddr),
    ) -> (Arc<ClientConfig>, PeerVerifier) {
        let verifier = PeerVerifier {
            told,
            ..self.verifier.for_one(wishes.subject_alt_name)
        };
        let mut config = (*self.config).clone();
        config
            .dangerous()
            .set_certificate_verifier(Arc::new(verifier.clone()));
        if wishes.subject_alt_name.is_some() || self.verifier.demands.accepts_untrusted {
            config.resumption = Resumption::disabled();
        }
        if let Some(only) = wishes.only_protocols {
            if self.offers_wishes || !only.is_empty() {
                config.alpn_protocols = only.to_vec();
            }
        } else if self.offers_wishes && !wishes.protocols.is_empty() {
            let offered = wishes.protocols.iter().map(|name| name.to_vec());
            config.alpn_protocols = offered.collect();
        }
        if let Some(log) = self.key_log.as_ref().and_then(|log| log.of(local, remote)) {
            config.key_log = log;
        }
        (Arc::new(config), verifier)
    }
}

/// What was told can be checked only where chains are.
fn check_validation(
    message: &UpstreamTlsContext,
    demands: &Demands,
    ctx: &mut Ctx,
) -> Result<(), Refused> {
    if !message.auto_sni_san_validation || demands.roots.is_some() {
        return Ok(());
    }
    let common = message.common_tls_context.as_ref();
    let what = match common.and_then(|common| common.validation_context_type.as_ref()) {
        None => "a validation context",
        Some(_) => "configuring a trusted CA",
    };
    let text = format!("'auto_sni_san_validation' was configured without {what}");
    ctx.error(message.span(), text);
    Err(Refused)
}

/// The certificate that is shown to hosts that ask for one.
fn own_identity(
    common: Option<&CommonTlsContext>,
    signing: Signing<'_>,
    ctx: &mut Ctx,
) -> Result<Option<Identity>, Refused> {
    let Some(common) = common else {
        return Ok(None);
    };
    match secrets::certificates(common, ctx)?.as_slice() {
        [] => Ok(None),
        [one] => identity(one, signing, ctx).map(Some),
        [_, second, ..] => {
            ctx.error(
                second.certificate.span(),
                "Multiple TLS certificates are not supported for client contexts",
            );
            Err(Refused)
        }
    }
}

/// What a host is told; addresses are not sent.
fn name_sent(name: &ServerName<'_>) -> Option<Box<str>> {
    matches!(name, ServerName::DnsName(_)).then(|| name.to_str().into())
}

/// A name to be sent.
fn told_name(name: &str) -> Result<ServerName<'static>, TlsFailure> {
    if name.len() > LONGEST_SERVER_NAME_BYTES {
        return Err(failure::too_long());
    }
    match ServerName::try_from(name.to_owned()) {
        Ok(name @ ServerName::DnsName(_)) => Ok(name),
        _ => Err(failure::no_dns_name(name)),
    }
}

/// Envoy keeps one session unless told otherwise.
fn resumption(max_session_keys: Option<u32>) -> Resumption {
    match max_session_keys.unwrap_or(1) {
        0 => Resumption::disabled(),
        count => Resumption::in_memory_sessions(usize::try_from(count).unwrap_or(usize::MAX)),
    }
}

fn is_address(name: &str) -> bool {
    name.parse::<IpAddr>().is_ok()
}

/// The name that hosts are told. rustls sends none that is no DNS name, such as an address or one whose last label is a
/// number; hosts are told none then, unless their certificates are to be for it.
fn sni(
    message: &UpstreamTlsContext,
    ctx: &mut Ctx,
) -> Result<Option<ServerName<'static>>, Refused> {
    let name = &message.sni;
    if name.value.is_empty() {
        return Ok(None);
    }
    match ServerName::try_from(name.value.clone()) {
        Ok(name @ ServerName::DnsName(_)) => Ok(Some(name)),
        _ if message.auto_sni_san_validation => {
            let what = format!("SNI `{}`, which is no DNS name,", name.value);
            Err(ctx.unsupported_here(name.span, what))
        }
        _ => {
            let text = format!("`{}` is no DNS name: hosts are told none", name.value);
            ctx.warning(name.span, text);
            Ok(None)
        }
    }
}
