//! The location of a redirect, as Envoy computes it.

use nuncio_contract::formatter::Format;
use nuncio_contract::headers::{HeaderMap, Known};
use nuncio_contract::new_location::NewLocation;

use super::forward::{PathRewrite, rewrite};

/// A redirect action.
pub struct Redirect {
    pub(super) to: NewLocation,
    pub(super) path: RedirectPath,
    /// 301, 302, 303, 307 or 308.
    pub status: u16,
}

pub(super) enum RedirectPath {
    Keep,
    To(Box<[u8]>),
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
        let new_path = match &self.path {
            RedirectPath::To(path) => Some(&**path),
            _ => formatted,
        };
        self.to.url(request, new_path)
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
