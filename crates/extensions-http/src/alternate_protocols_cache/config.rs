//! The message of the filter of `alt-svc`.

use std::sync::Arc;

use nuncio_config::message;
use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_contract::http_filter::HttpFilterConfig;

message! {
    /// The filter's config.
    pub(super) struct Config: "envoy.extensions.filters.http.alternate_protocols_cache.v3.FilterConfig" {
        inert alternate_protocols_cache_options = "the cluster's cache counts",
    }
}

/// There is nothing to choose.
#[derive(Clone, Copy)]
pub(super) struct ChainConfig;

pub(super) fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn HttpFilterConfig>, Refused> {
    any.decode::<Config>(ctx)?;
    Ok(Arc::new(ChainConfig))
}
