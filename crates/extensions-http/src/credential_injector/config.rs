//! The messages of the credential injector.

use std::sync::Arc;

use nuncio_config::message;
use nuncio_config::typed::{Any, Ctx, Refused, Spanned};
use nuncio_contract::generic_secret::{GenericSecret, SdsSecretConfig};
use nuncio_contract::headers::{HeaderName, Known};
use nuncio_contract::http_filter::HttpFilterConfig;

const GENERIC: &str = "envoy.extensions.http.injected_credentials.generic.v3.Generic";

message! {
    /// The filter's config.
    pub(super) struct CredentialInjector: "envoy.extensions.filters.http.credential_injector.v3.CredentialInjector" {
        overwrite: bool,
        allow_request_without_credential: bool,
        credential: CredentialExtension,
    }
}

message! {
    /// The kind of credential.
    struct CredentialExtension: "envoy.config.core.v3.TypedExtensionConfig" {
        inert name = "the message says what it is",
        typed_config: Any,
    }
}

message! {
    /// A secret in a header.
    pub(super) struct Generic: "envoy.extensions.http.injected_credentials.generic.v3.Generic" {
        credential: SdsSecretConfig,
        header: Spanned<String>,
        header_value_prefix: String,
    }
}

/// The compiled config of a chain.
pub(super) struct Settings {
    pub(super) overwrites: bool,
    pub(super) passes_without: bool,
    pub(super) secret: GenericSecret,
    pub(super) header: HeaderName,
    pub(super) prefix: Box<[u8]>,
}

/// The chain's config, shared by the workers.
pub(super) struct ChainConfig(pub(super) Arc<Settings>);

pub(super) fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn HttpFilterConfig>, Refused> {
    let message: CredentialInjector = any.decode(ctx)?;
    let credential = &message.credential.typed_config;
    if credential.type_name() != GENERIC {
        let what = format!("the credential {}", credential.type_name());
        return Err(ctx.unsupported_here(credential.span, what));
    }
    let generic: Generic = credential.decode(ctx)?;
    let name = &generic.header;
    let header = match name.is_empty() {
        true => Ok(HeaderName::from(Known::Authorization)),
        false => HeaderName::parse_with_pseudo(name).map_err(|_| {
            ctx.error(name.span, format!("`{}` is not a header name", name.value));
            Refused
        }),
    };
    let unknown = format!("Unknown static secret: {}", generic.credential.name.value);
    let secret = GenericSecret::compile(&generic.credential, &unknown, ctx);
    Ok(Arc::new(ChainConfig(Arc::new(Settings {
        overwrites: message.overwrite,
        passes_without: message.allow_request_without_credential,
        secret: secret?,
        header: header?,
        prefix: generic.header_value_prefix.as_bytes().into(),
    }))))
}
