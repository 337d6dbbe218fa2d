//! What a cluster's pools and streams on one worker have in common: settings, stats cells, clock, and the units
//! of its circuit breakers that they hold.

mod alternatives;
mod departure;
mod permit;
mod responses;
mod tries;

use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::Arc;

use nuncio_codec::http2::Http2Settings;
use nuncio_codec::http3::Http3Settings;
use nuncio_contract::alternate_protocols::AlternateProtocolsCache;
use nuncio_contract::clock::Clock;
use nuncio_contract::headers::HeaderMap;
use nuncio_contract::overload::{OverloadOnWorker, ShedPoint};
use nuncio_contract::stats::Gauge;
use nuncio_contract::stats::groups::{
    CircuitBreakerStats, ClusterLbStats, ClusterTrafficStats, Http1CodecStats, Http2CodecStats,
    Http3CodecStats, RemainingStats,
};
use nuncio_net::tls::TlsCounts;
use nuncio_net::transport::{Measuring, TcpSocketStats, Transport};

use departure::Departure;
pub(crate) use permit::Permit;
pub use permit::{RetryPermit, SessionPermit};
pub use responses::ResponseStats;
pub use tries::{TrySizes, TryStats};

use crate::cluster::{
    Breakers, ClusterSettings, ClusterShared, Host, Resource, ResourcePriority, breaker_prefix,
    left_gauge, open_gauge,
};
use crate::transport_socket::TransportSocket;

/// A cluster's settings, stats cells and clock on one worker.
pub(crate) struct ClusterCore {
    pub(crate) shared: Arc<ClusterShared>,
    pub(crate) departure: Departure,
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
    tcp_stats: OnceCell<Arc<TcpSocketStats>>,
    codec_stats: OnceCell<Arc<Http1CodecStats>>,
    http2: OnceCell<(Rc<Http2Settings>, Arc<Http2CodecStats>)>,
    http3: OnceCell<Box<(Rc<Http3Settings>, Arc<Http3CodecStats>)>>,
    overload: Option<Rc<OverloadOnWorker>>,
    /// What hosts say of HTTP/3, where that decides.
    pub(crate) alternatives: Option<Rc<AlternateProtocolsCache>>,
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
            alternatives: (shared.settings.http.alternatives.as_deref())
                .map(|settings| alternatives::on_thread(settings, clock.now())),
            shared,
            departure: Departure::default(),
            clock,
            tls_counts: OnceCell::new(),
            tcp_stats: OnceCell::new(),
            codec_stats: OnceCell::new(),
            http2: OnceCell::new(),
            http3: OnceCell::new(),
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

    fn breaker_gauge(&self, priority: ResourcePriority, resource: Resource) -> &Gauge {
        let [default, high] = &self.breaker_stats;
        let stats = match priority {
            ResourcePriority::Default => default,
            ResourcePriority::High => high,
        };
        open_gauge(stats, resource)
    }

    /// Shows how a breaker stands, as `used` are taken now.
    #[inline]
    fn show(&self, priority: ResourcePriority, resource: Resource, used: u32) {
        let change = match self.breakers().is_shown(priority, resource, used) {
            true => 0,
            false => self.show_anew(priority, resource),
        };
        // It is written in any case, as Envoy's is.
        self.breaker_gauge(priority, resource)
            .add(change.cast_unsigned());
    }

    #[inline(never)]
    fn show_anew(&self, priority: ResourcePriority, resource: Resource) -> i64 {
        self.show_left(priority, resource);
        self.breakers().show_open(priority, resource)
    }

    /// Shows that a budget says how many retries there may be, once one is wanted.
    fn show_budget(&self, priority: ResourcePriority) {
        if self.breakers().budget(priority).is_some() {
            self.show_left(priority, Resource::Retries);
        }
    }

    fn show_left(&self, priority: ResourcePriority, resource: Resource) {
        let stats = self.remaining_stats.get(priority.index());
        if let Some(stats) = stats.and_then(Option::as_ref) {
            let change = self.breakers().show_left(priority, resource);
            left_gauge(stats, resource).add(change.cast_unsigned());
        }
    }

    /// Lists the codec's counters, which Envoy lists with a cluster's first connection.
    pub(crate) fn connection_begun(&self) {
        self.codec_stats
            .get_or_init(|| self.shared.scope().worker_group());
    }

    /// The counters of HTTP/1's codec, once there has been a connection.
    pub(crate) fn http1_stats(&self) -> Option<Arc<Http1CodecStats>> {
        self.codec_stats.get().cloned()
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

    /// A connection by `socket`, of which the system is asked if it says so.
    pub(crate) fn measured(&self, socket: &TransportSocket, transport: Transport) -> Transport {
        let Some(period) = socket.tcp_stats() else {
            return transport;
        };
        let stats = self
            .tcp_stats
            .get_or_init(|| self.shared.scope().worker_group());
        Measuring::new(Arc::clone(stats), period).measure(transport)
    }

    /// The same of HTTP/3's.
    pub(crate) fn http3(&self) -> (Rc<Http3Settings>, Arc<Http3CodecStats>) {
        let make = || {
            let http3 = self.settings().http.http3.as_ref();
            let settings = http3.map(|http3| http3.codec.clone()).unwrap_or_default();
            Box::new((Rc::new(settings), self.shared.scope().worker_group()))
        };
        (**self.http3.get_or_init(make)).clone()
    }

    pub(crate) fn tls_counts(&self) -> &TlsCounts {
        self.tls_counts
            .get_or_init(|| TlsCounts::new(self.shared.scope().clone()))
    }
}
