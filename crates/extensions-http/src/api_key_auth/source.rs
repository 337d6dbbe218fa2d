//! Where keys stand in requests, how they are taken from there and how they are hidden.

use std::borrow::Cow;

use nuncio_contract::cookies;
use nuncio_contract::headers::{HeaderMap, HeaderName, Known};

use crate::query;

/// A place for a key.
pub(super) enum Source {
    Header(HeaderName),
    Query(Box<[u8]>),
    Cookie(Box<[u8]>),
}

impl Source {
    /// The key, if there is one that is not empty.
    pub(super) fn key<'a>(&self, request: &'a HeaderMap) -> Option<Cow<'a, [u8]>> {
        let key = match self {
            Source::Header(name) => {
                let value = request.get(name)?;
                Cow::Borrowed(value.strip_prefix(b"Bearer ").unwrap_or(value))
            }
            Source::Query(name) => query::first(request, name)?.into(),
            Source::Cookie(name) => Cow::Borrowed(cookies::find(request, name)?),
        };
        (!key.is_empty()).then_some(key)
    }

    /// Takes the key out of the request.
    pub(super) fn hide(&self, request: &mut HeaderMap) {
        match self {
            Source::Header(name) => {
                request.remove(name);
            }
            Source::Query(name) => query::remove(request, name),
            Source::Cookie(name) => hide_cookie(request, name),
        }
    }
}

fn hide_cookie(request: &mut HeaderMap, name: &[u8]) {
    let others = cookies::all(request).filter(|(key, _)| *key != name);
    let others: Vec<_> = others
        .map(|(key, value)| [key, b"=", value].concat())
        .collect();
    request.remove(Known::Cookie);
    if !others.is_empty() {
        request.set(Known::Cookie, &others.join(b"; ".as_slice()));
    }
}
