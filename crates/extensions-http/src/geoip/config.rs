//! The messages of the GeoIP filter.

use std::sync::Arc;

use nuncio_config::message;
use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_contract::geoip::{Provider, ProviderMessage};
use nuncio_contract::headers::HeaderName;
use nuncio_contract::http_filter::HttpFilterConfig;

message! {
    /// The filter's config.
    pub(super) struct Geoip: "envoy.extensions.filters.http.geoip.v3.Geoip" {
        xff_config: Option<XffConfig>,
        custom_header_config: Option<CustomHeaderConfig>,
        provider: ProviderMessage,
    }
}

message! {
    /// Which address of `x-forwarded-for` is the client's.
    pub(super) struct XffConfig: "envoy.extensions.filters.http.geoip.v3.Geoip.XffConfig" {
        xff_num_trusted_hops: u32,
    }
}

message! {
    /// Which header has the client's address.
    pub(super) struct CustomHeaderConfig: "envoy.extensions.filters.http.geoip.v3.Geoip.CustomHeaderConfig" {
        header_name: String,
    }
}

/// Whose place is told.
pub(super) enum Whose {
    /// The client's, as the connection manager knows it.
    Client,
    /// The address that so many proxies have put behind others.
    Forwarded(u32),
    /// The address in a header, or else the client's.
    Header(HeaderName),
}

/// The compiled config.
pub(super) struct Settings {
    pub(super) whose: Whose,
    pub(super) provider: Provider,
}

/// The chain's config, shared by the workers.
pub(super) struct ChainConfig(pub(super) Arc<Settings>);

pub(super) fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn HttpFilterConfig>, Refused> {
    let message: Geoip = any.decode(ctx)?;
    if message.xff_config.is_some() && message.custom_header_config.is_some() {
        let why = "Only one of xff_config or custom_header_config can be set in the geoip filter configuration";
        ctx.error(message.span(), why);
        return Err(Refused);
    }
    let provider = Provider::compile(&message.provider, ctx, |key, ctx| {
        if HeaderName::parse(&key.value).is_err() {
            let text = format!("`{}` is not a header name: it is not told", key.value);
            ctx.warning(key.span, text);
        }
    })?;
    let whose = match (&message.xff_config, &message.custom_header_config) {
        (_, Some(custom)) => Whose::Header(HeaderName::to_look_up(&custom.header_name)),
        (Some(xff), _) if xff.xff_num_trusted_hops > 0 => {
            Whose::Forwarded(xff.xff_num_trusted_hops)
        }
        _ => Whose::Client,
    };
    Ok(Arc::new(ChainConfig(Arc::new(Settings {
        whose,
        provider,
    }))))
}
