//! `envoy.extensions.filters.http.router.v3.Router`.

use nuncio_config::message;
use nuncio_config::runtime::RuntimeKey;
use nuncio_config::typed::{Ctx, Refused};
use nuncio_contract::http_filter_message::HttpFilterMessage;
use nuncio_contract::registry::HttpFilterRooms;
use nuncio_contract::upstream_filters::{ChainOf, UpstreamFilters};

/// The message of the router.
pub const MESSAGE: &str = "envoy.extensions.filters.http.router.v3.Router";
/// Envoy's name of the router.
pub const NAME: &str = "envoy.filters.http.router";

message! {
    /// The router's config.
    pub struct RouterMessage: "envoy.extensions.filters.http.router.v3.Router" {
        dynamic_stats: Option<bool>,
        suppress_envoy_headers: bool,
        respect_expected_rq_timeout: bool,
        upstream_http_filters: Vec<HttpFilterMessage>,
        start_child_span: bool,
    }
}

/// The compiled config.
#[derive(Clone, Debug)]
pub struct RouterConfig {
    /// Whether responses are counted by code.
    pub dynamic_stats: bool,
    /// Whether tries have spans of their own.
    pub starts_child_spans: bool,
    /// Whether `x-envoy-` headers are left out.
    pub suppress_envoy_headers: bool,
    /// Whether the time that a proxy before expects takes the place of the route's timeout.
    pub respect_expected_rq_timeout: bool,
    /// The shortest time between tries, in milliseconds, where no policy says it: `upstream.base_retry_backoff_ms`.
    pub back_off_base_ms: RuntimeKey,
    /// The share of failures, in per cent, that is tried again: `upstream.use_retry`.
    pub retried_percent: RuntimeKey,
    /// What stands between the router and hosts of clusters that say nothing of it.
    pub upstream_filters: Option<UpstreamFilters>,
}

impl RouterConfig {
    /// From the message.
    ///
    /// # Errors
    /// [`Refused`] if its filters cannot be used.
    pub fn compile(
        message: &RouterMessage,
        rooms: HttpFilterRooms,
        ctx: &mut Ctx,
    ) -> Result<Self, Refused> {
        let filters = &message.upstream_http_filters;
        Ok(RouterConfig {
            dynamic_stats: message.dynamic_stats != Some(false),
            starts_child_spans: message.start_child_span,
            suppress_envoy_headers: message.suppress_envoy_headers,
            respect_expected_rq_timeout: message.respect_expected_rq_timeout,
            back_off_base_ms: ctx.runtime.key("upstream.base_retry_backoff_ms"),
            retried_percent: ctx.runtime.key("upstream.use_retry"),
            upstream_filters: UpstreamFilters::compile(filters, ChainOf::Router, rooms, ctx)?,
        })
    }
}
