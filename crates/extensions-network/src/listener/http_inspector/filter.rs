//! What the HTTP inspector does to a connection.

use std::sync::Arc;

use nuncio_contract::listener_filter::{
    ListenerContext, ListenerFilter, ListenerFilterConfig, ListenerFilterFactory, ListenerStatus,
};
use nuncio_contract::stat_group;
use nuncio_contract::stats::Scope;

/// How much of a line is looked at.
const MOST_BYTES: usize = 64 * 1024;
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const TLS: &str = "tls";

stat_group! {
    /// What was found, at `http_inspector.`.
    pub struct HttpInspectorStats("http_inspector.") {
        counters { http10_found, http11_found, http2_found, http_not_found, read_error }
    }
}

pub(super) struct Config;

#[derive(Clone)]
struct Shared(Arc<HttpInspectorStats>);

/// What some bytes are the begin of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Http10,
    Http11,
    Http2,
    Other,
    /// It takes more of them to tell.
    Unclear,
}

impl ListenerFilterConfig for Config {
    fn for_worker(&self, root: &Scope) -> Box<dyn ListenerFilterFactory> {
        Box::new(Shared(root.worker_group()))
    }
}

impl ListenerFilterFactory for Shared {
    fn create(&self) -> Box<dyn ListenerFilter> {
        Box::new(self.clone())
    }

    fn most_bytes(&self) -> usize {
        MOST_BYTES
    }
}

impl ListenerFilter for Shared {
    fn on_accept(&mut self, context: &mut ListenerContext<'_>) -> ListenerStatus {
        match context.inspected.transport_protocol {
            TLS => ListenerStatus::Continue(0),
            _ => ListenerStatus::More,
        }
    }

    fn on_data(&mut self, context: &mut ListenerContext<'_>, data: &[u8]) -> ListenerStatus {
        let stats = &self.0;
        let (counter, protocol) = match inspect(data) {
            Found::Unclear if data.len() < MOST_BYTES => return ListenerStatus::More,
            Found::Unclear | Found::Other => (&stats.http_not_found, None),
            Found::Http10 => (&stats.http10_found, Some("http/1.0")),
            Found::Http11 => (&stats.http11_found, Some("http/1.1")),
            Found::Http2 => (&stats.http2_found, Some("h2c")),
        };
        counter.inc();
        if let Some(protocol) = protocol {
            context.inspected.application_protocols = vec![protocol.into()];
        }
        ListenerStatus::Continue(0)
    }
}

fn inspect(data: &[u8]) -> Found {
    if data.starts_with(PREFACE) {
        return Found::Http2;
    }
    if PREFACE.starts_with(data) {
        return Found::Unclear;
    }
    let end = data.iter().position(|byte| *byte == b'\n');
    let line = match end {
        Some(end) => data.get(..end).unwrap_or_default(),
        None => data,
    };
    let mut rest = line.trim_ascii_end();
    let method = word(&mut rest);
    let is_method = !method.is_empty() && method.iter().all(|byte| is_token(*byte));
    if !is_method {
        return Found::Other;
    }
    if end.is_none() {
        return Found::Unclear;
    }
    let target = word(&mut rest);
    match rest {
        _ if !is_target(method, target) => Found::Other,
        b"HTTP/1.1" => Found::Http11,
        // Whatever else there is, as in Envoy.
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            Found::Http10
        }
        [] => Found::Http10,
        _ => Found::Other,
    }
}

/// Takes what stands before the next blanks, and them.
fn word<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let is_blank = |byte: &u8| *byte <= b' ';
    let end = rest.iter().position(is_blank).unwrap_or(rest.len());
    let (word, behind) = rest.split_at_checked(end).unwrap_or((rest, &[]));
    let blanks = behind.iter().take_while(|byte| is_blank(byte)).count();
    *rest = behind.get(blanks..).unwrap_or_default();
    word
}

/// Whether it may be a target: a path, an asterisk, a whole URL, or of CONNECT an authority.
fn is_target(method: &[u8], target: &[u8]) -> bool {
    let is_printable = |bytes: &[u8]| bytes.iter().all(u8::is_ascii_graphic);
    if let [b'/' | b'*', rest @ ..] = target {
        return is_printable(rest);
    }
    let is_scheme = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
    let scheme = target.iter().take_while(|byte| is_scheme(byte)).count();
    let behind = target.get(scheme..).unwrap_or_default();
    let is_url = target.first().is_some_and(u8::is_ascii_alphabetic) && behind.starts_with(b"://");
    let is_authority = method == b"CONNECT" && !target.is_empty();
    (is_url || is_authority) && is_printable(target)
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocols_are_told_by_their_first_line() {
        let cases: [(&[u8], Found); 16] = [
            (b"GET / HTTP/1.1\r\n", Found::Http11),
            (b"GET / HTTP/1.0\n", Found::Http10),
            (b"GET / HTTP/1.1", Found::Unclear),
            (b"GET / HTTP/3.0\r\n", Found::Http10),
            (b"GET /\r\n", Found::Http10),
            (b"GET  /\0\tHTTP/1.1 \r\n", Found::Http11),
            (b"GET /\xff HTTP/1.1\r\n", Found::Other),
            (b"GET / HTTP/11\r\n", Found::Other),
            (b"GET / HTTP/1.1 x\r\n", Found::Other),
            (b"CONNECT a:80 HTTP/1.1\r\n", Found::Http11),
            (b"GET a:80 HTTP/1.1\r\n", Found::Other),
            (b"GET\r\n", Found::Other),
            (b"\x16\x03\x01", Found::Other),
            (b"PRI", Found::Unclear),
            (PREFACE, Found::Http2),
            (b"hello world\r\n", Found::Other),
        ];
        for (bytes, found) in cases {
            assert_eq!(inspect(bytes), found, "{}", bytes.escape_ascii());
        }
    }
}
