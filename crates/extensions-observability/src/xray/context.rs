//! The header `x-amzn-trace-id`: fields with a `;` between them, of which `root`, `parent` and `sampled` are known in any case.

use std::borrow::Cow;

/// What a client says of its trace.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Context {
    pub(super) trace_id: Vec<u8>,
    pub(super) parent_id: Vec<u8>,
    /// None if it does not say so.
    pub(super) is_sampled: Option<bool>,
}

/// As in Envoy what is there counts, whatever bytes it is, all in lower case.
pub(super) fn read(value: &[u8]) -> Context {
    let value = value.to_ascii_lowercase();
    let mut context = Context::default();
    for field in value.split(|byte| *byte == b';') {
        let mut halves = field.splitn(2, |byte| *byte == b'=');
        match (halves.next(), halves.next()) {
            (Some(b"root"), Some(id)) => id.clone_into(&mut context.trace_id),
            (Some(b"parent"), Some(id)) => id.clone_into(&mut context.parent_id),
            (Some(b"sampled"), Some(sampled)) => {
                context.is_sampled = match sampled {
                    b"0" => Some(false),
                    b"1" => Some(true),
                    _ => None,
                }
            }
            _ => {}
        }
    }
    context
}

/// What a host is told of the trace.
pub(super) fn write(trace_id: &[u8], id: &str, is_sampled: bool) -> Vec<u8> {
    let rest = format!(";Parent={id};Sampled={}", u8::from(is_sampled));
    [b"Root=", trace_id, rest.as_bytes()].concat()
}

/// Bytes as a segment has them: as in Envoy those that are no text are blanks.
pub(super) fn text(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return text.into();
    }
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| ' '));
    }
    text.into()
}
