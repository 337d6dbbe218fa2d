//! What both filters read in the heads of messages.

use nuncio_contract::headers::{HeaderMap, Known};

/// The items of a list.
pub(crate) fn items(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}

/// Whether `cache-control` forbids to change the body.
pub(crate) fn forbids_transform(headers: &HeaderMap) -> bool {
    let rules = headers.get(Known::CacheControl).unwrap_or_default();
    items(rules).any(|item| item.eq_ignore_ascii_case(b"no-transform"))
}
