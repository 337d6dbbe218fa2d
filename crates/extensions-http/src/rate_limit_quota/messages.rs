//! The messages of the rate limit quota filter.

use std::time::Duration;

use nuncio_config::typed::{Any, Spanned};
use nuncio_config::{enumeration, message, one_of};
use nuncio_contract::grpc_client::GrpcServiceMessage;
use nuncio_contract::http_status::HttpStatus;
use nuncio_contract::match_tree::MatcherMessage;
use nuncio_contract::token_bucket::TokenBucketMessage;

message! {
    /// The filter's config.
    pub(super) struct RateLimitQuotaFilterConfig: "envoy.extensions.filters.http.rate_limit_quota.v3.RateLimitQuotaFilterConfig" {
        pub(super) rlqs_server: GrpcServiceMessage,
        pub(super) domain: String,
        pub(super) bucket_matchers: MatcherMessage,
    }
}

message! {
    /// The bucket that a request is sorted into.
    pub(super) struct RateLimitQuotaBucketSettings: "envoy.extensions.filters.http.rate_limit_quota.v3.RateLimitQuotaBucketSettings" {
        pub(super) bucket_id_builder: Option<BucketIdBuilder>,
        inert reporting_interval = "Envoy 1.40 reports all buckets every five seconds",
        pub(super) deny_response_settings: Option<DenyResponseSettings>,
        pub(super) no_assignment_behavior: Option<NoAssignmentBehavior>,
        pub(super) expired_assignment_behavior: Option<ExpiredAssignmentBehavior>,
    }
}

message! {
    /// What its name is made of.
    pub(super) struct BucketIdBuilder: "envoy.extensions.filters.http.rate_limit_quota.v3.RateLimitQuotaBucketSettings.BucketIdBuilder" {
        pub(super) bucket_id_builder: Vec<(String, ValueBuilder)>,
    }
}

message! {
    /// A part of it.
    pub(super) struct ValueBuilder: "envoy.extensions.filters.http.rate_limit_quota.v3.RateLimitQuotaBucketSettings.BucketIdBuilder.ValueBuilder" {
        pub(super) oneof value_specifier: ValueSpecifier,
    }
}

one_of! {
    /// Where it comes from.
    pub(super) enum ValueSpecifier {
        string_value => Text(String),
        custom_value => Input(Input),
    }
}

message! {
    /// An input of matchers.
    pub(super) struct Input: "envoy.config.core.v3.TypedExtensionConfig" {
        pub(super) name: String,
        pub(super) typed_config: Any,
    }
}

message! {
    /// What a request is told that is one too many.
    pub(super) struct DenyResponseSettings: "envoy.extensions.filters.http.rate_limit_quota.v3.RateLimitQuotaBucketSettings.DenyResponseSettings" {
        pub(super) http_status: Option<HttpStatus>,
        pub(super) http_body: Option<Vec<u8>>,
        pub(super) grpc_status: Option<Status>,
        pub(super) response_headers_to_add: Vec<AddedHeader>,
    }
}

message! {
    /// A status of gRPC.
    pub(super) struct Status: "google.rpc.Status" {
        pub(super) code: i32,
        pub(super) message: String,
        inert details = "Envoy 1.40 tells the code and the message",
    }
}

message! {
    /// A header, which is added as it is.
    pub(super) struct AddedHeader: "envoy.config.core.v3.HeaderValueOption" {
        pub(super) header: Header,
        inert append = "Envoy 1.40 adds all of them",
        inert append_action = "Envoy 1.40 adds all of them",
        inert keep_empty_value = "Envoy 1.40 adds all of them",
    }
}

message! {
    /// Its name and value.
    pub(super) struct Header: "envoy.config.core.v3.HeaderValue" {
        pub(super) key: Spanned<String>,
        pub(super) value: Spanned<String>,
        inert raw_value = "Envoy 1.40 looks at `value` alone",
    }
}

message! {
    /// What is done before the service has said something.
    pub(super) struct NoAssignmentBehavior: "envoy.extensions.filters.http.rate_limit_quota.v3.RateLimitQuotaBucketSettings.NoAssignmentBehavior" {
        pub(super) oneof no_assignment_behavior: NoAssignment,
    }
}

one_of! {
    /// Its kinds.
    pub(super) enum NoAssignment {
        fallback_rate_limit => Strategy(RateLimitStrategy),
    }
}

message! {
    /// What is done once what it said has expired.
    pub(super) struct ExpiredAssignmentBehavior: "envoy.extensions.filters.http.rate_limit_quota.v3.RateLimitQuotaBucketSettings.ExpiredAssignmentBehavior" {
        pub(super) expired_assignment_behavior_timeout: Option<Duration>,
        pub(super) oneof expired_assignment_behavior: ExpiredAssignment,
    }
}

one_of! {
    /// Its kinds.
    pub(super) enum ExpiredAssignment {
        fallback_rate_limit => Strategy(RateLimitStrategy),
        reuse_last_assignment => Reuse(ReuseLastAssignment),
    }
}

message! {
    /// As before, in theory.
    pub(super) struct ReuseLastAssignment: "envoy.extensions.filters.http.rate_limit_quota.v3.RateLimitQuotaBucketSettings.ExpiredAssignmentBehavior.ReuseLastAssignment" {}
}

message! {
    /// How requests are limited.
    pub(super) struct RateLimitStrategy: "envoy.type.v3.RateLimitStrategy" {
        pub(super) oneof strategy: Strategy,
    }
}

one_of! {
    /// Its kinds.
    pub(super) enum Strategy {
        blanket_rule => Blanket(BlanketRule),
        requests_per_time_unit => Units(RequestsPerTimeUnit),
        token_bucket => Tokens(TokenBucketMessage),
    }
}

enumeration! {
    /// The same for all requests.
    pub(super) enum BlanketRule: "envoy.type.v3.RateLimitStrategy.BlanketRule" {
        ALLOW_ALL => AllowAll,
        DENY_ALL => DenyAll,
    }
}

message! {
    /// So many in a unit of time.
    pub(super) struct RequestsPerTimeUnit: "envoy.type.v3.RateLimitStrategy.RequestsPerTimeUnit" {
        inert requests_per_time_unit = "Envoy 1.40 limits nothing by it",
        inert time_unit = "Envoy 1.40 limits nothing by it",
    }
}
