//! `TlsParameters`: versions, cipher suites and curves by the names that Envoy's configuration uses.

use nuncio_config::typed::{Ctx, Refused, Spanned};
use rustls::crypto::aws_lc_rs::{cipher_suite, default_provider, kx_group};
use rustls::crypto::{CryptoProvider, SupportedKxGroup};
use rustls::{SupportedCipherSuite, SupportedProtocolVersion};

use super::messages::{TlsParameters, TlsProtocol};

/// The provider of a context, and the versions it may speak.
pub(super) fn read(
    parameters: Option<&TlsParameters>,
    ctx: &mut Ctx,
) -> Result<(CryptoProvider, Vec<&'static SupportedProtocolVersion>), Refused> {
    let mut provider = default_provider();
    provider.kx_groups = vec![kx_group::X25519, kx_group::SECP256R1];
    let Some(parameters) = parameters else {
        return Ok((provider, vec![&rustls::version::TLS12]));
    };
    if !parameters.cipher_suites.is_empty() {
        provider.cipher_suites = suites(&parameters.cipher_suites, ctx)?;
    }
    if !parameters.ecdh_curves.is_empty() {
        provider.kx_groups = named(&parameters.ecdh_curves, "curve", curve, ctx)?;
    }
    Ok((provider, versions(parameters, ctx)?))
}

/// A client speaks TLS 1.2 unless told otherwise.
fn versions(
    parameters: &TlsParameters,
    ctx: &mut Ctx,
) -> Result<Vec<&'static SupportedProtocolVersion>, Refused> {
    let with_12 = parameters.tls_minimum_protocol_version != TlsProtocol::Tls13;
    let with_13 = parameters.tls_maximum_protocol_version == TlsProtocol::Tls13;
    let versions: Vec<_> = [
        (with_13, &rustls::version::TLS13),
        (with_12, &rustls::version::TLS12),
    ]
    .into_iter()
    .filter_map(|(wanted, version)| wanted.then_some(version))
    .collect();
    if versions.is_empty() {
        ctx.error(parameters.span(), "the TLS versions leave none to speak").note(
            "upstream the highest version is TLSv1_2 unless `tls_maximum_protocol_version` is set",
        );
        return Err(Refused);
    }
    Ok(versions)
}

/// Suites of TLS 1.2 as listed, in which `[a|b]` has no order; those of TLS 1.3 are always there.
fn suites(names: &[Spanned<String>], ctx: &mut Ctx) -> Result<Vec<SupportedCipherSuite>, Refused> {
    let mut all: Vec<SupportedCipherSuite> = vec![
        cipher_suite::TLS13_AES_128_GCM_SHA256,
        cipher_suite::TLS13_AES_256_GCM_SHA384,
        cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
    ];
    let single: Vec<Spanned<String>> = names
        .iter()
        .flat_map(|listed| {
            let inner = listed
                .value
                .trim_start_matches('[')
                .trim_end_matches(']')
                .to_owned();
            let span = listed.span;
            let parts: Vec<_> = inner.split('|').map(str::to_owned).collect();
            parts.into_iter().map(move |value| Spanned { value, span })
        })
        .collect();
    all.extend(named(&single, "cipher suite", suite, ctx)?);
    Ok(all)
}

fn named<T>(
    names: &[Spanned<String>],
    what: &str,
    find: fn(&str) -> Option<T>,
    ctx: &mut Ctx,
) -> Result<Vec<T>, Refused> {
    let mut found = Vec::new();
    for name in names {
        match find(&name.value) {
            Some(one) => found.push(one),
            None => {
                return Err(ctx.unsupported_here(name.span, format!("{what} `{}`", name.value)));
            }
        }
    }
    Ok(found)
}

fn suite(name: &str) -> Option<SupportedCipherSuite> {
    Some(match name {
        "ECDHE-ECDSA-AES128-GCM-SHA256" => cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        "ECDHE-ECDSA-AES256-GCM-SHA384" => cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        "ECDHE-ECDSA-CHACHA20-POLY1305" => {
            cipher_suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
        }
        "ECDHE-RSA-AES128-GCM-SHA256" => cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        "ECDHE-RSA-AES256-GCM-SHA384" => cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        "ECDHE-RSA-CHACHA20-POLY1305" => cipher_suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        _ => return None,
    })
}

fn curve(name: &str) -> Option<&'static dyn SupportedKxGroup> {
    Some(match name {
        "X25519" => kx_group::X25519,
        "P-256" => kx_group::SECP256R1,
        "P-384" => kx_group::SECP384R1,
        "X25519MLKEM768" => kx_group::X25519MLKEM768,
        _ => return None,
    })
}
