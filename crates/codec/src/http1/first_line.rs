//! The first line of a request.

use memchr::memchr;

use super::error::Error;
use super::fields::trim;
use super::head::{has_invalid_characters, split_at_white_space};
use super::method::{Method, check_method};
use super::scan::{name_end, path_end};
use super::settings::Http1Settings;
use super::target;
use super::version::{Version, parse_version};

/// There are not even two parts. Envoy looks no further then.
pub(super) const MALFORMED_LINE: Error = Error::Syntax("FAILED_TO_FIND_WS_AFTER_REQUEST_METHOD");

/// The parts of the line.
pub(super) struct FirstLine<'a> {
    pub(super) method: &'a [u8],
    pub(super) target: &'a [u8],
    pub(super) kind: Method,
    pub(super) version: Version,
    /// HTTP/0.9: the line is all there is.
    pub(super) bare: bool,
    /// Where the header lines begin.
    pub(super) end: usize,
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
pub(super) fn read_first_line<'a>(
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
    let bare = trim(rest).is_empty();
    let version = match bare {
        true => version_of_bare_line(target, kind)?,
        false => parse_version(trim(rest))?,
    };
    if has_invalid_characters(line) {
        return Err(Error::InvalidCharacters);
    }
    Ok(Some(FirstLine {
        method,
        target,
        kind,
        version,
        bare,
        end: start + len + 1,
    }))
}

/// A target that ends in `HTTP/1.1` makes a bare line one of that version in Envoy, so that a path is refused for want
/// of a host. An absolute target brings its host along and would be served: here it is refused.
#[cold]
fn version_of_bare_line(target: &[u8], kind: Method) -> Result<Version, Error> {
    if !target.ends_with(b"HTTP/1.1") {
        return Ok(Version::Http10);
    }
    match target.first() {
        Some(b'/') => Ok(Version::Http11),
        // It is no host and port either.
        _ if kind == Method::Connect => Ok(Version::Http11),
        _ => Err(Error::Syntax("HPE_INVALID_VERSION")),
    }
}
