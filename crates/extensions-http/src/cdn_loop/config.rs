//! The message of the CDN-Loop filter.

use std::sync::Arc;

use nuncio_config::message;
use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_contract::http_filter::HttpFilterConfig;

use super::parser;

message! {
    /// The filter's config.
    pub(super) struct CdnLoopConfig: "envoy.extensions.filters.http.cdn_loop.v3.CdnLoopConfig" {
        cdn_id: String,
        max_allowed_occurrences: u32,
    }
}

/// The same, compiled.
#[derive(Clone)]
pub(super) struct ChainConfig {
    pub(super) id: Arc<str>,
    pub(super) most_occurrences: u32,
}

pub(super) fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn HttpFilterConfig>, Refused> {
    let message: CdnLoopConfig = any.decode(ctx)?;
    let id = message.cdn_id.as_str();
    if let Err(why) = parser::check_id(id.as_bytes()) {
        let text = format!("Provided cdn_id \"{id}\" is not a valid CDN identifier: {why}");
        ctx.error(message.span(), text);
        return Err(Refused);
    }
    Ok(Arc::new(ChainConfig {
        id: id.into(),
        most_occurrences: message.max_allowed_occurrences,
    }))
}
