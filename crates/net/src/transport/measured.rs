//! What the system tells of connections of TCP: `tcp_stats.` of a cluster or a listener
//! (`envoy.transport_sockets.tcp_stats`).
//!
//! The system is asked when a connection ends, and in between if there is a period; the connection has another file
//! descriptor then. Counters are those of connections that had their handshake; Envoy counts those that failed, too.
//! Before Linux 4.19, which does not tell of all of it, nothing is measured. Bytes are taken from where the system
//! has them since (`struct tcp_info`, which only grows).

use std::cell::{Cell, OnceCell};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::{Rc, Weak};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use nix::sys::socket::getsockopt;
use nuncio_contract::stat_group;
use nuncio_contract::stats::{Counter, Gauge};
use tokio::task::AbortHandle;

use super::Transport;
use crate::tasks::spawn_seldom;

stat_group! {
    /// What connections of TCP had.
    pub struct TcpSocketStats("tcp_stats.") {
        counters {
            cx_rx_bytes_received,
            cx_rx_data_segments,
            cx_rx_segments,
            cx_tx_bytes_sent,
            cx_tx_data_segments,
            cx_tx_retransmitted_segments,
            cx_tx_segments,
        }
        gauges {
            cx_tx_unacked_segments,
            cx_tx_unsent_bytes,
        }
        histograms {
            cx_rtt_us: Microseconds,
            cx_rtt_variance_us: Microseconds,
            cx_tx_percent_retransmitted_segments: Percent,
        }
    }
}

/// The bytes of `struct tcp_info` that are read.
const INFO_BYTES: usize = 208;
/// Where its first number of 32 bits is, behind eight of 8 bits.
const WORDS_AT: usize = 8;

/// Option to ask for `struct tcp_info`.
#[derive(Clone, Copy, Debug)]
struct AllInfo;

nix::getsockopt_impl!(
    AllInfo,
    libc::IPPROTO_TCP,
    libc::TCP_INFO,
    [u8; INFO_BYTES],
    nix::sys::socket::sockopt::GetStruct<[u8; INFO_BYTES]>
);

/// How the connections of a transport socket are measured, on one thread.
#[derive(Clone)]
pub struct Measuring {
    stats: Arc<TcpSocketStats>,
    period: Option<Duration>,
}

/// What was told last of a connection.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    unacked_segments: u32,
    rtt_us: u32,
    rtt_variance_us: u32,
    retransmitted: u32,
    bytes_received: u64,
    segments_sent: u32,
    segments_received: u32,
    unsent_bytes: u32,
    data_segments_received: u32,
    data_segments_sent: u32,
    bytes_sent: u64,
}

/// A connection that is measured.
pub(super) struct Measured {
    stats: Arc<TcpSocketStats>,
    told: Cell<Told>,
    /// The socket, where it is asked in between.
    own: Option<OwnedFd>,
    /// The task that asks then.
    asking: OnceCell<AbortHandle>,
}

impl Measuring {
    /// Counts in `stats` when connections end and each `period`.
    pub fn new(stats: Arc<TcpSocketStats>, period: Option<Duration>) -> Self {
        Measuring { stats, period }
    }

    /// Measures a connection from now on.
    #[must_use]
    pub fn measure(&self, transport: Transport) -> Transport {
        if !tells_all() {
            return transport;
        }
        let period = self.period;
        let own = period.and_then(|_| transport.socket().as_fd().try_clone_to_owned().ok());
        let measured = self.begin(own);
        transport.measured(measured)
    }

    fn begin(&self, own: Option<OwnedFd>) -> Rc<Measured> {
        let measured = Rc::new(Measured {
            stats: Arc::clone(&self.stats),
            told: Cell::default(),
            own,
            asking: OnceCell::new(),
        });
        if let (Some(period), Some(_)) = (self.period, &measured.own) {
            let task = spawn_seldom(measure_each(period, Rc::downgrade(&measured)));
            measured.asking.get_or_init(|| task.abort_handle());
        }
        measured
    }
}

/// Asks for what is told now and then, as long as there is a connection.
async fn measure_each(period: Duration, measured: Weak<Measured>) {
    loop {
        tokio::time::sleep(period).await;
        match measured.upgrade() {
            Some(measured) => {
                if let Some(own) = &measured.own {
                    measured.ask(own.as_fd());
                }
            }
            None => return,
        }
    }
}

impl Measured {
    fn ask(&self, socket: BorrowedFd<'_>) {
        if let Some(now) = told(socket) {
            let before = self.told.replace(now);
            count(&self.stats, &before, &now);
        }
    }

    /// Asks for the last time, before the socket is closed.
    pub(super) fn end(&self, socket: BorrowedFd<'_>) {
        if let Some(asking) = self.asking.get() {
            // It would sleep to the end of the period.
            asking.abort();
        }
        self.ask(socket);
        let last = self.told.take();
        let stats = &self.stats;
        stats
            .cx_tx_unacked_segments
            .sub(last.unacked_segments.into());
        stats.cx_tx_unsent_bytes.sub(last.unsent_bytes.into());
    }
}

/// Counts what has come since `before`.
fn count(stats: &TcpSocketStats, before: &Told, now: &Told) {
    // As in Envoy none is told where nothing was sent.
    let sent = now
        .data_segments_sent
        .saturating_sub(before.data_segments_sent);
    let again = now.retransmitted.checked_sub(before.retransmitted);
    if let (1.., Some(again)) = (sent, again) {
        let millionths = u64::from(again) * 1_000_000 / u64::from(sent);
        stats
            .cx_tx_percent_retransmitted_segments
            .record(millionths);
    }
    let counter = |counter: &Counter, before: u64, now: u64| match now.saturating_sub(before) {
        0 => {}
        more => counter.add(more),
    };
    let segments = |it: &Counter, before: u32, now: u32| counter(it, before.into(), now.into());
    segments(
        &stats.cx_tx_segments,
        before.segments_sent,
        now.segments_sent,
    );
    segments(
        &stats.cx_rx_segments,
        before.segments_received,
        now.segments_received,
    );
    let (was, is) = (before.data_segments_sent, now.data_segments_sent);
    segments(&stats.cx_tx_data_segments, was, is);
    let (was, is) = (before.data_segments_received, now.data_segments_received);
    segments(&stats.cx_rx_data_segments, was, is);
    let (was, is) = (before.retransmitted, now.retransmitted);
    segments(&stats.cx_tx_retransmitted_segments, was, is);
    counter(
        &stats.cx_rx_bytes_received,
        before.bytes_received,
        now.bytes_received,
    );
    counter(&stats.cx_tx_bytes_sent, before.bytes_sent, now.bytes_sent);
    let gauge = |gauge: &Gauge, before: u32, now: u32| {
        gauge.add(now.into());
        gauge.sub(before.into());
    };
    gauge(
        &stats.cx_tx_unsent_bytes,
        before.unsent_bytes,
        now.unsent_bytes,
    );
    let (was, is) = (before.unacked_segments, now.unacked_segments);
    gauge(&stats.cx_tx_unacked_segments, was, is);
    stats.cx_rtt_us.record(now.rtt_us.into());
    stats.cx_rtt_variance_us.record(now.rtt_variance_us.into());
}

fn told(socket: BorrowedFd<'_>) -> Option<Told> {
    read(&getsockopt(&socket, AllInfo).ok()?)
}

/// What `struct tcp_info` says.
fn read(info: &[u8; INFO_BYTES]) -> Option<Told> {
    let word = |index: usize| {
        let bytes = info.get(WORDS_AT + 4 * index..)?.first_chunk()?;
        Some(u32::from_ne_bytes(*bytes))
    };
    let long = |at: usize| Some(u64::from_ne_bytes(*info.get(at..)?.first_chunk()?));
    Some(Told {
        unacked_segments: word(4)?,
        rtt_us: word(15)?,
        rtt_variance_us: word(16)?,
        retransmitted: word(23)?,
        bytes_received: long(128)?,
        segments_sent: word(32)?,
        segments_received: word(33)?,
        unsent_bytes: word(34)?,
        data_segments_received: word(36)?,
        data_segments_sent: word(37)?,
        bytes_sent: long(200)?,
    })
}

/// Whether the system tells of all that is read. One that is older writes less, which the call does not expect.
fn tells_all() -> bool {
    static TELLS_ALL: OnceLock<bool> = OnceLock::new();
    *TELLS_ALL.get_or_init(|| {
        let release = std::fs::read_to_string("/proc/sys/kernel/osrelease");
        release.is_ok_and(|release| is_new_enough(&release))
    })
}

fn is_new_enough(release: &str) -> bool {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    let mut number = || numbers.next().and_then(|number| number.parse::<u32>().ok());
    (number(), number()) >= (Some(4), Some(19))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_between_two_looks_is_counted() {
        let stats = TcpSocketStats::default();
        let first = Told {
            data_segments_sent: 4,
            bytes_sent: 100,
            unsent_bytes: 7,
            ..Told::default()
        };
        let second = Told {
            data_segments_sent: 6,
            retransmitted: 1,
            bytes_sent: 150,
            unsent_bytes: 2,
            ..Told::default()
        };
        count(&stats, &Told::default(), &first);
        count(&stats, &first, &second);
        assert_eq!(stats.cx_tx_data_segments.value(), 6);
        assert_eq!(stats.cx_tx_retransmitted_segments.value(), 1);
        assert_eq!(stats.cx_tx_bytes_sent.value(), 150);
        assert_eq!(stats.cx_tx_unsent_bytes.share(), 2);
    }

    #[test]
    fn systems_tell_all_from_4_19_on() {
        for (release, tells) in [
            ("4.18.20-generic", false),
            ("3.99", false),
            ("4.19.0", true),
            ("5.4", true),
            ("6.1.0-rc1+", true),
            ("what", false),
        ] {
            assert_eq!(is_new_enough(release), tells, "{release}");
        }
    }

    #[tokio::test]
    async fn a_connection_tells_of_its_bytes() {
        use std::io::{Read, Write};
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut near = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut far, _) = listener.accept().unwrap();
        near.write_all(b"hello").unwrap();
        far.read_exact(&mut [0; 5]).unwrap();
        assert!(tells_all());
        let told = (told(near.as_fd()).unwrap(), told(far.as_fd()).unwrap());
        assert_eq!((told.0.bytes_sent, told.0.data_segments_sent), (5, 1));
        assert_eq!(
            (told.1.bytes_received, told.1.data_segments_received),
            (5, 1)
        );
    }

    #[tokio::test]
    async fn nothing_stays_of_a_connection_that_has_ended() {
        let test = async {
            let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let own = socket.as_fd().try_clone_to_owned().unwrap();
            let period = Some(Duration::from_secs(3600));
            let measured = Measuring::new(Arc::default(), period).begin(Some(own));
            let task = measured.asking.get().unwrap().clone();
            tokio::task::yield_now().await;
            assert!(!task.is_finished());
            measured.end(socket.as_fd());
            tokio::task::yield_now().await;
            assert!(task.is_finished());
        };
        tokio::task::LocalSet::new().run_until(test).await;
    }
}
