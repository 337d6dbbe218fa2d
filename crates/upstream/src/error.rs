//! What can go wrong between choosing a host and the last byte of its response, in Envoy's words.

use nuncio_contract::error::{Fault, RetrySafety};
use nuncio_contract::local_reply::LocalReply;

/// Why a stream could not be had or did not come to its end.
///
/// Envoy's `StreamResetReason`, plus the case that no host could be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpstreamErrorKind {
    /// The host that was asked for is not known yet; its name is to be resolved first. Nobody but the router sees it.
    HostUnresolved,
    /// No host is there, or none may be used (`UH`, "no healthy upstream").
    NoHealthyUpstream,
    /// The connection could not be opened because of this side.
    LocalConnectionFailure,
    /// The host refused the connection, or the TLS handshake failed.
    RemoteConnectionFailure,
    /// The connection took longer than `connect_timeout`.
    ConnectionTimeout,
    /// The connection was closed before the response was complete.
    ConnectionTermination,
    /// A circuit breaker is open.
    Overflow,
    /// The host reset the stream.
    RemoteReset,
    /// The host refused the stream, or said that it did not look at it.
    RemoteRefusedStream,
    /// This side gave the stream up for what came on it.
    LocalReset,
    /// The host could not connect to where CONNECT was to lead.
    ConnectError,
    /// The host's response is not HTTP, or breaks a limit.
    ProtocolError,
}

impl UpstreamErrorKind {
    /// Envoy's words after `reset reason: `.
    pub const fn reset_reason(self) -> &'static str {
        match self {
            Self::NoHealthyUpstream | Self::HostUnresolved => "no healthy upstream",
            Self::LocalConnectionFailure => "local connection failure",
            Self::RemoteConnectionFailure => "remote connection failure",
            Self::ConnectionTimeout => "connection timeout",
            Self::ConnectionTermination => "connection termination",
            Self::Overflow => "overflow",
            Self::RemoteReset => "remote reset",
            Self::RemoteRefusedStream => "remote refused stream reset",
            Self::LocalReset => "local reset",
            Self::ConnectError => "remote error with CONNECT request",
            Self::ProtocolError => "protocol error",
        }
    }
}

/// An error of the upstream side.
#[derive(Clone, Debug)]
pub struct UpstreamError {
    /// What happened.
    pub kind: UpstreamErrorKind,
    /// What the transport says about it, such as `delayed connect error: Connection refused`.
    pub transport_failure_reason: Option<Box<str>>,
    /// What QUIC says of the end of a stream or its connection, such as `QUIC_STREAM_CANCELLED|FROM_PEER`.
    pub reset_details: Option<Box<str>>,
    /// Response code details of a protocol error, such as `http1.codec_error`.
    pub details: Option<&'static str>,
    /// The stream had a connection that had served requests before.
    pub reused_connection: bool,
    /// At least one byte of the response had come.
    pub response_started: bool,
    /// At least one byte of the request may have reached the host.
    pub request_sent: bool,
    /// A circuit breaker refused it only when its host had a connection for it.
    pub has_host: bool,
    /// A filter between the router and the host has answered instead.
    pub reply: Option<Box<LocalReply>>,
}

impl UpstreamError {
    /// An error of which no more is known than its kind.
    pub const fn new(kind: UpstreamErrorKind) -> Self {
        Self {
            kind,
            transport_failure_reason: None,
            reset_details: None,
            details: None,
            reused_connection: false,
            response_started: false,
            request_sent: false,
            has_host: false,
            reply: None,
        }
    }

    /// A circuit breaker allows no more requests at a host that has a connection for one.
    pub(crate) fn too_many_requests() -> Self {
        Self {
            has_host: true,
            ..Self::new(UpstreamErrorKind::Overflow)
        }
    }

    /// Whether a pooled connection turned out dead: it had served requests before and ended before any byte
    /// of this response. Such a request is tried once more on another connection.
    pub const fn is_stale_connection(&self) -> bool {
        self.reused_connection
            && !self.response_started
            && matches!(self.kind, UpstreamErrorKind::ConnectionTermination)
    }

    /// Whose fault this is.
    pub const fn fault(&self) -> Fault {
        match self.kind {
            UpstreamErrorKind::Overflow | UpstreamErrorKind::LocalConnectionFailure => {
                Fault::Internal
            }
            _ => Fault::Upstream,
        }
    }

    /// Whether the request can be sent again without the risk of doing it twice.
    pub const fn retry_safety(&self) -> RetrySafety {
        if self.request_sent {
            RetrySafety::Unsafe
        } else {
            RetrySafety::Safe
        }
    }
}

impl std::error::Error for UpstreamError {}

impl std::fmt::Display for UpstreamError {
    /// As in Envoy's response bodies: the reset reason, then the transport's reason.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.kind.reset_reason())?;
        match &self.transport_failure_reason {
            Some(reason) => write!(f, ", transport failure reason: {reason}"),
            None => Ok(()),
        }
    }
}
