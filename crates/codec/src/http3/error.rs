//! Error codes of HTTP/3 and QPACK, and what ends a connection or a stream.

use std::fmt;

use crate::http2::Violation;

/// Why a stream or a connection ends, as it goes over the wire (RFC 9114 section 8.1, RFC 9204 section 6). Codes that
/// are not known are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ErrorCode(pub u64);

impl ErrorCode {
    /// Nothing is wrong.
    pub const NO_ERROR: Self = Self(0x100);
    /// The protocol is violated in a way that has no code of its own.
    pub const GENERAL_PROTOCOL_ERROR: Self = Self(0x101);
    /// The fault is the sender's own.
    pub const INTERNAL_ERROR: Self = Self(0x102);
    /// A stream that may not be there.
    pub const STREAM_CREATION_ERROR: Self = Self(0x103);
    /// A stream that the connection needs was closed.
    pub const CLOSED_CRITICAL_STREAM: Self = Self(0x104);
    /// A frame that may not come now, or not on this stream.
    pub const FRAME_UNEXPECTED: Self = Self(0x105);
    /// A frame of a wrong length or layout.
    pub const FRAME_ERROR: Self = Self(0x106);
    /// The peer asks for too much.
    pub const EXCESSIVE_LOAD: Self = Self(0x107);
    /// A number of a stream or of a push that may not be used.
    pub const ID_ERROR: Self = Self(0x108);
    /// SETTINGS that say what may not be said.
    pub const SETTINGS_ERROR: Self = Self(0x109);
    /// The control stream does not begin with SETTINGS.
    pub const MISSING_SETTINGS: Self = Self(0x10a);
    /// Nothing was done for the request; it can be sent again.
    pub const REQUEST_REJECTED: Self = Self(0x10b);
    /// The request or its response is not needed any more.
    pub const REQUEST_CANCELLED: Self = Self(0x10c);
    /// The client's stream ended before the request did.
    pub const REQUEST_INCOMPLETE: Self = Self(0x10d);
    /// A message is malformed.
    pub const MESSAGE_ERROR: Self = Self(0x10e);
    /// The connection behind a CONNECT failed.
    pub const CONNECT_ERROR: Self = Self(0x10f);
    /// HTTP/1.1 is to be used instead.
    pub const VERSION_FALLBACK: Self = Self(0x110);
    /// A block of headers cannot be decompressed.
    pub const QPACK_DECOMPRESSION_FAILED: Self = Self(0x200);
    /// What the peer's encoder says makes no sense.
    pub const QPACK_ENCODER_STREAM_ERROR: Self = Self(0x201);
    /// What the peer's decoder says makes no sense.
    pub const QPACK_DECODER_STREAM_ERROR: Self = Self(0x202);
}

/// The connection cannot go on: close it with this code and text. The fault is the peer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionError {
    /// What CONNECTION_CLOSE says.
    pub code: ErrorCode,
    /// What went wrong, in words.
    pub message: &'static str,
    /// Envoy's response code details for the streams that end with the connection, where it has some of its own.
    pub details: Option<&'static str>,
}

impl fmt::Display for ConnectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http/3 protocol error: {}", self.message)
    }
}

impl std::error::Error for ConnectionError {}

/// One stream cannot go on: reset it, and stop the peer's sending, with [`StreamError::code`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamError {
    /// Its message is malformed.
    Messaging(Violation),
    /// It has more headers than the limit allows.
    TooManyHeaders,
    /// Its headers have more bytes than the limit allows.
    HeadersTooLarge,
    /// A header name has an underscore, and the settings refuse that.
    UnexpectedUnderscore,
    /// The stream ended before the message had a head.
    Incomplete,
}

/// What ends with an error in what a peer sent on the stream of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Http3Error {
    /// The whole connection.
    Connection(ConnectionError),
    /// The stream.
    Stream(StreamError),
}

impl StreamError {
    /// The code of the reset.
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::Messaging(_) => ErrorCode::MESSAGE_ERROR,
            Self::TooManyHeaders | Self::HeadersTooLarge => ErrorCode::EXCESSIVE_LOAD,
            Self::UnexpectedUnderscore => ErrorCode::MESSAGE_ERROR,
            Self::Incomplete => ErrorCode::REQUEST_INCOMPLETE,
        }
    }

    /// Envoy's response code details.
    pub const fn details(self) -> &'static str {
        match self {
            Self::Messaging(_) | Self::Incomplete => "http3.invalid_header_field",
            Self::HeadersTooLarge => "http3.headers_too_large",
            Self::UnexpectedUnderscore => "http3.unexpected_underscore",
            Self::TooManyHeaders => "http3.too_many_headers",
        }
    }
}

impl From<ConnectionError> for Http3Error {
    fn from(error: ConnectionError) -> Self {
        Self::Connection(error)
    }
}

impl From<StreamError> for Http3Error {
    fn from(error: StreamError) -> Self {
        Self::Stream(error)
    }
}
