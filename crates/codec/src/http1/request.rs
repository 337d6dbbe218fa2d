//! Decoding the head of a request.

use memchr::memchr;
use nuncio_contract::headers::{HeaderMap, Known, MapKind, is_token};

use super::connection::{ConnectionOptions, remove_h2c_upgrade, sanitize_connection};
use super::error::Error;
use super::fields::{Field, field_at, trim};
use super::framing::{BodyFraming, Framed, FramingLines};
use super::head::{HeadScan, end_of_head, has_invalid_characters};
use super::scan::{name_end, path_end};
use super::settings::{Http1Settings, UnderscoresAction};
use super::target::{self, is_authority};
use super::{Version, case};

/// What a request's head says beside its headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestHead {
    /// How many bytes the head takes, empty lines before it included.
    pub head_len: usize,
    /// Its version.
    pub version: Version,
    /// Its method, if it is one that framing depends on.
    pub method: Method,
    /// How its body is delimited.
    pub framing: BodyFraming,
    /// Whether the connection may carry another request after this one.
    pub keep_alive: bool,
    /// Whether the client waits for `100 Continue` before it sends the body.
    pub expect_continue: bool,
    /// Whether it asks for an upgrade other than to h2c, which is ignored.
    pub upgrade: bool,
    /// How many headers were dropped because of an underscore; counted by
    /// `http1.dropped_headers_with_underscores`.
    pub dropped_underscores: u32,
}

/// The methods that framing depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `GET`
    Get,
    /// `HEAD`: its response has no body.
    Head,
    /// `CONNECT`: a tunnel.
    Connect,
    /// Any other.
    Other,
}

const MALFORMED_LINE: Error = Error::Syntax("FAILED_TO_FIND_WS_AFTER_REQUEST_METHOD");

/// Without `allow_custom_methods` these are served and no others; in order.
const METHODS: &[&[u8]] = &[
    b"ACL",
    b"BIND",
    b"CHECKOUT",
    b"CONNECT",
    b"COPY",
    b"DELETE",
    b"GET",
    b"HEAD",
    b"LINK",
    b"LOCK",
    b"MERGE",
    b"MKACTIVITY",
    b"MKCALENDAR",
    b"MKCOL",
    b"MOVE",
    b"MSEARCH",
    b"NOTIFY",
    b"OPTIONS",
    b"PATCH",
    b"POST",
    b"PROPFIND",
    b"PROPPATCH",
    b"PURGE",
    b"PUT",
    b"QUERY",
    b"REBIND",
    b"REPORT",
    b"SEARCH",
    b"SOURCE",
    b"SUBSCRIBE",
    b"TRACE",
    b"UNBIND",
    b"UNLINK",
    b"UNLOCK",
    b"UNSUBSCRIBE",
];

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
    let read = match read_first_line(settings, input, start) {
        Ok(Some(line)) => read_head(settings, input, line, headers),
        Ok(None) => Ok(None),
        // Envoy looks no further when the line has not even two parts.
        Err(MALFORMED_LINE) => return Err(MALFORMED_LINE),
        Err(Error::InvalidCharacters) => Err(Error::InvalidCharacters),
        Err(error) => return Err(first_error(input, start, limit, error).unwrap_or(error)),
    };
    let head = match read {
        Ok(head) => head,
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

/// Whatever else is wrong, a head that is too long or holds control characters is
/// refused for that. `None` when the head is not complete.
#[cold]
pub(super) fn first_error(input: &[u8], start: usize, limit: usize, error: Error) -> Option<Error> {
    let end = end_of_head(input, start)?;
    if end > limit {
        return Some(Error::HeadersTooLarge);
    }
    let head = input.get(start..end).unwrap_or_default();
    match has_invalid_characters(head) {
        true => Some(Error::InvalidCharacters),
        false => Some(error),
    }
}

struct FirstLine<'a> {
    method: &'a [u8],
    target: &'a [u8],
    kind: Method,
    version: Version,
    /// HTTP/0.9: the line is all there is.
    bare: bool,
    /// Where the header lines begin.
    end: usize,
}

/// Reads the first line, the usual way: a path, and `HTTP/1.1` at the end.
#[inline]
fn read_usual_first_line<'a>(
    settings: &Http1Settings,
    input: &'a [u8],
    start: usize,
) -> Option<FirstLine<'a>> {
    let line = input.get(start..)?;
    let (method, rest) = line.split_at_checked(name_end(line))?;
    let rest = rest.strip_prefix(b" ")?;
    let (target, rest) = rest.split_at_checked(path_end(rest))?;
    rest.strip_prefix(b" HTTP/1.1\r\n")?;
    (target.first() == Some(&b'/')).then_some(())?;
    Some(FirstLine {
        method,
        target,
        kind: check_method(settings, method).ok()?,
        version: Version::Http11,
        bare: false,
        end: start + method.len() + 1 + target.len() + b" HTTP/1.1\r\n".len(),
    })
}

/// Reads the first line: three parts with any amount of white space between them,
/// as Envoy takes it.
#[inline]
fn read_first_line<'a>(
    settings: &Http1Settings,
    input: &'a [u8],
    start: usize,
) -> Result<Option<FirstLine<'a>>, Error> {
    if let Some(line) = read_usual_first_line(settings, input, start) {
        return Ok(Some(line));
    }
    let rest = input.get(start..).unwrap_or_default();
    let Some(len) = memchr(b'\n', rest) else {
        return Ok(None);
    };
    let line = rest.get(..len).unwrap_or_default();
    let (method, rest) = split_at_white_space(line);
    let (target, rest) = split_at_white_space(rest);
    if method.is_empty() || target.is_empty() {
        return Err(MALFORMED_LINE);
    }
    let kind = check_method(settings, method)?;
    if !target::is_valid(target, kind == Method::Connect) {
        return Err(Error::Syntax("HPE_INVALID_URL"));
    }
    let version = parse_version(trim(rest))?;
    if has_invalid_characters(line) {
        return Err(Error::InvalidCharacters);
    }
    Ok(Some(FirstLine {
        method,
        target,
        kind,
        version,
        bare: trim(rest).is_empty(),
        end: start + len + 1,
    }))
}

/// Up to the first white space, and from after it on. Control characters count as
/// white space here; those that Envoy refuses make the head invalid by themselves.
#[inline]
pub(super) fn split_at_white_space(line: &[u8]) -> (&[u8], &[u8]) {
    let end = line.iter().position(|byte| *byte <= b' ');
    let (word, rest) = line.split_at(end.unwrap_or(line.len()));
    let next = rest.iter().position(|byte| *byte > b' ');
    (word, rest.split_at(next.unwrap_or(rest.len())).1)
}

fn read_head(
    settings: &Http1Settings,
    input: &[u8],
    first: FirstLine<'_>,
    headers: &mut HeaderMap,
) -> Result<Option<RequestHead>, Error> {
    case::begin(settings.header_case, b"", headers);
    let mut framing = FramingLines::default();
    let mut dropped_underscores = 0;
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
                if line.known == Some(Known::ContentLength) {
                    framing.content_length_line(&line.value)?;
                }
                if refuses_underscore(settings, line.name)? {
                    dropped_underscores += 1;
                    continue;
                }
                if settings.header_case.preserves() {
                    headers.keep_original_case().remember(line.name);
                }
                headers.append_found(line.known, line.name, &line.value);
                if headers.len() > settings.max_headers_count {
                    return Err(syntax_error_from(input, at).unwrap_or(Error::TooManyHeaders));
                }
            }
        }
    };
    let mut head = RequestHead {
        head_len,
        version: first.version,
        method: first.kind,
        framing: BodyFraming::None,
        keep_alive: true,
        expect_continue: false,
        upgrade: false,
        dropped_underscores,
    };
    finish(settings, &first, &framing, &mut head, headers)?;
    Ok(Some(head))
}

/// Too many headers are told only if the others are well-formed.
#[cold]
pub(super) fn syntax_error_from(input: &[u8], mut at: usize) -> Option<Error> {
    loop {
        match field_at(input, at) {
            Ok(Field::Header(_, next)) => at = next,
            Ok(Field::End(_) | Field::Partial) => return None,
            Err(error) => return Some(error),
        }
    }
}

/// Everything that needs all headers, in Envoy's order.
fn finish(
    settings: &Http1Settings,
    line: &FirstLine<'_>,
    framing: &FramingLines,
    head: &mut RequestHead,
    headers: &mut HeaderMap,
) -> Result<(), Error> {
    let options = ConnectionOptions::of(headers);
    head.keep_alive = !options.should_close(head.version, headers);
    head.upgrade = options.upgrade && decide_upgrade(headers);
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
    head.expect_continue = headers
        .get(Known::Expect)
        .is_some_and(|expect| expect.eq_ignore_ascii_case(b"100-continue"));
    Ok(())
}

/// `Connection` has the token; whether `Upgrade` names something that Envoy supports.
fn decide_upgrade(headers: &mut HeaderMap) -> bool {
    let Some(protocol) = headers.get(Known::Upgrade) else {
        return false;
    };
    let h2c = protocol.eq_ignore_ascii_case(b"h2c");
    if h2c {
        remove_h2c_upgrade(headers);
    }
    !h2c
}

#[inline]
fn check_method(settings: &Http1Settings, method: &[u8]) -> Result<Method, Error> {
    match method {
        b"GET" => return Ok(Method::Get),
        b"HEAD" => return Ok(Method::Head),
        b"CONNECT" => return Ok(Method::Connect),
        _ => {}
    }
    let served = if settings.allow_custom_methods {
        is_token(method)
    } else {
        METHODS.binary_search(&method).is_ok()
    };
    match served {
        true => Ok(Method::Other),
        false => Err(Error::Syntax("HPE_INVALID_METHOD")),
    }
}

/// `HTTP/` digit dot digit, or nothing at all (HTTP/0.9).
#[inline]
pub(super) fn parse_version(version: &[u8]) -> Result<Version, Error> {
    match version {
        b"HTTP/1.1" => Ok(Version::Http11),
        b"" => Ok(Version::Http10),
        [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => Ok(Version::Http10),
        _ => Err(Error::Syntax("HPE_INVALID_VERSION")),
    }
}

/// Whether the header is to be left out because of an underscore in its name.
#[inline]
pub(super) fn refuses_underscore(settings: &Http1Settings, name: &[u8]) -> Result<bool, Error> {
    if settings.headers_with_underscores == UnderscoresAction::Allow || !name.contains(&b'_') {
        return Ok(false);
    }
    match settings.headers_with_underscores {
        UnderscoresAction::DropHeader => Ok(true),
        _ => Err(Error::UnexpectedUnderscore),
    }
}
