//! Decodes and encodes typical messages many times, to be counted under callgrind:
//!
//! ```sh
//! cargo build --release --config 'profile.release.strip=false' -p nuncio-codec --example count_instructions
//! valgrind --tool=callgrind --toggle-collect='*measured*' target/release/examples/count_instructions request 1000
//! ```
//!
//! What to measure is the first argument, how often the second; the count that
//! callgrind prints, divided by the second, is the cost of one.

use nuncio_codec::http1::*;
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

fn main() {
    let mut args = std::env::args().skip(1);
    let what = args.next().unwrap_or_else(|| "request".to_owned());
    let times: usize = args.next().and_then(|n| n.parse().ok()).unwrap_or(1000);
    let settings = Http1Settings::default();
    let mut out = Vec::with_capacity(16 * 1024);
    let mut total = 0;
    for _ in 0..times {
        total += match &*what {
            "request" => measured_request(&settings, &mut out),
            "decode" => measured_decode(&settings),
            "httparse" => measured_httparse(),
            _ => measured_response(&settings, &mut out),
        };
    }
    println!("{what}: {total} bytes in {times} messages");
}
