//! The messages of adaptive concurrency, compiled once.

use std::sync::Arc;
use std::time::Duration;

use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_config::{message, one_of};
use nuncio_contract::http_filter::HttpFilterConfig;
use nuncio_contract::http_status::HttpStatus;
use nuncio_contract::matching::RuntimeFeatureFlag;

use super::controller::Shared;

const STATUS: u16 = 503;
const PERCENTILE: f64 = 50.0;
const MAX_LIMIT: u32 = 1000;
const JITTER_PERCENT: f64 = 15.0;
const REQUEST_COUNT: u32 = 50;
const MIN_CONCURRENCY: u32 = 3;
const BUFFER_PERCENT: f64 = 25.0;
/// So that what is due is always later.
const LEAST_INTERVAL: Duration = Duration::from_millis(1);

message! {
    /// The filter's config.
    pub(super) struct AdaptiveConcurrency:
        "envoy.extensions.filters.http.adaptive_concurrency.v3.AdaptiveConcurrency" {
        oneof concurrency_controller_config: Kind,
        enabled: Option<RuntimeFeatureFlag>,
        concurrency_limit_exceeded_status: Option<HttpStatus>,
    }
}

one_of! {
    /// Who decides.
    enum Kind {
        gradient_controller_config => Gradient(GradientControllerConfig),
    }
}

message! {
    /// How the controller decides.
    struct GradientControllerConfig:
        "envoy.extensions.filters.http.adaptive_concurrency.v3.GradientControllerConfig" {
        sample_aggregate_percentile: Option<Percent>,
        concurrency_limit_params: LimitParams,
        min_rtt_calc_params: MinimumParams,
    }
}

message! {
    /// How often the limit changes, and how far.
    struct LimitParams:
        "envoy.extensions.filters.http.adaptive_concurrency.v3.GradientControllerConfig.ConcurrencyLimitCalculationParams" {
        max_concurrency_limit: Option<u32>,
        concurrency_update_interval: Duration,
        min_concurrency_limit: Option<u32>,
    }
}

message! {
    /// How the least latency is known.
    struct MinimumParams:
        "envoy.extensions.filters.http.adaptive_concurrency.v3.GradientControllerConfig.MinimumRTTCalculationParams" {
        interval: Option<Duration>,
        request_count: Option<u32>,
        jitter: Option<Percent>,
        min_concurrency: Option<u32>,
        buffer: Option<Percent>,
        fixed_value: Option<Duration>,
    }
}

message! {
    /// A percentage.
    struct Percent: "envoy.type.v3.Percent" {
        value: f64,
    }
}

/// The chain's config, shared by the workers.
pub(super) struct ChainConfig(pub(super) Arc<Shared>);

/// What does not change.
pub(super) struct Settings {
    enabled: Option<RuntimeFeatureFlag>,
    /// Of the answers to those that are too many.
    pub(super) status: u16,
    /// A share.
    pub(super) percentile: f64,
    pub(super) least_limit: u32,
    pub(super) most_limit: u32,
    pub(super) update_interval: Duration,
    pub(super) minimum: Minimum,
    /// A share on top of the least latency.
    pub(super) buffer: f64,
}

/// Where the least latency comes from.
#[derive(Clone, Copy)]
pub(super) enum Minimum {
    Fixed(Duration),
    Measured {
        interval: Duration,
        /// A share of the interval.
        jitter: f64,
        requests: u64,
        concurrency: u32,
    },
}

pub(super) fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn HttpFilterConfig>, Refused> {
    let message: AdaptiveConcurrency = any.decode(ctx)?;
    let settings = Settings::compile(message, ctx)?;
    Ok(Arc::new(ChainConfig(Arc::new(Shared::new(settings)))))
}

impl Settings {
    fn compile(message: AdaptiveConcurrency, ctx: &mut Ctx) -> Result<Self, Refused> {
        let Kind::Gradient(gradient) = &message.concurrency_controller_config;
        let params = &gradient.min_rtt_calc_params;
        let concurrency = params.min_concurrency.unwrap_or(MIN_CONCURRENCY);
        let minimum = match (params.fixed_value, params.interval) {
            (Some(fixed), _) => Minimum::Fixed(whole_millis(fixed)),
            (None, Some(interval)) => Minimum::Measured {
                interval: whole_millis(interval),
                jitter: share(params.jitter.as_ref(), JITTER_PERCENT),
                requests: params.request_count.unwrap_or(REQUEST_COUNT).into(),
                concurrency,
            },
            (None, None) => {
                let text = "adaptive_concurrency: neither `concurrency_update_interval` nor `fixed_value` set";
                ctx.error(params.span(), text);
                return Err(Refused);
            }
        };
        let limits = &gradient.concurrency_limit_params;
        let status = message.concurrency_limit_exceeded_status.as_ref();
        let status = status.map(HttpStatus::number);
        Ok(Settings {
            status: status.filter(|status| *status >= 400).unwrap_or(STATUS),
            percentile: share(gradient.sample_aggregate_percentile.as_ref(), PERCENTILE),
            least_limit: limits.min_concurrency_limit.unwrap_or(concurrency),
            most_limit: limits.max_concurrency_limit.unwrap_or(MAX_LIMIT),
            update_interval: whole_millis(limits.concurrency_update_interval).max(LEAST_INTERVAL),
            minimum,
            buffer: share(params.buffer.as_ref(), BUFFER_PERCENT),
            enabled: message.enabled,
        })
    }

    pub(super) fn is_enabled(&self) -> bool {
        self.enabled.as_ref().is_none_or(RuntimeFeatureFlag::is_on)
    }
}

fn share(percent: Option<&Percent>, default_percent: f64) -> f64 {
    percent.map_or(default_percent, |percent| percent.value) / 100.0
}

fn whole_millis(duration: Duration) -> Duration {
    Duration::from_millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}
