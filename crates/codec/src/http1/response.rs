//! Decoding the head of a response.

use memchr::memchr;
use nuncio_contract::headers::{HeaderMap, Known, MapKind};

use super::case;
use super::connection::{is_upgrade, keeps_upgrade, should_close};
use super::error::Error;
use super::fields::{Field, field_at, syntax_error_from, trim};
use super::framing::{BodyFraming, Framed, FramingLines};
use super::head::{
    HeadScan, first_error, has_invalid_characters, received_head_bytes, split_at_white_space,
};
use super::scan::value_end;
use super::settings::Http1Settings;
use super::version::{Version, parse_version};

/// What the request was, as far as its response is framed by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestSent {
    /// It was `HEAD`.
    pub head: bool,
    /// It was `CONNECT`.
    pub connect: bool,
    /// It asked for an upgrade.
    pub upgrade: bool,
}

/// What a response's head says beside its headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseHead {
    /// How many bytes the head takes.
    pub head_len: usize,
    /// What Envoy counts as header bytes: for each header its name, its value and 3.
    pub header_bytes: usize,
    /// Its version.
    pub version: Version,
    /// Its status; `:status` holds it too.
    pub status: u16,
    /// How its body is delimited.
    pub framing: BodyFraming,
    /// Whether the connection may carry another request after this response.
    pub keep_alive: bool,
}

impl ResponseHead {
    /// Whether another head follows on this one: 1xx other than 101.
    pub fn is_informational(&self) -> bool {
        matches!(self.status, 100..=199) && self.status != 101
    }

    /// Whether it says nothing to anybody: 1xx that Envoy does not know.
    pub fn is_unknown_informational(&self) -> bool {
        matches!(self.status, 105..=199)
    }
}

/// Decodes the head at the start of `input` into `headers`, which is reset.
///
/// `Ok(None)` means that it is not complete: call again with the same bytes and
/// more, and the same `scan`. Use a fresh `scan` for the next head, which after an
/// informational one belongs to the same request.
///
/// # Errors
/// What is wrong with the response; the router answers 502 and the connection
/// cannot be used again.
pub fn decode_response_head(
    settings: &Http1Settings,
    sent: RequestSent,
    input: &[u8],
    scan: &mut HeadScan,
    headers: &mut HeaderMap,
) -> Result<Option<ResponseHead>, Error> {
    match input.first() {
        None => return Ok(None),
        Some(b'H') => {}
        Some(_) => return Err(Error::Syntax("HPE_INVALID_CONSTANT")),
    }
    if !scan.is_worth_reading(input) {
        scan.incomplete(input, settings.max_headers_bytes)?;
        return Ok(None);
    }
    headers.reset(MapKind::Response);
    let limit = settings.max_headers_bytes;
    let read = match read_first_line(input) {
        Ok(Some(line)) => read_head(settings, sent, input, line, headers),
        Ok(None) => Ok(None),
        Err(Error::InvalidCharacters) => Err(Error::InvalidCharacters),
        Err(error) => return Err(first_error(input, 0, limit, error).unwrap_or(error)),
    };
    let head = match read {
        Ok(head) => head,
        Err(error) => match first_error(input, 0, limit, error) {
            Some(error) => return Err(error),
            None => None,
        },
    };
    match head {
        Some(head) if head.head_len > limit => Err(Error::HeadersTooLarge),
        Some(head) => Ok(Some(head)),
        None => {
            headers.clear();
            scan.incomplete(input, limit)?;
            Ok(None)
        }
    }
}

struct FirstLine<'a> {
    version: Version,
    status: u16,
    reason: &'a [u8],
    /// Where the header lines begin.
    end: usize,
}

/// Reads the first line, the usual way: `HTTP/1.1`, three digits, a reason without odd bytes.
#[inline]
fn read_usual_first_line(input: &[u8]) -> Option<FirstLine<'_>> {
    let rest = input.strip_prefix(b"HTTP/1.1 ")?;
    let (digits, rest) = rest.split_first_chunk::<3>()?;
    let rest = rest.strip_prefix(b" ")?;
    let (reason, rest) = rest.split_at_checked(value_end(rest))?;
    rest.strip_prefix(b"\r\n")?;
    Some(FirstLine {
        version: Version::Http11,
        status: parse_status(digits).ok()?,
        reason: trim(reason),
        end: b"HTTP/1.1 200 ".len() + reason.len() + b"\r\n".len(),
    })
}

#[inline]
fn read_first_line(input: &[u8]) -> Result<Option<FirstLine<'_>>, Error> {
    if let Some(line) = read_usual_first_line(input) {
        return Ok(Some(line));
    }
    let Some(len) = memchr(b'\n', input) else {
        return Ok(None);
    };
    let line = input.get(..len).unwrap_or_default();
    let (version, rest) = split_at_white_space(line);
    let (status, rest) = split_at_white_space(rest);
    let version = parse_version(version)?;
    let status = parse_status(status)?;
    if has_invalid_characters(line) {
        return Err(Error::InvalidCharacters);
    }
    Ok(Some(FirstLine {
        version,
        status,
        reason: trim(rest),
        end: len + 1,
    }))
}

fn read_head(
    settings: &Http1Settings,
    sent: RequestSent,
    input: &[u8],
    first: FirstLine<'_>,
    headers: &mut HeaderMap,
) -> Result<Option<ResponseHead>, Error> {
    let FirstLine {
        version, status, ..
    } = first;
    case::begin(settings.header_case, first.reason, headers);
    let mut framing = FramingLines::default();
    let mut at = first.end;
    let mut header_bytes = 0;
    if matches!(input.get(at), Some(b' ' | b'\t')) {
        return Err(Error::Syntax("INVALID_HEADER_FORMAT"));
    }
    let head_len = loop {
        match field_at(input, at)? {
            Field::Partial => return Ok(None),
            Field::End(end) => break end,
            Field::Header(line, next) => {
                at = next;
                header_bytes += line.name.len() + line.value.len() + 3;
                framing.note(line.known, &line.value)?;
                if settings.header_case.preserves() {
                    headers.keep_original_case().remember(line.name);
                }
                line.append_to(headers);
                if headers.len() > settings.max_headers_count {
                    return Err(
                        syntax_error_from(input, at, framing).unwrap_or(Error::TooManyHeaders)
                    );
                }
            }
        }
    };
    if !has_no_body(status) {
        framing.check_length()?;
    }
    match status {
        200 => headers.set(Known::Status, b"200"),
        _ => headers.set_integer(Known::Status, u64::from(status)),
    }
    let framing = decide_framing(settings, sent, status, &framing, headers)?;
    Ok(Some(ResponseHead {
        head_len,
        header_bytes: received_head_bytes(header_bytes),
        version,
        status,
        framing,
        keep_alive: !should_close(version, headers)
            && !matches!(framing, BodyFraming::UntilClose | BodyFraming::Tunnel),
    }))
}

/// 100 to 999 in decimal digits, leading zeros allowed. Envoy takes other numbers too,
/// and a sign; they are no statuses.
#[inline]
fn parse_status(digits: &[u8]) -> Result<u16, Error> {
    let status = digits.iter().try_fold(0u16, |status, digit| match digit {
        b'0'..=b'9' => status.checked_mul(10)?.checked_add(u16::from(digit - b'0')),
        _ => None,
    });
    match status {
        Some(status @ 100..=999) => Ok(status),
        _ => Err(Error::Syntax("FAILED_CONVERTING_STATUS_CODE_TO_INT")),
    }
}

fn has_no_body(status: u16) -> bool {
    status < 200 || matches!(status, 204 | 304)
}

fn decide_framing(
    settings: &Http1Settings,
    sent: RequestSent,
    status: u16,
    lines: &FramingLines,
    headers: &mut HeaderMap,
) -> Result<BodyFraming, Error> {
    let upgraded = sent.upgrade
        && is_upgrade(headers)
        && keeps_upgrade(headers, &settings.ignored_upgrades)
        && status == 101;
    let framed = lines.decide(headers, settings.allow_chunked_length)?;
    if status < 200 || status == 204 {
        if headers.contains(Known::TransferEncoding) {
            return Err(Error::TransferEncodingNotAllowed);
        }
        if let Some(length) = headers.get(Known::ContentLength) {
            if length != b"0" {
                return Err(Error::ContentLengthNotAllowed);
            }
            headers.remove(Known::ContentLength);
        }
    }
    if upgraded || (sent.connect && (200..300).contains(&status)) {
        return Ok(BodyFraming::Tunnel);
    }
    if sent.head || has_no_body(status) {
        return Ok(BodyFraming::None);
    }
    Ok(match framed {
        Framed::Chunked => BodyFraming::Chunked,
        Framed::Length(0) => BodyFraming::None,
        Framed::Length(length) => BodyFraming::Length(length),
        Framed::Unstated => BodyFraming::UntilClose,
    })
}
