//! Forwarding a request to a cluster: which one, its timeouts, and our answers where it fails.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use nuncio_contract::clock::Clock;
use nuncio_contract::headers::Known;
use nuncio_contract::overload::ShedPoint;
use nuncio_contract::services::WorkerServices;
use nuncio_contract::stream_info::ClientSource;
use nuncio_upstream::proxy_protocol::UpstreamProxyProtocol;
use nuncio_upstream::{
    Acquired, AutoNames, ConnectionName, Expected, PendingStream, PickContext, ReadyStream,
    UpstreamError, UpstreamErrorKind, WorkerCluster, WorkerHost,
};

use super::tries::Tries;
use super::try_log::TryLog;
use super::wishes::{Wishes, take_late_wishes, take_wishes};
use super::{Router, finalize, outliers};
use crate::boxed::boxed;
use crate::downstream::Downstream;
use crate::exchange::{Account, ROUTE, Stop};
use crate::filter_chain;
use crate::route::{Counted, Forward, is_grpc};
use crate::stream::RouteSnapshot;

/// How a request goes to its cluster.
enum Way<'r, 'e, 'a, D: Downstream> {
    /// One try, with this time for the whole response.
    Plain(Option<Duration>),
    /// As many as it takes, with all that belongs to them.
    Tries(Box<Tries<'r, 'e, 'a, D>>),
}

impl<'e, 'a, D: Downstream> Router<'e, 'a, D> {
    /// Chooses cluster and host, and exchanges request and response with the host.
    pub(super) async fn forward(&self, forward: &Forward) -> Result<(), Stop> {
        let way = self.choose_cluster(forward)?;
        let done = match way {
            Way::Plain(timeout) => {
                match boxed(|| self.exchange_with_host(forward, timeout)).await {
                    Err(Failure::Upstream(error))
                        if error.kind == UpstreamErrorKind::HostUnresolved =>
                    {
                        Box::pin(self.exchange_late(forward, timeout)).await
                    }
                    done => done,
                }
            }
            Way::Tries(tries) => Box::pin(self.run_tries(tries)).await,
        };
        match done {
            Ok(()) => Ok(()),
            Err(Failure::Stopped(stop)) => Err(stop),
            Err(Failure::Upstream(error)) => {
                if self.exchange.manager.tracer.is_some() {
                    self.tell_lost(&error);
                }
                self.report_failure(&error);
                if has_waited(error.kind) && !self.exchange.response_begun.get() {
                    Box::pin(self.exchange.read_what_is_there()).await?;
                }
                let attempts = self.exchange.state.borrow().info.attempt_count;
                Err(self.upstream_failed(&error, attempts.is_some_and(|count| count > 1)))
            }
        }
    }

    pub(super) async fn exchange_with_host(
        &self,
        forward: &Forward,
        timeout: Option<Duration>,
    ) -> Result<(), Failure> {
        let (acquired, mut log) = self.choose_host(forward)?;
        let acquired = match acquired {
            Acquired::Ready(ready) => ready,
            // Most connections are there already: what the wait takes is not to weigh on them.
            Acquired::Pending(pending) => {
                Box::pin(self.connected(pending, &mut log, timeout)).await?
            }
        };
        let up = RefCell::new(self.begin_up(acquired, log));
        if up.borrow().stream().is_tcp() {
            self.write_prologue(up.borrow_mut().stream_mut(), forward);
        }
        pin!(self.attempt(&up, forward, timeout)).await
    }

    /// Waits for the connection, after what came with the request's head.
    async fn connected(
        &self,
        pending: PendingStream,
        log: &mut Option<Box<TryLog<'_>>>,
        timeout: Option<Duration>,
    ) -> Result<ReadyStream, Failure> {
        // What came with the head may be wrong, and then nobody hears of the request. A filter may take its time for the
        // body, and must not be given up on then.
        if !self.exchange.body.borrow().done && !self.has_body_filters() {
            Box::pin(self.exchange.read_what_is_there()).await?;
            if self.exchange.body.borrow().done && !self.awaits_handshake() {
                self.begin_timeout(timeout);
            }
        }
        Ok(await_connection(pending, log).await?)
    }

    pub(super) fn has_body_filters(&self) -> bool {
        let state = self.exchange.state.borrow();
        state.filters.wants_body(filter_chain::Way::Decode)
    }

    /// Tells of the only try, where it had no connection.
    #[cold]
    fn tell_lost(&self, error: &UpstreamError) {
        let account = self.exchange.account.borrow();
        let host = account.as_ref().and_then(|account| account.host.clone());
        let had_connection = {
            let state = self.exchange.state.borrow();
            state.info.upstream.timing.first_tx_byte.is_some()
        };
        drop(account);
        if let Some(host) = host.filter(|_| !had_connection) {
            self.tell_lost_try(&host, error);
        }
    }

    async fn run_tries(&self, tries: Box<Tries<'_, 'e, 'a, D>>) -> Result<(), Failure> {
        self.resolve_host().await.map_err(Failure::Stopped)?;
        tries.run().await
    }

    /// Finds the cluster, completes the request's head and begins the account; tells which way the request goes.
    fn choose_cluster<'r>(&'r self, forward: &'r Forward) -> Result<Way<'r, 'e, 'a, D>, Stop> {
        let cluster = self.cluster(forward)?;
        if let Some(overload) = &self.exchange.manager.overload
            && overload.sheds(ShedPoint::BeforeUpstream)
        {
            return Err(self.shed());
        }
        let apart = self.counted_apart();
        if !self.config.strict_headers.is_empty() {
            self.check_strictly()?;
        }
        if cluster.turns_away(|| self.exchange.manager.worker.random_u64()) {
            return Err(self.maintained(&cluster));
        }
        if cluster.shared().may_drop() {
            self.drop_overload(&cluster)?;
        }
        let wishes = self.prepare(forward);
        let may_need_tries = {
            let request = &self.exchange.state.borrow().request;
            Tries::<D>::may_be_needed(request, forward, &wishes, &cluster)
        };
        let tries = match may_need_tries {
            true => Tries::needed(self, forward, &wishes, &cluster),
            false => None,
        };
        let host_wishes = self.host_wishes(forward, &cluster);
        let mut state = self.exchange.state.borrow_mut();
        let timeout_status = take_late_wishes(&mut state.request);
        let dynamic_stats = self.config.dynamic_stats && !state.info.health_check;
        let mut account = Account::new(cluster, &state.request, dynamic_stats, apart);
        if self.config.hides_grpc_codes && is_grpc(&state.request) {
            account.hide_codes();
        }
        account.wishes = host_wishes;
        if let Some(stats) = account.cluster.try_stats() {
            account.budget = Some(wishes.budget(Rc::clone(stats)));
        }
        drop(state);
        let account = account.with_timeout_status(timeout_status);
        *self.exchange.account.borrow_mut() = Some(account);
        if let Some(tries) = tries {
            return Ok(Way::Tries(tries));
        }
        if self.exchange.body.borrow().done || self.awaits_handshake() {
            self.begin_timeout(wishes.timeout);
        }
        Ok(Way::Plain(wishes.timeout))
    }

    /// Where the request is counted apart; its virtual cluster is noted for the log.
    fn counted_apart(&self) -> Option<(Rc<RouteSnapshot>, Counted)> {
        let mut state = self.exchange.state.borrow_mut();
        let state = &mut *state;
        let index = state.route.index.filter(|_| state.route.table.counts())?;
        let counted = state.route.table.counted(index, &state.request);
        state.info.virtual_cluster_name.clone_from(&counted.name);
        Some((Rc::clone(&state.route.table), counted))
    }

    /// Picks a host and asks it for a stream, of which there may be a log.
    fn choose_host(
        &self,
        forward: &Forward,
    ) -> Result<(Acquired, Option<Box<TryLog<'e>>>), UpstreamError> {
        let host = match &*self.exchange.account.borrow() {
            Some(account) => self.pick_host(account, forward)?,
            None => return Err(UpstreamError::new(UpstreamErrorKind::NoHealthyUpstream)),
        };
        self.set_host(Some(&host));
        self.note_host(&host);
        let mut log = self.begin_try_log();
        match self.new_stream(&host, forward) {
            Ok(acquired) => Ok((acquired, log)),
            Err(error) => {
                if let Some(log) = &mut log {
                    log.fail(&error);
                }
                Err(error)
            }
        }
    }

    /// The host that a filter wants, or the next in turn.
    pub(super) fn pick_host(
        &self,
        account: &Account,
        forward: &Forward,
    ) -> Result<Rc<WorkerHost>, UpstreamError> {
        match (self.wanted_host(&account.cluster), &account.wishes) {
            (Some(wanted), _) => wanted,
            (None, None) => account.cluster.pick_host(),
            (None, Some(_)) => self
                .with_pick_context(account, forward, |context| {
                    let clusters = &self.exchange.manager.worker.clusters;
                    clusters.choose_host(&account.cluster, context)
                })
                .inspect(|host| self.note_chosen(&account.cluster, host)),
        }
    }

    /// Calls `pick` with what the request says of its host.
    pub(super) fn with_pick_context<T>(
        &self,
        account: &Account,
        forward: &Forward,
        pick: impl FnOnce(&PickContext<'_>) -> T,
    ) -> T {
        let Some(wishes) = &account.wishes else {
            return pick(&PickContext::default());
        };
        let (picked, attempt) = {
            let state = self.exchange.state.borrow();
            (state.route.picked, state.info.attempt_count)
        };
        pick(&PickContext {
            attempt: attempt.unwrap_or_default(),
            ..wishes.context(forward.metadata_match(picked))
        })
    }

    /// Whom the outcome is counted for from now on.
    pub(super) fn set_host(&self, host: Option<&Rc<WorkerHost>>) {
        if let Some(account) = &mut *self.exchange.account.borrow_mut() {
            account.host = host.cloned();
        }
    }

    /// Asks a host for a stream.
    pub(super) fn new_stream(
        &self,
        host: &Rc<WorkerHost>,
        forward: &Forward,
    ) -> Result<Acquired, UpstreamError> {
        if self.ends_as_datagrams(forward) {
            return host.new_udp_stream();
        }
        let account = self.exchange.account.borrow();
        let Some(account) = &*account else {
            return Err(UpstreamError::new(UpstreamErrorKind::NoHealthyUpstream));
        };
        let auto_names = account.cluster.settings().http.auto_names.as_deref();
        let name = auto_names.and_then(|auto| self.name_connection(auto));
        if self.exchange.manager.config.request.scheme_matches_upstream {
            self.match_scheme(&account.cluster, host);
        }
        let proxy = host.proxy_protocol();
        let name = match proxy {
            None => name,
            Some(proxy) => self.name_client(proxy, name),
        };
        let state = self.exchange.state.borrow();
        let version = state.info.protocol;
        let source = ClientSource::wanted(&state.info);
        let client = state.info.connection.id;
        drop(state);
        let name = match source {
            None => name,
            Some(source) => Some(ConnectionName::with_source(name, source)),
        };
        let name = match account.cluster.settings().http.serves_clients_apart {
            false => name,
            true => Some(ConnectionName::with_client(name, client)),
        };
        if let Some(preconnect) = account.cluster.settings().preconnect {
            let expected = Expected {
                priority: forward.priority,
                client: (!self.ends_here(forward)).then_some(version),
                name: name.as_ref(),
            };
            account.cluster.expect_more(preconnect, &expected);
        }
        match name {
            Some(name) if (proxy.is_some() || source.is_some()) && self.ends_here(forward) => {
                host.new_tcp_stream_named(name)
            }
            _ if self.ends_here(forward) => host.new_tcp_stream(),
            None => host.new_stream(forward.priority, version),
            Some(name) => host.new_stream_named(forward.priority, name, version),
        }
    }

    /// The scheme becomes that of the connection to the host; what the route adds was made before.
    fn match_scheme(&self, cluster: &WorkerCluster, host: &WorkerHost) {
        let scheme: &[u8] = match cluster.shared().socket_of(host.host()).tls() {
            None => b"http",
            Some(_) => b"https",
        };
        let mut state = self.exchange.state.borrow_mut();
        state.request.set(Known::Scheme, scheme);
    }

    /// The host that a filter wants; none where there is no such wish, or no such host and any other will do.
    #[inline]
    fn wanted_host(
        &self,
        cluster: &WorkerCluster,
    ) -> Option<Result<Rc<WorkerHost>, UpstreamError>> {
        let state = self.exchange.state.borrow();
        let wanted = state.info.upstream.wanted_host.as_ref()?;
        if let Some(host) = cluster.host_at(&wanted.address) {
            return Some(Ok(host));
        }
        wanted.status_without_it?;
        cluster.count_no_host();
        Some(Err(UpstreamError::new(
            UpstreamErrorKind::NoHealthyUpstream,
        )))
    }

    /// The name that the request's connection is to have, by the host as it is before `auto_host_rewrite`.
    fn name_connection(&self, auto: &AutoNames) -> Option<ConnectionName> {
        let mut state = self.exchange.state.borrow_mut();
        let state = &mut *state;
        auto.choose(&state.request, state.info.filter_state_mut())
    }

    /// The connection's name once it is to tell whose request it is.
    #[cold]
    fn name_client(
        &self,
        proxy: &UpstreamProxyProtocol,
        name: Option<ConnectionName>,
    ) -> Option<ConnectionName> {
        let state = self.exchange.state.borrow();
        let connection = &state.info.connection;
        // A client that came by a PROXY header is told of in any case, as in Envoy.
        let is_told_of = connection.remote_address != connection.direct_remote_address;
        match is_told_of || self.exchange.manager.config.request.tells_hosts_of_client {
            true => proxy.name(connection, connection.proxy_values.as_deref(), name),
            false => name,
        }
    }

    /// Counts for the cluster and the host of the request.
    pub(super) fn with_account(&self, count: impl FnOnce(&Account)) {
        if let Some(account) = &*self.exchange.account.borrow() {
            count(account);
        }
    }

    /// Tells outlier detection that the host's try has failed.
    fn report_failure(&self, error: &UpstreamError) {
        self.with_account(|account| {
            if let Some(host) = &account.host {
                outliers::report_failure(host, error);
            }
        });
    }

    fn cluster(&self, forward: &Forward) -> Result<Rc<WorkerCluster>, Stop> {
        let found = {
            let state = self.exchange.state.borrow();
            self.exchange.manager.worker.cluster_of(&state.route)
        };
        found.ok_or_else(|| self.no_cluster(forward))
    }

    #[cold]
    fn no_cluster(&self, forward: &Forward) -> Stop {
        self.exchange.manager.stats.router.no_cluster.inc();
        Stop::Reply(Box::new(super::no_cluster(
            forward.cluster_not_found_status,
        )))
    }

    /// Completes the request's head; returns how long what may take.
    fn prepare(&self, forward: &Forward) -> Wishes {
        let keeps_envoy_headers = !self.config.suppress_envoy_headers;
        let mut state = self.exchange.state.borrow_mut();
        let state = &mut *state;
        state.info.attempt_count = Some(1);
        let wishes = take_wishes(state, forward, self.config);
        let services = &*self.exchange.manager.worker;
        finalize::request(state, forward, keeps_envoy_headers, services);
        if let Some(idle) = forward.idle_timeout {
            self.exchange.override_idle_timeout(idle);
        }
        wishes
    }

    /// The request is complete: the response has `timeout` from now.
    pub(super) fn begin_timeout(&self, timeout: Option<Duration>) {
        if let Some(timeout) = timeout {
            self.exchange
                .deadlines
                .set(ROUTE, self.exchange.manager.worker.now() + timeout);
        }
    }
}

/// Waits for a connection; the log tells of the wait.
async fn await_connection(
    pending: PendingStream,
    log: &mut Option<Box<TryLog<'_>>>,
) -> Result<ReadyStream, UpstreamError> {
    let mut pending = pin!(pending);
    poll_fn(|cx| {
        let done = pending.as_mut().poll(cx);
        if let Some(log) = log {
            match &done {
                Poll::Ready(Err(error)) => log.fail(error),
                Poll::Ready(Ok(_)) => {}
                Poll::Pending => log.poll(cx, None),
            }
        }
        done
    })
    .await
}

/// Whether a failure of this kind comes some time after the request.
fn has_waited(kind: UpstreamErrorKind) -> bool {
    !matches!(
        kind,
        UpstreamErrorKind::NoHealthyUpstream | UpstreamErrorKind::Overflow
    )
}

/// Why an attempt failed.
pub(super) enum Failure {
    /// The upstream side.
    Upstream(UpstreamError),
    /// The client's side, or a filter's answer.
    Stopped(Stop),
}

impl From<UpstreamError> for Failure {
    fn from(mut error: UpstreamError) -> Self {
        if let Some(reply) = error.reply.take() {
            return Failure::Stopped(reply.into());
        }
        Failure::Upstream(error)
    }
}

impl<T: Into<Stop>> From<T> for Failure {
    fn from(stop: T) -> Self {
        Failure::Stopped(stop.into())
    }
}
