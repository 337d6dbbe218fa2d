//! The messages of the local rate limit filter.

use nuncio_config::{enumeration, message};
use nuncio_contract::header_mutation::HeaderValueOption;
use nuncio_contract::http_status::HttpStatus;
use nuncio_contract::matching::RuntimeFractionalPercent;
use nuncio_contract::rate_limit::RateLimitMessage;
use nuncio_contract::token_bucket::TokenBucketMessage;

message! {
    /// The filter's config, and a route's.
    pub(super) struct LocalRateLimit: "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit" {
        pub(super) stat_prefix: String,
        pub(super) status: Option<HttpStatus>,
        pub(super) token_bucket: Option<TokenBucketMessage>,
        pub(super) filter_enabled: Option<RuntimeFractionalPercent>,
        pub(super) filter_enforced: Option<RuntimeFractionalPercent>,
        pub(super) request_headers_to_add_when_not_enforced: Vec<HeaderValueOption>,
        pub(super) response_headers_to_add: Vec<HeaderValueOption>,
        pub(super) descriptors: Vec<LocalRateLimitDescriptor>,
        pub(super) stage: u32,
        pub(super) local_rate_limit_per_downstream_connection: bool,
        pub(super) enable_x_ratelimit_headers: XRateLimitHeaders,
        pub(super) vh_rate_limits: VhRateLimits,
        pub(super) always_consume_default_token_bucket: Option<bool>,
        pub(super) rate_limited_as_resource_exhausted: bool,
        pub(super) rate_limits: Vec<RateLimitMessage>,
        pub(super) max_dynamic_descriptors: Option<u32>,
        pub(super) enable_retry_after_header: bool,
    }
}

enumeration! {
    /// Which headers tell of the bucket.
    pub(super) enum XRateLimitHeaders: "envoy.extensions.common.ratelimit.v3.XRateLimitHeadersRFCVersion" {
        OFF => Off,
        DRAFT_VERSION_03 => DraftVersion03,
    }
}

enumeration! {
    /// Whether the virtual host's descriptors count beside the route's.
    pub(super) enum VhRateLimits: "envoy.extensions.common.ratelimit.v3.VhRateLimitsOptions" {
        OVERRIDE => Override,
        INCLUDE => Include,
        IGNORE => Ignore,
    }
}

message! {
    /// A bucket for requests of a descriptor.
    pub(super) struct LocalRateLimitDescriptor: "envoy.extensions.common.ratelimit.v3.LocalRateLimitDescriptor" {
        pub(super) entries: Vec<EntryMessage>,
        pub(super) token_bucket: TokenBucketMessage,
        pub(super) shadow_mode: bool,
    }
}

message! {
    /// A part of it.
    pub(super) struct EntryMessage: "envoy.extensions.common.ratelimit.v3.RateLimitDescriptor.Entry" {
        pub(super) key: String,
        pub(super) value: String,
    }
}
