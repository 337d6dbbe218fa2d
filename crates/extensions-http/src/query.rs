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

/// The first value of each name, as they stand there.
pub(crate) fn all_raw(request: &HeaderMap) -> BTreeMap<&[u8], &[u8]> {
    let mut all = BTreeMap::new();
    for (name, value) in raw_parameters(query(request).unwrap_or_default()) {
        all.entry(name).or_insert(value);
    }
    all
}

/// Names and values, decoded.
fn parameters(query: &[u8]) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> {
    raw_parameters(query).map(|(name, value)| (decoded(name), decoded(value)))
}

/// Names and values as they stand there. An empty piece at the end is no parameter, one in the middle is.
fn raw_parameters(query: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let query = query.strip_suffix(b"&").unwrap_or(query);
    let pieces = query
        .split(|byte| *byte == b'&')
        .filter(|_| !query.is_empty());
    pieces.map(|piece| {
        let at = piece.iter().position(|byte| *byte == b'=');
        let (name, value) = piece.split_at(at.unwrap_or(piece.len()));
        (name, value.get(1..).unwrap_or_default())
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

/// The parameters of a request that is to have others.
///
/// Of what is not changed only those escapes are decoded that mean nothing else then. Envoy decodes all, so that an
/// escaped `&` becomes another parameter and an escaped space ends the request line.
#[derive(Debug, Default)]
pub(crate) struct Parameters {
    /// Decoded names, and pieces as they stand in the query.
    by_name: BTreeMap<Vec<u8>, Vec<Vec<u8>>>,
}

impl Parameters {
    /// Those of the request; none if it has no path.
    pub(crate) fn of(request: &HeaderMap) -> Option<Self> {
        request.get(Known::Path)?;
        let mut parameters = Parameters::default();
        for (name, value) in raw_parameters(query(request).unwrap_or_default()) {
            let pieces = parameters.by_name.entry(decoded(name)).or_default();
            let mut piece = Vec::with_capacity(name.len() + value.len() + 1);
            respell(name, b"&=", &mut piece);
            piece.push(b'=');
            respell(value, b"&", &mut piece);
            pieces.push(piece);
        }
        Some(parameters)
    }

    pub(crate) fn contains(&self, name: &[u8]) -> bool {
        self.by_name.contains_key(name)
    }

    pub(crate) fn remove(&mut self, name: &[u8]) {
        self.by_name.remove(name);
    }

    pub(crate) fn add(&mut self, name: &[u8], value: &[u8]) {
        let mut piece = Vec::with_capacity(name.len() + value.len() + 1);
        encode(name, b"&=", &mut piece);
        piece.push(b'=');
        encode(value, b"&", &mut piece);
        self.by_name.entry(name.to_vec()).or_default().push(piece);
    }

    pub(crate) fn overwrite(&mut self, name: &[u8], value: &[u8]) {
        self.remove(name);
        self.add(name, value);
    }

    /// Makes them those of the request.
    pub(crate) fn write(&self, request: &mut HeaderMap) {
        let path = request.get(Known::Path).unwrap_or_default();
        let end = path.iter().position(|byte| *byte == b'?');
        let end = end.unwrap_or(path.len());
        let mut path = path.get(..end).unwrap_or_default().to_vec();
        let mut delimiter = b'?';
        for piece in self.by_name.values().flatten() {
            path.push(delimiter);
            path.extend_from_slice(piece);
            delimiter = b'&';
        }
        request.set(Known::Path, &path);
    }
}

/// Takes the parameters of this name out of the request.
pub(crate) fn remove(request: &mut HeaderMap, name: &[u8]) {
    let Some(mut parameters) = query(request).and_then(|_| Parameters::of(request)) else {
        return;
    };
    parameters.remove(name);
    parameters.write(request);
}

/// Whether a byte says itself in a query.
fn stays(byte: u8, special: &[u8]) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'%' | b'#' | b'+') && !special.contains(&byte)
}

/// Decodes the escapes of bytes that say themselves.
fn respell(text: &[u8], special: &[u8], out: &mut Vec<u8>) {
    let digit = |at: usize| char::from(*text.get(at)?).to_digit(16);
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        let escaped = match (digit(at + 1), digit(at + 2)) {
            (Some(high), Some(low)) if *byte == b'%' => u8::try_from(high * 16 + low).ok(),
            _ => None,
        };
        match escaped.filter(|byte| stays(*byte, special)) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(*byte);
                at += 1;
            }
        }
    }
}

/// Only what could not stand in a query, or would mean something else there.
fn encode(text: &[u8], special: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text {
        if stays(*byte, special) {
            out.push(*byte);
            continue;
        }
        let digit = |number: u8| DIGITS.get(usize::from(number)).copied();
        out.push(b'%');
        out.extend(digit(byte >> 4));
        out.extend(digit(byte & 15));
    }
}

#[cfg(test)]
mod tests {
    use nuncio_contract::headers::MapKind;

    use super::*;

    fn after(path: &str, change: impl FnOnce(&mut Parameters)) -> String {
        let mut request = HeaderMap::new(MapKind::Request);
        request.set(Known::Path, path.as_bytes());
        let mut parameters = Parameters::of(&request).unwrap();
        change(&mut parameters);
        parameters.write(&mut request);
        String::from_utf8(request.get(Known::Path).unwrap().to_vec()).unwrap()
    }

    #[test]
    fn parameters_are_sorted_and_keep_the_escapes_that_matter() {
        let path = "/p?z=1&a=%41%20%26+&%62=%0d%0a&q";
        assert_eq!(after(path, |_| {}), "/p?a=A%20%26+&b=%0d%0a&q=&z=1");
        assert_eq!(after("/p?", |_| {}), "/p");
        assert_eq!(after("/p?a=%4", |_| {}), "/p?a=%4");
    }

    #[test]
    fn what_is_added_is_one_parameter() {
        let added = after("/p?a=1", |parameters| {
            parameters.add(b"a", b"x&y=\r\n 2");
            parameters.add(b"n=&", b"");
            parameters.overwrite(b"a ", b"1+1");
        });
        assert_eq!(added, "/p?a=1&a=x%26y=%0D%0A%202&a%20=1%2B1&n%3D%26=");
        let removed = after("/p?%61=1&b=2&a=3", |parameters| parameters.remove(b"a"));
        assert_eq!(removed, "/p?b=2");
    }
}
