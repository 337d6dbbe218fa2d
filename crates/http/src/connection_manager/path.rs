//! Path normalisation: RFC 3986 dot segments and escapes, doubled slashes, escaped slashes.
//! One normalised path serves matching, filters, the upstream and the log. A path with a fragment is refused, or cut
//! before it where the runtime says so (`envoy.reloadable_features.http_reject_path_with_fragment`).
//!
//! Safer than Envoy: parameters of a dot segment (`/a/..;x/b`) are dropped also where its dots are escaped.

use std::borrow::Cow;

use nuncio_contract::headers::{HeaderMap, Known};

use super::config::RequestOptions;
use crate::config::connection_manager::EscapedSlashesAction;

/// What comes of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Normalized {
    /// The request goes on, its path perhaps changed.
    Continue,
    /// 400.
    Reject,
    /// 307 to the changed path.
    Redirect,
}

#[cold]
fn cut(headers: &mut HeaderMap, length: usize) {
    let path = headers.get(Known::Path).unwrap_or_default();
    let kept = path.get(..length).unwrap_or_default().to_vec();
    headers.set(Known::Path, &kept);
}

/// Normalises `:path` as the options say.
pub(super) fn normalize(headers: &mut HeaderMap, options: &RequestOptions) -> Normalized {
    let fragment = headers
        .get(Known::Path)
        .and_then(|path| memchr::memchr(b'#', path));
    if let Some(fragment) = fragment {
        if options.rejects_fragments.boolean(true) {
            return Normalized::Reject;
        }
        cut(headers, fragment);
    }
    let keeps_escapes = matches!(
        options.escaped_slashes,
        EscapedSlashesAction::Default | EscapedSlashesAction::KeepUnchanged
    );
    if !options.normalize_path && !options.merge_slashes && keeps_escapes {
        return Normalized::Continue;
    }
    let Some(old) = headers.get(Known::Path) else {
        return Normalized::Continue;
    };
    let split = memchr::memchr2(b'?', b'#', old).unwrap_or(old.len());
    let (path, rest) = old.split_at_checked(split).unwrap_or((old, b""));
    let mut path = path.to_vec();
    let mut outcome = Normalized::Continue;
    if !keeps_escapes {
        let unescaped = unescape_slashes(&path);
        if unescaped != path {
            outcome = match options.escaped_slashes {
                EscapedSlashesAction::RejectRequest => Normalized::Reject,
                EscapedSlashesAction::UnescapeAndRedirect => Normalized::Redirect,
                _ => outcome,
            };
            path = unescaped;
        }
    }
    if options.normalize_path && outcome != Normalized::Reject {
        match canonical(&path) {
            Some(canonical) => path = canonical,
            None => outcome = Normalized::Reject,
        }
    }
    if options.merge_slashes && outcome != Normalized::Reject {
        merge_slashes(&mut path);
    }
    path.extend_from_slice(rest);
    headers.set(Known::Path, &path);
    outcome
}

/// A path of nothing but slashes keeps the first and the last one.
fn merge_slashes(path: &mut Vec<u8>) {
    let has_some = path.len() > 1;
    path.dedup_by(|next, previous| *next == b'/' && *previous == b'/');
    if has_some && path == b"/" {
        path.push(b'/');
    }
}

fn unescape_slashes(path: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((first, tail)) = rest.split_first() {
        let escaped = rest.get(..3).and_then(|triple| match triple {
            b"%2f" | b"%2F" => Some(b'/'),
            b"%5c" | b"%5C" => Some(b'\\'),
            _ => None,
        });
        match escaped {
            Some(slash) => {
                out.push(slash);
                rest = rest.get(3..).unwrap_or_default();
            }
            None => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    out
}

/// Dot segments resolved, `\` taken for `/`, unreserved characters unescaped, others escaped. None for what
/// can't be a path.
fn canonical(path: &[u8]) -> Option<Vec<u8>> {
    if !path.starts_with(b"/") {
        return None;
    }
    let decoded = decode_unreserved(&without_parameters_of_dots(path))?;
    let mut segments: Vec<&[u8]> = Vec::new();
    let mut ends_in_slash = false;
    let mut parts = decoded
        .split(|byte| matches!(byte, b'/' | b'\\'))
        .skip(1)
        .peekable();
    while let Some(segment) = parts.next() {
        ends_in_slash = matches!(segment, b"" | b"." | b"..");
        match segment {
            b"." => {}
            b".." => {
                segments.pop();
            }
            b"" if parts.peek().is_none() => {}
            other => segments.push(other),
        }
    }
    let mut out = Vec::with_capacity(decoded.len());
    for segment in &segments {
        out.push(b'/');
        out.extend_from_slice(segment);
    }
    if ends_in_slash || out.is_empty() {
        out.push(b'/');
    }
    Some(out)
}

/// Servers that know parameters of segments take `..;x` for `..`.
fn without_parameters_of_dots(path: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b';', path).is_none() {
        return Cow::Borrowed(path);
    }
    let bare = |segment| match memchr::memchr(b';', segment) {
        Some(end) if is_dots(segment.split_at(end).0) => segment.split_at(end).0,
        _ => segment,
    };
    let segments: Vec<&[u8]> = path.split(|byte| *byte == b'/').map(bare).collect();
    Cow::Owned(segments.join(&b'/'))
}

fn is_dots(segment: &[u8]) -> bool {
    matches!(decode_unreserved(segment).as_deref(), Some(b"." | b".."))
}

fn decode_unreserved(path: &[u8]) -> Option<Vec<u8>> {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = Vec::with_capacity(path.len());
    let mut bytes = path.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let mut ahead = bytes.clone();
                let digits = (ahead.next().and_then(hex), ahead.next().and_then(hex));
                let (Some(high), Some(low)) = digits else {
                    out.push(b'%');
                    continue;
                };
                let decoded = (high << 4) | low;
                if decoded == 0 {
                    return None;
                }
                let original = bytes.by_ref().take(2).collect::<Vec<_>>();
                if is_unreserved(decoded) {
                    out.push(decoded);
                } else {
                    out.push(b'%');
                    out.extend_from_slice(&original);
                }
            }
            0x21..=0x7e
                if !matches!(byte, b'"' | b'<' | b'>' | b'`' | b'{' | b'|' | b'}' | b'^') =>
            {
                out.push(byte)
            }
            other => out.extend_from_slice(&[
                b'%',
                HEX[usize::from(other >> 4)],
                HEX[usize::from(other & 0x0f)],
            ]),
        }
    }
    Some(out)
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn each_becomes(cases: &[(&[u8], &[u8])]) {
        for &(path, expected) in cases {
            let text = String::from_utf8_lossy(path);
            assert_eq!(canonical(path).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn dot_segments_and_backslashes_are_resolved() {
        let cases: [(&[u8], &[u8]); 10] = [
            (b"/a/./b/../c", b"/a/c"),
            (b"/a/..", b"/"),
            (b"/../../x", b"/x"),
            (b"/a\\b", b"/a/b"),
            (b"/%61%2fb", b"/a%2fb"),
            (b"/a/", b"/a/"),
            (b"/a//b", b"/a//b"),
            (b"//a/..", b"//"),
            (b"///..", b"//"),
            (b"/a|b", b"/a%7Cb"),
        ];
        each_becomes(&cases);
    }

    #[test]
    fn parameters_of_a_dot_segment_do_not_hide_it() {
        let cases: [(&[u8], &[u8]); 8] = [
            (b"/public/..;/admin", b"/admin"),
            (b"/public/..;x=y/admin", b"/admin"),
            (b"/public/%2e%2E;x/admin", b"/admin"),
            (b"/public/.;/../admin", b"/admin"),
            (b"/a/..;", b"/"),
            (b"/a/..;\\b", b"/"),
            (b"/a;x/b", b"/a;x/b"),
            (b"/a/...;x/b", b"/a/...;x/b"),
        ];
        each_becomes(&cases);
    }

    #[test]
    fn an_escaped_nul_is_no_path() {
        assert_eq!(canonical(b"/a%00b"), None);
    }
}
