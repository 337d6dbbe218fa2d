//! The messages of the rate limit filter.

use std::time::Duration;

use nuncio_config::typed::Spanned;
use nuncio_config::{enumeration, message};
use nuncio_contract::grpc_client::GrpcServiceMessage;
use nuncio_contract::header_mutation::HeaderValueOption;
use nuncio_contract::http_status::HttpStatus;
use nuncio_contract::matching::RuntimeFractionalPercent;
use nuncio_contract::rate_limit::RateLimitMessage;

message! {
    /// The filter's config.
    pub(super) struct RateLimit: "envoy.extensions.filters.http.ratelimit.v3.RateLimit" {
        pub(super) domain: String,
        pub(super) stage: u32,
        pub(super) request_type: Spanned<String>,
        pub(super) timeout: Option<Duration>,
        pub(super) failure_mode_deny: bool,
        pub(super) rate_limited_as_resource_exhausted: bool,
        pub(super) rate_limit_service: RateLimitServiceConfig,
        pub(super) enable_x_ratelimit_headers: XRateLimitHeaders,
        pub(super) disable_x_envoy_ratelimited_header: bool,
        pub(super) rate_limited_status: Option<HttpStatus>,
        pub(super) response_headers_to_add: Vec<HeaderValueOption>,
        pub(super) status_on_error: Option<HttpStatus>,
        pub(super) stat_prefix: String,
        pub(super) filter_enabled: Option<RuntimeFractionalPercent>,
        pub(super) filter_enforced: Option<RuntimeFractionalPercent>,
        pub(super) failure_mode_deny_percent: Option<RuntimeFractionalPercent>,
        pub(super) enable_retry_after_header: bool,
        pub(super) rate_limits: Vec<RateLimitMessage>,
        pub(super) metadata_namespace: String,
    }
}

enumeration! {
    /// Which headers tell of the limits.
    pub(super) enum XRateLimitHeaders: "envoy.extensions.filters.http.ratelimit.v3.RateLimit.XRateLimitHeadersRFCVersion" {
        OFF => Off,
        DRAFT_VERSION_03 => DraftVersion03,
    }
}

message! {
    /// Who is asked.
    pub(super) struct RateLimitServiceConfig: "envoy.config.ratelimit.v3.RateLimitServiceConfig" {
        pub(super) grpc_service: GrpcServiceMessage,
        checked transport_api_version: ApiVersion = "there is one version, which AUTO means as well",
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
    /// A level's.
    pub(super) struct RateLimitPerRoute: "envoy.extensions.filters.http.ratelimit.v3.RateLimitPerRoute" {
        pub(super) vh_rate_limits: VhRateLimits,
        pub(super) rate_limits: Vec<RateLimitMessage>,
        pub(super) domain: String,
        inert override_option = "Envoy 1.40 does not look at it",
    }
}

enumeration! {
    /// Whether the virtual host's descriptors count beside the route's.
    pub(super) enum VhRateLimits: "envoy.extensions.filters.http.ratelimit.v3.RateLimitPerRoute.VhRateLimitsOptions" {
        OVERRIDE => Override,
        INCLUDE => Include,
        IGNORE => Ignore,
    }
}
