//! What is counted of each try at a host where a cluster tracks it (`track_cluster_stats`): the sizes of heads and
//! bodies, and how much of its time it took.
//!
//! As in Envoy a head's size is that of its names and values, a time without a limit counts as none of it, and what
//! ends before its head has come has no size of an answer.

use std::sync::Arc;
use std::time::Duration;

use nuncio_contract::stats::Scope;
use nuncio_contract::stats::groups::{RequestSizeStats, TimeoutBudgetStats};

use crate::cluster::TrackedStats;

/// The tries of a cluster on one worker.
pub struct TryStats {
    sizes: Option<Arc<RequestSizeStats>>,
    budgets: Option<Arc<TimeoutBudgetStats>>,
}

/// How large a try was.
#[derive(Clone, Copy, Debug, Default)]
pub struct TrySizes {
    /// Headers of the request, and their bytes.
    pub request_head: (usize, usize),
    /// Bytes of its body.
    pub request_body: u64,
    /// Headers of the answer's heads, and their bytes, if one has come.
    pub response_head: Option<(usize, usize)>,
    /// Bytes of its body.
    pub response_body: u64,
}

impl TryStats {
    pub(crate) fn new(scope: &Scope, tracked: TrackedStats) -> Option<Self> {
        (tracked.sizes || tracked.budgets).then(|| Self {
            sizes: tracked.sizes.then(|| scope.worker_group()),
            budgets: tracked.budgets.then(|| scope.worker_group()),
        })
    }

    /// Records the sizes of a try that is over.
    pub fn record_sizes(&self, sizes: TrySizes) {
        let Some(stats) = &self.sizes else { return };
        let (count, bytes) = sizes.request_head;
        stats.upstream_rq_headers_count.record(wide(count));
        stats.upstream_rq_headers_size.record(wide(bytes));
        stats.upstream_rq_body_size.record(sizes.request_body);
        if let Some((count, bytes)) = sizes.response_head {
            stats.upstream_rs_headers_count.record(wide(count));
            stats.upstream_rs_headers_size.record(wide(bytes));
            stats.upstream_rs_body_size.record(sizes.response_body);
        }
    }

    /// Records how much of the time for a try is used.
    pub fn record_try(&self, took: Duration, limit: Option<Duration>) {
        if let Some(stats) = &self.budgets {
            let used = percent_of(took, limit);
            (stats.upstream_rq_timeout_budget_per_try_percent_used).record(used);
        }
    }

    /// Records how much of the time for the whole response is used.
    pub fn record_request(&self, took: Duration, limit: Option<Duration>) {
        if let Some(stats) = &self.budgets {
            let used = percent_of(took, limit);
            stats.upstream_rq_timeout_budget_percent_used.record(used);
        }
    }
}

fn percent_of(took: Duration, limit: Option<Duration>) -> u64 {
    let limit_ms = limit.map_or(0, |limit| limit.as_millis());
    let used = took.as_millis().saturating_mul(100).checked_div(limit_ms);
    u64::try_from(used.unwrap_or(0)).unwrap_or(u64::MAX)
}

fn wide(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn used_time_is_a_whole_per_cent_of_the_limit_and_nothing_of_none() {
        let ms = Duration::from_millis;
        assert_eq!(percent_of(ms(300), Some(ms(900))), 33);
        assert_eq!(percent_of(ms(301), Some(ms(300))), 100);
        assert_eq!(percent_of(ms(900), Some(ms(300))), 300);
        assert_eq!(percent_of(ms(900), Some(Duration::ZERO)), 0);
        assert_eq!(percent_of(ms(900), None), 0);
    }
}
