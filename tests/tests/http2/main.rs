//! HTTP/2 with real peers: bodies that windows hold back, many streams at once, resets, drains, slow readers.

mod attacks;
mod peers;

use std::cell::Cell;
use std::io::{Read, Write};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use http::{HeaderMap, HeaderValue};
use tokio::task::spawn_local;
use tokio::time::timeout;

use peers::{PATIENCE, answer, connect, echo, host, proxy_to, read_all, request, run, send_all};

/// More than any window at first.
const A_LOT_BYTES: usize = 40 << 20;
fn body(count: usize) -> Bytes {
    (0..count)
        .map(|at| (at % 251) as u8)
        .collect::<Vec<_>>()
        .into()
}

#[test]
fn a_body_larger_than_all_windows_comes_back_whole_with_its_trailers() {
    run(async {
        let running = proxy_to(host(echo).await);
        let mut client = connect(running.port).await;
        let (answered, mut stream) = client
            .send_request(request("POST", "/h2"), false)
            .expect("the proxy takes it");
        let sent = body(A_LOT_BYTES);
        let whole = sent.clone();
        spawn_local(async move {
            send_all(&mut stream, whole, false)
                .await
                .expect("it is read");
            let mut trailers = HeaderMap::new();
            trailers.insert("checksum", HeaderValue::from_static("abc"));
            stream.send_trailers(trailers).expect("it is read");
        });
        let answered = answered.await.expect("an answer comes");
        assert_eq!(answered.status(), 200);
        let (bytes, trailers) = read_all(&mut answered.into_body())
            .await
            .expect("the body comes");
        assert!(bytes == sent, "{} bytes came", bytes.len());
        let trailers = trailers.expect("trailers came");
        assert_eq!(
            trailers.get("checksum").map(HeaderValue::as_bytes),
            Some(&b"abc"[..])
        );
    });
}

#[test]
fn hundreds_of_streams_at_once_have_each_their_own_answer() {
    run(async {
        let running = proxy_to(host(echo).await);
        let client = connect(running.port).await;
        let mut asked = Vec::new();
        for number in 0..300_usize {
            let mut client = client.clone();
            asked.push(spawn_local(async move {
                let (answered, mut stream) = client
                    .send_request(request("POST", "/h2"), false)
                    .expect("the proxy takes it");
                let own = Bytes::from(format!("stream {number}"));
                send_all(&mut stream, own.clone(), true)
                    .await
                    .expect("it is read");
                let mut answered = answered.await.expect("an answer comes").into_body();
                let (bytes, _) = read_all(&mut answered).await.expect("the body comes");
                assert_eq!(bytes, own);
            }));
        }
        for one in asked {
            one.await.expect("its answer was its own");
        }
        let total = running.stat("cluster.h2.upstream_cx_total");
        assert_eq!(total, Some(1), "they share a connection");
    });
}

#[test]
fn a_client_of_http1_reaches_a_host_of_http2() {
    run(async {
        let running = proxy_to(host(echo).await);
        let port = running.port;
        let exchange = tokio::task::spawn_blocking(move || {
            let mut client = std::net::TcpStream::connect(("127.0.0.1", port)).expect("it listens");
            client
                .write_all(b"POST /h2 HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello")
                .expect("it reads");
            let mut all = String::new();
            client.read_to_string(&mut all).expect("it answers");
            all
        });
        let all = exchange.await.expect("the client ends");
        assert!(all.starts_with("HTTP/1.1 200 OK\r\n"), "{all}");
        assert!(all.contains("hello"), "{all}");
    });
}

#[test]
fn a_stream_that_the_client_resets_is_reset_at_the_host() {
    run(async {
        let was_reset = Rc::new(Cell::new(None));
        let seen = Rc::clone(&was_reset);
        let port = host(move |_, mut respond| {
            let seen = Rc::clone(&seen);
            async move {
                let reason = std::future::poll_fn(|cx| respond.poll_reset(cx)).await;
                seen.set(Some(reason.expect("it is told")));
            }
        });
        let running = proxy_to(port.await);
        let mut client = connect(running.port).await;
        let (answered, mut stream) = client
            .send_request(request("POST", "/h2"), false)
            .expect("the proxy takes it");
        let waiting = spawn_local(answered);
        let active = async {
            while running.stat("cluster.h2.upstream_rq_active") != Some(1) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(PATIENCE, active).await.expect("it is on its way");
        stream.send_reset(Reason::CANCEL);
        let told = async {
            while was_reset.get().is_none() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(PATIENCE, told).await.expect("the host is told");
        drop(waiting);
    });
}

#[test]
fn a_client_that_does_not_read_holds_the_host_back() {
    run(async {
        let sent = Rc::new(Cell::new(0));
        let counted = Rc::clone(&sent);
        let port = host(move |_, mut respond| {
            let counted = Rc::clone(&counted);
            async move {
                let mut stream = respond
                    .send_response(answer(200), false)
                    .expect("it is read");
                loop {
                    if send_all(&mut stream, body(1 << 16), false).await.is_err() {
                        return;
                    }
                    counted.set(counted.get() + (1 << 16));
                }
            }
        });
        let running = proxy_to(port.await);
        let mut client = connect(running.port).await;
        let (answered, _) = client
            .send_request(request("GET", "/h2"), true)
            .expect("the proxy takes it");
        let answered = answered.await.expect("the head comes");
        // Until nothing more moves.
        let mut before = usize::MAX;
        while sent.get() != before {
            before = sent.get();
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        assert!(before < 64 << 20, "{before} bytes are under way");
        drop(answered);
    });
}

#[test]
fn a_draining_proxy_says_goodbye_and_finishes_what_is_under_way() {
    run(async {
        let running = proxy_to(host(echo).await);
        let mut client = connect(running.port).await;
        let (late, mut stream) = client
            .send_request(request("POST", "/h2"), false)
            .expect("the proxy takes it");
        let admin = running.admin;
        tokio::task::spawn_blocking(move || post(admin, "/healthcheck/fail"))
            .await
            .expect("the admin answers");
        // Its answer brings the notice.
        let (first, _) = client
            .send_request(request("GET", "/h2"), true)
            .expect("the proxy takes it");
        assert_eq!(first.await.expect("an answer comes").status(), 200);
        let refused = async {
            while client.clone().ready().await.is_ok() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(PATIENCE, refused).await.expect("a GOAWAY comes");
        send_all(&mut stream, Bytes::from_static(b"late"), true)
            .await
            .expect("it is read");
        let mut answered = late.await.expect("an answer comes").into_body();
        assert_eq!(
            read_all(&mut answered).await.expect("a body comes").0,
            b"late"
        );
    });
}

#[test]
fn what_the_host_refuses_is_answered_with_503() {
    run(async {
        let port = host(|_, mut respond| async move {
            respond.send_reset(Reason::REFUSED_STREAM);
        });
        let running = proxy_to(port.await);
        let mut client = connect(running.port).await;
        let (answered, _) = client
            .send_request(request("GET", "/h2"), true)
            .expect("the proxy takes it");
        assert_eq!(answered.await.expect("an answer comes").status(), 503);
    });
}

fn post(port: u16, path: &str) {
    let mut admin = std::net::TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    write!(
        admin,
        "POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    )
    .expect("it reads");
    let mut answer = String::new();
    admin.read_to_string(&mut answer).expect("it answers");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

/// A frame (RFC 9113 section 4.1).
fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).expect("it is short");
    let mut frame = vec![0, 0, length, kind, flags, 0, 0, 0, stream];
    frame.extend_from_slice(payload);
    frame
}

#[test]
fn a_body_that_comes_with_its_head_reaches_the_host() {
    run(async {
        let running = proxy_to(host(echo).await);
        let port = running.port;
        let exchange = tokio::task::spawn_blocking(move || {
            let mut client = std::net::TcpStream::connect(("127.0.0.1", port)).expect("it listens");
            client
                .set_read_timeout(Some(PATIENCE))
                .expect("sockets have timeouts");
            let mut all = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
            all.extend(frame(4, 0, 0, b""));
            // POST http://a/h2
            all.extend(frame(1, 4, 1, b"\x83\x86\x44\x03/h2\x41\x01a"));
            all.extend(frame(0, 1, 1, b"together"));
            client.write_all(&all).expect("it reads");
            let mut read = Vec::new();
            let mut piece = [0; 4096];
            while !read.windows(8).any(|window| window == b"together") {
                let count = client.read(&mut piece).expect("it answers");
                assert!(count > 0, "the body came back in {read:?}");
                read.extend_from_slice(&piece[..count]);
            }
        });
        exchange.await.expect("the body comes back");
    });
}
