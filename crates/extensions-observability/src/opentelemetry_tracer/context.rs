//! W3C's `traceparent` and `tracestate`.

use nuncio_contract::headers::{HeaderMap, Known};

use crate::hex;

const VALUE_BYTES: usize = 55;

/// Of which trace a request is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Context {
    pub(crate) trace_id: [u8; 16],
    pub(crate) span_id: [u8; 8],
    pub(crate) is_sampled: bool,
    pub(crate) state: String,
}

/// What the head of a request says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Nothing,
    /// It cannot be read.
    Wrong,
    Context(Context),
}

/// Reads it.
pub(crate) fn extract(request: &HeaderMap) -> Found {
    let Some(value) = request.get(Known::Traceparent) else {
        return Found::Nothing;
    };
    read(value, request).map_or(Found::Wrong, Found::Context)
}

fn read(value: &[u8], request: &HeaderMap) -> Option<Context> {
    let value = std::str::from_utf8(value).ok()?;
    if value.len() != VALUE_BYTES {
        return None;
    }
    let mut parts = value.split('-');
    let (version, trace, span, flags) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let _version: [u8; 1] = hex::read(version)?;
    let trace_id: [u8; 16] = hex::read(trace)?;
    let span_id: [u8; 8] = hex::read(span)?;
    let [flags] = hex::read(flags)?;
    if parts.next().is_some() || trace_id == [0; 16] || span_id == [0; 8] {
        return None;
    }
    let states = request.get_all(Known::Tracestate);
    let states: Vec<_> = states.map(String::from_utf8_lossy).collect();
    Some(Context {
        trace_id,
        span_id,
        is_sampled: flags & 1 == 1,
        state: states.join(","),
    })
}

/// The value of `traceparent`.
pub(crate) fn parent(trace_id: &[u8], span_id: &[u8], is_sampled: bool) -> String {
    let flags = u8::from(is_sampled);
    let (trace, span) = (hex::text(trace_id), hex::text(span_id));
    format!("00-{trace}-{span}-{flags:02x}")
}

/// Sets a header behind all others, in place of one that the client has sent.
pub(crate) fn put(request: &mut HeaderMap, name: Known, value: &[u8]) {
    request.remove(name);
    request.set(name, value);
}
