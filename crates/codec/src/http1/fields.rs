//! Header lines, one at a time: the name, the value, continuation lines joined.

use std::borrow::Cow;

use memchr::memchr;
use nuncio_contract::headers::{is_token_byte, is_valid_value};

use super::error::Error;
use super::head::{Blank, blank_line_at};

const MISSING_COLON: Error = Error::Syntax("HPE_INVALID_HEADER_TOKEN");
const INVALID_NAME: Error = Error::Syntax("INVALID_HEADER_NAME_CHARACTER");

/// What stands at some place of a head or of trailers.
pub(super) enum Field<'a> {
    /// A header, and where the next line begins.
    Header {
        name: &'a [u8],
        value: Cow<'a, [u8]>,
        next: usize,
    },
    /// The blank line; what follows begins at this offset.
    End(usize),
    /// The line is not complete.
    Partial,
}

/// Reads the header line that begins at `at`.
#[inline]
pub(super) fn field_at(input: &[u8], at: usize) -> Result<Field<'_>, Error> {
    match blank_line_at(input, at) {
        Blank::Yes(end) => return Ok(Field::End(end)),
        Blank::Unknown => return Ok(Field::Partial),
        Blank::No => {}
    }
    let rest = input.get(at..).unwrap_or_default();
    let Some(mut line_len) = memchr(b'\n', rest) else {
        return Ok(Field::Partial);
    };
    let mut folded = false;
    // A line that begins with white space continues the one before.
    loop {
        match rest.get(line_len + 1) {
            None => return Ok(Field::Partial),
            Some(b' ' | b'\t') => {}
            Some(_) => break,
        }
        let continued = rest.get(line_len + 1..).unwrap_or_default();
        let Some(more) = memchr(b'\n', continued) else {
            return Ok(Field::Partial);
        };
        folded = true;
        line_len += 1 + more;
    }
    let next = at + line_len + 1;
    let line = rest.get(..line_len).unwrap_or_default();
    let (name, value) = split(line)?;
    let value = clean_value(value, folded)?;
    Ok(Field::Header { name, value, next })
}

/// Splits at the colon; the name must be a token.
#[inline]
fn split(line: &[u8]) -> Result<(&[u8], &[u8]), Error> {
    let Some(colon) = line.iter().position(|byte| !is_token_byte(*byte)) else {
        return Err(MISSING_COLON);
    };
    match line.split_at_checked(colon) {
        Some((name, [b':', value @ ..])) if !name.is_empty() => Ok((name, value)),
        _ => Err(INVALID_NAME),
    }
}

/// Trims the value and takes out CR and LF, which Envoy drops from within a value.
#[inline]
fn clean_value(value: &[u8], folded: bool) -> Result<Cow<'_, [u8]>, Error> {
    let value = trim(value);
    if !folded && is_valid_value(value) {
        return Ok(Cow::Borrowed(value));
    }
    let kept: Vec<u8> = value
        .iter()
        .copied()
        .filter(|byte| !matches!(byte, b'\r' | b'\n'))
        .collect();
    let kept = trim(&kept);
    if !is_valid_value(kept) {
        return Err(Error::InvalidCharacters);
    }
    Ok(Cow::Owned(kept.to_vec()))
}

/// Without white space, CR and LF at both ends.
#[inline]
pub(super) fn trim(bytes: &[u8]) -> &[u8] {
    let mut bytes = bytes;
    while let [b' ' | b'\t' | b'\r' | b'\n', rest @ ..] = bytes {
        bytes = rest;
    }
    while let [rest @ .., b' ' | b'\t' | b'\r' | b'\n'] = bytes {
        bytes = rest;
    }
    bytes
}
