//! Which requests may be answered by what is kept.

use nuncio_contract::headers::{HeaderMap, Known};

/// What an answer is kept under; none for requests that nothing is kept for: with credentials or conditions, or other
/// methods.
pub(crate) fn key_of(request: &HeaderMap) -> Option<Vec<u8>> {
    let method = request.get(Known::Method)?;
    let scheme = request.get(Known::Scheme)?;
    let (host, path) = (request.get(Known::Authority)?, request.get(Known::Path)?);
    let is_ours = matches!(method, b"GET" | b"HEAD")
        && [b"http".as_slice(), b"https"].contains(&scheme)
        && ![
            Known::Authorization,
            Known::IfNoneMatch,
            Known::IfModifiedSince,
            Known::IfRange,
        ]
        .iter()
        .any(|name| request.contains(*name));
    is_ours.then(|| [scheme, b"\n", host, b"\n", path].concat())
}
