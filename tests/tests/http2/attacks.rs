//! Peers that mean no good, frame by frame.

use std::net::{TcpListener, TcpStream};
use std::thread::spawn;

use nuncio_testkit::http2::frame::{Frame, PREFACE, flag, kind};
use nuncio_testkit::http2::hpack;
use nuncio_testkit::http2::peer::Peer;
use nuncio_testkit::wire::Wire;

use crate::peers::{Options, PATIENCE, proxy_to, proxy_with};

/// A client that has greeted.
fn client(port: u16) -> Peer {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    let mut peer = greeted(stream);
    peer.send(PREFACE);
    peer.send(&Frame::settings(&[]).bytes());
    peer
}

fn greeted(stream: TcpStream) -> Peer {
    stream
        .set_read_timeout(Some(PATIENCE))
        .expect("sockets have timeouts");
    Peer::new(Wire::Plain(stream), true)
}

/// A host whose connections are given to `serve` once the proxy's preface was read; its port.
fn host(serve: impl Fn(Peer) + Send + Sync + Copy + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = listener.local_addr().expect("it is bound").port();
    spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("it listens");
            spawn(move || {
                let mut preface = [0; PREFACE.len()];
                if std::io::Read::read_exact(&mut stream, &mut preface).is_ok() {
                    let mut peer = greeted(stream);
                    peer.send(&Frame::settings(&[]).bytes());
                    serve(peer);
                }
            });
        }
    });
    port
}

/// Reads on, whatever comes.
fn read_on(mut peer: Peer) {
    while peer.pump().is_ok() {}
}

fn head(stream: u32, flags: u8, headers: &[(&str, &str)]) -> Frame {
    let bytes =
        |(name, value): &(&str, &str)| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
    let headers: Vec<_> = headers.iter().map(bytes).collect();
    let flags = flags | flag::END_HEADERS;
    Frame::new(kind::HEADERS, flags, stream, hpack::encode(&headers))
}

fn request(stream: u32, more: &[(&str, &str)]) -> Vec<u8> {
    let mut headers = vec![
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "a"),
        (":path", "/h2"),
    ];
    headers.extend_from_slice(more);
    head(stream, flag::END_STREAM, &headers).bytes()
}

fn status(peer: &Peer, stream: u32) -> Option<String> {
    let head = &peer.streams.get(&stream)?.messages.first()?.head;
    let text = String::from_utf8_lossy(head).into_owned();
    text.lines().next().map(str::to_owned)
}

#[test]
fn a_client_that_resets_what_it_opens_is_cut_off_and_leaves_nothing_behind() {
    let running = proxy_to(host(read_on));
    let mut client = client(running.port);
    for stream in (1..20_000).step_by(2) {
        let mut both = request(stream, &[]);
        both.extend(Frame::reset(stream, 8).bytes());
        if !client.send(&both) {
            break;
        }
    }
    while client.pump().is_ok() {}
    running.await_stat("http.http.downstream_rq_too_many_premature_resets", 1);
    running.await_stat("http.http.downstream_rq_active", 0);
    running.await_stat("http.http.downstream_cx_active", 0);
    running.await_stat("cluster.h2.upstream_rq_active", 0);
    let total = running.stat("http.http.downstream_rq_total");
    assert!(total.is_some_and(|total| total < 1000), "{total:?} began");
}

#[test]
fn streams_too_many_are_refused_and_no_requests() {
    let running = proxy_with(
        host(read_on),
        &Options {
            http2: "max_concurrent_streams: 3,",
            ..Options::default()
        },
    );
    let mut client = client(running.port);
    for stream in (1..20).step_by(2) {
        client.send(&request(stream, &[]));
    }
    client
        .until(|peer| peer.is_over(19))
        .expect("it is refused");
    assert_eq!(client.streams.get(&19).and_then(|it| it.reset), Some(7));
    running.await_stat("http.http.downstream_rq_total", 3);
    running.await_stat("http2.stream_refused_errors", 7);
}

#[test]
fn whoever_waits_for_a_place_gets_it_with_what_the_circuit_breaker_counts() {
    let port = host(|mut peer| {
        let mut next = 1;
        while peer.until(|peer| peer.is_over(next)).is_ok() {
            peer.send(&head(next, flag::END_STREAM, &[(":status", "200")]).bytes());
            next += 2;
        }
    });
    let running = proxy_with(
        port,
        &Options {
            cluster: "circuit_breakers: {thresholds: [{max_connections: 1, max_requests: 1}]},",
            host_http2: "max_concurrent_streams: 1,",
            ..Options::default()
        },
    );
    let mut client = client(running.port);
    let streams = [1, 3, 5, 7];
    client.send(&streams.map(|stream| request(stream, &[])).concat());
    client
        .until(|peer| streams.iter().all(|stream| peer.is_over(*stream)))
        .expect("all are answered");
    for stream in streams {
        assert_eq!(status(&client, stream).as_deref(), Some(":status: 200"));
    }
}

#[test]
fn a_window_that_opens_bit_by_bit_lets_all_streams_end() {
    let port = host(|mut peer| {
        let mut next = 1;
        while peer.until(|peer| peer.is_over(next)).is_ok() {
            let mut answer = head(next, 0, &[(":status", "200")]).bytes();
            answer.extend(Frame::new(kind::DATA, flag::END_STREAM, next, [b'x'; 2000]).bytes());
            peer.send(&answer);
            next += 2;
        }
    });
    let running = proxy_to(port);
    let mut client = client(running.port);
    client.keeps_windows = true;
    let streams: Vec<u32> = (1..400).step_by(2).collect();
    for stream in &streams {
        client.send(&request(*stream, &[]));
    }
    // The connection's window is 65,535 at first.
    let left = streams.len() * 2000 - 65_535;
    for _ in 0..left.div_ceil(700) {
        let before = received(&client);
        client.send(&Frame::window_update(0, 700).bytes());
        client
            .until(|peer| received(peer) > before || streams.iter().all(|id| peer.is_over(*id)))
            .expect("some of the streams go on");
    }
    client
        .until(|peer| streams.iter().all(|stream| peer.is_over(*stream)))
        .expect("all are whole");
    assert_eq!(received(&client), streams.len() * 2000);
}

fn received(peer: &Peer) -> usize {
    let data = peer.log.iter().filter(|it| it.frame.kind == kind::DATA);
    data.map(|it| it.frame.payload.len()).sum()
}

#[test]
fn a_host_that_does_not_read_is_given_up_once_enough_resets_wait_for_it() {
    let port = host(|peer| {
        std::thread::sleep(PATIENCE);
        drop(peer);
    });
    let running = proxy_with(
        port,
        &Options {
            route: "timeout: 0.01s,",
            host_http2: "max_outbound_control_frames: 10,",
            ..Options::default()
        },
    );
    let mut client = client(running.port);
    let long = "y".repeat(15_000);
    let mut stream = 1;
    // Far more than sockets hold.
    while running.stat("cluster.h2.http2.outbound_control_flood") != Some(1) {
        assert!(stream < 4_000, "it is still not given up");
        let last = stream + 98;
        while stream <= last {
            client.send(&request(stream, &[("x-long", &long)]));
            stream += 2;
        }
        client.until(|peer| peer.is_over(last)).expect("an answer");
    }
    running.await_stat("cluster.h2.upstream_cx_destroy_local", 1);
}
