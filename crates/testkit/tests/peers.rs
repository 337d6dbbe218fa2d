//! The fake upstream and the raw client against each other: what one does, the other sees.
#![forbid(unsafe_code)]

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};

use nuncio_testkit::client::Client;
use nuncio_testkit::message::{Framing, Stop};
use nuncio_testkit::script::{Script, Step};
use nuncio_testkit::upstream::Upstream;

const GET: &[u8] = b"GET /a?b HTTP/1.1\r\nHost: x\r\n\r\n";

#[test]
fn an_upstream_without_a_script_names_itself_and_records_the_raw_head() {
    let upstream = Upstream::start("one", Script::new(), None).expect("an upstream");
    let mut client = Client::connect(upstream.port()).expect("a connection");
    client.send(GET).expect("it reads");
    let response = client.read_response().expect("a response");
    assert_eq!(response.message.body, b"one: GET /a?b\n");
    let seen = upstream.take_seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].message.head, GET);
    assert!(
        upstream.take_seen().is_empty(),
        "what was taken is not given again"
    );
}

#[test]
fn scripted_interim_responses_come_before_the_final_one() {
    let mut script = Script::new();
    let wire = b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n";
    script.answer("/a", vec![Step::Send(wire.to_vec())]);
    let upstream = Upstream::start("one", script, None).expect("an upstream");
    let mut client = Client::connect(upstream.port()).expect("a connection");
    client.send(GET).expect("it reads");
    let response = client.read_response().expect("a response");
    assert_eq!(response.interim.len(), 1);
    assert_eq!(
        (response.message.status(), response.message.framing),
        (204, Framing::None)
    );
}

#[test]
fn a_reset_reaches_the_peer_as_a_reset() {
    let mut script = Script::new();
    script.answer("*", vec![Step::Reset]);
    let upstream = Upstream::start("one", script, None).expect("an upstream");
    let mut socket =
        TcpStream::connect((Ipv4Addr::LOCALHOST, upstream.port())).expect("a connection");
    socket.write_all(GET).expect("it reads");
    let error = socket.read(&mut [0; 16]).expect_err("a reset, not an end");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[test]
fn a_request_that_is_cut_short_is_finished_and_says_so() {
    let upstream = Upstream::start("one", Script::new(), None).expect("an upstream");
    let mut client = Client::connect(upstream.port()).expect("a connection");
    client
        .send(b"POST / HTTP/1.1\r\ncontent-length: 10\r\n\r\nhalf")
        .expect("it reads");
    client.half_close();
    assert!(upstream.await_heads(1));
    let seen = upstream.take_seen();
    assert_eq!(seen[0].message.cut_short, Some(Stop::Closed));
    assert_eq!(seen[0].message.body, b"half");
}

#[test]
fn a_refusing_upstream_refuses() {
    let upstream = Upstream::refusing("dead").expect("a bound port");
    let error =
        TcpStream::connect((Ipv4Addr::LOCALHOST, upstream.port())).expect_err("nobody listens");
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
}
