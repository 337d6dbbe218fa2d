//! Sessions that begin before their host is known: those with filters, which may have to ask first, and those that go
//! through a tunnel.
//!
//! The cluster and the host are chosen when all filters have let the session pass. A session that finds none ends at
//! once. One that a filter does not let pass stays until it is idle, and all that its client sends is dropped.
//!
//! Circuit breakers count a session once its cluster is known. So that clients cannot begin as many as they like of those
//! that wait for filters or were turned away, a worker has [`MOST_SESSIONS`] of a proxy at the most; a datagram that would
//! begin one more is dropped and counted (`downstream_sess_rx_errors`). Envoy has no such limit.

use std::cell::RefCell;
use std::pin::pin;
use std::rc::{Rc, Weak};

use nuncio_contract::services::LocalFuture;
use nuncio_contract::stream_info::{ResponseFlags, StreamInfo};
use nuncio_net::datagrams::Received;
use nuncio_service_messages::auth::CheckResponse;
use nuncio_upstream::WorkerHost;

use super::filters::Filters;
use super::session::{Session, socket_to};
use super::sessions::Key;
use super::target::Target;
use super::tunnel::Entrance;
use super::{Incoming, UdpProxy};

/// How many there are at a time.
const MOST_SESSIONS: usize = 65_536;

/// What only sessions with filters or a tunnel have.
pub(super) struct Deferred {
    filters: RefCell<Filters>,
    entrance: Entrance,
    /// The host that a tunnel is to lead to, once it is chosen.
    host: RefCell<Option<Rc<WorkerHost>>>,
}

/// A filter's question and its place.
type Asked = (usize, LocalFuture<Option<CheckResponse>>);

impl UdpProxy {
    /// A client's datagrams to its session.
    pub(super) fn to_deferred(&self, incoming: &Incoming<'_>, key: Key, received: &Received<'_>) {
        let known = self.sessions.get(&key);
        let known = known.filter(|known| {
            let is_there = known.target().is_none() || self.target_of(known).is_some();
            is_there && known.is_alive()
        });
        if let Some(session) = known.or_else(|| self.begin_deferred(incoming, key)) {
            session.to_host(self, received);
        }
    }

    fn begin_deferred(&self, incoming: &Incoming<'_>, key: Key) -> Option<Rc<Session>> {
        let proxy = self.this.upgrade()?;
        if self.sessions.len() >= MOST_SESSIONS {
            self.stats.downstream_sess_rx_errors.inc();
            return None;
        }
        let info = self.begin_info(incoming);
        self.stats.downstream_sess_total.inc();
        self.stats.downstream_sess_active.inc();
        let deferred = Box::new(Deferred {
            filters: RefCell::new(Filters::new(&self.filters)),
            entrance: Entrance::default(),
            host: RefCell::default(),
        });
        let session = Rc::new(Session::new(incoming, key, info, Some(deferred)));
        let asked = session.ask_next(self, 0);
        if asked.is_none() && !self.find_way(&session) {
            session.end(self);
            return None;
        }
        session.begin_deadlines(self);
        let task = Rc::clone(&session).run_deferred(Rc::downgrade(&proxy), asked);
        drop(tokio::task::spawn_local(task));
        self.sessions.insert(key, Rc::clone(&session));
        self.watch();
        Some(session)
    }

    /// Finds the cluster and the host of a session; whether there is a way.
    fn find_way(&self, session: &Session) -> bool {
        let (peer, local) = session.ends();
        let Some(target) = self.route(peer, local) else {
            session.with_info(|info| info.add_flags(ResponseFlags::NO_CLUSTER_FOUND));
            return false;
        };
        let Some(permit) = target.cluster.try_session() else {
            session.with_info(|info| info.add_flags(ResponseFlags::UPSTREAM_OVERFLOW));
            return false;
        };
        session.set_target(Rc::clone(&target), permit);
        if self.config.tunnel.is_some() {
            let host = self.host_of_tunnel(session, &target);
            let Some(deferred) = session.deferred.as_deref().filter(|_| host.is_some()) else {
                return false;
            };
            *deferred.host.borrow_mut() = host;
            return true;
        }
        let Ok(host) = target.cluster.choose_host(&self.pick(peer)) else {
            return false;
        };
        match socket_to(host.host(), self, &target) {
            Some(socket) => {
                session.set_host(&host, socket);
                true
            }
            None => false,
        }
    }

    /// The host that is asked for a tunnel next.
    pub(super) fn host_of_tunnel(
        &self,
        session: &Session,
        target: &Target,
    ) -> Option<Rc<WorkerHost>> {
        let cluster = &target.cluster;
        let found = match cluster.may_connect() {
            // As in Envoy the session itself is one of the connections that are allowed.
            false => {
                cluster.traffic_stats().upstream_cx_overflow.inc();
                Err(ResponseFlags::UPSTREAM_OVERFLOW)
            }
            true => {
                let (peer, _) = session.ends();
                let found = cluster.find_host(&self.pick(peer));
                found.ok_or(ResponseFlags::NO_HEALTHY_UPSTREAM)
            }
        };
        let lacking = |flags| {
            session.with_info(|info| info.add_flags(flags));
            target.stats.sess_tunnel_failure.inc();
        };
        found.map_err(lacking).ok()
    }
}

impl Session {
    /// What is known of it, if anybody wants to know.
    pub(super) fn with_info(&self, change: impl FnOnce(&mut StreamInfo)) {
        if let Some(info) = &self.info {
            change(&mut info.borrow_mut());
        }
    }

    /// Reads what is known of it.
    pub(super) fn info_of<T>(&self, read: impl FnOnce(&StreamInfo) -> T) -> Option<T> {
        self.info.as_ref().map(|info| read(&info.borrow()))
    }

    /// The way into its tunnel.
    pub(super) fn entrance(&self) -> Option<&Entrance> {
        self.deferred.as_ref().map(|deferred| &deferred.entrance)
    }

    /// A client's datagram, which has passed the filters before a place.
    pub(super) fn pass_down(
        &self,
        deferred: &Deferred,
        proxy: &UdpProxy,
        from: usize,
        datagram: &[u8],
    ) {
        let passed = deferred.filters.borrow_mut().down(from, datagram);
        let Some(passed) = passed else {
            return;
        };
        let Some(tunnel) = &proxy.config.tunnel else {
            self.send_to_host(proxy, (&passed, passed.len()));
            return;
        };
        let kept = deferred.entrance.push(&passed, tunnel.buffer);
        if let (Err(_), Some(target)) = (kept, self.target()) {
            target.stats.sess_tunnel_buffer_overflow.inc();
        }
    }

    /// What the host has sent.
    pub(super) fn pass_up(&self, deferred: &Deferred, proxy: &UdpProxy, bytes: &[u8]) {
        let mut filters = deferred.filters.borrow_mut();
        filters.up(bytes, &mut |datagram| {
            self.send_to_client(proxy, (datagram, datagram.len()));
        });
    }

    /// What has come out of its tunnel.
    pub(super) fn came_through(&self, proxy: &UdpProxy, bytes: &[u8]) {
        self.touch(proxy);
        if let Some(target) = self.target() {
            target.stats.sess_rx_datagrams.inc();
            let traffic = target.cluster.traffic_stats();
            let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            traffic.upstream_cx_rx_bytes_total.add(length);
        }
        if let Some(deferred) = &self.deferred {
            self.pass_up(deferred, proxy, bytes);
        }
    }

    /// The question of the first filter at or behind a place that has one.
    fn ask_next(&self, proxy: &UdpProxy, from: usize) -> Option<Asked> {
        let mut filters = self.deferred.as_ref()?.filters.borrow_mut();
        let at = filters.asking(from)?;
        let ask = filters.ask_at(at)?;
        let services = &*proxy.worker.services;
        let asked = self.info_of(|info| ask.begin(info, services))?;
        Some((at, asked))
    }

    async fn run_deferred(self: Rc<Self>, proxy: Weak<UdpProxy>, asked: Option<Asked>) {
        let mut way = pin!(self.go(&proxy, asked));
        loop {
            tokio::select! {
                biased;
                () = self.has_ended() => return,
                () = &mut way => {
                    if let Some(proxy) = proxy.upgrade() {
                        proxy.end(&self);
                    }
                    return;
                }
                expired = self.expired(&proxy) => {
                    if self.has_expired(expired, &proxy) {
                        return;
                    }
                }
            }
        }
    }

    /// Waits for the filters, and passes datagrams until there is no way on.
    async fn go(&self, proxy: &Weak<UdpProxy>, mut asked: Option<Asked>) {
        let Some(deferred) = &self.deferred else {
            return;
        };
        while let Some((at, answer)) = asked.take() {
            let answer = answer.await;
            let Some(proxy) = proxy.upgrade() else {
                return;
            };
            if !self.conclude(deferred, at, answer) {
                // Its client is not told, and may send until nothing comes for a while.
                drop(proxy);
                return std::future::pending().await;
            }
            asked = self.ask_next(&proxy, at + 1);
            if asked.is_none() && !proxy.find_way(self) {
                return;
            }
            self.release(deferred, &proxy, at);
        }
        let tunnelled = deferred.host.borrow_mut().take();
        match tunnelled {
            Some(host) => self.tunnel(proxy, host).await,
            None => {
                while self.read_once(proxy).await {
                    tokio::task::yield_now().await;
                }
            }
        }
    }

    fn conclude(&self, deferred: &Deferred, at: usize, answer: Option<CheckResponse>) -> bool {
        let mut filters = deferred.filters.borrow_mut();
        let (Some(ask), Some(info)) = (filters.ask_at(at), &self.info) else {
            return false;
        };
        ask.conclude(answer, &mut info.borrow_mut())
    }

    /// What has waited at a filter goes on.
    fn release(&self, deferred: &Deferred, proxy: &UdpProxy, at: usize) {
        let held = {
            let mut filters = deferred.filters.borrow_mut();
            filters.ask_at(at).map(super::filters::Ask::take_held)
        };
        let mut held = held.unwrap_or_default();
        while let Some(datagram) = held.pop() {
            self.pass_down(deferred, proxy, at + 1, &datagram);
        }
    }
}
