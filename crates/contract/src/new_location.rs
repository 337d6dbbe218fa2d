//! Where a redirect leads to: the request's own location with some of its parts replaced.
//!
//! A port that is the default of the scheme before does not go along to another scheme; the query goes along unless the
//! new path has one or it is to be left out. As in Envoy's `newUri`.

use crate::headers::{HeaderMap, Known};

/// The parts that a redirect replaces.
#[derive(Debug)]
pub struct NewLocation {
    /// The scheme, or the request's.
    pub scheme: Option<Box<[u8]>>,
    /// The host; empty for the request's.
    pub host: Box<[u8]>,
    /// `:port`, or empty.
    pub port: Box<[u8]>,
    /// Whether the query is left out, unless it stands in the new path.
    pub strip_query: bool,
}

impl NewLocation {
    /// The new location, of which `new_path` is the path where it is another.
    pub fn url(&self, request: &HeaderMap, new_path: Option<&[u8]>) -> Vec<u8> {
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
        if let Some(new) = new_path {
            path.extend_from_slice(new);
            keeps_own_query = new.contains(&b'?');
            if let (false, Some(query)) = (keeps_own_query, memchr::memchr(b'?', old_path)) {
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
