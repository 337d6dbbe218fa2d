//! Forwarding a request to a cluster: which one, its timeouts, and our answers where it fails.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use nuncio_contract::clock::Clock;
use nuncio_contract::headers::{HeaderName, Known};
use nuncio_contract::local_reply::LocalReply;
use nuncio_contract::stream_info::{Protocol, ResponseFlags};
use nuncio_upstream::cluster::ResourcePriority;
use nuncio_upstream::{
    Acquired, AutoNames, ConnectionName, TransportSocket, UpstreamError, UpstreamErrorKind,
    WorkerCluster, WorkerHost,
};

use super::{Router, finalize};
use crate::downstream::Downstream;
use crate::exchange::{Account, Exchange, ROUTE, Stop};
use crate::route::{Counted, Forward, is_grpc};
use crate::stream::RouteSnapshot;

impl<D: Downstream> Router<'_, '_, D> {
    /// Chooses cluster and host, and exchanges request and response with the host.
    pub(super) async fn forward(&self, forward: &Forward) -> Result<(), Stop> {
        let timeout = self.choose_cluster(forward)?;
        match pin!(self.exchange_with_host(forward, timeout)).await {
            Ok(()) => Ok(()),
            Err(Failure::Stopped(stop)) => Err(stop),
            Err(Failure::Upstream(error)) => {
                if has_waited(error.kind) && !self.exchange.response_begun.get() {
                    Box::pin(self.exchange.read_what_is_there()).await?;
                }
                Err(self.upstream_failed(&error))
            }
        }
    }

    async fn exchange_with_host(
        &self,
        forward: &Forward,
        timeout: Option<Duration>,
    ) -> Result<(), Failure> {
        let acquired = match self.choose_host(forward)? {
            Acquired::Ready(ready) => ready,
            Acquired::Pending(pending) => pending.await?,
        };
        let up = RefCell::new(acquired.begin());
        if up.borrow().is_tcp() {
            self.write_prologue(&mut up.borrow_mut(), forward);
        }
        pin!(self.attempt(&up, forward, timeout)).await
    }

    /// Finds the cluster, completes the request's head and begins the account; returns the timeout of the
    /// whole response.
    fn choose_cluster(&self, forward: &Forward) -> Result<Option<Duration>, Stop> {
        let cluster = self.cluster(forward)?;
        let apart = self.counted_apart();
        if cluster.settings().drop_overload.share > 0.0 {
            self.drop_overload(&cluster)?;
        }
        let timeout = self.prepare(forward);
        let wishes = self.wishes(forward, &cluster);
        let state = self.exchange.state.borrow();
        let dynamic_stats = self.config.dynamic_stats && !state.info.health_check;
        let mut account = Account::new(cluster, &state.request, dynamic_stats, apart);
        account.wishes = wishes;
        drop(state);
        *self.exchange.account.borrow_mut() = Some(account);
        if self.exchange.body.borrow().done || self.awaits_handshake() {
            self.begin_timeout(timeout);
        }
        Ok(timeout)
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

    /// Picks a host and asks it for a stream.
    fn choose_host(&self, forward: &Forward) -> Result<Acquired, UpstreamError> {
        let mut account = self.exchange.account.borrow_mut();
        let Some(account) = account.as_mut() else {
            return Err(UpstreamError::new(UpstreamErrorKind::NoHealthyUpstream));
        };
        let auto_names = account.cluster.settings().http.auto_names.as_deref();
        let name = auto_names.and_then(|auto| self.name_connection(auto));
        let picked = match self.wanted_host(&account.cluster) {
            None => match &account.wishes {
                None => account.cluster.pick_host()?,
                Some(wishes) => {
                    let picked = self.exchange.state.borrow().route.picked;
                    let context = wishes.context(forward.metadata_match(picked));
                    account.cluster.choose_host(&context)?
                }
            },
            Some(wanted) => wanted?,
        };
        let host = account.host.insert(picked);
        self.note_host(host);
        if self.exchange.manager.config.request.scheme_matches_upstream {
            self.match_scheme(&account.cluster);
        }
        let from_http2 = self.exchange.state.borrow().info.protocol == Some(Protocol::Http2);
        match name {
            _ if self.ends_here(forward) => host.new_tcp_stream(),
            None => host.new_stream(ResourcePriority::Default, from_http2),
            Some(name) => host.new_stream_named(ResourcePriority::Default, name, from_http2),
        }
    }

    /// The scheme becomes that of the connection to the host; what the route adds was made before.
    fn match_scheme(&self, cluster: &WorkerCluster) {
        let scheme: &[u8] = match cluster.shared().transport_socket {
            TransportSocket::RawBuffer => b"http",
            TransportSocket::Tls(_) => b"https",
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
        let address = wanted.address.parse::<SocketAddr>().ok();
        // The text counts, as in Envoy: another spelling of an address is another host.
        let address = address.filter(|address| address.to_string() == *wanted.address);
        if let Some(host) = address.and_then(|address| cluster.host_at(address)) {
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

    /// Counts for the cluster and the host of the request.
    pub(super) fn with_account(&self, count: impl FnOnce(&Account)) {
        if let Some(account) = &*self.exchange.account.borrow() {
            count(account);
        }
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
        let reply = LocalReply::new(
            forward.cluster_not_found_status,
            b"".as_slice(),
            "cluster_not_found",
        )
        .with_flags(ResponseFlags::NO_CLUSTER_FOUND);
        Stop::Reply(Box::new(reply))
    }

    /// Completes the request's head; returns the timeout of the whole response.
    fn prepare(&self, forward: &Forward) -> Option<Duration> {
        let keeps_envoy_headers = !self.config.suppress_envoy_headers;
        let mut state = self.exchange.state.borrow_mut();
        let state = &mut *state;
        state.info.attempt_count = Some(1);
        let timeout = finalize::take_wishes(state, forward, self.config);
        let services = &*self.exchange.manager.worker;
        finalize::request(state, forward, keeps_envoy_headers, services);
        if let Some(idle) = forward.idle_timeout {
            self.exchange.override_idle_timeout(idle);
        }
        timeout
    }

    /// The request is complete: the response has `timeout` from now.
    pub(super) fn begin_timeout(&self, timeout: Option<Duration>) {
        if let Some(timeout) = timeout {
            self.exchange
                .deadlines
                .set(ROUTE, self.exchange.manager.worker.now() + timeout);
        }
    }

    /// The status where there is no host.
    fn status_without_host(&self) -> u16 {
        let state = self.exchange.state.borrow();
        let wanted = state.info.upstream.wanted_host.as_ref();
        wanted
            .and_then(|wanted| wanted.status_without_it)
            .unwrap_or(503)
    }

    /// Our answer to an upstream that failed before its response began, or the end of one that broke off.
    #[cold]
    fn upstream_failed(&self, error: &UpstreamError) -> Stop {
        let flags = flags_of(error.kind);
        if self.exchange.response_begun.get() {
            let mut state = self.exchange.state.borrow_mut();
            if is_grpc(&state.request) {
                let stats = &self.exchange.manager.stats.router;
                stats.rq_reset_after_downstream_response_started.inc();
            }
            state.info.response_flags |= flags;
            state.info.response_code_details =
                Some(details_of(error, "upstream_reset_after_response_started").into());
            return Stop::ResponseBroken;
        }
        if error.kind == UpstreamErrorKind::NoHealthyUpstream {
            let status = self.status_without_host();
            self.with_account(|account| account.charge(status));
            let reply = LocalReply::new(
                status,
                b"no healthy upstream".as_slice(),
                "no_healthy_upstream",
            )
            .with_flags(ResponseFlags::NO_HEALTHY_UPSTREAM);
            return Stop::Reply(Box::new(reply));
        }
        let status = if error.kind == UpstreamErrorKind::ProtocolError {
            502
        } else {
            503
        };
        self.with_account(|account| account.charge(status));
        if let Some(reason) = &error.transport_failure_reason {
            self.exchange
                .state
                .borrow_mut()
                .info
                .upstream
                .transport_failure_reason = reason.to_string().into();
        }
        let reason = error.kind.reset_reason();
        let body = format!(
            "upstream connect error or disconnect/reset before headers. reset reason: {reason}"
        );
        let details = details_of(error, "upstream_reset_before_response_started");
        let mut reply = LocalReply::new(status, body.into_bytes(), details).with_flags(flags);
        if error.kind == UpstreamErrorKind::Overflow && !self.config.suppress_envoy_headers {
            reply = reply.with_header(HeaderName::from(Known::XEnvoyOverloaded), b"true".to_vec());
        }
        Stop::Reply(Box::new(reply))
    }
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
    fn from(error: UpstreamError) -> Self {
        Failure::Upstream(error)
    }
}

impl<T: Into<Stop>> From<T> for Failure {
    fn from(stop: T) -> Self {
        Failure::Stopped(stop.into())
    }
}

fn flags_of(kind: UpstreamErrorKind) -> ResponseFlags {
    match kind {
        UpstreamErrorKind::NoHealthyUpstream => ResponseFlags::NO_HEALTHY_UPSTREAM,
        UpstreamErrorKind::LocalConnectionFailure
        | UpstreamErrorKind::RemoteConnectionFailure
        | UpstreamErrorKind::ConnectionTimeout => ResponseFlags::UPSTREAM_CONNECTION_FAILURE,
        UpstreamErrorKind::ConnectionTermination => ResponseFlags::UPSTREAM_CONNECTION_TERMINATION,
        UpstreamErrorKind::Overflow => ResponseFlags::UPSTREAM_OVERFLOW,
        UpstreamErrorKind::RemoteReset | UpstreamErrorKind::RemoteRefusedStream => {
            ResponseFlags::UPSTREAM_REMOTE_RESET
        }
        UpstreamErrorKind::ProtocolError => ResponseFlags::UPSTREAM_PROTOCOL_ERROR,
    }
}

/// `basic{reset_reason|transport_reason}`, its spaces as underscores.
fn details_of(error: &UpstreamError, basic: &str) -> String {
    let reason = error.kind.reset_reason();
    let transport = error
        .transport_failure_reason
        .as_deref()
        .map(|reason| format!("|{reason}"));
    format!("{basic}{{{reason}{}}}", transport.unwrap_or_default())
        .replace(|c: char| c.is_ascii_whitespace(), "_")
}

/// The route's timeout has passed.
pub(crate) fn timed_out<D: Downstream>(exchange: &Exchange<'_, D>) -> Stop {
    if let Some(account) = exchange.account.borrow_mut().take() {
        account.timed_out();
        if !exchange.response_begun.get() {
            account.charge(504);
        }
    }
    let flags = ResponseFlags::UPSTREAM_REQUEST_TIMEOUT;
    if exchange.response_begun.get() {
        let mut state = exchange.state.borrow_mut();
        state.info.response_flags |= flags;
        state.info.response_code_details = Some("response_timeout".into());
        return Stop::ResponseBroken;
    }
    let reply = LocalReply::new(
        504,
        b"upstream request timeout".as_slice(),
        "response_timeout",
    )
    .with_flags(flags);
    Stop::Reply(Box::new(reply))
}
