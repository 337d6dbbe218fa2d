//! The messages of the external authorization filter.

use std::time::Duration;

use nuncio_config::typed::Spanned;
use nuncio_config::{enumeration, message, one_of};
use nuncio_contract::calls::CoreRetryPolicy;
use nuncio_contract::grpc_client::GrpcServiceMessage;
use nuncio_contract::header_mutation::HeaderValue;
use nuncio_contract::http_status::HttpStatus;
use nuncio_contract::matching::{MetadataMatcher, RuntimeFeatureFlag, RuntimeFractionalPercent};

use crate::mutation_rules::{HeaderMutationRules, ListStringMatcher};

message! {
    /// The filter's config.
    pub(super) struct ExtAuthz: "envoy.extensions.filters.http.ext_authz.v3.ExtAuthz" {
        pub(super) oneof services: Option<ServiceMessage>,
        checked transport_api_version: ApiVersion = "there is one version, which AUTO means as well",
        pub(super) failure_mode_allow: bool,
        pub(super) failure_mode_allow_header_add: bool,
        pub(super) with_request_body: Option<BufferSettings>,
        pub(super) clear_route_cache: bool,
        pub(super) clear_route_cache_headers: Vec<String>,
        pub(super) status_on_error: Option<HttpStatus>,
        pub(super) validate_mutations: bool,
        pub(super) metadata_context_namespaces: Vec<String>,
        pub(super) route_metadata_context_namespaces: Vec<String>,
        pub(super) filter_enabled: Option<RuntimeFractionalPercent>,
        pub(super) filter_enabled_metadata: Option<MetadataMatcher>,
        pub(super) deny_at_disable: Option<RuntimeFeatureFlag>,
        pub(super) include_peer_certificate: bool,
        pub(super) include_tls_session: bool,
        pub(super) stat_prefix: String,
        pub(super) allowed_headers: Option<ListStringMatcher>,
        pub(super) disallowed_headers: Option<ListStringMatcher>,
        pub(super) charge_cluster_response_stats: Option<bool>,
        pub(super) encode_raw_headers: bool,
        pub(super) decoder_header_mutation_rules: Option<HeaderMutationRules>,
        pub(super) enable_dynamic_metadata_ingestion: Option<bool>,
        pub(super) max_denied_response_body_bytes: u32,
        pub(super) emit_filter_state_stats: bool,
        pub(super) enforce_response_header_limits: bool,
        pub(super) shadow_mode: bool,
        pub(super) emit_client_span: Option<bool>,
        inert filter_metadata = "only extensions that are compiled into Envoy can see it";
    }
}

one_of! {
    /// Who is asked.
    pub(super) enum ServiceMessage {
        grpc_service => Grpc(GrpcServiceMessage),
        http_service => Http(HttpService),
    }
}

enumeration! {
    /// The version of the service.
    pub(super) enum ApiVersion: "envoy.config.core.v3.ApiVersion" {
        AUTO => Auto,
        V3 => V3,
    }
}

message! {
    /// How much of the body the service sees.
    pub(super) struct BufferSettings: "envoy.extensions.filters.http.ext_authz.v3.BufferSettings" {
        pub(super) max_request_bytes: u32,
        pub(super) allow_partial_message: bool,
        pub(super) pack_as_bytes: bool,
    }
}

message! {
    /// A service of HTTP.
    pub(super) struct HttpService: "envoy.extensions.filters.http.ext_authz.v3.HttpService" {
        pub(super) server_uri: Option<HttpUri>,
        pub(super) path_prefix: Spanned<String>,
        pub(super) path_override: Spanned<String>,
        pub(super) authorization_request: Option<AuthorizationRequest>,
        pub(super) authorization_response: Option<AuthorizationResponse>,
        pub(super) retry_policy: Option<CoreRetryPolicy>,
    }
}

message! {
    /// The cluster that serves it.
    pub(super) struct HttpUri: "envoy.config.core.v3.HttpUri" {
        pub(super) oneof http_upstream_type: HttpUpstream,
        pub(super) timeout: Duration,
        inert uri = "questions have the client's host, as in Envoy";
    }
}

one_of! {
    /// The cluster that serves it.
    pub(super) enum HttpUpstream {
        cluster => Cluster(String),
    }
}

message! {
    /// What it is told.
    pub(super) struct AuthorizationRequest: "envoy.extensions.filters.http.ext_authz.v3.AuthorizationRequest" {
        pub(super) allowed_headers: Option<ListStringMatcher>,
        pub(super) headers_to_add: Vec<HeaderValue>,
    }
}

message! {
    /// What of its answer goes where.
    pub(super) struct AuthorizationResponse: "envoy.extensions.filters.http.ext_authz.v3.AuthorizationResponse" {
        pub(super) allowed_upstream_headers: Option<ListStringMatcher>,
        pub(super) allowed_upstream_headers_to_append: Option<ListStringMatcher>,
        pub(super) allowed_client_headers: Option<ListStringMatcher>,
        pub(super) allowed_client_headers_on_success: Option<ListStringMatcher>,
        pub(super) dynamic_metadata_from_headers: Option<ListStringMatcher>,
    }
}

message! {
    /// A route's.
    pub(super) struct ExtAuthzPerRoute: "envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute" {
        pub(super) oneof r#override: PerRouteOverride,
    }
}

one_of! {
    /// What is different there.
    pub(super) enum PerRouteOverride {
        disabled => Disabled(bool),
        check_settings => Check(CheckSettings),
    }
}

message! {
    /// How requests are checked there.
    pub(super) struct CheckSettings: "envoy.extensions.filters.http.ext_authz.v3.CheckSettings" {
        pub(super) context_extensions: Vec<(String, String)>,
        pub(super) disable_request_body_buffering: bool,
        pub(super) with_request_body: Option<BufferSettings>,
        pub(super) oneof service_override: Option<ServiceMessage>,
        pub(super) emit_client_span: Option<bool>,
    }
}
