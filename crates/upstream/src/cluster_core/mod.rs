//! What a cluster's pools and streams on one worker have in common: settings, stats cells, clock, and the units
//! of its circuit breakers that they hold.

mod permit;
mod responses;
mod tries;

use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::Arc;

use nuncio_codec::http2::Http2Settings;
use nuncio_contract::clock::Clock;
use nuncio_contract::headers::HeaderMap;
use nuncio_contract::overload::{OverloadOnWorker, ShedPoint};
use nuncio_contract::stats::Gauge;
use nuncio_contract::stats::groups::{
    CircuitBreakerStats, ClusterLbStats, ClusterTrafficStats, Http1CodecStats, Http2CodecStats,
    RemainingStats,
};
use nuncio_net::tls::TlsCounts;

pub(crate) use permit::Permit;
pub use permit::{RetryPermit, SessionPermit};
pub use responses::ResponseStats;
pub use tries::{TrySizes, TryStats};

use crate::cluster::breaker_prefix;
use crate::cluster::{
    Breakers, ClusterSettings, ClusterShared, Correction, Host, Resource, ResourcePriority,
};

/// A cluster's settings, stats cells and clock on one worker.
pub(crate) struct ClusterCore {
    pub(crate) shared: Arc<ClusterShared>,
    pub(crate) traffic: Arc<ClusterTrafficStats>,
    pub(crate) lb_stats: Arc<ClusterLbStats>,
    breaker_stats: [Arc<CircuitBreakerStats>; 2],
    /// Where `track_remaining` is on.
    remaining_stats: [Option<Arc<RemainingStats>>; 2],
    pub(crate) responses: ResponseStats,
    /// What is counted of each try, where that is tracked.
    pub(crate) tries: Option<Rc<TryStats>>,
    pub(crate) clock: Rc<dyn Clock>,
    /// Whether the load balancer looks at the hosts' requests in flight.
    pub(crate) counts_active_requests: bool,
    /// Whether connections are opened before requests need them.
    pub(crate) preconnects: bool,
    /// Whether somebody wants to know what hosts say of themselves in responses.
    notes_responses: bool,
    tls_counts: OnceCell<TlsCounts>,
    codec_stats: OnceCell<Arc<Http1CodecStats>>,
    http2: OnceCell<(Rc<Http2Settings>, Arc<Http2CodecStats>)>,
    overload: Option<Rc<OverloadOnWorker>>,
}

impl ClusterCore {
    pub(crate) fn new(shared: Arc<ClusterShared>, clock: Rc<dyn Clock>) -> Self {
        let scope = shared.scope();
        Self {
            traffic: scope.worker_group(),
            lb_stats: scope.worker_group(),
            breaker_stats: ResourcePriority::ALL
                .map(|priority| scope.worker_group_at(breaker_prefix(priority))),
            remaining_stats: ResourcePriority::ALL.map(|priority| {
                let tracked = shared.breakers().thresholds(priority).track_remaining;
                tracked.then(|| scope.worker_group_at(breaker_prefix(priority)))
            }),
            responses: ResponseStats::new(scope.clone(), shared.own_zone()),
            tries: TryStats::new(scope, shared.settings.tracked).map(Rc::new),
            counts_active_requests: shared.settings.lb.looks_at_active_requests(),
            preconnects: shared.settings.preconnect.is_some(),
            notes_responses: shared.settings.health_checks.is_some()
                || shared.settings.lb.reports.is_some(),
            shared,
            clock,
            tls_counts: OnceCell::new(),
            codec_stats: OnceCell::new(),
            http2: OnceCell::new(),
            overload: None,
        }
    }

    /// The same, whose pools open no connections where the overload manager says so.
    pub(crate) fn with_overload(mut self, overload: Option<Rc<OverloadOnWorker>>) -> Self {
        self.overload = overload;
        self
    }

    /// Whether a connection is not to be opened this time, so that load is shed.
    pub(crate) fn sheds_connection(&self) -> bool {
        let overload = self.overload.as_ref();
        overload.is_some_and(|it| it.sheds(ShedPoint::NewUpstreamConnection))
    }

    pub(crate) fn settings(&self) -> &ClusterSettings {
        &self.shared.settings
    }

    pub(crate) fn breakers(&self) -> &Breakers {
        self.shared.breakers()
    }

    /// Notes what a host says of itself in the head of a response.
    #[inline]
    pub(crate) fn note_response(&self, host: &Arc<Host>, headers: &HeaderMap) {
        if self.notes_responses {
            if let Some(checks) = &self.settings().health_checks {
                checks.note_response(host, headers);
            }
            self.note_load(host, headers);
        }
    }

    /// The same in trailers.
    #[inline]
    pub(crate) fn note_trailers(&self, host: &Host, trailers: &HeaderMap) {
        if self.notes_responses {
            self.note_load(host, trailers);
        }
    }

    #[cold]
    fn note_load(&self, host: &Host, headers: &HeaderMap) {
        if let Some(reports) = &self.settings().lb.reports {
            reports.note(host, headers, self.clock.now());
        }
    }

    /// Writes the gauge that Envoy writes once a cluster has a pool.
    pub(crate) fn pool_made(&self, priority: ResourcePriority) {
        if let Some(stats) = self.breaker_stats.get(priority.index()) {
            stats.cx_pool_open.add(0);
        }
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

    /// Tells the gauges of limits that are others now, as one is taken or given back.
    #[inline]
    fn correct(&self, priority: ResourcePriority, resource: Resource, before: u32) {
        if let Some(correction) = self.breakers().correction(priority, resource, before) {
            self.tell(&correction);
        }
    }

    #[cold]
    fn tell(&self, correction: &Correction) {
        let (priority, resource) = (correction.priority, correction.resource);
        let gauge = self.breaker_gauge(priority, resource);
        match correction.open {
            (false, true) => gauge.add(1),
            (true, false) => gauge.dec(),
            _ => {}
        }
        if let Some(remaining) = self.remaining(priority, resource) {
            let by = correction.more.unsigned_abs();
            match correction.more > 0 {
                true => remaining.add(by),
                false => remaining.sub(by),
            }
        }
    }

    /// The gauge of what is left, where it is tracked; a budget has no such number.
    #[inline]
    pub(crate) fn remaining(
        &self,
        priority: ResourcePriority,
        resource: Resource,
    ) -> Option<&Gauge> {
        let stats = self.remaining_stats.get(priority.index())?.as_ref()?;
        match resource {
            Resource::Connections => Some(&stats.remaining_cx),
            Resource::PendingRequests => Some(&stats.remaining_pending),
            Resource::Requests => Some(&stats.remaining_rq),
            Resource::Retries => {
                let budget = self.breakers().budget(priority);
                budget.is_none().then_some(&stats.remaining_retries)
            }
        }
    }

    /// Lists the codec's counters, which Envoy lists with a cluster's first connection.
    pub(crate) fn connection_begun(&self) {
        self.codec_stats
            .get_or_init(|| self.shared.scope().worker_group());
    }

    /// The settings of HTTP/2's codec on this worker, and the counters, which Envoy lists with the first connection
    /// that speaks it.
    pub(crate) fn http2(&self) -> (Rc<Http2Settings>, Arc<Http2CodecStats>) {
        let make = || {
            let settings = Rc::new((*self.settings().http.http2).clone());
            (settings, self.shared.scope().worker_group())
        };
        self.http2.get_or_init(make).clone()
    }

    pub(crate) fn tls_counts(&self) -> &TlsCounts {
        self.tls_counts
            .get_or_init(|| TlsCounts::new(self.shared.scope().clone()))
    }
}
