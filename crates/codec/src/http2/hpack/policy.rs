//! Which headers the encoder puts into its table.
//!
//! Never indexed, so that no hop on the way may either (RFC 7541 section 7.1): credentials and cookies. Not put in:
//! seven headers that are different in most messages, the ones that nghttp2 leaves out. All others go in with each value,
//! those among them whose names the static table knows: that the name need not be written again is worth more than what
//! is pushed out, and heads are as long as Envoy's.

use nuncio_contract::headers::{Known, KnownSet};

/// How a header is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Indexing {
    /// Into the table.
    Incremental,
    /// Not into the table.
    Without,
    /// Not into the table, here and further on.
    Never,
}

static SECRET: KnownSet = KnownSet::of(&[
    Known::Authorization,
    Known::ProxyAuthorization,
    Known::SetCookie,
]);

/// A cookie that is shorter could be found by guessing how well it compresses.
const MIN_INDEXED_COOKIE_BYTES: usize = 20;

static CHANGING: KnownSet = KnownSet::of(&[
    Known::Path,
    Known::ContentLength,
    Known::Age,
    Known::Etag,
    Known::IfModifiedSince,
    Known::IfNoneMatch,
    Known::Location,
]);

#[inline]
pub(super) fn indexing(
    known: Option<Known>,
    name: &[u8],
    value: &[u8],
    table_size: usize,
) -> Indexing {
    if let Some(known) = known {
        if SECRET.contains(known) {
            return Indexing::Never;
        }
        if known == Known::Cookie && value.len() < MIN_INDEXED_COOKIE_BYTES {
            return Indexing::Never;
        }
        if CHANGING.contains(known) {
            return Indexing::Without;
        }
    }
    // A large one would push out most of the others.
    match name.len() + value.len() + 32 > table_size / 4 * 3 {
        true => Indexing::Without,
        false => Indexing::Incremental,
    }
}
