//! The messages that say which requests are traced, of connection managers and of routes, and what `x-request-id` has
//! to do with it.

use nuncio_config::message;
use nuncio_config::typed::{Any, Spanned};
use nuncio_contract::custom_tag::CustomTagMessage;
use nuncio_contract::matching::FractionalPercent;
use nuncio_contract::tracing::Provider;

message! {
    /// Tracing of a connection manager.
    pub struct Tracing:
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.Tracing" {
        pub(crate) client_sampling: Option<Percent>,
        pub(crate) random_sampling: Option<Percent>,
        pub(crate) overall_sampling: Option<Percent>,
        pub(crate) verbose: bool,
        pub(crate) max_path_tag_length: Option<u32>,
        pub(crate) custom_tags: Vec<CustomTagMessage>,
        pub(crate) provider: Option<Provider>,
        pub(crate) spawn_upstream_span: Option<bool>,
        pub(crate) operation: Spanned<String>,
        pub(crate) upstream_operation: Spanned<String>,
        pub(crate) no_context_propagation: bool,
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
        pub(crate) custom_tags: Vec<CustomTagMessage>,
        pub(crate) operation: Spanned<String>,
        pub(crate) upstream_operation: Spanned<String>,
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
