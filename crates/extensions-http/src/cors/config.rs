//! The messages of the CORS filter.

use std::sync::Arc;

use nuncio_config::message;
use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_contract::cors::CorsPolicyMessage;
use nuncio_contract::http_filter::HttpFilterConfig;
use nuncio_contract::registry::RouteFilterConfig;

message! {
    /// The filter's config, which says nothing.
    pub(super) struct Cors: "envoy.extensions.filters.http.cors.v3.Cors" {}
}

/// The chain's config.
pub(super) struct ChainConfig;

pub(super) fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn HttpFilterConfig>, Refused> {
    let Cors { .. } = any.decode(ctx)?;
    Ok(Arc::new(ChainConfig))
}

pub(super) fn parse_per_route(any: &Any, ctx: &mut Ctx) -> Result<RouteFilterConfig, Refused> {
    Ok(Arc::new(
        any.decode::<CorsPolicyMessage>(ctx)?.compile(ctx)?,
    ))
}
