//! What a client of HTTP/2 makes of its servers, step by step.

mod http2_support;

use http2_support::*;
use nuncio_codec::http2::*;
use nuncio_contract::headers::MapKind;

fn client() -> Side {
    Side::client(Http2Settings::default())
}

fn open(side: &mut Side, headers: &[(&str, &str)], end_stream: bool) -> StreamId {
    let headers = map(MapKind::Request, headers);
    let opened = side.connection.open(&headers, end_stream, &mut side.out);
    opened.expect("the peer allows a stream").0
}

fn open_get(side: &mut Side) -> StreamId {
    open(side, &get(&[]), true)
}

fn status(stream: u32, flags: u8, status: &str) -> Vec<u8> {
    head(stream, flags, &[(":status", status)])
}

#[test]
fn a_client_begins_with_the_preface_and_the_settings_of_envoy() {
    let side = Side::fresh_client(Http2Settings::default());
    assert_eq!(
        side.said(),
        [
            "PREFACE",
            "SETTINGS 2=0 1=4096 8=0 3=1024 4=16777216",
            "WINDOW_UPDATE 0: 25100289"
        ]
    );
}

#[test]
fn a_response_comes_back_with_all_that_may_precede_and_follow_it() {
    let mut side = client();
    let stream = open(&mut side, &get(&[]), false);
    assert_eq!(stream.get(), 1);
    side.connection
        .send_data(stream, b"body", true, &mut side.out);
    side.feed(&status(1, 0, "103"));
    side.feed(&status(1, 0, "200"));
    side.feed(&frame(DATA, 0, 1, b"hello"));
    side.feed(&head(1, END_STREAM, &[("grpc-status", "0")]));
    assert_eq!(
        side.told,
        [
            "Informational 1: :status=103",
            "Response 1: :status=200",
            "Data 1: 5 bytes",
            "Trailers 1: grpc-status=0"
        ]
    );
    assert!(!side.connection.is_open(stream));
}

#[test]
fn streams_are_opened_up_to_the_limit_of_either_side() {
    let mut side = client();
    assert_eq!(side.connection.can_open(), 1024);
    side.feed(&setting(3, 2));
    assert_eq!(side.connection.can_open(), 2);
    open_get(&mut side);
    open_get(&mut side);
    let headers = map(MapKind::Request, &get(&[]));
    assert_eq!(
        side.connection.open(&headers, true, &mut side.out),
        None,
        "two are open"
    );
    side.feed(&status(1, END_STREAM, "204"));
    assert_eq!(side.connection.can_open(), 1);
    assert_eq!(open_get(&mut side).get(), 5);
}

#[test]
fn connect_goes_without_scheme_and_path() {
    let mut side = client();
    let mut other = Side::server(Http2Settings {
        allow_connect: true,
        ..Http2Settings::default()
    });
    let connect = [
        (":method", "CONNECT"),
        (":authority", "a:1"),
        (":scheme", "http"),
        (":path", "/"),
    ];
    open(&mut side, &connect, false);
    let extended = [&connect[..], &[(":protocol", "websocket")]].concat();
    open(&mut side, &extended, false);
    other.feed(&side.out);
    assert_eq!(
        other.told,
        [
            "Request 1: :method=CONNECT :authority=a:1",
            "Request 3: :method=CONNECT :authority=a:1 :scheme=http :path=/ :protocol=websocket"
        ]
    );
    side.feed(&head(1, 0, &[(":status", "200"), ("content-length", "3")]));
    assert_eq!(
        side.told,
        ["Response 1: :status=200"],
        "no length in a tunnel"
    );
    assert!(!side.connection.peer_allows_extended_connect());
    side.feed(&setting(8, 1));
    assert!(side.connection.peer_allows_extended_connect());
}

#[test]
fn what_the_server_has_not_processed_can_be_sent_elsewhere() {
    let mut side = client();
    for _ in 0..4 {
        open_get(&mut side);
    }
    let mut go_away = 3u32.to_be_bytes().to_vec();
    go_away.extend(0u32.to_be_bytes());
    go_away.extend(b"draining");
    side.feed(&frame(GOAWAY, 0, 0, &go_away));
    assert_eq!(side.told, ["GoAway 3: NO_ERROR"]);
    assert_eq!(side.connection.can_open(), 0);
    let (connection, out) = (&mut side.connection, &mut side.out);
    let unprocessed: Vec<u32> =
        std::iter::from_fn(|| connection.take_unprocessed(out).map(StreamId::get)).collect();
    assert_eq!(unprocessed, [7, 5]);
    side.feed(&status(3, END_STREAM, "200"));
    side.feed(&status(7, END_STREAM, "200"));
    assert_eq!(side.told[1..], ["Response 3 end: :status=200"]);
}

#[test]
fn a_refused_stream_is_told_with_its_code() {
    let mut side = client();
    open_get(&mut side);
    side.feed(&reset(1, 7));
    assert_eq!(side.told, ["Reset 1: REFUSED_STREAM"]);
    let counts = side.connection.take_counts().expect("a reset");
    assert_eq!(counts.rx_reset, 1);
}

#[test]
fn a_reset_after_a_whole_response_loses_nothing_of_it() {
    let mut side = client();
    let stream = open(&mut side, &get(&[]), false);
    side.feed(&[status(1, END_STREAM, "200"), reset(1, 0)].concat());
    assert_eq!(
        side.told,
        ["Response 1 end: :status=200", "Reset 1: NO_ERROR"]
    );
    assert_eq!(side.connection.capacity(stream), 0);
}

#[test]
fn responses_that_break_the_rules_end_the_connection() {
    for (headers, why) in [
        (vec![], "no status"),
        (vec![(":status", "99")], "two digits"),
        (vec![(":status", "0200")], "four digits"),
        (vec![(":status", "101")], "switching protocols"),
        (vec![(":status", "200"), (":status", "200")], "twice"),
        (vec![(":status", "200"), (":path", "/")], "of a request"),
        (vec![("a", "b"), (":status", "200")], "too late"),
        (
            vec![(":status", "200"), ("connection", "close")],
            "hop by hop",
        ),
        (vec![(":status", "200"), ("X-A", "1")], "upper case"),
        (vec![(":status", "200"), ("a", "1\n2")], "a line feed"),
        (
            vec![(":status", "200"), ("content-length", "x")],
            "no length",
        ),
        (
            vec![(":status", "204"), ("content-length", "5")],
            "no content of five bytes",
        ),
        (
            vec![(":status", "200"), ("content-length", "5")],
            "too short",
        ),
        (vec![(":status", "100")], "informational at the end"),
    ] {
        let mut side = client();
        open_get(&mut side);
        side.feed(&head(1, END_STREAM, &headers));
        assert!(
            matches!(side.failed, Some(ConnectionError::Messaging(..))),
            "{why}: {:?}",
            side.told
        );
        let counts = side.connection.take_counts().expect("counts");
        assert_eq!(counts.rx_messaging_error, 1, "{why}");
    }
}

#[test]
fn one_malformed_response_can_be_left_to_its_stream() {
    let mut side = Side::client(Http2Settings {
        stream_error_on_invalid_http_message: true,
        ..Http2Settings::default()
    });
    open_get(&mut side);
    open_get(&mut side);
    side.feed(&head(1, 0, &[(":status", "200"), ("X", "1")]));
    side.feed(&status(3, END_STREAM, "200"));
    assert_eq!(
        side.told,
        [
            "Error 1 known=true: PROTOCOL_ERROR",
            "Response 3 end: :status=200"
        ]
    );
}

#[test]
fn an_answer_that_comes_twice_does_not_cost_other_requests_their_connection() {
    let mut side = client();
    open_get(&mut side);
    side.feed(&status(1, END_STREAM, "200"));
    let other = open_get(&mut side);
    side.feed(&status(1, END_STREAM, "404"));
    assert_eq!(side.failed, None);
    assert_eq!(side.told, ["Response 1 end: :status=200"]);
    assert!(side.connection.is_open(other));
}

#[test]
fn a_response_to_head_may_have_a_length_but_no_body() {
    let mut side = client();
    let mut headers = get(&[]);
    headers[0].1 = "HEAD";
    open(&mut side, &headers, true);
    open(&mut side, &headers, true);
    let response = [(":status", "200"), ("content-length", "5")];
    side.feed(&head(1, END_STREAM, &response));
    side.feed(&head(3, 0, &response));
    side.feed(&frame(DATA, END_STREAM, 3, b"hello"));
    assert_eq!(
        side.told,
        [
            "Response 1 end: :status=200 content-length=5",
            "Response 3: :status=200 content-length=5",
            "Error 3 known=true: PROTOCOL_ERROR"
        ]
    );
}

#[test]
fn a_server_that_pushes_or_sends_what_nobody_asked_for_is_cut_off() {
    for (bytes, why) in [
        (
            frame(PUSH_PROMISE, END_HEADERS, 1, b"\0\0\0\x02\x82"),
            "push",
        ),
        (setting(2, 1), "push allowed"),
        (status(2, 0, "200"), "a stream of its own"),
        (status(3, 0, "200"), "a stream not opened yet"),
        (frame(DATA, 0, 3, b"x"), "a body not asked for"),
        (frame(SETTINGS, ACK, 0, &[1; 6]), "an ACK with payload"),
    ] {
        let mut side = client();
        open_get(&mut side);
        side.feed(&bytes);
        assert!(side.failed.is_some(), "{why}");
        assert_eq!(side.connection.can_open(), 0, "{why}");
    }
    let mut side = client();
    open_get(&mut side);
    side.feed(&frame(DATA, 0, 1, b"body without head"));
    assert_eq!(side.told, ["Error 1 known=true: PROTOCOL_ERROR"]);
}

#[test]
fn ten_thousand_streams_one_after_the_other_leave_nothing_behind() {
    let mut side = client();
    for number in 0..10_000 {
        let stream = open_get(&mut side);
        assert_eq!(stream.get(), 2 * number + 1);
        match number % 2 {
            0 => side.feed(&status(stream.get(), END_STREAM, "200")),
            _ => side
                .connection
                .reset(stream, ErrorCode::CANCEL, &mut side.out),
        }
        side.forget();
    }
    assert_eq!(side.connection.open_streams(), 0);
    assert_eq!(side.connection.waiting_frames(), (0, 0));
}
