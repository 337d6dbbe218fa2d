//! What a cluster's pools and streams on one worker have in common.

use std::rc::Rc;
use std::sync::Arc;

use nuncio_contract::clock::Clock;
use nuncio_contract::stats::Gauge;
use nuncio_contract::stats::groups::{CircuitBreakerStats, ClusterLbStats, ClusterTrafficStats};

use super::ResponseStats;
use crate::cluster::breaker_prefix;
use crate::cluster::{Breakers, ClusterSettings, ClusterShared, Resource, ResourcePriority};

/// A cluster's settings, stats cells and clock on one worker.
pub(crate) struct ClusterCore {
    pub(crate) shared: Arc<ClusterShared>,
    pub(crate) traffic: Arc<ClusterTrafficStats>,
    pub(crate) lb_stats: Arc<ClusterLbStats>,
    breaker_stats: [Arc<CircuitBreakerStats>; 2],
    pub(crate) responses: ResponseStats,
    pub(crate) clock: Rc<dyn Clock>,
}

impl ClusterCore {
    pub(crate) fn new(shared: Arc<ClusterShared>, clock: Rc<dyn Clock>) -> Self {
        let scope = shared.scope();
        Self {
            traffic: scope.worker_group(),
            lb_stats: scope.worker_group(),
            breaker_stats: ResourcePriority::ALL
                .map(|priority| scope.worker_group_at(breaker_prefix(priority))),
            responses: ResponseStats::new(scope.clone()),
            shared,
            clock,
        }
    }

    pub(crate) fn settings(&self) -> &ClusterSettings {
        &self.shared.settings
    }

    pub(crate) fn breakers(&self) -> &Breakers {
        self.shared.breakers()
    }

    pub(crate) fn breaker_gauge(&self, priority: ResourcePriority, resource: Resource) -> &Gauge {
        let [default, high] = &self.breaker_stats;
        let stats = match priority {
            ResourcePriority::Default => default,
            ResourcePriority::High => high,
        };
        match resource {
            Resource::Connections => &stats.cx_open,
            Resource::PendingRequests => &stats.rq_pending_open,
            Resource::Requests => &stats.rq_open,
            Resource::Retries => &stats.rq_retry_open,
        }
    }
}
