//! The messages of the bandwidth limit filter.

use std::sync::Arc;
use std::time::Duration;

use nuncio_config::typed::{Any, Ctx, Refused, Spanned};
use nuncio_config::{enumeration, message};
use nuncio_contract::headers::HeaderName;
use nuncio_contract::http_filter::HttpFilterConfig;
use nuncio_contract::level_config::LevelConfig;
use nuncio_contract::matching::RuntimeFeatureFlag;
use nuncio_contract::registry::RouteFilterConfig;
use nuncio_contract::stats::Scope;
use nuncio_contract::token_bucket::TokenBucket;

use super::stats::BandwidthLimitStats;
use crate::pacing::DEFAULT_FILL_INTERVAL;

const KIB_BYTES: u64 = 1024;

message! {
    /// The filter's config, and a route's.
    pub(super) struct BandwidthLimit: "envoy.extensions.filters.http.bandwidth_limit.v3.BandwidthLimit" {
        stat_prefix: String,
        enable_mode: EnableMode,
        limit_kbps: Option<u64>,
        fill_interval: Option<Duration>,
        runtime_enabled: Option<RuntimeFeatureFlag>,
        enable_response_trailers: bool,
        response_trailer_prefix: Spanned<String>,
    }
}

enumeration! {
    /// Which directions have the limit.
    pub(super) enum EnableMode:
        "envoy.extensions.filters.http.bandwidth_limit.v3.BandwidthLimit.EnableMode" {
        DISABLED => Disabled,
        REQUEST => Request,
        RESPONSE => Response,
        REQUEST_AND_RESPONSE => RequestAndResponse,
    }
}

/// The compiled config of a chain or a level.
pub(super) struct Limit {
    mode: EnableMode,
    enabled: Option<RuntimeFeatureFlag>,
    pub(super) bytes: TokenBucket,
    pub(super) fill_interval: Duration,
    /// None where no trailers are added.
    pub(super) trailers: Option<TrailerNames>,
    stat_prefix: Box<str>,
    /// Lives as long as the config, so that workers can tell.
    pub(super) alive: Arc<()>,
}

/// The trailers that tell how long it took.
pub(super) struct TrailerNames {
    pub(super) request: HeaderName,
    pub(super) response: HeaderName,
    pub(super) request_by_filter: HeaderName,
    pub(super) response_by_filter: HeaderName,
}

/// The chain's config, shared by the workers.
pub(super) struct ChainConfig(pub(super) Arc<Limit>);

impl LevelConfig for Limit {
    fn register(&self, root: &Scope) -> Option<Scope> {
        let scope = self.scope(root)?;
        scope.register::<BandwidthLimitStats>();
        Some(scope)
    }
}

pub(super) fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn HttpFilterConfig>, Refused> {
    let limit = Limit::compile(&any.decode(ctx)?, ctx)?;
    Ok(Arc::new(ChainConfig(Arc::new(limit))))
}

pub(super) fn parse_per_route(any: &Any, ctx: &mut Ctx) -> Result<RouteFilterConfig, Refused> {
    let message: BandwidthLimit = any.decode(ctx)?;
    if message.limit_kbps.is_none() {
        let text = "limit must be set for per route filter config";
        ctx.error(message.span(), text);
        return Err(Refused);
    }
    Ok(Arc::new(Limit::compile(&message, ctx)?))
}

impl Limit {
    /// As in Envoy, without a limit nothing passes where the filter is enabled.
    fn compile(message: &BandwidthLimit, ctx: &mut Ctx) -> Result<Self, Refused> {
        let limit_kib = message.limit_kbps.unwrap_or(0);
        let is_on = message.enable_mode != EnableMode::Disabled;
        if is_on && limit_kib == 0 {
            let text = "without `limit_kbps` no byte of a body passes";
            ctx.warning(message.span(), text);
        }
        let trailers = message
            .enable_response_trailers
            .then(|| TrailerNames::compile(&message.response_trailer_prefix, ctx));
        Ok(Limit {
            mode: message.enable_mode,
            enabled: message.runtime_enabled.clone(),
            bytes: TokenBucket::of_a_second(limit_kib.saturating_mul(KIB_BYTES)),
            fill_interval: message.fill_interval.unwrap_or(DEFAULT_FILL_INTERVAL),
            trailers: trailers.transpose()?,
            stat_prefix: message.stat_prefix.as_str().into(),
            alive: Arc::default(),
        })
    }

    /// The scope of its counters.
    pub(super) fn scope(&self, root: &Scope) -> Option<Scope> {
        root.scope(&self.stat_prefix)
    }

    fn is_on(&self) -> bool {
        self.enabled.as_ref().is_none_or(RuntimeFeatureFlag::is_on)
    }

    pub(super) fn limits_requests(&self) -> bool {
        let is_of_mode = matches!(
            self.mode,
            EnableMode::Request | EnableMode::RequestAndResponse
        );
        is_of_mode && self.is_on()
    }

    pub(super) fn limits_responses(&self) -> bool {
        let is_of_mode = matches!(
            self.mode,
            EnableMode::Response | EnableMode::RequestAndResponse
        );
        is_of_mode && self.is_on()
    }
}

impl TrailerNames {
    fn compile(prefix: &Spanned<String>, ctx: &mut Ctx) -> Result<Self, Refused> {
        let name = |what: &str| {
            let name = match prefix.value.as_str() {
                "" => format!("bandwidth-{what}-delay-ms"),
                prefix => format!("{prefix}-bandwidth-{what}-delay-ms").to_ascii_lowercase(),
            };
            HeaderName::parse(&name).ok()
        };
        let names = || {
            Some(TrailerNames {
                request: name("request")?,
                response: name("response")?,
                request_by_filter: name("request-filter")?,
                response_by_filter: name("response-filter")?,
            })
        };
        names().ok_or_else(|| {
            let text = format!("`{}` is not the begin of a header name", prefix.value);
            ctx.error(prefix.span, text);
            Refused
        })
    }
}
