//! Messages of a peer, whole and in pieces.

use std::rc::Rc;

use nuncio_contract::headers::{HeaderMap, Known, MapKind};

use super::super::error::{Http3Error, StreamError};
use super::super::event::Event;
use super::super::frame::write_head as frame_head;
use super::super::qpack;
use super::super::settings::Http3Settings;
use super::super::stream_id::StreamId;
use super::super::{write_data_head, write_head, write_trailers};
use super::MessageReader;
use crate::header_block::known_exactly;
use crate::http1::UnderscoresAction;

const GET: [(&str, &str); 4] = [
    (":method", "GET"),
    (":scheme", "https"),
    (":authority", "a.example"),
    (":path", "/x"),
];

fn frame(kind: u64, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    frame_head(&mut out, kind, payload.len());
    out.extend_from_slice(payload);
    out
}

fn headers(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = qpack::PREFIX.to_vec();
    for (name, value) in fields {
        let known = known_exactly(name.as_bytes());
        qpack::encode(known, name.as_bytes(), value.as_bytes(), &mut block);
    }
    frame(1, &block)
}

fn get(more: &[(&str, &str)]) -> Vec<u8> {
    headers(&[&GET, more].concat())
}

fn post(more: &[(&str, &str)]) -> Vec<u8> {
    headers(&[&[(":method", "POST")], &GET[1..], more].concat())
}

fn settings() -> Http3Settings {
    Http3Settings::default()
}

fn request(settings: Http3Settings) -> MessageReader {
    MessageReader::request(StreamId(4), Rc::new(settings))
}

fn response(method: &str) -> MessageReader {
    let mut request = HeaderMap::new(MapKind::Request);
    request.append(Known::Method, method.as_bytes());
    MessageReader::response(StreamId(0), Rc::new(settings()), &request)
}

/// What is told of bytes that come in pieces, as lines; parts of bodies are joined.
fn read(reader: &mut MessageReader, bytes: &[u8], piece: usize) -> Vec<String> {
    let mut told = Vec::new();
    let mut body = Vec::new();
    let mut map = HeaderMap::new(MapKind::Request);
    let mut pieces = bytes.chunks(piece.max(1)).peekable();
    let mut input = pieces.next().unwrap_or_default();
    loop {
        let fin = pieces.peek().is_none();
        let step = match reader.step(input, fin, &mut map) {
            Ok(step) => step,
            Err(error) => {
                told.push(in_words(error));
                break;
            }
        };
        let before = input;
        input = &input[step.consumed..];
        match step.event {
            Event::NeedMore => {
                assert!(input.is_empty());
                match pieces.next() {
                    Some(next) => input = next,
                    None => break,
                }
            }
            Event::Data {
                data, end_stream, ..
            } => {
                assert!(!data.is_empty());
                body.extend_from_slice(&before[data]);
                if end_stream {
                    told.push("end".to_owned());
                }
            }
            Event::Head {
                kind, end_stream, ..
            } => {
                let end = if end_stream { ", end" } else { "" };
                told.push(format!("{kind:?}{end} {}", lines(&map)));
            }
            Event::Trailers { .. } => told.push(format!("Trailers {}", lines(&map))),
            Event::End => told.push("end".to_owned()),
        }
    }
    if !body.is_empty() {
        told.push(format!("body {}", body.escape_ascii()));
    }
    told
}

fn lines(map: &HeaderMap) -> String {
    let lines: Vec<_> = map
        .iter()
        .map(|header| {
            format!(
                "{}={}",
                header.name.escape_ascii(),
                header.value.escape_ascii()
            )
        })
        .collect();
    lines.join(" ")
}

fn in_words(error: Http3Error) -> String {
    match error {
        Http3Error::Stream(error) => {
            format!("stream {:#x} {}", error.code().0, error.details())
        }
        Http3Error::Connection(error) => {
            format!("connection {:#x} {}", error.code().0, error.reason())
        }
    }
}

/// The same, however the bytes come; where the end of the stream is noticed may differ, and how much of a body comes before
/// a fault.
fn told(make: impl Fn() -> MessageReader, bytes: &[u8]) -> Vec<String> {
    let whole = read(&mut make(), bytes, usize::MAX);
    let without_end = |told: &[String]| -> Vec<String> {
        let lines = told.iter().map(|line| line.replace(", end", ""));
        let is_faulty = told.iter().any(|line| line.contains(" 0x"));
        lines
            .filter(|line| line != "end" && !(is_faulty && line.starts_with("body")))
            .collect()
    };
    for piece in [1, 2, 7] {
        let pieces = read(&mut make(), bytes, piece);
        assert_eq!(without_end(&pieces), without_end(&whole));
    }
    whole
}

fn server(bytes: &[u8]) -> Vec<String> {
    told(|| request(settings()), bytes)
}

/// The one thing that is wrong.
fn fault(bytes: &[u8]) -> String {
    server(bytes)
        .into_iter()
        .find(|line| line.contains("0x"))
        .expect("a fault")
}

const INVALID: &str = "connection 0x106 132:http3.invalid_header_field";

#[test]
fn a_request_without_a_body_ends_with_its_head() {
    let head = "Request, end :method=GET :scheme=https :authority=a.example :path=/x x=y";
    assert_eq!(server(&get(&[("x", "y")])), [head]);
}

#[test]
fn a_body_comes_in_parts_and_trailers_end_it() {
    let bytes = [
        post(&[]),
        frame(0, b"abc"),
        frame(0, b""),
        frame(0, b"def"),
        headers(&[("x-t", "1")]),
    ]
    .concat();
    let lines = server(&bytes);
    assert_eq!(lines[1..], ["Trailers x-t=1", "body abcdef"]);
}

#[test]
fn the_end_of_a_body_is_told_with_its_last_part_or_apart() {
    let bytes = [post(&[]), frame(0, b"ab")].concat();
    let mut map = HeaderMap::new(MapKind::Request);
    let mut reader = request(settings());
    let head = reader.step(&bytes, true, &mut map).expect("a head");
    let rest = &bytes[head.consumed..];
    let data = reader.step(rest, true, &mut map).expect("a body").event;
    let expected = Event::Data {
        data: 2..4,
        end_stream: true,
        wire: 4,
    };
    assert_eq!(data, expected);
    assert!(reader.has_ended());
    assert_eq!(
        reader.step(b"", true, &mut map).expect("nothing").event,
        Event::NeedMore
    );

    let mut reader = request(settings());
    reader.step(&bytes, false, &mut map).expect("a head");
    reader.step(rest, false, &mut map).expect("a body");
    assert_eq!(
        reader.step(b"", true, &mut map).expect("an end").event,
        Event::End
    );
}

#[test]
fn what_is_not_known_is_skipped() {
    let bytes = [
        frame(0x21, b"abc"),
        post(&[]),
        frame(0x40, &[b'q'; 300]),
        frame(0, b"x"),
        frame(0x21, b""),
    ]
    .concat();
    assert_eq!(server(&bytes)[1..], ["end", "body x"]);
}

#[test]
fn crumbs_of_cookies_are_joined() {
    let lines = server(&get(&[("cookie", "a=1"), ("x", "y"), ("cookie", "b=2")]));
    assert!(lines[0].ends_with("cookie=a=1; b=2 x=y"), "{lines:?}");
}

#[test]
fn frames_that_may_not_come_end_the_connection() {
    let rows: [(u64, &str); 10] = [
        (
            2,
            "0x105 171:HTTP/2 frame received in a HTTP/3 connection: 2",
        ),
        (3, "0x106 132:CANCEL_PUSH frame received."),
        (4, "0x105 133:Settings frame received on data stream"),
        (5, "0x106 132:PUSH_PROMISE frame received."),
        (
            6,
            "0x105 171:HTTP/2 frame received in a HTTP/3 connection: 6",
        ),
        (7, "0x105 133:Goaway frame received on data stream"),
        (
            8,
            "0x105 171:HTTP/2 frame received in a HTTP/3 connection: 8",
        ),
        (
            9,
            "0x105 171:HTTP/2 frame received in a HTTP/3 connection: 9",
        ),
        (0xd, "0x105 133:Max Push Id frame received on data stream"),
        (
            0xf0700,
            "0x105 133:Priority update frame received on data stream",
        ),
    ];
    for (kind, expected) in rows {
        let bytes = [post(&[]), frame(kind, b"\0")].concat();
        assert_eq!(fault(&bytes), format!("connection {expected}"));
    }
}

#[test]
fn frames_in_a_wrong_order_end_the_connection() {
    let data = "connection 0x105 151:Unexpected DATA frame received.";
    assert_eq!(fault(&frame(0, b"x")), data);
    let trailers = headers(&[("x-t", "1")]);
    assert_eq!(
        fault(&[post(&[]), trailers.clone(), frame(0, b"x")].concat()),
        data
    );
    let third = "connection 0x105 151:HEADERS frame received after trailing HEADERS.";
    assert_eq!(
        fault(&[post(&[]), trailers.clone(), trailers].concat()),
        third
    );
}

#[test]
fn a_stream_that_ends_too_early_ends_the_connection() {
    let no_head = "connection 0x105 151:Received FIN before finishing receiving HTTP headers.";
    assert_eq!(fault(b""), no_head);
    assert_eq!(fault(&[1, 10, 0, 0]), no_head);
    let cut_off = "connection 0x106 132:The stream ended within a frame.";
    for cut in [&b"\0\x0aabc"[..], b"\0", b"\x21\x05a"] {
        assert_eq!(fault(&[&post(&[]), cut].concat()), cut_off);
    }
}

#[test]
fn malformed_heads_end_the_connection_unless_settings_say_otherwise() {
    let rows: [&[(&str, &str)]; 9] = [
        &[("host", "other.example")],
        &[(":status", "200")],
        &[(":foo", "1")],
        &[("connection", "close")],
        &[("te", "gzip")],
        &[("x", "a\nb")],
        &[("x y", "a")],
        &[("x", "a\u{e9}b")],
        &[("content-length", "2, 2")],
    ];
    let lenient = Http3Settings {
        stream_error_on_invalid_http_message: true,
        ..settings()
    };
    for more in rows {
        let bytes = match more[0].0.starts_with(':') {
            true => headers(&[more, &GET].concat()),
            false => get(more),
        };
        assert_eq!(fault(&bytes), INVALID, "{more:?}");
        let lines = told(|| request(lenient.clone()), &bytes);
        assert_eq!(
            lines,
            ["stream 0x101 http3.invalid_header_field"],
            "{more:?}"
        );
    }
    for left_out in 0..GET.len() {
        let mut fields = GET.to_vec();
        fields.remove(left_out);
        assert_eq!(fault(&headers(&fields)), INVALID);
    }
}

#[test]
fn some_malformed_heads_end_their_stream_alone() {
    let no_error = "stream 0x100 http3.invalid_header_field";
    assert_eq!(
        fault(&headers(&[GET[0], GET[0], GET[1], GET[2], GET[3]])),
        no_error
    );
    assert_eq!(
        fault(&headers(&[GET[0], GET[1], GET[2], (":path", "x")])),
        no_error
    );
    assert_eq!(fault(&headers(&[(":method", "CONNECT")])), no_error);
    let two_paths = headers(&[GET[0], GET[1], GET[2], GET[3], GET[3]]);
    assert_eq!(fault(&two_paths), "stream 0x101 http3.invalid_header_field");
    let late = headers(&[GET[0], GET[1], GET[2], ("x", "y"), GET[3]]);
    assert_eq!(fault(&late), "stream 0x101 http3.invalid_header_field");
}

#[test]
fn a_host_that_says_what_the_authority_does_is_dropped() {
    let lines = server(&get(&[("host", "a.example"), ("x", "y")]));
    assert_eq!(lines, server(&get(&[("x", "y")])));
    let trailers = [post(&[]), headers(&[("host", "a.example")])].concat();
    assert_eq!(fault(&trailers), "stream 0x100 http3.invalid_header_field");
}

#[test]
fn lengths_must_be_right() {
    let wrong = "stream 0x101 http3.inconsistent_content_length";
    let five = |bytes: &[u8]| [post(&[("content-length", "5")]), frame(0, bytes)].concat();
    assert_eq!(fault(&five(b"ab")), wrong);
    assert_eq!(fault(&five(b"abcdef")), wrong);
    assert_eq!(fault(&get(&[("content-length", "5")])), wrong);
    assert_eq!(server(&five(b"abcde"))[1..], ["end", "body abcde"]);
}

#[test]
fn heads_beyond_the_limits_end_their_stream() {
    let many: Vec<_> = std::iter::repeat_n(("x", "y"), 97).collect();
    assert_eq!(fault(&get(&many)), "stream 0x107 http3.too_many_headers");
    assert_eq!(server(&get(&many[1..])).len(), 1);
    let trailers = [post(&[]), headers(&[&many[..], &many[..4]].concat())].concat();
    assert_eq!(fault(&trailers), "stream 0x107 http3.too_many_trailers");
    let large = "y".repeat(1000);
    let many: Vec<_> = std::iter::repeat_n(("x", &*large), 62).collect();
    assert_eq!(fault(&get(&many)), "stream 0x107 http3.headers_too_large");
    let large = "\u{1}".repeat(62_000);
    assert_eq!(
        fault(&get(&[("x", &large)])),
        "stream 0x107 http3.headers_too_large"
    );
}

#[test]
fn what_was_read_of_a_refused_block_is_told_once() {
    let mut reader = request(settings());
    let mut map = HeaderMap::new(MapKind::Request);
    let bytes = get(&[("content-length", "x")]);
    reader
        .step(&bytes, true, &mut map)
        .expect_err("a bad length");
    let read: usize = GET
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    assert_eq!(
        (reader.take_lost_bytes(), reader.take_lost_bytes()),
        (read, 0)
    );
}

#[test]
fn underscores_are_refused_or_dropped() {
    let refused = Http3Settings {
        headers_with_underscores: UnderscoresAction::RejectRequest,
        ..settings()
    };
    let bytes = get(&[("x_y", "1")]);
    let lines = told(|| request(refused.clone()), &bytes);
    assert_eq!(lines, ["stream 0x101 http3.unexpected_underscore"]);
    let mut reader = request(Http3Settings {
        headers_with_underscores: UnderscoresAction::DropHeader,
        ..settings()
    });
    let lines = read(&mut reader, &bytes, usize::MAX);
    assert!(!lines[0].contains("x_y"));
    assert_eq!(
        (
            reader.take_dropped_underscores(),
            reader.take_dropped_underscores()
        ),
        (1, 0)
    );
}

#[test]
fn extended_connect_must_be_allowed() {
    let bytes = headers(
        &[
            &[(":method", "CONNECT"), (":protocol", "websocket")],
            &GET[1..],
        ]
        .concat(),
    );
    assert_eq!(fault(&bytes), INVALID);
    let allowed = Http3Settings {
        allow_connect: true,
        ..settings()
    };
    let lines = told(|| request(allowed.clone()), &bytes);
    assert!(lines[0].contains(":protocol=websocket"), "{lines:?}");
}

#[test]
fn blocks_that_cannot_be_decoded_end_the_connection() {
    let of =
        |what: &str| format!("connection 0x200 126:Error decoding headers on stream 4: {what}");
    assert_eq!(fault(&frame(1, b"")), of("Incomplete header data prefix."));
    assert_eq!(
        fault(&frame(1, b"\0\0\x51")),
        of("Incomplete header block.")
    );
    assert_eq!(fault(&frame(1, b"\0\0\x80")), of("Invalid relative index."));
}

#[test]
fn a_client_reads_informational_heads_and_then_the_final_one() {
    let bytes = [
        headers(&[(":status", "103"), ("link", "a")]),
        headers(&[(":status", "200")]),
        frame(0, b"hi"),
    ]
    .concat();
    let lines = told(|| response("GET"), &bytes);
    let heads = ["Informational :status=103 link=a", "Response :status=200"];
    assert_eq!(lines, [heads[0], heads[1], "end", "body hi"]);
}

#[test]
fn a_response_to_head_has_a_length_and_no_body() {
    let head = headers(&[(":status", "200"), ("content-length", "5")]);
    let lines = told(|| response("HEAD"), &head);
    assert_eq!(lines, ["Response, end :status=200 content-length=5"]);
    let lines = told(|| response("GET"), &head);
    assert_eq!(lines, ["stream 0x101 http3.inconsistent_content_length"]);
    let wrong = [head, frame(0, b"x")].concat();
    let lines = told(|| response("HEAD"), &wrong);
    assert_eq!(lines[1], "stream 0x101 http3.inconsistent_content_length");
}

#[test]
fn what_is_written_is_read_again() {
    let mut map = HeaderMap::new(MapKind::Request);
    for (name, value) in GET {
        map.append_from_wire(name.as_bytes(), value.as_bytes());
    }
    map.append(Known::Connection, b"close");
    let mut out = Vec::new();
    let size = write_head(&map, &mut out);
    assert_eq!((size.wire, size.count), (out.len(), 4));
    write_data_head(70_000, &mut out);
    out.resize(out.len() + 70_000, b'a');
    let mut trailers = HeaderMap::new(MapKind::RequestTrailers);
    assert_eq!(write_trailers(&trailers, &mut out).wire, 0);
    trailers.append_from_wire(b"x-t", "v".repeat(20_000).as_bytes());
    write_trailers(&trailers, &mut out);
    let lines = server(&out);
    assert!(lines[0].ends_with(":path=/x"), "{}", lines[0]);
    assert_eq!(lines[1].len(), "Trailers x-t=".len() + 20_000);
    assert_eq!(lines[2].len(), "body ".len() + 70_000);
}

#[test]
fn connect_is_written_without_scheme_and_path() {
    let mut map = HeaderMap::new(MapKind::Request);
    for (name, value) in [(":method", "CONNECT"), GET[1], GET[2], GET[3]] {
        map.append_from_wire(name.as_bytes(), value.as_bytes());
    }
    let mut out = Vec::new();
    write_head(&map, &mut out);
    assert_eq!(
        server(&out),
        ["Request, end :method=CONNECT :authority=a.example"]
    );
}

#[test]
fn errors_have_the_names_that_counters_have() {
    assert_eq!(
        StreamError::TooManyTrailers.name(),
        "QUIC_STREAM_EXCESSIVE_LOAD"
    );
    assert_eq!(
        StreamError::WrongLength.name(),
        "QUIC_BAD_APPLICATION_PAYLOAD"
    );
}
