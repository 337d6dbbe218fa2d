//! One client's datagrams to one host, and the host's back.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::{Rc, Weak};
use std::sync::Arc;

use nuncio_contract::stream_info::StreamInfo;
use nuncio_net::datagrams::{Received, open, send, send_from};
use nuncio_net::deadline::Deadlines;
use nuncio_upstream::cluster::{Health, Host};
use nuncio_upstream::{SessionPermit, WorkerHost};
use tokio::net::UdpSocket;
use tokio::sync::Notify;

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
    target: Rc<Target>,
    host: RefCell<Arc<Host>>,
    socket: UdpSocket,
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
        let to = host.host().address;
        // The address of a host that has none of IP only stands for it: no datagram may go there.
        let is_reachable = host.host().not_ip.is_none();
        let socket = is_reachable.then(|| connected(to, proxy.config.keeps_source));
        let Some(Ok(socket)) = socket else {
            target.stats.sess_tx_errors.inc();
            return None;
        };
        if let Some(info) = &mut info {
            let upstream = &mut info.get_mut().upstream;
            upstream.add_attempted_host(host.description());
            upstream.remote_address = Some(to.into());
        }
        proxy.stats.downstream_sess_active.inc();
        let session = Rc::new(Session {
            key,
            peer: incoming.peer,
            local: incoming.local,
            downstream: Rc::clone(incoming.socket),
            target: Rc::clone(target),
            host: RefCell::new(Arc::clone(host.host())),
            socket,
            deadlines: Deadlines::default(),
            counts: Counts::default(),
            info,
            is_alive: Cell::new(true),
            ended: Notify::new(),
            permit: Cell::new(Some(permit)),
        });
        session.touch(proxy);
        if let (Some(interval), Some(_)) = (proxy.config.log_interval, &session.info) {
            let now = proxy.worker.services.now();
            session.deadlines.set(LOG, now + interval);
        }
        let task = Rc::clone(&session).run(Rc::downgrade(proxy));
        drop(tokio::task::spawn_local(task));
        Some(session)
    }

    pub(super) fn key(&self) -> &Key {
        &self.key
    }

    pub(super) fn target(&self) -> &Rc<Target> {
        &self.target
    }

    pub(super) fn is_alive(&self) -> bool {
        self.is_alive.get()
    }

    pub(super) fn has_healthy_host(&self) -> bool {
        is_healthy(&self.host.borrow())
    }

    pub(super) fn host_address(&self) -> SocketAddr {
        self.host.borrow().address
    }

    /// Its host is described anew.
    pub(super) fn renew_host(&self, host: &Arc<Host>) {
        if !Arc::ptr_eq(&self.host.borrow(), host) {
            *self.host.borrow_mut() = Arc::clone(host);
        }
    }

    /// Where its host's datagrams come to.
    pub(super) fn upstream_local_address(&self) -> Option<SocketAddr> {
        self.socket.local_addr().ok()
    }

    fn touch(&self, proxy: &UdpProxy) {
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
        let socket = &self.socket;
        let (sent, failed) = match proxy.config.keeps_source {
            false => send(socket, bytes, segment_bytes),
            true => {
                let (to, from) = (self.host_address(), super::route::plain_ip(self.peer.ip()));
                send_from(socket, (bytes, segment_bytes), to, Some(from))
            }
        };
        self.target.stats.sess_tx_datagrams.add(sent);
        self.target.stats.sess_tx_errors.add(failed);
        let sent_bytes = share(bytes.len(), segment_bytes, (sent, failed));
        let traffic = self.target.cluster.traffic_stats();
        traffic.upstream_cx_tx_bytes_total.add(sent_bytes);
    }

    async fn run(self: Rc<Self>, proxy: Weak<UdpProxy>) {
        loop {
            tokio::select! {
                biased;
                () = self.ended.notified() => return,
                ready = self.socket.ready(READS) => {
                    let (Ok(_), Some(proxy)) = (ready, proxy.upgrade()) else {
                        return;
                    };
                    self.read(&proxy);
                }
                expired = self.expired(&proxy) => {
                    let Some(proxy) = proxy.upgrade() else {
                        return;
                    };
                    match expired {
                        IDLE => {
                            proxy.stats.idle_timeout.inc();
                            proxy.end(&self);
                            return;
                        }
                        _ => self.log_periodically(&proxy),
                    }
                }
            }
            tokio::task::yield_now().await;
        }
    }

    async fn expired(&self, proxy: &Weak<UdpProxy>) -> usize {
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
    fn read(&self, proxy: &UdpProxy) {
        self.touch(proxy);
        let mut buffer = proxy.buffer.borrow_mut();
        for _ in 0..READS_A_TURN {
            if !self.is_alive() {
                return;
            }
            match receive(&self.socket, &mut buffer) {
                Ok(received) if received.is_cut_short => {
                    self.target.stats.sess_rx_datagrams_dropped.inc();
                }
                Ok(received) => self.to_client(proxy, &received),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => self.target.stats.sess_rx_errors.inc(),
            }
        }
    }

    fn to_client(&self, proxy: &UdpProxy, received: &Received<'_>) {
        let (bytes, segment_bytes) = received.joined();
        let stats = &self.target.stats;
        stats.sess_rx_datagrams.add(received.count());
        let traffic = self.target.cluster.traffic_stats();
        traffic.upstream_cx_rx_bytes_total.add(number(bytes.len()));
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
