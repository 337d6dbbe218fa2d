//! A listener of datagrams on one worker: reads its sockets, and gives what came to its filter.
//!
//! Up to 64 reads are done in a turn, then others of the worker have theirs. What is longer than
//! `max_rx_datagram_size` (1,500 bytes) or found no room in the kernel is counted as dropped. A listener without
//! filters drops everything, as in Envoy. With GRO (`prefer_gro`, off by default) a read takes what the kernel has
//! joined.

pub mod config;
pub mod quic;

use std::cell::Cell;
use std::io::{self, ErrorKind};
use std::rc::Rc;
use std::sync::Arc;

use nuncio_contract::stat_group;
use nuncio_net::datagrams::ReceiveBuffer;

pub use config::{CompiledUdpListener, UdpFilterConfig};

use crate::dns_filter::DnsFilter;
use crate::proxy::UdpProxy;
use crate::socket::{ListeningSocket, READS_A_TURN};

stat_group! {
    /// Datagrams of a listener, at `listener.<address>.`.
    pub struct UdpListenerStats("udp.") {
        counters { downstream_rx_datagram_dropped }
    }
}

/// A listener of datagrams on one worker.
pub struct UdpListener {
    config: Arc<CompiledUdpListener>,
    stats: Arc<UdpListenerStats>,
    filter: Option<Filter>,
}

/// What takes datagrams, on one worker.
enum Filter {
    Proxy(Rc<UdpProxy>),
    Dns(Rc<DnsFilter>),
}

impl UdpListener {
    /// The worker's instance.
    pub fn new(config: Arc<CompiledUdpListener>, worker: &crate::Worker) -> Rc<Self> {
        Rc::new(UdpListener {
            stats: config.scope.worker_group(),
            filter: config.filter.clone().map(|filter| match filter {
                UdpFilterConfig::Proxy(proxy) => {
                    Filter::Proxy(UdpProxy::new(proxy, worker.clone()))
                }
                UdpFilterConfig::Dns(filter) => Filter::Dns(DnsFilter::new(filter, worker.clone())),
            }),
            config,
        })
    }

    /// Reads a socket until `ended`. What one that `is_new` has lost so far is counted.
    ///
    /// # Errors
    /// The system does not let the socket be read.
    pub async fn serve(
        self: Rc<Self>,
        socket: std::net::UdpSocket,
        is_new: bool,
        ended: impl Future<Output = ()>,
    ) -> io::Result<()> {
        let (joins, joins_writes) = (self.config.socket.joins, self.config.joins_writes);
        let socket = Rc::new(ListeningSocket::new(socket, joins, joins_writes)?);
        tokio::select! {
            biased;
            () = ended => Ok(()),
            failed = self.read(&socket, is_new.then_some(0)) => failed,
        }
    }

    async fn read(&self, socket: &Rc<ListeningSocket>, lost_so_far: Option<u32>) -> io::Result<()> {
        let sizes = self.config.socket;
        let mut buffer = ReceiveBuffer::new(sizes.max_datagram_bytes, sizes.joins);
        let lost = Cell::new(lost_so_far);
        loop {
            socket.ready().await?;
            for _ in 0..READS_A_TURN {
                match socket.receive(&mut buffer) {
                    Ok(received) => {
                        self.count_dropped(&lost, received.lost, received.is_cut_short);
                        match (&self.filter, received.is_cut_short) {
                            (Some(Filter::Proxy(proxy)), false) => {
                                proxy.received(socket, &received);
                            }
                            (Some(Filter::Dns(dns)), false) => dns.received(socket, &received),
                            _ => {}
                        }
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(_) => match &self.filter {
                        Some(Filter::Proxy(proxy)) => proxy.receiving_failed(),
                        Some(Filter::Dns(dns)) => dns.receiving_failed(),
                        None => {}
                    },
                }
            }
            tokio::task::yield_now().await;
        }
    }

    fn count_dropped(&self, known: &Cell<Option<u32>>, lost: Option<u32>, is_cut_short: bool) {
        let mut dropped = u64::from(is_cut_short);
        if let Some(lost) = lost {
            let before = known.replace(Some(lost)).unwrap_or(lost);
            dropped += u64::from(lost.wrapping_sub(before));
        }
        self.stats.downstream_rx_datagram_dropped.add(dropped);
    }

    /// Ends its sessions.
    pub fn end(&self) {
        if let Some(Filter::Proxy(proxy)) = &self.filter {
            proxy.end_all();
        }
    }
}
