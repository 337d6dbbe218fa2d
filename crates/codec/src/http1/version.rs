//! The version of a message.

use super::error::Error;

/// The version of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// Everything that is not exactly HTTP/1.1, as Envoy sees it.
    Http10,
    /// HTTP/1.1.
    Http11,
}

impl Version {
    /// The text that `%PROTOCOL%` and the first line show.
    pub const fn as_str(self) -> &'static str {
        match self {
            Version::Http10 => "HTTP/1.0",
            Version::Http11 => "HTTP/1.1",
        }
    }
}

/// `HTTP/` digit dot digit.
#[inline]
pub(super) fn parse_version(version: &[u8]) -> Result<Version, Error> {
    match version {
        b"HTTP/1.1" => Ok(Version::Http11),
        [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => Ok(Version::Http10),
        _ => Err(Error::Syntax("HPE_INVALID_VERSION")),
    }
}
