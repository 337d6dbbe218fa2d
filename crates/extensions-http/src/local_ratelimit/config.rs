//! The local rate limit filter's config, compiled.

use std::sync::Arc;

use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_contract::header_mutation::HeaderMutations;
use nuncio_contract::http_filter::HttpFilterConfig;
use nuncio_contract::http_status::HttpStatus;
use nuncio_contract::level_config::LevelConfig;
use nuncio_contract::matching::RuntimeFractionalPercent;
use nuncio_contract::rate_limit::{
    Asked, Descriptor, FilterRateLimits, Moment, RateLimitPolicy, RouteRateLimits,
};
use nuncio_contract::registry::RouteFilterConfig;
use nuncio_contract::stats::Scope;

use super::limiter::Limiter;
use super::messages::{LocalRateLimit, VhRateLimits, XRateLimitHeaders};
use super::worker::LocalRateLimitStats;

const TOO_MANY_REQUESTS: u16 = 429;
const LEAST_ERROR: u16 = 400;
const RESOURCE_EXHAUSTED: u32 = 8;

/// The compiled config of a chain or a level.
pub(super) struct Limit {
    pub(super) limiter: Limiter,
    /// The filter's own descriptors; none where those of routes count.
    own: FilterRateLimits,
    stage: u32,
    of_hosts: VhRateLimits,
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
    pub(super) tells_when_to_retry: bool,
    stat_prefix: Box<str>,
    /// Lives as long as the config, so that workers can tell.
    pub(super) alive: Arc<()>,
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
        let limiter = Limiter::compile(message, ctx);
        let own = FilterRateLimits::compile(&message.rate_limits, ctx);
        let request = &message.request_headers_to_add_when_not_enforced;
        let request_headers = HeaderMutations::compile(request, &[], ctx);
        let response_headers = HeaderMutations::compile(&message.response_headers_to_add, &[], ctx);
        let response_headers = response_headers?;
        let status = message.status.as_ref().map_or(0, HttpStatus::number);
        let exhausted = message.rate_limited_as_resource_exhausted;
        Ok(Limit {
            limiter: limiter?,
            own: own?,
            stage: message.stage,
            of_hosts: message.vh_rate_limits,
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
            tells_when_to_retry: message.enable_retry_after_header,
            stat_prefix: message.stat_prefix.as_str().into(),
            alive: Arc::default(),
        })
    }

    /// The scope of its counters.
    pub(super) fn scope(&self, root: &Scope) -> Option<Scope> {
        root.scope(&self.stat_prefix)
    }

    /// What a request is counted by.
    pub(super) fn describe(
        &self,
        asked: &Asked<'_>,
        of_route: &RouteRateLimits<'_>,
    ) -> Vec<Descriptor> {
        let mut descriptors = Vec::new();
        if !self.own.is_empty() {
            self.own.describe(Moment::Request, asked, &mut descriptors);
            return descriptors;
        }
        if let Some(route) = of_route.route {
            route.describe(self.stage, asked, &mut descriptors);
        }
        let counts_host = match self.of_hosts {
            _ if of_route.includes_host => true,
            VhRateLimits::Include => true,
            VhRateLimits::Ignore => false,
            VhRateLimits::Override => of_route.route.is_none_or(RateLimitPolicy::is_empty),
        };
        if let Some(host) = of_route.host.filter(|_| counts_host) {
            host.describe(self.stage, asked, &mut descriptors);
        }
        descriptors
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
