//! What a server of HTTP/2 makes of its clients, step by step.

mod http2_support;

use http2_support::*;
use nuncio_codec::http1::UnderscoresAction;
use nuncio_codec::http2::*;
use nuncio_contract::headers::MapKind;

fn server() -> Side {
    Side::server(Http2Settings::default())
}

fn response(headers: &[(&str, &str)]) -> nuncio_contract::headers::HeaderMap {
    map(MapKind::Response, headers)
}

fn opened(side: &mut Side, bytes: &[u8]) -> StreamId {
    side.feed(bytes);
    let last = side.connection.open_stream_ids().last();
    last.expect("a stream was opened")
}

#[test]
fn a_server_begins_with_the_settings_of_envoy() {
    let side = Side::fresh_server(Http2Settings::default());
    assert_eq!(
        side.said(),
        [
            "SETTINGS 1=4096 8=0 3=1024 4=16777216",
            "WINDOW_UPDATE 0: 25100289"
        ]
    );
}

#[test]
fn custom_parameters_go_first() {
    let side = Side::fresh_server(Http2Settings {
        custom_parameters: [(0x10, 7)].into(),
        initial_connection_window_size: 65_535,
        allow_connect: true,
        ..Http2Settings::default()
    });
    assert_eq!(side.said(), ["SETTINGS 16=7 1=4096 8=1 3=1024 4=16777216"]);
}

#[test]
fn a_request_is_read_and_answered() {
    let mut side = server();
    let stream = opened(&mut side, &request(1));
    assert_eq!(
        side.told,
        ["Request 1 end: :method=GET :scheme=http :authority=a :path=/"]
    );
    let (connection, out) = (&mut side.connection, &mut side.out);
    connection.send_head(stream, &response(&[(":status", "200")]), false, out);
    assert_eq!(connection.send_data(stream, b"hello", true, out), 5);
    assert_eq!(side.said(), ["HEADERS 1", "DATA 1 end: 5 bytes"]);
    assert!(!side.connection.is_open(stream));
    assert_eq!(side.connection.open_streams(), 0);
}

#[test]
fn a_body_and_trailers_are_handed_on_as_they_come() {
    let mut side = server();
    side.feed(&upload(1));
    let data = frame(DATA, 0, 1, b"0123456789");
    side.feed(&data[..12]);
    side.feed(&data[12..]);
    side.feed(&frame(DATA, PADDED, 1, b"\x03abc\0\0\0"));
    side.feed(&head(1, END_STREAM, &[("x-sum", "1")]));
    assert_eq!(
        side.told[1..],
        [
            "Data 1: 3 bytes",
            "Data 1: 7 bytes",
            "Data 1: 3 bytes",
            "Trailers 1: x-sum=1"
        ]
    );
    assert_eq!(side.body, b"0123456789abc");
    let counts = side.connection.take_counts().expect("something to count");
    assert_eq!(counts.trailers, 1);
    assert_eq!(side.connection.take_counts(), None);
}

#[test]
fn an_informational_head_does_not_end_the_response() {
    let mut side = server();
    let stream = opened(&mut side, &upload(1));
    let (connection, out) = (&mut side.connection, &mut side.out);
    connection.send_head(stream, &response(&[(":status", "100")]), false, out);
    connection.send_head(stream, &response(&[(":status", "200")]), false, out);
    connection.send_trailers(stream, &response(&[("grpc-status", "0")]), out);
    assert_eq!(side.said(), ["HEADERS 1", "HEADERS 1", "HEADERS 1 end"]);
    assert!(side.connection.is_open(stream), "the client has not ended");
    side.feed(&frame(DATA, END_STREAM, 1, b""));
    assert!(!side.connection.is_open(stream));
}

#[test]
fn trailers_without_any_header_are_an_empty_frame_of_data() {
    let mut side = server();
    let stream = opened(&mut side, &request(1));
    let (connection, out) = (&mut side.connection, &mut side.out);
    connection.send_head(stream, &response(&[(":status", "200")]), false, out);
    connection.send_trailers(stream, &response(&[]), out);
    assert_eq!(side.said(), ["HEADERS 1", "DATA 1 end: 0 bytes"]);
}

#[test]
fn a_head_larger_than_a_frame_goes_on_in_continuation() {
    let mut side = server();
    let stream = opened(&mut side, &request(1));
    let value = "\u{7f}".repeat(40_000);
    let headers = response(&[(":status", "200"), ("x-long", &value)]);
    let size = side
        .connection
        .send_head(stream, &headers, true, &mut side.out);
    assert_eq!(
        side.said(),
        ["HEADERS 1 end", "CONTINUATION 1", "CONTINUATION 1"]
    );
    assert_eq!(size.wire, side.out.len());
    assert_eq!(size.decoded, 40_000 + "x-long:status200".len());
}

#[test]
fn headers_of_the_connection_are_never_sent() {
    let mut side = server();
    let stream = opened(&mut side, &request(1));
    let headers = response(&[
        (":status", "200"),
        ("connection", "close"),
        ("transfer-encoding", "chunked"),
        ("keep-alive", "1"),
    ]);
    let size = side
        .connection
        .send_head(stream, &headers, true, &mut side.out);
    assert_eq!(size.count, 1);
}

#[test]
fn cookie_crumbs_are_joined_behind_the_other_headers() {
    let mut side = server();
    let headers = get(&[("cookie", "a=b"), ("x", "y"), ("cookie", "c=d")]);
    side.feed(&head(1, END_STREAM, &headers));
    assert_eq!(
        side.told,
        ["Request 1 end: :method=GET :scheme=http :authority=a :path=/ x=y cookie=a=b; c=d"]
    );
}

#[test]
fn the_authority_wins_over_host_and_host_stands_in_for_it() {
    let mut side = server();
    side.feed(&head(1, END_STREAM, &get(&[("host", "b")])));
    let headers: Vec<_> = get(&[("host", "b")])
        .into_iter()
        .filter(|(name, _)| *name != ":authority")
        .collect();
    side.feed(&head(3, END_STREAM, &headers));
    assert_eq!(
        side.told,
        [
            "Request 1 end: :method=GET :scheme=http :authority=a :path=/",
            "Request 3 end: :method=GET :scheme=http :path=/ :authority=b"
        ]
    );
}

#[test]
fn white_space_around_a_value_is_cut_off() {
    let mut side = server();
    side.feed(&head(
        1,
        END_STREAM,
        &get(&[("x", " \t1 2\t "), ("y", " ")]),
    ));
    assert!(side.told[0].ends_with(" x=1 2 y="), "{}", side.told[0]);
}

#[test]
fn a_block_in_many_frames_is_one_head() {
    let mut side = server();
    let block = block(&get(&[("x-name", "value")]));
    let mut bytes = frame(HEADERS, END_STREAM, 1, &block[..5]);
    for piece in block[5..].chunks(7) {
        bytes.extend(frame(CONTINUATION, 0, 1, piece));
    }
    bytes.extend(frame(CONTINUATION, END_HEADERS, 1, &[]));
    side.feed(&bytes);
    assert_eq!(
        side.told,
        ["Request 1 end: :method=GET :scheme=http :authority=a :path=/ x-name=value"]
    );
}

#[test]
fn underscores_are_handled_as_configured() {
    let bytes = head(1, END_STREAM, &get(&[("a_b", "1"), ("c", "2")]));
    for (action, told, said) in [
        (
            UnderscoresAction::Allow,
            "Request 1 end: :method=GET :scheme=http :authority=a :path=/ a_b=1 c=2",
            None,
        ),
        (
            UnderscoresAction::DropHeader,
            "Request 1 end: :method=GET :scheme=http :authority=a :path=/ c=2",
            None,
        ),
        (
            UnderscoresAction::RejectRequest,
            "Error 1 known=false: INTERNAL_ERROR",
            Some("RST_STREAM 1: INTERNAL_ERROR".to_owned()),
        ),
    ] {
        let mut side = Side::server(Http2Settings {
            headers_with_underscores: action,
            ..Http2Settings::default()
        });
        side.feed(&bytes);
        assert_eq!(side.told, [told]);
        assert_eq!(side.said().first().cloned(), said);
    }
}

#[test]
fn pings_and_settings_are_answered() {
    let mut side = server();
    side.feed(&frame(PING, 0, 0, b"12345678"));
    side.feed(&setting(3, 10));
    side.feed(&frame(SETTINGS, ACK, 0, &[]));
    side.connection.send_ping(7, &mut side.out);
    side.feed(&frame(PING, ACK, 0, &7u64.to_be_bytes()));
    assert_eq!(side.said(), ["PING ACK 12345678", "SETTINGS ACK", "PING"]);
    assert_eq!(side.told, ["SettingsChanged", "PingAck(7)"]);
}

#[test]
fn frames_that_nobody_knows_are_skipped() {
    let mut side = server();
    side.feed(&frame(0x77, 0xff, 9, &[0; 300]));
    side.feed(&frame(0x0a, 0, 0, b"altsvc"));
    side.feed(&request(1));
    assert_eq!(side.told.len(), 1);
    assert!(side.out.is_empty());
}

#[test]
fn a_stream_that_the_client_resets_is_forgotten() {
    let mut side = server();
    let stream = opened(&mut side, &upload(1));
    side.feed(&reset(1, 8));
    assert_eq!(side.told[1..], ["Reset 1: CANCEL"]);
    let (connection, out) = (&mut side.connection, &mut side.out);
    assert_eq!(connection.capacity(stream), 0);
    assert_eq!(connection.send_data(stream, b"late", true, out), 0);
    connection.send_head(stream, &response(&[(":status", "200")]), true, out);
    connection.reset(stream, ErrorCode::CANCEL, out);
    assert!(side.out.is_empty(), "nothing is said on it any more");
}

#[test]
fn what_is_on_its_way_when_we_reset_is_dropped_and_its_window_given_back() {
    let mut side = Side::server(Http2Settings {
        initial_connection_window_size: 65_535,
        ..Http2Settings::default()
    });
    let stream = opened(&mut side, &upload(1));
    side.connection
        .reset(stream, ErrorCode::CANCEL, &mut side.out);
    side.feed(&frame(DATA, 0, 1, &[0; 16_384]));
    side.feed(&frame(DATA, 0, 1, &[0; 16_384]));
    side.feed(&head(1, END_STREAM, &[("x-sum", "1")]));
    side.feed(&request(3));
    assert_eq!(
        side.said(),
        ["RST_STREAM 1: CANCEL", "WINDOW_UPDATE 0: 32768"]
    );
    assert_eq!(side.told.len(), 2, "{:?}", side.told);
}

#[test]
fn a_stream_reset_in_the_middle_of_a_frame_tells_no_more_of_it() {
    let mut side = server();
    let stream = opened(&mut side, &upload(1));
    let data = frame(DATA, END_STREAM, 1, b"0123456789");
    side.feed(&data[..14]);
    side.connection
        .reset(stream, ErrorCode::CANCEL, &mut side.out);
    side.feed(&data[14..]);
    side.feed(&request(3));
    assert_eq!(side.told[1], "Data 1: 5 bytes");
    assert!(side.told[2].starts_with("Request 3"));
}

#[test]
fn a_notice_of_the_end_is_followed_by_the_end() {
    let mut side = server();
    side.feed(&upload(1));
    side.connection.send_shutdown_notice(&mut side.out);
    side.feed(&upload(3));
    side.connection
        .send_go_away(ErrorCode::NO_ERROR, &mut side.out);
    side.feed(&upload(5));
    side.feed(&frame(DATA, END_STREAM, 5, b"dropped"));
    side.feed(&frame(DATA, END_STREAM, 3, b"taken"));
    assert_eq!(
        side.said(),
        [
            "GOAWAY 2147483647: NO_ERROR \"\"",
            "GOAWAY 3: NO_ERROR \"\""
        ]
    );
    assert_eq!(side.told.len(), 3);
    assert_eq!(side.told[2], "Data 3 end: 5 bytes");
    let counts = side.connection.take_counts().expect("a GOAWAY");
    assert_eq!(counts.goaway_sent, 1);
}

#[test]
fn a_request_too_many_is_refused_and_the_others_go_on() {
    let mut side = Side::server(Http2Settings {
        max_concurrent_streams: 2,
        ..Http2Settings::default()
    });
    side.feed(&[upload(1), upload(3), upload(5)].concat());
    assert_eq!(side.said(), ["RST_STREAM 5: REFUSED_STREAM"]);
    side.feed(&frame(DATA, END_STREAM, 5, b"on its way"));
    side.feed(&reset(1, 8));
    side.feed(&upload(7));
    assert!(side.told.last().expect("events").starts_with("Request 7"));
    let counts = side.connection.take_counts().expect("counts");
    assert_eq!(counts.stream_refused_errors, 1);
    assert_eq!(counts.tx_reset, 1);
}
