//! `envoy.config.route.v3`: what routes and virtual hosts say about failures and time, beside their retry policies.

use std::time::Duration;

use nuncio_config::typed::Spanned;
use nuncio_config::{enumeration, message};

use super::connection_manager::Extension;

message! {
    /// Which redirects of hosts are followed here.
    pub struct InternalRedirectPolicy: "envoy.config.route.v3.InternalRedirectPolicy" {
        pub(crate) max_internal_redirects: Option<u32>,
        pub(crate) redirect_response_codes: Vec<u32>,
        pub(crate) predicates: Vec<Extension>,
        pub(crate) allow_cross_scheme_redirect: bool,
        pub(crate) response_headers_to_copy: Vec<Spanned<String>>,
    }
}

enumeration! {
    /// Whether redirects are followed where nothing else says so, in the deprecated field.
    pub enum InternalRedirectAction: "envoy.config.route.v3.RouteAction.InternalRedirectAction" {
        PASS_THROUGH_INTERNAL_REDIRECT => PassThrough,
        HANDLE_INTERNAL_REDIRECT => Handle,
    }
}

message! {
    /// No redirect to a route that was redirected to before.
    pub struct PreviousRoutesConfig: "envoy.extensions.internal_redirect.previous_routes.v3.PreviousRoutesConfig" {}
}

message! {
    /// Redirects to these routes alone.
    pub struct AllowListedRoutesConfig: "envoy.extensions.internal_redirect.allow_listed_routes.v3.AllowListedRoutesConfig" {
        pub(crate) allowed_route_names: Vec<String>,
    }
}

message! {
    /// No redirect from http to https.
    pub struct SafeCrossSchemeConfig: "envoy.extensions.internal_redirect.safe_cross_scheme.v3.SafeCrossSchemeConfig" {}
}

message! {
    /// Redirects as an object of filter state says.
    pub struct FilterStateRedirectConfig: "envoy.extensions.internal_redirect.filter_state.v3.FilterStateConfig" {
        pub(crate) redirect_enabled_key: String,
        pub(crate) redirect_if_absent: bool,
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
