//! Asking a host whether a kept answer is still good, and what becomes of it if it is.

use std::time::SystemTime;

use nuncio_contract::headers::{HeaderMap, HeaderName, Known};

use super::freshness::date_of;
use super::store::{Entry, Head};

/// What does not change with an answer that was found unchanged.
const KEPT_AS_THEY_ARE: [&[u8]; 4] = [b"content-range", b"content-length", b"etag", b"vary"];

/// Has the request ask whether `kept` has changed.
pub(crate) fn ask(request: &mut HeaderMap, kept: &HeaderMap) {
    if let Some(etag) = kept.get(Known::Etag) {
        request.set(Known::IfNoneMatch, etag);
    }
    let since = match date_of(kept, Known::LastModified) {
        Some(_) => kept.get(Known::LastModified),
        None => kept.get(Known::Date),
    };
    request.set(Known::IfModifiedSince, since.unwrap_or_default());
}

/// Whether an answer without changes is about what is kept, so that this gets its headers.
pub(crate) fn is_same(unchanged: &HeaderMap, kept: &HeaderMap) -> bool {
    let etag = unchanged.get(Known::Etag);
    etag.is_none() || etag == kept.get(Known::Etag)
}

/// Makes the head of an answer without changes the head of what is kept.
pub(crate) fn complete(unchanged: &mut HeaderMap, kept: &HeaderMap) {
    let status = kept.get(Known::Status).unwrap_or_default();
    unchanged.set(Known::Status, status);
    unchanged.remove(Known::ContentLength);
    let has = |name: &[u8]| unchanged.iter_regular().any(|header| header.name == name);
    let is_age = |name: &[u8]| name == b"age";
    let missing = kept.iter_regular();
    let missing: Vec<_> = missing
        .filter(|header| !is_age(header.name) && !has(header.name))
        .collect();
    for header in missing {
        unchanged.append_found(header.known, header.name, header.value);
    }
}

/// What is kept from now on: `old`, whose head is `kept`, with the headers of `answer`.
pub(crate) fn renewed(
    old: &Entry,
    mut kept: HeaderMap,
    answer: &HeaderMap,
    now: SystemTime,
) -> Entry {
    let mut changed: Vec<&[u8]> = Vec::new();
    for header in answer.iter_regular() {
        if KEPT_AS_THEY_ARE.contains(&header.name) {
            continue;
        }
        if changed.contains(&header.name) {
            kept.append_found(header.known, header.name, header.value);
        } else if let Some(name) = name_of(header.name) {
            kept.replace(&name, header.value);
        }
        changed.push(header.name);
    }
    Entry {
        head: Head::of(&kept),
        body: old.body.clone(),
        trailers: old.trailers.clone(),
        came: now,
    }
}

fn name_of(name: &[u8]) -> Option<HeaderName> {
    HeaderName::parse(str::from_utf8(name).ok()?).ok()
}
