//! The `Connection` header: its tokens, what they ask for, and the names in it
//! that are taken out of a request before anything else sees them.

use nuncio_contract::headers::{HeaderMap, HeaderName, Known};

use super::error::Error;
use super::ignored_upgrades::IgnoredUpgrades;
use super::version::Version;

/// A request that names this many headers or more is refused.
const MAX_NOMINATED: usize = 10;
/// A `TE` that is named and at least this long is refused.
const MAX_TE_BYTES: usize = 256;

/// Iterates over the non-empty items of a comma-separated list, trimmed.
pub(super) fn tokens(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|byte| *byte == b',')
        .map(<[u8]>::trim_ascii)
        .filter(|token| !token.is_empty())
}

/// Whether a comma-separated list has this token, in any case.
#[inline]
pub fn has_token(list: &[u8], token: &[u8]) -> bool {
    tokens(list).any(|item| item.eq_ignore_ascii_case(token))
}

/// Whether the message asks for an upgrade: `Upgrade`, and `Connection` says so.
#[inline]
pub fn is_upgrade(headers: &HeaderMap) -> bool {
    headers.contains(Known::Upgrade)
        && headers
            .get(Known::Connection)
            .is_some_and(|list| has_token(list, b"upgrade"))
}

/// What the tokens of `Connection` ask for, looked at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ConnectionOptions {
    close: bool,
    keep_alive: bool,
    pub(super) upgrade: bool,
    /// Few tokens, and none that could be a header's name.
    pub(super) only_known: bool,
}

impl ConnectionOptions {
    #[inline]
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut options = Self {
            only_known: true,
            ..Self::default()
        };
        match headers.get(Known::Connection) {
            None => {}
            Some(b"keep-alive") => options.keep_alive = true,
            Some(list) => options.read(list),
        }
        options
    }

    fn read(&mut self, list: &[u8]) {
        for (index, token) in tokens(list).enumerate() {
            self.close |= token.eq_ignore_ascii_case(b"close");
            self.keep_alive |= token.eq_ignore_ascii_case(b"keep-alive");
            self.upgrade |= token.eq_ignore_ascii_case(b"upgrade");
            self.only_known &= is_connection_option(token) && index + 1 < MAX_NOMINATED;
        }
    }

    /// Whether the connection ends with this message.
    #[inline]
    pub(super) fn should_close(self, version: Version, headers: &HeaderMap) -> bool {
        let closes = match version {
            Version::Http10 => !self.keep_alive,
            Version::Http11 => self.close,
        };
        closes
            || headers
                .get(Known::ProxyConnection)
                .is_some_and(|list| has_token(list, b"close"))
    }
}

/// Whether the connection ends with this message, as its headers say.
pub fn should_close(version: Version, headers: &HeaderMap) -> bool {
    ConnectionOptions::of(headers).should_close(version, headers)
}

/// `Connection` says `upgrade`; whether `Upgrade` names something that Envoy supports.
/// Upgrades that are ignored, and one to HTTP/2 over HTTP/1, are taken out of the headers.
pub(super) fn keeps_upgrade(headers: &mut HeaderMap, ignored: &IgnoredUpgrades) -> bool {
    let Some(protocol) = headers.get(Known::Upgrade) else {
        return false;
    };
    if protocol.eq_ignore_ascii_case(b"h2c") {
        remove_h2c_upgrade(headers);
        return false;
    }
    if !ignored.is_empty() && ignored.take_out(headers) {
        keep_tokens(headers, |token| !token.eq_ignore_ascii_case(b"upgrade"));
        return false;
    }
    true
}

fn remove_h2c_upgrade(headers: &mut HeaderMap) {
    headers.remove(Known::Upgrade);
    headers.remove(Known::Http2Settings);
    keep_tokens(headers, |token| {
        !token.eq_ignore_ascii_case(b"upgrade") && !token.eq_ignore_ascii_case(b"http2-settings")
    });
}

/// Rewrites `Connection` with the tokens that `keep` approves; removes it when none is left.
fn keep_tokens(headers: &mut HeaderMap, keep: impl Fn(&[u8]) -> bool) {
    let Some(list) = headers.get(Known::Connection) else {
        return;
    };
    let kept: Vec<&[u8]> = tokens(list).filter(|token| keep(token)).collect();
    let kept = kept.join(&b","[..]);
    if kept.is_empty() {
        headers.remove(Known::Connection);
    } else {
        headers.set(Known::Connection, &kept);
    }
}

/// Removes the headers that `Connection` of a request names. Refuses to have
/// pseudo-headers or the trusted `x-forwarded-*` removed that way, and too many names.
pub fn sanitize_connection(headers: &mut HeaderMap) -> Result<(), Error> {
    let Some(list) = headers.get(Known::Connection) else {
        return Ok(());
    };
    let list = list.to_vec();
    if tokens(&list).count() >= MAX_NOMINATED {
        return Err(Error::ConnectionHeaderRejected);
    }
    let mut taken_out: Vec<Vec<u8>> = Vec::new();
    for token in tokens(&list) {
        if !is_connection_option(token) && remove_nominated(headers, token)? {
            taken_out.push(token.to_ascii_lowercase());
        }
    }
    if !taken_out.is_empty() {
        keep_tokens(headers, |token| {
            !taken_out.contains(&token.to_ascii_lowercase())
        });
    }
    Ok(())
}

/// Tokens that are no header names here.
fn is_connection_option(token: &[u8]) -> bool {
    [&b"close"[..], b"keep-alive", b"upgrade", b"http2-settings"]
        .iter()
        .any(|option| token.eq_ignore_ascii_case(option))
}

/// Removes one named header; whether the name leaves the list too.
fn remove_nominated(headers: &mut HeaderMap, token: &[u8]) -> Result<bool, Error> {
    if token.first() == Some(&b':') {
        return Err(Error::ConnectionHeaderRejected);
    }
    match Known::find(token) {
        Some(Known::XForwardedFor | Known::XForwardedHost | Known::XForwardedProto) => {
            return Err(Error::ConnectionHeaderRejected);
        }
        Some(Known::Connection) => return Ok(true),
        Some(Known::Te) => return remove_te(headers),
        Some(known) => {
            headers.remove(known);
            return Ok(true);
        }
        None => {}
    }
    let name = std::str::from_utf8(token).map(HeaderName::parse);
    if let Ok(Ok(name)) = name {
        headers.remove(&name);
    }
    Ok(true)
}

/// Leaves of `TE` only `trailers`, the one that can be passed on; removes it without.
pub fn sanitize_te(headers: &mut HeaderMap) {
    let Some(te) = headers.get(Known::Te) else {
        return;
    };
    if has_token(te, b"trailers") {
        headers.set(Known::Te, b"trailers");
    } else {
        headers.remove(Known::Te);
    }
}

/// `TE` stays, and stays named, when it asks for trailers; all else in it goes.
fn remove_te(headers: &mut HeaderMap) -> Result<bool, Error> {
    let Some(te) = headers.get(Known::Te) else {
        return Ok(true);
    };
    if te.len() >= MAX_TE_BYTES {
        return Err(Error::ConnectionHeaderRejected);
    }
    if has_token(te, b"trailers") {
        headers.set(Known::Te, b"trailers");
        return Ok(false);
    }
    headers.remove(Known::Te);
    Ok(true)
}
