//! `envoy.service.rate_limit_quota.v3.RateLimitQuotaService`.

use std::collections::BTreeMap;

use prost::{Message, Oneof};

use crate::common::{Duration, UInt32Value};

/// The path of its method.
pub const STREAM_RATE_LIMIT_QUOTAS: &str =
    "/envoy.service.rate_limit_quota.v3.RateLimitQuotaService/StreamRateLimitQuotas";

/// `RateLimitQuotaUsageReports`.
#[derive(Clone, PartialEq, Message)]
pub struct RateLimitQuotaUsageReports {
    /// Whose buckets.
    #[prost(string, tag = "1")]
    pub domain: String,
    /// What was used of them.
    #[prost(message, repeated, tag = "2")]
    pub bucket_quota_usages: Vec<BucketQuotaUsage>,
}

/// `RateLimitQuotaUsageReports.BucketQuotaUsage`.
#[derive(Clone, PartialEq, Message)]
pub struct BucketQuotaUsage {
    /// Which bucket.
    #[prost(message, optional, tag = "1")]
    pub bucket_id: Option<BucketId>,
    /// Since the last report.
    #[prost(message, optional, tag = "2")]
    pub time_elapsed: Option<Duration>,
    /// Requests that have passed.
    #[prost(uint64, tag = "3")]
    pub num_requests_allowed: u64,
    /// Requests that have not.
    #[prost(uint64, tag = "4")]
    pub num_requests_denied: u64,
}

/// `BucketId`.
#[derive(Clone, PartialEq, Message)]
pub struct BucketId {
    /// Names and values.
    #[prost(btree_map = "string, string", tag = "1")]
    pub bucket: BTreeMap<String, String>,
}

/// `RateLimitQuotaResponse`.
#[derive(Clone, PartialEq, Message)]
pub struct RateLimitQuotaResponse {
    /// What is to be done, in this order.
    #[prost(message, repeated, tag = "1")]
    pub bucket_action: Vec<BucketAction>,
}

/// `RateLimitQuotaResponse.BucketAction`.
#[derive(Clone, PartialEq, Message)]
pub struct BucketAction {
    /// With which bucket.
    #[prost(message, optional, tag = "1")]
    pub bucket_id: Option<BucketId>,
    /// What.
    #[prost(oneof = "Action", tags = "2, 3")]
    pub bucket_action: Option<Action>,
}

/// What is to be done with a bucket.
#[derive(Clone, PartialEq, Oneof)]
pub enum Action {
    /// It is limited from now on.
    #[prost(message, tag = "2")]
    QuotaAssignmentAction(QuotaAssignmentAction),
    /// It is forgotten.
    #[prost(message, tag = "3")]
    AbandonAction(AbandonAction),
}

/// `RateLimitQuotaResponse.BucketAction.QuotaAssignmentAction`.
#[derive(Clone, PartialEq, Message)]
pub struct QuotaAssignmentAction {
    /// For how long.
    #[prost(message, optional, tag = "2")]
    pub assignment_time_to_live: Option<Duration>,
    /// How.
    #[prost(message, optional, tag = "3")]
    pub rate_limit_strategy: Option<RateLimitStrategy>,
}

/// `RateLimitQuotaResponse.BucketAction.AbandonAction`.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct AbandonAction {}

/// `envoy.type.v3.RateLimitStrategy`.
#[derive(Clone, PartialEq, Message)]
pub struct RateLimitStrategy {
    /// Which.
    #[prost(oneof = "Strategy", tags = "1, 2, 3")]
    pub strategy: Option<Strategy>,
}

/// How requests are limited.
#[derive(Clone, PartialEq, Oneof)]
pub enum Strategy {
    /// `BlanketRule`: all pass (0), or none (1).
    #[prost(int32, tag = "1")]
    BlanketRule(i32),
    /// So many in a unit of time; what is in it is not looked at.
    #[prost(message, tag = "2")]
    RequestsPerTimeUnit(RequestsPerTimeUnit),
    /// By a bucket of tokens.
    #[prost(message, tag = "3")]
    TokenBucket(TokenBucket),
}

/// `envoy.type.v3.RateLimitStrategy.RequestsPerTimeUnit`.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct RequestsPerTimeUnit {}

/// `envoy.type.v3.TokenBucket`.
#[derive(Clone, PartialEq, Message)]
pub struct TokenBucket {
    /// How many there are at most.
    #[prost(uint32, tag = "1")]
    pub max_tokens: u32,
    /// How many come each time.
    #[prost(message, optional, tag = "2")]
    pub tokens_per_fill: Option<UInt32Value>,
    /// How often that is.
    #[prost(message, optional, tag = "3")]
    pub fill_interval: Option<Duration>,
}
