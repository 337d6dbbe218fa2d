//! However the bytes are cut into pieces, the outcome is the same; and what one side says the other understands.

mod http2_support;

use http2_support::*;
use nuncio_codec::http2::*;
use nuncio_contract::headers::MapKind;
use proptest::prelude::*;

/// Pieces of a client's bytes, right and wrong, that may follow each other.
fn fragments() -> Vec<Vec<u8>> {
    let block = block(&get(&[("cookie", "a=b"), ("x", "y")]));
    vec![
        request(1),
        upload(1),
        request(3),
        upload(5),
        head(5, END_STREAM, &[("x-sum", "1")]),
        head(7, END_STREAM, &get(&[("X-A", "1")])),
        head(9, END_STREAM, &get(&[("content-length", "3")])),
        frame(HEADERS, END_STREAM, 11, &block[..9]),
        frame(CONTINUATION, 0, 11, &block[9..20]),
        frame(CONTINUATION, END_HEADERS, 11, &block[20..]),
        frame(
            HEADERS,
            END_HEADERS | END_STREAM,
            13,
            b"\x82\x86\x84\x41\x01a\x40\x01x\x01y",
        ),
        frame(
            HEADERS,
            END_HEADERS | END_STREAM,
            15,
            b"\x82\x86\x84\xbf\xbe",
        ),
        frame(
            HEADERS,
            END_HEADERS | END_STREAM | PADDED,
            17,
            b"\x02\x82\x86\x84\x41\x01a\0\0",
        ),
        frame(DATA, 0, 1, b"0123456789"),
        frame(DATA, END_STREAM, 5, b"abc"),
        frame(DATA, PADDED, 5, b"\x04abc\0\0\0\0"),
        frame(DATA, 0, 5, &[]),
        frame(PING, 0, 0, b"12345678"),
        frame(SETTINGS, ACK, 0, &[]),
        setting(4, 10),
        setting(1, 0),
        window_update(0, 100),
        window_update(5, 100),
        reset(1, 8),
        reset(5, 8),
        frame(GOAWAY, 0, 0, b"\0\0\0\0\0\0\0\0bye"),
        frame(PRIORITY, 0, 5, &[0; 5]),
        frame(0x77, 0, 5, b"unknown"),
        b"junk".to_vec(),
    ]
}

/// What a server tells and says; data in one piece a frame is told as the sum of its parts.
fn outcome(input: &[u8], sizes: &[usize], is_lenient: bool) -> (Vec<String>, Vec<String>, Vec<u8>) {
    let mut side = Side::fresh_server(Http2Settings {
        stream_error_on_invalid_http_message: is_lenient,
        max_concurrent_streams: 3,
        ..Http2Settings::default()
    });
    let mut rest = input;
    let mut sizes = sizes.iter().cycle();
    while !rest.is_empty() {
        let size = sizes.next().map_or(1, |size| (*size).clamp(1, rest.len()));
        let (piece, after) = rest.split_at(size);
        side.feed(piece);
        rest = after;
    }
    (joined(&side.told), side.said(), side.body)
}

/// Parts of one stream's data that follow each other, as one.
fn joined(told: &[String]) -> Vec<String> {
    let mut joined: Vec<String> = Vec::new();
    for event in told {
        let Some((start, bytes)) = event
            .strip_suffix(" bytes")
            .and_then(|event| event.rsplit_once(": "))
        else {
            joined.push(event.clone());
            continue;
        };
        let bytes: usize = bytes.parse().expect("a number");
        let stream = start.trim_end_matches(" end");
        let before = joined.last().and_then(|last| {
            last.strip_prefix(stream)?
                .strip_prefix(": ")?
                .parse::<usize>()
                .ok()
        });
        if before.is_some() {
            joined.pop();
        }
        joined.push(format!("{start}: {}", before.unwrap_or(0) + bytes));
    }
    joined
}

fn check(input: &[u8], sizes: &[usize]) {
    for is_lenient in [false, true] {
        let whole = outcome(input, &[input.len()], is_lenient);
        let pieces = outcome(input, sizes, is_lenient);
        assert_eq!(pieces, whole);
    }
}

#[test]
fn byte_by_byte_is_as_good_as_at_once() {
    let mut input = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
    for fragment in fragments() {
        let mut alone = input.clone();
        alone.extend(&fragment);
        check(&alone, &[1]);
    }
    for fragment in fragments() {
        input.extend(fragment);
    }
    check(&input, &[1]);
}

proptest! {
    #[test]
    fn any_split_of_fragments_in_any_order_gives_the_same_events(
        fragments in prop::collection::vec(proptest::sample::select(fragments()), 0..16),
        sizes in prop::collection::vec(1usize..60, 1..8),
    ) {
        let begin = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
        check(&[begin, fragments.concat()].concat(), &sizes);
    }

    #[test]
    fn any_bytes_do_no_harm(
        input in prop::collection::vec(any::<u8>(), 0..300),
        sizes in prop::collection::vec(1usize..60, 1..8),
    ) {
        let begin = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
        check(&[begin, input].concat(), &sizes);
    }

    #[test]
    fn what_a_client_says_a_server_understands(
        requests in prop::collection::vec(
            prop::collection::vec(
                ("[a-z][a-z0-9-]{0,12}", "[ -~]{0,60}").prop_filter(
                    "headers of the connection are left out, others are joined or checked",
                    |(name, _)| nuncio_contract::headers::Known::find(name.as_bytes()).is_none(),
                ),
                0..10,
            ),
            1..12,
        ),
        sizes in prop::collection::vec(1usize..200, 1..4),
    ) {
        let mut client = Side::client(Http2Settings::default());
        let mut server = Side::server(Http2Settings::default());
        let mut expected = Vec::new();
        for (at, others) in requests.iter().enumerate() {
            let others: Vec<_> = others
                .iter()
                .map(|(name, value)| (&**name, value.trim()))
                .collect();
            let headers = map(MapKind::Request, &get(&others));
            client.connection.open(&headers, true, &mut client.out).expect("a stream");
            let lines: Vec<String> = headers
                .iter()
                .map(|header| format!(
                    "{}={}", header.name.escape_ascii(), header.value.escape_ascii()
                ))
                .collect();
            expected.push(format!("Request {} end: {}", 2 * at + 1, lines.join(" ")));
        }
        for piece in client.out.chunks(sizes[0]) {
            server.feed(piece);
        }
        prop_assert_eq!(server.told, expected);
    }
}
