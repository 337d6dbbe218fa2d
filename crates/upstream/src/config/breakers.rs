//! The limits of a cluster's circuit breakers. Of several for the same priority the first counts.

use nuncio_config::typed::{Ctx, Refused};

use super::messages::{CircuitBreakers, RetryBudgetMessage, RoutingPriority, Threshold};
use crate::cluster::{ResourcePriority, RetryBudget, Thresholds};

/// The limits: default, high.
pub(super) fn read(breakers: &CircuitBreakers, ctx: &mut Ctx) -> Result<[Thresholds; 2], Refused> {
    let of = |written: &[Threshold], priority| {
        let mut written = written.iter();
        written.find(|one| one.of() == priority).cloned()
    };
    let mut limits = [Thresholds::default(); 2];
    for (limits, priority) in limits.iter_mut().zip(ResourcePriority::ALL) {
        if let Some(written) = of(&breakers.thresholds, priority) {
            *limits = written.limits();
        }
        let Some(written) = of(&breakers.per_host_thresholds, priority) else {
            continue;
        };
        if written.limits_more_than_connections() {
            ctx.error(written.span(), "Unsupported field in per_host_thresholds");
            return Err(Refused);
        }
        limits.max_connections_per_host = written.max_connections.unwrap_or(u32::MAX);
    }
    Ok(limits)
}

impl Threshold {
    fn of(&self) -> ResourcePriority {
        match self.priority {
            RoutingPriority::Default => ResourcePriority::Default,
            RoutingPriority::High => ResourcePriority::High,
        }
    }

    fn limits(&self) -> Thresholds {
        let default = Thresholds::default();
        Thresholds {
            max_connections: self.max_connections.unwrap_or(default.max_connections),
            max_pending_requests: self
                .max_pending_requests
                .unwrap_or(default.max_pending_requests),
            max_requests: self.max_requests.unwrap_or(default.max_requests),
            max_retries: self.max_retries.unwrap_or(default.max_retries),
            max_connection_pools: self
                .max_connection_pools
                .unwrap_or(default.max_connection_pools),
            retry_budget: self.retry_budget.as_ref().map(retry_budget),
            track_remaining: self.track_remaining,
            ..default
        }
    }

    /// Whether it says what hosts cannot have.
    fn limits_more_than_connections(&self) -> bool {
        self.max_pending_requests.is_some()
            || self.max_requests.is_some()
            || self.max_retries.is_some()
            || self.max_connection_pools.is_some()
            || self.retry_budget.is_some()
    }
}

fn retry_budget(written: &RetryBudgetMessage) -> RetryBudget {
    let percent = written.budget_percent.as_ref();
    RetryBudget {
        percent: percent.map_or(20.0, |percent| percent.value),
        min_concurrency: written.min_retry_concurrency.unwrap_or(3),
        interval: written
            .budget_interval
            .filter(|interval| !interval.is_zero()),
    }
}
