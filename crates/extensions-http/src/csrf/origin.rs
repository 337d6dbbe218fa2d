//! Where a request comes from and where it goes to: hosts and ports in URLs. What is no URL stands for itself as a
//! whole, in headers as well as in the target's, which is made of scheme and host.

use nuncio_contract::headers::{HeaderMap, Known};
use nuncio_contract::url::Url;

/// The host and port that a request comes from; empty if it does not say.
pub(super) fn source(request: &HeaderMap) -> &[u8] {
    let origin = request.get(Known::Origin).unwrap_or_default();
    if origin == b"null" {
        return b"";
    }
    match host_and_port(origin) {
        b"" => host_and_port(request.get(Known::Referer).unwrap_or_default()),
        source => source,
    }
}

/// Whether a request that comes from `source` goes there.
pub(super) fn is_target(source: &[u8], request: &HeaderMap) -> bool {
    let host = request.get(Known::Authority).unwrap_or_default();
    if host.is_empty() {
        return source.is_empty();
    }
    let scheme = request.get(Known::Scheme).unwrap_or(b"http");
    match Url::of_scheme(scheme, host) {
        Some(target) => source == target.host_and_port,
        None => source
            .strip_prefix(scheme)
            .and_then(|rest| rest.strip_prefix(b"://"))
            .is_some_and(|rest| rest == host),
    }
}

fn host_and_port(url: &[u8]) -> &[u8] {
    Url::parse(url).map_or(url, |url| url.host_and_port)
}
