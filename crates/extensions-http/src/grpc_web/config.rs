//! The message of the gRPC-Web filter.

use std::sync::Arc;

use nuncio_config::message;
use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_contract::http_filter::HttpFilterConfig;

message! {
    /// The filter's config, which says nothing.
    pub(super) struct GrpcWeb: "envoy.extensions.filters.http.grpc_web.v3.GrpcWeb" {}
}

/// The chain's config.
pub(super) struct ChainConfig;

pub(super) fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn HttpFilterConfig>, Refused> {
    let GrpcWeb { .. } = any.decode(ctx)?;
    Ok(Arc::new(ChainConfig))
}
