//! The messages of the bridge from gRPC to HTTP/1.

use std::sync::Arc;

use nuncio_config::message;
use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_contract::headers::HeaderName;
use nuncio_contract::http_filter::HttpFilterConfig;
use nuncio_contract::level_config::LevelConfig;
use nuncio_contract::registry::RouteFilterConfig;

message! {
    /// The filter's config.
    pub(super) struct FilterConfig: "envoy.extensions.filters.http.grpc_http1_reverse_bridge.v3.FilterConfig" {
        content_type: String,
        withhold_grpc_frames: bool,
        response_size_header: String,
    }
}

message! {
    /// A route's own config.
    pub(super) struct FilterConfigPerRoute: "envoy.extensions.filters.http.grpc_http1_reverse_bridge.v3.FilterConfigPerRoute" {
        disabled: bool,
    }
}

/// The compiled config.
#[derive(Debug)]
pub(super) struct Settings {
    /// The type of requests and responses of the host.
    pub(super) content_type: Box<[u8]>,
    /// Whether the host sees messages without their frames.
    pub(super) withholds_frames: bool,
    /// The header of a response that tells how long its message is.
    pub(super) size_header: Option<HeaderName>,
}

/// The chain's config, shared by the workers.
pub(super) struct ChainConfig(pub(super) Arc<Settings>);

/// Whether a level of the route table switches the filter off.
pub(super) struct Level {
    pub(super) disabled: bool,
}

impl LevelConfig for Level {}

pub(super) fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn HttpFilterConfig>, Refused> {
    let message: FilterConfig = any.decode(ctx)?;
    let size_header = match &*message.response_size_header {
        "" => None,
        name => Some(HeaderName::parse_with_pseudo(name).map_err(|_| {
            ctx.error(message.span(), format!("`{name}` is no name of a header"));
            Refused
        })?),
    };
    Ok(Arc::new(ChainConfig(Arc::new(Settings {
        content_type: message.content_type.into_bytes().into(),
        withholds_frames: message.withhold_grpc_frames,
        size_header,
    }))))
}

pub(super) fn parse_per_route(any: &Any, ctx: &mut Ctx) -> Result<RouteFilterConfig, Refused> {
    let message: FilterConfigPerRoute = any.decode(ctx)?;
    Ok(Arc::new(Level {
        disabled: message.disabled,
    }))
}
