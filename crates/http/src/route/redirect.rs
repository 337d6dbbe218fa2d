//! The location of a redirect, as Envoy computes it.

use nuncio_contract::formatter::Format;
use nuncio_contract::headers::{HeaderMap, Known};

use super::forward::{PathRewrite, rewrite};

/// A redirect action.
pub struct Redirect {
    pub(super) scheme: Option<Box<[u8]>>,
    pub(super) host: Box<[u8]>,
    /// `:port`, or empty.
    pub(super) port: Box<[u8]>,
    pub(super) path: RedirectPath,
    /// 301, 302, 303, 307 or 308.
    pub status: u16,
    pub(super) strip_query: bool,
}

pub(super) enum RedirectPath {
    Keep,
    To { path: Box<[u8]>, has_query: bool },
    Rewrite(PathRewrite),
    Format(Format),
}

impl Redirect {
    /// The path that the request is given before its location is computed.
    pub fn rewritten_path(&self, path: &[u8], matched_len: usize) -> Option<Vec<u8>> {
        match &self.path {
            RedirectPath::Rewrite(how) => rewrite(how, path, matched_len),
            _ => None,
        }
    }

    /// What makes the path of the new location, where that is a format; its empty text keeps the request's.
    pub fn path_format(&self) -> Option<&Format> {
        match &self.path {
            RedirectPath::Format(format) => Some(format),
            _ => None,
        }
    }

    /// The new location, of which `formatted` is the path where a format made it.
    pub fn location(&self, request: &HeaderMap, formatted: Option<&[u8]>) -> Vec<u8> {
        let scheme = match &self.scheme {
            Some(scheme) => scheme,
            None => request.get(Known::Scheme).unwrap_or_default(),
        };
        let host = if self.host.is_empty() {
            self.request_host(request, scheme)
        } else {
            &self.host
        };
        let old_path = request.get(Known::Path).unwrap_or_default();
        let mut path = Vec::new();
        let mut keeps_own_query = false;
        let new = match (&self.path, formatted) {
            (RedirectPath::To { path, has_query }, _) => Some((&**path, *has_query)),
            (_, Some(path)) => Some((path, path.contains(&b'?'))),
            (_, None) => None,
        };
        if let Some((new, has_query)) = new {
            path.extend_from_slice(new);
            keeps_own_query = has_query;
            if let (false, Some(query)) = (has_query, memchr::memchr(b'?', old_path)) {
                path.extend_from_slice(old_path.get(query..).unwrap_or_default());
            }
        } else {
            path.extend_from_slice(old_path);
        }
        if !path.starts_with(b"/") {
            path.insert(0, b'/');
        }
        if self.strip_query && !keeps_own_query {
            path.truncate(memchr::memchr(b'?', &path).unwrap_or(path.len()));
        }
        [scheme, b"://", host, &self.port, &path].concat()
    }

    /// The request's host, without a port that the new location makes wrong.
    fn request_host<'a>(&self, request: &'a HeaderMap, new_scheme: &[u8]) -> &'a [u8] {
        let host = request.get(Known::Authority).unwrap_or_default();
        let end = if host.starts_with(b"[") {
            memchr::memmem::rfind(host, b"]:").map(|place| place + 1)
        } else {
            memchr::memrchr(b':', host)
        };
        let Some((name, port)) = end.and_then(|end| host.split_at_checked(end)) else {
            return host;
        };
        let old_scheme = request.get(Known::XForwardedProto).unwrap_or_default();
        let default_of_old = (old_scheme.eq_ignore_ascii_case(b"https") && port == b":443")
            || (old_scheme.eq_ignore_ascii_case(b"http") && port == b":80");
        if !self.port.is_empty() || (new_scheme != old_scheme && default_of_old) {
            name
        } else {
            host
        }
    }
}

/// The request's own location, which Envoy gives with a direct response of status 201 or 3xx.
pub fn own_location(request: &HeaderMap) -> Vec<u8> {
    let part = |known| request.get(known).unwrap_or_default();
    [
        part(Known::Scheme),
        b"://",
        part(Known::Authority),
        part(Known::Path),
    ]
    .concat()
}

/// The location that `require_tls` sends a request to.
pub fn https_location(request: &HeaderMap) -> Vec<u8> {
    let part = |known| request.get(known).unwrap_or_default();
    [b"https://", part(Known::Authority), part(Known::Path)].concat()
}
