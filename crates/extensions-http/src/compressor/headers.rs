//! What the compressor filter looks for in the heads of messages, and what it changes there.

use nuncio_contract::headers::{HeaderMap, Known};

use super::config::{Direction, EtagRule};
use super::stats::CompressorStats;
use crate::compression::{forbids_transform, items};

const ACCEPT_ENCODING: &[u8] = b"Accept-Encoding";

/// Codings that leave nothing to compress.
const CODINGS: &[&[u8]] = &[b"gzip", b"br", b"deflate", b"compress", b"zstd"];

/// A message's head and what is compressed in its direction.
#[derive(Clone, Copy)]
pub(super) struct Head<'a> {
    pub(super) headers: &'a HeaderMap,
    pub(super) direction: &'a Direction,
    pub(super) stats: &'a CompressorStats,
}

impl Head<'_> {
    /// Whether the body is long enough, or of unknown length; counts if it is not.
    pub(super) fn is_long_enough(self) -> bool {
        let Some(length) = self.headers.get(Known::ContentLength) else {
            return true;
        };
        let length = std::str::from_utf8(length).ok();
        let length = length.and_then(|length| length.trim_ascii().parse::<u64>().ok());
        let is_enough = length.is_some_and(|length| length >= self.direction.least_bytes);
        if !is_enough {
            self.stats.content_length_too_small.inc();
        }
        is_enough
    }

    /// Whether bodies of its type are compressed, or it has none.
    pub(super) fn has_right_type(self) -> bool {
        let content_type = self.headers.get(Known::ContentType);
        content_type.is_none_or(|value| self.direction.has_type(bare_type(value)))
    }

    pub(super) fn is_encoded(self) -> bool {
        self.headers.contains(Known::ContentEncoding)
    }

    /// Whether it is compressed on the way; `own` is the coding that would be next.
    pub(super) fn is_transferred_encoded(self, own: &str) -> bool {
        let codings = self.headers.get(Known::TransferEncoding);
        codings.is_some_and(|codings| {
            items(codings).any(|item| {
                let is = |coding: &[u8]| coding.eq_ignore_ascii_case(item);
                is(own.as_bytes()) || CODINGS.iter().any(|coding| is(coding))
            })
        })
    }

    pub(super) fn is_upgrade(self) -> bool {
        let connection = self.headers.get(Known::Connection).unwrap_or_default();
        self.headers.contains(Known::Upgrade)
            && items(connection).any(|item| item.eq_ignore_ascii_case(b"upgrade"))
    }

    /// Whether `cache-control` forbids to change the body.
    pub(super) fn forbids_transform(self) -> bool {
        forbids_transform(self.headers)
    }
}

/// A content type without its parameters.
pub(super) fn bare_type(value: &[u8]) -> &[u8] {
    let end = value.iter().position(|byte| *byte == b';');
    value
        .get(..end.unwrap_or(value.len()))
        .unwrap_or_default()
        .trim_ascii()
}

/// Tells caches that the answer depends on what the client accepts.
pub(super) fn add_vary(response: &mut HeaderMap) {
    let Some(vary) = response.get(Known::Vary) else {
        response.set(Known::Vary, ACCEPT_ENCODING);
        return;
    };
    if items(vary).any(|item| item == ACCEPT_ENCODING) {
        return;
    }
    let longer = [vary, b", ", ACCEPT_ENCODING].concat();
    response.set(Known::Vary, &longer);
}

/// A strong `etag` is not true of another form of the body.
pub(super) fn change_etag(response: &mut HeaderMap, rule: EtagRule) {
    let Some(etag) = response.get(Known::Etag) else {
        return;
    };
    if etag
        .get(..2)
        .is_some_and(|begin| begin.eq_ignore_ascii_case(b"w/"))
    {
        return;
    }
    if rule == EtagRule::Weaken {
        let weak = [b"W/", etag].concat();
        response.set(Known::Etag, &weak);
    } else {
        response.remove(Known::Etag);
    }
}

/// A body that is compressed has another length, which nobody knows yet.
pub(super) fn announce(headers: &mut HeaderMap, coding: &str) {
    headers.remove(Known::ContentLength);
    headers.set(Known::ContentEncoding, coding.as_bytes());
}
