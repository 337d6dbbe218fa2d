//! `TlsParameters`: versions, cipher suites, curves and signature algorithms by the names that Envoy's configuration uses.

use nuncio_config::typed::{Ctx, Refused, Spanned};
use rustls::crypto::aws_lc_rs::{cipher_suite, default_provider, kx_group};
use rustls::crypto::{CryptoProvider, SupportedKxGroup};
use rustls::{SignatureScheme, SupportedCipherSuite, SupportedProtocolVersion};

use super::messages::{CompliancePolicy, TlsParameters, TlsProtocol};
use crate::signature_names::signature_scheme;

/// What a context may agree on.
pub(super) struct Parameters {
    pub(super) provider: CryptoProvider,
    pub(super) versions: Vec<&'static SupportedProtocolVersion>,
    /// The lowest version is above the highest: as in Envoy no handshake comes off. `versions` is not empty even so,
    /// for rustls makes nothing of none.
    pub(super) speaks_none: bool,
    /// Suites of TLS 1.2 as they are preferred; within a group none is.
    pub(super) suites: Vec<Vec<SupportedCipherSuite>>,
    /// What both sides may sign by; empty for whatever they can.
    pub(super) signatures: Vec<SignatureScheme>,
}

/// Which end of connections a context is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Client,
    Server,
}

/// Reads the parameters of a context.
pub(super) fn read(
    parameters: Option<&TlsParameters>,
    side: Side,
    ctx: &mut Ctx,
) -> Result<Parameters, Refused> {
    let mut read = Parameters {
        provider: default_provider(),
        versions: versions(None, side),
        speaks_none: false,
        suites: default_suites(),
        signatures: Vec::new(),
    };
    read.provider.kx_groups = vec![
        kx_group::X25519MLKEM768,
        kx_group::X25519,
        kx_group::SECP256R1,
    ];
    if let Some(parameters) = parameters {
        read.versions = versions(Some(parameters), side);
        read.check_versions(parameters, ctx);
        if !parameters.cipher_suites.is_empty() {
            known_suites(&parameters.cipher_suites, ctx)?;
            read.suites = suites(&parameters.cipher_suites, ctx)?;
        }
        if !parameters.ecdh_curves.is_empty() {
            all_known(&parameters.ecdh_curves, "ECDH curves", &CURVES, ctx)?;
            read.provider.kx_groups = named(&parameters.ecdh_curves, "curve", curve, ctx)?;
        }
        let signatures = &parameters.signature_algorithms;
        all_known(signatures, "TLS signature algorithms", &SIGNATURES, ctx)?;
        read.signatures = named(signatures, "signature algorithm", signature_scheme, ctx)?;
        if let Some(CompliancePolicy::Fips202205) = parameters.compliance_policies.first() {
            read.keep_fips_202205();
        }
    }
    read.provider.cipher_suites = in_order(read.suites.iter().flatten());
    Ok(read)
}

impl Parameters {
    fn check_versions(&mut self, parameters: &TlsParameters, ctx: &mut Ctx) {
        if self.versions.is_empty() {
            self.speaks_none = true;
            self.versions.push(&rustls::version::TLS13);
            ctx.warning(parameters.span(), "the TLS versions leave none to speak: all handshakes will fail")
                .note("the highest version is TLSv1_2 upstream unless `tls_maximum_protocol_version` is set");
        }
    }

    /// What BoringSSL's policy of this name leaves of the parameters, whatever else they say.
    fn keep_fips_202205(&mut self) {
        self.provider.kx_groups = vec![kx_group::SECP256R1, kx_group::SECP384R1];
        self.suites = vec![
            vec![cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256],
            vec![cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256],
            vec![cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384],
            vec![cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384],
        ];
        self.signatures = vec![
            SignatureScheme::RSA_PKCS1_SHA256,
            SignatureScheme::RSA_PKCS1_SHA384,
            SignatureScheme::RSA_PKCS1_SHA512,
            SignatureScheme::ECDSA_NISTP256_SHA256,
            SignatureScheme::ECDSA_NISTP384_SHA384,
            SignatureScheme::RSA_PSS_SHA256,
            SignatureScheme::RSA_PSS_SHA384,
            SignatureScheme::RSA_PSS_SHA512,
        ];
    }

    /// The suites of TLS 1.2 with each group turned round, for clients who would have it so.
    pub(super) fn suites_turned_round(&self) -> Vec<SupportedCipherSuite> {
        in_order(self.suites.iter().flat_map(|group| group.iter().rev()))
    }

    /// Whether there are suites without an order of their own.
    pub(super) fn first_group(&self) -> Option<&[SupportedCipherSuite]> {
        let mut groups = self.suites.iter().filter(|group| group.len() > 1);
        groups.next().map(Vec::as_slice)
    }
}

/// Envoy's own: those of AES with 128 bits or ChaCha20, whichever the client prefers, then AES with 256 bits.
fn default_suites() -> Vec<Vec<SupportedCipherSuite>> {
    vec![
        vec![
            cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
            cipher_suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        ],
        vec![
            cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
            cipher_suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        ],
        vec![cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384],
        vec![cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384],
    ]
}

/// A client speaks TLS 1.2 unless told otherwise, a server both versions.
fn versions(
    parameters: Option<&TlsParameters>,
    side: Side,
) -> Vec<&'static SupportedProtocolVersion> {
    let (lowest, highest) = parameters.map_or((TlsProtocol::Auto, TlsProtocol::Auto), |given| {
        (
            given.tls_minimum_protocol_version,
            given.tls_maximum_protocol_version,
        )
    });
    let with_12 = lowest != TlsProtocol::Tls13;
    let with_13 = match highest {
        TlsProtocol::Tls13 => true,
        TlsProtocol::Auto => side == Side::Server,
        TlsProtocol::Tls12 => false,
    };
    [
        (with_13, &rustls::version::TLS13),
        (with_12, &rustls::version::TLS12),
    ]
    .into_iter()
    .filter_map(|(wanted, version)| wanted.then_some(version))
    .collect()
}

/// Suites of TLS 1.2; those of TLS 1.3 are always there.
fn in_order<'a>(
    suites: impl Iterator<Item = &'a SupportedCipherSuite>,
) -> Vec<SupportedCipherSuite> {
    let mut all: Vec<SupportedCipherSuite> = vec![
        cipher_suite::TLS13_AES_128_GCM_SHA256,
        cipher_suite::TLS13_AES_256_GCM_SHA384,
        cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
    ];
    all.extend(suites);
    all
}

/// Suites as listed, in which `[a|b]` has no order.
fn suites(
    names: &[Spanned<String>],
    ctx: &mut Ctx,
) -> Result<Vec<Vec<SupportedCipherSuite>>, Refused> {
    let groups = names.iter().map(|listed| {
        let inner = listed.value.trim_start_matches('[').trim_end_matches(']');
        let members: Vec<_> = inner
            .split('|')
            .map(|name| Spanned {
                value: name.to_owned(),
                span: listed.span,
            })
            .collect();
        named(&members, "cipher suite", suite, ctx)
    });
    groups.collect()
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

/// Curves by which BoringSSL knows more names than there are here.
const CURVES: [&str; 9] = [
    "P-",
    "X25519",
    "MLKEM",
    "prime256v1",
    "secp",
    "CECPQ2",
    "X25519Kyber768Draft00",
    "kyber",
    "x25519",
];
const SIGNATURES: [&str; 8] = [
    "rsa_", "ecdsa_", "ed25519", "RSA", "ECDSA", "PSS", "Ed25519", "ed448",
];
/// All that BoringSSL takes for a suite of TLS 1.2 or for several, but their other names, which begin with `TLS_`.
const SUITES: &str = " ALL kRSA RSA aRSA kECDHE kEECDH ECDHE EECDH ECDH aECDSA ECDSA kPSK aPSK PSK \
    3DES AES AES128 AES256 AESGCM CHACHA20 SHA SHA1 SSLv3 TLSv1 TLSv1.2 HIGH FIPS @STRENGTH \
    DES-CBC3-SHA AES128-SHA AES256-SHA AES128-GCM-SHA256 AES256-GCM-SHA384 \
    PSK-AES128-CBC-SHA PSK-AES256-CBC-SHA ECDHE-PSK-AES128-CBC-SHA ECDHE-PSK-AES256-CBC-SHA \
    ECDHE-PSK-CHACHA20-POLY1305 ECDHE-RSA-CHACHA20-POLY1305 ECDHE-ECDSA-CHACHA20-POLY1305 \
    ECDHE-RSA-AES128-SHA ECDHE-RSA-AES256-SHA ECDHE-RSA-AES128-SHA256 \
    ECDHE-ECDSA-AES128-SHA ECDHE-ECDSA-AES256-SHA ECDHE-ECDSA-AES128-SHA256 \
    ECDHE-RSA-AES128-GCM-SHA256 ECDHE-RSA-AES256-GCM-SHA384 \
    ECDHE-ECDSA-AES128-GCM-SHA256 ECDHE-ECDSA-AES256-GCM-SHA384 ";
/// How the other names of those end, behind what has the keys.
const SUITES_BEHIND_WITH: &str = " 3DES_EDE_CBC_SHA AES_128_CBC_SHA AES_256_CBC_SHA \
    AES_128_CBC_SHA256 AES_128_GCM_SHA256 AES_256_GCM_SHA384 CHACHA20_POLY1305_SHA256 ";

/// What BoringSSL has never heard of is a mistake, and not something that is not there yet.
fn all_known(
    names: &[Spanned<String>],
    what: &str,
    beginnings: &[&str],
    ctx: &mut Ctx,
) -> Result<(), Refused> {
    let is_known = |name: &&Spanned<String>| begins_as(&name.value, beginnings);
    let Some(unknown) = names.iter().find(|name| !is_known(name)) else {
        return Ok(());
    };
    let text = format!("Failed to initialize {what} {}", list(names));
    ctx.error(unknown.span, text);
    Err(Refused)
}

fn is_known_suite(name: &str) -> bool {
    let among = |name: &str, all: &str| !name.contains(' ') && all.contains(&format!(" {name} "));
    match name
        .strip_prefix("TLS_")
        .and_then(|it| it.split_once("_WITH_"))
    {
        Some((keys, rest)) => {
            among(keys, " RSA PSK ECDHE_PSK ECDHE_RSA ECDHE_ECDSA ")
                && among(rest, SUITES_BEHIND_WITH)
        }
        None => among(name, SUITES),
    }
}

/// As in Envoy each part is looked at by itself, without what is to become of it.
fn known_suites(names: &[Spanned<String>], ctx: &mut Ctx) -> Result<(), Refused> {
    let mut rejected = Vec::new();
    let mut at = None;
    let mut adds = false;
    for name in names {
        for one in name
            .value
            .split([':', '|', '[', ']'])
            .filter(|it| !it.is_empty())
        {
            let bare = one.trim_start_matches(['!', '+', '-']);
            adds |= bare == one && !one.starts_with('@');
            if one == "@STRENGTH" && names.len() == 1 {
                rejected.push(one.to_owned());
            }
            for part in bare.split('+').filter(|part| !is_known_suite(part)) {
                at.get_or_insert(name.span);
                rejected.push(part.to_owned());
            }
        }
    }
    if !adds {
        // Nothing is left of nothing.
        at = at.or(names.first().map(|name| name.span));
    }
    let Some(at) = at else { return Ok(()) };
    let text = format!(
        "Failed to initialize cipher suites {}. The following ciphers were rejected when tried individually: {}",
        list(names),
        rejected.join(", ")
    );
    ctx.error(at, text);
    Err(Refused)
}

fn begins_as(name: &str, beginnings: &[&str]) -> bool {
    let name = name.trim_start_matches(['!', '+', '-', '@']);
    beginnings.iter().any(|it| name.starts_with(it))
}

fn list(names: &[Spanned<String>]) -> String {
    let names: Vec<&str> = names.iter().map(|name| name.value.as_str()).collect();
    names.join(":")
}

#[cfg(test)]
mod tests {
    use super::is_known_suite;

    #[test]
    fn suites_are_known_as_in_boringssl() {
        let known = "ALL ECDSA RSA ECDH EECDH kEECDH kECDHE PSK kPSK aPSK kRSA aRSA aECDSA HIGH FIPS SHA SHA1 AES \
            AES128 AESGCM CHACHA20 3DES TLSv1 TLSv1.2 SSLv3 TLS_RSA_WITH_AES_128_CBC_SHA DES-CBC3-SHA \
            ECDHE-PSK-AES128-CBC-SHA AES128-GCM-SHA256 ECDHE-ECDSA-AES128-SHA256 ECDHE-PSK-CHACHA20-POLY1305 \
            TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256";
        let unknown = "SHA256 SHA384 AES128GCM CHACHA20POLY1305 DES TLSv1.3 FOO ECDHE-FOO AESFOO aNULL eNULL MEDIUM \
            LOW EXPORT MD5 RC4 kDHE DHE @FOO AES128-SHA256 ECDHE-RSA-AES256-SHA384 TLS_AES_128_GCM_SHA256";
        assert!(known.split_whitespace().all(is_known_suite));
        assert!(!unknown.split_whitespace().any(is_known_suite));
        assert!(!is_known_suite("") && !is_known_suite("ALL RSA"));
    }
}
