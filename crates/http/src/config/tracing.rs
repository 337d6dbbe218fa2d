//! The messages that say which requests are traced, of connection managers and of routes, and what `x-request-id` has
//! to do with it.

use nuncio_config::message;
use nuncio_config::typed::Any;
use nuncio_contract::matching::FractionalPercent;

message! {
    /// Tracing of a connection manager.
    pub struct Tracing:
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.Tracing" {
        pub(crate) client_sampling: Option<Percent>,
        pub(crate) random_sampling: Option<Percent>,
        pub(crate) overall_sampling: Option<Percent>,
        inert verbose = "it is about spans, and without a provider there are none",
        inert max_path_tag_length = "it is about spans, and without a provider there are none",
        inert custom_tags = "they are of spans, and without a provider there are none",
        inert spawn_upstream_span = "it is about spans, and without a provider there are none",
        inert upstream_operation = "it is of spans, and without a provider there are none",
    }
}

message! {
    /// A percentage.
    pub struct Percent: "envoy.type.v3.Percent" {
        pub(crate) value: f64,
    }
}

message! {
    /// Tracing of a route, which takes the place of the connection manager's.
    pub struct RouteTracing: "envoy.config.route.v3.Tracing" {
        pub(crate) client_sampling: Option<FractionalPercent>,
        pub(crate) random_sampling: Option<FractionalPercent>,
        pub(crate) overall_sampling: Option<FractionalPercent>,
        inert custom_tags = "they are of spans, and without a provider there are none",
        inert upstream_operation = "it is of spans, and without a provider there are none",
    }
}

message! {
    /// What a route's requests do.
    pub struct Decorator: "envoy.config.route.v3.Decorator" {
        pub(crate) operation: String,
        pub(crate) propagate: Option<bool>,
    }
}

message! {
    /// How request ids are made.
    pub struct RequestIdExtension:
        "envoy.extensions.filters.network.http_connection_manager.v3.RequestIDExtension" {
        pub(crate) typed_config: Option<Any>,
    }
}

message! {
    /// Request ids that are UUIDs.
    pub struct UuidRequestId: "envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig" {
        pub(crate) pack_trace_reason: Option<bool>,
        pub(crate) use_request_id_for_trace_sampling: Option<bool>,
    }
}
