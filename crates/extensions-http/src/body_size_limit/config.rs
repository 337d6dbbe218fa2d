//! The message of the body size limit.

use std::sync::Arc;

use nuncio_config::message;
use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_contract::http_filter::HttpFilterConfig;

message! {
    /// The filter's config.
    pub(super) struct BodySizeLimit: "envoy.extensions.filters.http.body_size_limit.v3.BodySizeLimit" {
        max_request_bytes: Option<u64>,
    }
}

/// Bytes that a request's body may have; none: any number.
#[derive(Clone, Copy)]
pub(super) struct Limit(pub(super) Option<u64>);

pub(super) fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn HttpFilterConfig>, Refused> {
    let message: BodySizeLimit = any.decode(ctx)?;
    Ok(Arc::new(Limit(message.max_request_bytes)))
}
