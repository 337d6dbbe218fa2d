//! Header names made ready at configuration load, and what a valid name and a
//! valid value are (RFC 9110 sections 5.1 and 5.5, as Envoy applies them).

use std::fmt;

use super::known::Known;

/// A header name in lower case, with its number when it is a known one; a valid one, but for names that are only
/// looked up.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct HeaderName {
    bytes: Box<[u8]>,
    known: Option<Known>,
}

/// Why a string is no header name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidHeaderName {
    /// The name is empty, or a lone colon.
    Empty,
    /// The byte at this offset is not allowed in a token.
    Byte(usize),
    /// The name begins with a colon where no pseudo-header may stand.
    Pseudo,
}

impl HeaderName {
    /// Parses a name that may not be a pseudo-header; letters become lower case.
    pub fn parse(name: &str) -> Result<Self, InvalidHeaderName> {
        if name.starts_with(':') {
            return Err(InvalidHeaderName::Pseudo);
        }
        Self::parse_with_pseudo(name)
    }

    /// Parses a name that may begin with a colon; letters become lower case.
    pub fn parse_with_pseudo(name: &str) -> Result<Self, InvalidHeaderName> {
        let token = name.strip_prefix(':').unwrap_or(name);
        if token.is_empty() {
            return Err(InvalidHeaderName::Empty);
        }
        if let Some(at) = token.bytes().position(|byte| !is_token_byte(byte)) {
            return Err(InvalidHeaderName::Byte(at + name.len() - token.len()));
        }
        let bytes = name.to_ascii_lowercase().into_bytes().into_boxed_slice();
        let known = Known::find(&bytes);
        Ok(Self { bytes, known })
    }

    /// A name that is only looked up, such as a matcher's. One that no header can have is taken too, as in Envoy, and
    /// is never found.
    pub fn to_look_up(name: &str) -> Self {
        Self::parse_with_pseudo(name).unwrap_or_else(|_| Self {
            bytes: name.to_ascii_lowercase().into_bytes().into_boxed_slice(),
            known: None,
        })
    }

    /// The name in lower case.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The name in lower case.
    pub fn as_str(&self) -> &str {
        // It was a string.
        std::str::from_utf8(&self.bytes).unwrap_or_default()
    }

    /// The number of the name, when it is a known one.
    pub fn known(&self) -> Option<Known> {
        self.known
    }

    /// Whether the name begins with a colon.
    pub fn is_pseudo(&self) -> bool {
        self.bytes.first() == Some(&b':')
    }
}

impl From<Known> for HeaderName {
    fn from(known: Known) -> Self {
        Self {
            bytes: known.as_bytes().into(),
            known: Some(known),
        }
    }
}

impl fmt::Debug for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for InvalidHeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a header name must not be empty"),
            Self::Byte(at) => write!(
                f,
                "the character at offset {at} is not allowed in a header name"
            ),
            Self::Pseudo => f.write_str("a pseudo-header (beginning with ':') is not allowed here"),
        }
    }
}

impl std::error::Error for InvalidHeaderName {}

static TOKEN_BYTES: [bool; 256] = token_bytes();

const fn token_bytes() -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = (byte as u8).is_ascii_alphanumeric()
            || matches!(
                byte as u8,
                b'!' | b'#'
                    | b'$'
                    | b'%'
                    | b'&'
                    | b'\''
                    | b'*'
                    | b'+'
                    | b'-'
                    | b'.'
                    | b'^'
                    | b'_'
                    | b'`'
                    | b'|'
                    | b'~'
            );
        byte += 1;
    }
    table
}

/// Whether the byte may stand in a token: a method or a header name (RFC 9110 section 5.6.2).
#[inline]
pub fn is_token_byte(byte: u8) -> bool {
    TOKEN_BYTES[usize::from(byte)]
}

/// Whether all bytes are token bytes; true for an empty slice.
#[inline]
pub fn is_token(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| is_token_byte(*byte))
}

/// Whether Envoy lets these bytes be a header's value: anything but control
/// characters other than tab. Bytes above 0x7F are let through.
#[inline]
pub fn is_valid_value(bytes: &[u8]) -> bool {
    // A fold without an early exit, so that it compiles to vector code.
    !bytes.iter().fold(false, |bad, &byte| {
        bad | ((byte < 0x20) & (byte != b'\t')) | (byte == 0x7f)
    })
}
