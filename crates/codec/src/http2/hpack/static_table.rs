//! The static table (RFC 7541 appendix A).

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

const fn other(name: &'static str) -> StaticEntry {
    StaticEntry {
        known: None,
        name: name.as_bytes(),
        value: b"",
    }
}

/// How many entries there are; those of the dynamic table are numbered from one more on.
pub(super) const STATIC_LEN: usize = STATIC_TABLE.len();

/// The entries; the first has number 1.
pub(super) static STATIC_TABLE: [StaticEntry; 61] = [
    known(Known::Authority, ""),
    known(Known::Method, "GET"),
    known(Known::Method, "POST"),
    known(Known::Path, "/"),
    known(Known::Path, "/index.html"),
    known(Known::Scheme, "http"),
    known(Known::Scheme, "https"),
    known(Known::Status, "200"),
    known(Known::Status, "204"),
    known(Known::Status, "206"),
    known(Known::Status, "304"),
    known(Known::Status, "400"),
    known(Known::Status, "404"),
    known(Known::Status, "500"),
    other("accept-charset"),
    known(Known::AcceptEncoding, "gzip, deflate"),
    known(Known::AcceptLanguage, ""),
    other("accept-ranges"),
    known(Known::Accept, ""),
    known(Known::AccessControlAllowOrigin, ""),
    known(Known::Age, ""),
    known(Known::Allow, ""),
    known(Known::Authorization, ""),
    known(Known::CacheControl, ""),
    other("content-disposition"),
    known(Known::ContentEncoding, ""),
    other("content-language"),
    known(Known::ContentLength, ""),
    other("content-location"),
    known(Known::ContentRange, ""),
    known(Known::ContentType, ""),
    known(Known::Cookie, ""),
    known(Known::Date, ""),
    known(Known::Etag, ""),
    known(Known::Expect, ""),
    known(Known::Expires, ""),
    other("from"),
    known(Known::Host, ""),
    known(Known::IfMatch, ""),
    known(Known::IfModifiedSince, ""),
    known(Known::IfNoneMatch, ""),
    known(Known::IfRange, ""),
    known(Known::IfUnmodifiedSince, ""),
    known(Known::LastModified, ""),
    other("link"),
    known(Known::Location, ""),
    other("max-forwards"),
    known(Known::ProxyAuthenticate, ""),
    known(Known::ProxyAuthorization, ""),
    known(Known::Range, ""),
    known(Known::Referer, ""),
    other("refresh"),
    known(Known::RetryAfter, ""),
    known(Known::Server, ""),
    known(Known::SetCookie, ""),
    other("strict-transport-security"),
    known(Known::TransferEncoding, ""),
    known(Known::UserAgent, ""),
    known(Known::Vary, ""),
    known(Known::Via, ""),
    known(Known::WwwAuthenticate, ""),
];

/// Where the entries of a known name stand: the number of the first, and how many follow each other.
#[derive(Clone, Copy)]
pub(super) struct Run {
    pub(super) first: u8,
    pub(super) count: u8,
}

static RUNS: [Run; Known::COUNT] = runs();

const fn runs() -> [Run; Known::COUNT] {
    let mut runs = [Run { first: 0, count: 0 }; Known::COUNT];
    let mut at = 0;
    while at < STATIC_LEN {
        if let Some(known) = STATIC_TABLE[at].known {
            let run = &mut runs[known as usize];
            if run.count == 0 {
                run.first = at as u8 + 1;
            }
            run.count += 1;
        }
        at += 1;
    }
    runs
}

/// The entries of a known name.
#[inline]
pub(super) fn run_of(known: Known) -> Run {
    RUNS[known as usize]
}
