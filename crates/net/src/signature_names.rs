//! The names of signature algorithms.

use rustls::SignatureScheme;

/// The names of TLS (IANA) and, where OpenSSL has others, both; as BoringSSL prefers them.
const NAMES: &[(&str, &str, SignatureScheme)] = &[
    (
        "ecdsa_secp256r1_sha256",
        "ECDSA+SHA256",
        SignatureScheme::ECDSA_NISTP256_SHA256,
    ),
    (
        "rsa_pss_rsae_sha256",
        "RSA-PSS+SHA256",
        SignatureScheme::RSA_PSS_SHA256,
    ),
    (
        "rsa_pkcs1_sha256",
        "RSA+SHA256",
        SignatureScheme::RSA_PKCS1_SHA256,
    ),
    (
        "ecdsa_secp384r1_sha384",
        "ECDSA+SHA384",
        SignatureScheme::ECDSA_NISTP384_SHA384,
    ),
    (
        "rsa_pss_rsae_sha384",
        "RSA-PSS+SHA384",
        SignatureScheme::RSA_PSS_SHA384,
    ),
    (
        "rsa_pkcs1_sha384",
        "RSA+SHA384",
        SignatureScheme::RSA_PKCS1_SHA384,
    ),
    (
        "rsa_pss_rsae_sha512",
        "RSA-PSS+SHA512",
        SignatureScheme::RSA_PSS_SHA512,
    ),
    (
        "rsa_pkcs1_sha512",
        "RSA+SHA512",
        SignatureScheme::RSA_PKCS1_SHA512,
    ),
    (
        "ecdsa_secp521r1_sha512",
        "ECDSA+SHA512",
        SignatureScheme::ECDSA_NISTP521_SHA512,
    ),
    ("ed25519", "ed25519", SignatureScheme::ED25519),
];

/// Where a scheme stands among those that BoringSSL prefers.
pub(crate) fn preference(scheme: SignatureScheme) -> usize {
    let place = NAMES.iter().position(|(.., known)| *known == scheme);
    place.unwrap_or(NAMES.len())
}

/// The scheme of a name.
pub(crate) fn signature_scheme(name: &str) -> Option<SignatureScheme> {
    let known = NAMES
        .iter()
        .find(|(tls, openssl, _)| *tls == name || *openssl == name);
    known.map(|(_, _, scheme)| *scheme)
}

/// The name that statistics have.
pub(crate) fn signature_name(scheme: SignatureScheme) -> Option<&'static str> {
    let known = NAMES.iter().find(|(_, _, known)| *known == scheme);
    known.map(|(name, ..)| *name)
}
