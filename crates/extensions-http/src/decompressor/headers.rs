//! What the decompressor filter looks for in the heads of messages, and what it changes there.

use nuncio_contract::headers::{HeaderMap, Known};

use crate::compression::items;

/// Whether the coding is the first that `content-encoding` lists.
pub(super) fn is_in(headers: &HeaderMap, coding: &str) -> bool {
    let codings = headers.get(Known::ContentEncoding);
    let first = codings.and_then(|codings| items(codings).next());
    first.is_some_and(|first| first.eq_ignore_ascii_case(coding.as_bytes()))
}

/// Takes the first coding off, and the length that the body had with it.
pub(super) fn take_coding(headers: &mut HeaderMap) {
    headers.remove(Known::ContentLength);
    let codings = headers.get(Known::ContentEncoding).unwrap_or_default();
    let Some(comma) = codings.iter().position(|byte| *byte == b',') else {
        headers.remove(Known::ContentEncoding);
        return;
    };
    let rest = codings.get(comma + 1..).unwrap_or_default().trim_ascii();
    let rest = rest.to_vec();
    headers.set(Known::ContentEncoding, &rest);
}

/// Adds the coding to those that are accepted, as one that is as good as any.
pub(super) fn accept(request: &mut HeaderMap, coding: &str) {
    let accepted = request.get(Known::AcceptEncoding).unwrap_or_default();
    let is_same = |item: &[u8]| {
        let name = item.split(|byte| *byte == b';').next().unwrap_or_default();
        name.trim_ascii() == coding.as_bytes()
    };
    let mut all: Vec<&[u8]> = items(accepted)
        .filter(|item| !item.is_empty() && !is_same(item))
        .collect();
    all.push(coding.as_bytes());
    let all = all.join(&b","[..]);
    request.set(Known::AcceptEncoding, &all);
}
