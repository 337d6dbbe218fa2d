//! B3's headers, one or many, and what they say.

use nuncio_contract::headers::{HeaderMap, Known};

use crate::hex;
use crate::opentelemetry_tracer::context as w3c;

/// Of which trace a request is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Context {
    /// The first half of a long id; 0 for a short one.
    pub(super) trace_id_high: u64,
    pub(super) trace_id: u64,
    pub(super) span_id: u64,
    pub(super) parent_id: Option<u64>,
}

/// What the head of a request says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) context: Option<Context>,
    /// Whether the span is to be reported, if that is said.
    pub(super) is_sampled: Option<bool>,
    /// Whether it is said by the one header.
    pub(super) is_single: bool,
}

/// Reads it; none if it cannot be read.
pub(super) fn extract(request: &HeaderMap, speaks_w3c: bool) -> Option<Found> {
    if let Some(single) = request.get(Known::B3) {
        return of_single(std::str::from_utf8(single).ok()?);
    }
    let is_sampled = match request.get(Known::XB3Flags) {
        Some(b"1") => Some(true),
        _ => {
            let sampled = request.get(Known::XB3Sampled);
            sampled.map(|sampled| matches!(sampled, b"1" | b"true"))
        }
    };
    let ids = (
        request.get_str(Known::XB3Traceid),
        request.get_str(Known::XB3Spanid),
    );
    let context = match ids {
        (Some(trace), Some(span)) => {
            let parent = request.get_str(Known::XB3Parentspanid);
            Some(context_of(trace, span, parent.filter(|it| !it.is_empty()))?)
        }
        _ if speaks_w3c && is_sampled.is_none() => return of_w3c(request),
        _ => None,
    };
    Some(Found {
        context,
        is_sampled,
        is_single: false,
    })
}

fn of_w3c(request: &HeaderMap) -> Option<Found> {
    let w3c::Found::Context(found) = w3c::extract(request) else {
        return Some(Found::default());
    };
    let id = u128::from_be_bytes(found.trace_id);
    Some(Found {
        context: Some(Context {
            trace_id_high: u64::try_from(id >> 64).unwrap_or(0),
            trace_id: u64::try_from(id & u128::from(u64::MAX)).unwrap_or(0),
            span_id: u64::from_be_bytes(found.span_id),
            parent_id: None,
        }),
        is_sampled: Some(found.is_sampled),
        is_single: false,
    })
}

/// `0`, `trace-span`, `trace-span-sampled` or `trace-span-sampled-parent`.
fn of_single(value: &str) -> Option<Found> {
    let sampled = |text: &str| match text {
        "1" | "d" => Some(true),
        "0" => Some(false),
        _ => None,
    };
    let parts: Vec<_> = value.split('-').collect();
    let (context, is_sampled) = match *parts.as_slice() {
        [only] => (None, Some(sampled(only)?)),
        [trace, span] => (Some(context_of(trace, span, None)?), None),
        [trace, span, how] => (Some(context_of(trace, span, None)?), Some(sampled(how)?)),
        [trace, span, how, parent] => {
            let context = context_of(trace, span, Some(parent))?;
            (Some(context), Some(sampled(how)?))
        }
        _ => return None,
    };
    Some(Found {
        context,
        is_sampled,
        is_single: true,
    })
}

fn context_of(trace: &str, span: &str, parent: Option<&str>) -> Option<Context> {
    let (high, low) = match trace.len() {
        32 => trace.split_at_checked(16)?,
        _ => ("0000000000000000", trace),
    };
    let number = |text: &str| hex::read(text).map(u64::from_be_bytes);
    Some(Context {
        trace_id_high: number(high)?,
        trace_id: number(low)?,
        span_id: number(span)?,
        parent_id: match parent {
            Some(parent) => Some(number(parent)?),
            None => None,
        },
    })
}
