//! The messages of the local rate limit filter.

use std::sync::Arc;

use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_config::{enumeration, message};
use nuncio_contract::header_mutation::{HeaderMutations, HeaderValueOption};
use nuncio_contract::http_filter::HttpFilterConfig;
use nuncio_contract::http_status::HttpStatus;
use nuncio_contract::level_config::LevelConfig;
use nuncio_contract::matching::RuntimeFractionalPercent;
use nuncio_contract::registry::RouteFilterConfig;
use nuncio_contract::stats::Scope;
use nuncio_contract::token_bucket::{TokenBucket, TokenBucketMessage};

use super::worker::LocalRateLimitStats;

const TOO_MANY_REQUESTS: u16 = 429;
const LEAST_ERROR: u16 = 400;
const RESOURCE_EXHAUSTED: u32 = 8;
const LEAST_FILL_INTERVAL_MS: u128 = 50;

message! {
    /// The filter's config, and a route's.
    pub(super) struct LocalRateLimit: "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit" {
        stat_prefix: String,
        status: Option<HttpStatus>,
        token_bucket: Option<TokenBucketMessage>,
        filter_enabled: Option<RuntimeFractionalPercent>,
        filter_enforced: Option<RuntimeFractionalPercent>,
        request_headers_to_add_when_not_enforced: Vec<HeaderValueOption>,
        response_headers_to_add: Vec<HeaderValueOption>,
        local_rate_limit_per_downstream_connection: bool,
        enable_x_ratelimit_headers: XRateLimitHeaders,
        rate_limited_as_resource_exhausted: bool,
        inert stage = "only descriptors look at it, which are refused",
        inert vh_rate_limits = "only descriptors look at it, which are refused",
        inert max_dynamic_descriptors = "only descriptors look at it, which are refused",
        inert always_consume_default_token_bucket = "without descriptors it is always consumed",
    }
}

enumeration! {
    /// Which headers tell of the bucket.
    pub(super) enum XRateLimitHeaders: "envoy.extensions.common.ratelimit.v3.XRateLimitHeadersRFCVersion" {
        OFF => Off,
        DRAFT_VERSION_03 => DraftVersion03,
    }
}

/// The compiled config of a chain or a level.
pub(super) struct Limit {
    pub(super) tokens: Tokens,
    filter_enabled: Option<RuntimeFractionalPercent>,
    filter_enforced: Option<RuntimeFractionalPercent>,
    pub(super) status: u16,
    pub(super) grpc_status: Option<u32>,
    /// Of requests that are over the limit and go on.
    pub(super) request_headers: HeaderMutations,
    /// Of answers to requests that are over the limit.
    pub(super) response_headers: Option<Arc<HeaderMutations>>,
    pub(super) is_per_connection: bool,
    pub(super) tells_of_bucket: bool,
    stat_prefix: Box<str>,
    /// Lives as long as the config, so that workers can tell.
    pub(super) alive: Arc<()>,
}

/// Where tokens come from.
pub(super) enum Tokens {
    /// There is no limit.
    Unlimited,
    /// There are none.
    Never,
    /// From a bucket.
    Bucket(TokenBucket),
}

/// The chain's config, shared by the workers.
pub(super) struct ChainConfig(pub(super) Arc<Limit>);

impl LevelConfig for Limit {
    fn register(&self, root: &Scope) -> Option<Scope> {
        let scope = self.scope(root)?;
        scope.register::<LocalRateLimitStats>();
        Some(scope)
    }
}

pub(super) fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn HttpFilterConfig>, Refused> {
    let limit = Limit::compile(&any.decode(ctx)?, ctx)?;
    Ok(Arc::new(ChainConfig(Arc::new(limit))))
}

pub(super) fn parse_per_route(any: &Any, ctx: &mut Ctx) -> Result<RouteFilterConfig, Refused> {
    let message: LocalRateLimit = any.decode(ctx)?;
    if message.token_bucket.is_none() {
        let text = "local rate limit token bucket must be set for per filter configs";
        ctx.error(message.span(), text);
        return Err(Refused);
    }
    Ok(Arc::new(Limit::compile(&message, ctx)?))
}

impl Limit {
    fn compile(message: &LocalRateLimit, ctx: &mut Ctx) -> Result<Self, Refused> {
        let tokens = Tokens::of(message.token_bucket.as_ref(), ctx);
        let request = &message.request_headers_to_add_when_not_enforced;
        let request_headers = HeaderMutations::compile(request, &[], ctx);
        let response_headers = HeaderMutations::compile(&message.response_headers_to_add, &[], ctx);
        let response_headers = response_headers?;
        let status = message.status.as_ref().map_or(0, HttpStatus::number);
        let exhausted = message.rate_limited_as_resource_exhausted;
        Ok(Limit {
            tokens: tokens?,
            filter_enabled: message.filter_enabled.clone(),
            filter_enforced: message.filter_enforced.clone(),
            status: if status < LEAST_ERROR {
                TOO_MANY_REQUESTS
            } else {
                status
            },
            grpc_status: exhausted.then_some(RESOURCE_EXHAUSTED),
            request_headers: request_headers?,
            response_headers: (!response_headers.is_empty()).then(|| Arc::new(response_headers)),
            is_per_connection: message.local_rate_limit_per_downstream_connection,
            tells_of_bucket: message.enable_x_ratelimit_headers
                == XRateLimitHeaders::DraftVersion03,
            stat_prefix: message.stat_prefix.as_str().into(),
            alive: Arc::default(),
        })
    }

    /// The scope of its counters.
    pub(super) fn scope(&self, root: &Scope) -> Option<Scope> {
        root.scope(&self.stat_prefix)
    }

    /// Whether the request that draws this number takes a token.
    pub(super) fn is_enabled(&self, random: impl FnOnce() -> u64) -> bool {
        let enabled = self.filter_enabled.as_ref();
        enabled.is_some_and(|fraction| fraction.chooses(random()))
    }

    /// Whether it is answered where there is no token.
    pub(super) fn is_enforced(&self, random: impl FnOnce() -> u64) -> bool {
        let enforced = self.filter_enforced.as_ref();
        enforced.is_some_and(|fraction| fraction.chooses(random()))
    }
}

impl Tokens {
    /// As in Envoy, a bucket that fills in less than a millisecond is none.
    fn of(message: Option<&TokenBucketMessage>, ctx: &mut Ctx) -> Result<Self, Refused> {
        let Some(message) = message else {
            return Ok(Tokens::Unlimited);
        };
        match (message.fill_interval().as_millis(), message.max_tokens()) {
            (0, _) => {
                let text =
                    "the bucket fills in less than a millisecond, so that nothing is limited";
                ctx.warning(message.span(), text);
                Ok(Tokens::Unlimited)
            }
            (_, 0) => Ok(Tokens::Never),
            (LEAST_FILL_INTERVAL_MS.., _) => Ok(Tokens::Bucket(message.bucket())),
            _ => {
                let text = "local rate limit token bucket fill timer must be >= 50ms";
                ctx.error(message.span(), text);
                Err(Refused)
            }
        }
    }
}
