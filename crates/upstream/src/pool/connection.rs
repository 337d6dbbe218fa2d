//! One pooled connection, and what is counted over its life.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use nuncio_contract::connection_ids;
use nuncio_net::transport::{IdleState, Transport};

use super::connect::connect;
use super::{Carries, HostPool, Open};
use crate::cluster::{HostCounters, Resource};
use crate::cluster_core::{ClusterCore, Permit};
use crate::error::{UpstreamError, UpstreamErrorKind};

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// This side closed it.
    Local,
    /// The host closed it.
    Remote,
    /// The host sent something unasked, so this side closed it.
    Unsolicited,
}

/// An open connection.
pub(crate) struct Connection {
    pub(crate) transport: Transport,
    /// This end's address, asked of the system once a connection.
    pub(crate) local_address: Option<SocketAddr>,
    life: Life,
    requests_left: u32,
    /// Since when it is idle, to the watcher's knowledge.
    pub(super) idle_since: Option<Instant>,
}

/// Counts a connection from its first attempt to its end.
pub(crate) struct Life {
    pub(crate) id: u64,
    permit: Permit,
    counters: Arc<HostCounters>,
    open: Rc<Open>,
    opened_at: Instant,
    requests: u32,
    connected: bool,
    /// Whether its host may still answer what wanted no answer.
    may_owe: bool,
    ended: Ended,
    carries: Carries,
}

/// Opens a connection for `pool`; `life` counts it already.
pub(super) async fn open(pool: Rc<HostPool>, life: Life) {
    let core = &pool.core;
    if matches!(life.carries, Carries::Http1 | Carries::HttpByAlpn) {
        core.connection_begun();
    }
    let connecting = Box::pin(connect(
        core,
        &pool.to,
        pool.name.as_ref(),
        pool.carries,
        life.id,
    ));
    let limited = tokio::time::timeout(core.settings().connect_timeout, connecting);
    let result = tokio::select! {
        biased;
        result = limited => result,
        () = pool.has_excess() => {
            drop(life);
            pool.connecting.set(pool.connecting.get() - 1);
            return;
        }
    };
    let error = match result {
        Ok(Ok(transport)) => return pool.connected(Connection::new(transport, life, core)),
        Ok(Err(error)) => error,
        Err(_) => {
            core.traffic.upstream_cx_connect_timeout.inc();
            UpstreamError::new(UpstreamErrorKind::ConnectionTimeout)
        }
    };
    core.traffic.upstream_cx_connect_fail.inc();
    life.connect_failed(match error.kind {
        UpstreamErrorKind::RemoteConnectionFailure => Ended::Remote,
        _ => Ended::Local,
    });
    pool.connect_failed(&error);
}

impl Connection {
    pub(super) fn new(transport: Transport, life: Life, core: &ClusterCore) -> Box<Self> {
        let life = life.connected(core);
        core.traffic.upstream_cx_rx_bytes_buffered.add(0);
        let requests_left = core
            .settings()
            .http
            .max_requests_per_connection
            .unwrap_or(u32::MAX);
        Box::new(Self {
            local_address: transport.local_address(),
            transport,
            life,
            requests_left,
            idle_since: None,
        })
    }

    /// Counts a request; true if it is the last one that the connection may serve.
    #[inline]
    pub(super) fn begin_request(&mut self) -> bool {
        self.life.requests = self.life.requests.saturating_add(1);
        if self.requests_left < u32::MAX {
            self.requests_left = self.requests_left.saturating_sub(1);
        }
        self.requests_left == 0
    }

    /// Takes it apart for requests to share: what carries bytes, what counts, how many requests it may serve.
    pub(crate) fn into_shared(self) -> (Transport, Life, u32) {
        (self.transport, self.life, self.requests_left)
    }

    /// Its number.
    pub(crate) fn id(&self) -> u64 {
        self.life.id
    }

    /// Whether its host may still answer a call before this one, which wanted no answer.
    pub(crate) fn may_owe(&self) -> bool {
        self.life.may_owe
    }

    /// Its host was sent a call that wants no answer.
    pub(crate) fn sent_oneway(&mut self) {
        self.life.may_owe = true;
    }

    /// Whether it had served a request before the one it serves now.
    pub(crate) fn is_reused(&self) -> bool {
        self.life.requests > 1
    }

    /// What counts it.
    pub(super) fn life(&self) -> &Life {
        &self.life
    }

    /// Requests begun so far.
    pub(crate) fn request_count(&self) -> u32 {
        self.life.requests
    }

    /// Whether it may serve no further request.
    #[inline]
    pub(super) fn is_spent(&self, core: &ClusterCore) -> bool {
        self.requests_left == 0 || self.has_carried_bytes() || self.outlived(core)
    }

    /// Whether it was lent to a stream of bytes, after which nobody knows what the host takes the next ones for.
    #[inline]
    fn has_carried_bytes(&self) -> bool {
        self.life.carries == Carries::Tcp && self.life.requests > 0
    }

    #[inline]
    fn outlived(&self, core: &ClusterCore) -> bool {
        let Some(longest) = core.settings().http.max_connection_duration else {
            return false;
        };
        let over = core.clock.now() - self.life.opened_at >= longest;
        if over {
            core.traffic.upstream_cx_max_duration_reached.inc();
        }
        over
    }

    /// When it reaches `max_connection_duration`.
    pub(super) fn outlived_at(&self, core: &ClusterCore) -> Option<Instant> {
        Some(self.life.opened_at + core.settings().http.max_connection_duration?)
    }

    /// Makes it idle; the watcher stamps the time.
    #[inline]
    pub(super) fn park(&mut self) {
        self.idle_since = None;
    }

    /// Whether it ended while idle, as far as is known without asking the system.
    #[inline]
    pub(super) fn idle_end(&mut self) -> Option<Ended> {
        ended(self.transport.idle_state())
    }

    /// Waits for its end while idle.
    pub(super) fn poll_idle_end(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        self.transport
            .poll_idle_end(cx)
            .map(|state| ended(state).unwrap_or(Ended::Remote))
    }

    /// Ends it between requests.
    pub(crate) fn close(mut self, ended: Ended) {
        self.life.ended = ended;
    }

    /// Ends it in the middle of a request.
    pub(crate) fn close_with_active_request(mut self, ended: Ended) {
        self.life.ended = ended;
        self.life.ended_with_request(ended);
    }
}

fn ended(state: IdleState) -> Option<Ended> {
    match state {
        IdleState::Quiet => None,
        IdleState::Closed => Some(Ended::Remote),
        IdleState::Unsolicited => Some(Ended::Unsolicited),
    }
}

impl Life {
    pub(super) fn begin(pool: &HostPool) -> Self {
        let permit = Permit::take(&pool.core, pool.priority, Resource::Connections);
        let traffic = &pool.core.traffic;
        traffic.upstream_cx_total.inc();
        match pool.carries {
            Carries::Http1 => traffic.upstream_cx_http1_total.inc(),
            Carries::Http2 => {
                traffic.upstream_cx_http2_total.inc();
                let (settings, stats) = pool.core.http2();
                super::count_codec(&stats, settings.use_oghttp2_codec);
            }
            Carries::Http3 => traffic.upstream_cx_http3_total.inc(),
            Carries::Tcp | Carries::Calls | Carries::HttpByAlpn => {}
        }
        traffic.upstream_cx_active.inc();
        let counters = Arc::clone(&pool.to.counters);
        counters.cx_total.inc();
        counters.cx_active.inc();
        pool.open.begins();
        Self {
            id: connection_ids::next(),
            permit,
            counters,
            open: Rc::clone(&pool.open),
            opened_at: pool.core.clock.now(),
            requests: 0,
            connected: false,
            may_owe: false,
            ended: Ended::Local,
            carries: pool.carries,
        }
    }
}

impl Life {
    /// The connection is open.
    pub(super) fn connected(mut self, core: &ClusterCore) -> Self {
        self.connected = true;
        let connect_time = core.clock.now() - self.opened_at;
        core.traffic
            .upstream_cx_connect_ms
            .record(milliseconds(connect_time));
        self
    }

    /// The connection could not be opened.
    pub(super) fn connect_failed(mut self, ended: Ended) {
        self.counters.cx_connect_fail.inc();
        self.ended = ended;
    }

    /// Counts a request.
    pub(crate) fn count_request(&mut self) {
        self.requests = self.requests.saturating_add(1);
    }

    /// Ends it, in the middle of a request or not.
    pub(crate) fn end(mut self, ended: Ended, with_request: bool) {
        self.ended = ended;
        if with_request {
            self.ended_with_request(ended);
        }
    }

    /// Counts what was agreed on. Envoy's pool makes a client for it of the one that has connected, and counts both.
    pub(crate) fn agreed(&self, is_http2: bool) {
        let traffic = &self.permit.core().traffic;
        traffic.upstream_cx_total.inc();
        self.counters.cx_total.inc();
        match is_http2 {
            true => traffic.upstream_cx_http2_total.inc(),
            false => traffic.upstream_cx_http1_total.inc(),
        }
    }

    fn ended_with_request(&self, ended: Ended) {
        let traffic = &self.permit.core().traffic;
        traffic.upstream_cx_destroy_with_active_rq.inc();
        match ended {
            Ended::Remote => traffic.upstream_cx_destroy_remote_with_active_rq.inc(),
            _ => traffic.upstream_cx_destroy_local_with_active_rq.inc(),
        }
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        let core = self.permit.core();
        let traffic = &core.traffic;
        traffic.upstream_cx_active.dec();
        traffic.upstream_cx_destroy.inc();
        match self.ended {
            Ended::Remote => traffic.upstream_cx_destroy_remote.inc(),
            Ended::Local | Ended::Unsolicited => traffic.upstream_cx_destroy_local.inc(),
        }
        traffic
            .upstream_cx_length_ms
            .record(milliseconds(core.clock.now() - self.opened_at));
        if self.connected {
            traffic.upstream_rq_per_cx.record(u64::from(self.requests));
        }
        self.counters.cx_active.dec();
        self.open.ends();
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
