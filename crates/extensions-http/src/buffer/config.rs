//! The messages of the buffer filter.

use std::sync::Arc;

use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_config::{message, one_of};
use nuncio_contract::http_filter::HttpFilterConfig;
use nuncio_contract::level_config::LevelConfig;
use nuncio_contract::registry::RouteFilterConfig;

message! {
    /// The filter's config.
    pub(super) struct Buffer: "envoy.extensions.filters.http.buffer.v3.Buffer" {
        max_request_bytes: Option<u32>,
    }
}

message! {
    /// A route's own config.
    pub(super) struct BufferPerRoute: "envoy.extensions.filters.http.buffer.v3.BufferPerRoute" {
        oneof r#override: Override,
    }
}

one_of! {
    /// What a route changes.
    pub(super) enum Override {
        disabled => Disabled(bool),
        buffer => Buffer(Buffer),
    }
}

/// The limit of a chain or a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    /// The filter does nothing.
    Off,
    /// Bytes that are held back at most.
    Bytes(u64),
}

impl LevelConfig for Limit {}

pub(super) fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn HttpFilterConfig>, Refused> {
    Ok(Arc::new(limit(&any.decode::<Buffer>(ctx)?)))
}

pub(super) fn parse_per_route(any: &Any, ctx: &mut Ctx) -> Result<RouteFilterConfig, Refused> {
    Ok(Arc::new(
        match any.decode::<BufferPerRoute>(ctx)?.r#override {
            Override::Disabled(true) => Limit::Off,
            Override::Disabled(false) => return Err(Refused),
            Override::Buffer(buffer) => limit(&buffer),
        },
    ))
}

fn limit(buffer: &Buffer) -> Limit {
    buffer
        .max_request_bytes
        .map_or(Limit::Off, |bytes| Limit::Bytes(u64::from(bytes)))
}
