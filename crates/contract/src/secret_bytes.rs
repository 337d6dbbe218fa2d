//! What a generic secret is once it is known where it comes from: bytes of the configuration, or a place that is read
//! at each use. A secret has up to 1 MiB.

use std::sync::Arc;

use nuncio_config::message;
use nuncio_config::tree::Message;
use nuncio_config::typed::{Ctx, Refused, SecretPlace, SecretWish, Spanned, decode};

use crate::data_source::DataSource;

/// The field of a secret that holds one.
pub const GENERIC_SECRET: &str = "generic_secret";

/// Most bytes of a secret.
const LIMIT_BYTES: usize = 1 << 20;

message! {
    /// A secret that is bytes and nothing else.
    pub struct GenericSecretMessage: "envoy.extensions.transport_sockets.tls.v3.GenericSecret" {
        secret: Option<DataSource>,
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
    /// The secret of this name: the one that is wished for, or a static one.
    ///
    /// # Errors
    /// [`Refused`] when there is none, which is said by `unknown`, or it cannot be read.
    pub fn named(
        name: &Spanned<String>,
        wish: Option<SecretWish>,
        unknown: &str,
        ctx: &mut Ctx,
    ) -> Result<Self, Refused> {
        let Some(wish) = wish else {
            let secret = ctx.static_secret(&name.value, GENERIC_SECRET);
            let Some(secret) = secret else {
                ctx.error(name.span, unknown);
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
