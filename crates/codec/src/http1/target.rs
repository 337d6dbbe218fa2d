//! The request target (RFC 9112 section 3.2): what is a valid one, and the
//! authority, scheme and path that it gives.

use std::net::IpAddr;

use nuncio_contract::headers::{HeaderMap, Known};

use super::error::Error;
use super::settings::Http1Settings;

static AUTHORITY_BYTES: [bool; 256] = byte_table(b"!$%&'()*+,-.:;=@[]_~");
static HOST_IN_URL_BYTES: [bool; 256] = byte_table(b"!$%&'()*+,-.:;=@[]_~");
static USER_INFO_BYTES: [bool; 256] = byte_table(b"-_.!~*'()%;:&=+$,");

const fn byte_table(others: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let mut index = 0;
    while index < others.len() {
        table[others[index] as usize] = true;
        index += 1;
    }
    table
}

/// Looks at all of them, as nearly always all are in it.
#[inline]
fn all_in(table: &[bool; 256], bytes: &[u8]) -> bool {
    let in_it = |all, byte: &u8| all & table[usize::from(*byte)];
    bytes.iter().fold(true, in_it)
}

/// Whether Envoy takes these bytes for an authority.
#[inline]
pub(super) fn is_authority(bytes: &[u8]) -> bool {
    all_in(&AUTHORITY_BYTES, bytes)
}

/// Printable ASCII; tab and form feed were cut off or refused before.
#[inline]
fn is_path(bytes: &[u8]) -> bool {
    bytes
        .iter()
        .fold(true, |good, byte| good & matches!(byte, b'!'..=b'~'))
}

/// Whether the target is well-formed, before it is known how it will be used.
#[inline]
pub(super) fn is_valid(target: &[u8], connect: bool) -> bool {
    if let [b'/' | b'*', rest @ ..] = target {
        return is_path(rest);
    }
    let rest = if connect {
        target
    } else {
        match after_scheme(target) {
            Some(rest) => rest,
            None => return false,
        }
    };
    let (host, path) = split_path(rest);
    all_in(&HOST_IN_URL_BYTES, host) && !host.windows(2).any(|pair| pair == b"@@") && is_path(path)
}

fn after_scheme(target: &[u8]) -> Option<&[u8]> {
    let scheme = target
        .iter()
        .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
        .count();
    if !target.first()?.is_ascii_alphabetic() {
        return None;
    }
    target.get(scheme..)?.strip_prefix(b"://")
}

/// Splits before the first `/` or `?`.
fn split_path(rest: &[u8]) -> (&[u8], &[u8]) {
    let at = rest
        .iter()
        .position(|byte| matches!(byte, b'/' | b'?'))
        .unwrap_or(rest.len());
    rest.split_at(at)
}

/// Sets `:path`, and for an absolute or authority target `:authority` and `:scheme`.
#[inline]
pub(super) fn apply(
    settings: &Http1Settings,
    target: &[u8],
    method: &[u8],
    connect: bool,
    headers: &mut HeaderMap,
) -> Result<(), Error> {
    let origin = match target.first() {
        Some(b'/') => true,
        Some(b'*') => method == b"OPTIONS",
        _ => false,
    };
    if !connect && (origin || !settings.allow_absolute_url) {
        headers.append(Known::Path, target);
        return Ok(());
    }
    if connect {
        let authority = parse_connect(target).ok_or(Error::InvalidUrl)?;
        headers.set(Known::Authority, authority);
        return Ok(());
    }
    apply_absolute(target, headers)
}

fn apply_absolute(target: &[u8], headers: &mut HeaderMap) -> Result<(), Error> {
    let rest = after_scheme(target).ok_or(Error::InvalidUrl)?;
    let scheme_len = target.len() - rest.len() - b"://".len();
    let scheme = target.get(..scheme_len).unwrap_or_default();
    let (authority, path) = split_path(rest);
    let authority = without_user_info(authority).ok_or(Error::InvalidUrl)?;
    check_host_and_port(authority).ok_or(Error::InvalidUrl)?;
    headers.set(Known::Authority, authority);
    let scheme = scheme.to_ascii_lowercase();
    headers.set(Known::Scheme, &scheme);
    if !matches!(&*scheme, b"http" | b"https") {
        return Err(Error::InvalidScheme);
    }
    headers.set(Known::Path, if path.is_empty() { b"/" } else { path });
    Ok(())
}

fn without_user_info(authority: &[u8]) -> Option<&[u8]> {
    let Some(at) = authority.iter().position(|byte| *byte == b'@') else {
        return Some(authority);
    };
    let (user_info, host) = authority.split_at(at);
    all_in(&USER_INFO_BYTES, user_info)
        .then(|| host.get(1..))
        .flatten()
}

/// `host:port`, both there.
fn parse_connect(target: &[u8]) -> Option<&[u8]> {
    check_host_and_port(target)?.then_some(target)
}

/// Whether there is a port; `None` when host or port is malformed.
fn check_host_and_port(authority: &[u8]) -> Option<bool> {
    if let Some(rest) = authority.strip_prefix(b"[") {
        let end = rest.iter().position(|byte| *byte == b']')?;
        let address = std::str::from_utf8(rest.get(..end)?).ok()?;
        address.parse::<IpAddr>().ok()?;
        return check_port(rest.get(end + 1..)?);
    }
    let end = authority
        .iter()
        .position(|byte| *byte == b':')
        .unwrap_or(authority.len());
    let (host, port) = authority.split_at(end);
    let is_host_byte = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    if host.is_empty() || !host.iter().all(is_host_byte) {
        return None;
    }
    check_port(port)
}

/// Nothing, or a colon and a number up to 65535.
fn check_port(port: &[u8]) -> Option<bool> {
    let Some(digits) = port.strip_prefix(b":") else {
        return port.is_empty().then_some(false);
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = digits.iter().try_fold(0u32, |number, digit| {
        let number = number * 10 + u32::from(digit - b'0');
        (number <= 65535).then_some(number)
    });
    number.map(|_| true)
}
