//! The static table (RFC 9204 appendix A).

use nuncio_contract::headers::Known;

/// An entry of the static table.
#[derive(Clone, Copy)]
pub(super) struct StaticEntry {
    /// The number of the name, when it is a known one.
    pub(super) known: Option<Known>,
    pub(super) name: &'static [u8],
    pub(super) value: &'static [u8],
}

const fn known(known: Known, value: &'static str) -> StaticEntry {
    StaticEntry {
        known: Some(known),
        name: known.as_bytes(),
        value: value.as_bytes(),
    }
}

const fn other(name: &'static str, value: &'static str) -> StaticEntry {
    StaticEntry {
        known: None,
        name: name.as_bytes(),
        value: value.as_bytes(),
    }
}

const STATIC_LEN: usize = 99;

/// The entries; the first has number 0.
pub(super) static STATIC_TABLE: [StaticEntry; STATIC_LEN] = [
    known(Known::Authority, ""),
    known(Known::Path, "/"),
    known(Known::Age, "0"),
    other("content-disposition", ""),
    known(Known::ContentLength, "0"),
    known(Known::Cookie, ""),
    known(Known::Date, ""),
    known(Known::Etag, ""),
    known(Known::IfModifiedSince, ""),
    known(Known::IfNoneMatch, ""),
    known(Known::LastModified, ""),
    other("link", ""),
    known(Known::Location, ""),
    known(Known::Referer, ""),
    known(Known::SetCookie, ""),
    known(Known::Method, "CONNECT"),
    known(Known::Method, "DELETE"),
    known(Known::Method, "GET"),
    known(Known::Method, "HEAD"),
    known(Known::Method, "OPTIONS"),
    known(Known::Method, "POST"),
    known(Known::Method, "PUT"),
    known(Known::Scheme, "http"),
    known(Known::Scheme, "https"),
    known(Known::Status, "103"),
    known(Known::Status, "200"),
    known(Known::Status, "304"),
    known(Known::Status, "404"),
    known(Known::Status, "503"),
    known(Known::Accept, "*/*"),
    known(Known::Accept, "application/dns-message"),
    known(Known::AcceptEncoding, "gzip, deflate, br"),
    other("accept-ranges", "bytes"),
    known(Known::AccessControlAllowHeaders, "cache-control"),
    known(Known::AccessControlAllowHeaders, "content-type"),
    known(Known::AccessControlAllowOrigin, "*"),
    known(Known::CacheControl, "max-age=0"),
    known(Known::CacheControl, "max-age=2592000"),
    known(Known::CacheControl, "max-age=604800"),
    known(Known::CacheControl, "no-cache"),
    known(Known::CacheControl, "no-store"),
    known(Known::CacheControl, "public, max-age=31536000"),
    known(Known::ContentEncoding, "br"),
    known(Known::ContentEncoding, "gzip"),
    known(Known::ContentType, "application/dns-message"),
    known(Known::ContentType, "application/javascript"),
    known(Known::ContentType, "application/json"),
    known(Known::ContentType, "application/x-www-form-urlencoded"),
    known(Known::ContentType, "image/gif"),
    known(Known::ContentType, "image/jpeg"),
    known(Known::ContentType, "image/png"),
    known(Known::ContentType, "text/css"),
    known(Known::ContentType, "text/html; charset=utf-8"),
    known(Known::ContentType, "text/plain"),
    known(Known::ContentType, "text/plain;charset=utf-8"),
    known(Known::Range, "bytes=0-"),
    other("strict-transport-security", "max-age=31536000"),
    other(
        "strict-transport-security",
        "max-age=31536000; includesubdomains",
    ),
    other(
        "strict-transport-security",
        "max-age=31536000; includesubdomains; preload",
    ),
    known(Known::Vary, "accept-encoding"),
    known(Known::Vary, "origin"),
    known(Known::XContentTypeOptions, "nosniff"),
    other("x-xss-protection", "1; mode=block"),
    known(Known::Status, "100"),
    known(Known::Status, "204"),
    known(Known::Status, "206"),
    known(Known::Status, "302"),
    known(Known::Status, "400"),
    known(Known::Status, "403"),
    known(Known::Status, "421"),
    known(Known::Status, "425"),
    known(Known::Status, "500"),
    known(Known::AcceptLanguage, ""),
    known(Known::AccessControlAllowCredentials, "FALSE"),
    known(Known::AccessControlAllowCredentials, "TRUE"),
    known(Known::AccessControlAllowHeaders, "*"),
    known(Known::AccessControlAllowMethods, "get"),
    known(Known::AccessControlAllowMethods, "get, post, options"),
    known(Known::AccessControlAllowMethods, "options"),
    known(Known::AccessControlExposeHeaders, "content-length"),
    known(Known::AccessControlRequestHeaders, "content-type"),
    known(Known::AccessControlRequestMethod, "get"),
    known(Known::AccessControlRequestMethod, "post"),
    known(Known::AltSvc, "clear"),
    known(Known::Authorization, ""),
    other(
        "content-security-policy",
        "script-src 'none'; object-src 'none'; base-uri 'none'",
    ),
    known(Known::EarlyData, "1"),
    other("expect-ct", ""),
    other("forwarded", ""),
    known(Known::IfRange, ""),
    known(Known::Origin, ""),
    other("purpose", "prefetch"),
    known(Known::Server, ""),
    other("timing-allow-origin", "*"),
    other("upgrade-insecure-requests", "1"),
    known(Known::UserAgent, ""),
    known(Known::XForwardedFor, ""),
    other("x-frame-options", "deny"),
    other("x-frame-options", "sameorigin"),
];

/// No entry.
const NONE: u8 = u8::MAX;

/// The first entry of each known name.
static FIRST: [u8; Known::COUNT] = links().0;
/// Of each entry, the next one of the same name.
static NEXT: [u8; STATIC_LEN] = links().1;

const fn links() -> ([u8; Known::COUNT], [u8; STATIC_LEN]) {
    let mut first = [NONE; Known::COUNT];
    let mut next = [NONE; STATIC_LEN];
    let mut at = STATIC_LEN;
    while at > 0 {
        at -= 1;
        if let Some(known) = STATIC_TABLE[at].known {
            next[at] = first[known as usize];
            first[known as usize] = at as u8;
        }
    }
    (first, next)
}

/// What the table has of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The name and the value.
    Whole(usize),
    /// The name.
    Name(usize),
    Nothing,
}

/// Looks a header up.
#[inline]
pub(super) fn find(known: Option<Known>, name: &[u8], value: &[u8]) -> Found {
    match known {
        Some(known) => find_known(known, value),
        None => find_other(name, value),
    }
}

#[inline]
fn find_known(known: Known, value: &[u8]) -> Found {
    let first = FIRST.get(known as usize).copied().unwrap_or(NONE);
    let mut at = first;
    while let Some(entry) = STATIC_TABLE.get(usize::from(at)) {
        if entry.value == value {
            return Found::Whole(usize::from(at));
        }
        at = NEXT.get(usize::from(at)).copied().unwrap_or(NONE);
    }
    match first {
        NONE => Found::Nothing,
        first => Found::Name(usize::from(first)),
    }
}

/// A name without a number; there are few.
fn find_other(name: &[u8], value: &[u8]) -> Found {
    let mut found = Found::Nothing;
    for (at, entry) in STATIC_TABLE.iter().enumerate() {
        if entry.known.is_some() || entry.name.len() != name.len() || entry.name != name {
            continue;
        }
        if entry.value == value {
            return Found::Whole(at);
        }
        if found == Found::Nothing {
            found = Found::Name(at);
        }
    }
    found
}
