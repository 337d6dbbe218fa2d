//! A client's TLS context: made once from its message, shared by all workers.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use nuncio_config::typed::{Ctx, Refused, Spanned};
use nuncio_contract::matching::CompiledStringMatcher;
use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, TlsStream};

use super::client_certificate::{certificates_in, identity};
use super::details::{ContextCertificates, describe};
use super::failure::{self, TlsCounter, TlsFailure};
use super::messages::{CertificateValidationContext, TrustChainVerification, UpstreamTlsContext};
use super::parameters;
use super::secrets;
use super::subject_names::NameMatcher;
use super::verify::{Demands, PeerVerifier, Roots};
use crate::transport::TlsTransport;

/// As in BoringSSL.
const LONGEST_SERVER_NAME_BYTES: usize = 255;

/// TLS towards the hosts of a cluster. Certificates and trusted authorities can be renewed while it is used.
pub struct ClientTls {
    context: RwLock<Arc<Context>>,
    sni: Option<ServerName<'static>>,
}

/// What can be renewed.
struct Context {
    config: Arc<ClientConfig>,
    verifier: PeerVerifier,
    certificates: ContextCertificates,
}

/// What one connection asks for besides its context.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wishes<'a> {
    /// The name that the host is told (SNI), instead of the context's.
    pub server_name: Option<&'a str>,
    /// A name that the host's certificate must be for as well.
    pub subject_alt_name: Option<&'a str>,
}

/// A handshake that is done.
pub struct Greeted {
    /// The connection.
    pub transport: TlsTransport,
    /// What was wrong with the host's certificate and accepted all the same; to be counted.
    pub tolerated: Vec<TlsCounter>,
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
        let common = message.common_tls_context.as_ref();
        let (provider, versions) =
            parameters::read(common.and_then(|common| common.tls_params.as_ref()), ctx)?;
        let provider = Arc::new(provider);
        let validation = common.and_then(|common| common.validation_context_type.as_ref());
        let demands = match validation {
            Some(validation) => demands(&*secrets::validation_context(validation, ctx)?, ctx)?,
            None => Demands::default(),
        };
        let verifier = PeerVerifier {
            demands: Arc::new(demands),
            provider: Arc::clone(&provider),
            expected: None,
            tolerated: Arc::default(),
        };
        let certificates = match common {
            Some(common) => secrets::certificates(common, ctx)?,
            None => Cow::default(),
        };
        let identity = identity(&certificates, ctx)?;
        let roots = verifier.demands.roots.as_ref();
        let certificates = ContextCertificates {
            trusted: roots.and_then(|roots| roots.details.clone()),
            own: identity
                .as_ref()
                .and_then(|identity| identity.details.clone()),
        };
        let mut failed = |error: rustls::Error| {
            ctx.error(message.span(), format!("TLS context: {error}"));
            Refused
        };
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&versions)
            .map_err(&mut failed)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier.clone()));
        let mut config = match identity {
            None => builder.with_no_client_auth(),
            Some(identity) => builder
                .with_client_auth_cert(identity.chain, identity.key)
                .map_err(failed)?,
        };
        let configured = common
            .map(|common| common.alpn_protocols.as_slice())
            .unwrap_or_default();
        // Envoy offers its codec's protocol where the configuration names none.
        config.alpn_protocols = match configured {
            [] => vec![b"http/1.1".to_vec()],
            names => names.iter().map(|name| name.as_bytes().to_vec()).collect(),
        };
        config.resumption = resumption(message.max_session_keys);
        let sni = sni(&message.sni, ctx)?;
        let context = Context {
            config: Arc::new(config),
            verifier,
            certificates,
        };
        Ok(Self {
            context: RwLock::new(Arc::new(context)),
            sni,
        })
    }

    /// The certificates of now, described.
    pub fn certificates(&self) -> ContextCertificates {
        self.context().certificates.clone()
    }

    /// Lets handshakes to come use the certificates, keys and authorities of `newer`, made of the same message
    /// after files that it names changed. Sessions of before are not resumed.
    pub fn renew_from(&self, newer: &ClientTls) {
        let renewed = newer.context();
        *self.context.write().unwrap_or_else(PoisonError::into_inner) = renewed;
    }

    fn context(&self) -> Arc<Context> {
        Arc::clone(&self.context.read().unwrap_or_else(PoisonError::into_inner))
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
        let sni = match wishes.server_name {
            Some(wanted) => Some(told_name(wanted)?),
            None => self.sni.clone(),
        };
        let sent = sni.as_ref().map(|name| name.to_str().into());
        // An address is not sent.
        let name = sni.unwrap_or_else(|| ServerName::from(peer));
        let (config, tolerated) = self.context().for_one(wishes);
        let stream = TlsConnector::from(config).connect(name, socket).await;
        let stream = stream.map_err(|error| TlsFailure::from(&error))?;
        let mut tolerated = tolerated.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Greeted {
            transport: TlsTransport::new(TlsStream::Client(stream), sent),
            tolerated: std::mem::take(&mut *tolerated),
        })
    }
}

impl Context {
    /// The configuration of one handshake, and where it notes what it tolerates. Sessions are resumed only where
    /// all handshakes check the same, for rustls checks nothing when it resumes one.
    fn for_one(&self, wishes: Wishes<'_>) -> (Arc<ClientConfig>, Arc<Mutex<Vec<TlsCounter>>>) {
        if wishes.subject_alt_name.is_none() && !self.verifier.demands.accepts_untrusted {
            return (Arc::clone(&self.config), Arc::default());
        }
        let verifier = PeerVerifier {
            expected: wishes.subject_alt_name.map(Box::from),
            tolerated: Arc::default(),
            ..self.verifier.clone()
        };
        let tolerated = Arc::clone(&verifier.tolerated);
        let mut config = (*self.config).clone();
        config
            .dangerous()
            .set_certificate_verifier(Arc::new(verifier));
        config.resumption = Resumption::disabled();
        (Arc::new(config), tolerated)
    }
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

fn sni(name: &Spanned<String>, ctx: &mut Ctx) -> Result<Option<ServerName<'static>>, Refused> {
    if name.value.is_empty() {
        return Ok(None);
    }
    match ServerName::try_from(name.value.clone()) {
        Ok(name @ ServerName::DnsName(_)) => Ok(Some(name)),
        _ => {
            let what = format!("SNI `{}`, which is no DNS name,", name.value);
            Err(ctx.unsupported_here(name.span, what))
        }
    }
}

fn demands(context: &CertificateValidationContext, ctx: &mut Ctx) -> Result<Demands, Refused> {
    let roots = roots(context, ctx)?;
    let matchers = &context.match_typed_subject_alt_names;
    if roots.is_none() && !matchers.is_empty() {
        ctx.error(
            context.span(),
            "SAN-based verification of peer certificates without trusted CA is insecure and not allowed",
        );
        return Err(Refused);
    }
    let mut names = Vec::new();
    for message in matchers {
        let matcher = CompiledStringMatcher::compile(&message.matcher, ctx)?;
        names.push(NameMatcher::new(message, matcher));
    }
    let hashes =
        |written: &[Spanned<String>], decode: fn(&str) -> Option<[u8; 32]>, ctx: &mut Ctx| {
            let decoded = written.iter().map(|hash| {
                decode(&hash.value).ok_or_else(|| {
                    ctx.error(hash.span, format!("Invalid hash: {}", hash.value));
                    Refused
                })
            });
            decoded.collect::<Result<Vec<_>, _>>()
        };
    let accept_untrusted =
        context.trust_chain_verification == TrustChainVerification::AcceptUntrusted;
    Ok(Demands {
        roots,
        accepts_untrusted: accept_untrusted,
        certificate_hashes: hashes(&context.verify_certificate_hash, from_hex, ctx)?,
        key_hashes: hashes(&context.verify_certificate_spki, from_base64, ctx)?,
        names,
    })
}

fn roots(context: &CertificateValidationContext, ctx: &mut Ctx) -> Result<Option<Roots>, Refused> {
    let mut details = None;
    let certificates = match (&context.trusted_ca, &context.system_root_certs) {
        (Some(source), _) => {
            let certificates = certificates_in(source, "trusted CA certificates", ctx)?;
            details = certificates
                .first()
                .and_then(|first| describe(source, first));
            certificates
        }
        (None, Some(_)) => rustls_native_certs::load_native_certs().certs,
        (None, None) => return Ok(None),
    };
    let mut store = RootCertStore::empty();
    let (added, _) = store.add_parsable_certificates(certificates.iter().cloned());
    if added == 0 {
        ctx.error(
            context.span(),
            "Failed to load trusted CA certificates: none can be used",
        );
        return Err(Refused);
    }
    Ok(Some(Roots {
        store,
        certificates,
        details,
    }))
}

/// 64 hexadecimal digits, with or without colons between bytes.
fn from_hex(text: &str) -> Option<[u8; 32]> {
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b':').collect();
    let mut bytes = [0; 32];
    if digits.len() != 64 {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

/// 32 bytes as base64 (RFC 4648 section 4).
fn from_base64(text: &str) -> Option<[u8; 32]> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = text.strip_suffix('=').filter(|digits| digits.len() == 43)?;
    let mut bits: u32 = 0;
    let mut held = 0;
    let mut bytes = Vec::with_capacity(32);
    for digit in digits.bytes() {
        let value = ALPHABET.iter().position(|letter| *letter == digit)?;
        bits = (bits << 6 | u32::try_from(value).ok()?) & 0xffff;
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from(bits >> held & 0xff).ok()?);
        }
    }
    bytes.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_read_in_both_spellings() {
        let plain = "ab".repeat(32);
        let with_colons = ["ab"; 32].join(":");
        assert_eq!(from_hex(&plain), Some([0xab; 32]));
        assert_eq!(from_hex(&with_colons), Some([0xab; 32]));
        assert_eq!(from_hex("abc"), None);
        assert_eq!(from_base64(&format!("{}=", "A".repeat(43))), Some([0; 32]));
        assert_eq!(
            from_base64("NvqYIYSbgK2vCJpQhObf77vv+bQWtc5ek5RIOwPiC9A=").map(|b| b[0]),
            Some(0x36)
        );
        assert_eq!(from_base64("short"), None);
    }
}
