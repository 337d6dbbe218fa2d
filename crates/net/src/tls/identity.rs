//! Certificates of our own with their keys: in PEM or PKCS#12, with or without a password.
//!
//! Keys are PKCS#8, PKCS#1 or SEC1; sealed ones PKCS#8 (`ENCRYPTED PRIVATE KEY`). As in Envoy an RSA key has 2048 bits
//! at least, and a key must belong to its certificate.

use std::borrow::Cow;
use std::sync::Arc;

use nuncio_config::typed::{Ctx, Refused};
use nuncio_contract::data_source::DataSource;
use nuncio_contract::stream_info::CertificateInfo;
use rustls::SignatureScheme;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{PemObject, SectionKind};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::public_key::PublicKey;

use super::certificate_info;
use super::details::{CertificateDetails, describe};
use super::messages::TlsCertificate;
use super::ocsp::{OcspResponse, must_staple};
use super::pkcs12;
use super::sealed::{SealFault, open_key};
use super::secrets::Named;
use super::signatures::RestrictedKey;

/// Most bytes of a certificate or key file.
const LIMIT_BYTES: usize = 4 << 20;

/// A chain and its key, and what can be told of it.
pub(super) struct Identity {
    pub(super) certified: Arc<CertifiedKey>,
    pub(super) details: Option<CertificateDetails>,
    /// For streams.
    pub(super) info: Arc<CertificateInfo>,
    pub(super) is_ecdsa: bool,
    pub(super) response: Option<OcspResponse>,
    pub(super) must_staple: bool,
    /// The DNS names that it is for; the common name if it has no alternative names at all.
    pub(super) server_names: Vec<String>,
}

/// What keys are made with.
#[derive(Clone, Copy)]
pub(super) struct Signing<'a> {
    pub(super) provider: &'a CryptoProvider,
    /// What they may sign by; empty for whatever they can.
    pub(super) allowed: &'a [SignatureScheme],
}

/// Reads a certificate and its key.
pub(super) fn identity(
    named: &Named<'_>,
    signing: Signing<'_>,
    ctx: &mut Ctx,
) -> Result<Identity, Refused> {
    let message: &TlsCertificate = &named.certificate;
    let (source, chain, key_source, key) = match &message.pkcs12 {
        Some(source) => {
            let (chain, key) = from_pkcs12(source, message, ctx)?;
            (source, chain, source, key)
        }
        None => from_pem(message, ctx)?,
    };
    let mut refuse = |source: &DataSource, text: String| {
        ctx.error(source.span(), text);
        Refused
    };
    let loaded = signing.provider.key_provider.load_private_key(key);
    let key = loaded.map_err(|error| {
        let text = format!(
            "Failed to load private key from {}, Cause: {error}",
            name_of(key_source)
        );
        refuse(key_source, text)
    })?;
    let mut certified = CertifiedKey::new(chain, key);
    if let Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::KeyMismatch)) =
        certified.keys_match()
    {
        let path = name_of(key_source);
        let why = match is_of_another_type(&certified) {
            true => "error:0b000073:X.509 certificate routines:OPENSSL_internal:KEY_TYPE_MISMATCH",
            false => {
                "error:0b000074:X.509 certificate routines:OPENSSL_internal:KEY_VALUES_MISMATCH"
            }
        };
        let text = format!("Failed to load private key from {path}, Cause: {why}");
        return Err(refuse(key_source, text));
    }
    let leaf = certified
        .cert
        .first()
        .cloned()
        .unwrap_or_else(|| CertificateDer::from(Vec::new()));
    let Ok((_, parsed)) = X509Certificate::from_der(&leaf) else {
        let text = format!("Failed to load certificate chain from {}", name_of(source));
        return Err(refuse(source, text));
    };
    let is_ecdsa = is_ecdsa(&parsed).map_err(|why| {
        let text = format!(
            "Failed to load certificate chain from {}, {why}",
            name_of(source)
        );
        refuse(source, text)
    })?;
    let response = response(message, &parsed, ctx)?;
    certified.ocsp = response.as_ref().map(|response| response.der.clone());
    if !signing.allowed.is_empty() {
        certified.key = Arc::new(RestrictedKey {
            key: certified.key,
            allowed: signing.allowed.to_vec(),
        });
    }
    Ok(Identity {
        details: describe(source, &named.name, &leaf),
        info: Arc::new(certificate_info::own(&leaf)),
        is_ecdsa,
        must_staple: must_staple(&parsed),
        server_names: server_names(&parsed),
        response,
        certified: Arc::new(certified),
    })
}

type Parts<'a> = (
    &'a DataSource,
    Vec<CertificateDer<'static>>,
    &'a DataSource,
    PrivateKeyDer<'static>,
);

fn from_pem<'a>(message: &'a TlsCertificate, ctx: &mut Ctx) -> Result<Parts<'a>, Refused> {
    let (Some(source), Some(key_source)) = (&message.certificate_chain, &message.private_key)
    else {
        let text = match (&message.private_key, &message.certificate_chain) {
            (None, Some(_)) => no_key(""),
            _ => no_chain(""),
        };
        ctx.error(message.span(), text);
        return Err(Refused);
    };
    let refuse = |source: &DataSource, ctx: &mut Ctx, text: String| {
        ctx.error(source.span(), text);
        Refused
    };
    let (key, chain) = (
        key_source.read(LIMIT_BYTES, ctx),
        source.read(LIMIT_BYTES, ctx),
    );
    let key = key?;
    if chain.is_err() && !key.is_empty() {
        // Both mistakes are told.
        parse_key(key_source, message, &key, ctx)?;
    }
    let chain = chain?;
    if key.is_empty() {
        let text = no_key(key_source.filename().unwrap_or_default());
        return Err(refuse(key_source, ctx, text));
    }
    if chain.is_empty() {
        let text = no_chain(source.filename().unwrap_or_default());
        return Err(refuse(source, ctx, text));
    }
    let certificates = CertificateDer::pem_slice_iter(&chain).collect::<Result<Vec<_>, _>>();
    let certificates = certificates.ok().filter(|all| !all.is_empty());
    let Some(certificates) = certificates else {
        let text = format!("Failed to load certificate chain from {}", name_of(source));
        return Err(refuse(source, ctx, text));
    };
    let key = parse_key(key_source, message, &key, ctx)?;
    Ok((source, certificates, key_source, key))
}

fn parse_key(
    source: &DataSource,
    message: &TlsCertificate,
    pem: &[u8],
    ctx: &mut Ctx,
) -> Result<PrivateKeyDer<'static>, Refused> {
    let password = password(message, ctx)?;
    key_in(pem, password.as_deref()).map_err(|why| {
        let text = format!("Failed to load private key from {}{why}", name_of(source));
        ctx.error(source.span(), text);
        Refused
    })
}

fn no_key(path: &str) -> String {
    format!("Failed to load incomplete private key from path: {path}")
}

fn no_chain(path: &str) -> String {
    format!("Failed to load incomplete certificate from {path}: certificate chain not set")
}

fn key_in(pem: &[u8], password: Option<&str>) -> Result<PrivateKeyDer<'static>, Cow<'static, str>> {
    if let Ok(key) = PrivateKeyDer::from_pem_slice(pem) {
        return Ok(key);
    }
    let Some(sealed) = sealed_key(pem) else {
        return Err(match pem.windows(11).any(|part| part == b"-----BEGIN ") {
            true => ": it holds no PEM key, or one that is sealed in another way than PKCS#8",
            false => ", Cause: error:0900006e:PEM routines:OPENSSL_internal:NO_START_LINE",
        }
        .into());
    };
    let password = password.ok_or(": it is sealed, and there is no `password`")?;
    let key = open_key(&sealed, password.as_bytes());
    let key = key.map_err(|fault| format!(": {}", words(fault)))?;
    Ok(PrivatePkcs8KeyDer::from(key).into())
}

/// The bytes of the first `ENCRYPTED PRIVATE KEY`, which rustls' reader of PEM passes over.
fn sealed_key(pem: &[u8]) -> Option<Vec<u8>> {
    let text = String::from_utf8_lossy(pem);
    let (_, rest) = text.split_once("-----BEGIN ENCRYPTED PRIVATE KEY-----")?;
    let (body, _) = rest.split_once("-----END ENCRYPTED PRIVATE KEY-----")?;
    // As that of another kind, which the reader knows.
    let renamed = format!(
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
        body.trim()
    );
    let mut items = <(SectionKind, Vec<u8>)>::pem_slice_iter(renamed.as_bytes());
    items.next()?.ok().map(|(_, der)| der)
}

fn words(fault: SealFault) -> &'static str {
    match fault {
        SealFault::Malformed => "it cannot be parsed",
        SealFault::OtherCipher => {
            "it is sealed by something else than AES with a key from PBKDF2 (PBES2), which is not supported"
        }
        SealFault::WrongPassword => "the password does not open it",
    }
}

fn password(message: &TlsCertificate, ctx: &mut Ctx) -> Result<Option<String>, Refused> {
    let source = message.password.as_ref();
    source
        .map(|source| source.read_text(LIMIT_BYTES, ctx))
        .transpose()
}

fn from_pkcs12(
    source: &DataSource,
    message: &TlsCertificate,
    ctx: &mut Ctx,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), Refused> {
    let others = [
        ("certificate_chain", &message.certificate_chain),
        ("private_key", &message.private_key),
    ];
    for (name, other) in others {
        if let Some(other) = other {
            let text = format!("Certificate configuration can't have both pkcs12 and {name}");
            ctx.error(other.span(), text);
            return Err(Refused);
        }
    }
    let bytes = source.read(LIMIT_BYTES, ctx)?;
    let password = password(message, ctx)?.unwrap_or_default();
    let contents = pkcs12::read(&bytes, &password).map_err(words);
    let whole = contents.and_then(|contents| {
        let key = contents.key.ok_or("it holds no key")?;
        match contents.certificates.is_empty() {
            true => Err("it holds no certificate"),
            false => Ok((contents.certificates, key)),
        }
    });
    whole.map_err(|why| {
        let text = format!("Failed to load pkcs12 from {}: {why}", name_of(source));
        ctx.error(source.span(), text);
        Refused
    })
}

fn response(
    message: &TlsCertificate,
    certificate: &X509Certificate<'_>,
    ctx: &mut Ctx,
) -> Result<Option<OcspResponse>, Refused> {
    let Some(source) = &message.ocsp_staple else {
        return Ok(None);
    };
    if source.is_inline_string() {
        let text = "OCSP staple cannot be provided via inline_string";
        ctx.error(source.span(), text);
        return Err(Refused);
    }
    let response = OcspResponse::parse(source.read(LIMIT_BYTES, ctx)?);
    let response = response.and_then(|response| match response.matches(certificate) {
        true => Ok(response),
        false => Err("OCSP response does not match its TLS certificate"),
    });
    response.map(Some).map_err(|why| {
        ctx.error(source.span(), why);
        Refused
    })
}

/// Whether the key is one of an elliptic curve; RSA keys that are too short are refused.
fn is_ecdsa(certificate: &X509Certificate<'_>) -> Result<bool, &'static str> {
    const SHORTEST_RSA_BITS: usize = 2048;
    match certificate.public_key().parsed() {
        Ok(PublicKey::RSA(key)) if key.key_size() < SHORTEST_RSA_BITS => {
            Err("only RSA certificates with 2048-bit or larger keys are supported")
        }
        Ok(PublicKey::EC(_)) => Ok(true),
        _ => Ok(false),
    }
}

/// Whether the key is of another type than that of its certificate.
fn is_of_another_type(certified: &CertifiedKey) -> bool {
    let leaf = certified.cert.first();
    let Some(Ok((_, leaf))) = leaf.map(|leaf| X509Certificate::from_der(leaf)) else {
        return false;
    };
    let key_is_ecdsa = certified.key.algorithm() == rustls::SignatureAlgorithm::ECDSA;
    is_ecdsa(&leaf).is_ok_and(|leaf_is_ecdsa| leaf_is_ecdsa != key_is_ecdsa)
}

fn server_names(certificate: &X509Certificate<'_>) -> Vec<String> {
    if matches!(certificate.subject_alternative_name(), Ok(Some(_))) {
        let names = super::subject_names::names_of(certificate).into_iter();
        let dns = names.filter(|name| name.kind == super::messages::SanType::Dns);
        return dns.map(|name| name.text).collect();
    }
    let mut common_names = certificate.subject().iter_common_name();
    let name = common_names.next().and_then(|name| name.as_str().ok());
    name.map(str::to_owned).into_iter().collect()
}

/// The certificates of a PEM source, one at least.
pub(super) fn certificates_in(
    source: &DataSource,
    what: &str,
    ctx: &mut Ctx,
) -> Result<Vec<CertificateDer<'static>>, Refused> {
    let bytes = source.read(LIMIT_BYTES, ctx)?;
    if bytes.is_empty() {
        let text = match source.filename() {
            Some(path) => format!("file {path} is empty"),
            None => "DataSource cannot be empty".to_owned(),
        };
        ctx.error(source.span(), text);
        return Err(Refused);
    }
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => {
            ctx.error(
                source.span(),
                format!("Failed to load {what}: it holds no PEM certificate"),
            );
            Err(Refused)
        }
    }
}

/// Where bytes come from, as Envoy says it.
pub(super) fn name_of(source: &DataSource) -> &str {
    source.filename().unwrap_or("<inline>")
}
