//! What one codec writes the other reads back; and the spelling of header names.

mod support;

use nuncio_codec::http1::*;
use nuncio_contract::headers::{HeaderMap, HeaderName, Known, MapKind};
use proptest::prelude::*;
use support::*;

fn header_name() -> impl Strategy<Value = HeaderName> {
    // x- keeps clear of names that mean something to framing.
    "x-[a-z0-9!#$%&'*+.^_`|~-]{1,20}".prop_map(|name| HeaderName::parse(&name).expect("a token"))
}

fn header_value() -> impl Strategy<Value = Vec<u8>> {
    let text = prop::collection::vec(
        prop_oneof![Just(b' '), Just(b'\t'), 0x21u8..0x7f, 0x80u8..=0xff],
        0..40,
    );
    text.prop_map(|bytes| bytes.trim_ascii().to_vec())
}

fn headers(kind: MapKind) -> impl Strategy<Value = HeaderMap> {
    prop::collection::vec((header_name(), header_value()), 0..12).prop_map(move |list| {
        let mut map = HeaderMap::new(kind);
        for (name, value) in &list {
            map.append(name, value);
        }
        map
    })
}

fn body() -> impl Strategy<Value = Vec<Vec<u8>>> {
    prop::collection::vec(prop::collection::vec(any::<u8>(), 1..300), 0..5)
}

fn settings() -> Http1Settings {
    Http1Settings {
        enable_trailers: true,
        ..Http1Settings::default()
    }
}

/// Writes the pieces and the end; what the reader must find.
fn write_body(
    encoding: BodyEncoding,
    pieces: &[Vec<u8>],
    trailers: &HeaderMap,
    out: &mut Vec<u8>,
) -> Vec<Event> {
    for piece in pieces {
        encode_data(encoding, piece, out);
    }
    encode_trailers(&settings(), encoding, trailers, out);
    let mut expected = Vec::new();
    let data = pieces.concat();
    if !data.is_empty() {
        expected.push(Event::Data(data));
    }
    if encoding == BodyEncoding::Chunked && !trailers.is_empty() {
        expected.push(Event::Trailers(trailers.clone()));
    }
    expected.push(Event::End);
    expected
}

proptest! {
    #[test]
    fn a_request_is_read_as_it_was_written(
        mut map in headers(MapKind::Request),
        path in "/[!-~]{0,40}",
        pieces in body(),
        trailers in headers(MapKind::RequestTrailers),
        with_length in any::<bool>(),
    ) {
        map.set(Known::Method, b"POST");
        map.set(Known::Path, path.as_bytes());
        map.set(Known::Authority, b"host.example:80");
        let length = pieces.concat().len();
        if with_length {
            map.set_integer(Known::ContentLength, length as u64);
        }
        let mut bytes = Vec::new();
        let end = pieces.is_empty() && trailers.is_empty();
        let written = encode_request_head(&settings(), &map, end, &mut bytes);
        let expected = write_body(written.body, &pieces, &trailers, &mut bytes);

        let events = serve(&settings(), &bytes);
        let Some(Event::Head(head, mut read)) = events.first().cloned() else {
            panic!("no head in {events:?}");
        };
        prop_assert!(head.keep_alive);
        read.remove(Known::TransferEncoding);
        if !with_length {
            read.remove(Known::ContentLength);
        }
        let regular = |map: &HeaderMap| {
            let pairs = map.iter_regular().map(|h| (h.name.to_vec(), h.value.to_vec()));
            pairs.collect::<Vec<_>>()
        };
        prop_assert_eq!(regular(&read), regular(&map));
        for pseudo in [Known::Method, Known::Path, Known::Authority] {
            prop_assert_eq!(read.get(pseudo), map.get(pseudo));
        }
        let trailers_kept = trailers_as_read(&expected, &events[1..]);
        prop_assert!(trailers_kept, "{:?} {:?}", expected, events);
    }

    #[test]
    fn a_response_is_read_as_it_was_written(
        mut map in headers(MapKind::Response),
        status in 200u16..600,
        pieces in body(),
        trailers in headers(MapKind::RequestTrailers),
    ) {
        map.set_integer(Known::Status, u64::from(status));
        let mut bytes = Vec::new();
        let to = ResponseTo { version: Version::Http11, head: false, connect: false };
        let bodiless = matches!(status, 204 | 304);
        let end = bodiless || (pieces.is_empty() && trailers.is_empty());
        let encoding = encode_response_head(&settings(), to, &map, end, &mut bytes);
        let pieces = if end { Vec::new() } else { pieces };
        let expected = write_body(encoding, &pieces, &trailers, &mut bytes);

        let events = receive(&settings(), RequestSent::default(), &bytes);
        let Some(Event::Response(head, mut read)) = events.first().cloned() else {
            panic!("no head in {events:?}");
        };
        prop_assert_eq!(head.status, status);
        prop_assert!(head.keep_alive);
        read.remove(Known::TransferEncoding);
        read.remove(Known::ContentLength);
        prop_assert_eq!(read, map);
        prop_assert!(trailers_as_read(&expected, &events[1..]), "{:?} {:?}", expected, events);
    }

    #[test]
    fn the_size_of_a_chunk_is_read_as_it_was_written(len in 1usize..) {
        let mut bytes = Vec::new();
        encode_chunk_start(len, &mut bytes);
        prop_assert_eq!(String::from_utf8(bytes).expect("ASCII"), format!("{len:x}\r\n"));
    }
}

/// Equal, but that a map of trailers has no joined headers to begin with.
fn trailers_as_read(expected: &[Event], found: &[Event]) -> bool {
    expected.len() == found.len()
        && expected.iter().zip(found).all(|pair| match pair {
            (Event::Trailers(a), Event::Trailers(b)) => a.iter().eq(b.iter()),
            (a, b) => a == b,
        })
}

fn spelled(case: HeaderCase, other_side: HeaderCase) -> String {
    let reader = Http1Settings {
        header_case: case,
        ..Http1Settings::default()
    };
    let writer = Http1Settings {
        header_case: other_side,
        ..Http1Settings::default()
    };
    let input = b"POST /x HTTP/1.1\r\nhOsT: a\r\nX-ReQ-1x: 1\r\nx-req-1x: 2\r\ncontent-LENGTH: 5\r\n\r\nhello";
    let Some(Event::Head(_, mut headers)) = serve(&reader, input).into_iter().next() else {
        panic!("no head");
    };
    headers.append(Known::XForwardedProto, b"http");
    let mut out = Vec::new();
    encode_request_head(&writer, &headers, false, &mut out);
    String::from_utf8(out).expect("ASCII")
}

#[test]
fn names_are_spelled_in_proper_words_if_configured() {
    assert_eq!(
        spelled(HeaderCase::Lower, HeaderCase::ProperWords),
        "POST /x HTTP/1.1\r\nHost: a\r\nX-Req-1x: 1\r\nX-Req-1x: 2\r\nContent-Length: 5\r\nX-Forwarded-Proto: http\r\n\r\n"
    );
}

#[test]
fn names_keep_the_first_spelling_of_the_peer_if_configured() {
    let preserve = HeaderCase::Preserve {
        forward_reason_phrase: false,
        proper_words_for_added: false,
    };
    assert_eq!(
        spelled(preserve, HeaderCase::Lower),
        "POST /x HTTP/1.1\r\nhOsT: a\r\nX-ReQ-1x: 1\r\nX-ReQ-1x: 2\r\ncontent-LENGTH: 5\r\nx-forwarded-proto: http\r\n\r\n"
    );
}

#[test]
fn names_that_the_proxy_added_are_spelled_in_proper_words_if_configured() {
    let preserve = HeaderCase::Preserve {
        forward_reason_phrase: true,
        proper_words_for_added: true,
    };
    assert!(spelled(preserve, preserve).ends_with("\r\nX-Forwarded-Proto: http\r\n\r\n"));
}

#[test]
fn the_reason_phrase_of_the_upstream_is_kept_only_if_configured() {
    for (forward_reason_phrase, first_line) in [
        (true, "HTTP/1.1 200 Fine\r\n"),
        (false, "HTTP/1.1 200 OK\r\n"),
    ] {
        let settings = Http1Settings {
            header_case: HeaderCase::Preserve {
                forward_reason_phrase,
                proper_words_for_added: false,
            },
            ..Http1Settings::default()
        };
        let input = b"HTTP/1.1 200 Fine\r\nX-CuStOm: 1\r\ncontent-length: 0\r\n\r\n";
        let (bytes, ..) = pass_back(&settings, false, input, false).expect("a head");
        let text = String::from_utf8(bytes).expect("ASCII");
        assert_eq!(
            text,
            format!("{first_line}X-CuStOm: 1\r\ncontent-length: 0\r\n\r\n")
        );
    }
}

#[test]
fn a_response_to_http_1_0_is_not_in_chunks() {
    let mut headers = HeaderMap::response();
    headers.set(Known::Status, b"200");
    let to = ResponseTo {
        version: Version::Http10,
        head: false,
        connect: false,
    };
    let settings = Http1Settings {
        accept_http_10: true,
        ..Http1Settings::default()
    };
    let mut out = Vec::new();
    let encoding = encode_response_head(&settings, to, &headers, false, &mut out);
    assert_eq!(encoding, BodyEncoding::Plain);
    assert_eq!(out, b"HTTP/1.0 200 OK\r\n\r\n");
}

#[test]
fn a_request_to_a_proxy_carries_the_full_url_if_configured() {
    let settings = Http1Settings {
        send_fully_qualified_url: true,
        ..Http1Settings::default()
    };
    let mut headers = HeaderMap::request();
    for (known, value) in [
        (Known::Method, "GET"),
        (Known::Scheme, "https"),
        (Known::Authority, "a:8443"),
        (Known::Path, "/x?y"),
    ] {
        headers.set(known, value.as_bytes());
    }
    let mut out = Vec::new();
    encode_request_head(&settings, &headers, true, &mut out);
    assert_eq!(
        out,
        b"GET https://a:8443/x?y HTTP/1.1\r\nhost: a:8443\r\n\r\n"
    );
}

#[test]
fn interim_responses_are_written_without_framing() {
    let mut out = Vec::new();
    encode_continue(&mut out);
    let mut hints = HeaderMap::response();
    hints.set(Known::Status, b"103");
    hints.append_from_wire(b"link", b"a");
    encode_informational(&Http1Settings::default(), &hints, &mut out);
    assert_eq!(
        out,
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Unknown\r\nlink: a\r\n\r\n"
    );
}
