//! gRPC status of a stream, from trailers, headers or the HTTP status, and its names.

use super::FormatContext;
use super::error::FormatError;
use crate::headers::{HeaderMap, Known};

/// How `%GRPC_STATUS(X)%` shows a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GrpcStatusStyle {
    /// `PermissionDenied`.
    Camel,
    /// `PERMISSION_DENIED`.
    Snake,
    /// `7`.
    Number,
}

/// Names by number.
const NAMES: [(&str, &str); 17] = [
    ("OK", "OK"),
    ("Canceled", "CANCELLED"),
    ("Unknown", "UNKNOWN"),
    ("InvalidArgument", "INVALID_ARGUMENT"),
    ("DeadlineExceeded", "DEADLINE_EXCEEDED"),
    ("NotFound", "NOT_FOUND"),
    ("AlreadyExists", "ALREADY_EXISTS"),
    ("PermissionDenied", "PERMISSION_DENIED"),
    ("ResourceExhausted", "RESOURCE_EXHAUSTED"),
    ("FailedPrecondition", "FAILED_PRECONDITION"),
    ("Aborted", "ABORTED"),
    ("OutOfRange", "OUT_OF_RANGE"),
    ("Unimplemented", "UNIMPLEMENTED"),
    ("Internal", "INTERNAL"),
    ("Unavailable", "UNAVAILABLE"),
    ("DataLoss", "DATA_LOSS"),
    ("Unauthenticated", "UNAUTHENTICATED"),
];

impl GrpcStatusStyle {
    /// The style with this name.
    pub(super) fn parse(argument: &str) -> Result<Self, FormatError> {
        match argument {
            "" | "CAMEL_STRING" => Ok(GrpcStatusStyle::Camel),
            "SNAKE_STRING" => Ok(GrpcStatusStyle::Snake),
            "NUMBER" => Ok(GrpcStatusStyle::Number),
            _ => Err(FormatError::new(format!(
                "GrpcStatusFormatter only supports CAMEL_STRING, SNAKE_STRING or NUMBER. Got: {argument}"
            ))),
        }
    }

    /// Appends the status as text; a number without a name as it is.
    pub(super) fn append(self, status: GrpcStatus, out: &mut Vec<u8>) {
        let name = usize::try_from(status.as_i64())
            .ok()
            .and_then(|number| NAMES.get(number));
        match (self, name) {
            (GrpcStatusStyle::Camel, Some((camel, _))) => out.extend_from_slice(camel.as_bytes()),
            (GrpcStatusStyle::Snake, Some((_, snake))) => out.extend_from_slice(snake.as_bytes()),
            _ => super::time_format::append_i64(status.as_i64(), out),
        }
    }
}

/// A gRPC status code; `-1` stands for a value that is no code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GrpcStatus(i64);

impl GrpcStatus {
    /// The code.
    pub fn as_i64(self) -> i64 {
        self.0
    }

    /// The status that a stream ended with: of its trailers, of its headers, or after its HTTP status.
    ///
    /// With `any_code`, codes above the known ones are taken as they are; else they give `-1`.
    pub fn of_stream(context: &FormatContext<'_>, any_code: bool) -> Option<Self> {
        let from = |headers: Option<&HeaderMap>| {
            headers.and_then(|headers| Self::of_headers(headers, any_code))
        };
        from(context.response_trailers)
            .or_else(|| from(context.response_headers))
            .or_else(|| context.stream_info.response_code.map(Self::of_http_status))
    }

    fn of_headers(headers: &HeaderMap, any_code: bool) -> Option<Self> {
        let value = headers
            .get(Known::GrpcStatus)
            .filter(|value| !value.is_empty())?;
        let code = std::str::from_utf8(value)
            .ok()
            .and_then(|text| text.trim().parse::<u32>().ok());
        Some(match code {
            Some(code) if any_code || code <= 16 => GrpcStatus(code.into()),
            _ => GrpcStatus(-1),
        })
    }

    /// The code that gRPC gives an HTTP status.
    pub fn of_http_status(status: u16) -> Self {
        GrpcStatus(match status {
            400 => 13,
            401 => 16,
            403 => 7,
            404 => 12,
            429 | 502 | 503 | 504 => 14,
            _ => 2,
        })
    }
}

/// Whether the request is gRPC: `application/grpc` or `application/grpc+...`, and it has a path.
pub fn is_grpc_request(headers: &HeaderMap) -> bool {
    let Some(content_type) = headers.get(Known::ContentType) else {
        return false;
    };
    let Some(rest) = content_type.strip_prefix(b"application/grpc") else {
        return false;
    };
    (rest.is_empty() || rest.starts_with(b"+")) && headers.get(Known::Path).is_some()
}
