//! `envoy.extensions.filters.http.router.v3.Router`.

use nuncio_config::message;
use std::time::Duration;

use nuncio_config::runtime::RuntimeKey;
use nuncio_config::typed::{Ctx, Refused};
use nuncio_contract::access_log::{AccessLog, AccessLogRooms};
use nuncio_contract::headers::Known;
use nuncio_contract::http_filter_message::HttpFilterMessage;
use nuncio_contract::registry::HttpFilterRooms;
use nuncio_contract::upstream_filters::{ChainOf, UpstreamFilters};

use crate::upstream_logs::UpstreamLogsConfig;

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
        upstream_log: Vec<AccessLog>,
        upstream_log_options: Option<UpstreamLogOptions>,
        strict_check_headers: Vec<String>,
        suppress_grpc_request_failure_code_stats: bool,
    }
}

message! {
    /// When tries are logged.
    pub struct UpstreamLogOptions: "envoy.extensions.filters.http.router.v3.Router.UpstreamAccessLogOptions" {
        flush_upstream_log_on_upstream_stream: bool,
        upstream_log_flush_interval: Option<Duration>,
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
    /// Where tries are logged, if anywhere.
    pub upstream_logs: Option<UpstreamLogsConfig>,
    /// The headers without which a request is better refused than their wrong values ignored.
    pub strict_headers: Box<[Known]>,
    /// Whether requests of gRPC are not counted by the status of HTTP.
    pub hides_grpc_codes: bool,
}

impl RouterConfig {
    /// From the message.
    ///
    /// # Errors
    /// [`Refused`] if its filters cannot be used.
    pub fn compile(
        message: &RouterMessage,
        rooms: HttpFilterRooms,
        loggers: AccessLogRooms,
        ctx: &mut Ctx,
    ) -> Result<Self, Refused> {
        let options = message.upstream_log_options.as_ref();
        let logs = UpstreamLogsConfig::compile(&message.upstream_log, loggers, ctx)?;
        let filters = &message.upstream_http_filters;
        Ok(RouterConfig {
            dynamic_stats: message.dynamic_stats != Some(false),
            starts_child_spans: message.start_child_span,
            suppress_envoy_headers: message.suppress_envoy_headers,
            respect_expected_rq_timeout: message.respect_expected_rq_timeout,
            back_off_base_ms: ctx.runtime.key("upstream.base_retry_backoff_ms"),
            retried_percent: ctx.runtime.key("upstream.use_retry"),
            upstream_filters: UpstreamFilters::compile(filters, ChainOf::Router, rooms, ctx)?,
            upstream_logs: logs.map(|logs| match options {
                None => logs,
                Some(options) => logs.at(
                    options.flush_upstream_log_on_upstream_stream,
                    options.upstream_log_flush_interval,
                ),
            }),
            strict_headers: strict_headers(&message.strict_check_headers),
            hides_grpc_codes: message.suppress_grpc_request_failure_code_stats,
        })
    }
}

/// The headers in the order in which Envoy looks at them. The API's rules leave no other names.
fn strict_headers(names: &[String]) -> Box<[Known]> {
    let all = [
        Known::XEnvoyUpstreamRqTimeoutMs,
        Known::XEnvoyUpstreamRqPerTryTimeoutMs,
        Known::XEnvoyMaxRetries,
        Known::XEnvoyRetryOn,
        Known::XEnvoyRetryGrpcOn,
    ];
    let is_named = |header: &Known| names.iter().any(|name| name == header.as_str());
    all.into_iter().filter(is_named).collect()
}
