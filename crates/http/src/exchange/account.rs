//! What the router counts for the cluster and the host.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use nuncio_contract::grpc::http_status_of;
use nuncio_contract::headers::{HeaderMap, Known};
use nuncio_contract::stats::groups::ClusterTrafficStats;
use nuncio_contract::stream_info::metadata::Struct;
use nuncio_upstream::outlier_detection::Outcome;
use nuncio_upstream::override_host::WantedHosts;
use nuncio_upstream::{Destination, PickContext, TryStats, WorkerCluster, WorkerHost};

use crate::route::{Counted, RequestStats};
use crate::stream::RouteSnapshot;

/// What became of a retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RetryCount {
    Begun,
    Success,
    LimitExceeded,
    Overflow,
}

/// Whom a request's outcome is counted for.
pub(crate) struct Account {
    pub(crate) cluster: Rc<WorkerCluster>,
    pub(crate) host: Option<Rc<WorkerHost>>,
    /// What the request says of its host; none where its cluster does not ask.
    pub(crate) wishes: Option<Box<HostWishes>>,
    /// How much of its time the request takes, where its cluster tracks that.
    pub(crate) budget: Option<Box<Budget>>,
    /// The status of our answer to what takes too long.
    timeout_status: u16,
    is_internal: bool,
    dynamic_stats: bool,
    /// Whether statuses of HTTP are not counted one by one.
    hides_codes: bool,
    /// Whether a head has come, be it one of 1xx, from which on a failure is no answer of the cluster's.
    has_answered: Cell<bool>,
    /// Whether the response says that it is a canary's.
    is_canary: Cell<bool>,
    /// Whether a call of gRPC has to end before it is known for the host's success.
    awaits_grpc_end: Cell<bool>,
    /// Where the request is counted apart, and the table that says so.
    apart: Option<(Rc<RouteSnapshot>, Counted)>,
}

/// The times of a request whose cluster tracks what becomes of them.
pub(crate) struct Budget {
    pub(crate) stats: Rc<TryStats>,
    pub(crate) whole: Option<Duration>,
    pub(crate) per_try: Option<Duration>,
}

/// What a request says of its host, where its cluster's load balancer asks.
#[derive(Default)]
pub(crate) struct HostWishes {
    /// The host that it asks for, where the cluster chooses by that.
    pub(crate) destination: Option<Box<Destination>>,
    /// Its hash.
    pub(crate) hash: Option<u64>,
    /// Values of `set-cookie` that were made for the hash.
    pub(crate) cookies: Vec<Box<str>>,
    /// Metadata that its host has to have, where that is not the route's alone.
    pub(crate) metadata: Option<Struct>,
    /// The hosts that it names.
    pub(crate) wanted: Option<WantedHosts>,
}

impl HostWishes {
    /// For the load balancer; `of_route` is the route's metadata match.
    pub(crate) fn context<'a>(&'a self, of_route: Option<&'a Struct>) -> PickContext<'a> {
        PickContext {
            destination: self.destination.as_deref(),
            hash: self.hash,
            wanted: self.wanted.as_ref(),
            metadata_match: self.metadata.as_ref().or(of_route),
            ..PickContext::default()
        }
    }
}

impl Account {
    pub(crate) fn new(
        cluster: Rc<WorkerCluster>,
        request: &HeaderMap,
        dynamic_stats: bool,
        apart: Option<(Rc<RouteSnapshot>, Counted)>,
    ) -> Self {
        let is_internal = request.get(Known::XEnvoyInternal) == Some(b"true".as_slice());
        Account {
            cluster,
            host: None,
            wishes: None,
            budget: None,
            timeout_status: 504,
            is_internal,
            dynamic_stats,
            hides_codes: false,
            has_answered: Cell::new(false),
            is_canary: Cell::new(false),
            awaits_grpc_end: Cell::new(false),
            apart,
        }
    }

    /// Statuses of HTTP will not be counted one by one, as those of gRPC tell more.
    #[cold]
    pub(crate) fn hide_codes(&mut self) {
        self.hides_codes = true;
    }

    /// Counts the status of a response, 1xx included, whose head may say that it is a canary's.
    pub(crate) fn charge_response(&self, status: u16, head: &HeaderMap) {
        self.has_answered.set(true);
        let says_so = head.get(Known::XEnvoyUpstreamCanary) == Some(b"true".as_slice());
        self.is_canary.set(says_so);
        self.charge(status);
    }

    fn is_canary(&self) -> bool {
        self.is_canary.get() || self.host.as_ref().is_some_and(|host| host.is_canary())
    }

    /// The zone of the host.
    fn zone(&self) -> Option<&str> {
        Some(&*self.host.as_ref()?.host().locality.zone)
    }

    /// Whether a head has come, be it one of 1xx or one that a filter holds: with it the response has begun for Envoy.
    pub(crate) fn has_answered(&self) -> bool {
        self.has_answered.get()
    }

    /// The same, whose answer to what takes too long has this status.
    pub(crate) fn with_timeout_status(mut self, status: u16) -> Self {
        self.timeout_status = status;
        self
    }

    /// The status of our answer to what takes too long.
    pub(crate) fn timeout_status(&self) -> u16 {
        self.timeout_status
    }

    /// What is counted of the cluster's traffic.
    pub(crate) fn traffic(&self) -> &ClusterTrafficStats {
        self.cluster.traffic_stats()
    }

    /// Counts what became of a retry.
    pub(crate) fn count_retry(&self, what: RetryCount) {
        let traffic = self.traffic();
        match what {
            RetryCount::Begun => traffic.upstream_rq_retry.inc(),
            RetryCount::Success => traffic.upstream_rq_retry_success.inc(),
            RetryCount::LimitExceeded => traffic.upstream_rq_retry_limit_exceeded.inc(),
            RetryCount::Overflow => traffic.upstream_rq_retry_overflow.inc(),
        }
        self.count_apart(|stats| {
            let counters = &stats.counters;
            match what {
                RetryCount::Begun => counters.upstream_rq_retry.inc(),
                RetryCount::Success => counters.upstream_rq_retry_success.inc(),
                RetryCount::LimitExceeded => counters.upstream_rq_retry_limit_exceeded.inc(),
                RetryCount::Overflow => counters.upstream_rq_retry_overflow.inc(),
            }
        });
    }

    /// Counts a try that took too long, or stood still for too long.
    pub(crate) fn try_timed_out(&self, is_idle: bool) {
        match is_idle {
            true => self.traffic().upstream_rq_per_try_idle_timeout.inc(),
            false => self.traffic().upstream_rq_per_try_timeout.inc(),
        }
        if let Some(host) = &self.host {
            host.counters().rq_timeout.inc();
        }
    }

    /// Counts our answer to what took too long, which is an error of the host whatever its status is.
    pub(crate) fn charge_timeout(&self) {
        self.charge_failure(self.timeout_status);
        if self.has_answered() {
            return;
        }
        if let Some(host) = self.host.as_ref().filter(|_| self.timeout_status < 500) {
            host.counters().rq_error.inc();
        }
    }

    fn count_apart(&self, count: impl FnMut(&RequestStats)) {
        if let Some((table, counted)) = &self.apart {
            table.count(counted, count);
        }
    }

    /// Counts a request that has got a connection.
    pub(crate) fn began(&self) {
        self.report(Outcome::Connected);
        self.count_apart(|stats| stats.counters.upstream_rq_total.inc());
    }

    /// Counts a response that did not come in time.
    pub(crate) fn timed_out(&self) {
        self.cluster.traffic_stats().upstream_rq_timeout.inc();
        if let Some(host) = &self.host {
            host.counters().rq_timeout.inc();
        }
        self.count_apart(|stats| stats.counters.upstream_rq_timeout.inc());
    }

    /// Counts the status of a response, or of our answer in its place.
    pub(crate) fn charge(&self, status: u16) {
        if !self.dynamic_stats {
            return;
        }
        let responses = self.cluster.responses();
        match self.hides_codes {
            false => responses.count(status, self.is_internal),
            true => responses.count_by_origin(status, self.is_internal),
        }
        if self.is_canary() {
            responses.count_canary(status);
        }
        responses.count_zone(status, self.zone());
        self.cluster.traffic_stats().upstream_rq_completed.inc();
        self.count_apart(|stats| stats.charge(status));
        if status >= 500
            && let Some(host) = &self.host
        {
            host.counters().rq_error.inc();
        }
    }

    /// Counts the status of a response that was not passed on, as the request is tried again.
    pub(crate) fn charge_retried(&self, status: u16) {
        let responses = self.cluster.responses();
        match self.hides_codes {
            false => responses.count_retried(status),
            true => responses.complete_retried(),
        }
    }

    /// Counts the status of our answer to a failure, unless the response had begun.
    pub(crate) fn charge_failure(&self, status: u16) {
        if !self.has_answered() {
            self.charge(status);
        }
    }

    /// Tells the host's outlier detection, where there is one, what became of a try.
    #[inline]
    pub(crate) fn report(&self, outcome: Outcome) {
        if let Some(host) = &self.host {
            host.report(outcome);
        }
    }

    /// Tells it that a try took too long.
    pub(crate) fn report_timeout(&self) {
        self.report(Outcome::TimedOut(self.timeout_status));
    }

    /// Counts a response that is no error.
    pub(crate) fn succeeded(&self) {
        if let Some(host) = &self.host {
            host.counters().rq_success.inc();
        }
    }

    /// Counts the head of a call of gRPC that is no error of HTTP: where it does not end with it, its trailers tell.
    #[cold]
    pub(crate) fn answered_grpc(&self, head: &HeaderMap, end_stream: bool) {
        match end_stream {
            true => self.ended_grpc(head),
            false => self.awaits_grpc_end.set(true),
        }
    }

    /// Whether a call of gRPC has to end before it is known for the host's success.
    #[inline]
    pub(crate) fn awaits_grpc_end(&self) -> bool {
        self.awaits_grpc_end.get()
    }

    /// Counts the end of a call of gRPC: without a status it is an error, as are those that stand for one of HTTP.
    #[cold]
    pub(crate) fn ended_grpc(&self, told: &HeaderMap) {
        match told.get(Known::GrpcStatus).map(http_status_of) {
            Some(..500) => {
                self.awaits_grpc_end.set(false);
                self.succeeded();
            }
            _ => self.broke_off(),
        }
    }

    /// Counts a call of gRPC that broke off.
    #[cold]
    pub(crate) fn broke_off(&self) {
        self.awaits_grpc_end.set(false);
        if let Some(host) = &self.host {
            host.counters().rq_error.inc();
        }
    }

    /// Counts how much of its time a request has used that is over `took` after its end.
    #[inline]
    pub(crate) fn used(&self, took: Duration) {
        if let Some(budget) = &self.budget {
            budget.stats.record_request(took, budget.whole);
        }
    }

    /// Counts how long a response took.
    pub(crate) fn took(&self, took: Duration) {
        if self.dynamic_stats {
            let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
            let responses = self.cluster.responses();
            responses.record_time(took_ms, self.is_internal);
            if self.is_canary() {
                responses.record_canary_time(took_ms);
            }
            responses.record_zone_time(took_ms, self.zone());
            self.count_apart(|stats| stats.took(took_ms));
        }
    }
}
