//! Decodes and encodes typical messages many times, to be counted under callgrind:
//!
//! ```sh
//! cargo build --release --config 'profile.release.strip=false' -p nuncio-codec --example count_instructions
//! valgrind --tool=callgrind --toggle-collect='*measured*' target/release/examples/count_instructions request 1000
//! ```
//!
//! `http2` is a request there and a response of 1 KiB back; `*measured_step*` and its like count one part of it.
//!
//! What to measure is the first argument, how often the second; the count that
//! callgrind prints, divided by the second, is the cost of one.

use std::rc::Rc;

use nuncio_codec::http1::*;
use nuncio_codec::http2;
use nuncio_contract::headers::{HeaderMap, Known};

const REQUEST: &[u8] = b"GET /api/v1/items?page=2 HTTP/1.1\r\n\
Host: service.example:8080\r\n\
User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n\
Accept: application/json\r\n\
Accept-Encoding: gzip, deflate, br\r\n\
Accept-Language: en-GB,en;q=0.5\r\n\
Connection: keep-alive\r\n\
Cookie: session=0123456789abcdef0123456789abcdef\r\n\
X-Custom-Header: something\r\n\r\n";

const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\n\
content-type: application/json\r\n\
content-length: 1024\r\n\
cache-control: no-cache\r\n\
date: Sun, 22 Nov 2026 22:00:00 GMT\r\n\
etag: \"0123456789\"\r\n\r\n";

#[inline(never)]
fn measured_request(settings: &Http1Settings, out: &mut Vec<u8>) -> usize {
    let mut headers = HeaderMap::request();
    let mut scan = HeadScan::default();
    let head = decode_request_head(settings, REQUEST, &mut scan, &mut headers);
    headers.remove(Known::Connection);
    headers.set(Known::XForwardedProto, b"http");
    headers.set(Known::XRequestId, b"01234567-89ab-cdef-0123-456789abcdef");
    headers.set(Known::XEnvoyExpectedRqTimeoutMs, b"15000");
    out.clear();
    encode_request_head(settings, &headers, true, out);
    head.ok().flatten().map_or(0, |head| head.head_len)
}

#[inline(never)]
fn measured_decode(settings: &Http1Settings) -> usize {
    let mut headers = HeaderMap::request();
    let mut scan = HeadScan::default();
    let head = decode_request_head(settings, REQUEST, &mut scan, &mut headers);
    head.ok().flatten().map_or(0, |head| head.head_len)
}

#[inline(never)]
fn measured_httparse() -> usize {
    let mut fields = [httparse::EMPTY_HEADER; 100];
    let mut request = httparse::Request::new(&mut fields);
    match request.parse(REQUEST) {
        Ok(httparse::Status::Complete(len)) => len,
        _ => 0,
    }
}

#[inline(never)]
fn measured_response(settings: &Http1Settings, out: &mut Vec<u8>) -> usize {
    let mut headers = HeaderMap::response();
    let mut scan = HeadScan::default();
    let sent = RequestSent::default();
    let head = decode_response_head(settings, sent, RESPONSE, &mut scan, &mut headers);
    headers.set(Known::XEnvoyUpstreamServiceTime, b"1");
    headers.set(Known::Server, b"envoy");
    let to = ResponseTo {
        version: Version::Http11,
        head: false,
        connect: false,
    };
    out.clear();
    encode_response_head(settings, to, &headers, false, out);
    head.ok().flatten().map_or(0, |head| head.head_len)
}

/// Both ends of a connection of HTTP/2.
struct Pair {
    client: http2::Connection,
    server: http2::Connection,
    request: HeaderMap,
    response: HeaderMap,
    headers: HeaderMap,
    bytes: Vec<u8>,
    out: Vec<u8>,
}

impl Pair {
    fn new() -> Self {
        let settings = Rc::new(http2::Http2Settings::default());
        let (mut bytes, mut out) = (Vec::new(), Vec::new());
        let client = http2::Connection::client(Rc::clone(&settings), &mut bytes);
        let mut pair = Self {
            client,
            server: http2::Connection::server(settings, &mut out),
            request: headers_of(REQUEST),
            response: headers_of(RESPONSE),
            headers: HeaderMap::request(),
            bytes,
            out: Vec::new(),
        };
        for (name, value) in [(":method", "GET"), (":scheme", "http")] {
            pair.request
                .append_from_wire(name.as_bytes(), value.as_bytes());
        }
        pair.request.set(Known::Path, b"/api/v1/items?page=2");
        pair.request.remove(Known::Connection);
        pair.response.set(Known::Status, b"200");
        pair.measured_step();
        pair
    }

    #[inline(never)]
    fn measured_open(&mut self) -> usize {
        self.bytes.clear();
        let opened = self.client.open(&self.request, true, &mut self.bytes);
        self.client.written(self.bytes.len());
        opened.map_or(0, |(_, size)| size.wire)
    }

    /// Reads what the client sent.
    #[inline(never)]
    fn measured_step(&mut self) -> Option<http2::StreamId> {
        let mut input = &*self.bytes;
        let mut stream = None;
        while let Ok(step) = self.server.step(input, &mut self.headers, &mut self.out) {
            input = input.get(step.consumed..).unwrap_or_default();
            match step.event {
                http2::Event::NeedMore => return stream,
                http2::Event::Head { stream: opened, .. } => stream = Some(opened),
                _ => {}
            }
        }
        None
    }

    #[inline(never)]
    fn measured_answer(&mut self, stream: http2::StreamId) -> usize {
        self.out.clear();
        let (server, out) = (&mut self.server, &mut self.out);
        server.send_head(stream, &self.response, false, out);
        server.send_data(stream, &[b'x'; 1024], true, out);
        server.written(out.len());
        out.len()
    }

    /// A request there and a response back.
    fn exchange(&mut self) -> usize {
        let sent = self.measured_open();
        let Some(stream) = self.measured_step() else {
            return 0;
        };
        let answered = self.measured_answer(stream);
        self.client
            .reset(stream, http2::ErrorCode::CANCEL, &mut Vec::new());
        sent + answered
    }
}

/// The headers of a message of HTTP/1.
fn headers_of(message: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::request();
    for line in message.split(|byte| *byte == b'\n').skip(1) {
        if let Some(colon) = line.iter().position(|byte| *byte == b':') {
            let (name, value) = line.split_at(colon);
            headers.append_from_wire(name, value.get(1..).unwrap_or_default().trim_ascii());
        }
    }
    headers
}

fn main() {
    let mut args = std::env::args().skip(1);
    let what = args.next().unwrap_or_else(|| "request".to_owned());
    let times: usize = args.next().and_then(|n| n.parse().ok()).unwrap_or(1000);
    let settings = Http1Settings::default();
    let mut out = Vec::with_capacity(16 * 1024);
    let mut total = 0;
    let mut pair = Pair::new();
    for _ in 0..times {
        total += match &*what {
            "request" => measured_request(&settings, &mut out),
            "decode" => measured_decode(&settings),
            "httparse" => measured_httparse(),
            "http2" => pair.exchange(),
            _ => measured_response(&settings, &mut out),
        };
    }
    println!("{what}: {total} bytes in {times} messages");
}
