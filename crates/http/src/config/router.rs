//! `envoy.extensions.filters.http.router.v3.Router`.

use nuncio_config::message;

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
        inert start_child_span = "nothing is traced yet, so there is no span to begin";
    }
}

/// The compiled config.
#[derive(Clone, Debug)]
pub struct RouterConfig {
    /// Whether responses are counted by code.
    pub dynamic_stats: bool,
    /// Whether `x-envoy-` headers are left out.
    pub suppress_envoy_headers: bool,
    /// Whether the time that a proxy before expects takes the place of the route's timeout.
    pub respect_expected_rq_timeout: bool,
}

impl RouterConfig {
    /// From the message.
    pub fn compile(message: &RouterMessage) -> Self {
        RouterConfig {
            dynamic_stats: message.dynamic_stats != Some(false),
            suppress_envoy_headers: message.suppress_envoy_headers,
            respect_expected_rq_timeout: message.respect_expected_rq_timeout,
        }
    }
}
