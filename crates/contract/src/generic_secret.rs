//! Secrets by name, and generic ones: passwords and keys that filters use.
//!
//! A static one stands in the bootstrap and is read when the configuration is loaded; one from elsewhere is read where
//! it stands at each use, and is empty until it has come.

use std::sync::Arc;

use nuncio_config::message;
use nuncio_config::typed::{Ctx, Refused, SecretWish, Spanned};

use crate::config_source::SourceMessage;

pub use crate::secret_bytes::{GENERIC_SECRET, GenericSecret, GenericSecretMessage, bytes_of};

message! {
    /// A secret by its name: a static one, or one of a source.
    pub struct SdsSecretConfig: "envoy.extensions.transport_sockets.tls.v3.SdsSecretConfig" {
        /// Its name.
        pub name: Spanned<String>,
        /// Where it comes from; none: a static one.
        pub sds_config: Option<SourceMessage>,
    }
}

impl SdsSecretConfig {
    /// What is wished for, if it comes from elsewhere.
    pub fn wish(&self, kind: &'static str) -> Option<SecretWish> {
        let source = self.sds_config.as_ref()?;
        Some(SecretWish {
            kind,
            name: self.name.value.as_str().into(),
            source: Arc::clone(&source.0),
        })
    }
}

impl GenericSecret {
    /// The secret that is referred to.
    ///
    /// # Errors
    /// [`Refused`] when there is none, which is said by `unknown`, or it cannot be read.
    pub fn compile(
        config: &SdsSecretConfig,
        unknown: &str,
        ctx: &mut Ctx,
    ) -> Result<Self, Refused> {
        Self::named(&config.name, config.wish(GENERIC_SECRET), unknown, ctx)
    }
}
