//! Query parameters as Envoy's filters read and write them: a query is written anew with its parameters sorted by name.

use std::collections::BTreeMap;

use nuncio_contract::headers::{HeaderMap, Known};

fn query(request: &HeaderMap) -> Option<&[u8]> {
    let path = request.get(Known::Path)?;
    let at = path.iter().position(|byte| *byte == b'?')?;
    path.get(at + 1..)
}

/// The value of the first parameter of this name, decoded.
pub(crate) fn first(request: &HeaderMap, name: &[u8]) -> Option<Vec<u8>> {
    let mut all = parameters(query(request)?);
    all.find_map(|(key, value)| (key == name).then_some(value))
}

/// The same as it stands there.
pub(crate) fn first_raw<'r>(request: &'r HeaderMap, name: &[u8]) -> Option<&'r [u8]> {
    let pieces = query(request)?.split(|byte| *byte == b'&');
    let mut pairs = pieces.map(|piece| {
        let at = piece.iter().position(|byte| *byte == b'=');
        let (key, value) = piece.split_at(at.unwrap_or(piece.len()));
        (key, value.get(1..).unwrap_or_default())
    });
    pairs.find_map(|(key, value)| (key == name).then_some(value))
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

/// Takes the parameters of this name out of the request.
pub(crate) fn remove(request: &mut HeaderMap, name: &[u8]) {
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
