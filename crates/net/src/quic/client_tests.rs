//! Connections to hosts over real sockets, to our own endpoint.

use std::future::{Future, poll_fn};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use nuncio_contract::clock::{Clock, ManualClock, SystemClock};

use super::endpoint::MAX_UNPROVEN;
use super::tests::{hall, run, serve, settings};
use super::{Connection, Dial, Lost, ReadEnd, connect};
use crate::tls::tests::client::context_of_quic;
use crate::tls::{ClientTls, Wishes};

fn clock() -> Rc<dyn Clock> {
    Rc::new(SystemClock)
}

fn dial(host: SocketAddr, tls: &ClientTls) -> Rc<Connection> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    socket.connect(host).expect("an address to connect to");
    let ends = (Ipv4Addr::LOCALHOST.into(), host.ip());
    let greeting = tls
        .greet_over_quic(ends, Wishes::default())
        .expect("there is a context");
    let dial = Dial {
        socket,
        peer: host,
        settings: settings(),
        greeting,
    };
    connect(dial, &clock()).expect("the socket can be used")
}

/// Sends on a new stream, and takes what comes back.
async fn ask(connection: &Connection, bytes: &[u8]) -> Vec<u8> {
    let id = connection.open_request().expect("the host allows some");
    let mut left = bytes;
    let mut answer = Vec::new();
    poll_fn(|cx| {
        connection.note_driver(cx);
        loop {
            while connection.next_event(Instant::now()).is_some() {}
            if !left.is_empty() {
                let sent = connection.send(id, left).expect("the host wants it");
                left = &left[sent..];
                if left.is_empty() {
                    connection.finish(id);
                }
            }
            let read = connection.read(id, 1 << 16, |part| answer.extend_from_slice(part));
            if read == Ok(ReadEnd::Finished) {
                return Poll::Ready(());
            }
            connection.write(Instant::now());
            if connection.poll_timer(cx, &SystemClock).is_pending() {
                return Poll::Pending;
            }
        }
    })
    .await;
    answer
}

#[test]
fn a_host_is_greeted_and_answers() {
    run(async {
        let hall = hall();
        let tls = context_of_quic("{sni: a.example}");
        let connection = dial(serve(&hall), &tls);
        let handshake = connection
            .handshaken(&SystemClock)
            .await
            .expect("it is one");
        assert_eq!(handshake.info.alpn_protocol.as_deref(), Some(&b"h3"[..]));
        assert_eq!(handshake.info.version, Some("TLSv1.3"));
        let long = vec![7; 100_000];
        assert_eq!(ask(&connection, &long).await, long);
        connection.close(Instant::now(), 0x100, "");
        connection.linger(&SystemClock).await;
        drop(connection);
        hall.endpoint.emptied().await;
    });
}

#[test]
fn a_host_that_has_a_client_come_again_is_believed_by_its_seal() {
    run(async {
        let hall = hall();
        let address = serve(&hall);
        let _half_open: Vec<_> = (0..MAX_UNPROVEN)
            .map(|_| hall.endpoint.note_handshake())
            .collect();
        let tls = context_of_quic("{sni: a.example}");
        let connection = dial(address, &tls);
        connection
            .handshaken(&SystemClock)
            .await
            .expect("it is one");
    });
}

#[test]
fn whoever_is_told_no_name_is_believed_by_nobody() {
    run(async {
        let hall = hall();
        let tls = context_of_quic("{}");
        let connection = dial(serve(&hall), &tls);
        let lost = connection.handshaken(&SystemClock).await.err();
        // There is no filter chain for it.
        assert!(matches!(lost, Some(Lost::Closed { .. })), "{lost:?}");
    });
}

#[test]
fn a_certificate_must_be_for_the_name_that_the_host_is_told() {
    run(async {
        let hall = super::tests::hall_of("b.example");
        let tls = context_of_quic("{sni: a.example}");
        let connection = dial(serve(&hall), &tls);
        let lost = connection.handshaken(&SystemClock).await.err();
        assert!(matches!(lost, Some(Lost::Violated(_))), "{lost:?}");
        let (_, failure) = connection.failure().expect("it is known why");
        let reason = failure.and_then(|failure| failure.reason.as_deref());
        let begin = "QUIC_TLS_CERTIFICATE_UNKNOWN with details: TLS handshake failure (ENCRYPTION_HANDSHAKE) 46";
        assert!(
            reason.is_some_and(|reason| reason.starts_with(begin)),
            "{reason:?}"
        );
    });
}

#[test]
fn it_is_known_at_once_that_nobody_listens() {
    run(async {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = socket.local_addr().expect("it has one");
        drop(socket);
        let tls = context_of_quic("{sni: a.example}");
        let connection = dial(address, &tls);
        let lost = connection.handshaken(&SystemClock).await.err();
        assert_eq!(lost, Some(Lost::Refused));
        // There is nobody to be told of the end.
        let ended = poll_once(connection.linger(&SystemClock)).await;
        assert_eq!(ended, Poll::Ready(()));
    });
}

#[test]
fn the_end_is_told_for_a_few_seconds_at_the_most() {
    run(async {
        // It listens, and says nothing.
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let tls = context_of_quic("{sni: a.example}");
        let connection = dial(socket.local_addr().expect("it has one"), &tls);
        // Nothing has ended it, so that it has no last packets either.
        let clock = ManualClock::default();
        let mut linger = Box::pin(connection.linger(&clock));
        assert!(poll_once(&mut linger).await.is_pending());
        clock.advance(Duration::from_secs(4));
        assert!(poll_once(&mut linger).await.is_ready());
    });
}

async fn poll_once<F: Future>(future: F) -> Poll<F::Output> {
    let mut future = std::pin::pin!(future);
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
}

#[test]
fn it_is_known_from_writes_as_well_that_nobody_listens() {
    run(async {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = socket.local_addr().expect("it has one");
        drop(socket);
        let tls = context_of_quic("{sni: a.example}");
        let connection = dial(address, &tls);
        // No task reads the socket meanwhile.
        for _ in 0..100 {
            connection.write(Instant::now());
            while connection.next_event(Instant::now()).is_some() {}
            let later = Instant::now() + Duration::from_secs(10);
            while connection.next_event(later).is_some() {}
        }
        assert!(connection.is_refused());
    });
}
