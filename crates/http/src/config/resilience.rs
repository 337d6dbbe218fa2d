//! `envoy.config.route.v3`: what routes and virtual hosts say about failures and time, beside their retry policies.

use std::time::Duration;

use nuncio_config::typed::Spanned;
use nuncio_config::{enumeration, message};
use nuncio_contract::matching::RuntimeFractionalPercent;

message! {
    /// Where copies of requests go.
    pub struct RequestMirrorPolicy: "envoy.config.route.v3.RouteAction.RequestMirrorPolicy" {
        pub(crate) cluster: Spanned<String>,
        pub(crate) cluster_header: Spanned<String>,
        pub(crate) runtime_fraction: Option<RuntimeFractionalPercent>,
        pub(crate) disable_shadow_host_suffix_append: bool,
        pub(crate) host_rewrite_literal: String,
        inert trace_sampled = "nothing is traced yet";
    }
}

message! {
    /// Several tries at once.
    pub struct HedgePolicy: "envoy.config.route.v3.HedgePolicy" {
        pub(crate) hedge_on_per_try_timeout: bool,
        inert initial_requests = "Envoy does not use it";
        inert additional_request_chance = "Envoy does not use it";
    }
}

message! {
    /// How long a stream may last.
    pub struct MaxStreamDuration: "envoy.config.route.v3.RouteAction.MaxStreamDuration" {
        pub(crate) max_stream_duration: Option<Duration>,
        pub(crate) grpc_timeout_header_max: Option<Duration>,
        pub(crate) grpc_timeout_header_offset: Option<Duration>,
    }
}

enumeration! {
    /// Which circuit breakers and connections a route's requests use.
    pub enum RoutingPriority: "envoy.config.core.v3.RoutingPriority" {
        DEFAULT => Default,
        HIGH => High,
    }
}
