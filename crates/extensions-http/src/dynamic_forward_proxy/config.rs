//! The messages of the dynamic forward proxy filter.

use std::sync::Arc;

use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_config::{message, one_of};
use nuncio_contract::forward_proxy::DnsCacheConfig;
use nuncio_contract::headers::HeaderName;
use nuncio_contract::http_filter::HttpFilterConfig;
use nuncio_contract::level_config::LevelConfig;
use nuncio_contract::registry::RouteFilterConfig;

use super::filter::ChainConfig;

message! {
    /// The filter's config.
    pub(super) struct FilterConfig: "envoy.extensions.filters.http.dynamic_forward_proxy.v3.FilterConfig" {
        oneof implementation_specifier: Option<Implementation>,
        save_upstream_address: bool,
    }
}

one_of! {
    /// How names are resolved.
    pub(super) enum Implementation {
        dns_cache_config => Cache(DnsCacheConfig),
    }
}

message! {
    /// A route's config.
    pub(super) struct PerRouteConfig: "envoy.extensions.filters.http.dynamic_forward_proxy.v3.PerRouteConfig" {
        oneof host_rewrite_specifier: Option<HostRewriteMessage>,
    }
}

one_of! {
    /// The host in the place of the request's.
    pub(super) enum HostRewriteMessage {
        host_rewrite_literal => Literal(String),
        host_rewrite_header => Header(String),
    }
}

/// The host in the place of the request's, compiled.
pub(super) enum HostRewrite {
    Nothing,
    Literal(Box<[u8]>),
    Header(HeaderName),
}

impl LevelConfig for HostRewrite {}

pub(super) fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn HttpFilterConfig>, Refused> {
    let message: FilterConfig = any.decode(ctx)?;
    let Some(Implementation::Cache(cache)) = &message.implementation_specifier else {
        let what = "a dynamic forward proxy filter without `dns_cache_config`";
        return Err(ctx.unsupported_here(any.span, what));
    };
    cache.compile(ctx)?;
    Ok(Arc::new(ChainConfig {
        saves_address: message.save_upstream_address,
    }))
}

pub(super) fn parse_per_route(any: &Any, ctx: &mut Ctx) -> Result<RouteFilterConfig, Refused> {
    let message: PerRouteConfig = any.decode(ctx)?;
    Ok(Arc::new(match message.host_rewrite_specifier {
        None => HostRewrite::Nothing,
        Some(HostRewriteMessage::Literal(host)) if host.is_empty() => HostRewrite::Nothing,
        Some(HostRewriteMessage::Literal(host)) => HostRewrite::Literal(host.into_bytes().into()),
        Some(HostRewriteMessage::Header(name)) if name.is_empty() => HostRewrite::Nothing,
        Some(HostRewriteMessage::Header(name)) => {
            HostRewrite::Header(HeaderName::to_look_up(&name))
        }
    }))
}
