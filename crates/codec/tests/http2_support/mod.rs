//! Both sides of HTTP/2 for tests: frames written by hand, and what a connection makes of them in words.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

use std::rc::Rc;

use nuncio_codec::http2::*;
use nuncio_contract::headers::{HeaderMap, MapKind};

pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PUSH_PROMISE: u8 = 5;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const ACK: u8 = 1;
pub const END_HEADERS: u8 = 4;
pub const PADDED: u8 = 8;
pub const WITH_PRIORITY: u8 = 32;

/// A frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).expect("it is small");
    let mut bytes = len.to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A header block without any compression.
pub fn block(headers: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in headers {
        bytes.push(0);
        for text in [name, value] {
            integer(&mut bytes, text.len());
            bytes.extend(text.bytes());
        }
    }
    bytes
}

fn integer(bytes: &mut Vec<u8>, value: usize) {
    if value < 127 {
        return bytes.push(u8::try_from(value).expect("it is small"));
    }
    bytes.push(127);
    let mut rest = value - 127;
    while rest >= 128 {
        bytes.push((rest % 128) as u8 | 128);
        rest /= 128;
    }
    bytes.push(rest as u8);
}

/// The pseudo-headers of a GET, and others.
pub fn get<'a>(others: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut headers = vec![
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "a"),
        (":path", "/"),
    ];
    headers.extend(others);
    headers
}

/// HEADERS in one frame.
pub fn head(stream: u32, flags: u8, headers: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, flags | END_HEADERS, stream, &block(headers))
}

/// A GET that ends with its head.
pub fn request(stream: u32) -> Vec<u8> {
    head(stream, END_STREAM, &get(&[]))
}

/// A POST whose body is to come.
pub fn upload(stream: u32) -> Vec<u8> {
    head(stream, 0, &get(&[]))
}

/// WINDOW_UPDATE.
pub fn window_update(stream: u32, more: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &more.to_be_bytes())
}

/// SETTINGS of one parameter.
pub fn setting(id: u16, value: u32) -> Vec<u8> {
    frame(
        SETTINGS,
        0,
        0,
        &[&id.to_be_bytes()[..], &value.to_be_bytes()].concat(),
    )
}

/// RST_STREAM.
pub fn reset(stream: u32, code: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &code.to_be_bytes())
}

/// A map of these headers.
pub fn map(kind: MapKind, headers: &[(&str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new(kind);
    for (name, value) in headers {
        map.append_from_wire(name.as_bytes(), value.as_bytes());
    }
    map
}

/// One side of a connection, and all that it told.
pub struct Side {
    pub connection: Connection,
    pub out: Vec<u8>,
    pub told: Vec<String>,
    pub body: Vec<u8>,
    pub failed: Option<ConnectionError>,
    /// Whether the window of what comes is given back at once.
    pub uses_data: bool,
    waiting: Vec<u8>,
    headers: HeaderMap,
}

impl Side {
    fn new(connection: Connection, out: Vec<u8>) -> Self {
        Self {
            connection,
            out,
            told: Vec::new(),
            body: Vec::new(),
            failed: None,
            uses_data: true,
            waiting: Vec::new(),
            headers: HeaderMap::request(),
        }
    }

    /// A server that has seen the preface and SETTINGS; what it said to them is forgotten.
    pub fn server(settings: Http2Settings) -> Self {
        let mut side = Self::fresh_server(settings);
        side.feed(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat());
        side.forget();
        side
    }

    /// A server that has seen nothing.
    pub fn fresh_server(settings: Http2Settings) -> Self {
        let mut out = Vec::new();
        let connection = Connection::server(Rc::new(settings), &mut out);
        Self::new(connection, out)
    }

    /// A client that has seen SETTINGS; what it said so far is forgotten.
    pub fn client(settings: Http2Settings) -> Self {
        let mut side = Self::fresh_client(settings);
        side.feed(&frame(SETTINGS, 0, 0, &[]));
        side.forget();
        side
    }

    /// A client that has seen nothing.
    pub fn fresh_client(settings: Http2Settings) -> Self {
        let mut out = Vec::new();
        let connection = Connection::client(Rc::new(settings), &mut out);
        Self::new(connection, out)
    }

    /// Forgets what was told and said, and counts the latter as written.
    pub fn forget(&mut self) {
        self.connection.written(self.out.len());
        self.out.clear();
        self.told.clear();
    }

    /// Takes bytes of the peer.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.waiting.extend(bytes);
        while self.failed.is_none() {
            let input = std::mem::take(&mut self.waiting);
            let step = self
                .connection
                .step(&input, &mut self.headers, &mut self.out);
            match step {
                Ok(step) => {
                    let is_last = step.event == Event::NeedMore;
                    self.tell(&input, step.event);
                    self.waiting = input[step.consumed..].to_vec();
                    if is_last {
                        return;
                    }
                }
                Err(error) => {
                    self.told.push(format!("failed: {}", error.message()));
                    self.failed = Some(error);
                }
            }
        }
    }

    fn tell(&mut self, input: &[u8], event: Event) {
        let end = |ends: bool| if ends { " end" } else { "" };
        let text = match event {
            Event::NeedMore => return,
            Event::Head {
                stream,
                kind,
                end_stream,
                ..
            } => format!("{kind:?} {stream}{}: {}", end(end_stream), self.headers()),
            Event::Trailers { stream, .. } => format!("Trailers {stream}: {}", self.headers()),
            Event::Data {
                stream,
                data,
                end_stream,
                ..
            } => {
                let part = &input[data];
                self.body.extend(part);
                if self.uses_data {
                    self.connection.consumed(stream, part.len(), &mut self.out);
                }
                format!("Data {stream}{}: {} bytes", end(end_stream), part.len())
            }
            Event::Reset { stream, code } => format!("Reset {stream}: {}", code.name()),
            Event::StreamError {
                stream,
                known,
                error,
            } => format!("Error {stream} known={known}: {}", error.code().name()),
            Event::GoAway { last_stream, code } => format!("GoAway {last_stream}: {}", code.name()),
            other => format!("{other:?}"),
        };
        self.told.push(text);
    }

    fn headers(&self) -> String {
        let lines = self.headers.iter().map(|header| {
            format!(
                "{}={}",
                header.name.escape_ascii(),
                header.value.escape_ascii()
            )
        });
        lines.collect::<Vec<_>>().join(" ")
    }

    /// The frames that it said, in words.
    pub fn said(&self) -> Vec<String> {
        frames(&self.out)
    }
}

/// Frames in words.
pub fn frames(mut bytes: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(rest) = bytes.strip_prefix(PREFACE) {
        found.push("PREFACE".to_owned());
        bytes = rest;
    }
    while let [a, b, c, kind, flags, s1, s2, s3, s4, rest @ ..] = bytes {
        let len = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        let stream = u32::from_be_bytes([*s1, *s2, *s3, *s4]);
        let (payload, after) = rest.split_at(len);
        found.push(frame_in_words(*kind, *flags, stream, payload));
        bytes = after;
    }
    assert!(bytes.is_empty(), "half a frame");
    found
}

fn number(payload: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(payload[at..at + 4].try_into().expect("four bytes"))
}

fn frame_in_words(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> String {
    let code = |at| ErrorCode(number(payload, at)).name();
    let end = if flags & END_STREAM != 0 { " end" } else { "" };
    match kind {
        DATA => format!("DATA {stream}{end}: {} bytes", payload.len()),
        HEADERS => format!("HEADERS {stream}{end}"),
        RST_STREAM => format!("RST_STREAM {stream}: {}", code(0)),
        SETTINGS if flags & ACK != 0 => "SETTINGS ACK".to_owned(),
        SETTINGS => {
            let parameters = payload.chunks(6).map(|parameter| {
                let id = u16::from_be_bytes([parameter[0], parameter[1]]);
                format!("{id}={}", number(parameter, 2))
            });
            format!("SETTINGS {}", parameters.collect::<Vec<_>>().join(" "))
        }
        PING if flags & ACK != 0 => format!("PING ACK {}", payload.escape_ascii()),
        PING => "PING".to_owned(),
        GOAWAY => {
            let text = payload[8..].escape_ascii();
            format!("GOAWAY {}: {} \"{text}\"", number(payload, 0), code(4))
        }
        WINDOW_UPDATE => format!("WINDOW_UPDATE {stream}: {}", number(payload, 0)),
        CONTINUATION => format!("CONTINUATION {stream}"),
        other => format!("frame {other} {stream}"),
    }
}
