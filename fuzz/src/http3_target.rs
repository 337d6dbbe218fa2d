//! What must hold of the HTTP/3 codec for any bytes from either side.

use std::rc::Rc;

use nuncio_codec::http1::UnderscoresAction;
use nuncio_codec::http3::*;
use nuncio_contract::headers::{HeaderMap, Known, MapKind};

/// Most streams that go one way.
const STREAMS: u64 = 3;

/// Reads the input as a request, as a response, and as what comes on streams that go one way, at once and in pieces.
///
/// # Panics
/// When the codec breaks a promise.
pub fn http3(input: &[u8]) {
    let [choices, piece, bytes @ ..] = input else {
        return;
    };
    let piece = usize::from(*piece % 64) + 1;
    for read in [read_request, read_response, read_uni] {
        let whole = read(*choices, bytes, bytes.len().max(1));
        let pieces = read(*choices, bytes, piece);
        assert_eq!(pieces, whole);
    }
}

fn settings(choices: u8) -> Rc<Http3Settings> {
    let chosen = |bit: u8| choices & (1 << bit) != 0;
    Rc::new(Http3Settings {
        // Small limits, so that they are met.
        max_headers_bytes: if chosen(0) { 200 } else { 4096 },
        max_headers_count: if chosen(1) { 5 } else { 50 },
        allow_connect: chosen(2),
        stream_error_on_invalid_http_message: chosen(3),
        headers_with_underscores: if chosen(4) {
            UnderscoresAction::DropHeader
        } else {
            UnderscoresAction::RejectRequest
        },
    })
}

/// What came of the bytes: what was told, and the body; only the fault if there was one.
#[derive(Debug, PartialEq)]
struct Outcome {
    told: Vec<String>,
    body: Vec<u8>,
}

fn read_request(choices: u8, bytes: &[u8], piece: usize) -> Outcome {
    let reader = MessageReader::request(StreamId(0), settings(choices));
    read(reader, bytes, piece)
}

fn read_response(choices: u8, bytes: &[u8], piece: usize) -> Outcome {
    let mut request = HeaderMap::new(MapKind::Request);
    let method: &[u8] = match choices >> 5 & 3 {
        0 => b"HEAD",
        1 => b"CONNECT",
        _ => b"GET",
    };
    request.append(Known::Method, method);
    let reader = MessageReader::response(StreamId(0), settings(choices), &request);
    read(reader, bytes, piece)
}

fn read(mut reader: MessageReader, bytes: &[u8], piece: usize) -> Outcome {
    let mut outcome = Outcome {
        told: Vec::new(),
        body: Vec::new(),
    };
    let mut headers = HeaderMap::new(MapKind::Request);
    let mut pieces = bytes.chunks(piece).peekable();
    while let Some(mut input) = pieces.next() {
        let fin = pieces.peek().is_none();
        loop {
            let step = match reader.step(input, fin, &mut headers) {
                Ok(step) => step,
                Err(error) => {
                    // That a body is too short may be known with the head or later.
                    let told = vec![format!("{error:?}")];
                    let body = Vec::new();
                    return Outcome { told, body };
                }
            };
            let (taken, rest) = input.split_at(step.consumed);
            input = rest;
            match step.event {
                Event::NeedMore => {
                    assert!(input.is_empty());
                    break;
                }
                Event::Data { data, .. } => {
                    assert!(!data.is_empty() && data.end == taken.len());
                    outcome.body.extend_from_slice(&taken[data]);
                }
                Event::Head { kind, .. } => {
                    outcome.told.push(format!("{kind:?}{}", shown(&headers)));
                }
                Event::Trailers { .. } => outcome.told.push(shown(&headers)),
                Event::End => {}
            }
        }
    }
    assert!(bytes.is_empty() || reader.has_ended());
    outcome
}

/// What is told as headers has no characters that could end a line of HTTP/1.
fn shown(headers: &HeaderMap) -> String {
    let mut shown = String::new();
    for header in headers.iter() {
        let bad = |byte: &u8| matches!(byte, b'\r' | b'\n' | 0);
        assert!(!header.name.iter().any(bad) && !header.value.iter().any(bad));
        let (name, value) = (header.name.escape_ascii(), header.value.escape_ascii());
        shown.push_str(&format!(" {name}={value}"));
    }
    shown
}

fn read_uni(choices: u8, bytes: &[u8], piece: usize) -> Outcome {
    let mut told = Vec::new();
    let mut connection = Connection::new(Role::Server, settings(choices));
    let part = bytes.len().div_ceil(STREAMS as usize).max(1);
    for (at, bytes) in bytes.chunks(part).enumerate() {
        let stream = StreamId(2 + 4 * at as u64);
        if !feed(&mut connection, stream, bytes, piece, &mut told) {
            break;
        }
    }
    let body = Vec::new();
    Outcome { told, body }
}

/// Whether the connection goes on.
fn feed(
    connection: &mut Connection,
    stream: StreamId,
    bytes: &[u8],
    piece: usize,
    told: &mut Vec<String>,
) -> bool {
    for mut input in bytes.chunks(piece) {
        loop {
            let step = match connection.uni_step(stream, input) {
                Ok(step) => step,
                Err(error) => {
                    told.push(format!("{error:?}"));
                    return false;
                }
            };
            input = &input[step.consumed..];
            match step.event {
                UniEvent::NeedMore => {
                    assert!(input.is_empty());
                    break;
                }
                UniEvent::StopReading(_) => {
                    told.push("stop".to_owned());
                    return true;
                }
                event => told.push(format!("{event:?}")),
            }
        }
    }
    true
}
