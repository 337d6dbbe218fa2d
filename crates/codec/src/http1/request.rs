//! Decoding the head of a request.

use nuncio_contract::headers::{HeaderMap, Known, MapKind};

use super::case;
use super::connection::{ConnectionOptions, keeps_upgrade, sanitize_connection};
use super::error::Error;
use super::fields::{Field, field_at, syntax_error_from};
use super::first_line::{FirstLine, MALFORMED_LINE, read_first_line};
use super::framing::{BodyFraming, Framed, FramingLines};
use super::head::{HeadScan, first_error, received_head_bytes};
use super::method::Method;
use super::settings::Http1Settings;
use super::target::{self, is_authority};
use super::version::Version;

/// What a request's head says beside its headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestHead {
    /// How many bytes the head takes, empty lines before it included.
    pub head_len: usize,
    /// What Envoy counts as header bytes: for each header its name, its value and 3.
    pub header_bytes: usize,
    /// Its version.
    pub version: Version,
    /// Its method, if it is one that framing depends on.
    pub method: Method,
    /// How its body is delimited.
    pub framing: BodyFraming,
    /// Whether the connection may carry another request after this one.
    pub keep_alive: bool,
    /// Whether it asks for an upgrade other than to h2c, which is ignored.
    pub upgrade: bool,
}

/// Decodes the head at the start of `input` into `headers`, which is reset.
///
/// `Ok(None)` means that it is not complete: call again with the same bytes and
/// more, and the same `scan`. Use a fresh `scan` for the next request.
///
/// # Errors
/// What is wrong with the request; answer with [`Error::status`] and close.
pub fn decode_request_head(
    settings: &Http1Settings,
    input: &[u8],
    scan: &mut HeadScan,
    headers: &mut HeaderMap,
) -> Result<Option<RequestHead>, Error> {
    let Some(start) = scan.skip_empty_lines(input) else {
        return match input.len() > settings.max_headers_bytes {
            true => Err(Error::HeadersTooLarge),
            false => Ok(None),
        };
    };
    if !scan.is_worth_reading(input) {
        scan.incomplete(input, settings.max_headers_bytes)?;
        return Ok(None);
    }
    headers.reset(MapKind::Request);
    let limit = start.saturating_add(settings.max_headers_bytes);
    let mut is_complete = false;
    let read = match read_first_line(settings, input, start) {
        Ok(Some(line)) => {
            is_complete = line.bare;
            read_head(settings, input, line, scan, headers)
        }
        Ok(None) => Ok(None),
        Err(MALFORMED_LINE) => return Err(MALFORMED_LINE),
        Err(Error::InvalidCharacters) => Err(Error::InvalidCharacters),
        Err(error) => return Err(first_error(input, start, limit, error).unwrap_or(error)),
    };
    let head = match read {
        Ok(head) => head,
        Err(error) if is_complete => return Err(error),
        // What is wrong with a header is told once the head is complete.
        Err(error) => match first_error(input, start, limit, error) {
            Some(error) => return Err(error),
            None => None,
        },
    };
    match head {
        Some(head) if head.head_len > limit => Err(Error::HeadersTooLarge),
        Some(head) => Ok(Some(head)),
        None => {
            headers.clear();
            scan.incomplete(input, settings.max_headers_bytes)?;
            Ok(None)
        }
    }
}

fn read_head(
    settings: &Http1Settings,
    input: &[u8],
    first: FirstLine<'_>,
    scan: &mut HeadScan,
    headers: &mut HeaderMap,
) -> Result<Option<RequestHead>, Error> {
    case::begin(settings.header_case, b"", headers);
    let mut framing = FramingLines::default();
    scan.dropped_underscores = 0;
    let mut header_bytes = 0;
    let mut at = first.end;
    // A first line that is followed by white space has nothing to continue.
    if !first.bare && matches!(input.get(at), Some(b' ' | b'\t')) {
        return Err(Error::Syntax("INVALID_HEADER_FORMAT"));
    }
    let head_len = loop {
        if first.bare {
            break at;
        }
        match field_at(input, at)? {
            Field::Partial => return Ok(None),
            Field::End(end) => break end,
            Field::Header(line, next) => {
                at = next;
                header_bytes += line.name.len() + line.value.len() + 3;
                framing.note(line.known, &line.value)?;
                match settings.drops_header(line.name) {
                    Ok(false) => {}
                    Ok(true) => {
                        scan.dropped_underscores += 1;
                        continue;
                    }
                    Err(error) => {
                        return Err(syntax_error_from(input, at, framing).unwrap_or(error));
                    }
                }
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
    framing.check_length()?;
    let mut head = RequestHead {
        head_len,
        header_bytes: received_head_bytes(header_bytes),
        version: first.version,
        method: first.kind,
        framing: BodyFraming::None,
        keep_alive: true,
        upgrade: false,
    };
    if settings.accept_http_10 {
        scan.version = Some(first.version);
    }
    finish(settings, &first, &framing, scan, &mut head, headers)?;
    Ok(Some(head))
}

/// Everything that needs all headers, in Envoy's order.
fn finish(
    settings: &Http1Settings,
    line: &FirstLine<'_>,
    framing: &FramingLines,
    scan: &HeadScan,
    head: &mut RequestHead,
    headers: &mut HeaderMap,
) -> Result<(), Error> {
    let options = ConnectionOptions::of(headers);
    head.keep_alive = !options.should_close(head.version, headers);
    head.upgrade = options.upgrade && keeps_upgrade(headers, &settings.ignored_upgrades);
    let connect = head.method == Method::Connect;
    if connect && let Some(length) = headers.get(Known::ContentLength) {
        if length != b"0" {
            return Err(Error::BodyDisallowed);
        }
        headers.remove(Known::ContentLength);
    }
    let framed = framing.decide(headers, settings.allow_chunked_length)?;
    if connect && framed == Framed::Chunked {
        return Err(Error::InvalidTransferEncoding);
    }
    let tunnel = head.upgrade || connect;
    if !tunnel && !options.only_known {
        sanitize_connection(headers)?;
    }
    target::apply(settings, line.target, line.method, connect, headers)?;
    let is_https = || headers.get(Known::Scheme) == Some(b"https");
    if settings.validate_scheme && !scan.encrypted && is_https() {
        return Err(Error::HttpsInPlainText);
    }
    headers.append(Known::Method, line.method);
    if head.version == Version::Http10 {
        if !settings.accept_http_10 {
            return Err(Error::LowVersion);
        }
        if !headers.contains(Known::Authority) && !settings.default_host_for_http_10.is_empty() {
            headers.set(Known::Authority, &settings.default_host_for_http_10);
        }
    }
    if headers
        .get(Known::Authority)
        .is_some_and(|authority| !is_authority(authority))
    {
        return Err(Error::InvalidAuthority);
    }
    head.framing = match framed {
        _ if tunnel => BodyFraming::Tunnel,
        Framed::Chunked => BodyFraming::Chunked,
        Framed::Length(length) if length > 0 => BodyFraming::Length(length),
        Framed::Length(_) | Framed::Unstated => BodyFraming::None,
    };
    Ok(())
}
