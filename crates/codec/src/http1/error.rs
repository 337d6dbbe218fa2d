//! Why a message is refused: what to answer, and what Envoy calls it.

use std::fmt;

/// A violation of the protocol by the peer. The connection cannot be used further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The grammar is violated; the text says where.
    Syntax(&'static str),
    /// A control character stands in the head or in the trailers.
    InvalidCharacters,
    /// The head is longer than allowed.
    HeadersTooLarge,
    /// The trailers are longer than allowed.
    TrailersTooLarge,
    /// The head has more headers than allowed.
    TooManyHeaders,
    /// The trailers have more headers than allowed.
    TooManyTrailers,
    /// A header name has an underscore, and the configuration refuses that.
    UnexpectedUnderscore,
    /// `Connection` names headers that it must not.
    ConnectionHeaderRejected,
    /// The request target is no URL.
    InvalidUrl,
    /// The scheme of the request target is neither http nor https.
    InvalidScheme,
    /// The request target says `https` on a connection in plain text, and the configuration refuses that.
    HttpsInPlainText,
    /// The authority has characters that it must not.
    InvalidAuthority,
    /// HTTP/1.0 or older, and the configuration does not accept it.
    LowVersion,
    /// `CONNECT` with a body.
    BodyDisallowed,
    /// A transfer coding other than `chunked`.
    InvalidTransferEncoding,
    /// Both `Content-Length` and `Transfer-Encoding`.
    ContentLengthAndChunked,
    /// A response that must not have `Transfer-Encoding` has it.
    TransferEncodingNotAllowed,
    /// A response that must not have `Content-Length` has it.
    ContentLengthNotAllowed,
    /// The peer closed in the middle of a message.
    UnexpectedEnd,
}

impl Error {
    /// Envoy's response code details.
    pub const fn details(self) -> &'static str {
        match self {
            Error::Syntax(_) | Error::UnexpectedEnd => "http1.codec_error",
            Error::InvalidCharacters => "http1.invalid_characters",
            Error::HeadersTooLarge | Error::TrailersTooLarge => "http1.headers_too_large",
            Error::TooManyHeaders | Error::TooManyTrailers => "http1.too_many_headers",
            Error::UnexpectedUnderscore => "http1.unexpected_underscore",
            Error::ConnectionHeaderRejected => "http1.connection_header_rejected",
            Error::InvalidUrl => "http1.invalid_url",
            Error::InvalidScheme => "http1.invalid_scheme",
            Error::HttpsInPlainText => "http1.https_url_on_plaintext_connection",
            Error::InvalidAuthority => "http.invalid_authority",
            Error::LowVersion => "low_version",
            Error::BodyDisallowed => "http1.body_disallowed",
            Error::InvalidTransferEncoding => "http1.invalid_transfer_encoding",
            Error::ContentLengthAndChunked => "http1.content_length_and_chunked_not_allowed",
            Error::TransferEncodingNotAllowed => "http1.transfer_encoding_not_allowed",
            Error::ContentLengthNotAllowed => "http1.content_length_not_allowed",
        }
    }

    /// The status that a server answers with, if it has not begun to answer. The
    /// body is the reason phrase; `downstream_cx_protocol_error` counts it, and the
    /// response flag is `DPE`.
    pub const fn status(self) -> u16 {
        match self {
            Error::HeadersTooLarge
            | Error::TrailersTooLarge
            | Error::TooManyHeaders
            | Error::TooManyTrailers => 431,
            Error::HttpsInPlainText => 403,
            Error::LowVersion => 426,
            Error::InvalidTransferEncoding => 501,
            _ => 400,
        }
    }

    /// Whether it is seen only once all headers were read.
    pub(super) const fn is_found_behind_headers(self) -> bool {
        matches!(
            self,
            Error::ConnectionHeaderRejected
                | Error::InvalidUrl
                | Error::InvalidScheme
                | Error::HttpsInPlainText
                | Error::InvalidAuthority
                | Error::LowVersion
                | Error::BodyDisallowed
                | Error::InvalidTransferEncoding
                | Error::ContentLengthAndChunked
                | Error::TransferEncodingNotAllowed
                | Error::ContentLengthNotAllowed
        )
    }

    /// The counter of its own that it has, beside `downstream_cx_protocol_error` of the
    /// connection manager, or `upstream_cx_protocol_error` of the cluster.
    pub const fn counter(self) -> Option<&'static str> {
        match self {
            Error::UnexpectedUnderscore => {
                Some("http1.requests_rejected_with_underscores_in_headers")
            }
            _ => None,
        }
    }

    /// What went wrong, as Envoy's log names it.
    pub const fn message(self) -> &'static str {
        match self {
            Error::Syntax(what) => what,
            Error::InvalidCharacters => "header value contains invalid chars",
            Error::HeadersTooLarge => "headers size exceeds limit",
            Error::TrailersTooLarge => "trailers size exceeds limit",
            Error::TooManyHeaders => "headers count exceeds limit",
            Error::TooManyTrailers => "trailers count exceeds limit",
            Error::UnexpectedUnderscore => "header name contains underscores",
            Error::ConnectionHeaderRejected => "Invalid nominated headers in Connection.",
            Error::InvalidUrl => "invalid url in request line",
            Error::InvalidScheme => "invalid scheme",
            Error::HttpsInPlainText => "https in the clear",
            Error::InvalidAuthority => "request headers failed spec compliance checks",
            Error::LowVersion => "Upgrade required for HTTP/1.0 or HTTP/0.9",
            Error::BodyDisallowed => "unsupported content length",
            Error::InvalidTransferEncoding => "unsupported transfer encoding",
            Error::ContentLengthAndChunked => {
                "both 'Content-Length' and 'Transfer-Encoding' are set."
            }
            Error::TransferEncodingNotAllowed => "transfer encoding not allowed in 1xx or 204",
            Error::ContentLengthNotAllowed => "content length not allowed in 1xx or 204",
            Error::UnexpectedEnd => "HPE_INVALID_EOF_STATE",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http/1.1 protocol error: {}", self.message())
    }
}

impl std::error::Error for Error {}
