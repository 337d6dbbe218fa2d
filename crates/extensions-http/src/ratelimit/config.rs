//! The rate limit filter's config, compiled.

use std::sync::Arc;
use std::time::Duration;

use nuncio_config::runtime::RuntimeKey;
use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_contract::grpc_client::GrpcTarget;
use nuncio_contract::header_mutation::HeaderMutations;
use nuncio_contract::http_filter::HttpFilterConfig;
use nuncio_contract::http_status::HttpStatus;
use nuncio_contract::level_config::LevelConfig;
use nuncio_contract::matching::RuntimeFractionalPercent;
use nuncio_contract::rate_limit::{
    Asked, Descriptor, FilterRateLimits, Moment, RateLimitPolicy, RouteRateLimits,
};
use nuncio_contract::registry::RouteFilterConfig;

use super::messages::{RateLimit, RateLimitPerRoute, VhRateLimits, XRateLimitHeaders};

pub(super) const TOO_MANY_REQUESTS: u16 = 429;
const INTERNAL_ERROR: u16 = 500;
const LEAST_ERROR: u16 = 400;
const RESOURCE_EXHAUSTED: u32 = 8;
const DEFAULT_TIMEOUT: Duration = Duration::from_millis(20);
const DEFAULT_NAMESPACE: &str = "envoy.filters.http.ratelimit";

/// Whose requests are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RequestType {
    Both,
    Internal,
    External,
}

/// The compiled config of a chain.
pub(super) struct Settings {
    pub(super) target: GrpcTarget,
    pub(super) domain: Box<str>,
    stage: u32,
    pub(super) request_type: RequestType,
    pub(super) timeout: Duration,
    denies_on_error: bool,
    /// The share of requests that are refused on errors, whatever else is said.
    denied_on_error: Option<RuntimeFractionalPercent>,
    pub(super) tells_when_again: bool,
    pub(super) grpc_status: Option<u32>,
    pub(super) tells_of_limit: bool,
    pub(super) tells_that_limited: bool,
    pub(super) status: u16,
    pub(super) status_on_error: u16,
    pub(super) response_headers: Option<Arc<HeaderMutations>>,
    pub(super) stat_prefix: Box<str>,
    enabled: Option<RuntimeFractionalPercent>,
    enabled_key: RuntimeKey,
    enforced: Option<RuntimeFractionalPercent>,
    enforced_key: RuntimeKey,
    own: FilterRateLimits,
    pub(super) namespace: Box<str>,
}

/// A level's part.
pub(super) struct Level {
    of_hosts: VhRateLimits,
    own: FilterRateLimits,
    pub(super) domain: Option<Box<str>>,
}

/// The chain's config, shared by the workers.
pub(super) struct ChainConfig(pub(super) Arc<Settings>);

impl LevelConfig for Level {}

pub(super) fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn HttpFilterConfig>, Refused> {
    let settings = Settings::compile(&any.decode(ctx)?, ctx)?;
    Ok(Arc::new(ChainConfig(Arc::new(settings))))
}

pub(super) fn parse_per_route(any: &Any, ctx: &mut Ctx) -> Result<RouteFilterConfig, Refused> {
    let message: RateLimitPerRoute = any.decode(ctx)?;
    let domain = message.domain.as_str();
    Ok(Arc::new(Level {
        of_hosts: message.vh_rate_limits,
        own: FilterRateLimits::compile(&message.rate_limits, ctx)?,
        domain: (!domain.is_empty()).then(|| domain.into()),
    }))
}

impl Settings {
    fn compile(message: &RateLimit, ctx: &mut Ctx) -> Result<Self, Refused> {
        let service = &message.rate_limit_service;
        let added = HeaderMutations::compile(&message.response_headers_to_add, &[], ctx)?;
        let status = |status: &Option<HttpStatus>| status.as_ref().map_or(0, HttpStatus::number);
        let (limited, on_error) = (
            status(&message.rate_limited_status),
            status(&message.status_on_error),
        );
        let exhausted = message.rate_limited_as_resource_exhausted;
        Ok(Settings {
            target: service.grpc_service.compile(ctx)?,
            domain: message.domain.as_str().into(),
            stage: message.stage,
            request_type: match message.request_type.value.as_str() {
                "internal" => RequestType::Internal,
                "external" => RequestType::External,
                _ => RequestType::Both,
            },
            timeout: message.timeout.unwrap_or(DEFAULT_TIMEOUT),
            denies_on_error: message.failure_mode_deny,
            denied_on_error: message.failure_mode_deny_percent.clone(),
            tells_when_again: message.enable_retry_after_header,
            grpc_status: exhausted.then_some(RESOURCE_EXHAUSTED),
            tells_of_limit: message.enable_x_ratelimit_headers == XRateLimitHeaders::DraftVersion03,
            tells_that_limited: !message.disable_x_envoy_ratelimited_header,
            status: match limited {
                LEAST_ERROR.. => limited,
                _ => TOO_MANY_REQUESTS,
            },
            status_on_error: match on_error {
                LEAST_ERROR.. => on_error,
                _ => INTERNAL_ERROR,
            },
            response_headers: (!added.is_empty()).then(|| Arc::new(added)),
            stat_prefix: message.stat_prefix.as_str().into(),
            enabled: message.filter_enabled.clone(),
            enabled_key: ctx.runtime.key("ratelimit.http_filter_enabled"),
            enforced: message.filter_enforced.clone(),
            enforced_key: ctx.runtime.key("ratelimit.http_filter_enforcing"),
            own: FilterRateLimits::compile(&message.rate_limits, ctx)?,
            namespace: match message.metadata_namespace.as_str() {
                "" => DEFAULT_NAMESPACE.into(),
                namespace => namespace.into(),
            },
        })
    }

    /// Whether a request that draws this number is counted.
    pub(super) fn is_enabled(&self, random: impl FnOnce() -> u64) -> bool {
        chosen(self.enabled.as_ref(), &self.enabled_key, random)
    }

    /// Whether it is answered where it is one too many.
    pub(super) fn is_enforced(&self, random: impl FnOnce() -> u64) -> bool {
        chosen(self.enforced.as_ref(), &self.enforced_key, random)
    }

    /// Whether a request that draws this number is refused where the service fails.
    pub(super) fn denies_on_error(&self, random: impl FnOnce() -> u64) -> bool {
        let share = self.denied_on_error.as_ref();
        share.map_or(self.denies_on_error, |share| share.chooses(random()))
    }

    /// What a stream is counted by.
    pub(super) fn limits<'a>(
        &'a self,
        level: Option<&'a Level>,
        of_route: &RouteRateLimits<'a>,
    ) -> Limits<'a> {
        let own = level.map(|level| &level.own).filter(|own| !own.is_empty());
        let own = own.or(Some(&self.own).filter(|own| !own.is_empty()));
        if let Some(own) = own {
            return Limits::Own(own);
        }
        let counts_host = match level.map_or(VhRateLimits::Override, |level| level.of_hosts) {
            _ if of_route.includes_host => true,
            VhRateLimits::Include => true,
            VhRateLimits::Ignore => false,
            VhRateLimits::Override => of_route.route.is_none_or(RateLimitPolicy::is_empty),
        };
        Limits::OfRoute {
            stage: self.stage,
            policies: [of_route.route, of_route.host.filter(|_| counts_host)],
        }
    }
}

/// What a stream is counted by.
pub(super) enum Limits<'a> {
    /// A configuration of the filter.
    Own(&'a FilterRateLimits),
    /// The route and the virtual host.
    OfRoute {
        stage: u32,
        policies: [Option<&'a RateLimitPolicy>; 2],
    },
}

/// The same, for when the route is no longer there.
pub(super) enum KeptLimits {
    Own(FilterRateLimits),
    OfRoute {
        stage: u32,
        policies: [Option<RateLimitPolicy>; 2],
    },
}

impl Limits<'_> {
    pub(super) fn describe(&self, moment: Moment, asked: &Asked<'_>) -> Vec<Descriptor> {
        let mut descriptors = Vec::new();
        match self {
            Limits::Own(own) => own.describe(moment, asked, &mut descriptors),
            Limits::OfRoute { stage, policies } => {
                for policy in policies.iter().flatten() {
                    policy.describe_for_service(*stage, Some(moment), asked, &mut descriptors);
                }
            }
        }
        descriptors
    }

    /// What is needed at the end of the stream; none if nothing is counted then.
    pub(super) fn kept_for_done(&self) -> Option<KeptLimits> {
        match *self {
            Limits::Own(own) => own
                .counts_done()
                .then(|| KeptLimits::Own(FilterRateLimits::clone(own))),
            Limits::OfRoute { stage, policies } => {
                let mut given = policies.iter().flatten();
                given
                    .any(|policy| policy.counts_done(stage))
                    .then(|| KeptLimits::OfRoute {
                        stage,
                        policies: policies.map(|policy| policy.cloned()),
                    })
            }
        }
    }
}

impl KeptLimits {
    pub(super) fn describe(&self, asked: &Asked<'_>) -> Vec<Descriptor> {
        let limits = match self {
            KeptLimits::Own(own) => Limits::Own(own),
            KeptLimits::OfRoute { stage, policies } => Limits::OfRoute {
                stage: *stage,
                policies: policies.each_ref().map(Option::as_ref),
            },
        };
        limits.describe(Moment::Done, asked)
    }
}

/// By the configuration, or else by the key of runtime that stands for all.
fn chosen(
    share: Option<&RuntimeFractionalPercent>,
    key: &RuntimeKey,
    random: impl FnOnce() -> u64,
) -> bool {
    match share {
        Some(share) => share.chooses(random()),
        None => {
            let share = key.integer(100);
            share >= 100 || random() % 100 < share
        }
    }
}
