//! Peers that mean harm, or that know no better: what it costs them, and what it does not cost us.

mod http2_support;

use http2_support::*;
use nuncio_codec::http2::*;
use nuncio_contract::headers::MapKind;

fn server() -> Side {
    Side::server(Http2Settings::default())
}

fn silent(code: ErrorCode) -> impl Fn(Option<ConnectionError>) -> bool {
    move |failed| matches!(failed, Some(ConnectionError::Silent(found, _)) if found == code)
}

#[test]
fn frames_in_the_wrong_place_end_the_connection_with_a_goaway() {
    let block = block(&get(&[]));
    for (bytes, last_words) in [
        (
            frame(DATA, 0, 1, b"x"),
            "0: PROTOCOL_ERROR \"DATA: stream in idle\"",
        ),
        (
            frame(DATA, 0, 0, b"x"),
            "0: PROTOCOL_ERROR \"DATA: stream_id == 0\"",
        ),
        (
            frame(CONTINUATION, 4, 1, &[]),
            "0: PROTOCOL_ERROR \"CONTINUATION: unexpected\"",
        ),
        (
            frame(WINDOW_UPDATE, 0, 0, b"abc"),
            "0: FRAME_SIZE_ERROR \"\"",
        ),
        (frame(PING, 0, 0, b"abcdefg"), "0: FRAME_SIZE_ERROR \"\""),
        (frame(SETTINGS, 0, 0, b"abcde"), "0: FRAME_SIZE_ERROR \"\""),
        (
            frame(SETTINGS, ACK, 0, b"abcdef"),
            "0: FRAME_SIZE_ERROR \"\"",
        ),
        (frame(PRIORITY, 0, 1, b"abcd"), "0: FRAME_SIZE_ERROR \"\""),
        (frame(GOAWAY, 0, 0, b"abcd"), "0: FRAME_SIZE_ERROR \"\""),
        (
            frame(HEADERS, 0x25, 1, b"\0\0\0"),
            "0: FRAME_SIZE_ERROR \"\"",
        ),
        (
            frame(HEADERS, 0xd, 1, &[&[255], &block[..]].concat()),
            "0: PROTOCOL_ERROR \"HEADERS: invalid padding\"",
        ),
        (
            frame(0x77, 0, 0, &[0; 16_385]),
            "0: FRAME_SIZE_ERROR \"too large frame size\"",
        ),
        (
            frame(DATA, 0, 1, &[0; 16_385]),
            "0: FRAME_SIZE_ERROR \"too large frame size\"",
        ),
        (
            [
                frame(HEADERS, END_STREAM, 1, &block),
                frame(PING, 0, 0, b"12345678"),
            ]
            .concat(),
            "1: PROTOCOL_ERROR \"unexpected non-CONTINUATION frame or stream_id is invalid\"",
        ),
        (
            [
                frame(HEADERS, END_STREAM, 1, &block),
                frame(CONTINUATION, 4, 3, &[]),
            ]
            .concat(),
            "1: PROTOCOL_ERROR \"unexpected non-CONTINUATION frame or stream_id is invalid\"",
        ),
        (
            [upload(1), frame(DATA, PADDED, 1, b"\x05abc")].concat(),
            "1: PROTOCOL_ERROR \"DATA: invalid padding\"",
        ),
        (
            [upload(1), frame(DATA, PADDED, 1, &[])].concat(),
            "1: PROTOCOL_ERROR \"DATA: insufficient padding space\"",
        ),
        (
            [request(1), frame(DATA, 0, 1, b"x")].concat(),
            "1: STREAM_CLOSED \"DATA: stream in half-closed(remote)\"",
        ),
        (
            [upload(1), frame(RST_STREAM, 0, 1, b"abc")].concat(),
            "1: FRAME_SIZE_ERROR \"\"",
        ),
        (
            frame(SETTINGS, 0, 0, &[0; 33 * 6]),
            "0: ENHANCE_YOUR_CALM \"SETTINGS: too many setting entries\"",
        ),
        (
            frame(PRIORITY, 0, 0, b"\0\0\0\x01\0"),
            "0: PROTOCOL_ERROR \"PRIORITY: stream_id == 0\"",
        ),
        (
            frame(PRIORITY, 0, 1, b"\0\0\0\x01\0"),
            "0: PROTOCOL_ERROR \"PRIORITY: depend on itself\"",
        ),
        (
            frame(PING, 0, 1, b"12345678"),
            "0: PROTOCOL_ERROR \"PING: stream_id != 0\"",
        ),
        (
            window_update(0, 0x7fff_ffff),
            "0: FLOW_CONTROL_ERROR \"WINDOW_UPDATE: overflow\"",
        ),
    ] {
        let mut side = server();
        side.feed(&bytes);
        assert_eq!(side.said(), [format!("GOAWAY {last_words}")]);
        assert!(side.failed.is_some_and(ConnectionError::is_protocol_error));
    }
}

#[test]
fn some_mistakes_end_the_connection_without_a_word_as_in_envoy() {
    for (code, bytes) in [
        (ErrorCode::PROTOCOL_ERROR, reset(1, 8)),
        (ErrorCode::PROTOCOL_ERROR, reset(0, 8)),
        (ErrorCode::PROTOCOL_ERROR, window_update(1, 5)),
        (ErrorCode::PROTOCOL_ERROR, frame(HEADERS, 5, 0, b"\x82")),
        (ErrorCode::PROTOCOL_ERROR, request(2)),
        (ErrorCode::PROTOCOL_ERROR, frame(SETTINGS, 0, 1, &[])),
        (
            ErrorCode::PROTOCOL_ERROR,
            [frame(SETTINGS, ACK, 0, &[]), frame(SETTINGS, ACK, 0, &[])].concat(),
        ),
        (ErrorCode::PROTOCOL_ERROR, setting(2, 2)),
        (ErrorCode::PROTOCOL_ERROR, setting(5, 0)),
        (ErrorCode::PROTOCOL_ERROR, setting(5, 1 << 24)),
        (ErrorCode::PROTOCOL_ERROR, setting(8, 2)),
        (ErrorCode::PROTOCOL_ERROR, frame(GOAWAY, 0, 1, &[0; 8])),
        (
            ErrorCode::PROTOCOL_ERROR,
            frame(PUSH_PROMISE, 4, 1, b"\0\0\0\x02\x82"),
        ),
        (
            ErrorCode::PROTOCOL_ERROR,
            frame(HEADERS, 0x25, 1, b"\0\0\0\x01\0\x82"),
        ),
        (ErrorCode::PROTOCOL_ERROR, window_update(0, 0)),
        (ErrorCode::FLOW_CONTROL_ERROR, setting(4, 1 << 31)),
        (ErrorCode::STREAM_CLOSED, [request(1), request(1)].concat()),
    ] {
        let mut side = server();
        side.feed(&bytes);
        assert!(silent(code)(side.failed), "{:?}", side.failed);
        assert!(side.out.is_empty(), "{:?}", side.said());
    }
}

#[test]
fn a_client_must_begin_with_the_preface_and_settings() {
    for bytes in [
        &b"GET / HTTP/1.1\r\n"[..],
        b"PRI * HTTP/2.0\r\n\r\nSX",
        b"\x16\x03\x01",
    ] {
        let mut side = Side::fresh_server(Http2Settings::default());
        side.feed(bytes);
        assert!(silent(ErrorCode::PROTOCOL_ERROR)(side.failed));
    }
    for first in [frame(PING, 0, 0, b"12345678"), frame(SETTINGS, ACK, 0, &[])] {
        let mut side = Side::fresh_server(Http2Settings::default());
        side.forget();
        side.feed(&[PREFACE, &first].concat());
        assert_eq!(
            side.said(),
            ["GOAWAY 0: PROTOCOL_ERROR \"SETTINGS expected\""]
        );
    }
}

#[test]
fn a_failed_connection_stays_failed_and_says_nothing_more() {
    let mut side = server();
    side.feed(&frame(DATA, 0, 1, b"x"));
    side.forget();
    let mut headers = nuncio_contract::headers::HeaderMap::request();
    let again = side
        .connection
        .step(&request(1), &mut headers, &mut side.out);
    assert_eq!(again.err(), side.failed);
    assert!(side.out.is_empty());
}

#[test]
fn numbers_of_streams_only_grow() {
    let mut side = server();
    side.feed(&[upload(5), upload(3)].concat());
    assert_eq!(
        side.said(),
        ["GOAWAY 5: PROTOCOL_ERROR \"HEADERS: stream_id is lower than one before\""]
    );
    let mut side = server();
    side.feed(&[upload(1), reset(1, 8), upload(1)].concat());
    assert_eq!(
        side.said(),
        ["GOAWAY 1: STREAM_CLOSED \"HEADERS: stream closed\""]
    );
}

#[test]
fn data_behind_the_end_of_a_stream_is_answered_with_a_reset() {
    let mut side = server();
    side.feed(&[upload(1), reset(1, 8), frame(DATA, 0, 1, b"x")].concat());
    assert_eq!(side.said(), ["RST_STREAM 1: STREAM_CLOSED"]);
    assert_eq!(side.told[2], "Error 1 known=false: STREAM_CLOSED");
    side.feed(&frame(DATA, 0, 1, b"x"));
    assert_eq!(side.said().len(), 1, "once is enough");
}

fn refused(headers: &[(&str, &str)]) -> bool {
    let mut side = server();
    side.feed(&head(1, END_STREAM, headers));
    let refused = matches!(side.failed, Some(ConnectionError::Messaging(..)));
    assert!(refused || side.failed.is_none(), "{:?}", side.failed);
    refused
}

/// The pseudo-headers of a GET with one replaced, or taken out.
fn with<'a>(name: &str, value: Option<&'a str>) -> Vec<(&'a str, &'a str)> {
    let mut headers = get(&[]);
    if let Some(at) = headers.iter().position(|(found, _)| *found == name) {
        match value {
            Some(value) => headers[at].1 = value,
            None => {
                headers.remove(at);
            }
        }
    }
    headers
}

#[test]
fn requests_that_are_malformed_are_refused() {
    let missing = |name| with(name, None);
    let mut requests = vec![
        missing(":path"),
        missing(":scheme"),
        missing(":method"),
        missing(":authority"),
    ];
    for (name, values) in [
        (
            ":path",
            vec!["", "foo", "/a b", "/\0", "/\r\nx: y", "/\u{7f}", "*"],
        ),
        (":scheme", vec!["", "http://localhost/?", "1http", "ht tp"]),
        (":method", vec!["", "GET / HTTP/1.1\r\nX: y", "GET?"]),
        (
            ":authority",
            vec!["", "a b", "a/b", "u@a", "a\0", "a\r\nb: c"],
        ),
    ] {
        requests.extend(values.into_iter().map(|value| with(name, Some(value))));
    }
    for others in [
        vec![(":path", "/")],
        vec![("x", "1"), (":path", "/")],
        vec![(":status", "200")],
        vec![(":foo", "1")],
        vec![(":protocol", "websocket")],
        vec![("X-A", "1")],
        vec![("", "1")],
        vec![("a:b", "1")],
        vec![("a b", "1")],
        vec![("a\r", "1")],
        vec![("a(b", "1")],
        vec![("a", "1\r\nb: c")],
        vec![("a", "1\0")],
        vec![("a", "1\u{7f}")],
        vec![("transfer-encoding", "chunked")],
        vec![("connection", "close")],
        vec![("keep-alive", "1")],
        vec![("proxy-connection", "x")],
        vec![("upgrade", "h2c")],
        vec![("te", "gzip")],
        vec![("te", "trailers, gzip")],
        vec![("content-length", "x")],
        vec![("content-length", "-1")],
        vec![("content-length", "+0")],
        vec![("content-length", "0, 0")],
        vec![("content-length", "99999999999999999999")],
        vec![("content-length", "0"), ("content-length", "0")],
        vec![("content-length", "5")],
        vec![("host", "b"), ("host", "b")],
    ] {
        requests.push(get(&others));
    }
    for headers in requests {
        assert!(refused(&headers), "{headers:?}");
    }
}

#[test]
fn requests_that_are_merely_unusual_are_taken() {
    for headers in [
        with(":scheme", Some("HTTPS")),
        with(":scheme", Some("ftp")),
        with(":method", Some("get")),
        with(":path", Some("/a#b")),
        with(":path", Some("/\u{e4}")),
        get(&[("te", "trailers")]),
        get(&[("te", "Trailers")]),
        get(&[("a", "\u{ff}")]),
        get(&[("a", "1\t2")]),
        get(&[("http2-settings", "x")]),
        get(&[("content-length", "0")]),
        vec![(":method", "CONNECT"), (":authority", "a:1")],
        vec![
            (":method", "OPTIONS"),
            (":scheme", "http"),
            (":authority", "a"),
            (":path", "*"),
        ],
    ] {
        assert!(!refused(&headers), "{headers:?}");
    }
}

#[test]
fn connect_and_its_extension_must_be_whole() {
    for headers in [
        vec![(":method", "CONNECT")],
        with(":method", Some("CONNECT")),
        vec![
            (":method", "CONNECT"),
            (":authority", "a"),
            (":protocol", "websocket"),
        ],
    ] {
        let mut side = Side::server(Http2Settings {
            allow_connect: true,
            ..Http2Settings::default()
        });
        side.feed(&head(1, 0, &headers));
        assert!(side.failed.is_some(), "{headers:?}");
    }
}

#[test]
fn a_body_that_is_not_as_long_as_it_says_ends_its_stream() {
    let five = || head(1, 0, &get(&[("content-length", "5")]));
    for (bytes, is_stream_error) in [
        ([five(), frame(DATA, END_STREAM, 1, b"123")].concat(), true),
        ([five(), frame(DATA, 0, 1, b"1234567")].concat(), true),
        (
            [
                five(),
                frame(DATA, 0, 1, b"123"),
                head(1, END_STREAM, &[("a", "1")]),
            ]
            .concat(),
            false,
        ),
        ([upload(1), head(1, 0, &[("a", "1")])].concat(), false),
        (
            [upload(1), head(1, END_STREAM, &[(":path", "/")])].concat(),
            false,
        ),
        (
            [upload(1), head(1, END_STREAM, &[("content-length", "1")])].concat(),
            false,
        ),
    ] {
        let mut side = server();
        side.feed(&bytes);
        let last = side.told.last().expect("events");
        if is_stream_error {
            assert_eq!(last, "Error 1 known=true: PROTOCOL_ERROR");
            assert_eq!(side.body, b"", "nothing of the bad frame is passed on");
        } else {
            assert!(
                matches!(side.failed, Some(ConnectionError::Messaging(..))),
                "{last}"
            );
        }
    }
}

#[test]
fn tables_out_of_step_end_the_connection() {
    for block in [
        &b"\x80"[..],
        b"\xbe",
        b"\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x3f\xe2\x1f",
        b"\x82\x20\x84",
        b"\x00\x84\xff\xff\xff\xff\x01a",
        b"\x00\x81\x18\x01a",
        b"\x82\x40\x05abc",
    ] {
        let mut side = server();
        side.feed(&frame(HEADERS, END_HEADERS | END_STREAM, 1, block));
        assert_eq!(side.said(), ["GOAWAY 1: COMPRESSION_ERROR \"\""]);
    }
}

#[test]
fn too_many_headers_cost_their_stream_and_leave_the_tables_in_step() {
    let names: Vec<String> = (0..97).map(|number| format!("x{number}")).collect();
    let many: Vec<_> = names.iter().map(|name| (&**name, "1")).collect();
    let large = "v".repeat(6000);
    let crumbs = vec![("cookie", "a=b"); 97];
    for (others, counted_by_count) in [
        (many, true),
        (crumbs, true),
        (vec![("x", &*large); 11], false),
        (vec![("cookie", &*large); 11], false),
    ] {
        let mut side = server();
        let block = block(&get(&others));
        let mut pieces = block.chunks(16_000);
        let first = pieces.next().expect("a piece");
        let mut bytes = frame(HEADERS, END_STREAM, 1, first);
        for piece in pieces {
            bytes.extend(frame(CONTINUATION, 0, 1, piece));
        }
        bytes.extend(frame(CONTINUATION, END_HEADERS, 1, &[]));
        bytes.extend(request(3));
        side.feed(&bytes);
        assert_eq!(side.said(), ["RST_STREAM 1: INTERNAL_ERROR"]);
        assert_eq!(side.told[0], "Error 1 known=false: INTERNAL_ERROR");
        assert!(side.told[1].starts_with("Request 3"));
        let counts = side.connection.take_counts().expect("counts");
        let expected = if counted_by_count { (1, 0) } else { (0, 1) };
        assert_eq!(
            (counts.header_overflow, counts.header_list_size_too_large),
            expected
        );
    }
}

#[test]
fn the_largest_head_that_is_allowed_is_taken() {
    let names: Vec<String> = (0..96).map(|number| format!("x{number}")).collect();
    let many: Vec<_> = names.iter().map(|name| (&**name, "1")).collect();
    assert!(!refused(&get(&many)));
    let pseudo: usize = get(&[])
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    for (spare, is_taken) in [(0, true), (1, false)] {
        let mut side = server();
        let value = "v".repeat(60 * 1024 - pseudo - 1 + spare);
        let block = block(&get(&[("x", &value)]));
        let (first, rest) = block.split_at(16_384);
        side.feed(&frame(HEADERS, END_STREAM, 1, first));
        for piece in rest.chunks(16_384) {
            side.feed(&frame(CONTINUATION, 0, 1, piece));
        }
        side.feed(&frame(CONTINUATION, END_HEADERS, 1, &[]));
        assert_eq!(side.told[0].starts_with("Request"), is_taken);
    }
}

#[test]
fn a_block_of_references_to_one_large_header_stops_at_the_limit() {
    let mut side = server();
    let mut bomb = block(&get(&[]));
    bomb.extend(b"\x40\x01x\x7f\xa1\x1e");
    bomb.extend([b'v'; 4000]);
    bomb.extend([0xbe; 12_000]);
    for stream in 0..50 {
        side.feed(&frame(
            HEADERS,
            END_HEADERS | END_STREAM,
            2 * stream + 1,
            &bomb,
        ));
    }
    assert_eq!(side.failed, None);
    assert_eq!(side.said().len(), 50, "a reset each");
    assert_eq!(side.connection.open_streams(), 0);
}

#[test]
fn a_block_without_an_end_ends_the_connection() {
    // Headers that are complete, and one whose value comes byte by byte.
    for (first, then) in [
        (&b"\0\x01a\x01b"[..], &b"\0\x01a\x01b"[..]),
        (b"\0\x01a\x7f\x80\x7f", b"x"),
    ] {
        let mut side = server();
        side.feed(&frame(HEADERS, END_STREAM, 1, &block(&get(&[]))));
        side.feed(&frame(CONTINUATION, 0, 1, first));
        let mut sent = 0;
        while side.failed.is_none() {
            side.feed(&frame(CONTINUATION, 0, 1, then));
            sent += 1;
            assert!(sent <= 1024);
        }
        let last_words = side.said().pop();
        let expected = "GOAWAY 1: ENHANCE_YOUR_CALM \"a header block without an end\"";
        assert_eq!(last_words.as_deref(), Some(expected));
    }
}

#[test]
fn floods_end_the_connection_at_the_limits_of_envoy() {
    let empty_data = frame(DATA, 0, 1, &[]);
    let padding = frame(DATA, PADDED, 1, &[3, 0, 0, 0]);
    let priority = frame(PRIORITY, 0, 3, &[0; 5]);
    for (prelude, flooding, allowed, error) in [
        (upload(1), empty_data, 1, ConnectionError::EmptyFramesFlood),
        (upload(1), padding, 1, ConnectionError::EmptyFramesFlood),
        (
            vec![],
            priority.clone(),
            100,
            ConnectionError::PriorityFramesFlood,
        ),
        (
            request(1),
            priority,
            200,
            ConnectionError::PriorityFramesFlood,
        ),
        (
            vec![],
            window_update(0, 1),
            5,
            ConnectionError::WindowUpdateFramesFlood,
        ),
        (
            upload(1),
            window_update(0, 1),
            7,
            ConnectionError::WindowUpdateFramesFlood,
        ),
        (
            vec![],
            frame(PING, 0, 0, b"12345678"),
            1000,
            ConnectionError::OutboundControlFlood,
        ),
        (
            vec![],
            setting(99, 1),
            1000,
            ConnectionError::OutboundControlFlood,
        ),
    ] {
        let mut side = server();
        side.feed(&prelude);
        side.feed(&flooding.repeat(allowed));
        assert_eq!(side.failed, None);
        side.feed(&flooding);
        assert_eq!(side.failed, Some(error));
        assert!(!error.is_protocol_error());
        assert!(!side.said().iter().any(|said| said.starts_with("GOAWAY")));
        assert!(side.connection.take_counts().is_some());
    }
}

#[test]
fn frames_that_come_with_each_request_are_no_flood_however_many_requests_there_are() {
    let mut side = server();
    let head = map(MapKind::Response, &[(":status", "204")]);
    for number in 0..600 {
        let id = 2 * number + 1;
        side.feed(&request(id));
        let stream = side.connection.open_stream_ids().next().expect("a stream");
        side.feed(&window_update(id, 1000).repeat(2));
        side.feed(&frame(PRIORITY, 0, id, &[0; 5]).repeat(2));
        side.connection
            .send_head(stream, &head, true, &mut side.out);
        assert_eq!(side.failed, None, "at request {number}");
    }
}

#[test]
fn window_updates_are_paid_for_with_data() {
    let mut side = server();
    side.feed(&request(1));
    let stream = side.connection.open_stream_ids().next().expect("a stream");
    let head = map(MapKind::Response, &[(":status", "200")]);
    side.connection
        .send_head(stream, &head, false, &mut side.out);
    side.connection
        .send_data(stream, b"hello", true, &mut side.out);
    side.feed(&window_update(0, 1).repeat(27));
    assert_eq!(side.failed, None);
    side.feed(&window_update(0, 1));
    assert_eq!(side.failed, Some(ConnectionError::WindowUpdateFramesFlood));
}

#[test]
fn resets_that_a_peer_makes_us_send_are_control_frames_too() {
    let mut side = Side::server(Http2Settings {
        stream_error_on_invalid_http_message: true,
        ..Http2Settings::default()
    });
    let mut streams = (0..).map(|number| 2 * number + 1);
    while side.failed.is_none() {
        let stream = streams.next().expect("endless");
        side.feed(&head(stream, END_STREAM, &get(&[("X", "1")])));
    }
    assert_eq!(streams.next(), Some(2 * 1001 + 1));
    assert_eq!(side.failed, Some(ConnectionError::OutboundControlFlood));
}

#[test]
fn a_peer_that_reads_may_ask_for_ever() {
    let mut side = server();
    for _ in 0..20 {
        side.feed(&frame(PING, 0, 0, b"12345678").repeat(900));
        side.connection.written(side.out.len() - 100);
        side.out.drain(..side.out.len() - 100);
    }
    assert_eq!(side.failed, None);
    let (waiting, _) = side.connection.waiting_frames();
    assert!(waiting < 40, "{waiting}");
}

#[test]
fn frames_that_we_send_unread_are_bounded_as_well() {
    let mut side = Side::server(Http2Settings {
        max_outbound_frames: 10,
        ..Http2Settings::default()
    });
    side.feed(&request(1));
    let stream = side.connection.open_stream_ids().next().expect("a stream");
    for _ in 0..10 {
        side.connection
            .send_data(stream, b"x", false, &mut side.out);
        assert_eq!(side.connection.check_outbound(), Ok(()));
    }
    side.connection
        .send_data(stream, b"x", false, &mut side.out);
    let flood = Err(ConnectionError::OutboundFlood);
    assert_eq!(side.connection.check_outbound(), flood);
    assert_eq!(side.connection.check_outbound(), flood);
    let counts = side.connection.take_counts().expect("counts");
    assert_eq!(counts.outbound_flood, 1, "counted once");
}

#[test]
fn a_hundred_thousand_streams_that_are_reset_at_once_leave_nothing_behind() {
    let mut side = server();
    for number in 0..100_000 {
        side.feed(&[upload(2 * number + 1), reset(2 * number + 1, 8)].concat());
        side.told.clear();
    }
    assert_eq!(side.connection.open_streams(), 0);
    let counts = side.connection.take_counts().expect("counts");
    assert_eq!(counts.rx_reset, 100_000);
    assert!(side.out.is_empty());
}
