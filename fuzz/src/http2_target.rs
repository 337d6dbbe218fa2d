//! What must hold of the HTTP/2 codec for any bytes from either side.

#[path = "../../crates/codec/tests/http2_support/mod.rs"]
mod support;

use nuncio_codec::http1::UnderscoresAction;
use nuncio_codec::http2::*;
use nuncio_contract::headers::MapKind;
use support::*;

/// Most streams that the target's side has open.
const STREAMS: u32 = 3;

/// Reads the input as a client's and as a server's bytes, at once and in pieces.
///
/// # Panics
/// When the codec breaks a promise.
pub fn http2(input: &[u8]) {
    let [choices, piece, bytes @ ..] = input else {
        return;
    };
    let piece = usize::from(*piece % 64) + 1;
    for read in [read_as_server, read_as_client] {
        let whole = read(*choices, bytes, bytes.len().max(1));
        let pieces = read(*choices, bytes, piece);
        assert_eq!(pieces, whole);
    }
}

fn settings(choices: u8) -> Http2Settings {
    let chosen = |bit: u8| choices & (1 << bit) != 0;
    Http2Settings {
        // Small limits, so that they are met.
        max_headers_bytes: if chosen(0) { 200 } else { 4096 },
        max_headers_count: if chosen(0) { 5 } else { 50 },
        max_header_field_bytes: if chosen(1) { 30 } else { 4096 },
        hpack_table_size: if chosen(2) { 0 } else { 4096 },
        max_concurrent_streams: STREAMS,
        initial_stream_window_size: 65_535,
        initial_connection_window_size: 65_535,
        allow_connect: chosen(3),
        stream_error_on_invalid_http_message: chosen(4),
        headers_with_underscores: if chosen(5) {
            UnderscoresAction::DropHeader
        } else {
            UnderscoresAction::RejectRequest
        },
        ..Http2Settings::default()
    }
}

/// What came of the bytes: the bodies and what was said in return.
type Outcome = (Vec<u8>, Vec<String>, Option<ConnectionError>);

fn read_as_server(choices: u8, bytes: &[u8], piece: usize) -> Outcome {
    let mut side = Side::server(settings(choices));
    feed(&mut side, bytes, piece)
}

fn read_as_client(choices: u8, bytes: &[u8], piece: usize) -> Outcome {
    let mut side = Side::client(settings(choices));
    let request = map(MapKind::Request, &get(&[]));
    while side
        .connection
        .open(&request, true, &mut side.out)
        .is_some()
    {}
    side.forget();
    feed(&mut side, bytes, piece)
}

fn feed(side: &mut Side, bytes: &[u8], piece: usize) -> Outcome {
    for piece in bytes.chunks(piece) {
        side.feed(piece);
        assert!(side.connection.open_streams() <= STREAMS as usize);
    }
    check_messages(side);
    (side.body.clone(), side.said(), side.failed)
}

/// What is told as headers has no characters that could end a line of HTTP/1.
fn check_messages(side: &Side) {
    for told in &side.told {
        assert!(!told.contains("\\r") && !told.contains("\\n") && !told.contains("\\x00"));
    }
}
