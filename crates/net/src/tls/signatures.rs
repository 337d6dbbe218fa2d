//! Signature algorithms: their names, and keys that may sign by some of them alone.

use std::sync::Arc;

use rustls::SignatureAlgorithm;
use rustls::SignatureScheme;
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::sign::{Signer, SigningKey};

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
pub(super) fn preference(scheme: SignatureScheme) -> usize {
    let place = NAMES.iter().position(|(.., known)| *known == scheme);
    place.unwrap_or(NAMES.len())
}

/// The scheme of a name.
pub(super) fn signature_scheme(name: &str) -> Option<SignatureScheme> {
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

/// A key that signs by some algorithms alone.
#[derive(Debug)]
pub(super) struct RestrictedKey {
    pub(super) key: Arc<dyn SigningKey>,
    pub(super) allowed: Vec<SignatureScheme>,
}

impl SigningKey for RestrictedKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let in_common = self
            .allowed
            .iter()
            .filter(|scheme| offered.contains(scheme));
        let in_common: Vec<_> = in_common.copied().collect();
        self.key.choose_scheme(&in_common)
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        self.key.public_key()
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.key.algorithm()
    }
}
