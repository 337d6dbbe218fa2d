//! What must hold of the HTTP/1 codec for any bytes from either side.

#[path = "../../crates/codec/tests/support/mod.rs"]
mod support;

use nuncio_codec::http1::*;
use nuncio_contract::headers::HeaderMap;
use support::*;

/// Reads the input as requests and as a response, at once and in pieces.
///
/// # Panics
/// When the codec breaks a promise.
pub fn http1(input: &[u8]) {
    let [choices, piece, bytes @ ..] = input else {
        return;
    };
    let settings = settings(*choices);
    let piece = usize::from(*piece % 64) + 1;
    read_requests(&settings, bytes, piece);
    read_response(&settings, *choices, bytes, piece);
}

fn settings(choices: u8) -> Http1Settings {
    let chosen = |bit: u8| choices & (1 << bit) != 0;
    Http1Settings {
        // Small limits, so that they are met.
        max_headers_bytes: if chosen(0) { 200 } else { 4096 },
        max_headers_count: if chosen(0) { 5 } else { 50 },
        accept_http_10: chosen(1),
        enable_trailers: chosen(2),
        allow_chunked_length: chosen(3),
        allow_custom_methods: chosen(4),
        headers_with_underscores: if chosen(5) {
            UnderscoresAction::DropHeader
        } else {
            UnderscoresAction::RejectRequest
        },
        ..Http1Settings::default()
    }
}

fn read_requests(settings: &Http1Settings, bytes: &[u8], piece: usize) {
    let whole = read(Peer::server(settings), bytes, bytes.len().max(1));
    let pieces = read(Peer::server(settings), bytes, piece);
    assert_eq!(without_error_kind(&pieces), without_error_kind(&whole));
    check_forwarded(settings, bytes);
}

fn read_response(settings: &Http1Settings, choices: u8, bytes: &[u8], piece: usize) {
    let sent = RequestSent {
        head: choices & 64 != 0,
        upgrade: choices & 128 != 0,
        connect: false,
    };
    let whole = read(Peer::client(settings, sent), bytes, bytes.len().max(1));
    let pieces = read(Peer::client(settings, sent), bytes, piece);
    assert_eq!(without_error_kind(&pieces), without_error_kind(&whole));
    drop(pass_back(settings, sent.head, bytes, true));
}

fn read(mut peer: Peer, bytes: &[u8], piece: usize) -> Vec<Event> {
    for piece in bytes.chunks(piece) {
        peer.feed(piece);
    }
    peer.close();
    peer.events
}

/// Which error the first line of an incomplete head gives depends on what is there.
fn without_error_kind(events: &[Event]) -> Vec<Event> {
    let mut events = events.to_vec();
    for event in &mut events {
        if let Event::Refused(error) = event {
            *error = Error::UnexpectedEnd;
        }
    }
    events
}

/// What goes upstream is one plain request after the other.
fn check_forwarded(settings: &Http1Settings, bytes: &[u8]) {
    if refusal(settings, bytes).is_some() {
        return;
    }
    let heads = |events: &[Event]| {
        let heads = events.iter().filter_map(|event| match event {
            Event::Head(head, headers) => Some((head.framing, headers.clone())),
            _ => None,
        });
        heads.collect::<Vec<_>>()
    };
    let came = heads(&serve(settings, bytes));
    // The connection manager refuses other paths, and a tunnel is no request.
    let is_plain = |(framing, headers): &(BodyFraming, HeaderMap)| {
        let path = value(headers, ":path").unwrap_or_default();
        *framing != BodyFraming::Tunnel && matches!(path.first(), Some(b'/' | b'*'))
    };
    if !came.iter().all(is_plain) {
        return;
    }
    let out = forward(settings, bytes);
    let strict = Http1Settings {
        // What the proxy adds may exceed limits that what came just kept.
        max_headers_bytes: usize::MAX / 2,
        max_headers_count: usize::MAX,
        allow_chunked_length: false,
        headers_with_underscores: UnderscoresAction::Allow,
        ..settings.clone()
    };
    let events = serve(&strict, &out);
    assert!(
        !matches!(events.last(), Some(Event::Refused(_))),
        "{}",
        out.escape_ascii()
    );
    let went = heads(&events);
    assert_eq!(went.len(), came.len(), "{}", out.escape_ascii());
    for ((_, came), (_, went)) in came.iter().zip(&went) {
        for pseudo in [":method", ":path", ":authority"] {
            assert_eq!(
                value(came, pseudo),
                value(went, pseudo),
                "{}",
                out.escape_ascii()
            );
        }
        for header in went.iter() {
            assert!(
                header
                    .value
                    .iter()
                    .all(|byte| !matches!(byte, b'\r' | b'\n' | 0))
            );
        }
    }
}

fn value<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a [u8]> {
    let found = headers.iter().find(|header| header.name == name.as_bytes());
    found.map(|header| header.value)
}
