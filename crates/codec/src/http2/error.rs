//! Error codes of HTTP/2, and what ends a connection or a stream.

use std::fmt;

use super::stream_id::StreamId;
use crate::header_block::Violation;

/// Why a stream or a connection ends, as it goes over the wire (RFC 9113 section 7). Codes that are not known are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ErrorCode(pub u32);

impl ErrorCode {
    /// Nothing is wrong.
    pub const NO_ERROR: Self = Self(0);
    /// The protocol is violated.
    pub const PROTOCOL_ERROR: Self = Self(1);
    /// The fault is the sender's own.
    pub const INTERNAL_ERROR: Self = Self(2);
    /// More was sent than the window allows.
    pub const FLOW_CONTROL_ERROR: Self = Self(3);
    /// SETTINGS were not acknowledged in time.
    pub const SETTINGS_TIMEOUT: Self = Self(4);
    /// A frame for a stream that its sender has ended.
    pub const STREAM_CLOSED: Self = Self(5);
    /// A frame of a wrong length.
    pub const FRAME_SIZE_ERROR: Self = Self(6);
    /// Nothing was done for the stream; it can be sent again.
    pub const REFUSED_STREAM: Self = Self(7);
    /// The stream is not needed any more.
    pub const CANCEL: Self = Self(8);
    /// A header block cannot be decompressed.
    pub const COMPRESSION_ERROR: Self = Self(9);
    /// The connection behind a CONNECT failed.
    pub const CONNECT_ERROR: Self = Self(10);
    /// The peer asks for too much.
    pub const ENHANCE_YOUR_CALM: Self = Self(11);
    /// The transport is not safe enough.
    pub const INADEQUATE_SECURITY: Self = Self(12);
    /// HTTP/1.1 is to be used instead.
    pub const HTTP_1_1_REQUIRED: Self = Self(13);

    /// The name of the code.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NO_ERROR => "NO_ERROR",
            Self::PROTOCOL_ERROR => "PROTOCOL_ERROR",
            Self::INTERNAL_ERROR => "INTERNAL_ERROR",
            Self::FLOW_CONTROL_ERROR => "FLOW_CONTROL_ERROR",
            Self::SETTINGS_TIMEOUT => "SETTINGS_TIMEOUT",
            Self::STREAM_CLOSED => "STREAM_CLOSED",
            Self::FRAME_SIZE_ERROR => "FRAME_SIZE_ERROR",
            Self::REFUSED_STREAM => "REFUSED_STREAM",
            Self::CANCEL => "CANCEL",
            Self::COMPRESSION_ERROR => "COMPRESSION_ERROR",
            Self::CONNECT_ERROR => "CONNECT_ERROR",
            Self::ENHANCE_YOUR_CALM => "ENHANCE_YOUR_CALM",
            Self::INADEQUATE_SECURITY => "INADEQUATE_SECURITY",
            Self::HTTP_1_1_REQUIRED => "HTTP_1_1_REQUIRED",
            _ => "unknown",
        }
    }
}

/// The connection cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionError {
    /// The peer violated the protocol. A GOAWAY with this code and text was appended: write what is pending and close.
    GoAway(ErrorCode, &'static str),
    /// The peer violated the protocol in a way that Envoy closes on without a GOAWAY. The code is the one that a GOAWAY
    /// would have.
    Silent(ErrorCode, &'static str),
    /// The same, where RFC 9113 asks for a GOAWAY: one was appended, as for [`ConnectionError::GoAway`].
    GoAwayBeyondEnvoy(ErrorCode, &'static str),
    /// A message on this stream is malformed, and the settings do not make that an error of the stream alone. Closed
    /// without a GOAWAY.
    Messaging(StreamId, Violation),
    /// METADATA that cannot be decoded, or too much of it. Closed without a GOAWAY.
    Metadata(&'static str),
    /// Too many frames wait to be sent, as the peer does not read: close without writing.
    OutboundFlood,
    /// Too many control frames wait to be sent, as the peer does not read: close without writing.
    OutboundControlFlood,
    /// Too many frames without a payload, one after the other.
    EmptyFramesFlood,
    /// Too many PRIORITY frames.
    PriorityFramesFlood,
    /// Too many WINDOW_UPDATE frames.
    WindowUpdateFramesFlood,
}

impl ConnectionError {
    /// What is wrong as a code; that of the GOAWAY where one was appended.
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::GoAway(code, _) | Self::Silent(code, _) | Self::GoAwayBeyondEnvoy(code, _) => {
                code
            }
            Self::Messaging(..) | Self::Metadata(_) => ErrorCode::PROTOCOL_ERROR,
            _ => ErrorCode::ENHANCE_YOUR_CALM,
        }
    }

    /// What went wrong, in words.
    pub fn message(self) -> &'static str {
        match self {
            Self::GoAway(code, "") => code.name(),
            Self::GoAway(_, what)
            | Self::Silent(_, what)
            | Self::GoAwayBeyondEnvoy(_, what)
            | Self::Metadata(what) => what,
            Self::Messaging(_, violation) => violation.what(),
            Self::OutboundFlood => "Too many frames in the outbound queue.",
            Self::OutboundControlFlood => "Too many control frames in the outbound queue.",
            Self::EmptyFramesFlood => "Too many consecutive frames with an empty payload",
            Self::PriorityFramesFlood => "Too many PRIORITY frames",
            Self::WindowUpdateFramesFlood => "Too many WINDOW_UPDATE frames",
        }
    }

    /// Envoy's response code details for the streams that end with the connection, where it has some of its own.
    pub const fn details(self) -> Option<&'static str> {
        match self {
            Self::Messaging(_, violation) => Some(details_of(violation)),
            Self::EmptyFramesFlood => Some("http2.inbound_empty_frames_flood"),
            Self::OutboundFlood | Self::OutboundControlFlood => Some("http2.outbound_frames_flood"),
            _ => None,
        }
    }

    /// What a GOAWAY tells the peer, where one is sent: the code and the text.
    pub const fn last_words(self) -> Option<(ErrorCode, &'static str)> {
        match self {
            Self::GoAway(code, what) | Self::GoAwayBeyondEnvoy(code, what) => Some((code, what)),
            _ => None,
        }
    }

    /// Whether Envoy counts it in `downstream_cx_protocol_error` or `upstream_cx_protocol_error`; floods it does not.
    pub const fn is_protocol_error(self) -> bool {
        matches!(
            self,
            Self::GoAway(..)
                | Self::Silent(..)
                | Self::GoAwayBeyondEnvoy(..)
                | Self::Messaging(..)
                | Self::Metadata(_)
        )
    }
}

impl fmt::Display for ConnectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http/2 protocol error: {}", self.message())
    }
}

impl std::error::Error for ConnectionError {}

/// One stream cannot go on; the codec has appended RST_STREAM with [`StreamError::code`] and forgotten it.
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
    /// The peer exceeded the stream's window, or opened ours beyond 2^31 - 1.
    FlowControl,
    /// The peer sent on a stream that it had ended.
    Closed,
    /// The peer violated the protocol on this stream alone.
    Protocol(ErrorCode, &'static str),
    /// A request beyond the limit of concurrent streams; never told to the application as a head.
    Refused,
}

impl StreamError {
    /// The code of the RST_STREAM that was appended.
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::Messaging(_) => ErrorCode::PROTOCOL_ERROR,
            Self::TooManyHeaders | Self::HeadersTooLarge | Self::UnexpectedUnderscore => {
                ErrorCode::INTERNAL_ERROR
            }
            Self::FlowControl => ErrorCode::FLOW_CONTROL_ERROR,
            Self::Closed => ErrorCode::STREAM_CLOSED,
            Self::Protocol(code, _) => code,
            Self::Refused => ErrorCode::REFUSED_STREAM,
        }
    }

    /// Envoy's response code details.
    pub const fn details(self) -> &'static str {
        match self {
            Self::Messaging(violation) => details_of(violation),
            Self::HeadersTooLarge => "http2.header_list_size_too_large",
            Self::UnexpectedUnderscore => "http2.unexpected_underscore",
            Self::TooManyHeaders => "http2.too_many_headers",
            Self::Refused => "http2.remote_refuse",
            Self::FlowControl | Self::Closed | Self::Protocol(..) => "http2.unknown.nghttp2.error",
        }
    }
}

/// Envoy's response code details of a violation.
const fn details_of(violation: Violation) -> &'static str {
    match violation {
        Violation::Header(_) | Violation::Order(_) | Violation::Repetition(_) => {
            "http2.invalid.header.field"
        }
        Violation::Message(_) | Violation::Target(_) => "http2.violation.of.messaging.rule",
    }
}
