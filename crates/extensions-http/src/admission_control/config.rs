//! The messages of admission control, compiled once.

use std::sync::Arc;
use std::time::Duration;

use nuncio_config::runtime::RuntimeKey;
use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_config::{message, one_of};
use nuncio_contract::http_filter::HttpFilterConfig;
use nuncio_contract::matching::RuntimeFeatureFlag;

const SAMPLING_WINDOW: Duration = Duration::from_secs(30);
const LEAST_WINDOW: Duration = Duration::from_secs(1);
const SUCCESS_RATE_PERCENT: f64 = 95.0;
const MAX_REJECTION_PERCENT: f64 = 80.0;
const LAST_GRPC_STATUS: u32 = 16;
/// All but DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, ABORTED, INTERNAL, UNAVAILABLE and DATA_LOSS.
const GRPC_SUCCESS: [u32; 11] = [0, 1, 2, 3, 5, 6, 7, 9, 11, 12, 16];

message! {
    /// The filter's config.
    pub(super) struct AdmissionControl: "envoy.extensions.filters.http.admission_control.v3.AdmissionControl" {
        enabled: Option<RuntimeFeatureFlag>,
        oneof evaluation_criteria: EvaluationCriteria,
        sampling_window: Option<Duration>,
        aggression: Option<RuntimeDouble>,
        sr_threshold: Option<RuntimePercent>,
        rps_threshold: Option<RuntimeUInt32>,
        max_rejection_probability: Option<RuntimePercent>,
    }
}

one_of! {
    /// What is a success.
    enum EvaluationCriteria {
        success_criteria => Success(SuccessCriteria),
    }
}

message! {
    /// What is a success, by statuses.
    struct SuccessCriteria: "envoy.extensions.filters.http.admission_control.v3.AdmissionControl.SuccessCriteria" {
        http_criteria: Option<HttpCriteria>,
        grpc_criteria: Option<GrpcCriteria>,
    }
}

message! {
    /// Statuses of HTTP.
    struct HttpCriteria: "envoy.extensions.filters.http.admission_control.v3.AdmissionControl.SuccessCriteria.HttpCriteria" {
        http_success_status: Vec<Int32Range>,
    }
}

message! {
    /// Statuses of gRPC.
    struct GrpcCriteria: "envoy.extensions.filters.http.admission_control.v3.AdmissionControl.SuccessCriteria.GrpcCriteria" {
        grpc_success_status: Vec<u32>,
    }
}

message! {
    /// From `start` to before `end`.
    struct Int32Range: "envoy.type.v3.Int32Range" {
        start: i32,
        end: i32,
    }
}

message! {
    /// A number that the runtime may change.
    struct RuntimeDouble: "envoy.config.core.v3.RuntimeDouble" {
        default_value: f64,
        runtime_key: RuntimeKey,
    }
}

message! {
    /// A percentage that the runtime may change.
    struct RuntimePercent: "envoy.config.core.v3.RuntimePercent" {
        default_value: Percent,
        runtime_key: RuntimeKey,
    }
}

message! {
    /// A percentage.
    struct Percent: "envoy.type.v3.Percent" {
        value: f64,
    }
}

message! {
    /// A whole number that the runtime may change.
    struct RuntimeUInt32: "envoy.config.core.v3.RuntimeUInt32" {
        default_value: u32,
        runtime_key: RuntimeKey,
    }
}

/// The chain's config, shared by the workers.
pub(super) struct ChainConfig(pub(super) Arc<Settings>);

/// The same.
pub(super) struct Settings {
    enabled: Option<RuntimeFeatureFlag>,
    /// None: all below 500.
    http_success: Option<Box<[(u16, u16)]>>,
    grpc_success: Box<[u32]>,
    pub(super) window: Duration,
    aggression: Option<RuntimeDouble>,
    success_rate: Option<RuntimePercent>,
    least_rate: Option<RuntimeUInt32>,
    max_rejection: Option<RuntimePercent>,
}

/// What is in force for one request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Thresholds {
    /// Requests a second.
    pub(super) least_rate: u64,
    /// A share.
    pub(super) success_rate: f64,
    pub(super) aggression: f64,
    /// A share.
    pub(super) max_rejection: f64,
}

pub(super) fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn HttpFilterConfig>, Refused> {
    let message: AdmissionControl = any.decode(ctx)?;
    Ok(Arc::new(ChainConfig(Arc::new(Settings::compile(
        message, ctx,
    )?))))
}

impl Settings {
    fn compile(message: AdmissionControl, ctx: &mut Ctx) -> Result<Self, Refused> {
        let span = message.span();
        let threshold = message.sr_threshold.as_ref();
        // Envoy asks whether it is less than one percent.
        if threshold.is_some_and(|threshold| threshold.default_value.value < 1.0) {
            let text = "Success rate threshold cannot be less than 1.0%.";
            ctx.error(span, text);
            return Err(Refused);
        }
        let EvaluationCriteria::Success(criteria) = &message.evaluation_criteria;
        let http_success = criteria.http_criteria.as_ref();
        let http_success = http_success.map(|it| ranges(it, ctx)).transpose()?;
        let grpc_success = match &criteria.grpc_criteria {
            None => GRPC_SUCCESS.into(),
            Some(criteria) => statuses(criteria, ctx)?,
        };
        let window = message.sampling_window.unwrap_or(SAMPLING_WINDOW);
        Ok(Settings {
            enabled: message.enabled,
            http_success,
            grpc_success,
            window: Duration::from_secs(window.as_secs()).max(LEAST_WINDOW),
            aggression: message.aggression,
            success_rate: message.sr_threshold,
            least_rate: message.rps_threshold,
            max_rejection: message.max_rejection_probability,
        })
    }

    pub(super) fn is_enabled(&self) -> bool {
        self.enabled.as_ref().is_none_or(RuntimeFeatureFlag::is_on)
    }

    pub(super) fn is_http_success(&self, status: u16) -> bool {
        match &self.http_success {
            None => status < 500,
            Some(ranges) => {
                let mut ranges = ranges.iter();
                ranges.any(|(start, end)| (*start..*end).contains(&status))
            }
        }
    }

    pub(super) fn is_grpc_success(&self, status: u32) -> bool {
        self.grpc_success.contains(&status)
    }

    pub(super) fn thresholds(&self) -> Thresholds {
        let percent = |own: Option<&RuntimePercent>, default: f64| {
            let percent = own.map_or(default, RuntimePercent::value);
            percent.min(100.0) / 100.0
        };
        let least_rate = self.least_rate.as_ref();
        let aggression = self.aggression.as_ref();
        let aggression = aggression.map_or(1.0, |it| it.runtime_key.double(it.default_value));
        Thresholds {
            least_rate: least_rate.map_or(0, |it| it.runtime_key.integer(it.default_value.into())),
            success_rate: percent(self.success_rate.as_ref(), SUCCESS_RATE_PERCENT),
            aggression: aggression.max(1.0),
            max_rejection: percent(self.max_rejection.as_ref(), MAX_REJECTION_PERCENT),
        }
    }
}

impl RuntimePercent {
    fn value(&self) -> f64 {
        self.runtime_key.double(self.default_value.value)
    }
}

fn ranges(criteria: &HttpCriteria, ctx: &mut Ctx) -> Result<Box<[(u16, u16)]>, Refused> {
    let ranges = criteria.http_success_status.iter();
    let ranges = ranges.map(|range| {
        let (start, end) = (range.start, range.end);
        let is_one = start <= end && (100..=600).contains(&start) && (100..=600).contains(&end);
        let known = u16::try_from(start).ok().zip(u16::try_from(end).ok());
        known.filter(|_| is_one).ok_or_else(|| {
            ctx.error(
                range.span(),
                format!("invalid HTTP range: [{start}, {end})"),
            );
            Refused
        })
    });
    ranges.collect()
}

fn statuses(criteria: &GrpcCriteria, ctx: &mut Ctx) -> Result<Box<[u32]>, Refused> {
    let mut all = criteria.grpc_success_status.iter();
    if let Some(status) = all.find(|status| **status > LAST_GRPC_STATUS) {
        ctx.error(criteria.span(), format!("invalid gRPC code {status}"));
        return Err(Refused);
    }
    Ok(criteria.grpc_success_status.as_slice().into())
}
