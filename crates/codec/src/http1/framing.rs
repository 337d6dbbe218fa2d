//! How a body is delimited: the one decision that smuggling is about.

use nuncio_contract::headers::{HeaderMap, Known};

use super::error::Error;

pub(super) const INVALID_LENGTH: Error = Error::Syntax("HPE_INVALID_CONTENT_LENGTH");

/// How the body of a message is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyFraming {
    /// There is no body; the message ends with its head.
    None,
    /// So many bytes follow; more than 0.
    Length(u64),
    /// Chunks follow.
    Chunked,
    /// Everything until the peer closes: a response without a length.
    UntilClose,
    /// The connection is no longer HTTP: an upgrade or `CONNECT`.
    Tunnel,
}

/// The value of a `Content-Length`: decimal digits only, at least one.
#[inline]
pub(super) fn content_length(value: &[u8]) -> Result<u64, Error> {
    if value.is_empty() {
        return Err(INVALID_LENGTH);
    }
    value.iter().try_fold(0u64, |length, byte| {
        let digit = match byte {
            b'0'..=b'9' => u64::from(byte - b'0'),
            _ => return Err(INVALID_LENGTH),
        };
        length
            .checked_mul(10)
            .and_then(|length| length.checked_add(digit))
            .ok_or(INVALID_LENGTH)
    })
}

/// Collects what the header lines say about framing, as they go by.
#[derive(Default)]
pub(super) struct FramingLines {
    length: Option<Result<u64, Error>>,
    /// Whether the last `Transfer-Encoding` line is `chunked` and nothing else.
    is_chunked: bool,
}

impl FramingLines {
    /// Takes note of a line if it is about framing. A second `Content-Length` is refused, equal or not.
    #[inline]
    pub(super) fn note(&mut self, name: Option<Known>, value: &[u8]) -> Result<(), Error> {
        match name {
            Some(Known::ContentLength) if self.length.is_some() => {
                return Err(Error::Syntax("HPE_UNEXPECTED_CONTENT_LENGTH"));
            }
            Some(Known::ContentLength) => self.length = Some(content_length(value)),
            Some(Known::TransferEncoding) => {
                self.is_chunked = value.eq_ignore_ascii_case(b"chunked");
            }
            _ => {}
        }
        Ok(())
    }

    /// Refuses a length that is none. Beside chunks, and where a status allows no body, nobody asks what it is, since
    /// it counts for nothing.
    #[inline]
    pub(super) fn check_length(&self) -> Result<(), Error> {
        match &self.length {
            Some(Err(error)) if !self.is_chunked => Err(*error),
            _ => Ok(()),
        }
    }

    /// Decides between chunks and a length, and refuses what is ambiguous.
    #[inline]
    pub(super) fn decide(
        &self,
        headers: &mut HeaderMap,
        allow_chunked_length: bool,
    ) -> Result<Framed, Error> {
        let Some(coding) = headers.get(Known::TransferEncoding) else {
            return Ok(match &self.length {
                Some(Ok(length)) => Framed::Length(*length),
                Some(Err(_)) | None => Framed::Unstated,
            });
        };
        // Of several lines the map has one, so that all must be `chunked` for it to be.
        let chunked = coding.eq_ignore_ascii_case(b"chunked");
        if headers.contains(Known::ContentLength) {
            if !(self.is_chunked && allow_chunked_length) {
                return Err(Error::ContentLengthAndChunked);
            }
            headers.remove(Known::ContentLength);
        }
        if !chunked {
            return Err(Error::InvalidTransferEncoding);
        }
        Ok(Framed::Chunked)
    }
}

/// What the headers state about the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framed {
    Unstated,
    Length(u64),
    Chunked,
}
