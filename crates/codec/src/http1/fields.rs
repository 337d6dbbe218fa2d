//! Header lines, one at a time: the name, the value, continuation lines joined.

use std::borrow::Cow;

use memchr::{memchr, memchr2};
use nuncio_contract::headers::{HeaderMap, Known, is_token};

use super::error::Error;
use super::framing::{FramingLines, INVALID_LENGTH};
use super::head::{Blank, blank_line_at, has_invalid_characters};
use super::scan::{name_end, value_end};

const MISSING_COLON: Error = Error::Syntax("HPE_INVALID_HEADER_TOKEN");
const INVALID_NAME: Error = Error::Syntax("INVALID_HEADER_NAME_CHARACTER");

/// What stands at some place of a head or of trailers.
pub(super) enum Field<'a> {
    /// A header, and where the next line begins.
    Header(HeaderLine<'a>, usize),
    /// The blank line; what follows begins at this offset.
    End(usize),
    /// The line is not complete.
    Partial,
}

/// A header as it came: a valid name in any case, a valid and trimmed value.
pub(super) struct HeaderLine<'a> {
    pub(super) name: &'a [u8],
    pub(super) known: Option<Known>,
    pub(super) value: Cow<'a, [u8]>,
    /// The whole line with its end, where it is in the usual form: one space before the value, none behind.
    usual: Option<&'a [u8]>,
}

impl HeaderLine<'_> {
    /// Adds it to a map.
    #[inline(always)]
    pub(super) fn append_to(&self, headers: &mut HeaderMap) {
        match self.usual {
            Some(line) => headers.append_line(self.known, line, self.name.len()),
            None => headers.append_found(self.known, self.name, &self.value),
        }
    }
}

/// Reads the header line that begins at `at`.
#[inline(always)]
pub(super) fn field_at(input: &[u8], at: usize) -> Result<Field<'_>, Error> {
    let rest = input.get(at..).unwrap_or_default();
    // The usual line: no space before the colon, nothing odd in the value, CR LF,
    // and no continuation.
    if let Some((name, [b':', rest @ ..])) = rest.split_at_checked(name_end(rest))
        && let Some((value, [b'\r', b'\n', after, ..])) = rest.split_at_checked(value_end(rest))
        && !matches!(after, b' ' | b'\t')
    {
        let known = known_or_token(name)?;
        let next = at + name.len() + 1 + value.len() + 2;
        let (value, usual) = match value {
            [b' ', rest @ ..] if matches!(rest, [b'!'..=0xff, .., b'!'..=0xff]) => {
                (rest, input.get(at..next))
            }
            _ => (trim(value), None),
        };
        let line = HeaderLine {
            name,
            known,
            value: Cow::Borrowed(value),
            usual,
        };
        return Ok(Field::Header(line, next));
    }
    unusual_field_at(input, at)
}

/// The same for what is not a usual line.
#[cold]
fn unusual_field_at(input: &[u8], at: usize) -> Result<Field<'_>, Error> {
    match blank_line_at(input, at) {
        Blank::Yes(end) => return Ok(Field::End(end)),
        Blank::Unknown => return Ok(Field::Partial),
        Blank::No => {}
    }
    let rest = input.get(at..).unwrap_or_default();
    let Some(mut line_len) = memchr(b'\n', rest) else {
        return Ok(Field::Partial);
    };
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
        line_len += 1 + more;
    }
    let mut line = split(rest.get(..line_len).unwrap_or_default())?;
    line.value = Cow::Owned(without_cr_lf(&line.value, line.known)?);
    Ok(Field::Header(line, at + line_len + 1))
}

/// Splits at the colon; the name must be a token.
fn split(line: &[u8]) -> Result<HeaderLine<'_>, Error> {
    let colon = memchr(b':', line).ok_or(MISSING_COLON)?;
    let (name, value) = line.split_at(colon);
    Ok(HeaderLine {
        name,
        known: known_or_token(name)?,
        value: Cow::Borrowed(value.get(1..).unwrap_or_default()),
        usual: None,
    })
}

#[inline]
fn known_or_token(name: &[u8]) -> Result<Option<Known>, Error> {
    let known = Known::find(name);
    if known.is_none() && (name.is_empty() || !is_token(name)) {
        return Err(INVALID_NAME);
    }
    Ok(known)
}

/// Takes out CR and LF, which Envoy drops from within a value, and trims. Nothing is taken out of what frames a
/// body: others may read `5\r5` as 5, Envoy's own parser and its header map read `chun\rked` differently.
#[cold]
fn without_cr_lf(value: &[u8], known: Option<Known>) -> Result<Vec<u8>, Error> {
    if has_invalid_characters(value) {
        return Err(Error::InvalidCharacters);
    }
    let value = trim(value);
    match known {
        Some(Known::ContentLength) if has_line_end(value) => return Err(INVALID_LENGTH),
        Some(Known::TransferEncoding) if has_line_end(value) => {
            return Err(Error::InvalidTransferEncoding);
        }
        _ => {}
    }
    let kept: Vec<u8> = value
        .iter()
        .copied()
        .filter(|byte| !matches!(byte, b'\r' | b'\n'))
        .collect();
    Ok(trim(&kept).to_vec())
}

fn has_line_end(value: &[u8]) -> bool {
    memchr2(b'\r', b'\n', value).is_some()
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

/// What is wrong with the headers that follow those of which `framing` took note: what else is wrong with a head is
/// told only if all its lines are well-formed.
#[cold]
pub(super) fn syntax_error_from(
    input: &[u8],
    mut at: usize,
    mut framing: FramingLines,
) -> Option<Error> {
    loop {
        match field_at(input, at) {
            Ok(Field::Header(line, next)) => {
                if let Err(error) = framing.note(line.known, &line.value) {
                    return Some(error);
                }
                at = next;
            }
            Ok(Field::End(_)) => return framing.check_length().err(),
            Ok(Field::Partial) => return None,
            Err(error) => return Some(error),
        }
    }
}
