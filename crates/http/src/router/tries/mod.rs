//! A request that may be tried several times: retries, times for each try, tries beside each other (hedging), and
//! copies to other clusters (mirroring).
//!
//! All of it is one task: what comes of the request, the tries under way and the times are polled in turn, until one
//! try's response is passed on or there is nothing left to try. Requests that need none of this do not come here.
//!
//! What is to become a tunnel sends its head alone; once a host has answered for good, `pass_tunnel.rs` goes on. It is not
//! copied to other clusters.

mod decide;
mod judge;
mod kept_body;
mod mirror;
mod mirror_log;
mod one_try;
mod pass_on;
mod pass_tunnel;
mod redirect;

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use nuncio_contract::clock::Clock;
use nuncio_contract::headers::{HeaderMap, Known, KnownSet};
use nuncio_contract::local_reply::LocalReply;
use nuncio_contract::services::WorkerServices as _;
use nuncio_net::deadline::Deadlines;
use nuncio_upstream::retry::RetryPolicy;
use nuncio_upstream::{Acquired, ReadyStream, WorkerCluster, WorkerHost};

pub(crate) use self::decide::Waited;
pub(crate) use self::decide::{Met, Retries, Verdict};
use self::kept_body::KeptBody;
use self::mirror::{Copies, Mirrored};
use self::one_try::{LiveTry, OneTry, Stage, TryEvent};
use super::Router;
use super::forward::Failure;
use super::try_log::TryLog;
use super::tunnel::HELD_BYTES;
use super::wishes::{Wishes, number};
use crate::downstream::Downstream;
use crate::exchange::{Account, Exchange, RetryCount, Stop};
use crate::route::Forward;

/// More of the request that is being read.
pub(super) type Reading<'e> = Pin<Box<dyn Future<Output = Result<bool, Stop>> + 'e>>;

/// The tries of one request.
pub(super) struct Tries<'r, 'e, 'a, D: Downstream> {
    router: &'r Router<'e, 'a, D>,
    forward: &'r Forward,
    wishes: Wishes,
    /// How long a try may last, whatever comes of it.
    stream_time: Option<Duration>,
    body: KeptBody,
    reading: Option<Reading<'e>>,
    retries: Option<Box<Retries>>,
    /// The weighted clusters that were tried, where each try has its cluster chosen.
    used_clusters: Option<Vec<usize>>,
    mirrors: Vec<Mirrored<'r>>,
    copies: Copies,
    under_way: Vec<OneTry<'e>>,
    next: Option<NextTry>,
    begun: u32,
    /// Whether some of the request may have reached a host.
    was_sent: bool,
    /// Whether a head of 1xx was passed on.
    is_informed: bool,
    /// The end of the time for the whole response.
    ends_at: Option<Instant>,
    timer: Deadlines<1>,
}

/// A try that is waited for.
struct NextTry {
    at: Instant,
    waited: Waited,
    is_after_timeout: bool,
}

enum Event {
    Stopped(Stop),
    NextIsDue,
    TimeIsOver,
    Try(usize, TryEvent),
    TooLong(usize),
    Over(usize),
}

/// How clients ask for retries, or for how long a stream may last.
static ASKED_FOR: KnownSet = KnownSet::of(&[
    Known::XEnvoyRetryOn,
    Known::XEnvoyRetryGrpcOn,
    Known::XEnvoyUpstreamStreamDurationMs,
]);

/// The policy for a request, the cluster's before the route's.
pub(super) fn policy<'p>(
    forward: &'p Forward,
    cluster: &'p WorkerCluster,
) -> Option<&'p Arc<RetryPolicy>> {
    let clusters = cluster.settings().http.resilience.as_ref();
    let clusters = clusters.and_then(|it| it.retry_policy.as_ref());
    let routes = || forward.resilience.as_ref()?.retry.as_ref();
    clusters.or_else(routes)
}

/// How long a stream to a host may last, by the request or else by its cluster; zero means no limit.
fn stream_time(request: &HeaderMap, cluster: &WorkerCluster) -> Option<Duration> {
    let asked = request.get(Known::XEnvoyUpstreamStreamDurationMs);
    let asked = asked.and_then(number).map(Duration::from_millis);
    let clusters = || (cluster.settings().http.resilience.as_ref())?.max_stream_duration;
    asked.or_else(clusters).filter(|time| !time.is_zero())
}

/// What went over the wire counts, also for tries that are given up together with the request. Those that have lost
/// against another's response are gone before, and not counted.
impl<D: Downstream> Drop for Tries<'_, '_, '_, D> {
    fn drop(&mut self) {
        for one in &self.under_way {
            if let Stage::Live(live) = &one.stage {
                self.router.note_bytes(&live.up);
            }
        }
    }
}

impl<'r, 'e, 'a, D: Downstream> Tries<'r, 'e, 'a, D> {
    /// Whether a request might need them: a quick look before [`needed`](Self::needed).
    #[inline]
    pub(super) fn may_be_needed(
        request: &HeaderMap,
        forward: &Forward,
        wishes: &Wishes,
        cluster: &WorkerCluster,
    ) -> bool {
        forward.resilience.is_some()
            || cluster.settings().http.resilience.is_some()
            || wishes.per_try.is_some()
            || request.contains_any(&ASKED_FOR)
    }

    /// Those of a request that needs them; none if one plain try is all that there will be.
    #[inline(never)]
    pub(super) fn needed(
        router: &'r Router<'e, 'a, D>,
        forward: &'r Forward,
        wishes: &Wishes,
        cluster: &WorkerCluster,
    ) -> Option<Box<Self>> {
        let exchange = router.exchange;
        let state = exchange.state.borrow();
        let retries = Retries::of(&state.request, policy(forward, cluster), router.config);
        // Tries beside each other have one cluster, as in Envoy.
        let refreshes = !wishes.hedges
            && retries.is_some()
            && policy(forward, cluster).is_some_and(|policy| policy.refreshes_cluster);
        let mirrors = match exchange.tunnel.get() {
            None => mirror::chosen(forward, cluster, &state.request, &*exchange.manager.worker),
            Some(_) => Vec::new(),
        };
        let stream_time = stream_time(&state.request, cluster);
        drop(state);
        let has_times =
            wishes.per_try.is_some() || wishes.per_try_idle.is_some() || stream_time.is_some();
        // An answer to a tunnel is the client's, wherever it points to.
        let follows = exchange.tunnel.get().is_none()
            && (forward.resilience.as_ref()).is_some_and(|it| it.redirects.is_some());
        let is_plain = retries.is_none() && mirrors.is_empty() && !has_times && !follows;
        if is_plain {
            return None;
        }
        let limit = forward.resilience.as_ref();
        let limit = limit.and_then(|resilience| resilience.body_limit_bytes());
        let limit = limit.unwrap_or(exchange.manager.config.buffer_limit_bytes);
        let is_kept = follows || retries.as_ref().is_some_and(|it| it.are_possible());
        Some(Box::new(Self {
            router,
            forward,
            wishes: *wishes,
            stream_time,
            body: KeptBody::new(limit, is_kept),
            reading: None,
            retries,
            used_clusters: refreshes.then(Vec::new),
            mirrors,
            copies: Copies::default(),
            under_way: Vec::new(),
            next: None,
            begun: 0,
            was_sent: false,
            is_informed: false,
            ends_at: None,
            timer: Deadlines::default(),
        }))
    }

    fn exchange(&self) -> &'e Exchange<'a, D> {
        self.router.exchange
    }

    fn now(&self) -> Instant {
        self.exchange().manager.worker.now()
    }

    /// From the first try to the complete response.
    pub(super) async fn run(mut self: Box<Self>) -> Result<(), Failure> {
        let copies = self.make_copies();
        // What is too much for another try is enough for one.
        self.keep();
        if self.may_be_late() {
            self.begin_times();
        }
        self.begun += 1;
        self.begin(false)?;
        for copy in copies {
            let dynamic_stats = self.router.config.dynamic_stats;
            copy.send(self.exchange(), self.wishes.timeout, dynamic_stats);
        }
        loop {
            match poll_fn(|cx| self.poll(cx)).await {
                Event::Stopped(stop) => return Err(Failure::Stopped(stop)),
                Event::TimeIsOver => return Err(self.time_is_over()),
                Event::NextIsDue => Box::pin(self.begin_next()).await?,
                Event::TooLong(at) => self.took_too_long(at)?,
                Event::Over(at) => self.lasted_too_long(at)?,
                Event::Try(at, TryEvent::Connected(ready)) => self.connected(at, ready)?,
                Event::Try(_, TryEvent::Failed(error)) if error.reply.is_some() => {
                    return Err(error.into());
                }
                Event::Try(at, TryEvent::Failed(error)) => self.failed(at, &error)?,
                Event::Try(at, TryEvent::Head(head)) if head.is_informational() => {
                    pin!(self.informed(at, head.status)).await?;
                }
                Event::Try(at, TryEvent::Head(head)) => {
                    let is_kept = self.body.is_keeping() && self.exchange().body.borrow().done;
                    if let Some((live, host)) = self.judge(at, head.status)? {
                        self.exchange().touch_idle();
                        if self.is_tunnel() {
                            return Box::pin(self.pass_tunnel(live, &host, head)).await;
                        }
                        let passed = Box::pin(self.pass_on(live, &host, head.status)).await;
                        return passed.map_err(|failure| match is_kept {
                            true => self.with_kept_body(failure),
                            false => failure,
                        });
                    }
                }
            }
        }
    }

    /// The copies, with what there is of the body.
    fn make_copies(&mut self) -> Vec<mirror::Waiting<'r>> {
        if self.mirrors.is_empty() {
            return Vec::new();
        }
        let mirrors = std::mem::take(&mut self.mirrors);
        let exchange = self.exchange();
        let (copies, to_send) = Copies::make(mirrors, exchange);
        let limit = exchange.manager.config.buffer_limit_bytes;
        copies.take(&exchange.body.borrow(), limit);
        self.copies = copies;
        to_send
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        let body = &self.exchange().body;
        loop {
            let has_read = match self.read_some(cx) {
                Ok(has_read) => has_read,
                Err(stop) => return Poll::Ready(Event::Stopped(stop)),
            };
            for (at, one) in self.under_way.iter_mut().enumerate() {
                if let Poll::Ready(event) = one.poll(cx, &self.body, body) {
                    return Poll::Ready(Event::Try(at, event));
                }
            }
            // What was passed on makes room for more.
            if !has_read && (self.body.is_keeping() || body.borrow().done) {
                break;
            }
            match self.read_some(cx) {
                Ok(true) => {}
                Ok(false) if has_read => {}
                Ok(false) => break,
                Err(stop) => return Poll::Ready(Event::Stopped(stop)),
            }
        }
        self.poll_times(cx)
    }

    /// Reads more of the request, if it can be kept or passed on; whether there was some.
    fn read_some(&mut self, cx: &mut Context<'_>) -> Result<bool, Stop> {
        let exchange = self.exchange();
        if self.reading.is_none() {
            let body = exchange.body.borrow();
            // Of a tunnel more is read than its host wants yet, so that a client that leaves is noticed.
            let is_full = match self.is_tunnel() {
                true => body.data.len() >= HELD_BYTES,
                false => !body.data.is_empty(),
            };
            if body.done || !self.body.is_keeping() && is_full {
                return Ok(false);
            }
            self.reading = Some(Box::pin(exchange.read_request()));
        }
        let Some(Poll::Ready(read)) = self.reading.as_mut().map(|it| it.as_mut().poll(cx)) else {
            return Ok(false);
        };
        self.reading = None;
        let has_read = read?;
        if has_read {
            let limit = exchange.manager.config.buffer_limit_bytes;
            self.copies.take(&exchange.body.borrow(), limit);
        }
        if !self.keep() && self.under_way.is_empty() {
            return Err(match self.gave_up_keeping() {
                Failure::Stopped(stop) => stop,
                Failure::Upstream(error) => self.router.upstream_failed(&error, false),
            });
        }
        if exchange.body.borrow().done {
            if !self.router.awaits_handshake() {
                self.begin_times();
            }
            self.end_apart();
        }
        Ok(has_read)
    }

    /// The end of the request has come behind what tries that have a connection are sent.
    fn end_apart(&mut self) {
        for one in &mut self.under_way {
            if let Stage::Live(live) = &mut one.stage {
                let is_apart = self.router.request_ends_apart(&live.up);
                live.upload.end_apart(is_apart);
            }
        }
    }

    /// Keeps what has come of the body; false if it has become too much, which leaves no other try.
    fn keep(&mut self) -> bool {
        let is_kept = self.body.take(&mut self.exchange().body.borrow_mut());
        if !is_kept {
            self.router
                .with_account(|account| account.traffic().retry_or_shadow_abandoned.inc());
            self.retries = None;
        }
        is_kept
    }

    /// Our answer where nothing is under way that could be waited for.
    fn gave_up_keeping(&mut self) -> Failure {
        self.next = None;
        let reply = LocalReply::new(
            507,
            b"exceeded request buffer limit while retrying upstream".as_slice(),
            "request_payload_exceeded_retry_buffer_limit",
        );
        Failure::Stopped(Stop::Reply(Box::new(self.router.with_attempts(reply))))
    }

    /// A request that a filter has begin anew takes along the body that was kept for other tries, as in Envoy.
    fn with_kept_body(&mut self, failure: Failure) -> Failure {
        match failure {
            Failure::Stopped(Stop::Anew(_)) => Failure::Stopped(Stop::Anew(self.body.take_all())),
            failure => failure,
        }
    }

    fn is_tunnel(&self) -> bool {
        self.exchange().tunnel.get().is_some()
    }

    /// Whether the times run: the request is complete, or its head is all that there will be before the answer.
    fn may_be_late(&self) -> bool {
        self.exchange().body.borrow().done || self.router.awaits_handshake()
    }

    /// The request is complete: its times run.
    fn begin_times(&mut self) {
        let now = self.now();
        self.ends_at = self.wishes.timeout.map(|timeout| now + timeout);
        for at in 0..self.under_way.len() {
            self.begin_times_of(at);
        }
    }

    fn begin_times_of(&mut self, at: usize) {
        let now = self.now();
        let wishes = self.wishes;
        if let Some(one) = self.under_way.get_mut(at).filter(|one| one.was_sent()) {
            one.ends_at = wishes.per_try.map(|time| now + time);
            one.idle_at = wishes.per_try_idle.map(|time| now + time);
        }
    }

    fn poll_times(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        let tries = self.under_way.iter().filter_map(OneTry::next_deadline);
        let next = self.next.as_ref().map(|next| next.at);
        let Some(nearest) = tries.chain(next).chain(self.ends_at).min() else {
            return Poll::Pending;
        };
        let worker = &*self.exchange().manager.worker;
        self.timer.set(0, nearest);
        if self.timer.poll_expired(cx, worker).is_pending() {
            return Poll::Pending;
        }
        let is_over = |at: &Instant| *at <= nearest;
        if self.ends_at.as_ref().is_some_and(is_over) {
            return Poll::Ready(Event::TimeIsOver);
        }
        let mut tries = self.under_way.iter();
        let late = tries.position(|one| one.next_deadline().as_ref().is_some_and(is_over));
        Poll::Ready(match late {
            None => Event::NextIsDue,
            Some(at) => {
                let over_at = self.under_way.get(at).and_then(OneTry::over_at);
                match over_at.as_ref().is_some_and(is_over) {
                    true => Event::Over(at),
                    false => Event::TooLong(at),
                }
            }
        })
    }

    /// Begins the next try, once its host is known.
    async fn begin_next(&mut self) -> Result<(), Failure> {
        self.begun += 1;
        if let Some(next) = self.next.take() {
            if self.used_clusters.is_some() {
                self.choose_cluster()?;
            }
            self.begin_again(&next);
            self.router.ask_again();
            let resolved = self.router.resolve_host().await;
            resolved.map_err(Failure::Stopped)?;
        }
        self.begin(true)
    }

    /// Begins a try.
    fn begin(&mut self, is_retry: bool) -> Result<(), Failure> {
        let picked = self.pick_host(is_retry);
        let host = match picked {
            Ok(host) => host,
            Err(error) => {
                self.router.set_host(None);
                return Err(self.end_with(&error));
            }
        };
        self.router.note_host(&host);
        let log = self.router.begin_try_log();
        match self.router.new_stream(&host, self.forward) {
            Ok(Acquired::Ready(ready)) => {
                let at = self.under_way.len();
                let stage = Stage::Live(self.go_live(&host, ready, log)?);
                self.under_way.push(OneTry::at(host, stage));
                self.has_gone_live(at);
                Ok(())
            }
            Ok(Acquired::Pending(pending)) => {
                self.under_way
                    .push(OneTry::new(host, pending).with_log(log));
                Ok(())
            }
            Err(error) => self.lost(OneTry::refused(host).with_log(log), &error),
        }
    }

    /// Chooses the cluster for another try; what is counted from now on is counted for that.
    #[cold]
    fn choose_cluster(&mut self) -> Result<(), Failure> {
        let exchange = self.exchange();
        let worker = &*exchange.manager.worker;
        let cluster = {
            let mut state = exchange.state.borrow_mut();
            let state = &mut *state;
            state.info.attempt_count = Some(self.begun);
            if let Some(used) = &mut self.used_clusters {
                let of = (&state.request, &state.info);
                state.route.choose_another(of, worker.random_u64(), used);
            }
            let cluster = worker.cluster_of(&state.route);
            state.info.upstream_cluster = cluster.as_ref().map(|cluster| cluster.description());
            cluster
        };
        let Some(cluster) = cluster else {
            self.router.set_host(None);
            let kind = nuncio_upstream::UpstreamErrorKind::NoHealthyUpstream;
            return Err(self.end_with(&nuncio_upstream::UpstreamError::new(kind)));
        };
        let wishes = self.router.host_wishes(self.forward, &cluster);
        if let Some(account) = &mut *exchange.account.borrow_mut() {
            account.cluster = cluster;
            account.wishes = wishes;
        }
        Ok(())
    }

    fn pick_host(
        &mut self,
        is_retry: bool,
    ) -> Result<Rc<WorkerHost>, nuncio_upstream::UpstreamError> {
        let exchange = self.exchange();
        let account = exchange.account.borrow();
        let Some(account) = &*account else {
            let kind = nuncio_upstream::UpstreamErrorKind::NoHealthyUpstream;
            return Err(nuncio_upstream::UpstreamError::new(kind));
        };
        match &mut self.retries {
            Some(retries) if is_retry => self
                .router
                .with_pick_context(account, self.forward, |context| {
                    let clusters = &*exchange.manager.worker.clusters;
                    retries.pick_host((clusters, &account.cluster), context)
                })
                .inspect(|host| self.router.note_chosen(&account.cluster, host)),
            _ => self.router.pick_host(account, self.forward),
        }
    }

    /// What is counted and told of another try.
    fn begin_again(&self, next: &NextTry) {
        self.router.with_account(|account| {
            account.count_retry(RetryCount::Begun);
            match next.waited {
                Waited::NotAtAll => {}
                Waited::Exponentially => {
                    account
                        .traffic()
                        .upstream_rq_retry_backoff_exponential
                        .inc();
                }
                Waited::AsAsked => account
                    .traffic()
                    .upstream_rq_retry_backoff_ratelimited
                    .inc(),
            }
        });
        let mut state = self.exchange().state.borrow_mut();
        let state = &mut *state;
        state.info.attempt_count = Some(self.begun);
        state.info.upstream.begin_again();
        let host = (state.route.index).and_then(|index| state.route.table.virtual_host(index));
        if host.is_some_and(|host| host.include_request_attempt_count) {
            let count = u64::from(self.begun);
            state.request.set_integer(Known::XEnvoyAttemptCount, count);
        }
        if host.is_some_and(|host| host.include_is_timeout_retry_header) {
            let is_after_timeout: &[u8] = match next.is_after_timeout {
                true => b"true",
                false => b"false",
            };
            state
                .request
                .set(Known::XEnvoyIsTimeoutRetry, is_after_timeout);
        }
        let request_end = state.info.downstream_timing.last_rx_byte;
        let elapsed = request_end.map(|end| self.now().saturating_duration_since(end));
        let in_envoys_header = !self.router.config.suppress_envoy_headers;
        self.wishes.tell(
            &mut state.request,
            elapsed.unwrap_or_default(),
            in_envoys_header,
        );
    }

    /// A try that waited has its connection.
    fn connected(&mut self, at: usize, ready: ReadyStream) -> Result<(), Failure> {
        let Some(one) = self.under_way.get_mut(at) else {
            return Ok(());
        };
        let (host, log) = (Rc::clone(&one.host), one.log.take());
        let live = self.go_live(&host, ready, log)?;
        if let Some(one) = self.under_way.get_mut(at) {
            one.stage = Stage::Live(live);
        }
        self.has_gone_live(at);
        Ok(())
    }

    /// Notes for later tries where this one has gone.
    fn note_tried(&mut self, host: &WorkerHost) {
        let exchange = self.exchange();
        let Some(retries) = &mut self.retries else {
            return;
        };
        if let Some(account) = &*exchange.account.borrow() {
            let clusters = &*exchange.manager.worker.clusters;
            let attempt = exchange.state.borrow().info.attempt_count;
            let attempt = attempt.unwrap_or_default();
            retries.tried((clusters, &account.cluster), attempt, host);
        }
    }

    fn go_live(
        &mut self,
        host: &Rc<WorkerHost>,
        ready: ReadyStream,
        log: Option<Box<TryLog<'e>>>,
    ) -> Result<Box<LiveTry<'e>>, Failure> {
        self.note_tried(host);
        self.router.set_host(Some(host));
        self.router.rewrite_to_hostname(self.forward);
        let is_tunnel = self.is_tunnel();
        let is_bare = !is_tunnel && self.exchange().body.borrow().is_absent;
        let mut live = LiveTry::new(self.router.begin_up(ready, log), is_bare);
        live.over_at = self.stream_time.map(|time| self.now() + time);
        self.router.note_host(host);
        self.router.note_attempted();
        self.router.note_connection(live.up.borrow().stream());
        self.router.with_account(Account::began);
        if live.up.borrow().stream().is_tcp() {
            let mut up = live.up.borrow_mut();
            self.router.write_prologue(up.stream_mut(), self.forward);
        }
        if is_tunnel {
            live.upload.wait();
            self.router.prepare_tunnel(&live.up)?;
        }
        let now = self.now();
        let mut state = self.exchange().state.borrow_mut();
        if state.span.is_some() {
            self.router.begin_try_span(&mut state);
        }
        self.router.join_metadata(&live.up);
        live.up.borrow_mut().write_head(&state.request, is_bare);
        let timing = &mut state.info.upstream.timing;
        timing.first_tx_byte = Some(now);
        timing.last_tx_byte = is_bare.then_some(now);
        Ok(live)
    }

    fn has_gone_live(&mut self, at: usize) {
        if self.may_be_late() {
            self.begin_times_of(at);
        }
    }
}
