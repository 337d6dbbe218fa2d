//! Secrets by name, and generic ones: passwords and keys that filters use.
//!
//! A static one stands in the bootstrap and is read when the configuration is loaded; one from elsewhere is read where
//! it stands at each use, and is empty until it has come. A secret has up to 1 MiB.

use std::sync::Arc;

use nuncio_config::message;
use nuncio_config::tree::Message;
use nuncio_config::typed::{Ctx, Refused, SecretPlace, SecretWish, Spanned, decode};

use crate::config_source::SourceMessage;
use crate::data_source::DataSource;

/// The field of a secret that holds one.
pub const GENERIC_SECRET: &str = "generic_secret";

/// Most bytes of a secret.
const LIMIT_BYTES: usize = 1 << 20;

message! {
    /// A secret by its name: a static one, or one of a source.
    pub struct SdsSecretConfig: "envoy.extensions.transport_sockets.tls.v3.SdsSecretConfig" {
        /// Its name.
        pub name: Spanned<String>,
        /// Where it comes from; none: a static one.
        pub sds_config: Option<SourceMessage>,
    }
}

message! {
    /// A secret that is bytes and nothing else.
    pub struct GenericSecretMessage: "envoy.extensions.transport_sockets.tls.v3.GenericSecret" {
        secret: Option<DataSource>,
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

/// The bytes of a message `GenericSecret`.
///
/// # Errors
/// [`Refused`] when they cannot be read.
pub fn bytes_of(message: &Arc<Message>, ctx: &mut Ctx) -> Result<Arc<[u8]>, Refused> {
    let generic: GenericSecretMessage = decode(message, ctx)?;
    let bytes = generic
        .secret
        .map(|source| source.read(LIMIT_BYTES, ctx))
        .transpose()?;
    Ok(bytes.unwrap_or_default().into())
}

/// A secret that somebody uses.
#[derive(Clone)]
pub enum GenericSecret {
    /// A static one.
    Static(Arc<[u8]>),
    /// One from elsewhere.
    FromElsewhere(SecretPlace),
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
        let Some(wish) = config.wish(GENERIC_SECRET) else {
            let secret = ctx.static_secret(&config.name.value, GENERIC_SECRET);
            let Some(secret) = secret else {
                ctx.error(config.name.span, unknown);
                return Err(Refused);
            };
            return bytes_of(&secret, ctx).map(GenericSecret::Static);
        };
        let place = ctx.secret_places.place(&wish);
        if let Some(there) = ctx.secret_from_elsewhere(wish.clone())
            && place.read().is_none()
        {
            let bytes = bytes_of(&there, ctx)?;
            ctx.secret_places.fill(&wish, &bytes);
        }
        Ok(GenericSecret::FromElsewhere(place))
    }

    /// The bytes of now; none before a secret has come.
    pub fn read(&self) -> Arc<[u8]> {
        match self {
            GenericSecret::Static(bytes) => Arc::clone(bytes),
            GenericSecret::FromElsewhere(place) => place.read().unwrap_or_default(),
        }
    }
}

/// Nothing of a secret is told.
impl std::fmt::Debug for GenericSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("GenericSecret")
    }
}
