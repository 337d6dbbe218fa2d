//! Keys that may sign by some algorithms alone.

use std::sync::Arc;

use rustls::SignatureAlgorithm;
use rustls::SignatureScheme;
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::sign::{Signer, SigningKey};

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
