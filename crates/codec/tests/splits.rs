//! However the bytes are cut into pieces, the outcome is the same.

mod support;

use nuncio_codec::http1::*;
use proptest::prelude::*;
use support::*;

fn requests() -> Vec<Vec<u8>> {
    include_str!("verdicts/requests.tsv")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('\t'))
        .map(|(input, _)| unescape(input))
        .collect()
}

fn responses() -> Vec<Vec<u8>> {
    include_str!("verdicts/responses.tsv")
        .lines()
        .filter_map(|line| line.split('\t').nth(2))
        .map(unescape)
        .collect()
}

fn in_pieces(mut peer: Peer, input: &[u8], sizes: &[usize]) -> Vec<Event> {
    let mut rest = input;
    let mut sizes = sizes.iter().cycle();
    while !rest.is_empty() {
        let size = sizes.next().map_or(1, |size| (*size).clamp(1, rest.len()));
        let (piece, after) = rest.split_at(size);
        peer.feed(piece);
        rest = after;
    }
    peer.close();
    peer.events
}

/// Which error a first line gives may depend on whether the head was there when it was read.
fn without_error_kind(mut events: Vec<Event>) -> Vec<Event> {
    for event in &mut events {
        if let Event::Refused(error) = event {
            *error = Error::UnexpectedEnd;
        }
    }
    events
}

fn all_settings() -> [Http1Settings; 2] {
    let strict = Http1Settings::default();
    let lenient = Http1Settings {
        accept_http_10: true,
        enable_trailers: true,
        allow_chunked_length: true,
        allow_custom_methods: true,
        ..strict.clone()
    };
    [strict, lenient]
}

fn check_request(input: &[u8], sizes: &[usize]) {
    for settings in all_settings() {
        let whole = in_pieces(Peer::server(&settings), input, &[input.len()]);
        let pieces = in_pieces(Peer::server(&settings), input, sizes);
        assert_eq!(without_error_kind(pieces), without_error_kind(whole));
    }
}

fn check_response(input: &[u8], sent: RequestSent, sizes: &[usize]) {
    for settings in all_settings() {
        let whole = in_pieces(Peer::client(&settings, sent), input, &[input.len()]);
        let pieces = in_pieces(Peer::client(&settings, sent), input, sizes);
        assert_eq!(without_error_kind(pieces), without_error_kind(whole));
    }
}

#[test]
fn byte_by_byte_is_as_good_as_at_once() {
    for input in requests() {
        check_request(&input, &[1]);
    }
    for input in responses() {
        check_response(&input, RequestSent::default(), &[1]);
    }
}

proptest! {
    #[test]
    fn any_split_of_pinned_requests_gives_the_same_events(
        input in proptest::sample::select(requests()),
        sizes in prop::collection::vec(1usize..40, 1..8),
    ) {
        check_request(&input, &sizes);
    }

    #[test]
    fn any_split_of_pinned_responses_gives_the_same_events(
        input in proptest::sample::select(responses()),
        sizes in prop::collection::vec(1usize..40, 1..8),
        head in any::<bool>(),
        upgrade in any::<bool>(),
    ) {
        let sent = RequestSent { head, upgrade, connect: false };
        check_response(&input, sent, &sizes);
    }

    #[test]
    fn any_split_of_fragments_in_any_order_gives_the_same_events(
        fragments in prop::collection::vec(proptest::sample::select(vec![
            "GET / HTTP/1.1\r\n", "POST /a?b HTTP/1.1\r\n", "GET / HTTP/1.0\n", "Host: a\r\n",
            "x: y\r\n", " folded\r\n", "\r\n", "\n", "\r", "Content-Length: 3\r\n", "abc",
            "Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n", "0\r\n", "0\r\n\r\n", ";ext",
            "Connection: close\r\n", "\x00", "\x7f", ": ", "HTTP/1.1 200 OK\r\n",
        ]), 0..14),
        sizes in prop::collection::vec(1usize..12, 1..6),
    ) {
        let input = fragments.concat().into_bytes();
        check_request(&input, &sizes);
        check_response(&input, RequestSent::default(), &sizes);
    }
}
