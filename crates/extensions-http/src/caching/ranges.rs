//! The part of a kept body that a request asks for: one range of bytes; several, or what is none, count for nothing.

use std::ops::Range;

/// What a `range` header comes to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// All of it.
    Whole,
    /// These bytes.
    Bytes(Range<usize>),
    /// What there is not.
    Nothing,
}

/// What `header` asks for of so many bytes.
pub(crate) fn part(header: Option<&[u8]>, length: usize) -> Part {
    let Some((first, last)) = header.and_then(parse) else {
        return Part::Whole;
    };
    if length == 0 {
        return Part::Nothing;
    }
    let range = match (first, last) {
        (None, None | Some(0)) => return Part::Nothing,
        (None, Some(suffix)) => length.saturating_sub(suffix)..length,
        (Some(first), _) if first >= length => return Part::Nothing,
        (Some(first), last) => {
            first..last.map_or(length, |last| length.min(last.saturating_add(1)))
        }
    };
    match range == (0..length) {
        true => Part::Whole,
        false => Part::Bytes(range),
    }
}

/// The first and the last byte, or how many of the last.
fn parse(header: &[u8]) -> Option<(Option<usize>, Option<usize>)> {
    let text = str::from_utf8(header).ok()?;
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    let range = (position(first)?, position(last)?);
    match range {
        (None, None) => None,
        (Some(first), Some(last)) if first > last => None,
        range => Some(range),
    }
}

/// A number, or nothing; none if it is neither.
#[expect(clippy::option_option, reason = "a range may leave either side away")]
fn position(text: &str) -> Option<Option<usize>> {
    match text {
        "" => Some(None),
        _ if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok().map(Some),
        _ => None,
    }
}
