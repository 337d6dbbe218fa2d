//! `outlier_detection` of a cluster, with the `error_matcher` of its HTTP options.

use std::sync::Arc;
use std::time::Duration;

use nuncio_config::message;
use nuncio_config::typed::{Ctx, Refused, Spanned};

use super::Cluster;
use super::http_options::HttpProtocolOptions;
use crate::outlier_detection::{Configured, ErrorMatcher, MatchPredicate, OutlierSettings};

message! {
    /// How hosts are found out that answer with errors.
    pub(crate) struct OutlierDetection: "envoy.config.cluster.v3.OutlierDetection" {
        inert monitors = "Envoy 1.40 does not look at them in clusters";
        consecutive_5xx: Option<u32>,
        interval: Option<Duration>,
        base_ejection_time: Option<Duration>,
        max_ejection_percent: Option<u32>,
        enforcing_consecutive_5xx: Option<u32>,
        enforcing_success_rate: Option<u32>,
        success_rate_minimum_hosts: Option<u32>,
        success_rate_request_volume: Option<u32>,
        success_rate_stdev_factor: Option<u32>,
        consecutive_gateway_failure: Option<u32>,
        enforcing_consecutive_gateway_failure: Option<u32>,
        split_external_local_origin_errors: bool,
        consecutive_local_origin_failure: Option<u32>,
        enforcing_consecutive_local_origin_failure: Option<u32>,
        enforcing_local_origin_success_rate: Option<u32>,
        failure_percentage_threshold: Option<u32>,
        enforcing_failure_percentage: Option<u32>,
        enforcing_failure_percentage_local_origin: Option<u32>,
        failure_percentage_minimum_hosts: Option<u32>,
        failure_percentage_request_volume: Option<u32>,
        max_ejection_time: Option<Spanned<Duration>>,
        max_ejection_time_jitter: Option<Duration>,
        successful_active_health_check_uneject_host: Option<bool>,
        always_eject_one_host: Option<bool>,
        detect_degraded_hosts: Option<bool>,
    }
}

message! {
    /// Which responses are errors.
    pub(crate) struct HttpOutlierDetection: "envoy.extensions.upstreams.http.v3.HttpProtocolOptions.OutlierDetection" {
        error_matcher: MatchPredicate,
    }
}

/// The longest ejection, unless the first is longer.
const MAX_EJECTION_TIME_MS: u64 = 300_000;
const BASE_EJECTION_TIME_MS: u64 = 30_000;

/// The settings of a cluster that has outlier detection.
pub(super) fn read(
    cluster: &Cluster,
    options: Option<&HttpProtocolOptions>,
    ctx: &mut Ctx,
) -> Result<Option<Arc<OutlierSettings>>, Refused> {
    let error_matcher = match options.and_then(HttpProtocolOptions::error_matcher) {
        Some(predicate) => Some(ErrorMatcher::compile(predicate, ctx)?),
        None => None,
    };
    let Some(written) = &cluster.outlier_detection else {
        return Ok(None);
    };
    let settings = OutlierSettings::new(&written.configured(ctx)?, &ctx.runtime);
    Ok(Some(Arc::new(OutlierSettings {
        splits_origins: written.split_external_local_origin_errors,
        always_eject_one: written.always_eject_one_host.unwrap_or(false),
        health_check_unejects: written
            .successful_active_health_check_uneject_host
            .unwrap_or(true),
        detects_degraded: written.detect_degraded_hosts.unwrap_or(false),
        error_matcher,
        ..settings
    })))
}

impl HttpOutlierDetection {
    pub(super) fn error_matcher(&self) -> &MatchPredicate {
        &self.error_matcher
    }
}

impl OutlierDetection {
    fn configured(&self, ctx: &mut Ctx) -> Result<Configured, Refused> {
        let base_ejection_time_ms = self.base_ejection_time.map(milliseconds);
        let base = base_ejection_time_ms.unwrap_or(BASE_EJECTION_TIME_MS);
        let most = self.max_ejection_time.as_ref();
        if let Some(most) = most.filter(|most| milliseconds(most.value) < base) {
            let text =
                "outlier detector's max_ejection_time cannot be smaller than base_ejection_time";
            ctx.error(most.span, text);
            return Err(Refused);
        }
        let most = most.map(|most| milliseconds(most.value));
        let number = |number: Option<u32>| number.map(u64::from);
        Ok(Configured {
            interval_ms: self.interval.map(milliseconds),
            base_ejection_time_ms,
            max_ejection_time_ms: Some(most.unwrap_or(base.max(MAX_EJECTION_TIME_MS))),
            max_ejection_time_jitter_ms: self.max_ejection_time_jitter.map(milliseconds),
            max_ejection_percent: number(self.max_ejection_percent),
            consecutive_5xx: number(self.consecutive_5xx),
            consecutive_gateway_failure: number(self.consecutive_gateway_failure),
            consecutive_local_origin_failure: number(self.consecutive_local_origin_failure),
            enforcing_consecutive_5xx: number(self.enforcing_consecutive_5xx),
            enforcing_consecutive_gateway_failure: number(
                self.enforcing_consecutive_gateway_failure,
            ),
            enforcing_consecutive_local_origin_failure: number(
                self.enforcing_consecutive_local_origin_failure,
            ),
            enforcing_success_rate: number(self.enforcing_success_rate),
            enforcing_local_origin_success_rate: number(self.enforcing_local_origin_success_rate),
            enforcing_failure_percentage: number(self.enforcing_failure_percentage),
            enforcing_failure_percentage_local_origin: number(
                self.enforcing_failure_percentage_local_origin,
            ),
            success_rate_minimum_hosts: number(self.success_rate_minimum_hosts),
            success_rate_request_volume: number(self.success_rate_request_volume),
            success_rate_stdev_factor: number(self.success_rate_stdev_factor),
            failure_percentage_threshold: number(self.failure_percentage_threshold),
            failure_percentage_minimum_hosts: number(self.failure_percentage_minimum_hosts),
            failure_percentage_request_volume: number(self.failure_percentage_request_volume),
        })
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
