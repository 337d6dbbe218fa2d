//! A request's cookies, as Envoy reads them: spaces before a name and quotes around a value do not count, and what has
//! no `=` is none.

use crate::headers::{HeaderMap, Known};

/// All of them, name and value, in order.
pub fn all(headers: &HeaderMap) -> impl Iterator<Item = (&[u8], &[u8])> {
    headers
        .get_all(Known::Cookie)
        .flat_map(|header| header.split(|byte| *byte == b';'))
        .filter_map(|pair| {
            let at = pair.iter().position(|byte| *byte == b'=')?;
            let (name, value) = (pair.get(..at)?, pair.get(at + 1..)?);
            let spaces = name.iter().take_while(|byte| **byte == b' ').count();
            Some((name.get(spaces..)?, unquoted(value)))
        })
}

/// The first cookie of this name; an empty one is as good as none.
pub fn find<'a>(headers: &'a HeaderMap, name: &[u8]) -> Option<&'a [u8]> {
    first(headers, name).filter(|value| !value.is_empty())
}

/// The first cookie of this name, be it empty.
pub fn first<'a>(headers: &'a HeaderMap, name: &[u8]) -> Option<&'a [u8]> {
    all(headers).find_map(|(key, value)| (key == name).then_some(value))
}

fn unquoted(value: &[u8]) -> &[u8] {
    let inner = value
        .strip_prefix(b"\"")
        .and_then(|rest| rest.strip_suffix(b"\""));
    inner.unwrap_or(value)
}
