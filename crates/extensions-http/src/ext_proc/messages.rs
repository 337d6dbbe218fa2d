//! The messages of the external processing filter's config.

use std::time::Duration;

use nuncio_config::typed::Spanned;
use nuncio_config::{enumeration, message, one_of};
use nuncio_contract::grpc_client::GrpcServiceMessage;
use nuncio_contract::header_mutation::HeaderValue;
use nuncio_contract::http_status::HttpStatus;

use crate::mutation_rules::{HeaderMutationRules, ListStringMatcher};

message! {
    /// The filter's config.
    pub(super) struct ExternalProcessor: "envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor" {
        pub(super) grpc_service: Option<GrpcServiceMessage>,
        pub(super) failure_mode_allow: bool,
        pub(super) processing_mode: Option<ProcessingMode>,
        pub(super) request_attributes: Vec<Spanned<String>>,
        pub(super) response_attributes: Vec<Spanned<String>>,
        pub(super) message_timeout: Option<Duration>,
        pub(super) stat_prefix: String,
        pub(super) mutation_rules: Option<HeaderMutationRules>,
        pub(super) max_message_timeout: Option<Duration>,
        pub(super) disable_clear_route_cache: bool,
        pub(super) forward_rules: Option<HeaderForwardingRules>,
        pub(super) allow_mode_override: bool,
        pub(super) disable_immediate_response: bool,
        pub(super) metadata_options: Option<MetadataOptions>,
        pub(super) observability_mode: bool,
        pub(super) route_cache_action: RouteCacheAction,
        pub(super) deferred_close_timeout: Option<Duration>,
        pub(super) send_body_without_waiting_for_header_response: bool,
        pub(super) allowed_override_modes: Vec<ProcessingMode>,
        pub(super) allow_content_length_header: bool,
        pub(super) status_on_error: Option<HttpStatus>,
    }
}

enumeration! {
    /// Whether routes are found anew behind changes of requests.
    pub(super) enum RouteCacheAction: "envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor.RouteCacheAction" {
        DEFAULT => Default,
        CLEAR => Clear,
        RETAIN => Retain,
    }
}

message! {
    /// Which parts of streams are told, and how.
    pub(super) struct ProcessingMode: "envoy.extensions.filters.http.ext_proc.v3.ProcessingMode" {
        pub(super) request_header_mode: HeaderSendMode,
        pub(super) response_header_mode: HeaderSendMode,
        pub(super) request_body_mode: BodySendMode,
        pub(super) response_body_mode: BodySendMode,
        pub(super) request_trailer_mode: HeaderSendMode,
        pub(super) response_trailer_mode: HeaderSendMode,
    }
}

enumeration! {
    /// Whether a head or trailers are told.
    pub(super) enum HeaderSendMode: "envoy.extensions.filters.http.ext_proc.v3.ProcessingMode.HeaderSendMode" {
        DEFAULT => Default,
        SEND => Send,
        SKIP => Skip,
    }
}

enumeration! {
    /// How a body is told.
    pub(super) enum BodySendMode: "envoy.extensions.filters.http.ext_proc.v3.ProcessingMode.BodySendMode" {
        NONE => None,
        STREAMED => Streamed,
        BUFFERED => Buffered,
        BUFFERED_PARTIAL => BufferedPartial,
        FULL_DUPLEX_STREAMED => FullDuplex,
    }
}

message! {
    /// Which headers are told.
    pub(super) struct HeaderForwardingRules: "envoy.extensions.filters.http.ext_proc.v3.HeaderForwardingRules" {
        pub(super) allowed_headers: Option<ListStringMatcher>,
        pub(super) disallowed_headers: Option<ListStringMatcher>,
    }
}

message! {
    /// Which metadata are told, and which are taken.
    pub(super) struct MetadataOptions: "envoy.extensions.filters.http.ext_proc.v3.MetadataOptions" {
        pub(super) forwarding_namespaces: Option<MetadataNamespaces>,
        pub(super) receiving_namespaces: Option<MetadataNamespaces>,
    }
}

message! {
    /// Namespaces.
    pub(super) struct MetadataNamespaces: "envoy.extensions.filters.http.ext_proc.v3.MetadataOptions.MetadataNamespaces" {
        pub(super) untyped: Vec<String>,
    }
}

message! {
    /// A route's.
    pub(super) struct ExtProcPerRoute: "envoy.extensions.filters.http.ext_proc.v3.ExtProcPerRoute" {
        pub(super) oneof r#override: PerRouteOverride,
    }
}

one_of! {
    /// What is different there.
    pub(super) enum PerRouteOverride {
        disabled => Disabled(bool),
        overrides => Overrides(ExtProcOverrides),
    }
}

message! {
    /// How streams are processed there.
    pub(super) struct ExtProcOverrides: "envoy.extensions.filters.http.ext_proc.v3.ExtProcOverrides" {
        pub(super) processing_mode: Option<ProcessingMode>,
        pub(super) grpc_service: Option<GrpcServiceMessage>,
        pub(super) metadata_options: Option<MetadataOptions>,
        pub(super) grpc_initial_metadata: Vec<HeaderValue>,
        pub(super) failure_mode_allow: Option<bool>,
        inert async_mode = "Envoy does nothing with it",
        inert request_attributes = "Envoy tells those of the filter",
        inert response_attributes = "Envoy tells those of the filter";
    }
}
