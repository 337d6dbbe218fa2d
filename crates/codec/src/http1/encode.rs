//! Writing messages. Everything appends to a vector that the caller sends.

use nuncio_contract::headers::{HeaderMap, Known};

use super::case::write_name;
use super::connection::is_upgrade;
use super::response::RequestSent;
use super::settings::{HeaderCase, Http1Settings};
use super::version::Version;
use nuncio_contract::reason_phrase::reason_phrase;

/// How the body of a message that is being written is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyEncoding {
    /// As it is: the length was announced, or it ends with the connection.
    Plain,
    /// In chunks.
    Chunked,
    /// The message must not have one; what is given for it is left out.
    Omitted,
}

/// What was written for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestEncoding {
    /// How to write its body.
    pub body: BodyEncoding,
    /// What its response depends on.
    pub sent: RequestSent,
}

/// The request that a response answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseTo {
    /// Its version.
    pub version: Version,
    /// It was `HEAD`.
    pub head: bool,
    /// It was `CONNECT`.
    pub connect: bool,
}

/// Room for ": " and CR LF beside each header.
const OVERHEAD_PER_HEADER: usize = 4;
/// Room for the first line's fixed parts and for a framing header.
const OVERHEAD_PER_HEAD: usize = 96;

/// Appends the head of a request: `host` first, then the other headers in order, then
/// `transfer-encoding: chunked` or `content-length: 0` where framing needs it.
///
/// `headers` must have `:method`, and `:path` or (for `CONNECT`) `:authority`; what is
/// missing is written as nothing. `transfer-encoding` must not be among them: it is
/// decided here. `end` says that no body follows.
pub fn encode_request_head(
    settings: &Http1Settings,
    headers: &HeaderMap,
    end: bool,
    out: &mut Vec<u8>,
) -> RequestEncoding {
    reserve(headers, out);
    let method = headers.get(Known::Method).unwrap_or_default();
    let connect = method == b"CONNECT";
    let upgrade = is_upgrade(headers);
    out.extend_from_slice(method);
    out.push(b' ');
    let authority = headers.get(Known::Authority).unwrap_or_default();
    if connect {
        out.extend_from_slice(authority);
    } else {
        if settings.send_fully_qualified_url {
            out.extend_from_slice(headers.get(Known::Scheme).unwrap_or(b"http"));
            out.extend_from_slice(b"://");
            out.extend_from_slice(authority);
        }
        out.extend_from_slice(headers.get(Known::Path).unwrap_or_default());
    }
    out.extend_from_slice(b" HTTP/1.1\r\n");
    write_headers(settings, headers, out);
    let body = if connect || upgrade || headers.contains(Known::ContentLength) {
        BodyEncoding::Plain
    } else if !end {
        write_chunked(settings, headers, out);
        BodyEncoding::Chunked
    } else {
        if !is_bodiless(method) {
            write_header(settings, headers, b"content-length", b"0", out);
        }
        BodyEncoding::Plain
    };
    out.extend_from_slice(b"\r\n");
    RequestEncoding {
        body,
        sent: RequestSent {
            head: method == b"HEAD",
            connect,
            upgrade,
        },
    }
}

/// Requests by these methods are not given a `content-length: 0`.
fn is_bodiless(method: &[u8]) -> bool {
    matches!(method, b"GET" | b"HEAD" | b"DELETE" | b"TRACE" | b"CONNECT")
}

/// Appends the head of a response, with Envoy's reason phrase. `end` says that no body
/// follows. `headers` must have `:status`, and must not have `transfer-encoding`.
pub fn encode_response_head(
    settings: &Http1Settings,
    to: ResponseTo,
    headers: &HeaderMap,
    end: bool,
    out: &mut Vec<u8>,
) -> BodyEncoding {
    reserve(headers, out);
    let status = status_of(headers);
    write_status_line(settings, to.version, status, headers, out);
    write_headers(settings, headers, out);
    let tunnel = to.connect && status < 300;
    let encoding = if headers.contains(Known::ContentLength) {
        plain_unless_head(to)
    } else if matches!(status, 0..=199 | 204 | 304) {
        BodyEncoding::Plain
    } else if end && !to.head {
        write_header(settings, headers, b"content-length", b"0", out);
        BodyEncoding::Plain
    } else if to.version == Version::Http10 {
        plain_unless_head(to)
    } else {
        if !tunnel {
            write_chunked(settings, headers, out);
        }
        if to.head {
            BodyEncoding::Omitted
        } else if tunnel || is_upgrade(headers) {
            BodyEncoding::Plain
        } else {
            BodyEncoding::Chunked
        }
    };
    out.extend_from_slice(b"\r\n");
    encoding
}

fn plain_unless_head(to: ResponseTo) -> BodyEncoding {
    if to.head {
        BodyEncoding::Omitted
    } else {
        BodyEncoding::Plain
    }
}

/// Appends `100 Continue`.
pub fn encode_continue(out: &mut Vec<u8>) {
    out.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
}

/// Appends an informational response (1xx other than 101); the final one is still to come.
pub fn encode_informational(settings: &Http1Settings, headers: &HeaderMap, out: &mut Vec<u8>) {
    write_status_line(settings, Version::Http11, status_of(headers), headers, out);
    write_headers(settings, headers, out);
    out.extend_from_slice(b"\r\n");
}

/// Appends a piece of a body, framed as `encoding` says.
pub fn encode_data(encoding: BodyEncoding, data: &[u8], out: &mut Vec<u8>) {
    match encoding {
        _ if data.is_empty() => {}
        BodyEncoding::Omitted => {}
        BodyEncoding::Plain => out.extend_from_slice(data),
        BodyEncoding::Chunked => {
            encode_chunk_start(data.len(), out);
            out.extend_from_slice(data);
            encode_chunk_end(out);
        }
    }
}

/// Appends what stands before `len` bytes of a chunk; `len` must not be 0.
pub fn encode_chunk_start(len: usize, out: &mut Vec<u8>) {
    let digits = (usize::BITS - len.leading_zeros()).div_ceil(4).max(1);
    for digit in (0..digits).rev() {
        let value = (len >> (4 * digit)) & 0xf;
        out.extend(b"0123456789abcdef".get(value));
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends what stands after the bytes of a chunk.
pub fn encode_chunk_end(out: &mut Vec<u8>) {
    out.extend_from_slice(b"\r\n");
}

/// Appends the end of a message without trailers.
pub fn encode_end(encoding: BodyEncoding, out: &mut Vec<u8>) {
    if encoding == BodyEncoding::Chunked {
        out.extend_from_slice(b"0\r\n\r\n");
    }
}

/// Appends the end of a message with trailers. They are dropped unless the settings
/// have `enable_trailers` and the body is in chunks.
pub fn encode_trailers(
    settings: &Http1Settings,
    encoding: BodyEncoding,
    trailers: &HeaderMap,
    out: &mut Vec<u8>,
) {
    if encoding != BodyEncoding::Chunked || !settings.enable_trailers {
        return encode_end(encoding, out);
    }
    out.extend_from_slice(b"0\r\n");
    for header in trailers.iter_regular() {
        out.extend_from_slice(header.name);
        write_value(header.value, out);
    }
    out.extend_from_slice(b"\r\n");
}

fn reserve(headers: &HeaderMap, out: &mut Vec<u8>) {
    out.reserve(headers.byte_size() + headers.len() * OVERHEAD_PER_HEADER + OVERHEAD_PER_HEAD);
}

fn status_of(headers: &HeaderMap) -> u16 {
    match headers.get(Known::Status) {
        Some(b"200") => 200,
        Some(status) => std::str::from_utf8(status)
            .ok()
            .and_then(|status| status.parse().ok())
            .unwrap_or(0),
        None => 0,
    }
}

fn write_status_line(
    settings: &Http1Settings,
    version: Version,
    status: u16,
    headers: &HeaderMap,
    out: &mut Vec<u8>,
) {
    if status == 200 && version == Version::Http11 && headers.original_case().is_none() {
        return out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
    }
    let version = match version {
        Version::Http10 if settings.accept_http_10 => Version::Http10,
        _ => Version::Http11,
    };
    out.extend_from_slice(version.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(headers.get(Known::Status).unwrap_or(b"0"));
    out.push(b' ');
    let kept = headers
        .original_case()
        .map_or(&[][..], |case| case.reason_phrase());
    if kept.is_empty() {
        out.extend_from_slice(reason_phrase(status).as_bytes());
    } else {
        out.extend_from_slice(kept);
    }
    out.extend_from_slice(b"\r\n");
}

#[inline]
fn write_headers(settings: &Http1Settings, headers: &HeaderMap, out: &mut Vec<u8>) {
    if let Some(authority) = headers.get(Known::Authority) {
        write_header(settings, headers, b"host", authority, out);
    }
    if settings.header_case == HeaderCase::Lower && headers.original_case().is_none() {
        headers.write_lines(out);
    } else {
        for header in headers.iter_regular() {
            write_header(settings, headers, header.name, header.value, out);
        }
    }
}

fn write_header(
    settings: &Http1Settings,
    headers: &HeaderMap,
    name: &[u8],
    value: &[u8],
    out: &mut Vec<u8>,
) {
    write_name(out, name, settings.header_case, headers);
    write_value(value, out);
}

#[inline]
fn write_value(value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

fn write_chunked(settings: &Http1Settings, headers: &HeaderMap, out: &mut Vec<u8>) {
    write_header(settings, headers, b"transfer-encoding", b"chunked", out);
}
