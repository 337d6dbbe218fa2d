//! Where keys stand in requests, how they are taken from there and how they are hidden.

use std::borrow::Cow;
use std::collections::BTreeMap;

use nuncio_contract::headers::{HeaderMap, HeaderName, Known};

use nuncio_contract::cookies;

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
            Source::Query(name) => {
                let mut parameters = parameters(query(request)?);
                parameters.find(|(key, _)| key == &**name)?.1.into()
            }
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
            Source::Query(name) => hide_parameter(request, name),
            Source::Cookie(name) => hide_cookie(request, name),
        }
    }
}

fn query(request: &HeaderMap) -> Option<&[u8]> {
    let path = request.get(Known::Path)?;
    let at = path.iter().position(|byte| *byte == b'?')?;
    path.get(at + 1..)
}

/// Names and values, decoded. An empty piece at the end is no parameter, one in the middle is.
fn parameters(query: &[u8]) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> {
    let query = query.strip_suffix(b"&").unwrap_or(query);
    let pieces = query
        .split(|byte| *byte == b'&')
        .filter(|_| !query.is_empty());
    pieces.map(|piece| {
        let at = piece.iter().position(|byte| *byte == b'=');
        let (name, value) = piece.split_at(at.unwrap_or(piece.len()));
        (decoded(name), decoded(value.get(1..).unwrap_or_default()))
    })
}

fn decoded(text: &[u8]) -> Vec<u8> {
    let digit = |at: usize| char::from(*text.get(at)?).to_digit(16);
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        let escaped = (digit(at + 1), digit(at + 2));
        match escaped {
            (Some(high), Some(low)) if *byte == b'%' => {
                out.extend(u8::try_from(high * 16 + low));
                at += 3;
            }
            _ => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    out
}

fn hide_parameter(request: &mut HeaderMap, name: &[u8]) {
    let Some(query) = query(request) else { return };
    let mut by_name: BTreeMap<Vec<u8>, Vec<Vec<u8>>> = BTreeMap::new();
    for (key, value) in parameters(query).filter(|(key, _)| key != name) {
        by_name.entry(key).or_default().push(value);
    }
    let path = request.get(Known::Path).unwrap_or_default();
    let end = path.len().saturating_sub(query.len() + 1);
    let mut path = path.get(..end).unwrap_or_default().to_vec();
    let mut delimiter = b'?';
    for (key, values) in &by_name {
        for value in values {
            path.push(delimiter);
            encode(key, b"&=", &mut path);
            path.push(b'=');
            encode(value, b"&", &mut path);
            delimiter = b'&';
        }
    }
    request.set(Known::Path, &path);
}

/// Only what could not stand in a query, or would mean something else there.
fn encode(text: &[u8], special: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text {
        let stays = byte.is_ascii_graphic()
            && !matches!(byte, b'%' | b'#' | b'+')
            && !special.contains(byte);
        if stays {
            out.push(*byte);
            continue;
        }
        let digit = |number: u8| DIGITS.get(usize::from(number)).copied();
        out.push(b'%');
        out.extend(digit(byte >> 4));
        out.extend(digit(byte & 15));
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
