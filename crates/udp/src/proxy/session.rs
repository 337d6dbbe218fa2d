//! One client's datagrams to one host, and the host's back.

use std::cell::{Cell, OnceCell, RefCell};
use std::future::poll_fn;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::{Rc, Weak};
use std::sync::Arc;

use nuncio_contract::stream_info::{ResponseFlags, StreamInfo};
use nuncio_net::datagrams::{Received, open, send, send_from};
use nuncio_net::deadline::Deadlines;
use nuncio_upstream::cluster::{Health, Host};
use nuncio_upstream::{SessionPermit, WorkerHost};
use tokio::net::UdpSocket;
use tokio::sync::Notify;

use super::deferred::Deferred;
use super::target::Target;
use super::{Incoming, Key, UdpProxy};
use crate::socket::{ListeningSocket, READS, READS_A_TURN, receive};

const IDLE: usize = 0;
const LOG: usize = 1;
const DEADLINES: usize = 2;

/// A session.
pub(super) struct Session {
    key: Key,
    peer: SocketAddr,
    local: SocketAddr,
    downstream: Rc<ListeningSocket>,
    /// Known from the beginning, unless the session is deferred.
    target: OnceCell<Rc<Target>>,
    host: RefCell<Option<Arc<Host>>>,
    /// There is none where the session goes through a tunnel.
    socket: OnceCell<UdpSocket>,
    /// What only sessions with filters or a tunnel have.
    pub(super) deferred: Option<Box<Deferred>>,
    deadlines: Deadlines<DEADLINES>,
    pub(super) counts: Counts,
    /// Where sessions are logged.
    pub(super) info: Option<Box<RefCell<StreamInfo>>>,
    is_alive: Cell<bool>,
    ended: Notify,
    /// Its place in the circuit breaker, while it lives.
    permit: Cell<Option<SessionPermit>>,
}

/// What was passed.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) rx_bytes: Cell<u64>,
    pub(super) rx_datagrams: Cell<u64>,
    pub(super) tx_bytes: Cell<u64>,
    pub(super) tx_datagrams: Cell<u64>,
    pub(super) tx_errors: Cell<u64>,
}

impl Session {
    /// A session that begins now; none if the circuit breaker is open, or the system has no socket.
    pub(super) fn begin(
        proxy: &Rc<UdpProxy>,
        incoming: &Incoming<'_>,
        target: &Rc<Target>,
        key: Key,
        host: &Rc<WorkerHost>,
    ) -> Option<Rc<Self>> {
        let mut info = proxy.begin_info(incoming);
        proxy.stats.downstream_sess_total.inc();
        let Some(permit) = target.cluster.try_session() else {
            proxy.log_overflow(info, target);
            return None;
        };
        let socket = socket_to(host.host(), proxy, target)?;
        if let Some(info) = &mut info {
            note_host(host, info.get_mut());
        }
        proxy.stats.downstream_sess_active.inc();
        let session = Rc::new(Session {
            target: Rc::clone(target).into(),
            host: RefCell::new(Some(Arc::clone(host.host()))),
            socket: socket.into(),
            permit: Cell::new(Some(permit)),
            ..Session::new(incoming, key, info, None)
        });
        session.begin_deadlines(proxy);
        let task = Rc::clone(&session).run(Rc::downgrade(proxy));
        drop(tokio::task::spawn_local(task));
        Some(session)
    }

    /// One that goes nowhere yet.
    pub(super) fn new(
        incoming: &Incoming<'_>,
        key: Key,
        info: Option<Box<RefCell<StreamInfo>>>,
        deferred: Option<Box<Deferred>>,
    ) -> Self {
        Session {
            key,
            peer: incoming.peer,
            local: incoming.local,
            downstream: Rc::clone(incoming.socket),
            target: OnceCell::new(),
            host: RefCell::default(),
            socket: OnceCell::new(),
            deferred,
            deadlines: Deadlines::default(),
            counts: Counts::default(),
            info,
            is_alive: Cell::new(true),
            ended: Notify::new(),
            permit: Cell::default(),
        }
    }

    pub(super) fn begin_deadlines(&self, proxy: &UdpProxy) {
        self.touch(proxy);
        if let (Some(interval), Some(_)) = (proxy.config.log_interval, &self.info) {
            let now = proxy.worker.services.now();
            self.deadlines.set(LOG, now + interval);
        }
    }

    pub(super) fn key(&self) -> &Key {
        &self.key
    }

    /// Where it goes, if that is known yet.
    pub(super) fn target(&self) -> Option<&Rc<Target>> {
        self.target.get()
    }

    /// Whether that is this.
    pub(super) fn goes_to(&self, target: &Rc<Target>) -> bool {
        self.target().is_some_and(|own| Rc::ptr_eq(own, target))
    }

    /// From whom and to whom its client sends.
    pub(super) fn ends(&self) -> (SocketAddr, SocketAddr) {
        (self.peer, self.local)
    }

    /// Where a deferred session goes; it has a place in the circuit breaker.
    pub(super) fn set_target(&self, target: Rc<Target>, permit: SessionPermit) {
        let _once = self.target.set(target);
        self.permit.set(Some(permit));
    }

    /// Which host a deferred session goes to, and by which socket.
    pub(super) fn set_host(&self, host: &Rc<WorkerHost>, socket: UdpSocket) {
        if let Some(info) = &self.info {
            note_host(host, &mut info.borrow_mut());
        }
        *self.host.borrow_mut() = Some(Arc::clone(host.host()));
        let _once = self.socket.set(socket);
    }

    pub(super) fn is_alive(&self) -> bool {
        self.is_alive.get()
    }

    pub(super) fn has_healthy_host(&self) -> bool {
        self.host.borrow().as_deref().is_none_or(is_healthy)
    }

    pub(super) fn host_address(&self) -> Option<SocketAddr> {
        self.host.borrow().as_ref().map(|host| host.address)
    }

    /// Its host is described anew.
    pub(super) fn renew_host(&self, host: &Arc<Host>) {
        let mut own = self.host.borrow_mut();
        if !own.as_ref().is_some_and(|own| Arc::ptr_eq(own, host)) {
            *own = Some(Arc::clone(host));
        }
    }

    /// Where its host's datagrams come to.
    pub(super) fn upstream_local_address(&self) -> Option<SocketAddr> {
        self.socket.get()?.local_addr().ok()
    }

    pub(super) fn touch(&self, proxy: &UdpProxy) {
        let now = proxy.worker.services.now();
        self.deadlines.set(IDLE, now + proxy.config.idle_timeout);
    }

    /// What the client has sent goes to the host.
    pub(super) fn to_host(&self, proxy: &UdpProxy, received: &Received<'_>) {
        self.bytes_to_host(proxy, received.joined(), received.count());
    }

    /// The same of so many datagrams.
    pub(super) fn bytes_to_host(
        &self,
        proxy: &UdpProxy,
        (bytes, segment_bytes): (&[u8], usize),
        count: u64,
    ) {
        let length = number(bytes.len());
        proxy.stats.downstream_sess_rx_bytes.add(length);
        proxy.stats.downstream_sess_rx_datagrams.add(count);
        add(&self.counts.rx_bytes, length);
        add(&self.counts.rx_datagrams, count);
        self.touch(proxy);
        match &self.deferred {
            None => self.send_to_host(proxy, (bytes, segment_bytes)),
            Some(deferred) => {
                for datagram in datagrams(bytes, segment_bytes) {
                    self.pass_down(deferred, proxy, 0, datagram);
                }
            }
        }
    }

    pub(super) fn send_to_host(&self, proxy: &UdpProxy, (bytes, segment_bytes): (&[u8], usize)) {
        let (Some(socket), Some(to), Some(target)) =
            (self.socket.get(), self.host_address(), self.target())
        else {
            return;
        };
        let (sent, failed) = match proxy.config.keeps_source {
            false => send(socket, bytes, segment_bytes),
            true => {
                let from = super::route::plain_ip(self.peer.ip());
                send_from(socket, (bytes, segment_bytes), to, Some(from))
            }
        };
        target.stats.sess_tx_datagrams.add(sent);
        target.stats.sess_tx_errors.add(failed);
        let sent_bytes = share(bytes.len(), segment_bytes, (sent, failed));
        let traffic = target.cluster.traffic_stats();
        traffic.upstream_cx_tx_bytes_total.add(sent_bytes);
    }

    async fn run(self: Rc<Self>, proxy: Weak<UdpProxy>) {
        loop {
            tokio::select! {
                biased;
                () = self.ended.notified() => return,
                is_read = self.read_once(&proxy) => {
                    if !is_read {
                        return;
                    }
                }
                expired = self.expired(&proxy) => {
                    if self.has_expired(expired, &proxy) {
                        return;
                    }
                }
            }
            tokio::task::yield_now().await;
        }
    }

    /// Waits for what its host sends, and passes some of it on; false if there is nothing more to wait for.
    pub(super) async fn read_once(&self, proxy: &Weak<UdpProxy>) -> bool {
        let Some(socket) = self.socket.get() else {
            return false;
        };
        let ready = socket.ready(READS).await;
        let (Ok(_), Some(proxy)) = (ready, proxy.upgrade()) else {
            return false;
        };
        self.read(socket, &proxy);
        true
    }

    /// One of its times is over; whether the session is.
    pub(super) fn has_expired(self: &Rc<Self>, which: usize, proxy: &Weak<UdpProxy>) -> bool {
        let Some(proxy) = proxy.upgrade() else {
            return true;
        };
        if which != IDLE {
            self.log_periodically(&proxy);
            return false;
        }
        if proxy.config.tunnel.is_some() {
            self.with_info(|info| info.add_flags(ResponseFlags::STREAM_IDLE_TIMEOUT));
        }
        proxy.stats.idle_timeout.inc();
        proxy.end(self);
        true
    }

    /// It has ended.
    pub(super) async fn has_ended(&self) {
        self.ended.notified().await;
    }

    pub(super) async fn expired(&self, proxy: &Weak<UdpProxy>) -> usize {
        let Some(services) = proxy
            .upgrade()
            .map(|proxy| Rc::clone(&proxy.worker.services))
        else {
            return IDLE;
        };
        poll_fn(|cx| self.deadlines.poll_expired(cx, &*services)).await
    }

    fn log_periodically(&self, proxy: &UdpProxy) {
        proxy.log_periodic(self);
        if let Some(interval) = proxy.config.log_interval {
            let now = proxy.worker.services.now();
            self.deadlines.set(LOG, now + interval);
        }
    }

    /// What the host has sent goes to the client.
    fn read(&self, socket: &UdpSocket, proxy: &UdpProxy) {
        let Some(target) = self.target() else {
            return;
        };
        self.touch(proxy);
        let mut buffer = proxy.buffer.borrow_mut();
        for _ in 0..READS_A_TURN {
            if !self.is_alive() {
                return;
            }
            match receive(socket, &mut buffer) {
                Ok(received) if received.is_cut_short => {
                    target.stats.sess_rx_datagrams_dropped.inc();
                }
                Ok(received) => self.to_client(proxy, target, &received),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => target.stats.sess_rx_errors.inc(),
            }
        }
    }

    fn to_client(&self, proxy: &UdpProxy, target: &Target, received: &Received<'_>) {
        let (bytes, segment_bytes) = received.joined();
        target.stats.sess_rx_datagrams.add(received.count());
        let traffic = target.cluster.traffic_stats();
        traffic.upstream_cx_rx_bytes_total.add(number(bytes.len()));
        match &self.deferred {
            None => self.send_to_client(proxy, (bytes, segment_bytes)),
            Some(deferred) => {
                for datagram in datagrams(bytes, segment_bytes) {
                    self.pass_up(deferred, proxy, datagram);
                }
            }
        }
    }

    pub(super) fn send_to_client(&self, proxy: &UdpProxy, (bytes, segment_bytes): (&[u8], usize)) {
        let from = self.local.ip();
        let (sent, failed) = self
            .downstream
            .answer((bytes, segment_bytes), self.peer, from);
        let sent_bytes = share(bytes.len(), segment_bytes, (sent, failed));
        let stats = &proxy.stats;
        stats.downstream_sess_tx_datagrams.add(sent);
        stats.downstream_sess_tx_bytes.add(sent_bytes);
        stats.downstream_sess_tx_errors.add(failed);
        add(&self.counts.tx_datagrams, sent);
        add(&self.counts.tx_bytes, sent_bytes);
        add(&self.counts.tx_errors, failed);
    }

    /// It is over; done once.
    pub(super) fn end(&self, proxy: &UdpProxy) {
        if !self.is_alive.replace(false) {
            return;
        }
        drop(self.permit.take());
        proxy.stats.downstream_sess_active.dec();
        proxy.log_end(self);
        self.ended.notify_one();
    }
}

/// Whether a host is one to go on with.
pub(super) fn is_healthy(host: &Host) -> bool {
    host.health().health() != Health::Unhealthy
}

/// A socket to a host; none if there can be none.
pub(super) fn socket_to(host: &Host, proxy: &UdpProxy, target: &Target) -> Option<UdpSocket> {
    // The address of a host that has none of IP only stands for it: no datagram may go there.
    let is_reachable = host.not_ip.is_none();
    let socket = is_reachable.then(|| connected(host.address, proxy.config.keeps_source));
    if let Some(Ok(socket)) = socket {
        return Some(socket);
    }
    target.stats.sess_tx_errors.inc();
    None
}

fn note_host(host: &WorkerHost, info: &mut StreamInfo) {
    info.upstream.add_attempted_host(host.description());
    info.upstream.remote_address = Some(host.host().address.into());
}

/// The datagrams that are joined in one read.
fn datagrams(bytes: &[u8], segment_bytes: usize) -> impl Iterator<Item = &[u8]> {
    let empty: Option<&[u8]> = bytes.is_empty().then_some(&[]);
    bytes.chunks(segment_bytes.max(1)).chain(empty)
}

/// A socket to `to`, which has no address of ours yet where that of the client is to be it.
fn connected(to: SocketAddr, keeps_source: bool) -> io::Result<UdpSocket> {
    let socket = open(to)?;
    match (keeps_source, to) {
        (false, _) => socket.connect(&to.into())?,
        (true, SocketAddr::V4(_)) => {
            socket.set_ip_transparent_v4(true)?;
            socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)).into())?;
        }
        (true, SocketAddr::V6(_)) => {
            socket.set_ip_transparent_v6(true)?;
            socket.bind(&SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)).into())?;
        }
    }
    UdpSocket::from_std(socket.into())
}

fn number(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

fn add(cell: &Cell<u64>, more: u64) {
    cell.set(cell.get().saturating_add(more));
}

/// How many bytes went, where not all datagrams did.
fn share(bytes: usize, segment_bytes: usize, (sent, failed): (u64, u64)) -> u64 {
    match (sent, failed) {
        (_, 0) => number(bytes),
        (0, _) => 0,
        (sent, _) => number(segment_bytes)
            .saturating_mul(sent)
            .min(number(bytes)),
    }
}
