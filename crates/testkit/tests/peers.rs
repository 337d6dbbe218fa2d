//! The fake upstream and the raw client against each other: what one does, the other sees.
#![forbid(unsafe_code)]

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::Arc;

use nuncio_testkit::client::{self, Client};
use nuncio_testkit::datagrams::{DatagramClient, Echo};
use nuncio_testkit::http2::frame::{Frame, PREFACE, flag, kind};
use nuncio_testkit::http2::hpack::{self, Header};
use nuncio_testkit::http2::peer::Peer;
use nuncio_testkit::message::{Framing, Stop};
use nuncio_testkit::script::{Script, Step};
use nuncio_testkit::tls::Authority;
use nuncio_testkit::tls_client::{self, Offer};
use nuncio_testkit::upstream::{Http2Script, Http2Step, Speaks, Upstream};
use nuncio_testkit::wire::Wire;

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

fn talk_http2(wire: Wire, request: &[Header]) -> Peer {
    let mut peer = Peer::new(wire, true);
    let head = Frame::new(
        kind::HEADERS,
        flag::END_HEADERS | flag::END_STREAM,
        1,
        hpack::encode(request),
    );
    let bytes = [PREFACE, &Frame::settings(&[]).bytes(), &head.bytes()].concat();
    assert!(peer.send(&bytes));
    peer.until(|peer| peer.is_over(1)).expect("an answer");
    peer
}

fn get_http2() -> Vec<Header> {
    [(":method", "GET"), (":path", "/a"), (":scheme", "http")]
        .map(|(name, value)| (name.into(), value.into()))
        .into()
}

#[test]
fn an_upstream_of_http2_names_itself_and_records_headers_in_order() {
    let speaks = Speaks::Http2(Http2Script::default());
    let upstream = Upstream::speaking("one", speaks, None).expect("an upstream");
    let socket = client::open(Ipv4Addr::UNSPECIFIED, Ipv4Addr::LOCALHOST, upstream.port());
    let peer = talk_http2(Wire::Plain(socket.expect("a connection")), &get_http2());
    assert_eq!(peer.streams[&1].messages[0].body, b"one: GET /a\n");
    let seen = upstream.take_seen();
    assert_eq!(
        seen[0].message.head,
        b":method: GET\r\n:path: /a\r\n:scheme: http\r\n"
    );
    assert_eq!(seen[0].end, None);
}

#[test]
fn an_upstream_of_http2_resets_a_stream_when_its_script_says_so() {
    let refuses = Http2Step::Send(Arc::new(|stream| vec![Frame::reset(stream, 7)]));
    let script = Http2Script {
        answers: vec![("/a".to_owned(), vec![refuses])],
        ..Http2Script::default()
    };
    let upstream = Upstream::speaking("one", Speaks::Http2(script), None).expect("an upstream");
    let socket = client::open(Ipv4Addr::UNSPECIFIED, Ipv4Addr::LOCALHOST, upstream.port());
    let peer = talk_http2(Wire::Plain(socket.expect("a connection")), &get_http2());
    assert_eq!(peer.streams[&1].reset, Some(7));
}

#[test]
fn a_tls_client_and_a_tls_upstream_tell_what_was_agreed_on() {
    let authority = Authority::new().expect("an authority");
    let alpn = vec!["h2".to_owned()];
    let server = authority
        .server(&["a.example".to_owned()], &alpn)
        .expect("a server");
    let speaks = Speaks::Http2(Http2Script::default());
    let upstream = Upstream::speaking("one", speaks, Some(server)).expect("an upstream");
    let socket = client::open(Ipv4Addr::UNSPECIFIED, Ipv4Addr::LOCALHOST, upstream.port());
    let offer = Offer {
        server_name: Some("a.example".to_owned()),
        alpn,
        ..Offer::default()
    };
    let (wire, answer) =
        tls_client::connect(socket.expect("a connection"), &offer).expect("a handshake");
    assert_eq!(
        (answer.alpn.as_deref(), &*answer.version),
        (Some("h2"), "TLSv1_3")
    );
    talk_http2(wire, &get_http2());
    let hello = upstream.take_seen().remove(0).hello.expect("a hello");
    assert_eq!(hello.server_name.as_deref(), Some("a.example"));
}

#[test]
fn a_refused_handshake_tells_the_alert() {
    let authority = Authority::new().expect("an authority");
    let server = authority
        .server(&["a.example".to_owned()], &["http/1.1".to_owned()])
        .expect("a server");
    let upstream = Upstream::start("one", Script::new(), Some(server)).expect("an upstream");
    let socket = client::open(Ipv4Addr::UNSPECIFIED, Ipv4Addr::LOCALHOST, upstream.port());
    let offer = Offer {
        alpn: vec!["h2".to_owned()],
        ..Offer::default()
    };
    let outcome = tls_client::connect(socket.expect("a connection"), &offer);
    let stop = outcome.err().expect("no protocol in common");
    assert_eq!(stop, Stop::Alert("NoApplicationProtocol".to_owned()));
}

#[test]
fn an_upstream_of_bytes_records_them_and_who_ended_the_connection() {
    let steps = vec![
        Step::Take(2),
        Step::Send(b"answer".to_vec()),
        Step::HalfClose,
    ];
    let upstream = Upstream::speaking("one", Speaks::Tcp(steps), None).expect("an upstream");
    let mut client = Client::connect(upstream.port()).expect("a connection");
    client.send(b"ab").expect("it reads");
    assert_eq!(client.read_rest(), (b"answer".to_vec(), Stop::Closed));
    client.send(b"cd").expect("it reads on");
    client.half_close();
    let seen = upstream.take_seen();
    assert_eq!(seen[0].message.body, b"abcd");
    assert_eq!(seen[0].end.as_deref(), Some("closed by the proxy"));
}

#[test]
fn datagrams_are_answered_and_recorded_by_sender() {
    let echo = Echo::start("one").expect("a socket");
    let clients = [(); 2]
        .map(|()| DatagramClient::to(echo.port(), nuncio_testkit::DEADLINE).expect("a socket"));
    for (client, text) in clients.iter().zip(["a", "twice"]) {
        client.send(text.as_bytes()).expect("it listens");
        assert_eq!(client.receive(), Some(format!("one: {text}").into_bytes()));
    }
    assert_eq!(clients[1].receive().as_deref(), Some(&b"one: twice"[..]));
    let peers: Vec<usize> = echo.take_seen().iter().map(|seen| seen.peer).collect();
    assert_eq!(peers, [1, 2]);
}
