//! The message of the bridge from HTTP/1 to gRPC.

use std::sync::Arc;

use nuncio_config::message;
use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_contract::http_filter::HttpFilterConfig;

message! {
    /// The filter's config.
    pub(super) struct Config: "envoy.extensions.filters.http.grpc_http1_bridge.v3.Config" {
        upgrade_protobuf_to_grpc: bool,
        ignore_query_parameters: bool,
    }
}

/// The chain's config.
#[derive(Clone, Copy, Debug)]
pub(super) struct ChainConfig {
    pub(super) upgrades_protobuf: bool,
    pub(super) drops_query: bool,
}

pub(super) fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn HttpFilterConfig>, Refused> {
    let message: Config = any.decode(ctx)?;
    Ok(Arc::new(ChainConfig {
        upgrades_protobuf: message.upgrade_protobuf_to_grpc,
        drops_query: message.ignore_query_parameters,
    }))
}
