//! Error codes of HTTP/3 and QPACK, and what ends a connection or a stream.

use std::borrow::Cow;
use std::fmt;

use super::problem::Problem;
use crate::header_block::Violation;

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

    /// Whether it is one of HTTP/3 or QPACK.
    pub const fn is_known(self) -> bool {
        matches!(self.0, 0x100..=0x110 | 0x200..=0x202)
    }

    /// The name of a reset with this code in Envoy's counters (`*.quic_reset_stream_error_code_*`).
    pub const fn reset_name(self) -> &'static str {
        match self {
            Self::NO_ERROR => "QUIC_STREAM_NO_ERROR",
            Self::GENERAL_PROTOCOL_ERROR => "QUIC_STREAM_GENERAL_PROTOCOL_ERROR",
            Self::INTERNAL_ERROR => "QUIC_STREAM_INTERNAL_ERROR",
            Self::STREAM_CREATION_ERROR => "QUIC_STREAM_STREAM_CREATION_ERROR",
            Self::CLOSED_CRITICAL_STREAM => "QUIC_STREAM_CLOSED_CRITICAL_STREAM",
            Self::FRAME_UNEXPECTED => "QUIC_STREAM_FRAME_UNEXPECTED",
            Self::FRAME_ERROR => "QUIC_STREAM_FRAME_ERROR",
            Self::EXCESSIVE_LOAD => "QUIC_STREAM_EXCESSIVE_LOAD",
            Self::ID_ERROR => "QUIC_STREAM_ID_ERROR",
            Self::SETTINGS_ERROR => "QUIC_STREAM_SETTINGS_ERROR",
            Self::MISSING_SETTINGS => "QUIC_STREAM_MISSING_SETTINGS",
            Self::REQUEST_REJECTED => "QUIC_STREAM_REQUEST_REJECTED",
            Self::REQUEST_CANCELLED => "QUIC_STREAM_CANCELLED",
            Self::REQUEST_INCOMPLETE => "QUIC_STREAM_REQUEST_INCOMPLETE",
            Self::CONNECT_ERROR => "QUIC_STREAM_CONNECT_ERROR",
            Self::VERSION_FALLBACK => "QUIC_STREAM_VERSION_FALLBACK",
            Self::QPACK_DECOMPRESSION_FAILED => "QUIC_STREAM_DECOMPRESSION_FAILED",
            Self::QPACK_ENCODER_STREAM_ERROR => "QUIC_STREAM_ENCODER_STREAM_ERROR",
            Self::QPACK_DECODER_STREAM_ERROR => "QUIC_STREAM_DECODER_STREAM_ERROR",
            _ => "QUIC_STREAM_UNKNOWN_APPLICATION_ERROR_CODE",
        }
    }
}

/// The connection cannot go on: close it with [`ConnectionError::code`] and [`ConnectionError::reason`]. The fault is the
/// peer's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionError {
    /// Which kind of fault it is.
    pub problem: Problem,
    /// What went wrong, in words.
    pub text: Cow<'static, str>,
}

impl ConnectionError {
    pub(super) fn new(problem: Problem, text: &'static str) -> Self {
        Self {
            problem,
            text: Cow::Borrowed(text),
        }
    }

    pub(super) fn told(problem: Problem, text: String) -> Self {
        Self {
            problem,
            text: Cow::Owned(text),
        }
    }

    /// The code of CONNECTION_CLOSE.
    pub const fn code(&self) -> ErrorCode {
        self.problem.code()
    }

    /// The phrase of CONNECTION_CLOSE, as Envoy has it: the number of the fault in front of the words.
    pub fn reason(&self) -> String {
        format!("{}:{}", self.problem.number(), self.text)
    }

    /// Envoy's response code details for the stream whose message was at fault, where it has some.
    pub fn details(&self) -> Option<&str> {
        (self.text == INVALID_HEADER).then_some(INVALID_HEADER)
    }
}

impl fmt::Display for ConnectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http/3 protocol error: {}", self.text)
    }
}

impl std::error::Error for ConnectionError {}

/// Envoy's details of a malformed message.
const INVALID_HEADER: &str = "http3.invalid_header_field";

/// One stream cannot go on: reset it, and stop the peer's sending, with [`StreamError::code`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamError {
    /// Its message is malformed.
    Messaging(Violation),
    /// Its body is not as long as `content-length` says.
    WrongLength,
    /// It has more headers than the limit allows.
    TooManyHeaders,
    /// It has more trailers than the limit allows.
    TooManyTrailers,
    /// Its headers have more bytes than the limit allows.
    HeadersTooLarge,
    /// A header name has an underscore, and the settings refuse that.
    UnexpectedUnderscore,
}

impl StreamError {
    /// The code of the reset.
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::Messaging(Violation::Repetition(_) | Violation::Target(_)) => ErrorCode::NO_ERROR,
            Self::Messaging(_) | Self::WrongLength | Self::UnexpectedUnderscore => {
                ErrorCode::GENERAL_PROTOCOL_ERROR
            }
            Self::TooManyHeaders | Self::TooManyTrailers | Self::HeadersTooLarge => {
                ErrorCode::EXCESSIVE_LOAD
            }
        }
    }

    /// The name of the reset's code in Envoy's counters (`tx.quic_reset_stream_error_code_*`).
    pub const fn name(self) -> &'static str {
        match self {
            Self::Messaging(Violation::Repetition(_) | Violation::Target(_)) => {
                "QUIC_STREAM_NO_ERROR"
            }
            Self::Messaging(_) | Self::WrongLength | Self::UnexpectedUnderscore => {
                "QUIC_BAD_APPLICATION_PAYLOAD"
            }
            Self::HeadersTooLarge => "QUIC_HEADERS_TOO_LARGE",
            Self::TooManyHeaders | Self::TooManyTrailers => "QUIC_STREAM_EXCESSIVE_LOAD",
        }
    }

    /// Envoy's response code details.
    pub const fn details(self) -> &'static str {
        match self {
            Self::Messaging(_) => INVALID_HEADER,
            Self::WrongLength => "http3.inconsistent_content_length",
            Self::HeadersTooLarge => "http3.headers_too_large",
            Self::UnexpectedUnderscore => "http3.unexpected_underscore",
            Self::TooManyHeaders => "http3.too_many_headers",
            Self::TooManyTrailers => "http3.too_many_trailers",
        }
    }
}

/// What ends with an error in what a peer sent on the stream of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Http3Error {
    /// The whole connection.
    Connection(ConnectionError),
    /// The stream.
    Stream(StreamError),
}

impl Http3Error {
    /// A malformed message: the end of the connection, or of the stream alone if the settings say so. Of some violations
    /// Envoy never ends more than the stream.
    pub(super) fn malformed(violation: Violation, ends_stream_alone: bool) -> Self {
        let is_of_stream = matches!(
            violation,
            Violation::Order(_) | Violation::Repetition(_) | Violation::Target(_)
        );
        match is_of_stream || ends_stream_alone {
            true => Self::Stream(StreamError::Messaging(violation)),
            false => Self::Connection(ConnectionError::new(Problem::Frame, INVALID_HEADER)),
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
