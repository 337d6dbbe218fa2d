//! What of a request is signed, in the one form that both sides make of it.

use std::collections::BTreeMap;

use nuncio_config::typed::{Ctx, Refused};
use nuncio_contract::headers::{HeaderMap, Known};
use nuncio_contract::matching::{CompiledStringMatcher, StringMatcher};

/// Change on the way, and so are left out.
const LEFT_OUT: [&[u8]; 3] = [b"x-forwarded-for", b"x-forwarded-proto", b"x-amzn-trace-id"];
/// Are always signed, and what begins like the last one.
const CONTENT_TYPE: &[u8] = b"content-type";
const AMAZON: &[u8] = b"x-amz-";
const DIGITS: &[u8; 16] = b"0123456789ABCDEF";

/// Which headers are signed.
#[derive(Default)]
pub(crate) struct Choice {
    /// None: all that are not left out.
    pub(crate) included: Box<[CompiledStringMatcher]>,
    pub(crate) excluded: Box<[CompiledStringMatcher]>,
}

impl Choice {
    /// Compiles both lists.
    pub(crate) fn compile(
        included: &[StringMatcher],
        excluded: &[StringMatcher],
        ctx: &mut Ctx,
    ) -> Result<Self, Refused> {
        let mut all = |matchers: &[StringMatcher]| {
            let matchers = matchers.iter();
            let matchers = matchers.map(|matcher| CompiledStringMatcher::compile(matcher, ctx));
            matchers.collect::<Result<_, _>>()
        };
        Ok(Choice {
            included: all(included)?,
            excluded: all(excluded)?,
        })
    }

    fn takes(&self, name: &[u8]) -> bool {
        let any = |matchers: &[CompiledStringMatcher]| matchers.iter().any(|it| it.matches(name));
        if name == CONTENT_TYPE || name.starts_with(AMAZON) {
            return true;
        }
        match self.included.is_empty() {
            false => any(&self.included),
            true => !LEFT_OUT.contains(&name) && !any(&self.excluded),
        }
    }
}

/// Headers by name, several of one name joined.
pub(crate) fn headers(request: &HeaderMap, choice: &Choice) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut all: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    for header in request.iter_regular() {
        if header.value.is_empty() || !choice.takes(header.name) {
            continue;
        }
        let value = without_extra_spaces(header.value);
        let known = all.entry(header.name.to_vec());
        known
            .and_modify(|known| {
                known.push(b',');
                known.extend_from_slice(&value);
            })
            .or_insert(value);
    }
    let host = request.get(Known::Authority).unwrap_or_default();
    if !host.is_empty() {
        let mut parts = host
            .split(|byte| *byte == b':')
            .filter(|part| !part.is_empty());
        let (name, port) = (parts.next().unwrap_or_default(), parts.next());
        let is_default = matches!(port, Some(b"80" | b"443"));
        let host = if is_default { name } else { host };
        all.entry(b"host".to_vec()).or_insert_with(|| host.to_vec());
    }
    all
}

/// The names of headers.
pub(crate) fn names(headers: &BTreeMap<Vec<u8>, Vec<u8>>) -> Vec<u8> {
    let names: Vec<_> = headers.keys().map(Vec::as_slice).collect();
    names.join(&b';')
}

fn without_extra_spaces(value: &[u8]) -> Vec<u8> {
    let words = value.split(u8::is_ascii_whitespace);
    let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
    words.join(&b' ')
}

/// The request.
pub(crate) fn request(
    request: &HeaderMap,
    headers: &BTreeMap<Vec<u8>, Vec<u8>>,
    content_hash: &str,
    keeps_path: bool,
) -> Vec<u8> {
    let target = request.get(Known::Path).unwrap_or_default();
    let end = target.iter().position(|byte| *byte == b'?');
    let (path, query) = target.split_at(end.unwrap_or(target.len()));
    let path = match keeps_path {
        true if is_encoded(path) => path.to_vec(),
        true => encoded(path, b"/"),
        false => encoded(&normal_path(path), b"/"),
    };
    let method = request.get(Known::Method).unwrap_or_default();
    let mut out = [method, b"\n", &path, b"\n"].concat();
    out.extend(self::query(query.get(1..).unwrap_or_default()));
    out.push(b'\n');
    for (name, value) in headers {
        out.extend([name, &b":"[..], value, b"\n"].concat());
    }
    out.extend([b"\n", &*names(headers), b"\n", content_hash.as_bytes()].concat());
    out
}

/// Whether nothing in a path has to be encoded any more.
fn is_encoded(path: &[u8]) -> bool {
    let mut bytes = path.iter();
    bytes.all(|byte| byte.is_ascii_alphanumeric() || b"-._~/%".contains(byte))
}

/// Without empty segments, `.` and `..`.
fn normal_path(path: &[u8]) -> Vec<u8> {
    let mut segments: Vec<&[u8]> = Vec::new();
    for segment in path.split(|byte| *byte == b'/') {
        match segment {
            b"" | b"." => {}
            // Envoy keeps the root as a segment where there is nothing to leave.
            b".." => match segments.is_empty() {
                true => segments.push(b"/"),
                false => drop(segments.pop()),
            },
            segment => segments.push(segment),
        }
    }
    let mut normal = [&b"/"[..], &segments.join(&b'/')].concat();
    if path.ends_with(b"/") && normal.len() > 1 {
        normal.push(b'/');
    }
    normal
}

/// The query, sorted by what it is once it is encoded.
fn query(query: &[u8]) -> Vec<u8> {
    let pieces = query
        .split(|byte| *byte == b'&')
        .filter(|piece| !piece.is_empty());
    let mut pairs: Vec<_> = pieces
        .map(|piece| {
            let end = piece.iter().position(|byte| *byte == b'=');
            let (name, value) = piece.split_at(end.unwrap_or(piece.len()));
            let value = value.get(1..).unwrap_or_default();
            match name {
                // It was encoded when it was put there.
                b"X-Amz-Security-Token" => (name.to_vec(), value.to_vec()),
                name => (component(&decoded(name)), component(&decoded(value))),
            }
        })
        .collect();
    pairs.sort();
    let pairs: Vec<_> = pairs
        .iter()
        .map(|(name, value)| [&**name, &**value].join(&b'='))
        .collect();
    pairs.join(&b'&')
}

/// A name or value of a query, in which a plus is a space.
pub(crate) fn component(text: &[u8]) -> Vec<u8> {
    let spaced: Vec<u8> = text
        .iter()
        .map(|byte| if *byte == b'+' { b' ' } else { *byte })
        .collect();
    encoded(&spaced, b"")
}

/// All but what needs it not (RFC 3986) and `also`.
pub(crate) fn encoded(text: &[u8], also: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for byte in text {
        let stays = byte.is_ascii_alphanumeric() || b"-._~".contains(byte) || also.contains(byte);
        if stays {
            out.push(*byte);
            continue;
        }
        let digit = |number: u8| DIGITS.get(usize::from(number)).copied();
        out.push(b'%');
        out.extend(digit(byte >> 4));
        out.extend(digit(byte & 15));
    }
    out
}

fn decoded(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let digit = |at: usize| char::from(*text.get(at)?).to_digit(16);
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match (digit(at + 1), digit(at + 2)) {
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
