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
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let mut parts = line.splitn(3, |byte| *byte == b' ');
    let method = parts.next().unwrap_or_default();
    let is_method = !method.is_empty() && method.iter().all(|byte| is_token(*byte));
    match (is_method, end.is_some(), parts.next(), parts.next()) {
        (false, ..) => Found::Other,
        (true, false, ..) => Found::Unclear,
        (true, true, Some([_, ..]), Some(b"HTTP/1.0")) => Found::Http10,
        (true, true, Some([_, ..]), Some(b"HTTP/1.1")) => Found::Http11,
        (true, true, ..) => Found::Other,
    }
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocols_are_told_by_their_first_line() {
        let cases: [(&[u8], Found); 9] = [
            (b"GET / HTTP/1.1\r\n", Found::Http11),
            (b"GET / HTTP/1.0\n", Found::Http10),
            (b"GET / HTTP/1.1", Found::Unclear),
            (b"GET / HTTP/3.0\r\n", Found::Other),
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
