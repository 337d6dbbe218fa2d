//! A listener's TLS context: made once from its message, shared by all workers.

use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};

use nuncio_config::typed::{Ctx, Refused};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{DistinguishedName, ServerConfig};

use super::agreements::Agreements;
use super::choice::{Abilities, Certificates, Chosen};
use super::details::ContextCertificates;
use super::downstream_messages::{DownstreamTlsContext, OcspStaplePolicy, SessionTicketKeysType};
use super::hello::Untold;
use super::identity::{Identity, Signing, identity};
use super::key_log::KeyLogging;
use super::messages::{CommonTlsContext, TlsCertificate};
use super::ocsp::OcspAction;
use super::parameters::{self, Parameters, Side};
use super::secrets;
use super::sessions::Sessions;
use super::validation::demands;
use super::verify::{Demands, PeerVerifier};

/// TLS towards the clients of a filter chain. Certificates and trusted authorities can be renewed while it is used.
pub struct ServerTls {
    /// None before its secrets have come.
    context: RwLock<Option<Arc<ServerContext>>>,
}

/// What can be renewed.
pub(super) struct ServerContext {
    agreements: Agreements,
    /// There is no version to speak. (QUIC has one whatever the context says.)
    pub(super) speaks_none: bool,
    verifier: PeerVerifier,
    pub(super) certificates: Certificates,
    key_log: Option<KeyLogging>,
    details: ContextCertificates,
}

impl std::fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerTls").finish_non_exhaustive()
    }
}

/// A server's certificates are written into the context or come from elsewhere, and are some.
fn check_certificates(common: &CommonTlsContext, ctx: &mut Ctx) -> Result<(), Refused> {
    let written = &common.tls_certificates;
    let referred = &common.tls_certificate_sds_secret_configs;
    let (Some(first), says_nothing) = (written.first(), |one: &TlsCertificate| {
        one.certificate_chain.is_none() && one.private_key.is_none() && one.pkcs12.is_none()
    }) else {
        return Ok(());
    };
    let text = if !referred.is_empty() {
        "SDS and non-SDS TLS certificates may not be mixed in server contexts"
    } else if written.iter().all(says_nothing) {
        "Server TlsCertificates must have a certificate specified"
    } else {
        return Ok(());
    };
    ctx.error(first.span(), text);
    Err(Refused)
}

impl ServerTls {
    /// Makes a context; what is wrong with the message, or cannot be done, is reported to `ctx`.
    ///
    /// # Errors
    /// [`Refused`] when the context cannot be used.
    pub fn new(message: &DownstreamTlsContext, ctx: &mut Ctx) -> Result<Self, Refused> {
        let ticket_keys = match &message.session_ticket_keys_type {
            Some(SessionTicketKeysType::Secret(config)) => Some(config),
            _ => None,
        };
        let common = message.common_tls_context.as_ref();
        if let Some(common) = common {
            check_certificates(common, ctx)?;
        }
        let context = match secrets::are_there(common, ticket_keys, ctx) {
            true => Some(Arc::new(ServerContext::new(message, ctx)?)),
            false => None,
        };
        Ok(ServerTls {
            context: RwLock::new(context),
        })
    }

    /// The certificates of now, described.
    pub fn certificates(&self) -> ContextCertificates {
        let context = self.context();
        context.map_or_else(ContextCertificates::default, |context| {
            context.details.clone()
        })
    }

    /// Lets handshakes to come use the certificates, keys and authorities of `newer`, made of the same message
    /// after files that it names or secrets changed. Sessions of before are not resumed unless their keys are given.
    pub fn renew_from(&self, newer: &ServerTls) {
        let renewed = newer.context();
        *self.context.write().unwrap_or_else(PoisonError::into_inner) = renewed;
    }

    /// Whether its secrets have come.
    pub fn is_ready(&self) -> bool {
        let context = self.context.read();
        context.unwrap_or_else(PoisonError::into_inner).is_some()
    }

    pub(super) fn context(&self) -> Option<Arc<ServerContext>> {
        let context = self.context.read();
        context.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ServerContext {
    fn new(message: &DownstreamTlsContext, ctx: &mut Ctx) -> Result<Self, Refused> {
        let common = message.common_tls_context.as_ref();
        let tls_params = common.and_then(|common| common.tls_params.as_ref());
        let parameters = parameters::read(tls_params, Side::Server, ctx)?;
        let demands = Demands {
            signatures: parameters.signatures.clone(),
            ..demands(common, ctx)?
        };
        let verifier = verifier(message, demands, &parameters);
        let identities = identities(message, &parameters, ctx)?;
        check_responses(message, &identities, ctx)?;
        let roots = verifier.demands.roots.as_ref();
        let details = ContextCertificates {
            trusted: roots.and_then(|roots| roots.details.clone()),
            own: identities
                .iter()
                .filter_map(|identity| identity.details.clone())
                .collect(),
            validates: common.is_some_and(|common| common.validation_context_type.is_some()),
        };
        let key_log = common.and_then(|common| common.key_log.as_ref());
        let key_log = key_log.map(|log| KeyLogging::new(log, ctx)).transpose()?;
        let sessions = Sessions::new(message, &verifier, &identities, ctx)?;
        let agreements = Agreements::new(
            &parameters,
            alpn(common, ctx)?,
            message.prefer_client_ciphers,
            &sessions,
        );
        let agreements = agreements.map_err(|error| {
            ctx.error(message.span(), format!("TLS context: {error}"));
            Refused
        })?;
        let scans = message.full_scan_certs_on_sni_mismatch == Some(true);
        let certificates = Certificates::new(identities, message.ocsp_staple_policy, scans);
        Ok(ServerContext {
            agreements,
            speaks_none: parameters.speaks_none,
            verifier,
            certificates,
            key_log,
            details,
        })
    }

    /// Whether clients are asked for certificates.
    pub(super) fn asks_for_certificates(&self) -> bool {
        use rustls::server::danger::ClientCertVerifier as _;
        self.verifier.offer_client_auth()
    }

    /// Whether TLS 1.3 will be spoken with a client.
    pub(super) fn agrees_on_13(&self, untold: Untold) -> bool {
        self.agreements.agrees_on_13(untold)
    }

    /// The protocols of the layer above.
    pub(super) fn alpn_protocols(&self) -> &[Vec<u8>] {
        self.agreements.alpn_protocols()
    }

    /// The certificate for a client.
    pub(super) fn choose(&self, hello: &ClientHello<'_>, untold: Untold) -> Option<Chosen<'_>> {
        let name = untold.name_as_written(hello.server_name().unwrap_or_default());
        self.certificates
            .choose(&name, Abilities::of(hello, untold), UnixTime::now())
    }

    /// The configuration of one handshake, and its verifier.
    pub(super) fn for_one(
        &self,
        (hello, untold): (&ClientHello<'_>, Untold),
        chosen: &Chosen<'_>,
        (local, remote): (IpAddr, IpAddr),
        asks_for_certificate: bool,
    ) -> Result<(Arc<ServerConfig>, PeerVerifier), rustls::Error> {
        let verifier = self.verifier.for_one(None);
        let asked = asks_for_certificate.then(|| verifier.clone());
        let mut config = self.agreements.with(hello, untold, asked)?;
        let certified = &chosen.identity.certified;
        let shown = match chosen.action {
            OcspAction::Fail => None,
            OcspAction::NoStaple if certified.ocsp.is_some() => {
                let mut bare = (**certified).clone();
                bare.ocsp = None;
                Some(Arc::new(bare))
            }
            _ => Some(Arc::clone(certified)),
        };
        config.cert_resolver = Arc::new(OneCertificate(shown));
        if let Some(log) = self.key_log.as_ref().and_then(|log| log.of(local, remote)) {
            config.key_log = log;
        }
        Ok((Arc::new(config), verifier))
    }

    /// A certificate that issued this one: one of these, or one that is trusted.
    pub(super) fn issuer<'a>(
        &'a self,
        chain: &'a [CertificateDer<'static>],
    ) -> Option<&'a CertificateDer<'static>> {
        let leaf = chain.first()?;
        let trusted = self.verifier.demands.all_roots();
        let trusted = trusted.flat_map(|roots| &roots.certificates);
        let mut candidates = chain.iter().skip(1).chain(trusted);
        candidates.find(|candidate| super::chain::issued(candidate, leaf))
    }
}

/// Shows one certificate, or none, which ends the handshake.
#[derive(Debug)]
pub(super) struct OneCertificate(pub(super) Option<Arc<CertifiedKey>>);

impl ResolvesServerCert for OneCertificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.clone()
    }
}

/// The protocols of the layer above, as on the wire, where a byte tells the length of each.
pub(super) fn alpn(
    common: Option<&CommonTlsContext>,
    ctx: &mut Ctx,
) -> Result<Vec<Vec<u8>>, Refused> {
    let Some(common) = common else {
        return Ok(Vec::new());
    };
    // One text may hold several.
    let names = common.alpn_protocols.iter();
    let single = names.flat_map(|names| names.split(','));
    let single: Vec<_> = single.map(|name| name.as_bytes().to_vec()).collect();
    if single.iter().any(|name| name.len() > usize::from(u8::MAX)) {
        ctx.error(common.span(), "Invalid ALPN protocol string");
        return Err(Refused);
    }
    Ok(single)
}

/// Whether every certificate has the OCSP response that it has to have.
fn check_responses(
    message: &DownstreamTlsContext,
    identities: &[Identity],
    ctx: &mut Ctx,
) -> Result<(), Refused> {
    let is_required = message.ocsp_staple_policy == OcspStaplePolicy::Must;
    for identity in identities.iter().filter(|it| it.response.is_none()) {
        let text = match (identity.must_staple, is_required) {
            (true, _) => "OCSP response is required for must-staple certificate",
            (false, true) => "Required OCSP response is missing from TLS context",
            (false, false) => continue,
        };
        ctx.error(message.span(), text);
        return Err(Refused);
    }
    Ok(())
}

fn verifier(
    message: &DownstreamTlsContext,
    demands: Demands,
    parameters: &Parameters,
) -> PeerVerifier {
    let told = demands.all_roots().filter(|_| !demands.hides_authorities);
    let hints = told.flat_map(|roots| &roots.store.roots);
    let hints: Arc<[_]> = hints
        .map(|anchor| DistinguishedName::in_sequence(&anchor.subject))
        .collect();
    let is_required = message.require_client_certificate == Some(true);
    PeerVerifier {
        side: Side::Server,
        // As in Envoy, who must be known by name or by hash must have a certificate.
        is_mandatory: is_required || demands.ask_for_one_peer(),
        demands: Arc::new(demands),
        provider: Arc::new(parameters.provider.clone()),
        expected: None,
        told: None,
        owner: None,
        hints,
        notes: Arc::default(),
    }
}

fn identities(
    message: &DownstreamTlsContext,
    parameters: &Parameters,
    ctx: &mut Ctx,
) -> Result<Vec<Identity>, Refused> {
    let common = message.common_tls_context.as_ref();
    let named = match common {
        Some(common) => secrets::certificates(common, ctx)?,
        None => Vec::new(),
    };
    if named.is_empty() {
        let text = "No TLS certificates found for server context";
        ctx.error(message.span(), text);
        return Err(Refused);
    }
    let signing = Signing {
        provider: &parameters.provider,
        allowed: &parameters.signatures,
    };
    // All are read, so that all that is wrong is said.
    let read: Vec<_> = named
        .iter()
        .map(|one| identity(one, signing, ctx))
        .collect();
    read.into_iter().collect()
}
