//! The filter's message, compiled once and shared by the workers.

use std::sync::Arc;

use nuncio_config::message;
use nuncio_config::typed::{Any, Ctx, Refused, Spanned};
use nuncio_contract::formatter::Format;
use nuncio_contract::geoip::{Provider, ProviderMessage};

message! {
    /// The filter's config.
    pub(super) struct Geoip: "envoy.extensions.filters.network.geoip.v3.Geoip" {
        stat_prefix: String,
        provider: ProviderMessage,
        client_ip: Spanned<String>,
    }
}

/// The compiled config.
pub(super) struct Settings {
    pub(super) stat_prefix: String,
    pub(super) provider: Provider,
    /// What says the client's address, if something does.
    pub(super) client: Option<Format>,
}

/// The chain's config.
pub(super) struct ChainConfig(pub(super) Arc<Settings>);

pub(super) fn parse(any: &Any, ctx: &mut Ctx) -> Result<ChainConfig, Refused> {
    let message: Geoip = any.decode(ctx)?;
    let text = &message.client_ip;
    let client = match text.value.is_empty() {
        true => Ok(None),
        false => Format::compile(&text.value).map(Some).map_err(|error| {
            ctx.error(text.span, format!("Failed to parse client_ip: {error}"));
            Refused
        }),
    };
    let provider = Provider::compile(&message.provider, ctx, |_, _| {});
    Ok(ChainConfig(Arc::new(Settings {
        client: client?,
        provider: provider?,
        stat_prefix: message.stat_prefix,
    })))
}
